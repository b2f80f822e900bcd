"""Ways out of the walls, and ways to harm what stands outside: system calls, /proc, links, signals, sockets."""

from hostile import ALL, TOKENS, answer, before, first, hostile, last

LIBC = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)

def tried(name, result):
    print(name, result, "" if result != -1 else os.strerror(ctypes.get_errno()))

"""


def system_calls(notebook, code):
    first(notebook, LIBC.strip() + "\n\n" + code.strip())


@hostile(tries="kill the grader", layer="namespace", earns=ALL, may_lose=ALL)
def c17_kills_its_parents(notebook):
    """SIGKILL to the parent, the parent's parent, process 1, every process, and every group."""
    first(
        notebook,
        """
        import os, signal
        for pid in (os.getppid(), {GRADER}, 1, 2, -1, 0, -os.getppid(), *range(3, 5000)):
            for number in (signal.SIGTERM, signal.SIGSTOP, signal.SIGKILL):
                if pid in (0, -1, 1) and number == signal.SIGTERM: continue
                try:
                    os.kill(pid, number)
                    print("sent", number, "to", pid)
                except OSError:
                    pass
    """,
    )


@hostile(tries="kill the grader", layer="namespace", earns=ALL, may_lose=ALL)
def kills_by_other_means(notebook):
    """pidfd_open, tgkill, killpg, sigqueue, F_SETOWN, and limits and priorities of other processes."""
    system_calls(
        notebook,
        """
for pid in ({GRADER}, 2, os.getppid() or 3):
    tried("pidfd_open", libc.syscall(434, pid, 0))
    tried("tgkill", libc.syscall(234, pid, pid, 9))
    tried("rt_sigqueueinfo", libc.syscall(129, pid, 9, bytes(128)))
    tried("prlimit", libc.prlimit(pid, 7, bytes(16), None))
    tried("setpriority", libc.setpriority(0, pid, 19))
    tried("sched_setaffinity", libc.sched_setaffinity(pid, 8, b"\\x01" + bytes(7)))
    tried("migrate_pages", libc.syscall(256, pid, 1, bytes(8), bytes(8)))
tried("setpriority of all of this user", libc.setpriority(2, os.getuid(), 1))
tried("kcmp", libc.syscall(312, 1, {GRADER}, 0, 0, 0))
""",
    )


@hostile(tries="read other processes", layer="seccomp", earns=ALL)
def reads_other_processes(notebook):
    """ptrace, process_vm_readv and writev, pidfd_getfd, process_madvise, perf_event_open, userfaultfd."""
    system_calls(
        notebook,
        """
buffer = ctypes.create_string_buffer(64)
iov = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 64)
for pid in (1, {GRADER}, 2):
    tried("ptrace attach", libc.ptrace(16, pid, 0, 0))
    tried("ptrace seize", libc.ptrace(0x4206, pid, 0, 0))
    tried("process_vm_readv", libc.process_vm_readv(pid, iov, 1, iov, 1, 0))
    tried("process_vm_writev", libc.process_vm_writev(pid, iov, 1, iov, 1, 0))
tried("ptrace traceme", libc.ptrace(0, 0, 0, 0))
tried("pidfd_getfd", libc.syscall(438, 0, 0, 0))
tried("perf_event_open", libc.syscall(298, bytes(112), 0, -1, -1, 0))
tried("userfaultfd", libc.syscall(323, 0))
""",
    )


@hostile(tries="escape", layer="seccomp", earns=ALL)
def mounts_and_namespaces(notebook):
    """mount in both interfaces, unshare, setns, pivot_root, chroot, with and without a user namespace of its own."""
    system_calls(
        notebook,
        """
for flags in (0x10000000, 0x10020000, 0x20000, 0x20000000, 0x40000000, 0x8000000, 0x4000000, 0x2000000):
    tried(f"unshare {flags:#x}", libc.unshare(flags))
for kind in ("mnt", "net", "pid", "user", "ipc", "uts", "cgroup"):
    try:
        fd = os.open(f"/proc/1/ns/{kind}", os.O_RDONLY)
        tried(f"setns {kind}", libc.setns(fd, 0))
    except OSError as error:
        print(kind, error)
tried("mount", libc.mount(b"/dev/vda", b"/tmp", b"ext4", 0, None))
tried("mount proc", libc.mount(b"proc", b"/tmp", b"proc", 0, None))
tried("remount", libc.mount(None, b"/", None, 32, None))
tried("bind", libc.mount(b"/", b"/tmp", None, 0x1000 | 0x4000, None))
tried("umount", libc.umount2(b"/proc", 2))
tried("pivot_root", libc.syscall(155, b"/", b"/"))
tried("chroot", libc.chroot(b"/tmp"))
for name, number in (("open_tree", 428), ("move_mount", 429), ("fsopen", 430), ("fspick", 433), ("mount_setattr", 442),
                     ("statmount", 457), ("listmount", 458), ("open_tree_attr", 467)):
    tried(name, libc.syscall(number, -100, b"/", 1, 0, 0))
""",
    )


@hostile(tries="escape", layer="seccomp", earns=ALL)
def attacks_the_hosts_kernel(notebook):
    """keyctl, bpf, io_uring, modules, kexec, reboot, clocks, quota, handles of files, and numbers that do not exist."""
    system_calls(
        notebook,
        """
calls = {"add_key": (248, b"user", b"x", b"x", 1, -3), "request_key": (249, b"user", b"x", 0, 0),
         "keyctl": (250, 0, -3, 1),
         "bpf": (321, 0, bytes(128), 128), "io_uring_setup": (425, 8, bytes(120)),
         "io_uring_enter": (426, 0, 1, 0, 0, 0),
         "init_module": (175, bytes(64), 64, b""), "finit_module": (313, 0, b"", 0), "kexec_load": (246, 0, 0, 0, 0),
         "swapon": (167, b"/tmp/x", 0), "acct": (163, b"/tmp/x"), "quotactl": (179, 0, b"/", 0, 0),
         "quotactl_fd": (443, 0, 0, 0, 0),
         "open_by_handle_at": (304, -100, bytes(16), 0),
         "name_to_handle_at": (303, -100, b"/", bytes(128), bytes(4), 0),
         "settimeofday": (164, bytes(16), 0), "clock_settime": (227, 0, bytes(16)), "adjtimex": (159, bytes(208)),
         "sethostname": (170, b"mine", 4), "syslog": (103, 3, bytes(4096), 4096), "fanotify_init": (300, 0, 0),
         "memfd_create": (319, b"x", 0), "memfd_secret": (447, 0), "personality": (135, 0x0040000), "iopl": (172, 3),
         "modify_ldt": (154, 0, bytes(64), 64), "shmget": (29, 1, 4096, 0o1600), "msgget": (68, 1, 0o1600),
         "semget": (64, 1, 1, 0o1600), "mq_open": (240, b"x", 0o102, 0o600, 0),
         "lookup_dcookie": (212, 0, bytes(64), 64),
         "execveat": (322, -100, b"/bin/true", 0, 0, 0), "landlock": (444, 0, 0, 1), "pkey_alloc": (330, 0, 0),
         "seccomp": (317, 0, 0, 0), "map_shadow_stack": (453, 0, 4096, 0), "nonsense": (9999, 0), "vserver": (236,),
         "set_mempolicy": (238, 0, 0, 0), "vhangup": (153,), "uselib": (134, b"/bin/true"), "sysfs": (139, 3)}
if os.uname().machine == "x86_64":
    for name, (number, *arguments) in calls.items():
        tried(name, libc.syscall(number, *arguments))
tried("reboot", libc.reboot(0xFEE1DEAD))
""",
    )


@hostile(tries="regain privileges", layer="seccomp", earns=ALL)
def regains_privileges(notebook):
    """Other ids, capabilities, no_new_privs taken back, programs that run as another user, device files."""
    system_calls(
        notebook,
        """
for name in ("setuid", "seteuid", "setgid", "setegid"):
    try:
        getattr(os, name)(0)
        print(name, "worked")
    except OSError as error:
        print(name, error)
tried("setgroups", libc.setgroups(1, bytes(4)))
tried("no_new_privs", libc.prctl(38, 0, 0, 0, 0))
tried("keepcaps", libc.prctl(8, 1, 0, 0, 0))
tried("ambient", libc.prctl(47, 2, 21, 0, 0))
tried("capset", libc.syscall(126, bytes.fromhex("2205082000000000"), b"\\xff" * 24))
tried("securebits", libc.prctl(28, 0, 0, 0, 0))
for path in ("/usr/bin/su", "/usr/bin/sudo", "/bin/mount"):
    try: os.execv(path, [path])
    except OSError as error: print(path, error)
for kind, device in (("disk", os.makedev(254, 0)), ("memory", os.makedev(1, 1)), ("fuse", os.makedev(10, 229))):
    try: os.mknod(f"/tmp/{kind}", 0o60600 if kind == "disk" else 0o20600, device)
    except OSError as error: print(kind, error)
for path in ("uid_map", "gid_map", "setgroups", "oom_score_adj", "attr/current"):
    try:
        open("/proc/self/" + path, "w").write("0 0 1")
        print(path, "written")
    except OSError as error: print(path, error)
""",
    )


@hostile(tries="escape", layer="namespace", earns=ALL)
def looks_through_proc(notebook):
    """/proc/*/root, cwd, fd, exe, map_files, environ, and the switches of /proc/sys and /proc/sysrq-trigger."""
    first(
        notebook,
        """
        import ctypes, glob, os
        ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # may be looked at again
        for pattern in ("/proc/*/root/*", "/proc/*/cwd/*", "/proc/*/task/*/root/*", "/proc/1/root{GRADEBOOK}",
                        "/proc/self/root/proc/1/root{OTHER}", "/proc/*/map_files/*", "/proc/self/fd/*", "/proc/[0-9]*"):
            print(pattern, sorted(glob.glob(pattern))[:40])
        for fd in glob.glob("/proc/self/fd/*"):
            try: print(fd, os.readlink(fd))
            except OSError as error: print(fd, error)
        for path in glob.glob("/proc/*/environ") + glob.glob("/proc/*/cmdline") + ["/proc/self/mountinfo", "/proc/keys",
                     "/proc/net/unix", "/proc/net/tcp", "/proc/timer_list", "/proc/sched_debug", "/proc/kallsyms",
                     "/proc/config.gz", "/proc/kcore", "/proc/mounts"]:
            try: print(path, open(path, "rb").read(100_000))
            except OSError as error: print(error)
        for path in ("/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname",
                     "/proc/sys/vm/drop_caches", "/proc/sys/kernel/modprobe", "/proc/sys/fs/binfmt_misc/register",
                     "/sys/kernel/uevent_helper", "/dev/mem", "/dev/kmsg", "/dev/vda", "/dev/sda", "/dev/ptmx"):
            try:
                open(path, "w").write("|{MARK}")
                print("written:", path)
            except OSError as error: print(error)
    """,
    )


@hostile(tries="write to the host", layer="namespace", earns=ALL)
def writes_through_its_own_memory(notebook):
    """/proc/self/mem and mprotect against read-only maps of shared libraries and of the package's files."""
    first(
        notebook,
        """
        import ctypes, mmap, os, sys
        ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
        for path in (os.__file__, sys.executable, os.path.realpath("/bin/sh")):
            for flags, protection in ((mmap.MAP_PRIVATE, 1), (mmap.MAP_SHARED, 1), (mmap.MAP_SHARED, 3)):
                try:
                    with open(path, "rb") as file: page = mmap.mmap(file.fileno(), 4096, flags, protection)
                    place = ctypes.addressof(ctypes.c_char.from_buffer(page)) if protection & 2 else 0
                    with open("/proc/self/mem", "r+b") as memory:
                        memory.seek(place)
                        memory.write(b"hostile")
                    print("written:", path)
                except (OSError, TypeError, ValueError) as error: print(path, error)
            for mode in ("r+b", "ab", "wb"):
                try:
                    open(path, mode)
                    print("opened for writing:", path)
                except OSError as error: print(error)
            for change in (lambda: os.chmod(path, 0o777), lambda: os.remove(path), lambda: os.utime(path, (0, 0)),
                           lambda: os.setxattr(path, "user.x", b"x"), lambda: os.link(path, path + "2")):
                try:
                    change()
                    print("changed:", path)
                except OSError as error: print(error)
    """,
    )


@hostile(tries="write to the host", layer="namespace", earns=ALL)
def links_to_the_host(notebook):
    """Symbolic and hard links and FIFOs in scratch, /tmp and the folder of sockets, for whoever follows them later."""
    last(
        notebook,
        """
        import os
        folder = os.path.dirname(get_ipython().config.IPKernelApp.connection_file)
        targets = ["{UNTOUCHED}", "{GRADEBOOK}", "{OTHER}", "/etc/passwd", "/", "..", "../" * 20 + "etc/shadow",
                   "/proc/1/root"]
        for place in (folder, os.getcwd(), "/tmp"):
            for n, target in enumerate(targets):
                for name in (f"link{n}", f"00_start_here{n}.ipynb", f"k{n}.json"):
                    os.symlink(target, f"{place}/{name}")
            os.mkfifo(f"{place}/fifo")
            os.symlink("loop", f"{place}/loop")
        for target in targets:
            look = os.listdir if os.path.isdir(target) else lambda path: open(path).read(2000)
            try: print(target, os.stat(target), look(target))
            except OSError as error: print(error)
        try: os.link("{UNTOUCHED}", folder + "/hard")
        except OSError as error: print(error)
        try: os.rename(folder, folder + "x")
        except OSError as error: print(error)
        os.chmod(folder, 0o777)
    """,
    )


@hostile(tries="network", layer="seccomp", earns=ALL)
def reaches_for_the_network(notebook):
    """TCP, UDP, raw, netlink, packet, vsock, Bluetooth; pairs; names; and clients of higher layers."""
    first(
        notebook,
        """
        import asyncio, ctypes, os, socket, urllib.request
        for family in (2, 10, 16, 17, 31, 38, 40, 44, 45):  # AF_INET, INET6, NETLINK, PACKET, ...
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
                try:
                    print("a socket:", socket.socket(family, kind))
                except OSError as error: print(family, error)
        libc = ctypes.CDLL(None, use_errno=True)
        for family in (2, 10, 2 + 2**32, 1 + 2**32):
            print("by number:", libc.syscall(41, ctypes.c_ulong(family), 1, 0), ctypes.get_errno())
        for address in ("127.0.0.1", "localhost", "169.254.169.254", "10.0.0.1", "::1"):
            try:
                print("reached", address, socket.create_connection((address, {PORT}), 2).recv(1000))
            except OSError as error: print(error)
        for url in ("http://127.0.0.1:{PORT}/", "http://pypi.org/", "file://{GRADEBOOK}", "file:///etc/shadow"):
            try:
                print("fetched", urllib.request.urlopen(url, timeout=2).read(2000))
            except OSError as error: print(error)
    """,
    )


@hostile(tries="network", layer="namespace", earns=ALL)
def connects_to_unix_sockets_of_the_host(notebook):
    """Abstract sockets, the zygote's, Docker's, D-Bus's, X's; by path, by the folder of sockets, and through links."""
    first(
        notebook,
        """
        import glob, os, socket
        folder = os.path.dirname(get_ipython().config.IPKernelApp.connection_file)
        try: os.symlink("{SOCKET}", folder + "/linked")
        except OSError as error: print(error)
        command = open("/proc/self/cmdline", "rb").read().split(b"\\0")
        zygote = [part.decode() for part in command if part.endswith(b".socket")]
        places = ["\\0{ABSTRACT}", "\\0/tmp/.X11-unix/X0", "\\0/tmp/dbus", "{SOCKET}", folder + "/linked", *zygote,
                  "/run/docker.sock", "/var/run/docker.sock", "/run/dbus/system_bus_socket", "/run/systemd/private"]
        places += glob.glob("/tmp/**/*.socket", recursive=True) + glob.glob(os.path.dirname(folder) + "/*")
        for place in places:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
                with socket.socket(socket.AF_UNIX, kind) as connection:
                    connection.settimeout(1)
                    try:
                        connection.connect(place)
                        connection.send(b'{"isolation": "none", "argv": [], "env": {}, "cwd": "/"}\\n')
                        print("connected to", repr(place), connection.recv(2000))
                    except (OSError, ValueError) as error: print(repr(place), error)
    """,
    )


@hostile(tries="write to the host", layer="namespace", earns=ALL)
def writes_everywhere(notebook):
    """A file at every place of the file system that lets it; start-up files of Python, the shell, Jupyter and git."""
    first(
        notebook,
        """
        import os, site, sys
        tried = ["{MARK}", "{RECORD}", "{GRADEBOOK}", "{UNTOUCHED}", sys.prefix + "/lib/x.pth", "~/.bashrc",
                 site.getsitepackages()[0] + "/sitecustomize.py", "~/.ipython/profile_default/startup/x.py",
                 "~/.jupyter/jupyter_notebook_config.py", "/etc/cron.d/x", "/etc/ld.so.preload", "/usr/lib/x.so",
                 sys.prefix + "/share/jupyter/kernels/racecourse-grader/kernel.json", "../../gradebook.db"]
        for path in tried:
            path = os.path.expanduser(path)
            for flags in (os.O_WRONLY | os.O_CREAT, os.O_WRONLY | os.O_TRUNC, os.O_RDWR | os.O_APPEND):
                try:
                    os.write(os.open(path, flags), b"import os; open('{MARK}', 'w')")
                    print("written:", path)
                except OSError as error: print(error)
        for place, folders, names in os.walk("/"):
            if place.startswith(("/proc", "/scratch", "/tmp", "/dev/shm")):
                folders.clear()
            elif os.access(place, os.W_OK):
                print("can write to", place)
    """,
    )


@hostile(tries="kill the grader", layer="supervisor", earns=TOKENS, may_lose=())
def ends_by_every_signal(notebook):
    """Each fatal signal to itself; process 1 of a namespace hears none but those that the hardware sends."""
    answer(
        notebook,
        "weight-bytes",
        """
        import ctypes, os, signal

        def weight_bytes(n_parameters, bits, block=None):
            for number in (signal.SIGABRT, signal.SIGBUS, signal.SIGKILL, signal.SIGSYS, signal.SIGSEGV):
                signal.signal(number, signal.SIG_DFL) if number != signal.SIGKILL else None
                os.kill(os.getpid(), number)
            os.abort()
    """,
    )


@hostile(tries="exceed its limits", layer="seccomp", earns=ALL)
def lifts_its_limits(notebook):
    """Limits, control groups, the out-of-memory score, process groups, terminal, and the filter itself."""
    system_calls(
        notebook,
        """
import glob, resource
for name in ("AS", "CPU", "FSIZE", "NOFILE", "NPROC", "CORE", "MEMLOCK", "NICE", "RTPRIO", "MSGQUEUE"):
    limit = getattr(resource, "RLIMIT_" + name, None)
    if limit is not None:
        soft, hard = resource.getrlimit(limit)
        try:
            resource.setrlimit(limit, (hard + 1 if hard != -1 else -1,) * 2)
            print(name, soft, hard, "->", resource.getrlimit(limit))
        except (ValueError, OSError) as error: print(name, soft, hard, error)
for path in glob.glob("/sys/fs/cgroup/*") + glob.glob("/proc/*/oom_score_adj"):
    try: open(path, "w").write("-1000"); print("written:", path)
    except OSError as error: print(error)
tried("setsid", libc.setsid())
tried("prctl(SECCOMP, 0)", libc.prctl(22, 0, 0, 0, 0))
tried("prctl(SUBREAPER)", libc.prctl(36, 1, 0, 0, 0))
tried("mlockall", libc.mlockall(3))
""",
    )


@hostile(tries="kill the grader", layer="supervisor", earns=ALL, may_lose=ALL)
def replaces_the_kernels_program(notebook):
    """exec of another program in place of the kernel, by os, by libc, and by the loader of shared libraries."""
    before(
        notebook,
        "table",
        """
        import ctypes, os, sys
        libc = ctypes.CDLL(None, use_errno=True)
        for run in (lambda: os.execv(sys.executable, [sys.executable, "-c", "while True: pass"]),
                    lambda: os.execve("/bin/sh", ["sh", "-c", "sleep 999"], {}),
                    lambda: libc.execl(b"/bin/sleep", b"sleep", b"999", None),
                    lambda: libc.fexecve(os.open("/bin/true", os.O_RDONLY), None, None)):
            try: print("exec:", run(), ctypes.get_errno())
            except OSError as error: print(error)
    """,
    )
