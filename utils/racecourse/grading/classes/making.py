"""Make the directory of a class: settings with comments, nbgrader's configuration, roster and secret.

All of it or nothing: it is made beside its place and moved there. Left out: changing it later, which a person does in
class.toml.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

from racecourse.grading.autograde import write_at_once
from racecourse.grading.classes.directory import A_DATE, ROSTER, SETTINGS, ClassDirectory, Late, as_toml, course_version
from racecourse.grading.classes.rosters import Student, write_roster
from racecourse.grading.intake.finding import safe
from racecourse.learn.notebooks import course_root

NBGRADER_CONFIG = '''\
"""nbgrader for this class: run its commands in this folder, in the course's environment.

The settings come from class.toml. Add your own at the end.
"""

from pathlib import Path

from racecourse.grading.classes.directory import ClassDirectory

c = get_config()  # nbgrader puts this function here
this_class = ClassDirectory.load(Path(__file__).parent)
load_subconfig("nbgrader_config.py", path=str(this_class.root))  # the course's own
this_class.configure(c)
'''

TEMPLATE = """\
# The settings of a class. Change them with any text editor; `racecourse class status` says if something is wrong here.

name = {name}
course_id = {course_id}  # nbgrader's name for it: letters, digits, '-', '_' and '.'
course = {course}  # the clone of the course
version = {version}  # of the course; `racecourse class upgrade` changes both

# Each student gets their own version of a set, where its exercises have versions.
variants = {variants}

# The gradebook: the file gradebook.db in this folder, or a PostgreSQL server (docs/cluster.md).
{db_url}

# The folder through which nbgrader's own commands hand out and collect, on a server with accounts (docs/hub.md).
{exchange}

# Handed in late: "none" costs nothing, "zero" everything, "per-day" `percent` of the score for each day begun.
[late]
policy = {policy}
percent = {percent:g}

# One part for each set of this class, with what it needs of these:
#   due = {a_date}
#   column = "Set 01 (4711)"  # in the gradebook of Canvas or Moodle; the set's name if it is left out
{sets}"""


def new_class(
    folder: Path, root: Path, *, sets: Iterable[str] = (), name: str = "", db_url: str = "", variants: bool = True,
    due: Mapping[str, str] | None = None, late: Late | None = None, exchange: str = "",
    roster: Iterable[Student] = (),
) -> ClassDirectory:  # fmt: skip
    """Make a class directory; without `sets` it has all of the course.

    Raises:
        FileExistsError: there is something in the folder.
        ValueError: the folder lies in the course's clone; a set or a date is none.
    """
    folder, root = folder.expanduser().resolve(), course_root(root)
    if folder.is_relative_to(root):
        raise ValueError(f"{folder} lies in the course's clone, which is public; choose a folder outside of {root}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} is there and not empty; choose a new folder")
    there = sorted(path.stem for path in (root / "exercises").glob("*/*.ipynb"))
    chosen = list(sets) or there
    if unknown := [one for one in [*chosen, *(due or {})] if one not in there]:
        raise ValueError(f"no set named {', '.join(unknown)}; there are {', '.join(there)}")
    dates = {one: _date(text, one) for one, text in (due or {}).items()}
    chosen += [one for one in dates if one not in chosen]
    text = _settings(
        folder, root, name=name, sets=chosen, due=dates, db_url=db_url, variants=variants, late=late or Late(),
        exchange=exchange,
    )  # fmt: skip
    students = list(roster)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
        made = Path(temporary) / "class"
        made.mkdir(mode=0o700)  # marks and names are nobody else's business
        write_at_once(made / SETTINGS, text, mode=0o600)
        ClassDirectory.load(made)
        write_roster(made / ROSTER, students)
        write_at_once(made / "nbgrader_config.py", NBGRADER_CONFIG)
        if folder.exists():
            folder.rmdir()
        made.rename(folder)
    found = ClassDirectory.load(folder)
    found.secret()
    return found


def _settings(
    folder: Path, root: Path, *, name: str, sets: list[str], due: Mapping[str, datetime], db_url: str, variants: bool,
    late: Late, exchange: str,
) -> str:  # fmt: skip
    parts = [f"[sets.{one}]\n" + (f"due = {due[one].isoformat()}\n" if one in due else "") for one in sets]
    return TEMPLATE.format(
        name=as_toml(name or folder.name),
        course_id=as_toml(safe(folder.name) or "racecourse"),
        course=as_toml(str(root)),
        version=as_toml(course_version(root)),
        variants=as_toml(variants),
        db_url=f"db_url = {as_toml(db_url)}" if db_url else '# db_url = "postgresql+psycopg://USER@HOST/DATABASE"',
        exchange=f"exchange = {as_toml(exchange)}" if exchange else '# exchange = "/srv/nbgrader/exchange"',
        policy=as_toml(late.policy),
        percent=late.percent,
        a_date=A_DATE,
        sets="\n".join(parts),
    )


def _date(text: str, name: str) -> datetime:
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        date = datetime.min
    if date.tzinfo is None:
        raise ValueError(
            f"the due date of {name}: a date, a time and the difference from UTC are wanted, such as {A_DATE}; "
            f"got {text!r}"
        )
    return date
