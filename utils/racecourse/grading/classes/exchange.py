"""nbgrader's exchange for a class whose students each have a version of their own, on one server with real accounts.

Small parts for nbgrader's ExchangeFactory, above its own file-system exchange. `nbgrader release_assignment` puts one
notebook per student into the exchange, which that student's account alone can read; `fetch_assignment` gives each
their own, under the set's name. `collect` trusts the file system where nbgrader trusts names: whose a submission is,
that nothing in it is a link to somebody else's file, and when it was last changed. `release_feedback` finds what it
needs with submissions that `racecourse grade` has graded.

A class without versions of their own is released as nbgrader does it. Left out: servers on which all students are one
account, such as Kubernetes (docs/hub.md), and accounts that are named otherwise than the students.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.exchange import default
from nbgrader.utils import find_all_notebooks, ignore_patterns, parse_utc
from traitlets import Unicode
from traitlets.config import Config

VARIANTS = "variants"  # below the class's directory, and below the course's folder in the exchange
KILOBYTE = 1000  # as nbgrader counts
KEPT = ("timestamp.txt", "submission_secret.txt")  # beside a submission that came through the exchange
CLOCKS_DIFFER = timedelta(minutes=5)  # between the time that a submission claims and the file system's

ACL = "system.posix_acl_access"  # as Linux keeps it: version 2, then (tag, permissions, id), in the order of the tags
ACL_VERSION, NO_ID = 2, 0xFFFFFFFF
OWNER, USER, GROUP, MASK, OTHERS = 0x01, 0x02, 0x04, 0x10, 0x20
READ, WRITE = 4, 2

PLACEHOLDER = """\
# This is not your notebook

Each student of this class has a version of their own, and this page was fetched without it. Delete this folder and
fetch again from the class's JupyterHub. If you see this page again, tell your instructor that the server where you
fetch lacks the course's exchange (`racecourse.grading.classes.exchange`).
"""


def exchange_config(root: Path | str | None = None) -> Config:
    """nbgrader's settings for this exchange: `c.merge(exchange_config("/srv/exchange"))` in nbgrader_config.py."""
    config = Config()
    config.ExchangeFactory.release_assignment = f"{__name__}.ReleaseAssignment"
    config.ExchangeFactory.fetch_assignment = f"{__name__}.FetchAssignment"
    config.ExchangeFactory.collect = f"{__name__}.Collect"
    config.ExchangeFactory.release_feedback = f"{__name__}.ReleaseFeedback"
    if root is not None:
        config.Exchange.root = str(root)
    return config


def only_for(uid: int) -> bytes:
    """The access control list of a file that its owner may write, one account may read, and nobody else may open."""
    entries = [
        (OWNER, READ | WRITE, NO_ID),
        (USER, READ, uid),
        (GROUP, 0, NO_ID),
        (MASK, READ, NO_ID),
        (OTHERS, 0, NO_ID),
    ]
    return struct.pack("<I", ACL_VERSION) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


class ReleaseAssignment(default.ExchangeReleaseAssignment):
    """`nbgrader release_assignment SET`, with one notebook per student where the class has them."""

    variants_directory = Unicode(
        VARIANTS, help="Below the course's root: VARIANTS/SET/STUDENT.ipynb, one notebook for each student."
    ).tag(config=True)

    def ensure_root(self) -> None:
        """As nbgrader's, but nobody may rename what is another's, and put up an inbound folder in its place."""
        super().ensure_root()
        self._make_sticky(self.root)

    def init_dest(self) -> None:
        super().init_dest()
        self._make_sticky(self.inbound_path)
        self.handed_out = Path(self.course_path) / VARIANTS / self.coursedir.assignment_id

    def copy_files(self) -> None:
        """All or nothing: every student must have an account before the first file is written."""
        found = {path: uid_of(path.stem) for path in self._variants()}
        if nobody := sorted(path.stem for path, uid in found.items() if uid is None):
            self.fail(
                f"these students have no account on this server: {', '.join(nobody)}; nothing was released. "
                "Start the server again with the class's roster, which makes the accounts"
            )
        self.accounts = {path: uid for path, uid in found.items() if uid is not None}
        super().copy_files()

    def do_copy(self, src: str, dest: str, log: Any = None) -> None:
        """The students' own files first: what `nbgrader list` shows can be fetched."""
        if self.accounts:
            for folder in (self.handed_out.parent, self.handed_out):
                self.ensure_directory(str(folder), 0o711)  # a file is opened by its name, names are not listed
            for path, uid in self.accounts.items():
                self._hand_out(path, self.handed_out / path.name, uid)
        super().do_copy(src, dest, log=log)
        if self.accounts:
            nbformat.write(placeholder(), Path(dest) / f"{self.coursedir.assignment_id}.ipynb")
            self.log.info("Handed out %d students' own versions", len(self.accounts))

    def _variants(self) -> list[Path]:
        folder = Path(self.coursedir.root) / self.variants_directory / self.coursedir.assignment_id
        return sorted(folder.glob("*.ipynb"))

    def _hand_out(self, path: Path, target: Path, uid: int) -> None:
        unfinished = target.with_name(f".{target.name}.{os.getpid()}")
        unfinished.touch(mode=0o600)
        unfinished.write_bytes(path.read_bytes())
        try:
            os.setxattr(unfinished, ACL, only_for(uid))
        except OSError as error:
            unfinished.unlink()
            self.fail(
                f"{target.name} could not be given to one account alone: the file system of {self.root} keeps no "
                f"access control lists ({error.strerror}). Put the exchange on ext4, XFS or Btrfs"
            )
        unfinished.replace(target)

    def _make_sticky(self, folder: str) -> None:
        mode = stat.S_IMODE(os.stat(folder).st_mode)
        if mode & stat.S_ISVTX:
            return
        try:
            os.chmod(folder, mode | stat.S_ISVTX)
        except PermissionError:
            self.fail(
                f"anybody could rename what is in {folder}: let its owner run `chmod +t {folder}`, then release again"
            )


def uid_of(student: str) -> int | None:
    """The number of the account with that name; None if there is none."""
    try:
        return pwd.getpwnam(student).pw_uid
    except KeyError:
        return None


def placeholder() -> Any:
    """What lies in the exchange under the set's name, so that `nbgrader list` and `submit` find that name."""
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(PLACEHOLDER, id="not-yours")])


class FetchAssignment(default.ExchangeFetchAssignment):
    """`nbgrader fetch_assignment SET`: the student's own version, if the class has them."""

    def init_src(self) -> None:
        super().init_src()
        name, me = self.coursedir.assignment_id, pwd.getpwuid(os.getuid()).pw_name
        versions = Path(self.course_path) / VARIANTS / name
        self.mine = versions / f"{me}.ipynb" if versions.is_dir() else None
        if self.mine is not None and not os.access(self.mine, os.R_OK):
            self.fail(
                f"{name} has no version for {me} yet. Tell your instructor, who runs `racecourse class release {name}` "
                f"and `nbgrader release_assignment {name} --force`"
            )

    def do_copy(self, src: str, dest: str) -> None:
        """Never over a notebook that is there: only a missing one is fetched again."""
        notebook = Path(dest) / f"{self.coursedir.assignment_id}.ipynb"
        is_there = notebook.exists()
        super().do_copy(src, dest)
        if self.mine is not None and not is_there:
            shutil.copyfile(self.mine, notebook)


class Collect(default.ExchangeCollect):
    """`nbgrader collect SET`, from students who may have put anything into their submission."""

    def _path_to_record(self, path: str) -> dict[str, Any]:
        """A submission is that of the account which owns it, whatever name it claims."""
        folder = os.lstat(path)
        name, owner = Path(path).name, owner_of(folder)
        claimed = name.rsplit("+", 3)[0]
        if self.check_owner and owner != claimed:
            self.log.warning("%s says that it is %s's, but %s made it: it counts as %s's", name, claimed, owner, owner)
            claimed = owner
        handed_in, changed = time_of(name), last_change(path)
        if handed_in is None or changed - handed_in > CLOCKS_DIFFER:  # the student's own server wrote the name
            said = f"at {handed_in:%Y-%m-%d %H:%M} (UTC)" if handed_in else "at no time that can be read"
            self.log.warning(
                "%s of %s says that it was handed in %s, but was changed at %s: look before you count it as in time",
                self.coursedir.assignment_id, claimed, said, f"{changed:%Y-%m-%d %H:%M}",
            )  # fmt: skip
        return {"username": claimed, "filename": name, "timestamp": handed_in or changed}

    def do_copy(self, src: str, dest: str, log: Any = None) -> None:
        """Regular files of the student's own: a link could lead to another's work, or to the class's secret."""
        if not os.access(src, os.R_OK | os.X_OK):
            self.log.error("The submission of %s cannot be read: ask for it again", owner_of(os.lstat(src)))
            return
        owner, room = os.lstat(src).st_uid, self.coursedir.max_dir_size * KILOBYTE
        ignored = ignore_patterns(
            exclude=self.coursedir.ignore, include=self.coursedir.include,
            max_file_size=self.coursedir.max_file_size, log=self.log,
        )  # fmt: skip
        Path(dest).mkdir()
        for folder, folders, names, descriptor in os.fwalk(src, follow_symlinks=False):
            target = Path(dest, os.path.relpath(folder, src))
            target.mkdir(exist_ok=True)
            skipped = set(ignored(folder, [*folders, *names]))
            folders[:] = [name for name in folders if name not in skipped]
            for name in sorted(set(names) - skipped):
                content = own_content(name, descriptor, owner=owner, at_most=room)
                if content is None:
                    self.log.warning("left out, being a link, no file, another's or too big: %s/%s", folder, name)
                else:
                    room -= len(content)
                    (target / name).write_bytes(content)
        handed_in = time_of(Path(src).name) or last_change(src)
        (Path(dest) / "timestamp.txt").write_text(f"{handed_in:%Y-%m-%d %H:%M:%S.%f} UTC")  # one claim, the name's


def time_of(name: str) -> datetime | None:
    """When a submission says that it was handed in, in UTC: the third part of STUDENT+SET+TIME+RANDOM."""
    try:
        moment: datetime = parse_utc(name.rsplit("+", 3)[2])
    except (ValueError, OverflowError):
        return None
    return moment


def last_change(path: str) -> datetime:
    """When a submission or a notebook in it was last changed, in UTC, by the clock that no student can turn back."""
    paths = [path, *(os.path.join(path, name) for name in find_all_notebooks(path))]
    return datetime.fromtimestamp(max(os.lstat(one).st_ctime for one in paths), UTC).replace(tzinfo=None)


def owner_of(found: os.stat_result) -> str:
    """The account's name; an account that is gone keeps its number, so that nothing is lost."""
    try:
        return pwd.getpwuid(found.st_uid).pw_name
    except KeyError:
        return f"uid-{found.st_uid}"


def own_content(name: str, folder: int, *, owner: int, at_most: int) -> bytes | None:
    """The bytes of a regular file in an open folder; None if it is anything else, not the owner's, or too long."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError:
        return None
    with open(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != owner:
            return None
        content = file.read(at_most + 1)
    return content if len(content) <= at_most else None


class ReleaseFeedback(default.ExchangeReleaseFeedback):
    """`nbgrader release_feedback SET`: each page under a name that follows from what the student alone handed in."""

    def init_src(self) -> None:
        """`racecourse grade` writes the page alone: what goes with it lies beside the submission."""
        super().init_src()
        root, name = Path(self.coursedir.root), self.coursedir.assignment_id
        without = []
        for page in sorted((root / self.coursedir.feedback_directory).glob(f"*/{name}/*.html")):
            student = page.parts[-3]
            submitted = root / self.coursedir.submitted_directory / student / name
            if not all((submitted / kept).is_file() for kept in KEPT):
                without.append(student)
                continue
            for kept in KEPT:
                shutil.copyfile(submitted / kept, page.parent / kept)
        if without:
            self.log.warning(
                "These submissions did not come through the exchange, and their feedback cannot go back through it: "
                "%s. It lies in %s/STUDENT/%s", ", ".join(without), self.coursedir.feedback_directory, name,
            )  # fmt: skip
            excluded = [self.coursedir.student_id_exclude] if self.coursedir.student_id_exclude else []
            self.coursedir.student_id_exclude = ",".join([*excluded, *without])
