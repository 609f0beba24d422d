"""The files that people deploy from say what the program does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from magicrune.cli_worker import consume_command
from magicrune.worker.settings import WorkerSettings, table

ROOT = Path(__file__).parents[2]
MANIFESTS = sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))
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


def test_the_deployment_is_restricted_and_drains() -> None:
    pod = read(ROOT / "deploy/kubernetes/worker.yaml")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    security = container["securityContext"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert security["allowPrivilegeEscalation"] is False
    assert security["readOnlyRootFilesystem"] is True
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert pod["terminationGracePeriodSeconds"] > WorkerSettings().grace + 10
    assert {each["name"] for each in container["env"]} <= KNOWN
    assert is_understood(container["args"])
    paths = {container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("liveness", "readiness")}
    assert paths == {"/healthz", "/readyz"}


def test_scaling_looks_at_our_consumer() -> None:
    (trigger,) = read(ROOT / "deploy/kubernetes/autoscaling.yaml")["spec"]["triggers"]
    plain = WorkerSettings()
    assert trigger["metadata"]["stream"] == plain.stream
    assert trigger["metadata"]["consumer"] == plain.durable


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_each_manifest_is_one_object(path: Path) -> None:
    assert read(path).keys() >= {"apiVersion", "kind", "metadata", "spec"}


def test_compose_names_what_is_there() -> None:
    services = read(ROOT / "compose.yaml")["services"]
    worker = services["worker"]
    assert (ROOT / worker["build"]["dockerfile"]).is_file()
    assert set(worker["environment"]) <= KNOWN
    assert float(worker["stop_grace_period"].removesuffix("s")) > WorkerSettings().grace + 10


def test_the_image_starts_a_worker_with_health() -> None:
    lines = (ROOT / "images/worker/Dockerfile").read_text().splitlines()
    (command,) = [line.removeprefix("CMD ") for line in lines if line.startswith("CMD ")]
    assert is_understood(yaml.safe_load(command))
    copied = (ROOT / ".dockerignore").read_text().splitlines()
    for each in copied:
        if each.startswith("!") and "*" not in each:
            assert (ROOT / each[1:]).exists(), each
