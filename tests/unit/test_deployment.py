"""The files that people deploy from say what the program does."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from magicrune.cli_worker import consume_command
from magicrune.worker.consumer import _SETTLE_S, Worker
from magicrune.worker.settings import WorkerSettings, table
from tests.kubernetes_shape import insecurities, misfits

ROOT = Path(__file__).parents[2]
MANIFESTS = sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))
DRAIN_S = WorkerSettings().grace + 2 * _SETTLE_S
KNOWN = {name for name, _, _ in table()} | {"MAGICRUNE_HOME", "MAGICRUNE_POLICY"}


def read(path: Path) -> dict[str, Any]:
    (document,) = yaml.safe_load_all(path.read_text())
    assert isinstance(document, dict)
    return document


def is_understood(arguments: list[str]) -> bool:
    assert arguments[0] == "consume"
    with click.Context(consume_command) as context:
        consume_command.parse_args(context, arguments[1:])
    return True


DEPLOYMENT = ROOT / "deploy/kubernetes/worker.yaml"


def pod_spec() -> dict[str, Any]:
    pod: dict[str, Any] = read(DEPLOYMENT)["spec"]["template"]["spec"]
    return pod


def change(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with another value at ``a.0.b``."""
    whole = copy.deepcopy(document)
    *way, last = (int(each) if each.isdigit() else each for each in path.split("."))
    part: Any = whole
    for each in way:
        part = part[each]
    part[last] = value
    return whole


@pytest.mark.parametrize("path", [DEPLOYMENT, DEPLOYMENT.parent / "network-policy.yaml"])
def test_kubernetes_knows_every_key(path: Path) -> None:
    assert misfits(read(path)) == []


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("spec.template.spec.containers.0.livenesProbe", {}, "livenesProbe is unknown"),
        ("spec.replicas", "2", "replicas is '2'"),
        ("spec.template.spec.containers.0.args", "consume", "args is no list"),
        ("spec.template.spec.containers.0.args", [5], "args[0] is 5"),
        ("spec.template.spec.volumes.0", {}, "name is missing"),
        ("spec.selector", [], "selector is no mapping"),
    ],
)
def test_a_manifest_that_does_not_fit_is_seen(path: str, value: Any, said: str) -> None:
    (found,) = misfits(change(read(DEPLOYMENT), path, value))
    assert said in found


def test_the_pod_keeps_the_restricted_standard() -> None:
    assert insecurities(pod_spec()) == []
    (container,) = pod_spec()["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True  # more than it asks


OWN = "containers.0.securityContext"


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("hostNetwork", True, "hostNetwork"),
        ("hostPID", True, "hostPID"),
        ("hostIPC", True, "hostIPC"),
        ("volumes.0", {"name": "s", "hostPath": {"path": "/"}}, "volume ['hostPath']"),
        ("securityContext.sysctls", [{"name": "kernel.msgmax", "value": "1"}], "sysctls"),
        ("securityContext.runAsNonRoot", False, "runAsNonRoot"),
        ("securityContext.runAsUser", 0, "runAsUser"),
        ("securityContext.seccompProfile", {"type": "Unconfined"}, "seccompProfile"),
        ("securityContext.seLinuxOptions", {"user": "x"}, "seLinuxOptions"),
        ("securityContext.windowsOptions", {"hostProcess": True}, "hostProcess"),
        (f"{OWN}.runAsNonRoot", False, "runAsNonRoot"),
        (f"{OWN}.privileged", True, "privileged"),
        (f"{OWN}.allowPrivilegeEscalation", True, "allowPrivilegeEscalation"),
        (f"{OWN}.capabilities", {"drop": ["NET_RAW"]}, "drop"),
        (f"{OWN}.capabilities", {"drop": ["ALL"], "add": ["SYS_ADMIN"]}, "add"),
        (f"{OWN}.procMount", "Unmasked", "procMount"),
        (f"{OWN}.appArmorProfile", {"type": "Unconfined"}, "appArmorProfile"),
        ("containers.0.ports.0.hostPort", 80, "hostPort"),
        ("containers.0.livenessProbe.httpGet.host", "10.0.0.1", "host"),
        ("initContainers", [{"name": "i"}], "drop"),
    ],
)
def test_a_pod_that_breaks_it_is_seen(path: str, value: Any, said: str) -> None:
    assert said in insecurities(change(pod_spec(), path, value))


def test_the_pod_drains_in_time() -> None:
    assert pod_spec()["terminationGracePeriodSeconds"] > DRAIN_S


def test_the_container_is_told_what_the_worker_understands() -> None:
    (container,) = pod_spec()["containers"]
    assert {each["name"] for each in container["env"]} <= KNOWN
    WorkerSettings.from_environment({each["name"]: each["value"] for each in container["env"]})
    assert is_understood(container["args"])


def test_the_selector_finds_the_pods_and_the_volumes_are_there() -> None:
    spec = read(DEPLOYMENT)["spec"]
    labels = spec["template"]["metadata"]["labels"]
    assert spec["selector"]["matchLabels"].items() <= labels.items()
    policy = read(DEPLOYMENT.parent / "network-policy.yaml")["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    (container,) = pod_spec()["containers"]
    mounted = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    assert mounted.keys() == {each["name"] for each in pod_spec()["volumes"]}
    (home,) = (each["value"] for each in container["env"] if each["name"] == "MAGICRUNE_HOME")
    assert home.startswith(f"{mounted['state']}/")


def test_probes_ask_for_pages_that_are_served() -> None:
    (container,) = pod_spec()["containers"]
    (port,) = container["ports"]
    served = f"0.0.0.0:{port['containerPort']}"
    assert container["args"][container["args"].index("--health") + 1] == served
    execute: Any = None
    pages = Worker(WorkerSettings(), execute, 1, served, "")._pages()
    asked = [container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")]
    assert {each["path"] for each in asked} <= pages.keys()
    assert {each["port"] for each in asked} == {port["name"]}
    (rule,) = read(DEPLOYMENT.parent / "network-policy.yaml")["spec"]["ingress"]
    assert rule["ports"] == [{"port": port["containerPort"], "protocol": "TCP"}]


def test_scaling_looks_at_our_consumer() -> None:
    scaled = read(ROOT / "deploy/kubernetes/autoscaling.yaml")
    assert scaled["spec"]["scaleTargetRef"] == {"name": read(DEPLOYMENT)["metadata"]["name"]}
    (trigger,) = scaled["spec"]["triggers"]
    plain = WorkerSettings()
    assert trigger["type"] == "nats-jetstream"
    # https://keda.sh/docs/2.19/scalers/nats-jetstream: these five; all are strings.
    assert trigger["metadata"].keys() == {
        *("natsServerMonitoringEndpoint", "account", "stream", "consumer", "lagThreshold"),
    }
    assert all(isinstance(each, str) for each in trigger["metadata"].values())
    assert trigger["metadata"]["stream"] == plain.stream
    assert trigger["metadata"]["consumer"] == plain.durable
    assert int(trigger["metadata"]["lagThreshold"]) > 0


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_each_manifest_is_one_object(path: Path) -> None:
    assert read(path).keys() >= {"apiVersion", "kind", "metadata", "spec"}


def test_compose_names_what_is_there() -> None:
    services = read(ROOT / "compose.yaml")["services"]
    worker = services["worker"]
    assert (ROOT / worker["build"]["dockerfile"]).is_file()
    assert set(worker["environment"]) <= KNOWN
    assert float(worker["stop_grace_period"].removesuffix("s")) > DRAIN_S


def test_the_image_starts_a_worker_with_health() -> None:
    lines = (ROOT / "images/worker/Dockerfile").read_text().splitlines()
    (command,) = [line.removeprefix("CMD ") for line in lines if line.startswith("CMD ")]
    assert is_understood(yaml.safe_load(command))
    copied = (ROOT / ".dockerignore").read_text().splitlines()
    for each in copied:
        if each.startswith("!") and "*" not in each:
            assert (ROOT / each[1:]).exists(), each
