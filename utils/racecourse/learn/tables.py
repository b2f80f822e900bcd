"""Result tables as plain text: the same on GitHub, on Colab and in a screen reader.

Left out: colours, sorting and HTML.
"""

from __future__ import annotations

from collections.abc import Sequence


def text_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Rows under their column names. The first column is set to the left, the others to the right.

    >>> print(text_table(["method", "tokens"], [["greedy", 64], ["sampled", 1024]]))
    method   tokens
    greedy       64
    sampled    1024

    Raises:
        ValueError: a row that has more or fewer cells than there are columns.
    """
    lines = [[str(cell) for cell in row] for row in (columns, *rows)]
    for line in lines:
        if len(line) != len(columns):
            raise ValueError(f"a row has {len(line)} cells and there are {len(columns)} columns: {line}")
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )
