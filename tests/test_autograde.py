"""A class graded for real: kernels behind walls, judges, records, gradebook, feedback. Set 00, the quickest."""

import copy
import random
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import nbformat
import pytest
from typer.testing import CliRunner

import classroom
from conftest import ROOT
from racecourse.cli import app
from racecourse.grading import autograde
from racecourse.grading.autograde import Classroom, Graded
from racecourse.grading.gradebook import Marks
from racecourse.grading.integrity import grade_id_of, is_written
from racecourse.learn.notebooks import read, target_of
from wrong_answers import Assignment

NAME = "00_start_here"
SET = Assignment(NAME)
FULL = 85.0
WRONG = "def tokens_per_second(a):\n    return len(a) / (a[-1] - a[0])"
SPENT = ("intake", "start", "cells", "checks", "tripwires", "end", "pages")
DIES = "import os\ndef models_that_fit(sizes, memory_gib, reserve=0):\n    os._exit(1)"


def answered(**answers: str) -> bytes:
    """The right answers, some replaced: `weight_bytes="..."` stands for the cell 'weight-bytes'."""
    notebook = SET.answered()
    for name, source in answers.items():
        cell = next(cell for cell in notebook.cells if grade_id_of(cell) == name.replace("_", "-"))
        cell.source = source
    return nbformat.writes(notebook).encode()


CLASS = {
    "anna": answered(),
    "ben": answered(tokens_per_second=WRONG),
    "cleo": answered()[:3000],
    "dora": answered(models_that_fit=DIES),
}


def hand_in(course: Path, submissions: dict[str, bytes]) -> None:
    for student, data in submissions.items():
        path = course / "classroom/submitted" / student / NAME / f"{NAME}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def earned(batch: autograde.Batch) -> dict[str, float]:
    return {report.student: report.earned for report in batch.reports}


def gradebook(course: Path) -> list[tuple[Any, ...]]:
    """Every score of every student, as nbgrader keeps it."""
    query = """
        select submitted_assignment.student_id, base_cell.name, grade.auto_score, grade.manual_score,
               grade.needs_manual_grade
        from grade join base_cell on grade.cell_id = base_cell.id
        join submitted_notebook on grade.notebook_id = submitted_notebook.id
        join submitted_assignment on submitted_notebook.assignment_id = submitted_assignment.id
        order by 1, 2
    """
    with sqlite3.connect(course / "classroom/gradebook.db") as connection:
        return connection.execute(query).fetchall()


def scores(course: Path, student: str) -> dict[str, float]:
    return {row[1]: row[2] for row in gradebook(course) if row[0] == student}


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, autograde.Batch]:
    """A class that has been graded once; tests that change it make their own."""
    import shutil

    course = tmp_path_factory.mktemp("class") / "course"
    (course / "sources").mkdir(parents=True)
    for name in ("pyproject.toml", "nbgrader_config.py"):
        shutil.copy(ROOT / name, course / name)
    for name in (f"solutions/{NAME}", f"exercises/{NAME}"):
        shutil.copytree(ROOT / name, course / name)
    hand_in(course, CLASS)
    return course, autograde.grade(NAME, root=course, workers=2)


def test_each_earns_what_is_theirs_and_nobody_stops_the_batch(graded: tuple[Path, autograde.Batch]) -> None:
    _, batch = graded
    assert earned(batch) == {"anna": FULL, "ben": FULL - 25, "cleo": 0, "dora": FULL - 30}
    by_name = {report.student: report for report in batch.reports}
    assert "breaks off" in by_name["cleo"].refused
    assert [flag.kind for flag in by_name["dora"].flags] == ["run", "tampering"], "it died, and says os._exit"
    assert not by_name["anna"].flags and not by_name["ben"].flags
    ran = [report for report in batch.reports if not report.refused]
    assert all(report.seconds > 0 and report.peak_mib for report in ran)
    assert all(set(report.spent) | {"tripwires"} == set(SPENT) for report in ran), "a kernel that died had none"
    assert all(min(report.spent.values()) >= 0 for report in ran) and "tripwires" in ran[0].spent
    assert all(0 < report.spent["checks"] < report.seconds for report in ran)


def test_the_gradebook_holds_every_cell_of_everybody(graded: tuple[Path, autograde.Batch]) -> None:
    course, _ = graded
    tests = {grade_id_of(cell) for cell in SET.solution.cells if cell.metadata.get("nbgrader", {}).get("grade")}
    for student in CLASS:
        assert set(scores(course, student)) == tests
    assert sum(filter(None, scores(course, "anna").values())) == FULL
    assert scores(course, "ben")["tokens-per-second-hidden"] == 0
    assert all(not score for score in scores(course, "cleo").values())


def test_learners_get_messages_and_no_hidden_test(graded: tuple[Path, autograde.Batch]) -> None:
    course, _ = graded
    hidden = [cell.source for cell in read(target_of(NAME, ROOT)).cells if grade_id_of(cell).endswith("-hidden")]
    secrets = {line.strip() for source in hidden for line in source.split("\n") if len(line.strip()) > 20}
    secrets -= {line.strip() for cell in SET.release.cells for line in cell.source.split("\n")}
    assert len(secrets) > 10
    for student in CLASS:
        page = (course / f"classroom/feedback/{student}/{NAME}/{NAME}.html").read_text()
        assert not [line for line in secrets if line in page]
        path = course / f"classroom/autograded/{student}/{NAME}/{NAME}.ipynb"
        assert path.exists() != (student == "cleo")
        if path.exists():
            assert not [line for line in secrets if line in path.read_text()]
    assert "five arrivals" in (course / f"classroom/feedback/ben/{NAME}/{NAME}.html").read_text()


def test_a_second_run_grades_nothing_again_and_mends_the_gradebook(graded: tuple[Path, autograde.Batch]) -> None:
    course, first = graded
    before = gradebook(course)
    with sqlite3.connect(course / "classroom/gradebook.db") as connection:
        connection.execute("update grade set auto_score = 99")
    batch = autograde.grade(NAME, root=course)
    assert batch.n_new == 0 and earned(batch) == earned(first)
    assert gradebook(course) == before
    (course / "classroom/gradebook.db").unlink()
    autograde.grade(NAME, root=course)
    assert gradebook(course) == before


def test_a_resubmission_replaces_every_score(graded: tuple[Path, autograde.Batch]) -> None:
    course, _ = graded
    for data, points in [
        (answered(tokens_per_second="pass", weight_bytes="pass"), 30),
        (b"nothing", 0),
        (CLASS["anna"], FULL),
    ]:
        hand_in(course, {"anna": data})
        batch = autograde.grade(NAME, root=course, workers=1)
        assert batch.n_new == 1
        assert sum(filter(None, scores(course, "anna").values())) == points


def test_hidden_inputs_follow_from_the_classs_secret(graded: tuple[Path, autograde.Batch]) -> None:
    course, _ = graded
    options = autograde.Options(course, secret=Classroom(course, NAME).secret())
    assert (course / "classroom/secret").stat().st_mode & 0o077 == 0
    other = autograde.Options(course, secret=b"another")
    assert autograde.key_of(NAME, CLASS["anna"], options) != autograde.key_of(NAME, CLASS["anna"], other)


def test_each_student_is_graded_on_the_version_that_they_drew(tmp_path: Path) -> None:
    (tmp_path / "nbgrader_config.py").write_text("c = get_config()\n")
    room = Classroom(ROOT, NAME, of_class=tmp_path)
    drawn = room.draw_for(["anna", "ben", "cleo"])
    assert drawn == room.draws() and len({str(values) for values in drawn.values()}) == 3
    assert room.draw_for(["anna", "emil"]).items() > drawn.items(), "who has drawn keeps it"
    own = {student: nbformat.writes(Assignment(NAME, values).answered()) for student, values in drawn.items()}
    public = CLASS["anna"].decode()
    handed_in = {"anna": own["anna"], "ben": own["anna"], "cleo": public, "dora": public}
    handed_in["emil"] = nbformat.writes(Assignment(NAME, room.draws()["emil"]).release)
    for student, text in handed_in.items():
        path = room.submitted / student / NAME / f"{NAME}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    batch = autograde.grade(NAME, classroom=room, workers=2)
    points, said = earned(batch), {report.student: [flag.said for flag in report.flags] for report in batch.reports}
    assert points["anna"] == FULL and not said["anna"]
    assert points["ben"] < FULL and any("the one of anna" in text for text in said["ben"])
    assert points["cleo"] < FULL and any("the public one" in text for text in said["cleo"])
    assert points["dora"] == FULL and any("no version of this set was drawn" in text for text in said["dora"])
    assert not (ROOT / "classroom/submitted/anna").exists()
    graded_again = autograde.grade(NAME, classroom=room, workers=2)
    assert graded_again.n_new == 0 and earned(graded_again) == points
    query = """
        select distinct comment.auto_comment from comment
        join submitted_notebook on comment.notebook_id = submitted_notebook.id
        join submitted_assignment on submitted_notebook.assignment_id = submitted_assignment.id
        where student_id = 'emil'
    """
    with sqlite3.connect(tmp_path / "gradebook.db") as connection:
        assert connection.execute(query).fetchall() == [("No response.",)], "his stubs are not the public ones"


def test_a_zip_is_taken_as_it_comes(course: Path, tmp_path: Path) -> None:
    import zipfile

    path = tmp_path / "submissions.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"leeanna_123_456_{NAME}.ipynb", CLASS["anna"])
        archive.writestr("notes.txt", "x")
    batch = autograde.grade(NAME, path, root=course, workers=1)
    assert earned(batch) == {"leeanna": FULL} and "notes.txt" in " ".join(batch.skipped)
    assert (course / f"classroom/submitted/leeanna/{NAME}/{NAME}.ipynb").read_bytes() == CLASS["anna"]


def test_without_submissions_there_is_nothing_to_say_but_that(course: Path) -> None:
    assert autograde.grade(NAME, root=course).reports == []
    with pytest.raises(FileNotFoundError):
        autograde.grade(NAME, course / "nowhere", root=course)
    with pytest.raises(ValueError, match="no exercise set named"):
        autograde.grade("99_nothing", root=course)


def with_one_more(notebook: Any) -> Any:
    """The set with a second written question, called "gone"."""
    more = copy.deepcopy(notebook)
    written = copy.deepcopy(next(cell for cell in more.cells if is_written(cell)))
    written.metadata.nbgrader.grade_id = written.id = "gone"
    more.cells.append(written)
    return more


def test_marks_by_hand_of_a_cell_that_is_gone_are_dropped_only_on_demand(
    course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(course)
    (course / "classroom/submitted").mkdir(parents=True)
    with Marks(Classroom(course, NAME).db_url) as marks:
        marks.prepare(NAME, with_one_more(SET.solution), with_one_more(SET.release))
    monkeypatch.setattr(Marks, "_has_marks_by_hand", lambda self, cell: cell.name == "gone")
    refused = CliRunner().invoke(app, ["grade", NAME])
    assert refused.exit_code == 1 and "no longer has gone" in refused.output and "--drop" in refused.output
    assert CliRunner().invoke(app, ["grade", NAME, "--drop", "gone"]).exit_code == 0
    assert CliRunner().invoke(app, ["grade", NAME]).exit_code == 0, "it is gone"


def test_nobody_is_judged_where_the_solution_fails(course: Path) -> None:
    path = target_of(NAME, course)
    notebook = read(path)
    cell = next(cell for cell in notebook.cells if grade_id_of(cell) == "weight-bytes-hidden")
    cell.source += "\nassert weight_bytes(8, bits=8) == 9, 'a test that is wrong'"
    nbformat.write(notebook, path)
    hand_in(course, {"anna": CLASS["anna"]})
    with pytest.raises(RuntimeError, match="weight-bytes-hidden: a test that is wrong"):
        autograde.grade(NAME, root=course, workers=1)
    assert not (course / f"classroom/records/{NAME}/anna.json").exists()
    assert gradebook(course) == []


class Breaking:
    """An engine whose workers die of one student's work and fail at another's."""

    def submit(self, function: Any, name: str, student: str, data: bytes, options: Any) -> Future:
        future: Future = Future()
        if student == "solution":
            future.set_result(autograde.grade_one(name, student, data, options))
        elif student == "kills":
            future.set_exception(autograde.BrokenExecutor("a worker died"))
        elif student == "fails":
            future.set_exception(KeyError("of the grader's own"))
        return future


def test_a_worker_that_dies_and_one_that_fails_lose_nobody(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = []

    def grade_alone(name: str, submission: Any, options: Any) -> Graded:
        alone.append(submission.student)
        return autograde.grade_one(name, submission.student, submission.data, options)

    monkeypatch.setattr(autograde, "grade_alone", grade_alone)
    hand_in(course, {"kills": CLASS["anna"], "fails": CLASS["anna"]})
    batch = autograde.grade(NAME, root=course, executor=Breaking())  # type: ignore[arg-type]
    assert alone == ["kills"] and earned(batch) == {"fails": 0, "kills": FULL}
    failed = next(report for report in batch.reports if report.student == "fails")
    assert "will try again" in failed.flags[0].said and "of the grader's own" in failed.flags[0].said
    assert "of the grader" not in (course / f"classroom/feedback/fails/{NAME}/{NAME}.html").read_text()
    assert autograde.grade(NAME, root=course, workers=1).n_new == 1, "what the grader failed at is tried again"


# ------------------------------------------------------------------------------------- damaged on the way to the grader

COSTS = ("answer deleted", "split")  # damage after which an answer is not there, or not whole, any more


def damaged(n: int) -> dict[str, tuple[bytes, str, dict[str, float]]]:
    """Files of honest submissions after damage, what was done to each, and what the undamaged one deserves."""
    honest = classroom.make_class(NAME, max(4, n // 10), seed=5)
    deserved = {student: classroom.deserved(NAME, notebook) for student, notebook in honest.items()}
    students = sorted(honest)
    files = {}
    for seed in range(n):
        student = students[seed % len(students)]
        data, damage = classroom.mutate(honest[student], seed)
        files[f"m{seed:03}"] = (data, damage, deserved[student])
    return files


def grade_damaged(course: Path, n: int) -> None:
    files = damaged(n)
    hand_in(course, {name: data for name, (data, _, _) in files.items()})
    (course / "classroom/secret").write_text("")  # the published inputs, as `deserved` has them
    reports = {report.student: report for report in autograde.grade(NAME, root=course).reports}
    assert set(reports) == set(files)
    wrong, n_graded = [], 0
    for name, (_, damage, deserved) in files.items():
        report = reports[name]
        assert not any("the grader failed" in flag.said for flag in report.flags), (name, damage, report.flags)
        if report.refused:
            assert len(report.refused) > 30 and "Error" not in report.refused, (name, damage, report.refused)
            continue
        n_graded += 1
        earned = {grade_id: part.earned or 0 for grade_id, part in report.parts().items() if grade_id in deserved}
        may_lose = any(cost in damage for cost in COSTS)
        if not all(earned[part] == points or (may_lose and earned[part] == 0) for part, points in deserved.items()):
            wrong.append((name, damage, earned, deserved, report.remarks))
    assert not wrong, "\n".join(map(str, wrong))
    assert n_graded > n / 2


def test_damaged_submissions_earn_what_they_deserve_or_are_refused(course: Path) -> None:
    grade_damaged(course, 12)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_three_hundred_damaged_submissions(course: Path) -> None:
    grade_damaged(course, 300)


# ------------------------------------------------------------------------------------------- killed at whatever instant


def start(course: Path) -> subprocess.Popen:
    command = [Path(sys.executable).with_name("racecourse"), "grade", NAME, "--workers", "2"]
    return subprocess.Popen(command, cwd=course, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def workers_of(pid: int) -> list[int]:
    """The grader's processes, by the folder that they work in."""
    found = []
    for path in Path("/proc").glob("[0-9]*/status"):
        try:
            if f"\nPPid:\t{pid}\n" in path.read_text():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def killed_and_run_again(course: Path, undisturbed: list[Any], n_kills: int, seconds: float, seed: int) -> None:
    """SIGKILL at `n_kills` random instants of a run that takes `seconds`; after each, a run that finishes."""
    generator = random.Random(seed)
    for n in range(n_kills):
        for path in (course / "classroom").glob("records/*/*"):
            path.unlink()
        (course / "classroom/gradebook.db").unlink(missing_ok=True)
        process = start(course)
        time.sleep(generator.uniform(0, seconds))
        children = workers_of(process.pid)
        process.send_signal(signal.SIGKILL)
        process.wait()
        deadline = time.monotonic() + 30
        while any(Path(f"/proc/{pid}").exists() for pid in children):
            assert time.monotonic() < deadline, "a worker outlived the grader"
            time.sleep(0.05)
        assert start(course).wait(timeout=300) == 0
        assert gradebook(course) == undisturbed, f"kill {n} of seed {seed}"


def run_and_kill(course: Path, submissions: dict[str, bytes], n_kills: int) -> None:
    hand_in(course, submissions)
    (course / "classroom/secret").write_text("a secret that all of these runs share")
    begun = time.monotonic()
    assert start(course).wait(timeout=600) == 0
    seconds = time.monotonic() - begun
    undisturbed = gradebook(course)
    assert {row[0] for row in undisturbed} == set(submissions)
    killed_and_run_again(course, undisturbed, n_kills, seconds, seed=1)


def test_a_grader_that_is_killed_goes_on_where_it_was(course: Path) -> None:
    run_and_kill(course, CLASS, n_kills=1)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_fifty_kills_in_a_batch_of_twenty(course: Path) -> None:
    run_and_kill(course, {f"{student}{n}": CLASS[student] for student in CLASS for n in range(5)}, n_kills=50)
