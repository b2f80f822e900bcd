"""More of the machine than one notebook may have: time, memory, disk, processes, threads, open files."""

from hostile import ALL, FIT, NOTHING, TOKENS, WEIGHT, all_wrong, answer, before, first, hostile, last

AFTER = WEIGHT | FIT  # what comes after the first exercise, and is lost where its kernel is


# ------------------------------------------------------------------------------------------------------------ for ever


@hostile(tries="hang the grader", layer="deadline", earns=AFTER, may_lose=AFTER)
def c13_swallows_the_interrupt(notebook):
    """A loop that takes KeyboardInterrupt for one more reason to go on."""
    answer(
        notebook,
        "tokens-per-second",
        """
        def tokens_per_second(arrivals_s):
            while True:
                try:
                    while True:
                        pass
                except BaseException:
                    pass
    """,
    )


@hostile(tries="hang the grader", layer="deadline", earns=AFTER, may_lose=AFTER)
def ignores_the_signal(notebook):
    """SIGINT and all other signals are ignored or blocked; then a loop."""
    answer(
        notebook,
        "tokens-per-second",
        """
        import signal

        for number in signal.valid_signals():
            try:
                signal.signal(number, signal.SIG_IGN)
            except OSError:
                pass
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())

        def tokens_per_second(arrivals_s):
            while True:
                pass
    """,
    )


@hostile(tries="hang the grader", layer="deadline", earns=AFTER, may_lose=AFTER)
def loops_in_c(notebook):
    """sum() over a range: no Python line ends, so no handler of a signal runs."""
    answer(notebook, "tokens-per-second", "def tokens_per_second(arrivals_s):\n    return sum(range(10**12))")


@hostile(tries="hang the grader", layer="deadline", earns=AFTER, may_lose=AFTER)
def a_regular_expression_that_backtracks(notebook):
    """Exponential time in the regular expression engine."""
    code = "import re\n\ndef tokens_per_second(arrivals_s):\n    return re.match('(a+)+$', 'a' * 60 + 'b')"
    answer(notebook, "tokens-per-second", code)


@hostile(tries="hang the grader", layer="deadline", earns=AFTER, may_lose=AFTER)
def a_large_operation_of_torch(notebook):
    """Products of matrices that hold no lock and hear no signal."""
    answer(
        notebook,
        "tokens-per-second",
        """
        import torch

        def tokens_per_second(arrivals_s):
            a = torch.ones(3000, 3000)
            while True:
                try:
                    for _ in range(10**6):
                        torch.mm(a, a, out=a)
                except BaseException:
                    pass
    """,
    )


@hostile(tries="hang the grader", layer="deadline", earns=NOTHING)
def hangs_while_a_cell_defines_it(notebook):
    """The answer cell itself never ends, at every exercise."""
    for grade_id in ("tokens-per-second", "weight-bytes", "models-that-fit"):
        answer(notebook, grade_id, "while True:\n    pass")


@hostile(tries="hang the grader", layer="deadline", earns=ALL)
def hangs_in_the_last_cell(notebook):
    """All answers are right; a cell after the last test never ends. What was earned stays."""
    last(notebook, "while True:\n    try:\n        while True: pass\n    except BaseException: pass")


@hostile(tries="hang the grader", layer="deadline", earns=ALL, may_lose=ALL)
def sleeps_just_below_every_limit(notebook):
    """Forty cells of half a minute each: none takes too long, all together do."""
    for _ in range(40):
        first(notebook, "import time; time.sleep(30)")


@hostile(tries="hang the grader", layer="deadline", earns=ALL, may_lose=ALL)
def stops_itself(notebook):
    """SIGSTOP, SIGTSTP and SIGTTIN to itself, and a wait for a lock that nobody lets go."""
    first(
        notebook,
        """
        import os, signal, threading
        for number in (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN):
            os.kill(os.getpid(), number)
        lock = threading.Lock(); lock.acquire()
        print("still going")
        while True:
            try:
                lock.acquire()
            except BaseException:
                pass
    """,
    )


# -------------------------------------------------------------------------------------------------------------- memory


@hostile(tries="exhaust memory", layer="rlimit", earns=ALL, may_lose=ALL)
def memory_in_python(notebook):
    """Blocks of 64 MB until there are no more, kept."""
    first(
        notebook,
        """
        kept = []
        try:
            while len(kept) < 200: kept.append(bytearray(64 * 2**20))
        except MemoryError:
            print("MemoryError after", len(kept) * 64, "MiB")
    """,
    )


@hostile(tries="exhaust memory", layer="rlimit", earns=ALL, may_lose=ALL)
def memory_in_many_small_pieces(notebook):
    """Small objects, for which no single request is large; the error itself finds no memory."""
    first(
        notebook,
        """
        kept = []
        try:
            while len(kept) < 10**8: kept.append([len(kept)])
        except MemoryError:
            pass
    """,
    )


@hostile(tries="exhaust memory", layer="rlimit", earns=ALL, may_lose=ALL)
def memory_in_torch_and_mmap(notebook):
    """Tensors, anonymous and shared maps, locked pages, huge pages, and stacks of threads."""
    first(
        notebook,
        """
        import mmap, resource, threading, torch
        kept = []
        for take in (lambda: torch.ones(2**26), lambda: torch.ones(2**26).share_memory_(),
                     lambda: mmap.mmap(-1, 2**28), lambda: mmap.mmap(-1, 2**28, mmap.MAP_SHARED).write(b"x" * 2**28),
                     lambda: mmap.mmap(-1, 2**28, mmap.MAP_PRIVATE | 0x40000)):
            try:
                for _ in range(60): kept.append(take())
            except Exception as error:
                print(type(error).__name__, len(kept))
        try:
            resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            print("raised its limit")
        except ValueError as error:
            print(error)
    """,
    )


@hostile(tries="exhaust memory", layer="rlimit", earns=ALL, may_lose=ALL)
def memory_of_the_kernel(notebook):
    """Pipes and sockets filled to the brim, and messages in flight: memory that no limit of a process counts."""
    first(
        notebook,
        """
        import fcntl, os, socket
        kept, filled = [], 0
        try:
            while len(kept) < 400:
                r, w = os.pipe()
                kept += [r, w]
                for size in (2**20, 2**16):
                    try:
                        fcntl.fcntl(w, 1031, size); break
                    except OSError: pass
                os.set_blocking(w, False)
                filled += os.write(w, bytes(2**20))
        except OSError as error:
            print(error, filled)
        for fd in kept: os.close(fd)
        kept = []
        try:
            while len(kept) < 400:
                a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
                a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**24)
                a.setblocking(False)
                kept += [a, b]
                try:
                    while True: filled += a.send(bytes(2**16))
                except BlockingIOError: pass
        except OSError as error:
            print(error, filled)
        for end in kept: end.close()
    """,
    )


@hostile(tries="exhaust memory", layer="seccomp", earns=ALL,
         gap="io_setup is allowed, and fs.aio-max-nr is one number for the whole machine")  # fmt: skip
def takes_the_machines_aio(notebook):
    """io_setup: contexts for asynchronous files, of which the host has a fixed number for all. It gives them back."""
    first(
        notebook,
        """
        import ctypes, os
        libc = ctypes.CDLL(None, use_errno=True)
        number, taken = {"x86_64": (206, 207), "aarch64": (0, 1)}[os.uname().machine], []
        for _ in range(50):
            context = ctypes.c_ulong(0)
            if libc.syscall(number[0], 4000, ctypes.byref(context)): break
            taken.append(context)
        print("contexts:", len(taken), "errno", ctypes.get_errno())
        for context in taken: libc.syscall(number[1], context)
    """,
    )


# ---------------------------------------------------------------------------------------------------------------- disk

FILL = """
import os

def fill(folder, most):
    "Writes files of 8 MiB, at most `most` of them, and many empty ones; says how far it came, and removes nothing."
    written = 0
    try:
        os.makedirs(folder, exist_ok=True)
        for n in range(most):
            with open(f"{folder}/fill{n}", "wb") as file: written += file.write(os.urandom(2**20) * 8)
    except OSError as error:
        print(folder, written // 2**20, "MiB:", error)
    else:
        print(folder, written // 2**20, "MiB and no limit met")
    try:
        for n in range(20_000): open(f"{folder}/empty{n}", "w").close()
        print(folder, "and 20,000 files")
    except OSError as error:
        print(folder, n, "files:", error)

"""


@hostile(tries="exhaust the disk", layer="rlimit", earns=ALL, may_lose=ALL)
def fills_what_it_may_write_to(notebook):
    """Scratch, /tmp, /dev/shm, home."""
    first(
        notebook,
        FILL
        + """
for folder in (os.getcwd(), "/tmp", "/dev/shm", os.path.expanduser("~/x"), "/var/tmp", "/run", "/", "/work"):
    fill(folder, 40)
""",
    )


@hostile(tries="exhaust the disk", layer="rlimit", earns=ALL, may_lose=ALL,
         gap="the folder of sockets lies on the host without a quota; one file is limited, their number is not",
)  # fmt: skip
def fills_the_folder_of_sockets(notebook):
    """The one folder that it shares with the grader: 40 files of 8 MiB, and 20,000 names. Bounded on purpose."""
    first(notebook, FILL + "fill(os.path.dirname(get_ipython().config.IPKernelApp.connection_file), 40)")


@hostile(tries="exhaust the disk", layer="rlimit", earns=ALL, may_lose=ALL)
def one_large_file(notebook):
    """A file with holes, of a terabyte; one that is written; one that is only allocated."""
    first(
        notebook,
        """
        import os
        for size in (2**40, 2**30):
            for make in (lambda f: os.truncate(f.fileno(), size), lambda f: os.posix_fallocate(f.fileno(), 0, size)):
                try:
                    with open("large", "wb") as file: make(file)
                    print("made", size)
                except OSError as error:
                    print(error)
    """,
    )


# -------------------------------------------------------------------------------------------- processes, threads, files


@hostile(tries="exhaust processes", layer="seccomp", earns=ALL, may_lose=ALL)
def forks_without_end(notebook):
    """os.fork, subprocess, multiprocessing, posix_spawn, forkpty, shells and magics."""
    first(
        notebook,
        """
        import multiprocessing, os, subprocess
        def fork():
            for _ in range(12):  # 4,096 processes, if nothing stops it
                if os.fork() == 0: os.setsid()
        ways = [fork, lambda: subprocess.Popen(["sh", "-c", ":(){ :|:& };:"]), lambda: os.system("sleep 999 &"),
                lambda: multiprocessing.get_context("fork").Process(target=fork).start(),
                lambda: multiprocessing.get_context("spawn").Process(target=print).start(),
                lambda: os.posix_spawn("/bin/sleep", ["sleep", "999"], {}), os.forkpty,
                lambda: get_ipython().system("sleep 999 &"), lambda: os.popen("sleep 999").close(),
                lambda: get_ipython().run_cell_magic("bash", "--bg", "sleep 999")]
        for way in ways:
            try:
                print("result:", way())
            except BaseException as error:
                print(type(error).__name__, str(error)[:80])
        print("processes:", [pid for pid in os.listdir("/proc") if pid.isdigit()])
    """,
    )


@hostile(tries="exhaust processes", layer="seccomp", earns=ALL, may_lose=ALL)
def clones_by_number(notebook):
    """fork, vfork, clone and clone3 as bare system calls, in the numbering of x32 too."""
    first(
        notebook,
        """
        import ctypes, os
        libc = ctypes.CDLL(None, use_errno=True)
        if os.uname().machine == "x86_64":
            calls = {"fork": (57,), "vfork": (58,), "clone": (56, 17, 0, 0, 0, 0), "clone3": (435, bytes(88), 88),
                     "clone without a signal": (56, 0, 0, 0, 0, 0), "clone(NEWUSER)": (56, 0x10000011, 0, 0, 0, 0),
                     "clone(PARENT)": (56, 0x8011, 0, 0, 0, 0), "clone, upper half": (56, (1 << 48) | 17, 0, 0, 0, 0)}
            for name, arguments in calls.items():
                result = libc.syscall(*arguments)
                if result == 0: os._exit(0)  # a child
                print(name, result, os.strerror(ctypes.get_errno()))
    """,
    )


@hostile(tries="exhaust processes", layer="seccomp", earns=NOTHING | TOKENS, may_lose=TOKENS)
def clones_in_another_abi(notebook):
    """fork by the numbers of x32, then by those of 32-bit programs, through machine code. It may end the kernel."""
    all_but_tokens_wrong(notebook)
    before(
        notebook,
        "weight-bytes",
        """
        import ctypes, mmap, os
        libc = ctypes.CDLL(None, use_errno=True)
        if os.uname().machine == "x86_64":
            print("x32:", libc.syscall(0x40000000 + 57), ctypes.get_errno())
            page = mmap.mmap(-1, 4096, prot=7)
            page.write(b"\\xb8\\x02\\x00\\x00\\x00\\xcd\\x80\\xc3")  # mov eax, 2; int 0x80; ret
            code = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
            print("32 bits:", code())
        print("processes:", [pid for pid in os.listdir("/proc") if pid.isdigit()])
    """,
    )


def all_but_tokens_wrong(notebook):
    answer(notebook, "weight-bytes", "weight_bytes = None")
    answer(notebook, "models-that-fit", "models_that_fit = None")


@hostile(tries="exhaust processes", layer="rlimit", earns=ALL, may_lose=ALL)
def threads_without_end(notebook):
    """Threads that start threads, each at work."""
    first(
        notebook,
        """
        import threading, time
        started = 0
        def work(depth):
            global started
            for _ in range(5000):
                try:
                    threading.Thread(target=work, args=(depth + 1,), daemon=True).start()
                    started += 1
                except RuntimeError:
                    time.sleep(0.5)
                    return
            sum(range(10**9))
        work(0)
        print("threads:", started)
    """,
    )


@hostile(tries="exhaust the grader's files", layer="rlimit", earns=ALL, may_lose=ALL)
def opens_files_without_end(notebook):
    """As many open files as it can get, then as many inotify watches, timers, event counters and epolls."""
    first(
        notebook,
        """
        import ctypes, os, select
        libc, kept = ctypes.CDLL(None), []
        ways = [lambda: open("/dev/null"), lambda: os.eventfd(0), select.epoll, lambda: libc.inotify_init1(0),
                lambda: libc.timerfd_create(1, 0), lambda: libc.signalfd(-1, bytes(128), 0)]
        for way in ways:
            try:
                for _ in range(2000):
                    kept.append(way())
                    if kept[-1] == -1: raise OSError("no more")
            except OSError as error:
                print(error, len(kept))
        for each in kept:
            each.close() if hasattr(each, "close") else each >= 0 and os.close(each)
    """,
    )


@hostile(tries="exhaust the processor", layer="rlimit", earns=ALL, may_lose=ALL)
def burns_all_cores(notebook):
    """Threads in C code that go on after their cell, at the best priority that it can get."""
    first(
        notebook,
        """
        import os, threading, torch
        for claim in (lambda: os.nice(-20), lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(99)),
                      lambda: os.sched_setaffinity(0, range(os.cpu_count())), lambda: torch.set_num_threads(64)):
            try:
                claim()
                print("claimed")
            except OSError as error:
                print(error)
        a = torch.ones(2000, 2000)
        for _ in range(16):
            threading.Thread(target=lambda: [a @ a for _ in range(10**9)], daemon=True).start()
    """,
    )


# -------------------------------------------------------------------------------------------------------- a sudden end


@hostile(tries="kill the grader", layer="supervisor", earns=TOKENS, may_lose=NOTHING)
def a_crash_in_c(notebook):
    """An address at which there is nothing, in the middle of a call."""
    code = "import ctypes\n\ndef weight_bytes(n_parameters, bits, block=None):\n    return ctypes.string_at(8)"
    answer(notebook, "weight-bytes", code)


@hostile(tries="kill the grader", layer="supervisor", earns=TOKENS, may_lose=NOTHING)
def a_stack_that_overflows(notebook):
    """Recursion without a limit, until C's stack ends."""
    answer(
        notebook,
        "weight-bytes",
        """
        import sys

        class Deep:
            def __repr__(self): return repr([self])

        def weight_bytes(n_parameters, bits, block=None):
            sys.setrecursionlimit(10**9)
            return eval("(" * 90 + "0" + ")" * 90) or repr(Deep()) or weight_bytes(n_parameters, bits)
    """,
    )


@hostile(tries="outlive the batch", layer="supervisor", earns=ALL, may_lose=ALL)
def goes_on_after_the_end(notebook):
    """No signal at the parent's death, handlers at exit, a finaliser and threads that wait."""
    first(
        notebook,
        """
        import atexit, ctypes, os, signal, threading, time, weakref
        print("pdeathsig:", ctypes.CDLL(None, use_errno=True).prctl(1, 0, 0, 0, 0))

        def stay(*_):
            while True:
                time.sleep(1)

        atexit.register(stay)
        os.register_at_fork(before=stay)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        get_ipython().kernel.do_shutdown = stay
        weakref.finalize(get_ipython(), stay)
        threading.Thread(target=stay, daemon=False).start()
    """,
    )


@hostile(tries="kill the grader", layer="supervisor", earns=TOKENS, may_lose=TOKENS)
def closes_every_file(notebook):
    """All its open files are closed, or lead to /dev/null, its sockets among them."""
    all_but_tokens_wrong(notebook)
    before(notebook, "weight-bytes", "import os\nos.closerange(0, 256)")


@hostile(tries="kill the grader", layer="supervisor", earns=TOKENS, may_lose=TOKENS)
def writes_to_every_file(notebook):
    """Garbage into each open file and each socket, from 0 to 255."""
    all_but_tokens_wrong(notebook)
    before(
        notebook,
        "weight-bytes",
        """
        import os
        for fd in range(256):
            try:
                os.set_blocking(fd, False)
                os.write(fd, b"\\xff" * 100_000)
            except OSError:
                pass
    """,
    )


@hostile(tries="kill the grader", layer="supervisor", earns=NOTHING)
def dies_at_once(notebook):
    """The first cell of its own ends the kernel; nothing was earned yet, and the next submission is graded."""
    all_wrong(notebook)
    first(notebook, "import os\nos._exit(0)")
