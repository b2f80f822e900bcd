"""A class on a real JupyterHub, started by deploy/single/serve.py on loopback: accounts, servers, nbgrader, a browser.

One term is lived through once, from release to feedback: what an account does, it does through its own server (HTTP, a
terminal, the formgrader in Chromium). The tests then look at what came of it, and try what is forbidden.
"""

import asyncio
import json
import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import pytest
import requests
import zmq
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from accounts import PROXY, Readable, accounts, remove, why_not
from classroom import is_code_answer
from conftest import ROOT
from racecourse.grading import variants
from racecourse.grading.integrity import grade_id_of, is_test, is_written
from racecourse.learn.notebooks import read

NAME = os.environ.get("RACECOURSE_HUB_SET", "01_transformers")
TEACHER, ANNA, BEN = "rc-teacher", "rc-anna", "rc-ben"
COURSE = "ai-2026"
WRITTEN = "Fewer bytes are read for each token."
SCORE = 7.0
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
NOT_COPIED = (".git", ".venv", "work", "classroom", "benchmarks", "tests", "__pycache__", "node_modules")

pytest.importorskip("jupyterhub", reason="no JupyterHub: `pip install -e '.[hub]'`")
WHY_NOT = why_not()
if PROXY is None:
    WHY_NOT = "no proxy: `npm install -g configurable-http-proxy`, and see that it is on PATH"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800), pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]


# ---- 1 · A hub -------------------------------------------------------------------------------------------------------


class Person:
    """Somebody who has logged in with a password and works through their own server."""

    def __init__(self, hub: str, name: str, password: str) -> None:
        self.hub, self.name = hub, name
        self.browser = requests.Session()
        page = self.browser.get(f"{hub}/hub/login")
        assert page.ok
        form = {"username": name, "password": password, "_xsrf": self.xsrf("/hub/")}
        self.login = self.browser.post(f"{hub}/hub/login", data=form, params={"next": "/hub/home"})
        self.token = ""

    def xsrf(self, path: str) -> str:
        return next(cookie.value for cookie in self.browser.cookies if cookie.name == "_xsrf" and cookie.path == path)

    def start(self) -> None:
        """A token of one's own, and one's server."""
        made = self.browser.post(
            f"{self.hub}/hub/api/users/{self.name}/tokens", json={"note": "test"},
            headers={"X-XSRFToken": self.xsrf("/hub/"), "Referer": f"{self.hub}/hub/token"},
        )  # fmt: skip
        assert made.ok, made.text
        self.token = made.json()["token"]
        assert self.call("POST", f"/hub/api/users/{self.name}/server").status_code in (201, 202)
        deadline = time.monotonic() + 180
        while not (said := self.call("GET", f"/user/{self.name}/api/status")).ok or "started" not in said.text:
            assert time.monotonic() < deadline, said.text
            time.sleep(1)

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """With the token, and no cookie."""
        headers = {"Authorization": f"token {self.token}"}
        return requests.request(method, self.hub + path, headers=headers, timeout=120, **options)

    def mine(self, method: str, path: str, **options: Any) -> Any:
        """The answer of one's own server, as JSON."""
        said = self.call(method, f"/user/{self.name}/{path}", **options)
        assert said.ok, (path, said.status_code, said.text[-3000:])
        return said.json()

    def assignment(self, action: str) -> None:
        """What the buttons of the assignment list do: fetch, submit, fetch_feedback."""
        said = self.mine("POST", f"assignments/{action}", params={"course_id": COURSE, "assignment_id": NAME})
        assert said["success"], said["value"]

    def formgrader(self, action: str) -> None:
        """What the formgrader's buttons do: release, collect, generate_feedback, release_feedback."""
        said = self.mine("POST", f"formgrader/api/assignment/{NAME}/{action}")
        assert said["success"], said

    def shell(self, command: str) -> tuple[int, str]:
        """A command in a terminal of one's own server: its exit code, and what it printed."""
        return asyncio.run(self._shell(command))

    async def _shell(self, command: str) -> tuple[int, str]:
        terminal = self.mine("POST", "api/terminals")["name"]
        url = f"ws{self.hub.removeprefix('http')}/user/{self.name}/terminals/websocket/{terminal}"
        socket = await websocket_connect(HTTPRequest(url, headers={"Authorization": f"token {self.token}"}))
        await socket.write_message(
            json.dumps(["stdin", f"stty -echo; echo BEG''IN; ({command}) 2>&1; echo EN''D $?\r"])
        )
        said = ""
        while not (end := re.search(r"BEGIN\r\n(.*?)END (\d+)\r\n", said, re.DOTALL)):
            message = await asyncio.wait_for(socket.read_message(), timeout=400)
            assert message is not None, said
            kind, *content = json.loads(message)
            said += content[0] if kind == "stdout" else ""
        socket.close()
        self.call("DELETE", f"/user/{self.name}/api/terminals/{terminal}")
        return int(end[2]), end[1].replace("\r\n", "\n")

    async def hear(self, kernel: str) -> str:
        """The kind of the first message that a browser gets when it connects; the server then asks how it is."""
        url = f"ws{self.hub.removeprefix('http')}/user/{self.name}/api/kernels/{kernel}/channels"
        socket = await websocket_connect(HTTPRequest(url, headers={"Authorization": f"token {self.token}"}))
        message = await asyncio.wait_for(socket.read_message(), timeout=60)
        socket.close()
        return str(json.loads(message or "{}").get("msg_type"))

    def notebook(self) -> Any:
        return nbformat.from_dict(self.mine("GET", f"api/contents/{NAME}/{NAME}.ipynb")["content"])

    def save(self, notebook: Any) -> None:
        self.mine("PUT", f"api/contents/{NAME}/{NAME}.ipynb", json={"type": "notebook", "content": notebook})


@dataclass
class School:
    """A class directory and the hub that serves it."""

    folder: Path
    house: Readable
    url: str = ""
    log: Path = Path()
    people: dict[str, Person] = field(default_factory=dict)

    @property
    def class_folder(self) -> Path:
        return self.folder / "class"

    @property
    def exchange(self) -> Path:
        return self.folder / "exchange"


def free_ports() -> int:
    """The first of three free ports in a row."""
    for port in range(18000, 30000, 10):
        with ExitStack() as stack:
            try:
                for one in range(port, port + 3):
                    stack.enter_context(closing(socket.socket())).bind(("127.0.0.1", one))
            except OSError:
                continue
        return port
    raise RuntimeError("no three free ports in a row")


@pytest.fixture(scope="module")
def place() -> Iterator[School]:
    """A copy of the course, and a teacher's class with two students and versions of their own. No hub yet."""
    with accounts(TEACHER), Readable() as house:
        folder = Path(tempfile.mkdtemp(prefix="rc-hub-"))
        folder.chmod(0o755)
        try:
            shutil.copytree(ROOT, folder / "course", ignore=shutil.ignore_patterns(*NOT_COPIED))
            school = School(folder, house)
            (folder / "roster.csv").write_text(f"id,first_name,last_name\n{ANNA},Anna,Ahlers\n{BEN},Ben,Bauer\n")
            shutil.chown(folder, TEACHER)
            racecourse(
                school, "class", "new", str(school.class_folder), "--roster", str(folder / "roster.csv"),
                "--sets", NAME, "--exchange", str(school.exchange), "--course", str(folder / "course"), cwd=folder,
            )  # fmt: skip
            settings = school.class_folder / "class.toml"
            settings.write_text(re.sub('course_id = ".*?"', f'course_id = "{COURSE}"', settings.read_text()))
            shutil.chown(folder, "root")
            yield school
        finally:
            for name in (ANNA, BEN):
                remove(name)
            subprocess.run(["groupdel", f"class-{COURSE}"], capture_output=True)
            shutil.rmtree(folder)


def racecourse(school: School, *arguments: str, cwd: Path | None = None) -> str:
    done = school.house.run(
        TEACHER, ["racecourse", *arguments], cwd or school.class_folder,
        PYTHONPATH=str(school.folder / "course/utils"),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


def serve(school: School, *options: str) -> list[str]:
    """deploy/single/serve.py, as root."""
    script = school.folder / "course/deploy/single/serve.py"
    command = [sys.executable, str(script), str(school.class_folder), "--state", str(school.folder / "state"), *options]
    return [*school.house.enter, "env", "--chdir=/", *command]


@pytest.fixture(scope="module")
def school(place: School) -> Iterator[School]:
    """The hub runs, and all three have logged in and have their servers."""
    port = free_ports()
    place.url, place.log = f"http://127.0.0.1:{port}", place.folder / "hub.log"
    environment = place.house.environment("/root", place.folder / "course/utils")
    with place.log.open("w") as log:
        hub = subprocess.Popen(serve(place, "--port", str(port)), stdout=log, stderr=log, env=environment, cwd="/")
        try:
            wait_for(f"{place.url}/hub/api/", hub, place.log)
            given = dict(line.split(",") for line in (place.class_folder / "first_passwords.csv").read_text().split())
            subprocess.run(["chpasswd"], input=f"{TEACHER}:a-teacher's-own", text=True, check=True)
            for name, password in {TEACHER: "a-teacher's-own", **given}.items():
                place.people[name] = Person(place.url, name, password)
                place.people[name].start()
            yield place
        finally:
            hub.terminate()
            hub.wait(timeout=60)


def wait_for(url: str, hub: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and hub.poll() is None:
        try:
            if requests.get(url, timeout=5).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.5)
    raise RuntimeError(f"no hub at {url}:\n{log.read_text()}")


# ---- 2 · A term ------------------------------------------------------------------------------------------------------


@dataclass
class Term:
    """What was seen on the way."""

    school: School
    handed_out: dict[str, Any] = field(default_factory=dict)
    listed: dict[str, Any] = field(default_factory=dict)
    graded: str = ""


@pytest.fixture(scope="module")
def term(school: School) -> Term:
    """The teacher releases; two students fetch, solve and submit; marks, one of them by hand; feedback."""
    teacher, anna, ben = (school.people[name] for name in (TEACHER, ANNA, BEN))
    seen = Term(school)
    racecourse(school, "class", "release", NAME)
    teacher.formgrader("release")
    for student in (anna, ben):
        student.assignment("fetch")
        notebook = student.notebook()
        seen.handed_out[student.name] = notebook.copy()
        student.save(solved(notebook, school, leave_out=student is ben))
        student.assignment("submit")
        seen.listed[student.name] = student.mine("GET", "assignments", params={"course_id": COURSE})
    teacher.formgrader("collect")
    code, seen.graded = teacher.shell(f"set -o pipefail; racecourse grade {NAME} --workers 1 | cat")  # no bar
    assert code == 0, seen.graded
    mark_by_hand(school, teacher)
    teacher.formgrader("generate_feedback")
    teacher.formgrader("release_feedback")
    for student in (anna, ben):
        student.assignment("fetch_feedback")
    return seen


def solved(notebook: Any, school: School, *, leave_out: bool) -> Any:
    """A student's own notebook with the answers of their version; with `leave_out` but for the first."""
    solution = variants.solution(NAME, school.folder / "course", variants.values_of(notebook))
    answers = {grade_id_of(cell): cell.source for cell in solution.cells if is_code_answer(cell)}
    if leave_out:
        answers.pop(next(iter(answers)))
    for cell in notebook.cells:
        if grade_id_of(cell) in answers:
            source = answers[grade_id_of(cell)]
            cell.source = "\n".join(line for line in source.split("\n") if not line.strip().startswith("### "))
        elif is_written(cell):
            cell.source = WRITTEN
    return notebook


def mark_by_hand(school: School, teacher: Person) -> None:
    """The written answer of Anna's in the formgrader, as a person marks it: a score and a comment, in a browser."""
    from playwright.sync_api import sync_playwright

    pictures = os.environ.get("RACECOURSE_PICTURES", "")
    (submission,) = [
        one
        for one in teacher.mine("GET", f"formgrader/api/submitted_notebooks/{NAME}/{NAME}")
        if one["student"] == ANNA
    ]
    written = next(grade_id_of(cell) for cell in set_cells() if is_written(cell))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"{school.url}/hub/login?next=/user/{TEACHER}/formgrader")
        page.fill("#username_input", TEACHER)
        page.fill("#password_input", "a-teacher's-own")
        page.click("#login_submit")
        page.get_by_text("Manage Assignments").first.wait_for(timeout=60_000)
        if pictures:
            page.screenshot(path=f"{pictures}/formgrader.png")
        page.goto(f"{school.url}/user/{TEACHER}/formgrader/submissions/{submission['id']}")
        box = page.locator(f"input.score[id='{written}']")
        box.wait_for(timeout=60_000)
        box.scroll_into_view_if_needed()
        box.fill(f"{SCORE:g}")
        box.press("Enter")
        page.wait_for_load_state("networkidle")
        if pictures:
            page.screenshot(path=f"{pictures}/marking.png")
        browser.close()


def set_cells() -> list[Any]:
    return list(read(ROOT / f"solutions/{NAME}/{NAME}.ipynb").cells)


# ---- 3 · What came of it ---------------------------------------------------------------------------------------------


def test_each_student_was_handed_their_own_version(term: Term) -> None:
    values = [variants.values_of(notebook) for notebook in term.handed_out.values()]
    public = variants.public_values(variants.parameters_of(ROOT / f"sources/exercises/{NAME}.py"))
    assert values[0] != values[1]
    assert public not in values
    for notebook in term.handed_out.values():
        assert [grade_id_of(cell) for cell in notebook.cells] == [grade_id_of(cell) for cell in set_cells()]


def test_the_assignment_list_shows_it_as_submitted(term: Term) -> None:
    for listed in term.listed.values():
        assert listed["success"]
        assert sorted(one["status"] for one in listed["value"]) == ["fetched", "submitted"]


def test_the_marks_are_what_the_answers_earn_and_what_was_given_by_hand(term: Term) -> None:
    points = {grade_id_of(cell): cell.metadata.nbgrader.points for cell in set_cells() if is_test(cell)}
    answers = [grade_id_of(cell) for cell in set_cells() if is_code_answer(cell)]
    submissions = term.school.people[TEACHER].mine("GET", f"formgrader/api/submissions/{NAME}")
    scores = {one["student"]: one["score"] for one in submissions}
    left_out = sum(worth for test, worth in points.items() if test.rsplit("-", 1)[0] == answers[0])
    assert left_out > 0
    assert "Left out" not in term.graded  # nbgrader's own files beside a submission are no surprise
    assert scores == {ANNA: sum(points.values()) + SCORE, BEN: sum(points.values()) - left_out}


def test_feedback_comes_back_to_its_own_student(term: Term) -> None:
    pages = {}
    for name in (ANNA, BEN):
        person = term.school.people[name]
        code, listed = person.shell(f"printf '%s\\n' {NAME}/feedback/*/*.html")
        assert code == 0
        (path,) = listed.split("\n")[:-1]
        pages[name] = person.mine("GET", f"api/contents/{path}", params={"type": "file", "format": "text"})["content"]
    written = next(cell.metadata.nbgrader.points for cell in set_cells() if is_written(cell))
    assert f"{SCORE} / {written:.1f}" in " ".join(pages[ANNA].split())
    assert f"{SCORE} / {written:.1f}" not in " ".join(pages[BEN].split())


# ---- 4 · What is forbidden -------------------------------------------------------------------------------------------

FORBIDDEN = [
    "ls {class}",
    "cat {class}/secret",
    "cat {class}/gradebook.db",
    "cat {class}/first_passwords.csv",
    "cat {class}/submitted/{ben}/{set}/{set}.ipynb",
    "cat {class}/source/{set}/{set}.ipynb",
    "cat {course}/solutions/{set}/{set}.ipynb",
    "cat {course}/sources/exercises/{set}.py",
    "ls ~{ben}",
    "cat ~{ben}/{set}/{set}.ipynb",
    "ls ~{teacher}",
    "ls {exchange}/{id}/inbound",
    "ls {exchange}/{id}/feedback",
    "ls {exchange}/{id}/variants/{set}",
    "cat {exchange}/{id}/variants/{set}/{ben}.ipynb",
    "touch {exchange}/{id}/outbound/{set}/{set}.ipynb",
    "mv {exchange}/{id} {exchange}/old",
    "cat {state}/hub/jupyterhub.sqlite",
    "cat {state}/hub/cookie_secret",
    "cat $(for p in /proc/[0-9]*; do [ $(stat -c %U $p) = {ben} ] && echo $p/environ; done)",
    "mkdir -p release && cp -r {set} release/ && nbgrader release_assignment {set} --course {id} --force",
    "nbgrader collect {set} --course {id}",
]


@pytest.mark.parametrize("command", FORBIDDEN)
def test_a_student_cannot(command: str, term: Term) -> None:
    school = term.school
    names = {
        "class": school.class_folder, "course": school.folder / "course", "exchange": school.exchange, "id": COURSE,
        "set": NAME, "ben": BEN, "teacher": TEACHER, "state": next((school.folder / "state").iterdir()),
    }  # fmt: skip
    code, said = school.people[ANNA].shell(command.format(**names))
    assert code != 0, said
    assert re.search(r"[Pp]ermission denied|not permitted|don't own|don't have read permissions", said), said


def test_the_same_commands_work_for_whom_they_are_meant(term: Term) -> None:
    """Else the refusals above could have another reason."""
    school = term.school
    for name, command in {
        TEACHER: f"cat {school.class_folder}/secret && ls {school.exchange}/{COURSE}/inbound ~{TEACHER}",
        BEN: f"cat {school.exchange}/{COURSE}/variants/{NAME}/{BEN}.ipynb && ls ~{BEN}/{NAME}",
    }.items():
        code, said = school.people[name].shell(command)
        assert code == 0, said


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/user/{ben}/api/contents"),
        ("GET", "/user/{ben}/files/{set}/{set}.ipynb"),
        ("POST", "/user/{ben}/api/terminals"),
        ("GET", "/user/{teacher}/api/contents"),
        ("GET", "/user/{teacher}/formgrader"),
        ("GET", "/user/{teacher}/formgrader/api/students"),
        ("POST", "/user/{teacher}/formgrader/api/assignment/{set}/release"),
        ("GET", "/user/{anna}/formgrader"),  # her own server has none
        ("GET", "/user/{anna}/formgrader/api/students"),
        ("GET", "/user/{anna}/api/contents/..%2f{ben}"),
        ("GET", "/user/{anna}/files/..%2f{ben}/{set}/{set}.ipynb"),
        ("GET", "/hub/api/users"),
        ("GET", "/hub/api/users/{ben}"),
        ("POST", "/hub/api/users/{ben}/tokens"),
        ("POST", "/hub/api/users/{ben}/server"),
        ("DELETE", "/hub/api/users/{ben}/server"),
        ("GET", "/hub/api/proxy"),
    ],
)
def test_a_students_token_opens_nobody_elses_door(method: str, path: str, term: Term) -> None:
    anna = term.school.people[ANNA]
    path = path.format(anna=ANNA, ben=BEN, teacher=TEACHER, set=NAME)
    said = anna.call(method, path, allow_redirects=False)
    assert said.status_code in (403, 404), said.text[-500:]
    assert anna.call("GET", f"/user/{ANNA}/api/contents").ok  # the token is good where it should be


def test_jupyterlab_shows_the_formgrader_to_the_teacher_alone(school: School) -> None:
    shown = {}
    for name, person in school.people.items():
        page = person.call("GET", f"/user/{name}/lab").text
        settings = re.search(r'<script id="jupyter-config-data"[^>]*>(.*?)</script>', page, re.DOTALL)
        assert settings
        shown[name] = "@jupyter/nbgrader:formgrader" not in json.loads(settings[1])["disabledExtensions"]
    assert shown == {TEACHER: True, ANNA: False, BEN: False}


@pytest.mark.parametrize("path", [f"/user/{BEN}/lab", f"/user/{TEACHER}/formgrader", f"/user/{TEACHER}/lab"])
def test_a_students_browser_opens_nobody_elses_door(path: str, term: Term) -> None:
    anna = term.school.people[ANNA]
    assert anna.browser.get(term.school.url + path).status_code == 403
    assert anna.browser.get(f"{term.school.url}/user/{ANNA}/lab").ok


@pytest.mark.parametrize(
    ("name", "password"), [(ANNA, ""), (ANNA, ANNA), (ANNA, "a-teacher's-own"), ("root", ""), ("daemon", ""), ("", "")]
)
def test_nobody_gets_in_without_their_password(name: str, password: str, school: School) -> None:
    person = Person(school.url, name, password)
    assert person.login.status_code == 403
    assert not any(cookie.name.startswith("jupyterhub-hub-login") for cookie in person.browser.cookies)


def listening() -> list[tuple[str, int, int]]:
    """Address, port and account of every TCP socket that waits for connections, from the system's own table."""
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            address, number = fields[1].rsplit(":", 1)
            if fields[3] == "0A":
                found.append((address, int(number, 16), int(fields[7])))
    return found


def test_everything_listens_on_loopback(school: School) -> None:
    port, uids = int(school.url.rsplit(":", 1)[1]), {pwd.getpwnam(name).pw_uid for name in (TEACHER, ANNA, BEN)}
    found = [entry for entry in listening() if entry[1] in range(port, port + 3) or entry[2] in uids]
    assert {port, port + 1, port + 2} <= {number for _, number, _ in found}
    assert uids <= {uid for *_, uid in found}
    assert {address for address, *_ in found} == {"0100007F"}  # 127.0.0.1, the low byte first


def test_nobody_can_listen_to_anothers_kernel(school: School) -> None:
    """Any account could subscribe to what a kernel publishes on a TCP port: what another runs, and what comes of it."""
    ben = school.people[BEN]
    kernel = ben.mine("POST", "api/kernels", json={"name": "python3"})["id"]
    sockets = Path(pwd.getpwnam(BEN).pw_dir) / ".jupyter-run"
    assert asyncio.run(ben.hear(kernel))  # it runs
    uid = pwd.getpwnam(BEN).pw_uid
    with zmq.Context() as context, context.socket(zmq.SUB) as spy:
        spy.linger = 0
        spy.subscribe(b"")
        for _, port, owner in listening():
            if owner == uid:
                spy.connect(f"tcp://127.0.0.1:{port}")
        assert asyncio.run(ben.hear(kernel)) == "status"  # Ben's own browser hears the kernel, and
        assert not spy.poll(5000)
    assert list(sockets.glob(f"kernel-{kernel}-ipc-*"))
    assert school.people[ANNA].shell(f"ls {sockets}")[0] != 0
    ben.call("DELETE", f"/user/{BEN}/api/kernels/{kernel}")


# ---- 5 · What serve.py refuses ---------------------------------------------------------------------------------------


def said_by(school: School, *options: str) -> tuple[int, str]:
    environment = school.house.environment("/root", school.folder / "course/utils")
    done = subprocess.run(
        serve(school, "--check", *options), env=environment, cwd="/", text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )  # fmt: skip
    return done.returncode, " ".join(done.stdout.split())


def test_it_starts_nothing_where_a_wall_has_a_hole(place: School) -> None:
    home = Path(pwd.getpwnam(TEACHER).pw_dir)
    home.chmod(0o755)
    try:
        code, said = said_by(place)
    finally:
        home.chmod(0o700)
    assert code == 1
    assert f"students can read {home}" in said
    assert said_by(place)[0] == 0


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("root,R,Root", "root: there is such an account already, and it was not made for this class"),
        ("12345,N,Number", "cannot be names of accounts: 12345"),
        (f"{TEACHER},T,Teacher", "is a student in its roster"),
    ],
)
def test_it_gives_no_account_away(row: str, says: str, place: School) -> None:
    roster = place.class_folder / "roster.csv"
    before = roster.read_text()
    columns = before.split("\n")[0].split(",")
    cells = dict(zip(("id", "first_name", "last_name"), row.split(","), strict=True))
    roster.write_text(before.rstrip("\n") + "\n" + ",".join(cells.get(column, "") for column in columns) + "\n")
    try:
        code, said = said_by(place)
    finally:
        roster.write_text(before)
    assert code == 1
    assert says in said


def test_root_opens_no_folder_that_holds_something_else(place: School) -> None:
    settings, other = place.class_folder / "class.toml", place.folder / "other"
    before = settings.read_text()
    other.mkdir(mode=0o755)
    (other / "a.txt").write_text("a")
    settings.write_text(before.replace(str(place.exchange), str(other)))
    try:
        code, said = said_by(place)
    finally:
        settings.write_text(before)
    assert code == 1
    assert f"{other} holds something else" in said
    assert other.stat().st_mode & 0o777 == 0o755


def test_a_students_folder_is_not_taken_for_the_courses(place: School) -> None:
    assert said_by(place)[0] == 0
    course = place.exchange / COURSE
    course.rename(place.folder / "kept")
    course.symlink_to(place.folder / "kept")
    try:
        code, said = said_by(place)
    finally:
        course.unlink()
        (place.folder / "kept").rename(course)
    assert code == 1
    assert f"{course} was not made by {TEACHER}" in said


def test_an_account_keeps_its_first_password(place: School) -> None:
    assert said_by(place)[0] == 0
    before = (place.class_folder / "first_passwords.csv").read_text()
    assert {line.split(",")[0] for line in before.split()} == {ANNA, BEN}
    assert said_by(place)[0] == 0
    assert (place.class_folder / "first_passwords.csv").read_text() == before
    assert (place.class_folder / "first_passwords.csv").stat().st_mode & 0o777 == 0o600


def test_only_root_can_serve(place: School) -> None:
    script = place.folder / "course/deploy/single/serve.py"
    done = place.house.run(
        TEACHER, ["python", str(script), str(place.class_folder)], PYTHONPATH=str(place.folder / "course/utils")
    )
    assert done.returncode == 1
    assert "must be root's" in done.stdout
