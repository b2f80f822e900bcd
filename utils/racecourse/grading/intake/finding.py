"""One file per student, in a folder or in a zip that a learning platform made. Nothing is ever unpacked to disk.

How platforms name files is read from their own source:

    Canvas (lib/content_zipper.rb)             leeanna_LATE_12_345_work-1.ipynb       12: the user, 345: the file
                                               anon_Xy3Zz_345_work.ipynb              names are hidden
    Moodle (mod/assign/classes/downloader.php) Anna Lee_77_assignsubmission_file_/work.ipynb, or all in one name
                                               Participant_77_assignsubmission_...    names are hidden

Canvas's name is the sortable one in small letters, without spaces and punctuation. Its number is the same everywhere in
Canvas, so that it tells people of one name apart (`lms_id` on the roster). Moodle's number is another one in each
assignment and says nothing outside it. Both date the files in a zip by the moment of the download. Left out: group
submissions, of which a platform names one member or the group.
"""

from __future__ import annotations

import io
import re
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from racecourse.grading.intake.reading import MAX_NOTEBOOK, MB, Refused, parse
from racecourse.grading.intake.repairing import set_of

if TYPE_CHECKING:
    from racecourse.grading.classes.rosters import Student

MAX_UNPACKED = 1000 * MB  # of one call of find_submissions
MAX_RATIO = 200  # unpacked to packed; notebooks reach about 10
MAX_ENTRIES = 20_000
MAX_ZIPS_IN_ZIPS = 2
BESIDE = ("timestamp.txt", "submission_secret.txt")  # nbgrader's own, with each submission
ZIP_ERRORS = (
    zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, LZMAError, EOFError, OSError, RuntimeError, ValueError,
    NotImplementedError, LookupError, OverflowError,
)  # fmt: skip


@dataclass(frozen=True)
class Submission:
    """One student's file, unread: `parse` and `repair` come next, and may refuse it."""

    student: str  # safe for a file name and as nbgrader's student id
    path_shown: str  # where it was found: a path, "zip > path in it"
    data: bytes
    submitted_at: datetime | None  # of the file or of its entry in the zip; None if the zip does not say
    platform: str = ""  # "canvas" or "moodle": then the date is that of the download, and nobody is late by it
    is_late: bool = False  # Canvas says so, and not by how much


@dataclass(frozen=True)
class Found:
    """A file that may be a submission."""

    parts: tuple[str, ...]  # folders, zips without their suffix, and the file's name
    path_shown: str
    data: bytes
    submitted_at: datetime | None


@dataclass(frozen=True)
class Owner:
    """What a path says about whose file it is, and which of several of theirs."""

    student: str
    number: str = ""  # in the learning platform: Canvas's of the student, Moodle's of the student in this assignment
    order: tuple[int, ...] = ()  # larger is newer
    placed_by_name: bool = False  # the path names the set, or comes from a learning platform
    platform: str = ""  # whose rules the path follows: "canvas", "moodle"
    is_hidden: bool = False  # the platform does not say who it is
    is_late: bool = False


@dataclass(frozen=True)
class Known:
    """A student of the class, and what a file of theirs may be named after."""

    id: str
    number: str = ""  # Canvas's
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, student: str | Student) -> Known:
        """
        >>> from racecourse.grading.classes.rosters import Student
        >>> Known.of(Student("s7", "Anna", "Lee", "a.lee@x.org", lms_id="12", login="al7")).names
        ('s7', 'al7', 'a.lee@x.org', 'a.lee', 'Anna Lee', 'Lee Anna', 'al7 Anna Lee')
        """
        if isinstance(student, str):
            return cls(student, student, (student,))
        full = f"{student.first_name} {student.last_name}".strip()
        turned = f"{student.last_name} {student.first_name}".strip()
        names = [student.id, student.login, student.email, student.email.partition("@")[0], full, turned]
        names.append(f"{student.login} {full}" if student.login and full else "")  # Moodle, with the user name in front
        return cls(student.id, student.lms_id, tuple(dict.fromkeys(name for name in names if name)))


def find_submissions(
    source: Path, name: str, known_students: Collection[str | Student] | None = None, *, root: Path | None = None
) -> tuple[list[Submission], list[str]]:
    """One submission per student of the set `name`, sorted by student, and a line for each file that was skipped.

    `source` is a folder laid out like nbgrader's (STUDENT/SET/SET.ipynb), a folder of notebooks, one notebook, or a
    zip from Canvas or Moodle. A damaged file whose path names the set is a submission too, so that its owner is told.
    With `known_students` (ids, or the roster's students), only theirs count, under their ids; a file that could be that
    of two of them is skipped, and the line says why. `root` is the course (default: here).
    """
    from racecourse.learn.notebooks import course_root, read

    releases = {path.stem: read(path) for path in sorted(course_root(root).glob("exercises/*/*.ipynb"))}
    if name not in releases:
        raise ValueError(f"no exercise set named {name!r}; there are {', '.join(releases)}")
    if not source.exists():
        raise FileNotFoundError(f"nothing at {str(source)!r}")
    skipped: list[str] = []
    files = [file for file in collect(source, skipped) if not in_folder_of_another_set(file, name, releases)]
    several_folders = len({file.parts[:-1] for file in files if len(file.parts) > 1}) > 1
    candidates: list[tuple[Owner, bool, Found]] = []
    for file in files:
        owner = owner_of(file.parts, name, source, several_folders)
        reason, readable = reason_against(file, name, releases, owner.placed_by_name)
        if not reason and not owner.student:
            reason = "whose it is cannot be told: name the file or its folder after the student"
        if reason:
            skipped.append(f"{file.path_shown}: {reason}")
        else:
            candidates.append((owner, readable, file))
    known = None if known_students is None else [Known.of(student) for student in known_students]
    return newest_of_each(candidates, known, skipped), skipped


def in_folder_of_another_set(file: Found, name: str, releases: Mapping[str, Any]) -> bool:
    return any(part in releases and part != name for part in file.parts[:-1])


def reason_against(file: Found, name: str, releases: Mapping[str, Any], placed_by_name: bool) -> tuple[str, bool]:
    """Why the file is no submission ("" if it is one), and whether it can be read."""
    try:
        found = set_of(parse(file.data)[0], releases)
    except Refused as refusal:
        return ("" if placed_by_name else str(refusal)), False
    if found == name or (found is None and placed_by_name):
        return "", found == name
    return (f"it is the set {found!r}" if found else "it holds none of the set's cells"), False


def newest_of_each(
    candidates: list[tuple[Owner, bool, Found]], known: list[Known] | None, skipped: list[str]
) -> list[Submission]:
    numbers: dict[str, set[str]] = {}
    for owner, _, _ in candidates:
        numbers.setdefault(owner.student, set()).add(owner.number)
    chosen: dict[str, list[tuple[Any, Owner, Found]]] = {}
    for owner, readable, file in candidates:
        student, reason = student_of(owner, file.parts, len(numbers[owner.student]) > 1, known)
        if reason:
            skipped.append(f"{file.path_shown}: {reason}")
            continue
        when = file.submitted_at.timestamp() if file.submitted_at else 0.0
        chosen.setdefault(student, []).append(((readable, owner.order, when, file.path_shown), owner, file))
    submissions = []
    for student, files in sorted(chosen.items()):
        files.sort(key=lambda found: found[0])
        _, owner, newest = files[-1]
        told = (newest.path_shown, newest.data, newest.submitted_at, owner.platform, owner.is_late)
        submissions.append(Submission(student, *told))
        for _, _, older in files[:-1]:
            skipped.append(f"{older.path_shown}: {student} handed in more than one file; {newest.path_shown} counts")
    return submissions


def student_of(owner: Owner, parts: tuple[str, ...], shares_name: bool, known: list[Known] | None) -> tuple[str, str]:
    """The student's id, or "" and why there is none. Of two people of one name the platform's number is in the id."""
    if known is None:
        return (f"{owner.student}_{owner.number}" if shares_name and owner.number else owner.student), ""
    if owner.is_hidden:
        return "", f"{owner.platform.title()} hides whose it is; show the names there, and download again"
    if owner.platform == "canvas" and (numbered := [one for one in known if one.number == owner.number]):
        return numbered[0].id, ""
    found = named(owner.student, parts, known)
    if not found:
        return "", f"no student named {owner.student!r} is known; rename the file, or add them to the list of students"
    if len(found) > 1 or (shares_name and owner.number):
        ids = " or ".join(one.id for one in found)
        advice = "put Canvas's numbers on the roster as lms_id, or " if owner.platform == "canvas" else ""
        return "", f"more than one person is named {owner.student!r} ({ids}); {advice}name the file after the id"
    if owner.platform == "canvas" and found[0].number not in ("", found[0].id):
        return "", (
            f"Canvas's number {owner.number} is not on the roster, and the student of that name ({found[0].id}) has "
            f"{found[0].number} there; correct lms_id, or name the file after the id"
        )
    return found[0].id, ""


def named(student: str, parts: Iterable[str], known: Iterable[Known]) -> list[Known]:
    """Who may be meant: by the id, by the same letters, by the same words in any order, by a part of the path."""

    def letters(text: str) -> str:
        return re.sub(r"[\W_]+", "", unicodedata.normalize("NFC", text)).casefold()

    def words(text: str) -> list[str]:
        return sorted(re.findall(r"[^\W_]+", unicodedata.normalize("NFC", text).casefold()))

    if exact := [one for one in known if one.id == student]:
        return exact
    for candidate in (student, *parts):
        for same in (letters, words):
            wanted = same(candidate)
            if wanted and (found := [one for one in known if any(same(name) == wanted for name in one.names)]):
                return found
    return []


def owner_of(parts: tuple[str, ...], name: str, source: Path, several_folders: bool) -> Owner:
    """Whose file it is, by its path alone.

    >>> owner_of(("anna", "01_x", "01_x.ipynb"), "01_x", Path("submitted"), False).student
    'anna'
    >>> owner_of(("leeanna_LATE_12_345_01_x-2.ipynb",), "01_x", Path("all.zip"), False).student
    'leeanna'
    >>> owner_of(("Anna Lee_77_assignsubmission_file_", "01_x.ipynb"), "01_x", Path("all.zip"), False).student
    'Anna_Lee'
    """
    *folders, file = parts
    stem = re.sub(r"\.ipynb$", "", file, flags=re.I)
    copies = sum(int(n) for n in re.findall(r"(?: \((\d+)\)|-Copy(\d+)|-(\d+))$", stem) for n in n if n)
    for part in (stem, *reversed(folders)):  # a folder, where the file that was handed in is a zip
        if owner := by_moodle(part, copies) or by_canvas(part, copies, name):
            return owner
    if name in folders:
        at = len(folders) - 1 - folders[::-1].index(name)
        student = folders[at - 1] if at else (source.name if source.is_dir() else "")
        return Owner(safe(student), order=(stem == name, copies), placed_by_name=True)
    rest = re.sub(r"^copy of |[ _-]*\(\d+\)$|-copy\d+$", "", stem, flags=re.I).replace(name, "")
    by_name = name in stem
    if folders and (several_folders or not safe(rest)):
        return Owner(safe(folders[-1]), order=(copies,), placed_by_name=by_name)
    if not safe(rest) and source.is_dir() and source.name == name:
        rest = source.parent.name  # submitted/anna/SET was named itself
    return Owner(safe(rest), order=(copies,), placed_by_name=by_name)


def by_moodle(part: str, copies: int) -> Owner | None:
    """`Full name_NUMBER_assignsubmission_PLUGIN`; a group has its name, the group of all others has no number."""
    if not (found := re.fullmatch(r"(.+?)(?:_(\d+))?_assignsubmission_.*", part)):
        return None
    is_hidden = found[1] == "Participant"
    return Owner(safe(found[1]), found[2] or "", (copies,), True, "moodle", is_hidden)


def by_canvas(part: str, copies: int, name: str) -> Owner | None:
    """`lastfirst[_LATE]_NUMBER_FILE_name`, or `[LATE_]anon_XXXXX_FILE_name` where names are hidden.

    >>> by_canvas("o_neilsean_12_345_work", 0, "01_x").student, by_canvas("01_x_2026_11_final", 0, "01_x")
    ('o_neilsean', None)
    """
    if hidden := re.fullmatch(r"(LATE_)?anon_([A-Za-z0-9]{5})_(\d+)_(.+)", part):
        return Owner(f"anon_{hidden[2]}", hidden[2], (int(hidden[3]), copies), True, "canvas", True, bool(hidden[1]))
    found = re.fullmatch(r"(.*?)(_LATE)?_(\d+)_(\d+)_(.+)", part)
    if not found or found[1] != found[1].lower() or found[1].startswith(name):  # the learner's own way with numbers
        return None
    return Owner(safe(found[1]), found[3], (int(found[4]), copies), True, "canvas", is_late=bool(found[2]))


def safe(text: str) -> str:
    """A name as it can stand in a path and as a student's id: letters of any script, digits, '.', '_' and '-'."""
    return re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", text)).strip("._-")[:64]


class Budget:
    """What one call may still unpack."""

    def __init__(self) -> None:
        self.bytes, self.entries = MAX_UNPACKED, MAX_ENTRIES


def collect(source: Path, skipped: list[str]) -> list[Found]:
    """Every notebook at or below `source`, in zips too; what is left out is noted in `skipped`."""
    budget = Budget()
    if source.is_file():
        return list(from_file(source, (source.name,), (), skipped, budget))
    found: list[Found] = []
    for path in sorted(source.rglob("*")):  # rglob follows no symbolic link
        parts = path.relative_to(source).parts
        shown = "/".join(parts)
        if path.is_symlink():
            skipped.append(f"{shown}: it is a link, and links are not followed")
        elif path.is_file():
            found += from_file(path, parts, (*parts[:-1], path.stem), skipped, budget)
    return found


def from_file(
    path: Path, parts: tuple[str, ...], above: tuple[str, ...], skipped: list[str], budget: Budget
) -> Iterator[Found]:
    """The notebook in a file, or those in a zip, for which `above` stands as their folder."""
    shown = "/".join(parts)
    if reason := reason_by_name(parts):
        skipped.extend(f"{shown}: {text}" for text in [reason] if parts[-1] not in BESIDE)
        return
    try:
        if path.suffix.lower() == ".zip":
            with path.open("rb") as file:
                yield from from_zip(file, above, shown, 1, skipped, budget)
        elif path.stat().st_size > MAX_NOTEBOOK:
            skipped.append(f"{shown}: it is larger than {MAX_NOTEBOOK / MB:.0f} MB; ask for it without its outputs")
        else:
            yield Found(parts, shown, path.read_bytes(), datetime.fromtimestamp(path.stat().st_mtime, tz=UTC))
    except OSError as error:
        skipped.append(f"{shown}: it cannot be read ({error.strerror})")


def reason_by_name(parts: tuple[str, ...]) -> str:
    """Why a file is left out by its path alone; "" if it is a notebook or a zip."""
    if "__MACOSX" in parts or parts[-1].startswith("._") or parts[-1] == ".DS_Store":
        return "it is a note of macOS and no submission"
    if ".ipynb_checkpoints" in parts:
        return "it is a copy that Jupyter saved for itself"
    if not parts[-1].lower().endswith((".ipynb", ".zip")):
        return "it is no notebook (.ipynb)"
    return ""


def from_zip(
    file: Any, above: tuple[str, ...], shown: str, depth: int, skipped: list[str], budget: Budget
) -> Iterator[Found]:
    """The notebooks in a zip, and in zips in it; entries are read into memory, none is unpacked."""
    try:
        with zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                budget.entries -= 1
                if budget.entries < 0:
                    skipped.append(f"{shown}: it has more than {MAX_ENTRIES} entries; the rest is left out")
                    return
                if not info.is_dir():
                    yield from from_entry(archive, info, above, shown, depth, skipped, budget)
    except ZIP_ERRORS as error:
        skipped.append(f"{shown}: it is no readable zip ({error}); download it again")


def from_entry(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, above: tuple[str, ...], shown: str, depth: int,
    skipped: list[str], budget: Budget,
) -> Iterator[Found]:  # fmt: skip
    path = PurePosixPath(info.filename.replace("\\", "/"))
    shown = f"{shown} > {info.filename}"
    parts = (*above, *path.parts)
    reason = reason_by_name(path.parts) if path.parts else "it has no name"
    is_zip = path.suffix.lower() == ".zip"
    if path.is_absolute() or ".." in path.parts or any(":" in part for part in path.parts[:1]):
        reason = "its path leads out of the zip"
    elif stat.S_ISLNK(info.external_attr >> 16):
        reason = "it is a link, and links are not followed"
    elif not reason and info.flag_bits & 1:
        reason = "it is encrypted; ask for it without a password"
    elif not reason and is_zip and depth >= MAX_ZIPS_IN_ZIPS:
        reason = "it is a zip in a zip in a zip; unpack it first"
    elif not reason and info.file_size > MAX_NOTEBOOK:
        reason = f"it is larger than {MAX_NOTEBOOK / MB:.0f} MB"
    elif not reason and info.file_size > MB and info.file_size > MAX_RATIO * info.compress_size:
        reason = f"it is packed more than {MAX_RATIO} times, as no notebook is"
    elif not reason and info.file_size > budget.bytes:
        reason = f"more than {MAX_UNPACKED / MB:.0f} MB would have to be unpacked; split the download"
    if reason:
        if path.name not in BESIDE:
            skipped.append(f"{shown}: {reason}")
        return
    try:
        with archive.open(info) as entry:
            data = entry.read(info.file_size + 1)  # never more than it says that it holds
    except ZIP_ERRORS as error:
        skipped.append(f"{shown}: it is damaged in the zip ({error})")
        return
    budget.bytes -= len(data)
    if is_zip:
        yield from from_zip(io.BytesIO(data), (*parts[:-1], path.stem), shown, depth + 1, skipped, budget)
    else:
        yield Found(parts, shown, data, date_of(info))


def date_of(info: zipfile.ZipInfo) -> datetime | None:
    """The entry's date, which zips keep in local time; None for the date that stands for none."""
    try:
        return datetime(*info.date_time).astimezone(UTC) if info.date_time[0] > 1980 else None
    except (ValueError, OverflowError, OSError):
        return None
