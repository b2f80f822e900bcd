"""Kernels forked behind walls: they work like any other, and the code in them reaches nothing that is not its own."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import psutil
import pytest
import torch

pytest.importorskip("nbclient")
import nbformat
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from traitlets.config import Config

from racecourse.grading import kernel, walls
from racecourse.grading.calls import Answers
from racecourse.grading.zygote import move_to_huge_pages

NAMESPACES = ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--net", "--ipc", "--uts", "true"]
if not shutil.which("unshare") or subprocess.run(NAMESPACES, capture_output=True).returncode:
    pytest.skip("this system forbids namespaces, says `unshare`, too", allow_module_level=True)  # else walls must stand

MODEL = "python-dense"
LIMITS = {"memory_mib": 1024, "file_mib": 8, "scratch_mib": 32, "cpu_seconds": 60}


@pytest.fixture(scope="module", autouse=True)
def zygote(tmp_path_factory):
    """One zygote for the module, in a runtime folder of its own and with a secret in the grader's environment."""
    runtime = Path(tempfile.mkdtemp(prefix="rc", dir="/tmp"))  # a short path: those of sockets have 108 characters
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        patch.setenv("API_TOKEN", "hush-hush")
        yield runtime
        for process in zygotes(runtime):
            process.kill()
    shutil.rmtree(runtime)


def zygotes(runtime: Path) -> list[psutil.Process]:
    """The zygote and all that was forked from it, found by the socket in the command line."""
    return [process for process in psutil.process_iter(["cmdline"]) if str(runtime) in str(process.info["cmdline"])
            and "racecourse.grading.zygote" in str(process.info["cmdline"])]  # fmt: skip


def server(runtime: Path) -> psutil.Process:
    """The zygote itself: the others of the list have it as an ancestor."""
    found = zygotes(runtime)
    return next(process for process in found if process.ppid() not in {other.pid for other in found})


def run(*cells: str, cwd: Path | None = None, limits: dict = LIMITS, allow_errors: bool = True, **options) -> list[str]:
    """The cells' outputs as text; an error is its name and message."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(textwrap.dedent(cell)) for cell in cells])
    timeout = options.pop("timeout", 60)
    config = Config(ZygoteProvisioner={"limits": limits, "preload": [MODEL], **options})
    client = NotebookClient(notebook, kernel_name="racecourse-grader", timeout=timeout, interrupt_on_timeout=True,
                            allow_errors=allow_errors, config=config)  # fmt: skip
    if cwd is not None:
        client.resources = {"metadata": {"path": str(cwd)}}
    client.execute()
    return ["".join(map(said, cell.outputs)).strip() for cell in notebook.cells]


def said(output) -> str:
    if output.output_type == "error":
        return f"{output.ename}: {output.evalue}"
    return output["text"] if output.output_type == "stream" else output["data"]["text/plain"]


# --- a kernel like any other


def test_a_notebook_runs_as_in_any_kernel_with_everything_loaded():
    out = run(
        "print(6 * 7)",
        "import sys; loaded = 'torch' in sys.modules and 'transformers' in sys.modules; import torch; loaded",
        "torch.rand(3).tolist(), __import__('random').random(), __import__('numpy').random.rand()",
        "import threading; t = threading.Thread(target=print, args=('thread',)); t.start(); t.join()",
        "import matplotlib.pyplot as plt; _ = plt.plot([1, 2]); plt.show()",
        "x = torch.ones(64, 64, requires_grad=True); (x @ x).sum().backward(); x.grad.sum().item()",
        "torch.set_num_threads(2); (torch.ones(256, 256) @ torch.ones(256, 256)).sum().item()",
    )
    assert (out[0], out[1], out[3], out[4]) == ("42", "True", "thread", "<Figure size 640x480 with 1 Axes>")
    assert (out[5], out[6]) == (str(2.0 * 64**3), str(256.0**3))
    again = run("print(6 * 7)", "0", "import torch; torch.rand(3).tolist(), __import__('random').random(), "
                "__import__('numpy').random.rand()")[2]  # fmt: skip
    ours, theirs = (set(text.replace("(", "").replace("[", "").split(", ")) for text in (out[2], again))
    assert not ours & theirs, "two kernels drew the same random numbers"


def test_a_preloaded_model_is_there_at_once_and_each_kernel_has_its_own():
    cells = [
        "import time; from racecourse.models import load; t = time.perf_counter(); model, _ = load('python-dense')",
        "print(time.perf_counter() - t < 0.1)",
        "w = next(model.parameters()); w.data.fill_(7); other, _ = load('python-dense', device='cpu')",
        "print(other is not model, float(next(other.parameters()).detach().max()) < 7)",
    ]
    for _ in range(2):
        assert run(*cells) == ["", "True", "", "True True"]


def test_a_loop_is_interrupted_and_the_next_cell_runs():
    out = run("while True: pass", "print('still here')", timeout=2)
    assert out[0].startswith("KeyboardInterrupt") and out[1] == "still here"


def test_a_kernel_that_ends_is_noticed_and_the_next_notebook_runs():
    for end in ("import os; os._exit(0)", "import ctypes; ctypes.string_at(0)"):
        with pytest.raises(DeadKernelError):
            run(end)
    assert run("print('next')") == ["next"]


def test_a_kernel_restarts_and_leaves_no_folder(zygote):
    km = KernelManager(kernel_name="racecourse-grader", config=Config(ZygoteProvisioner={"preload": [MODEL]}))
    km.start_kernel()
    folder = km.provisioner.connection_dir
    client = km.client()
    client.start_channels()
    client.wait_for_ready(timeout=20)
    first = km.provisioner.pid
    km.restart_kernel(now=True)
    client.wait_for_ready(timeout=20)
    assert km.provisioner.pid != first and km.is_alive() and folder.stat().st_mode & 0o777 == 0o700
    client.stop_channels()
    km.shutdown_kernel(now=True)
    assert not folder.exists() and not psutil.pid_exists(km.provisioner.pid or first)


# --- behind the walls


def test_nothing_of_the_host_is_visible(root, tmp_path):
    folder = tmp_path / "submission"
    (folder / "more").mkdir(parents=True)
    for name in ("data.csv", "more/points.npy", "numpy.py", "own.ipynb", "gradebook.db", "page.html", ".hidden"):
        (folder / name).write_text("1,2")
    (folder / "link.csv").symlink_to("/etc/passwd")
    hidden = [*(str(root / name) for name in ("solutions", "sources", "tests", "classroom", "lessons", ".git")),
              "/etc/shadow", "/var", "/home", "/sys", "/run", str(Path.home() / ".cache"), str(folder)]  # fmt: skip
    out = run(
        f"import os; print([path for path in {hidden} if os.path.lexists(path)])",
        "print(sorted(os.path.join(place, name) for place, _, names in os.walk('.') for name in names), os.getcwd())",
        "print([pid for pid in os.listdir('/proc') if pid.isdigit()], os.getpid(), os.getppid())",
        "print([key for key, value in os.environ.items() if 'hush' in value + key.lower()], os.environ['HOME'])",
        "print('hush' in open('/proc/self/mountinfo').read(), sorted(os.listdir('/dev')))",
        "told = [line.split() for line in open('/proc/self/status') if line[:6] in ('CapEff', 'CapBnd', 'NoNewP')]\n"
        "print(os.getuid(), *(word for words in told for word in words))",
        "open('data.csv', 'a').write('mine'); print(open('data.csv').read())",
        cwd=folder,
    )
    assert out[0] == "[]"
    assert out[1] == "['./data.csv', './more/points.npy'] /scratch"
    assert out[2] == "['1'] 1 0"
    assert out[3] == "[] /tmp"
    assert out[4] == f"False {[*sorted((*walls.DEVICES, 'shm'))]}"
    uid = walls.NOBODY if os.getuid() == 0 else os.getuid()
    assert out[5] == f"{uid} CapEff: {'0' * 16} CapBnd: {'0' * 16} NoNewPrivs: 1"
    assert out[6] == "1,2mine" and (folder / "data.csv").read_text() == "1,2"


def test_only_four_places_can_be_written_to(root):
    tried = ["/", "/usr", "/etc", "/dev", "/proc", sys.prefix, str(root / "utils/racecourse"), str(root), "/lib",
             "/scratch", "/tmp", "/dev/shm"]  # fmt: skip
    cell = f"""
        import os, sys
        could = []
        for place in {tried}:
            try:
                open(os.path.join(place, 'mine'), 'w').write('x')
                could.append(place)
            except OSError:
                pass
        print(could)
    """
    assert run(cell)[0] == "['/scratch', '/tmp', '/dev/shm']"


@pytest.mark.parametrize("attempt", [
    "import socket; socket.socket(socket.AF_INET)",
    "import socket; socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)",
    "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "import os; os.fork()",
    "import subprocess; subprocess.run(['/bin/true'])",
    "import os; os.system('true') == 0 or (_ for _ in ()).throw(PermissionError('no shell'))",
    "import os; os.execv('/bin/true', ['true'])",
    "import os; os.memfd_create('x')",
    "import os; os.chroot('/tmp')",
    "import os; os.setuid(0)",
    "import os; os.mknod('/tmp/disk', 0o60600, os.makedev(254, 0))",
    "import multiprocessing as m; p = m.get_context('fork').Process(target=print); p.start()",
])  # fmt: skip
def test_what_is_forbidden_raises(attempt, shared):
    assert shared(attempt).startswith(("PermissionError", "OSError: [Errno 22]"))  # 22: inside, that id does not exist


@pytest.fixture(scope="module")
def shared(zygote):
    """One kernel for many short attempts."""
    config = Config(ZygoteProvisioner={"limits": LIMITS, "preload": [MODEL]})
    client = NotebookClient(nbformat.v4.new_notebook(), kernel_name="racecourse-grader", timeout=30, config=config,
                            allow_errors=True)  # fmt: skip

    def attempt(code: str) -> str:
        cell = nbformat.v4.new_code_cell(code)
        client.nb.cells = [cell]
        client.execute_cell(cell, 0)
        return "".join(map(said, cell.outputs)).strip()

    with client.setup_kernel():
        client.kc.allow_stdin = False
        yield attempt


@pytest.mark.parametrize("call", [
    "ptrace(0, 0, 0, 0)", "unshare(0x10000000)", "mount(b'x', b'/tmp', b'tmpfs', 0, None)", "umount2(b'/proc', 2)",
    "setns(0, 0)", "syscall(425, 1, 0)", "syscall(321, 0, 0, 0)", "syscall(298, 0, 0, 0, 0, 0)", "vfork()",
    "personality(0)", "shmget(0, 4096, 0o1600)", "pivot_root(b'/', b'/')", "syscall(56, 17, 0, 0, 0, 0)",
])  # fmt: skip
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are those of x86-64")
def test_system_calls_that_lead_out_are_refused(call, shared):
    code = f"import ctypes; libc = ctypes.CDLL(None, use_errno=True); print(libc.{call}, ctypes.get_errno())"
    assert shared(code) == "-1 1"


def test_signals_reach_nobody_else(shared):
    assert shared("import os; os.kill(1, 9); os.kill(os.getppid(), 9); print('sent')") == "sent"
    assert shared(f"os.kill({os.getpid()}, 0)").startswith("ProcessLookupError")
    assert shared("print('alive')") == "alive"


def test_memory_files_and_threads_have_a_limit():
    out = run(
        "x = bytearray(1200 * 2**20)",
        "import torch; y = torch.ones(300 * 2**20)",
        "with open('/scratch/big', 'wb') as f:\n    f.write(bytes(9 * 2**20)); f.flush()",
        "for i in range(9):\n    open(f'/scratch/{i}', 'wb').write(bytes(5 * 2**20))",
        "import threading as t, time\nfor i in range(200): t.Thread(target=time.sleep, args=(5,), daemon=True).start()",
        "files = [open('/dev/null') for _ in range(400)]",
        "print('alive')",
    )
    assert out[0].startswith("MemoryError") and "allocate memory" in out[1]
    assert out[2].startswith("OSError: [Errno 27]") and out[3].startswith("OSError: [Errno 28]")
    assert "can't start new thread" in out[4] and "[Errno 24]" in out[5] and out[6] == "alive"


def test_processor_time_has_a_limit():
    stubborn = "while True:\n    try:\n        while True: pass\n    except BaseException: pass"
    with pytest.raises(DeadKernelError):
        run(stubborn, limits={"cpu_seconds": 2})


def test_too_much_data_is_refused_in_words(tmp_path):
    (tmp_path / "big.bin").write_bytes(bytes(2 * 2**20))
    with pytest.raises(RuntimeError, match="more than 1 MiB"):
        run("1", cwd=tmp_path, limits={"scratch_mib": 1})


# --- nobody is left behind

GRADER = """
    import sys, time
    from jupyter_client.manager import KernelManager
    from traitlets.config import Config
    options = {"preload": ["python-dense"], "isolation": sys.argv[1]}
    km = KernelManager(kernel_name="racecourse-grader", config=Config(ZygoteProvisioner=options))
    km.start_kernel()
    client = km.client(); client.start_channels(); client.wait_for_ready(timeout=30)
    if sys.argv[1] == "none":
        client.execute_interactive("import subprocess as s; c = s.Popen(['sleep', '987'], start_new_session=True)")
    print(km.provisioner.pid, flush=True)
    time.sleep(600)
"""


def a_grader(isolation: str = "sandbox") -> tuple[subprocess.Popen, int]:
    """Another process that grades, and the id of its kernel."""
    command = [sys.executable, "-c", textwrap.dedent(GRADER), isolation]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    return process, int(process.stdout.readline())


def gone(pid: int, seconds: float = 5) -> bool:
    end = time.monotonic() + seconds
    while psutil.pid_exists(pid) and time.monotonic() < end:
        time.sleep(0.05)
    return not psutil.pid_exists(pid)


@pytest.mark.parametrize("isolation", ["sandbox", "none"])
def test_when_the_grader_is_killed_its_kernel_goes(isolation, zygote):
    process, pid = a_grader(isolation)
    left = [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    assert psutil.pid_exists(pid) and len(left) == (1 if isolation == "sandbox" else 2)
    process.kill()
    process.communicate()
    assert all(map(gone, left))


def test_when_the_zygote_is_killed_its_kernels_go_and_the_next_start_makes_a_new_one(zygote):
    process, pid = a_grader()
    old = server(zygote)
    old.kill()
    assert gone(pid)
    process.kill()
    process.communicate()
    assert run("print('new')") == ["new"] and server(zygote).pid != old.pid


def test_an_idle_zygote_ends(zygote):
    run("1", preload=[], idle_seconds=1.0)
    socket = kernel.socket_of([])
    end = time.monotonic() + 10
    while socket.exists() and time.monotonic() < end:
        time.sleep(0.1)
    assert not socket.exists()


# --- where walls cannot be built


def test_without_walls_nothing_is_weakened_in_silence(monkeypatch, tmp_path):
    monkeypatch.setattr(walls, "probe", lambda: "user namespaces are turned off")
    with pytest.raises(RuntimeError, match=r"user namespaces are turned off.*--isolation none"):
        run("1")
    cells = ["import os; print(os.getcwd(), os.getpid() > 1)", "print('API_TOKEN' in os.environ)"]
    out = run(*cells, cwd=tmp_path, isolation="none")
    assert out == [f"{tmp_path} True", "False"]


@pytest.mark.parametrize(("name", "value", "says"), [
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "AppArmor|in a container"),
    ("user/max_user_namespaces", "0", "user.max_user_namespaces=10000"),
    ("other", "", "in a container"),
])  # fmt: skip
def test_the_reason_comes_with_a_remedy(tmp_path, name, value, says):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(value)
    assert re.search(says, walls.explain("unshare: no", settings=tmp_path))


def test_the_installed_kernelspec_is_the_one_in_the_package(root):
    written = json.loads((root / "utils/racecourse/grading/kernelspec/kernel.json").read_text())
    installed = json.loads((Path(sys.prefix) / "share/jupyter/kernels/racecourse-grader/kernel.json").read_text())
    assert written == installed


def test_the_zygote_holds_no_secret(zygote):
    run("1")
    assert "hush-hush" not in server(zygote).environ().values()


def test_a_folder_below_tmp_can_be_shown(tmp_path):
    """A course that was cloned into /tmp is shown from there, beside the kernel's own /tmp."""
    tmp_path.chmod(0o755)
    (tmp_path / "weights").write_text("here")
    out = run(f"print(open({str(tmp_path / 'weights')!r}).read()); open('/tmp/own', 'w').write('x')",
              f"open({str(tmp_path / 'weights')!r}, 'w')", readable=[str(tmp_path)])  # fmt: skip
    assert out[0].startswith("here") and "Read-only file system" in out[1]


def test_a_checker_outside_calls_what_a_shut_in_kernel_defines():
    manager = KernelManager(kernel_name="racecourse-grader")
    manager.start_kernel()
    client = manager.client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=60)
        path = manager.provisioner.connection_dir / "calls"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            path.chmod(0o666)  # inside it is nobody who connects
            listener.listen(1)
            listener.settimeout(60)
            client.execute("import torch\ndef double(x): return 2 * x")
            client.execute(
                "import socket\nfrom racecourse.grading.calls import serve\nline = socket.socket(socket.AF_UNIX)\n"
                f"line.connect({str(path)!r}); serve(line, globals())"
            )
            connection, _ = listener.accept()
        with connection:
            answers = Answers(connection, seconds=30)
            x = torch.tensor([1.0, 2.0], requires_grad=True)
            out = answers.fetch("double")(x)
            out.sum().backward()
            assert out.tolist() == [2, 4] and x.grad.tolist() == [2, 2]
            answers.stop()
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_a_model_moved_to_huge_pages_is_the_same_and_each_forks_own():
    """Shared memory would let one student's training change another's model."""
    layers = torch.nn.Sequential(torch.nn.Linear(7, 5), torch.nn.Linear(5, 3, dtype=torch.float64).float())
    x = torch.arange(7.0)
    before = layers(x).detach().clone()
    move_to_huge_pages(list(layers.parameters()))
    assert torch.equal(layers(x), before)
    assert all(parameter.data_ptr() % 64 == 0 for parameter in layers.parameters())
    pid = os.fork()
    if pid == 0:
        with torch.no_grad():
            for parameter in layers.parameters():
                parameter.fill_(9.0)
        os._exit(0)
    os.waitpid(pid, 0)
    assert torch.equal(layers(x), before)
