"""JupyterHub for one class on one server: accounts of the system, passwords checked by PAM, servers as local processes.

serve.py checks the class and the accounts, sets the variables that are read here, and starts the hub. Everything
listens on 127.0.0.1. Left out: TLS and the way in from outside (docs/hub.md), memory limits (this spawner sets none).
"""

import os
import pwd
import sys
from pathlib import Path

c = get_config()  # JupyterHub puts this function here

folder = Path(os.environ["RACECOURSE_CLASS"])  # the class's directory: the instructor's alone
state = Path(os.environ["RACECOURSE_HUB_STATE"])  # the hub's own
instructor = os.environ["RACECOURSE_INSTRUCTOR"]
students = set(os.environ["RACECOURSE_STUDENTS"].split())
port = int(os.environ["RACECOURSE_PORT"])

c.JupyterHub.bind_url = f"http://127.0.0.1:{port}"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{port + 1}"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{port + 2}"

private = state / "hub"  # root's: sessions, tokens, the key of the cookies
c.JupyterHub.db_url = f"sqlite:///{private / 'jupyterhub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(private / "cookie_secret")
c.ConfigurableHTTPProxy.pid_file = str(private / "proxy.pid")

# For another way to log in (OAuth, LTI) change these lines: the name must be the account's, and allowed_users stays.
c.JupyterHub.authenticator_class = "pam"
c.Authenticator.allowed_users = students | {instructor}
c.Authenticator.allow_existing_users = False  # who has left the roster is not let in again
c.PAMAuthenticator.executor_threads = 16  # a wrong password takes seconds to refuse; nobody else shall wait for it

c.JupyterHub.spawner_class = "localprocess"
single_user = [sys.executable, "-m", "jupyterhub.singleuser"]
c.Spawner.cmd = single_user
c.Spawner.default_url = "/lab"
c.Spawner.start_timeout = 120
c.Spawner.http_timeout = 120
c.Spawner.environment = {
    "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    "RACECOURSE_EXCHANGE": os.environ["RACECOURSE_EXCHANGE"],
    "RACECOURSE_COURSE_ID": os.environ["RACECOURSE_COURSE_ID"],
    # Kernels talk through files in here (config/*/jupyter_server_config.json): any account may listen to a TCP port,
    # and would read what others run. A short name: the path of such a file has at most 107 letters.
    "JUPYTER_RUNTIME_DIR": lambda spawner: f"{pwd.getpwnam(spawner.user.name).pw_dir}/.jupyter-run",
    "JUPYTER_CONFIG_PATH": lambda spawner: config_path(spawner),
}
c.Spawner.pre_spawn_hook = lambda spawner: begin_in_class(spawner)


def role(spawner) -> str:
    return "instructor" if spawner.user.name == instructor else "student"


def config_path(spawner) -> str:
    """Where a server finds its settings; the instructor's also nbgrader_config.py of the class."""
    own = str(state / "config" / role(spawner))
    return os.pathsep.join([own, str(folder)]) if role(spawner) == "instructor" else own


def begin_in_class(spawner) -> None:
    """The formgrader works only where the class's directory is the server's, and terminals shall open there."""
    if role(spawner) == "instructor":
        spawner.notebook_dir = str(folder)
        spawner.cmd = ["env", f"--chdir={folder}", *single_user]
