"""The exchange with accounts of the system: each student gets and sees their own, and no trick with files helps.

The commands are nbgrader's own, each run as the account that would run it.
"""

import pwd
import shutil
import stat
import struct
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_markdown_cell, new_notebook

from accounts import Readable, accounts, why_not
from racecourse.grading.classes.exchange import exchange_config, only_for, time_of

NAME = "00_start_here"
TEACHER, ANNA, BEN = "rc-x-teacher", "rc-x-anna", "rc-x-ben"  # others than in test_hub: both may run at once
CONFIG = """\
from racecourse.grading.classes.exchange import exchange_config
c = get_config()
c.merge(exchange_config({root!r}))
c.CourseDirectory.course_id = "course"
"""
needs_accounts = pytest.mark.skipif(bool(why_not()), reason=why_not())


# ---- Without accounts ------------------------------------------------------------------------------------------------


def test_the_access_list_is_what_linux_keeps() -> None:
    """Against linux/posix_acl_xattr.h: a version, then eight bytes for each entry, little-endian."""
    found = only_for(1234)
    assert struct.unpack_from("<I", found) == (2,)
    entries = [struct.unpack_from("<HHI", found, at) for at in range(4, len(found), 8)]
    assert entries == [(1, 6, 2**32 - 1), (2, 4, 1234), (4, 0, 2**32 - 1), (16, 4, 2**32 - 1), (32, 0, 2**32 - 1)]


@pytest.mark.parametrize(
    ("name", "moment"),
    [
        ("anna+00_start_here+2026-11-26 18:00:00.000000 UTC+Xy_-1", datetime(2026, 11, 26, 18)),
        ("anna+00_start_here+tomorrow or so+Xy", None),
    ],
)
def test_the_time_in_a_name(name: str, moment: datetime | None) -> None:
    assert time_of(name) == moment


def test_nbgrader_takes_the_parts() -> None:
    from nbgrader.exchange import ExchangeFactory

    factory = ExchangeFactory(config=exchange_config("/srv/exchange"))
    assert factory.collect.__module__ == factory.fetch_assignment.__module__ == "racecourse.grading.classes.exchange"
    assert factory.submit.__module__ == "nbgrader.exchange.default.submit"


# ---- With accounts ---------------------------------------------------------------------------------------------------


class School:
    """A class directory, an exchange, and three accounts."""

    def __init__(self, folder: Path, house: Readable) -> None:
        self.folder, self.house = folder, house
        self.class_folder, self.exchange = folder / "class", folder / "exchange"
        self.inbound = self.exchange / "course/inbound"
        self.exchange.mkdir()
        self.exchange.chmod(0o1777)
        (folder / "config").mkdir()
        (folder / "config/nbgrader_config.py").write_text(CONFIG.format(root=str(self.exchange)))
        for version, path in {
            "public": f"release/{NAME}/{NAME}.ipynb",
            "anna's": f"variants/{NAME}/{ANNA}.ipynb",
            "ben's": f"variants/{NAME}/{BEN}.ipynb",
        }.items():
            write(self.class_folder / path, version)
        (self.class_folder / f"release/{NAME}/table.csv").write_text("1,2\n")
        for path in (self.class_folder, *self.class_folder.rglob("*")):
            shutil.chown(path, TEACHER)
        self.class_folder.chmod(0o700)
        for student in (ANNA, BEN):
            shutil.rmtree(self.home(student) / NAME, ignore_errors=True)
            shutil.rmtree(self.home(student) / ".local", ignore_errors=True)

    def home(self, student: str) -> Path:
        return Path(pwd.getpwnam(student).pw_dir)

    def nbgrader(self, account: str, *arguments: str, fails: bool = False) -> str:
        cwd = self.class_folder if account == TEACHER else self.home(account)
        done = self.house.run(
            account, ["python", "-m", "nbgrader", *arguments], cwd, JUPYTER_CONFIG_PATH=str(self.folder / "config")
        )
        assert (done.returncode != 0) == fails, done.stdout
        return done.stdout

    def release(self, *options: str) -> str:
        return self.nbgrader(TEACHER, "release_assignment", NAME, *options)

    def fetched(self, student: str) -> str:
        return text_of(self.home(student) / NAME / f"{NAME}.ipynb")

    def submission(self, student: str) -> Path:
        (found,) = self.inbound.glob(f"{student}+*")
        return found

    def collected(self, student: str) -> Path:
        return self.class_folder / "submitted" / student / NAME

    def can_read(self, account: str, path: Path) -> bool:
        return self.house.run(account, ["cat", str(path)]).returncode == 0


def write(path: Path, version: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=[new_markdown_cell(f"The {version} version", id="one")]), path)


def text_of(path: Path) -> str:
    return "".join(cell.source for cell in nbformat.read(path, as_version=4).cells)


@pytest.fixture(scope="module")
def house() -> Iterator[Readable]:
    with accounts(TEACHER, ANNA, BEN), Readable() as house:
        yield house


@pytest.fixture
def school(house: Readable) -> Iterator[School]:
    folder = Path(tempfile.mkdtemp(prefix="rc-exchange-"))
    folder.chmod(0o755)
    yield School(folder, house)
    shutil.rmtree(folder)


@needs_accounts
@pytest.mark.slow
def test_each_student_gets_their_own_and_can_read_no_other(school: School) -> None:
    school.release()
    school.nbgrader(ANNA, "fetch_assignment", NAME)
    school.nbgrader(BEN, "fetch_assignment", NAME)
    assert school.fetched(ANNA) == "The anna's version"
    assert school.fetched(BEN) == "The ben's version"
    assert sorted(path.name for path in (school.home(ANNA) / NAME).iterdir()) == [f"{NAME}.ipynb", "table.csv"]
    versions = school.exchange / "course/variants" / NAME
    assert school.can_read(ANNA, versions / f"{ANNA}.ipynb")  # else the next line would hold for any reason
    assert not school.can_read(ANNA, versions / f"{BEN}.ipynb")
    assert school.house.run(ANNA, ["ls", str(versions)]).returncode
    assert "not your notebook" in text_of(school.exchange / "course/outbound" / NAME / f"{NAME}.ipynb")


@needs_accounts
@pytest.mark.slow
def test_a_class_without_versions_gets_the_public_one(school: School) -> None:
    shutil.rmtree(school.class_folder / "variants")
    school.release()
    school.nbgrader(ANNA, "fetch_assignment", NAME)
    assert school.fetched(ANNA) == "The public version"


@needs_accounts
@pytest.mark.slow
def test_who_joins_later_is_told_and_then_gets_theirs(school: School) -> None:
    late = school.class_folder / f"variants/{NAME}/{BEN}.ipynb"
    late.rename(school.class_folder / "later.ipynb")
    school.release()
    assert f"no version for {BEN} yet" in school.nbgrader(BEN, "fetch_assignment", NAME, fails=True)
    assert not (school.home(BEN) / NAME).exists()
    (school.class_folder / "later.ipynb").rename(late)
    school.release("--force")
    school.nbgrader(BEN, "fetch_assignment", NAME)
    assert school.fetched(BEN) == "The ben's version"


@needs_accounts
@pytest.mark.slow
def test_nothing_is_released_for_a_student_without_an_account(school: School) -> None:
    write(school.class_folder / f"variants/{NAME}/rc-nobody.ipynb", "nobody's")
    said = school.nbgrader(TEACHER, "release_assignment", NAME, fails=True)
    assert "no account on this server: rc-nobody" in said
    assert not list(school.exchange.glob("course/**/*.ipynb"))


@needs_accounts
@pytest.mark.slow
def test_a_second_fetch_brings_a_lost_notebook_back_and_changes_no_other(school: School) -> None:
    school.release()
    school.nbgrader(ANNA, "fetch_assignment", NAME)
    mine = school.home(ANNA) / NAME / f"{NAME}.ipynb"
    write(mine, "half done")
    (mine.parent / "table.csv").unlink()
    school.nbgrader(ANNA, "fetch_assignment", NAME, "--replace")
    assert (mine.parent / "table.csv").exists()
    assert school.fetched(ANNA) == "The half done version"
    mine.unlink()
    school.nbgrader(ANNA, "fetch_assignment", NAME, "--replace")
    assert school.fetched(ANNA) == "The anna's version"


@needs_accounts
@pytest.mark.slow
def test_from_submission_to_feedback(school: School) -> None:
    """nbgrader's own commands, with feedback as `racecourse grade` writes it: a page, and nothing beside it."""
    school.release()
    assert f"course {NAME}" in school.nbgrader(ANNA, "list")
    for student in (ANNA, BEN):
        school.nbgrader(student, "fetch_assignment", NAME)
        said = school.nbgrader(student, "submit", NAME)
        assert "missing notebooks" not in said
    school.nbgrader(TEACHER, "collect", NAME)
    for student in (ANNA, BEN):
        assert text_of(school.collected(student) / f"{NAME}.ipynb") == school.fetched(student)
        page = school.class_folder / "feedback" / student / NAME / f"{NAME}.html"
        page.parent.mkdir(parents=True)
        page.write_text(f"Well done, {student}")
    elsewhere = school.class_folder / f"feedback/from-lms/{NAME}/{NAME}.html"  # of a submission that came by mail
    elsewhere.parent.mkdir(parents=True)
    elsewhere.write_text("Well done")
    for path in (school.class_folder / "feedback").rglob("*"):
        shutil.chown(path, TEACHER)
    assert "did not come through the exchange" in school.nbgrader(TEACHER, "release_feedback", NAME)
    school.nbgrader(ANNA, "fetch_feedback", NAME)
    (page,) = (school.home(ANNA) / NAME).glob(f"feedback/*/{NAME}.html")
    assert page.read_text() == f"Well done, {ANNA}"
    feedback = school.exchange / "course/feedback"
    assert len(list(feedback.iterdir())) == 2
    assert school.house.run(ANNA, ["ls", str(feedback)]).returncode


@needs_accounts
@pytest.mark.slow
def test_a_student_cannot_reach_into_the_inbound_folder(school: School) -> None:
    school.release()
    for student in (ANNA, BEN):
        school.nbgrader(student, "fetch_assignment", NAME)
    school.nbgrader(BEN, "submit", NAME)
    theirs = school.submission(BEN)
    assert school.house.run(ANNA, ["ls", str(school.inbound)]).returncode
    for command in (
        ["mv", str(theirs), str(school.inbound / "gone")],  # even if she knew the name
        ["mv", str(school.exchange / "course"), str(school.exchange / "old")],  # to put up an inbound of her own
        ["rm", "-rf", str(school.exchange / "course")],
    ):
        assert school.house.run(ANNA, command).returncode, command
    assert (theirs / f"{NAME}.ipynb").is_file()


@needs_accounts
@pytest.mark.slow
def test_collect_trusts_the_file_system_and_not_the_names(school: School) -> None:
    """Anna submits in Ben's name, after his, with links to what the teacher alone may read. Ben's own comes through."""
    secret = school.class_folder / "secret"
    secret.write_text("5ec2e7")
    school.release()
    school.nbgrader(BEN, "fetch_assignment", NAME)
    school.nbgrader(BEN, "submit", NAME)
    forged = school.inbound / f"{BEN}+{NAME}+2099-01-01 00:00:00.000000 UTC+forged"
    script = f"""
        mkdir -p '{forged}/inner' && cd '{forged}'
        ln -s {secret} {NAME}.ipynb; ln -s {school.class_folder} inner/class; mkfifo pipe; echo mine > note.txt
        mkdir '{school.inbound}/{ANNA}+{NAME}+never+x'
    """
    assert school.house.run(ANNA, ["bash", "-c", script]).returncode == 0
    said = school.nbgrader(TEACHER, "collect", NAME)
    assert f"but {ANNA} made it: it counts as {ANNA}'s" in said
    assert "at no time that can be read" in said
    assert text_of(school.collected(BEN) / f"{NAME}.ipynb") == "The ben's version"
    assert sorted(path.name for path in school.collected(ANNA).rglob("*")) == ["inner", "note.txt", "timestamp.txt"]
    assert not any("5ec2e7" in path.read_text() for path in school.collected(ANNA).glob("*.txt"))


@needs_accounts
@pytest.mark.slow
def test_collect_says_who_changed_a_submission_after_its_time(school: School) -> None:
    school.release()
    school.nbgrader(ANNA, "fetch_assignment", NAME)
    school.nbgrader(ANNA, "submit", NAME)
    found = school.submission(ANNA)
    early = f"{ANNA}+{NAME}+2020-01-01 00:00:00.000000 UTC+x"
    assert school.house.run(ANNA, ["mv", str(found), str(school.inbound / early)]).returncode == 0
    said = school.nbgrader(TEACHER, "collect", NAME)
    assert "handed in at 2020-01-01 00:00 (UTC), but was changed at" in said
    assert (school.collected(ANNA) / "timestamp.txt").read_text() == "2020-01-01 00:00:00.000000 UTC"


@needs_accounts
@pytest.mark.slow
def test_an_unreadable_submission_stops_nobody_elses(school: School) -> None:
    school.release()
    for student in (ANNA, BEN):
        school.nbgrader(student, "fetch_assignment", NAME)
        school.nbgrader(student, "submit", NAME)
    school.submission(ANNA).chmod(0)
    assert f"of {ANNA} cannot be read" in school.nbgrader(TEACHER, "collect", NAME)
    assert not school.collected(ANNA).exists()
    assert school.collected(BEN).exists()


@needs_accounts
@pytest.mark.slow
def test_an_exchange_where_anybody_may_rename_is_put_right_or_refused(school: School) -> None:
    school.exchange.chmod(0o777)
    assert "chmod +t" in school.nbgrader(TEACHER, "release_assignment", NAME, fails=True)
    shutil.chown(school.exchange, TEACHER)
    school.release()
    assert stat.S_IMODE(school.exchange.stat().st_mode) == 0o1777
