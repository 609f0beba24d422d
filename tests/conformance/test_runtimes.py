"""The runtime that a policy names makes the container, or nobody does; read back from the engine.

Docker and Podman with crun, and Docker with gVisor, run as services of their own beside those that
other tests use: in a mount namespace without the empty version 2 hierarchy of a hybrid host,
which crun 1.8 takes for the one in use, and in a network namespace: without a bridge, a dockerd
removes that of the other one.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from magicrune.backends.docker import engine as docker_engine
from magicrune.backends.oci.hierarchy import Hierarchy, read_hierarchy
from magicrune.backends.podman import engine as podman_engine
from magicrune.backends.rune.backend import ContainerBackend
from magicrune.backends.select import choose
from magicrune.errors import BackendUnavailable, ControlNotHeld
from magicrune.observation import Observation
from tests.conformance.behaviours import BEHAVIOURS
from tests.conftest import make_spec
from tests.engines import absent, container_backend

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="starts services of root")
START_S = 60
APART = """\
! mountpoint -q /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified || exit 125
exec "$@"
"""
GVISOR = "runsc"
PART = (
    *("exit_zero", "exit_codes_are_the_jobs", "stdin_arrives", "artifacts_come_out"),
    *("stubborn_tree_is_ended", "memory_is_bounded", "fork_bomb_is_bounded", "disk_is_bounded"),
    *("user_is_nobody", "secret_reads_are_told", "own_loopback_works", "controls_are_read_back"),
)
"""All of them pass; the whole suite was run once (docs/backends.md)."""


@contextmanager
def service(place: Path, words: list[str], *question: str) -> Iterator[str]:
    """A service of root's that answers `question`; its socket. Ends with the tests."""
    for name in (words[0], "unshare", "mountpoint"):
        if shutil.which(name) is None:
            absent(f"no {name}: sh scripts/engines.sh")
    log = place / "log"
    command = ("sh", "-c", APART, "apart", *words)
    with log.open("wb") as told:
        started = subprocess.Popen(
            [*("unshare", "--net", "--mount", "--propagation", "private"), *command],
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=told,
            cwd=place,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + START_S
        while subprocess.run(question, capture_output=True, check=False).returncode:
            if started.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{words[0]} does not answer: {log.read_text()[-2000:]}")
            time.sleep(0.2)
        yield f"unix://{place}/sock"
    finally:
        started.terminate()
        try:
            started.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(started.pid, signal.SIGKILL)
            started.wait()


@pytest.fixture(scope="module")
def dockerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    place = tmp_path_factory.mktemp("docker")
    gvisor = ["--network=none", "--platform=ptrace", "--ignore-cgroups", "--fsgofer-host-uds"]
    runtimes = {
        **{key: {"path": shutil.which("crun") or "crun"} for key in ("crun", "crun-apart")},
        GVISOR: {"path": shutil.which(GVISOR) or GVISOR, "runtimeArgs": [*gvisor, "--oci-seccomp"]},
    }
    (place / "daemon.json").write_text(json.dumps({"runtimes": runtimes}))
    words = ["dockerd", "--config-file", "daemon.json", "-H", f"unix://{place}/sock"]
    for option in ("data-root", "exec-root", "pidfile"):
        words += [f"--{option}", str(place / option)]
    words += ["--bridge=none", *(f"--{name}=false" for name in ("iptables", "ip6tables"))]
    words += ["--ip-forward=false", "--ip-masq=false"]
    with service(place, words, "docker", "-H", f"unix://{place}/sock", "version") as address:
        yield address


@pytest.fixture(scope="module")
def podman() -> Iterator[str]:
    place = Path(tempfile.mkdtemp())  # its runroot may have 50 characters only
    words = ["podman", "--runtime", "crun", "--cgroup-manager", "cgroupfs"]
    for option in ("root", "runroot", "tmpdir"):
        words += [f"--{option}", str(place / option)]
    words += ["system", "service", "--time=0", f"unix://{place}/sock"]
    with service(place, words, "podman", "--url", f"unix://{place}/sock", "info") as address:
        yield address
    shutil.rmtree(place, ignore_errors=True)


Named = Callable[..., Observation]


@pytest.fixture
def docker_by(home: Path, dockerd: str, monkeypatch: pytest.MonkeyPatch) -> Named:
    """Runs a job by the runtime that is named, in the Docker that knows others."""
    monkeypatch.setenv("DOCKER_HOST", dockerd)
    return named(container_backend("docker", monkeypatch))


@pytest.fixture
def podman_by(home: Path, podman: str, monkeypatch: pytest.MonkeyPatch) -> Named:
    monkeypatch.setenv("CONTAINER_HOST", podman)
    seen = read_hierarchy()
    apart = Hierarchy(seen.version, False, seen.counts_swap)  # as the service sees it
    monkeypatch.setattr(podman_engine, "read_hierarchy", lambda: apart)
    return named(container_backend("podman", monkeypatch))


def named(backend: ContainerBackend) -> Named:
    def run(runtime: str | None, cmd: str, **options: Any) -> Observation:
        return backend.run(replace(make_spec(cmd, **options), oci_runtime=runtime))

    return run


def runtime_of(seen: Observation) -> list[tuple[str, str, str, bool]]:
    return [
        (each.mechanism, each.wanted, each.measured, each.held)
        for each in seen.enforcement
        if each.control == "oci_runtime"
    ]


def made_by(name: str) -> list[tuple[str, str, str, bool]]:
    return [(f"made by {name}", name, name, True)]


@pytest.mark.parametrize("runtime", ["crun", "runc"])
def test_docker_uses_the_runtime_that_is_named(runtime: str, docker_by: Named) -> None:
    assert runtime_of(docker_by(runtime, "true")) == made_by(runtime)


def test_a_runtime_that_nobody_named_is_none_of_the_controls(docker_by: Named) -> None:
    assert runtime_of(docker_by(None, "true")) == []


def test_docker_that_takes_its_own_choice_is_found_out(
    docker_by: Named, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_create = docker_engine.write_create

    def forgetful(*args: Any, **options: Any) -> dict[str, Any]:
        body = write_create(*args, **options)
        del body["HostConfig"]["Runtime"]
        return body

    monkeypatch.setattr(docker_engine, "write_create", forgetful)
    with pytest.raises(ControlNotHeld, match="oci_runtime is not held: wanted crun, measured runc"):
        docker_by("crun", "true")


def test_podman_uses_the_runtime_that_is_named(podman_by: Named) -> None:
    assert runtime_of(podman_by("crun", "true")) == made_by("crun")


@pytest.mark.parametrize("runtime", ["crun", "runc"])
def test_oci_uses_the_runtime_that_is_named(
    runtime: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by = named(container_backend(f"oci-{runtime}", monkeypatch))
    assert runtime_of(by(runtime, "true")) == made_by(runtime)


@pytest.mark.parametrize("name", PART)
def test_docker_with_crun_behaves(name: str, docker_by: Named) -> None:
    BEHAVIOURS[name](lambda cmd, **options: docker_by("crun", cmd, **options))


@pytest.mark.parametrize("name", PART)
def test_podman_with_crun_behaves(name: str, podman_by: Named) -> None:
    BEHAVIOURS[name](lambda cmd, **options: podman_by("crun", cmd, **options))


def test_an_unknown_runtime_is_refused_with_what_docker_has(docker_by: Named) -> None:
    with pytest.raises(BackendUnavailable, match=r"no runtime nosuch; it has crun, .*runc, runsc"):
        docker_by("nosuch", "true")


def test_an_unknown_runtime_is_refused_with_what_podman_has(podman_by: Named) -> None:
    with pytest.raises(BackendUnavailable, match="no runtime but its own: crun, not nosuch"):
        podman_by("nosuch", "true")


def test_an_unknown_runtime_is_refused_with_what_is_here(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by = named(container_backend("oci-crun", monkeypatch))
    with pytest.raises(BackendUnavailable, match="no nosuch is installed; here is crun, runc"):
        by("nosuch", "true")


def test_auto_passes_over_who_lacks_the_runtime(
    docker_by: Named, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docker knows crun here under another name, and the others know nothing of that."""
    choice = choose("auto", ("oci", "docker"), oci_runtime="crun-apart")
    assert choice.backend.name == "docker"
    assert choice.passed_over[0].startswith("oci: no crun-apart is installed; here is crun, runc")
    assert choose("auto", ("oci", "docker"), oci_runtime="crun").backend.name == "oci"
    with pytest.raises(BackendUnavailable, match="docker: the daemon has no runtime nosuch"):
        choose("docker", ("docker",), oci_runtime="nosuch")
    with pytest.raises(BackendUnavailable, match="oci: no crun-apart"):
        choose("auto", ("oci", "docker"), oci_runtime="crun-apart", strict=True)


def test_gvisor_is_refused_by_the_control_that_it_lacks(docker_by: Named) -> None:
    """Its kernel is another one: no namespaces but three, no watch, no way to read back limits."""
    if shutil.which(GVISOR) is None:
        absent("no runsc: sh scripts/engines.sh")
    with pytest.raises(ControlNotHeld, match="control namespaces is not held") as refused:
        docker_by(GVISOR, "true")
    assert "runsc does not hold it" in refused.value.hint
    assert refused.value.code == "MR-4103"


def test_a_runtime_that_hands_no_socket_on_is_refused(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which(GVISOR) is None:
        absent("no runsc: sh scripts/engines.sh")
    by = named(container_backend("oci-crun", monkeypatch))
    with pytest.raises(BackendUnavailable, match="its run has no --preserve-fds"):
        by(GVISOR, "true")
    runc = shutil.which("runc") or "runc"
    other = tmp_path / "bin" / "another"  # the control: runc under a name that is not known
    other.parent.mkdir()
    other.write_text(f'#!/bin/sh\nexec {runc} "$@"\n')
    other.chmod(0o755)
    monkeypatch.setenv("PATH", f"{other.parent}:{os.environ['PATH']}")
    assert runtime_of(by("another", "true")) == made_by("another")
