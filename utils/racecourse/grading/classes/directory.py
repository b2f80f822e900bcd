"""A class: a private directory outside the course's clone, with its settings, roster, secret, submissions and marks.

    class.toml           settings; a person edits it       roster.csv      who is in it
    nbgrader_config.py   for nbgrader's own commands       secret          hidden inputs and versions follow from it
    source/ release/     the sets as the class has them    variants/       who has which version, and their notebooks
    submitted/ autograded/ feedback/ gradebook.db          nbgrader's
    records/ reports/    the grader's                      backups/        made by `racecourse class upgrade`

The sets in source/ and release/ are copies, made when a set is handed out or first graded: with them a class notices
that the course has changed under it. Left out: making one (`making`), the commands (`commands`), a newer
course (`upgrading`), deleting students (`forgetting`).
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import tomllib
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PrivateAttr, StringConstraints, ValidationError

from racecourse.grading.autograde import Classroom
from racecourse.grading.classes.rosters import RosterChange, Student, merged, read_roster, write_roster
from racecourse.grading.variants import parameters_of
from racecourse.learn.notebooks import EXERCISE, course_root, release_path, target_of

__all__ = ["ClassDirectory", "Student", "read_roster", "write_roster"]

SETTINGS = "class.toml"
ROSTER = "roster.csv"
A_DATE = "2026-12-01T23:59:00+01:00"


class Late(BaseModel):
    """What it costs to hand in late."""

    model_config = ConfigDict(extra="forbid")
    policy: Literal["none", "zero", "per-day"] = "none"
    percent: float = Field(default=10, ge=0, le=100)  # for "per-day"


class SetPlan(BaseModel):
    """One set of a class."""

    model_config = ConfigDict(extra="forbid")
    due: AwareDatetime | None = None
    column: str = ""  # title of its column in the LMS's gradebook; the set's name if it is left out


class ClassDirectory(BaseModel):
    """What class.toml says, and where it lies."""

    model_config = ConfigDict(extra="forbid")
    name: str
    course_id: Annotated[str, StringConstraints(pattern=r"^\w[\w.-]*$")]
    course: Path
    version: str
    db_url: str = ""  # after loading never empty
    variants: bool = True
    exchange: str = ""
    late: Late = Late()
    sets: dict[str, SetPlan]
    _folder: Path = PrivateAttr()

    @classmethod
    def load(cls, folder: Path) -> ClassDirectory:
        """
        Raises:
            FileNotFoundError: there is no class.toml.
            ValueError: it cannot be read, or something in it is wrong; every such key is named.
        """
        path = folder.resolve() / SETTINGS
        if not path.is_file():
            raise FileNotFoundError(
                f"no class in {str(folder)!r}: it has no {SETTINGS}; `racecourse class new` makes one"
            )
        try:
            found = cls.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} cannot be read: {error}") from error
        except ValidationError as error:
            raise ValueError("\n".join([f"{path}:", *map(_problem, error.errors())])) from None
        found._folder = path.parent
        found.db_url = found.db_url or f"sqlite:///{path.parent / 'gradebook.db'}"
        return found

    @classmethod
    def find(cls, start: Path | None = None) -> ClassDirectory | None:
        """The class at or above a folder, by default the working directory; None if there is none."""
        here = (start or Path.cwd()).resolve()
        for folder in (here, *here.parents):
            if (folder / SETTINGS).is_file():
                return cls.load(folder)
        return None

    @classmethod
    def named(cls, folder: Path | None) -> ClassDirectory:
        """The class in this folder, as a command's option names it; else the one around the working directory."""
        if folder is not None:
            return cls.load(folder)
        if found := cls.find():
            return found
        raise FileNotFoundError(
            f"no class at or above {str(Path.cwd())!r}: go to its directory, name it with --class DIR, "
            "or make one with `racecourse class new DIR`"
        )

    @property
    def folder(self) -> Path:
        return self._folder

    @property
    def root(self) -> Path:
        """The course's clone.

        Raises:
            FileNotFoundError: it is not where class.toml says.
        """
        if not (self.course / "sources").is_dir():
            raise FileNotFoundError(
                f"the course is no longer at {str(self.course)!r}: say where it is now with "
                "`racecourse class upgrade --course CLONE`"
            )
        return course_root(self.course)

    def classroom(self, name: str) -> Classroom:
        """What `autograde.grade` needs to grade a set of this class."""
        return Classroom(
            self.root, self.require(name), self.folder, self.db_url, roster=tuple(self.roster()), due=self.due(name)
        )

    def secret(self) -> bytes:
        return Classroom(self.course, "", self.folder).secret()

    def require(self, name: str) -> str:
        """The name of a set of this class; a ValueError if it is none."""
        if name not in self.sets:
            raise ValueError(
                f"{name!r} is no set of this class; it has {', '.join(self.sets) or 'none'}. "
                f"To add it, write a line [sets.{name}] into {self.folder / SETTINGS}"
            )
        return name

    def due(self, name: str) -> datetime | None:
        return self.sets[self.require(name)].due

    def roster(self) -> list[Student]:
        path = self.folder / ROSTER
        return read_roster(path) if path.is_file() else []

    def update_roster(self, students: Iterable[Student]) -> RosterChange:
        """Add who is new and take over what changed; nobody is removed."""
        change = merged(self.roster(), students)
        write_roster(self.folder / ROSTER, change.after)
        return change

    def configure(self, c: Any) -> None:
        """Point nbgrader's configuration at this class; called by its nbgrader_config.py."""
        from racecourse.grading.classes.exchange import exchange_config

        directory = c.CourseDirectory
        directory.course_id, directory.root, directory.db_url = self.course_id, str(self.folder), self.db_url
        for step in ("source", "release", "submitted", "autograded", "feedback", "solution"):
            directory[f"{step}_directory"] = step
        c.merge(exchange_config(self.exchange or None))
        c.Exporter.headings = {name: plan.column for name, plan in self.sets.items() if plan.column}
        if self.late.policy == "per-day":
            c.AssignLatePenalties.plugin_class = "racecourse.grading.classes.late.PerDay"
            c.PerDay.percent = self.late.percent
        else:
            c.LateSubmissionPlugin.penalty_method = self.late.policy

    # The sets as the class has them

    def is_in_course(self, name: str) -> bool:
        """Whether the course still has such a set."""
        files = (self.source_of(name), target_of(name, self.root), release_path(name, self.root))
        return all(path.is_file() for path in files)

    def source_of(self, name: str) -> Path:
        return self.root / "sources" / EXERCISE / f"{name}.py"

    def has_versions(self, name: str) -> bool:
        """Whether each student gets a version of their own of this set."""
        return self.variants and bool(parameters_of(self.source_of(self.require(name))))

    def is_released(self, name: str) -> bool:
        """Whether everybody has what `racecourse class release` hands out."""
        if not self.has_copy(name) or not self.has_versions(name):
            return self.has_copy(name)
        return all((self.folder / "variants" / name / f"{one.id}.ipynb").is_file() for one in self.roster())

    def copies(self, name: str) -> dict[Path, Path]:
        """The files that make a set: the class's copy -> the course's own."""
        solution, release = target_of(name, self.root), release_path(name, self.root)
        found = {self.folder / "source" / name / f"{name}.py": self.source_of(name)}
        for step, folder in (("source", solution.parent), ("release", release.parent)):
            files = [path for path in sorted(folder.glob("[!._]*")) if path.is_file()]
            found |= {self.folder / step / name / path.name: path for path in files}
        return found

    def has_copy(self, name: str) -> bool:
        return (self.folder / "source" / name / f"{name}.ipynb").is_file()

    def copy_set(self, name: str) -> None:
        """Take the set over from the course as it is now."""
        for step in ("release", "source"):  # source/ says that there is a copy, so it comes last
            with tempfile.TemporaryDirectory(dir=self.folder, prefix=f".{step}-") as temporary:
                made = Path(temporary) / name
                made.mkdir()
                for copy, original in self.copies(name).items():
                    if copy.parent.parent.name == step:
                        shutil.copyfile(original, made / copy.name)
                place = self.folder / step / name
                place.parent.mkdir(exist_ok=True)
                if place.exists():
                    place.rename(Path(temporary) / "before")
                made.rename(place)

    def require_current(self, name: str) -> None:
        """Make the copies of a set that has none.

        Raises:
            RuntimeError: the course's set is another than the class's.
        """
        if not self.has_copy(self.require(name)):
            self.copy_set(name)
        elif not self.is_current(name):
            raise RuntimeError(
                f"the set {name} in {self.root} is no longer the one that this class has: `racecourse class upgrade` "
                "shows what would change, and takes it over with --yes"
            )

    def is_current(self, name: str) -> bool:
        """Whether the copies are what the course has now."""
        return all(
            copy.is_file() and original.is_file() and copy.read_bytes() == original.read_bytes()
            for copy, original in self.copies(name).items()
        )


def _problem(error: Any) -> str:
    """One wrong key: its name, what is wanted, what is there."""
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] == "missing":
        return f"  {key} is missing"
    if error["type"] == "extra_forbidden":
        return f"  {key} is no setting of a class"
    if key.endswith(".due"):
        return f"  {key}: a date, a time and the difference from UTC are wanted, such as {A_DATE}; got {error['input']}"
    if key == "course_id":
        return f"  {key}: a letter or digit, then letters, digits, '-', '_' and '.'; got {error['input']!r}"
    return f"  {key}: {error['msg'][0].lower()}{error['msg'][1:]}; got {error['input']!r}"


def course_version(root: Path) -> str:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def with_setting(text: str, key: str, value: str) -> str:
    """The text of a class.toml with another value for one of its first keys; comments stay.

    >>> with_setting('version = "0.1.0"  # of the course\\n', "version", "0.2.0")
    'version = "0.2.0"  # of the course\\n'
    """
    line = re.compile(rf"^{key}[ \t]*=[ \t]*(\"(?:[^\"\\]|\\.)*\"|'[^']*')", re.MULTILINE)
    changed, n = line.subn(lambda _: f"{key} = {as_toml(value)}", text, count=1)
    if n != 1:
        raise ValueError(f'{SETTINGS} has no line `{key} = "..."`; write one, then try again')
    return changed


def as_toml(value: str | bool) -> str:
    """A string or a truth value; TOML writes both as JSON does."""
    return json.dumps(value, ensure_ascii=False)
