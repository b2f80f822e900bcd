"""Formulas of the site as MathML, made when the site is built: a browser shows them without a script.

A Sphinx extension; docs/conf.py loads it. Left out: numbered equations, of which the course has none.
"""

from __future__ import annotations

from typing import Any


def mathml(tex: str, *, display: bool) -> str:
    r"""A formula in MathML; `display` sets it on a line of its own.

    >>> mathml(r"\ln V", display=False).endswith("<mrow><mi>ln</mi><mi>V</mi></mrow></math>")
    True

    Raises:
        ValueError: TeX that the converter does not know; it would show the command's name as text.
    """
    from latex2mathml.converter import convert

    made = convert(tex, display="block" if display else "inline")
    unknown = [text for text in made.replace(">", "<").split("<") if text.startswith(("\\", "&#x0005C;"))]
    if unknown:
        raise ValueError(f"no MathML for {unknown[0]!r} in {tex!r}; write the formula in another way")
    return made


def visit_inline(translator: Any, node: Any) -> None:
    from docutils.nodes import SkipNode

    translator.body.append(mathml(node.astext(), display=False))
    raise SkipNode


def visit_block(translator: Any, node: Any) -> None:
    from docutils.nodes import SkipNode

    translator.body.append(f'<div class="formula">{mathml(node.astext(), display=True)}</div>\n')
    raise SkipNode


def setup(app: Any) -> dict[str, bool]:
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
