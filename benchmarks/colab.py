"""Every notebook in the rebuilt Colab: minutes, peak memory, and what its packages had become afterwards.

    python benchmarks/colab.py [NN ...] [--full] [--json FILE]

tests/colab.py says what is rebuilt and what is not. Each notebook starts on a fresh machine, so its minutes include the
set-up cell; exercise sets run with the solutions in place. Colab's free machine has 12.7 GB of memory. A lesson's
figures go to the file as they come.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from racecourse.learn.notebooks import COLAB_LACKS, course_root, sources

ROOT = course_root(Path(__file__).parent)
sys.path.insert(0, str(ROOT / "tests"))
import colab  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("numbers", nargs="*", help="two digits each: 00 07; all if left out")
    parser.add_argument("--full", action="store_true", help="full settings; quick ones otherwise")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    chosen = [path for path in sources(ROOT) if not options.numbers or path.stem[:2] in options.numbers]

    rows: list[dict] = []
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        python = colab.rebuild(Path(folder))
        before = colab.packages(python)
        for source in chosen:
            colab.fresh_machine(python)
            row = {"notebook": f"{source.parent.name}/{source.stem}", "full": options.full}
            try:
                run = colab.execute(python, colab.cells_of(source), quick=not options.full)
                row |= {"minutes": round(run.seconds / 60, 2), "cpu_minutes": round(run.cpu_seconds / 60, 2)}
                row |= {"peak_mib": round(run.peak_mib)}
            except AssertionError as error:
                row |= {"failed": str(error)[-3000:]}
            row["changed"] = sorted(before - colab.packages(python))
            rows.append(row)
            print(row, flush=True)
            if options.json:
                options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")

    table = Table("notebook", "minutes", "CPU minutes", "peak MiB", "packages changed", box=box.SIMPLE)
    for row in rows:
        figures = (str(row.get(key, "failed")) for key in ("minutes", "cpu_minutes", "peak_mib"))
        table.add_row(row["notebook"], *figures, ", ".join(row["changed"]) or "none")
    console.print(table)
    console.print(f"Added by the set-up cell: racecourse, {', '.join(COLAB_LACKS)}.")


if __name__ == "__main__":
    main()
