"""The walls around a student's code: a process that was just forked shuts itself in, without a program of its own.

Bubblewrap cannot do this, because it starts a new program, and the kernel of a forked process is already running. What
stays visible: the system's libraries, Python, the course's package (never the repository), a copy of the data files in
/scratch, and one folder of sockets through which the grader talks. Namespaces hide the rest; the ids are those of
nobody; a filter of system calls forbids new processes and everything that could lead to the host's kernel.

Left out: control groups (the limits are those of one process, and there is only one), GPUs, and a quota on the folder
of sockets, which lies on the host: code inside can fill that disk with files of at most `Limits.file_mib` each.
Only Linux 5.14 or newer on x86-64 and ARM64.

The order of events in `spawn`, with S the caller, M between, and K the one that stays:

    S  forks M, waits                  M  unshares namespaces        S  writes the maps of user ids
    M  forks K, which is process 1 of its namespaces, and ends       S  becomes K's parent, says so
    K  builds the root, drops every privilege, says that it stands, and runs the program
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import platform
import resource
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MIB = 2**20
NOBODY = 65534
MOST_FILES = 2000  # data files for one kernel, and inodes of each folder that it may write to
MOST_MESSAGE = 4000  # bytes
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/etc/fonts",
          "/etc/alternatives")  # fmt: skip
DEVICES = ("null", "zero", "full", "random", "urandom")
NEVER_COPIED = (".ipynb", ".db", ".html", ".py")  # tests, marks and feedback, and modules in place of real ones

# <sched.h>, <sys/mount.h>, <sys/prctl.h>
CLONE_THREAD, CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x10000, 0x20000, 0x4000000, 0x8000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE, MNT_DETACH = 0x1000, 0x4000, 0x40000, 2
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV = 1, 2, 4
AT_FDCWD, AT_RECURSIVE = -100, 0x8000
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER = 1, 4, 24, 36
PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 38, 47, 4
CAPABILITY_VERSION_3 = 0x20080522
MOUNT_SETATTR = 442
SYSCALLS = {"x86_64": {"pivot_root": 155, "capset": 126}, "aarch64": {"pivot_root": 41, "capset": 91}}

FORBIDDEN = """
    fork vfork execve execveat ptrace process_vm_readv process_vm_writev process_madvise pidfd_getfd kcmp
    mount umount umount2 mount_setattr open_tree move_mount fsopen fsconfig fsmount fspick pivot_root chroot
    unshare setns bpf perf_event_open add_key request_key keyctl kexec_load kexec_file_load userfaultfd
    io_uring_setup io_uring_enter io_uring_register io_setup io_submit
    memfd_create memfd_secret shmget shmat semget msgget mq_open
    name_to_handle_at open_by_handle_at personality init_module finit_module delete_module swapon swapoff reboot
    acct quotactl fanotify_init syslog settimeofday clock_settime adjtimex clock_adjtime sethostname setdomainname
    iopl ioperm modify_ldt lookup_dcookie nfsservctl vhangup
""".split()  # noqa: SIM905 (a list of this length is easier to read without quotes)


class WallsError(RuntimeError):
    """The walls could not be built, and the program was not run."""


@dataclass(frozen=True)
class Limits:
    """What one kernel may use."""

    memory_mib: int = 2048  # address space beyond what the process has when it is forked
    cpu_seconds: int = 600  # of all its cells together
    file_mib: int = 64  # one file
    scratch_mib: int = 128  # /scratch; /tmp and /dev/shm have half of it each
    open_files: int = 256
    threads: int = 128

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name}={value!r} is no limit: give a whole number of at least 1")


def spawn(
    program: Callable[[], None], *, limits: Limits, connection_dir: Path, data: Path | None = None,
    readable: Iterable[str | Path] = (),
) -> int:  # fmt: skip
    """Run `program` behind walls in a process of its own, and return that process's id once they stand.

    `connection_dir` is the one folder of the host that it may write to; `data` the folder whose files are copied to
    /scratch; `readable` are further paths to show. The caller must have a single thread. It becomes the parent of the
    new process even though it did not fork it directly (PR_SET_CHILD_SUBREAPER), and when it dies the process dies.

    Raises:
        WallsError: what could not be done. Nothing is left running then.
    """
    copies = data_files(data, limits.scratch_mib * MIB) if data is not None else []
    shown = _shown(readable)
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    between = os.fork()
    if between == 0:
        try:
            close_all_but(theirs.fileno())
            _unshare_and_fork(theirs)
            _build(theirs, limits, Path(connection_dir), copies, shown)
        except BaseException as error:
            _tell(theirs, f"{type(error).__name__}: {error}")
            os._exit(1)
        theirs.close()
        run_and_exit(program)
    theirs.close()
    with ours:
        born = None
        try:
            _expect(ours, "unshared")
            _write_maps(between)
            _tell(ours, "mapped")
            born = int(_expect(ours, "born").split()[1])
            os.waitpid(between, 0)
            between = 0
            _tell(ours, "adopted")
            _expect(ours, "standing")
        except (WallsError, OSError) as error:
            for pid in filter(None, (born, between)):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            raise WallsError(str(error)) from error
    return born


def spawn_without(program: Callable[[], None], *, limits: Limits, cwd: str, kept: Iterable[int] = ()) -> int:
    """Run `program` without walls in a process of its own: limits only, but it dies with its parent all the same.

    It has stdin, stdout, stderr and the open files `kept`.
    """
    _prctl(PR_SET_CHILD_SUBREAPER, 1)  # what it starts and leaves behind comes to the caller
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        run_and_exit(functools.partial(_limit_and_run, program, limits, cwd, parent, tuple(kept)))
    return pid


def _limit_and_run(program: Callable[[], None], limits: Limits, cwd: str, parent: int, kept: tuple[int, ...]) -> None:
    close_all_but(*kept)
    ceiling = _address_space() + limits.memory_mib * MIB
    os.setsid()
    _silence()
    die_with_parent()
    if os.getppid() != parent:  # it died before that
        return
    apply_limits(limits, ceiling)
    os.chdir(cwd)
    program()


def run_and_exit(program: Callable[[], None]) -> None:
    """Run `program` as the whole life of this process: what it raises ends here, never in the code that forked."""
    status = 1
    try:
        program()
        status = 0
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    finally:
        os._exit(status & 0xFF)


def die_with_parent() -> None:
    """Let the kernel end this process when the thread that made it ends."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def close_all_but(*kept: int) -> None:
    """Close every file of this process except stdin, stdout, stderr and `kept`."""
    for fd in [int(name) for name in os.listdir("/proc/self/fd")]:
        if fd > 2 and fd not in kept:
            try:
                os.close(fd)
            except OSError as error:
                if error.errno != errno.EBADF:  # the listing itself was such a file
                    raise


def data_files(folder: Path, most_bytes: int) -> list[tuple[str, bytes]]:
    """The data files under `folder`: relative path and contents. Symlinks, hidden files and NEVER_COPIED stay out."""
    found: list[tuple[str, bytes]] = []
    total = 0
    for place, folders, names in os.walk(folder, followlinks=False):
        folders[:] = [name for name in folders if not name.startswith(".") and name != "__pycache__"]
        for name in sorted(names):
            path = Path(place) / name
            if name.startswith(".") or name.lower().endswith(NEVER_COPIED) or not stat.S_ISREG(path.lstat().st_mode):
                continue
            with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
                contents = file.read(most_bytes - total + 1)
            total += len(contents)
            if total > most_bytes or len(found) == MOST_FILES:
                raise WallsError(
                    f"the data files in {folder} are more than {most_bytes // MIB} MiB or {MOST_FILES} files: "
                    "remove what the notebook does not need, or raise scratch_mib"
                )
            found.append((str(path.relative_to(folder)), contents))
    return found


# --- S: the caller


def _write_maps(pid: int) -> None:
    """Root keeps 0 to build with and nobody to end as; anyone else has no other id than their own."""
    uid, gid = os.getuid(), os.getgid()
    process = Path(f"/proc/{pid}")
    if uid != 0:
        (process / "setgroups").write_text("deny")
    other = f"{NOBODY} {NOBODY} 1\n" if uid == 0 else ""
    (process / "uid_map").write_text(f"{uid} {uid} 1\n{other}")
    (process / "gid_map").write_text(f"{gid} {gid} 1\n{other if gid != NOBODY else ''}")


def _shown(readable: Iterable[str | Path]) -> list[str]:
    """The paths to show inside; none that lies in another one."""
    package = Path(__file__).resolve().parent.parent
    asked = [*SYSTEM, sys.base_prefix, sys.prefix, str(package), *map(str, readable)]
    paths: list[str] = []
    for path in asked:
        for form in dict.fromkeys((os.path.abspath(path), os.path.realpath(path))):
            if not (path in SYSTEM and form != path) and os.path.lexists(form) and form not in paths:
                paths.append(form)
    return [path for path in paths if not any(path.startswith(other + "/") for other in paths)]


def _tell(channel: socket.socket, message: str) -> None:
    channel.send(message.encode(errors="replace")[:MOST_MESSAGE])


def _expect(channel: socket.socket, word: str) -> str:
    message = channel.recv(MOST_MESSAGE).decode(errors="replace")
    if not message.startswith(word):
        raise WallsError(message or f"the process ended before it was {word!r}")
    return message


# --- M: between


def _unshare_and_fork(channel: socket.socket) -> None:
    """Enter new namespaces and return in process 1 of them; the process that came here ends."""
    wanted = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS
    _check(_libc().unshare(wanted), "new namespaces")
    _tell(channel, "unshared")
    _expect(channel, "mapped")
    pid = os.fork()
    if pid:
        _tell(channel, f"born {pid}")
        os._exit(0)
    _expect(channel, "adopted")


# --- K: the one that stays


def _build(
    channel: socket.socket, limits: Limits, connection_dir: Path, copies: list[tuple[str, bytes]], shown: list[str]
) -> None:
    """From fresh namespaces to a process that can do no harm. The last message says so."""
    ceiling = _address_space() + limits.memory_mib * MIB
    os.setsid()
    os.umask(0o022)
    inner = NOBODY if os.getuid() == 0 else os.getuid()
    filtering = _filter()  # reads libraries, so before the root is exchanged
    socket.sethostname("racecourse")
    _silence()
    _exchange_root(limits, inner, connection_dir, shown)
    _fill_scratch(copies, inner)
    os.umask(0o077)
    if os.getuid() != inner:
        os.setgroups([])
        os.setresgid(inner, inner, inner)
    _drop_capabilities(inner)
    _prctl(PR_SET_DUMPABLE, 0)
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # after the change of ids, which would reset it
    apply_limits(limits, ceiling)
    resource.setrlimit(resource.RLIMIT_NPROC, (limits.threads, limits.threads))
    os.chdir("/scratch")
    filtering.load()
    _tell(channel, "standing")  # fails if the parent died before PR_SET_PDEATHSIG; then this process ends too


def _address_space() -> int:
    """Bytes of address space that this process has now."""
    return int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0]) * os.sysconf("SC_PAGE_SIZE")


def _silence() -> None:
    """Nothing to read, and nowhere to write: a kernel's outputs go through its sockets."""
    null = os.open("/dev/null", os.O_RDWR)
    for fd in range(3):
        os.dup2(null, fd)
    os.close(null)


def apply_limits(limits: Limits, address_space: int) -> None:
    """The limits of one process, hard ones: `address_space` is in bytes."""
    for name, value in {
        "RLIMIT_AS": address_space, "RLIMIT_CPU": limits.cpu_seconds, "RLIMIT_FSIZE": limits.file_mib * MIB,
        "RLIMIT_NOFILE": limits.open_files, "RLIMIT_CORE": 0,
    }.items():  # fmt: skip
        resource.setrlimit(getattr(resource, name), (value, value))


def _exchange_root(limits: Limits, inner: int, connection_dir: Path, shown: list[str]) -> None:
    """A root in memory with nothing in it but what is named; the old one is let go."""
    _mount(None, "/", None, MS_REC | MS_PRIVATE)  # what happens in here must not spread to the host
    _mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=1m")
    os.mkdir("/tmp/old")
    os.mkdir("/tmp/new")
    _pivot_root("/tmp", "/tmp/old")
    os.chdir("/")
    _mount("tmpfs", "/new", "tmpfs", MS_NOSUID | MS_NODEV, f"mode=755,size=1m,nr_inodes={MOST_FILES}")
    os.mkdir("/new/dev")
    for name in DEVICES:
        Path("/new/dev", name).touch()
        _mount(f"/old/dev/{name}", f"/new/dev/{name}", None, MS_BIND)
    for place, share in {"scratch": 1, "tmp": 2, "dev/shm": 2}.items():
        os.mkdir(f"/new/{place}")
        size = limits.scratch_mib * 1024 // share
        options = f"mode=700,uid={inner},gid={inner},size={size}k,nr_inodes={MOST_FILES * 2}"
        _mount("tmpfs", f"/new/{place}", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options)
    # after /tmp, because the course may lie below it
    for path in shown:
        _show(path)
    passwd = Path("/new/etc/passwd")
    passwd.parent.mkdir(exist_ok=True)
    passwd.write_text(f"student:x:{inner}:{inner}::/tmp:/bin/false\n", encoding="utf-8")
    os.makedirs("/new/proc", exist_ok=True)
    _mount("proc", "/new/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    os.makedirs(f"/new{connection_dir}")
    _mount(f"/old{connection_dir.resolve()}", f"/new{connection_dir}", None, MS_BIND)
    _set_attributes(f"/new{connection_dir}", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
    os.chdir("/new")
    _pivot_root(".", ".")
    _check(_libc().umount2(b".", MNT_DETACH), "letting go of the old root")
    os.chdir("/")
    _set_attributes("/", MOUNT_ATTR_RDONLY, recursive=False)


def _show(path: str) -> None:
    """Bind `path` of the old root at the same place of the new one, for reading only."""
    source, target = f"/old{path}", f"/new{path}"
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.islink(source) and os.path.dirname(path) == "/":  # /lib -> usr/lib
        os.symlink(os.readlink(source), target)
        return
    source = f"/old{_real(path)}"
    if os.path.isdir(source):
        os.mkdir(target)
    else:
        Path(target).touch()
    _mount(source, target, None, MS_BIND | MS_REC)
    _set_attributes(target, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)


def _real(path: str) -> str:
    """realpath within /old: a symlink's absolute target would be looked up in the new root."""
    parts, done = [part for part in path.split("/") if part], ""
    while parts:
        step = f"{done}/{parts.pop(0)}"
        if os.path.islink(f"/old{step}"):
            target = os.path.normpath(os.path.join(done or "/", os.readlink(f"/old{step}")))
            parts, done = [part for part in target.split("/") if part] + parts, ""
        else:
            done = step
    return done


def _fill_scratch(copies: list[tuple[str, bytes]], inner: int) -> None:
    made = set()
    for name, contents in copies:
        path = Path("/scratch", name)
        for folder in reversed(path.relative_to("/scratch").parents[:-1]):
            if folder not in made:
                made.add(folder)
                os.mkdir(Path("/scratch", folder))
                os.chown(Path("/scratch", folder), inner, inner)
        path.write_bytes(contents)
        os.chown(path, inner, inner)


def _drop_capabilities(inner: int) -> None:
    """Give up root's id, every capability, and the ability to regain one."""
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text(encoding="utf-8"))
    for capability in range(last + 1):
        _prctl(PR_CAPBSET_DROP, capability)
    _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    if os.getuid() != inner:
        os.setresuid(inner, inner, inner)
    header = struct.pack("Ii", CAPABILITY_VERSION_3, 0)
    _check(_syscall("capset", header, bytes(24)), "dropping capabilities")


def _filter() -> Any:
    """The filter of system calls, not yet in force: all are allowed except FORBIDDEN and what needs a look inside."""
    import pyseccomp

    def resolve(name: str) -> int:
        return pyseccomp.resolve_syscall(pyseccomp.system_arch(), name)

    calls = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    for name in FORBIDDEN:
        if resolve(name) >= 0:  # not every one exists on every architecture
            calls.add_rule(pyseccomp.ERRNO(errno.EPERM), name)
    calls.add_rule(pyseccomp.ERRNO(errno.EPERM), "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, CLONE_THREAD, 0))
    # Its flags lie in memory, where no filter can look. Told that it does not exist, the C library uses clone.
    calls.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
    calls.add_rule(pyseccomp.ERRNO(errno.EPERM), "socket", pyseccomp.Arg(0, pyseccomp.NE, socket.AF_UNIX))
    return calls


# --- the C library


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _prctl(option: int, *values: int) -> None:
    arguments = [ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4]]
    _check(_libc().prctl(option, *arguments), f"prctl({option})")


def _syscall(name: str, *arguments: bytes) -> int:
    return _libc().syscall(ctypes.c_long(SYSCALLS[platform.machine()][name]), *arguments)


def _pivot_root(new: str, old: str) -> None:
    _check(_syscall("pivot_root", new.encode(), old.encode()), f"pivot_root to {new}")


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str = "") -> None:
    names = [os.fsencode(name) if name is not None else None for name in (source, target, kind)]
    _check(_libc().mount(*names, ctypes.c_ulong(flags), options.encode() or None), f"mount {target}")


def _set_attributes(target: str, attributes: int, recursive: bool = True) -> None:
    """mount_setattr(2): unlike a remount it reaches the mounts below, and keeps the flags that are there."""
    wish = struct.pack("QQQQ", attributes, 0, 0, 0)
    arguments = (ctypes.c_int(AT_FDCWD), os.fsencode(target), ctypes.c_uint(AT_RECURSIVE if recursive else 0), wish)
    result = _libc().syscall(ctypes.c_long(MOUNT_SETATTR), *arguments, ctypes.c_size_t(len(wish)))
    _check(result, f"mount_setattr {target}")


# --- whether it can be done here


@functools.cache
def probe() -> str:
    """What forbids walls here and how to allow it, in a sentence; "" where they can be built. Tried once by doing it.

    In a process of its own, because a notebook server has threads and must not fork.
    """
    if platform.system() != "Linux":
        return f"there are no walls on {platform.system()}: use Linux, or a virtual machine with Linux"
    if platform.machine() not in SYSCALLS:
        return f"the walls know {' and '.join(SYSCALLS)}, not {platform.machine()}: use such a machine"
    try:
        import pyseccomp  # noqa: F401
    except (ImportError, RuntimeError, OSError) as error:
        return (
            f"the filter of system calls is missing ({error}): `pip install pyseccomp`, and the system's package "
            "libseccomp2 (Debian, Ubuntu) or libseccomp (Fedora)"
        )
    command = [sys.executable, "-I", "-m", "racecourse.grading.walls"]
    trial = subprocess.run(command, capture_output=True, text=True, timeout=60, env={"PATH": os.defpath})
    if trial.returncode == 0:
        return ""
    return explain((trial.stderr.strip() or "no message").splitlines()[-1])


def explain(problem: str, settings: Path = Path("/proc/sys")) -> str:
    """`problem`, what most likely causes it by the kernel's settings, and how to allow it."""

    def setting(name: str) -> str:
        path = settings / name
        return path.read_text().strip() if path.exists() else ""

    if setting("kernel/apparmor_restrict_unprivileged_userns") == "1" and os.getuid() != 0:
        remedy = (
            "AppArmor forbids user namespaces: `sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`, or an "
            "AppArmor profile with `userns,` for this Python"
        )
    elif setting("user/max_user_namespaces") == "0":
        remedy = "user namespaces are turned off: `sudo sysctl user.max_user_namespaces=10000`"
    elif setting("kernel/unprivileged_userns_clone") == "0" and os.getuid() != 0:
        remedy = "user namespaces are for root only: `sudo sysctl kernel.unprivileged_userns_clone=1`"
    else:
        remedy = (
            "in a container allow nested user namespaces (Docker and Podman: --security-opt seccomp=unconfined "
            "--security-opt apparmor=unconfined --security-opt systempaths=unconfined); walls need Linux 5.14 or newer"
        )
    return f"no walls can be built here ({problem}); {remedy}"


def _try_it() -> None:
    """Build the walls once around a program that does nothing."""
    with tempfile.TemporaryDirectory() as folder:
        if os.getuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        try:
            pid = spawn(lambda: None, limits=Limits(), connection_dir=Path(folder))
        except WallsError as error:
            sys.exit(str(error))
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


if __name__ == "__main__":
    _try_it()
