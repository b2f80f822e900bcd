"""What is in deploy/: the files are whole, say what the chart's documentation knows, and hold no secret.

No cluster and no Docker engine is used. The keys are those of the chart's values.schema.yaml, which refuses all others.
"""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from traitlets.config import PyFileConfigLoader

from conftest import ROOT

DEPLOY = ROOT / "deploy"
ANYTHING: dict[str, Any] = {"*": {}}
RULES = dict.fromkeys(
    (
        "cloudMetadataServer", "dnsPortsCloudMetadataServer", "dnsPortsKubeSystemNamespace", "dnsPortsPrivateIPs",
        "nonPrivateIPs", "privateIPs",
    )
)  # fmt: skip
NETWORK = {"enabled": None, "ingress": None, "egress": None, "egressAllowRules": RULES}
SCHEMA: dict[str, Any] = {  # of the sections in use, as far as they are used
    "hub": {
        "config": ANYTHING, "concurrentSpawnLimit": None, "networkPolicy": NETWORK, "extraEnv": ANYTHING,
        "db": {"type": None, "pvc": {"storage": None, "accessModes": None, "storageClassName": None}},
    },
    "proxy": {
        "https": {"enabled": None, "type": None, "hosts": None, "letsencrypt": {"contactEmail": None}},
        "chp": {"networkPolicy": NETWORK},
    },
    "singleuser": {
        "image": {"name": None, "tag": None, "pullPolicy": None, "pullSecrets": None}, "cmd": None, "defaultUrl": None,
        "startTimeout": None, "uid": None, "fsGid": None, "allowPrivilegeEscalation": None, "extraEnv": ANYTHING,
        "cpu": {"limit": None, "guarantee": None}, "memory": {"limit": None, "guarantee": None},
        "storage": {
            "type": None, "capacity": None, "homeMountPath": None,
            "dynamic": {"storageClass": None, "pvcNameTemplate": None, "volumeNameTemplate": None,
                        "storageAccessModes": None},
        },
        "cloudMetadata": {"blockWithIptables": None, "ip": None}, "networkPolicy": NETWORK, "profileList": ANYTHING,
    },
    "scheduling": {
        "userScheduler": {"enabled": None, "replicas": None}, "podPriority": {"enabled": None},
        "userPlaceholder": {"enabled": None, "replicas": None},
    },
    "prePuller": {"hook": {"enabled": None}, "continuous": {"enabled": None}},
    "cull": dict.fromkeys(
        ("enabled", "users", "adminUsers", "removeNamedServers", "timeout", "every", "concurrency", "maxAge")
    ),
}  # fmt: skip
PROFILE = {"display_name", "description", "slug", "default", "kubespawner_override", "profile_options"}
SPAWNER = {  # traits of KubeSpawner that a profile overrides
    "image", "cpu_guarantee", "cpu_limit", "mem_guarantee", "mem_limit", "extra_resource_limits", "tolerations",
}  # fmt: skip


@pytest.fixture
def values() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "zero-to-jupyterhub/values.yaml").read_text())
    return found


def unknown(found: Any, known: Any, where: str = "") -> list[str]:
    """The keys that the schema does not have."""
    if known is ANYTHING or not isinstance(found, dict):
        return []
    return [
        problem
        for key, value in found.items()
        for problem in (unknown(value, known[key], f"{where}.{key}") if key in (known or {}) else [f"{where}.{key}"])
    ]


def test_the_chart_knows_every_key(values: dict[str, Any]) -> None:
    assert unknown({"hub": {"configs": {}}}, SCHEMA) == [".hub.configs"]  # the look-up itself can fail
    assert not unknown(values, SCHEMA)
    for profile in values["singleuser"]["profileList"]:
        assert set(profile) <= PROFILE
        assert set(profile.get("kubespawner_override", {})) <= SPAWNER


def test_students_pods_are_limited_and_shut_in(values: dict[str, Any]) -> None:
    user = values["singleuser"]
    assert user["memory"]["limit"] and user["cpu"]["limit"]
    assert user["allowPrivilegeEscalation"] is False
    assert user["uid"] != 0
    rules = user["networkPolicy"]["egressAllowRules"]
    assert user["networkPolicy"]["enabled"]
    assert (rules["privateIPs"], rules["cloudMetadataServer"]) == (False, False)
    assert values["cull"]["enabled"]


def test_one_profile_is_the_default_and_one_asks_for_a_gpu(values: dict[str, Any]) -> None:
    profiles = values["singleuser"]["profileList"]
    assert [profile.get("default", False) for profile in profiles] == [True, False]
    assert profiles[1]["kubespawner_override"]["extra_resource_limits"] == {"nvidia.com/gpu": "1"}


def test_no_file_holds_a_secret_or_lets_everybody_in(values: dict[str, Any]) -> None:
    for path in DEPLOY.rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            assert not re.search(r"\b[0-9a-f]{32,}\b", path.read_text()), path
    assert not {"cookieSecret", "existingSecret"} & set(values["hub"])
    assert "secretToken" not in values["proxy"]
    assert values["hub"]["config"]["JupyterHub"]["authenticator_class"] != "dummy"
    assert values["hub"]["config"]["NativeAuthenticator"]["open_signup"] is False


def test_the_image_copies_what_is_there_and_no_solution() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ").split("\n")
    copied = [part for line in lines if line.startswith("COPY ") for part in line.split()[1:-1]]
    assert copied
    for name in copied:
        assert (ROOT / name).exists(), name
        assert not name.startswith(("solutions", "sources", "tests", "."))
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().split("\n")
    assert ignored[1] == "*"
    assert {f"!{name}" for name in copied} <= set(ignored)
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users == ["jovyan"]
    after = lines[lines.index("USER jovyan") :]
    assert not any(
        line.startswith(("RUN", "COPY")) for line in after
    )  # nothing of the course is the student's to change


@pytest.mark.parametrize("folder", ["single/config/student", "image"])
def test_students_servers_have_no_formgrader(folder: str) -> None:
    settings = json.loads((DEPLOY / folder / "jupyter_server_config.json").read_text())
    assert settings["ServerApp"]["jpserver_extensions"]["nbgrader.server_extensions.formgrader"] is False
    page = json.loads((DEPLOY / folder / "labconfig/page_config.json").read_text())
    assert page["disabledExtensions"]["@jupyter/nbgrader:formgrader"] is True


def test_who_has_left_the_roster_is_not_let_in_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """JupyterHub tells its authenticator at each start who is in its database; by default they may all return."""
    auth = pytest.importorskip("jupyterhub.auth")
    for name, value in {
        "CLASS": "/class", "HUB_STATE": "/state", "INSTRUCTOR": "teacher", "STUDENTS": "anna ben", "PORT": "8000",
        "EXCHANGE": "/exchange", "COURSE_ID": "course",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"RACECOURSE_{name}", value)
    config = PyFileConfigLoader("jupyterhub_config.py", path=str(DEPLOY / "single")).load_config()
    authenticator = auth.PAMAuthenticator(config=config)
    for name in ("anna", "teacher", "has-left"):
        auth.Authenticator.add_user(authenticator, SimpleNamespace(name=name))
    assert {name for name in ("anna", "teacher", "has-left") if authenticator.check_allowed(name, {})} == {
        "anna", "teacher",
    }  # fmt: skip


def test_every_file_of_deploy_is_named_in_the_handbook() -> None:
    said = (ROOT / "docs/hub.md").read_text()
    for path in ("deploy/single/", "deploy/Dockerfile", "deploy/zero-to-jupyterhub/values.yaml"):
        assert Path(ROOT / path).exists()
        assert path in said
