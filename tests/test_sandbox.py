"""Code that nobody trusts: it may fail, loop, flood, lie and pry, and nothing outside it notices."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time

import psutil
import pytest

from racecourse.machine import run_untrusted, sandbox

shut_in = pytest.mark.skipif(sandbox.sandbox_problem() is not None, reason=f"no sandbox: {sandbox.sandbox_problem()}")


@pytest.fixture(params=["sandbox", "limits"])
def either(request, monkeypatch):
    """The same promises with the sandbox and without, as on Windows, macOS and perhaps Colab."""
    if request.param == "limits":
        monkeypatch.setattr(sandbox, "sandbox_problem", lambda: "taken away for this test")
    elif sandbox.sandbox_problem() is not None:
        pytest.skip(str(sandbox.sandbox_problem()))
    return request.param


def test_what_is_printed_comes_back_and_the_mode_is_named(either):
    outcome = run_untrusted("import sys\nprint('ü', 6 * 7)\nprint('oh', file=sys.stderr)")
    assert (outcome.status, outcome.stdout, outcome.stderr) == ("ok", "ü 42\n", "oh\n")
    assert outcome.shut_in is (either == "sandbox")


@pytest.mark.parametrize(("code", "says"), [
    ("1/0", "ZeroDivisionError"),
    ("def f(:", "SyntaxError"),
    ("import numpy", "ModuleNotFoundError"),
    ("raise SystemExit(3)", ""),
    ("x = 'a' * 10**10", "MemoryError"),
    ("(" * 100_000, "SyntaxError"),
    ("import ctypes; ctypes.string_at(0)", ""),
    ("import os; os.abort()", ""),
    ("\ud800", "SyntaxError"),
    ("\x00", ""),
])  # fmt: skip
def test_code_that_fails_is_reported_and_never_raises(either, code, says):
    outcome = run_untrusted(code)
    assert outcome.status == "failed" and says in outcome.stderr


def test_the_clock_stops_what_does_not(either):
    for code in (
        "while True: pass",
        "import time; time.sleep(60)",
        "import signal\nsignal.signal(15, signal.SIG_IGN)\nwhile 1: pass",
    ):
        outcome = run_untrusted(code, seconds=0.5)
        assert outcome.status == "timeout" and outcome.seconds < 5


def test_a_flood_is_cut(either):
    outcome = run_untrusted("while True: print('x' * 1000)", seconds=5.0)
    assert outcome.status == "failed" and len(outcome.stdout) <= sandbox.MOST_OUTPUT


def test_bytes_that_are_no_text_come_back_as_something(either):
    assert run_untrusted("import sys; sys.stdout.buffer.write(b'\\xff\\xfea')").stdout == "\ufffd\ufffda"


def test_nothing_that_was_started_is_left(either):
    """A child in a session of its own, which a signal to the group would miss."""
    if os.geteuid() != 0 and sys.platform == "linux":
        pytest.skip("a user's code cannot start a process at all here")
    mark = "racecourse-left-over"
    child = f"subprocess.Popen(['sh', '-c', 'sleep 61 # {mark}'], start_new_session=True)"
    code = f"import subprocess, time\n{child}\ntime.sleep(60)"
    run_untrusted(code, seconds=1.0)
    time.sleep(0.2)
    assert not [p for p in psutil.process_iter(["cmdline"]) if mark in " ".join(p.info["cmdline"] or [])
                and "sh" in p.info["cmdline"][0]]  # fmt: skip


def test_the_callers_variables_do_not_go_in(either, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "12345")
    assert "12345" not in run_untrusted("import os; print(dict(os.environ))").stdout


@shut_in
def test_no_file_of_ours_can_be_read_or_written(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("the answer")
    code = f"""
        import os
        for path in ({str(secret)!r}, {__file__!r}, "/etc/passwd", "/etc/shadow", {os.path.expanduser("~/.bashrc")!r}):
            try:
                print(open(path).read())
            except OSError:
                print("no")
        for path in ({str(tmp_path)!r}, "/usr", "/etc", "/", "/dev/shm", "/proc/sys/kernel"):
            try:
                open(os.path.join(path, "mark"), "w").write("x")
            except OSError:
                print("no")
        open("/tmp/own", "w").write("x")
    """
    outcome = run_untrusted(textwrap.dedent(code))
    assert outcome.status == "ok", outcome.stderr
    assert "the answer" not in outcome.stdout and set(outcome.stdout.split()[:5]) == {"no"}
    assert [p.name for p in tmp_path.iterdir()] == ["secret.txt"] and not os.path.exists("/tmp/own")
    assert not os.path.exists("/usr/mark") and not os.path.exists("/dev/shm/mark")


@shut_in
def test_no_network_not_even_our_own():
    with socket.create_server(("127.0.0.1", 0)) as server:
        reached = threading.Event()

        def wait() -> None:
            server.settimeout(3)
            try:
                server.accept()
                reached.set()
            except OSError:
                pass

        thread = threading.Thread(target=wait)
        thread.start()
        outcome = run_untrusted(f"import socket; socket.create_connection(('127.0.0.1', {server.getsockname()[1]}), 1)")
        thread.join()
    assert outcome.status == "failed" and not reached.is_set()


@shut_in
def test_our_processes_can_be_neither_seen_nor_signalled():
    victim = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        code = f"import os\nprint(sorted(int(n) for n in os.listdir('/proc') if n.isdigit()))\nos.kill({victim.pid}, 9)"
        outcome = run_untrusted(code)
        assert outcome.status == "failed" and str(victim.pid) not in outcome.stdout
        assert victim.poll() is None
    finally:
        victim.send_signal(signal.SIGKILL)
        victim.wait()


def test_a_system_without_a_sandbox_is_told_apart(monkeypatch):
    sandbox.sandbox_problem.cache_clear()
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert sandbox.sandbox_problem() in ("bubblewrap is missing", f"there is no sandbox on {sandbox.platform.system()}")
    sandbox.sandbox_problem.cache_clear()
    monkeypatch.setattr(sandbox.platform, "system", lambda: "Darwin")
    assert sandbox.sandbox_problem() == "there is no sandbox on Darwin"
    sandbox.sandbox_problem.cache_clear()
