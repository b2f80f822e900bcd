"""What `racecourse lab` does once the environment exists: the model, the notebooks, the learner's copies, the server.

Left out: a server for many people (deploy/), and any change to the user's own Jupyter settings: what the course wants
is said on the command line and in defaults that the user's settings override (learn/data/jupyter/).
"""

import os
import socket
import subprocess
import sys
import webbrowser
from collections.abc import Iterable
from pathlib import Path


def get_ready(sets: Iterable[str], model: str) -> Path:
    """Fetch the model, build what is missing, copy the first sets into work/; the lesson to open."""
    from racecourse.learn.notebooks import build, course_root
    from racecourse.learn.work import copies, start
    from racecourse.models.zoo import fetch

    root, sets = course_root(), list(sets)
    missing = [name for name in sets if not is_built(root, name)]
    fetch_or_explain(fetch, model)
    if missing:
        print(f"Building {', '.join(missing)} (once; the lessons are run, at their smallest settings)", flush=True)
        build(missing, quick=True)
    folders = [start(name) for name in sets]
    return copies(folders[0], "lesson")[-1]


def is_built(root: Path, name: str) -> bool:
    return (root / "lessons" / f"{name}.ipynb").is_file() and (root / "exercises" / name / f"{name}.ipynb").is_file()


def fetch_or_explain(fetch, model: str) -> None:
    """A machine without a network can still open the lessons."""
    try:
        fetch(model)
    except (OSError, RuntimeError) as error:
        print(f"{model} is not here yet: {error}\nThe lessons open without it; those that need it will say so.")


def free_port(wanted: int, attempts: int = 50) -> int:
    """The wanted port, or the next that nothing listens on.

    Raises OSError when all of them are taken.
    """
    for port in range(wanted, min(wanted + attempts, 65536)):
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError(f"ports {wanted} to {wanted + attempts - 1} are all in use; choose another: make lab PORT=9000")


def has_browser() -> bool:
    """Whether a browser can open here: on Linux that takes a display, too."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


def command(root: Path, notebook: Path, *, port: int, open_browser: bool) -> list[str]:
    """JupyterLab's command line."""
    page = notebook.relative_to(root).as_posix()
    options = [
        f"--port={port}",
        f"--ServerApp.root_dir={root}",
        f"--LabApp.default_url=/lab/tree/{page}",
        "--LabApp.extension_manager=readonly",  # else it asks PyPI for extensions
        "--log-level=ERROR",  # still prints the address
    ]
    if not open_browser:
        options.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--allow-root")  # JupyterLab refuses to run as root without it; containers often do
    return [sys.executable, "-m", "jupyterlab", *options]


def environment() -> dict[str, str]:
    """This process's variables, with the course's defaults for JupyterLab: no pop-up that asks about news."""
    folders = [str(Path(__file__).parent / "learn" / "data" / "jupyter"), os.environ.get("JUPYTER_CONFIG_PATH", "")]
    return os.environ | {"JUPYTER_CONFIG_PATH": os.pathsep.join(filter(None, folders))}


def serve(notebook: Path, *, port: int, open_browser: bool) -> int:
    """Run JupyterLab until it is stopped; its exit status."""
    from racecourse.learn.notebooks import course_root

    root, free = course_root(), free_port(port)
    if free != port:
        print(f"Port {port} is in use, taking {free}")
    shows = open_browser and has_browser()
    if open_browser and not shows:
        print("No browser here: open the address below in one. From another computer, forward the port first:")
        print(f"    ssh -L {free}:localhost:{free} THIS-MACHINE")
    print("Starting JupyterLab (Control-C stops it)", flush=True)
    os.chdir(root)
    arguments = command(root, notebook, port=free, open_browser=shows)
    if os.name == "nt":
        return subprocess.call(arguments, env=environment())
    os.execve(arguments[0], arguments, environment())  # become JupyterLab, so that every signal reaches it
