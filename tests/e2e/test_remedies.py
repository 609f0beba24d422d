"""What `magicrune doctor` says to do, done as written: then it works.

What is broken is broken in namespaces of the test's own; daemons started there end with it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engines import IMAGE_HOME, absent

pytestmark = pytest.mark.timeout(400)

FIXED = "\n".join(
    [
        "set -eu",
        'look() { "$PYTHON" -m magicrune doctor --json $BACKEND >"$HERE/told" || true',
        '"$PYTHON" -c "',
        "import json, sys",
        "told = json.load(open(sys.argv[1]))['backends']",
        "(one,) = [each for each in told if each['backend'] == sys.argv[2]]",
        'print(one[sys.argv[3]])" "$HERE/told" "$1" "$2"; }',
        'fix=$(look "$BACKEND" fix)',
        'echo "before: $(look "$BACKEND" usable): $fix"',
        # As a person without sudo has to: who pastes it is root here, or needs no root.
        'eval "$(echo "$fix" | sed "s/sudo //")"',
        "left=40",
        'until [ "$(look "$BACKEND" usable)" = True ] || [ $left = 0 ]; do',
        "left=$((left - 1)); sleep 0.5; done",
        'echo "after: $(look "$BACKEND" usable): $(look "$BACKEND" problem)"',
    ]
)
"""Breaks nothing: looks, does what is said, looks again."""


def run(script: str, place: Path, backend: str, *words: str, **more: str) -> str:
    """`script` after `words` (unshare ...); all that was started ends with it."""
    strange = ("MAGICRUNE_", "DOCKER_", "CONTAINER_")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(strange)}
    environment |= {"PYTHON": sys.executable, "HERE": str(place), "BACKEND": backend}
    environment |= {"MAGICRUNE_HOME": str(IMAGE_HOME)}
    done = subprocess.run(
        [*words, "sh", "-c", script],
        env=environment | more,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    return done.stdout


def need(*programs: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("breaks what only root can")
    missing = [each for each in programs if shutil.which(each) is None]
    if missing or not (IMAGE_HOME / "cache/images/python.current").exists():
        absent(f"{missing or 'images'}: sh scripts/engines.sh")


APART = ("unshare", "--mount", "--propagation", "private")
END = """
for each in /proc/[0-9]*; do
    [ "$(readlink "$each/ns/mnt")" = "$(readlink /proc/self/ns/mnt)" ] || continue
    case $(tr '\\0' ' ' <"$each/cmdline") in podman*service*) kill "${each#/proc/}" ;; esac
done"""
"""Ends the service that was started in the mount namespace of the test: no other one."""


def test_a_podman_without_its_service(tmp_path: Path) -> None:
    need("podman", "unshare")
    script = f"mount -t tmpfs none /run/podman; {FIXED}{END}"
    said = run(script, tmp_path, "podman", *APART)
    assert "before: False: " in said
    assert "system service" in said
    assert "after: True: " in said, said


def test_a_docker_whose_daemon_does_not_run(tmp_path: Path) -> None:
    need("dockerd", "unshare")
    script = (
        "mount -t proc proc /proc; for each in /run /var/lib/docker /var/log; do "
        f"mount -t tmpfs none $each; done; {FIXED}"
    )
    said = run(script, tmp_path, "docker", *APART, "--net", "--pid", "--fork", "--kill-child")
    assert "before: False: " in said
    assert "dockerd" in said
    assert "after: True: " in said, said


@pytest.mark.parametrize(
    ("backend", "variable"), [("docker", "DOCKER_HOST"), ("podman", "CONTAINER_HOST")]
)
@pytest.mark.parametrize("address", ["tcp://192.0.2.1:2375", "unix:///nowhere/a.sock"])
def test_a_variable_that_leads_astray(
    tmp_path: Path, backend: str, variable: str, address: str
) -> None:
    need("dockerd", "podman")
    said = run(FIXED, tmp_path, backend, **{variable: address})
    assert f"before: False: unset {variable}\n" in said
    assert "after: True: " in said, said


def test_too_few_open_files(tmp_path: Path) -> None:
    need("prlimit", "crun")
    said = run(f"ulimit -Sn 80; ulimit -Hn 80; {FIXED}", tmp_path, "oci")
    assert "before: False: prlimit --pid $$ --nofile=1024:1024" in said
    if "Operation not permitted" in said:
        pytest.skip("root may not raise limits here (no CAP_SYS_RESOURCE)")
    assert "after: True: " in said, said


def test_no_runtime_on_path_names_the_package(tmp_path: Path) -> None:
    need("crun")
    (tmp_path / "bin").mkdir()
    for each in ("sh", "sed", "sleep", "apt-get"):
        (tmp_path / "bin" / each).symlink_to(shutil.which(each) or "/bin/true")
    script = FIXED.replace('eval "$(echo', "export PATH=$WHOLE; : $(: $(echo")
    said = run(
        script.replace('/sudo //")"', '/sudo //"))'),
        tmp_path,
        "oci",
        PATH=str(tmp_path / "bin"),
        WHOLE=os.environ["PATH"],
    )
    assert "before: False: apt-get install --yes crun" in said
    assert "after: True: " in said, said


@pytest.mark.skipif(os.geteuid() == 0, reason="of an ordinary user: scripts/rootless.sh")
@pytest.mark.parametrize("wrong", ["", "podman --runtime runc system service --time=0 $AT"])
def test_a_rootless_podman_gets_a_service_that_holds_limits(tmp_path: Path, wrong: str) -> None:
    """None is there; then one that leaves limits out."""
    if shutil.which("podman") is None:
        absent("no podman")
    runtime = tmp_path / "bin/magicrune-runtime"
    runtime.parent.mkdir()
    # Its own environment: conmon passes none on.
    path = os.environ.get("PYTHONPATH", "")
    words = f"{sys.executable} -m magicrune.backends.podman.runtime"
    runtime.write_text(f'#!/bin/sh\nexport PYTHONPATH={path}\nexec {words} "$@"\n')
    runtime.chmod(0o755)
    own = tmp_path / "run"
    (own / "podman").mkdir(parents=True, mode=0o700)
    own.chmod(0o700)
    there = "until [ -S $XDG_RUNTIME_DIR/podman/podman.sock ]; do sleep 0.2; done"
    start = f"{wrong} >/dev/null 2>&1 & {there}; "
    end = '; pkill -f "^[^ ]*podman .*system service.*$HERE"'
    said = run(
        (start if wrong else "") + FIXED + end,
        tmp_path,
        "podman",
        XDG_RUNTIME_DIR=str(own),
        AT=f"unix://{own}/podman/podman.sock",
        PATH=f"{runtime.parent}:{os.environ['PATH']}",
    )
    assert "before: False: " in said
    assert "magicrune-runtime system service" in said
    assert "after: True: " in said, said
