"""Container backends beside the bare engines, in one run.

    python -m tests.benchmarks.containers [ROUNDS]

Each round takes one measurement of each side in turn, so that a noisy minute hits all alike.
The table gives medians in ms, and the ratio to the bare engine. Needs root, the images
(``sh scripts/engines.sh``) and the engines; an absent one is left out, and that is said.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.conftest import make_spec
from tests.engines import IMAGE_HOME

os.environ["MAGICRUNE_HOME"] = str(IMAGE_HOME)

from magicrune.backends.oci.engine import OciEngine
from magicrune.backends.oci.hierarchy import read_hierarchy
from magicrune.backends.rune.backend import ContainerBackend

Act = Callable[[], object]
ECHO = make_spec("echo hi")
IMPORTS = make_spec("python3 -c 'import json, re, decimal, email, http.client, unittest, asyncio'")


def ours(runtime: str, spec: Any = ECHO) -> Act:
    backend = ContainerBackend(OciEngine(runtime))

    def run() -> object:
        seen = backend.run(spec)
        assert seen.exit_code == 0, seen
        return seen

    return run


@contextmanager
def bare(runtime: str, argv: list[str]) -> Iterator[Act]:
    """The runtime alone on the same root file system: no init, no watch, no limits asked for
    beyond those of the bundle."""
    backend = ContainerBackend(OciEngine(runtime))
    container, image = backend.prepare(ECHO)
    config = OciEngine(runtime).words(container, image)
    config["process"] |= {"args": argv, "user": {"uid": 65534, "gid": 65534}}
    del config["linux"]["cgroupsPath"]  # by the container's name, so that many can run
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "config.json").write_text(json.dumps(config))
        number = iter(range(1_000_000))
        words = [runtime, "run", "--bundle", place]
        if runtime == "crun" and read_hierarchy().unified_beside:
            script = 'umount /sys/fs/cgroup/unified && exec "$@"'
            words = ["unshare", "-m", "--propagation", "private", "sh", "-c", script, "-", *words]

        def run() -> object:
            name = f"bench-{os.getpid()}-{next(number)}"
            return subprocess.run(
                [*words, name], check=True, stdin=subprocess.DEVNULL, capture_output=True
            )

        yield run


_ULIMITS = [{"Name": name, "Soft": 1024, "Hard": 1024} for name in ("nofile", "nproc")]
"""Podman's defaults are refused where the hard limits are low."""


def of_engine(name: str) -> dict[str, Act]:
    """The engine's own SDK, one container for one command, beside ours. Same limits, no init."""
    engine = make_engine(name)
    backend = ContainerBackend(engine)
    image = backend.prepare(ECHO)[1].reference

    def run() -> object:
        if name == "docker":
            import docker

            client: Any = docker.from_env()
        else:
            from podman import PodmanClient

            client = PodmanClient(base_url="unix:///run/podman/podman.sock")
        with contextlib.closing(client):
            return client.containers.run(
                image,
                ["sh", "-c", "echo hi"],
                remove=True,
                network_mode="none",
                read_only=True,
                cap_drop=["ALL"],
                mem_limit="300m",
                pids_limit=64,
                **({} if name == "docker" else {"ulimits": _ULIMITS}),
            )

    return {f"{name} SDK one-shot": run, f"magicrune {name}": lambda: backend.run(ECHO)}


def make_engine(name: str) -> Any:
    if name == "docker":
        from magicrune.backends.docker.engine import DockerEngine

        return DockerEngine()
    from magicrune.backends.podman.engine import PodmanEngine

    return PodmanEngine()


def bwrap() -> Act:
    rootfs = ContainerBackend(OciEngine()).prepare(ECHO)[1].reference
    words = ["bwrap", "--ro-bind", rootfs, "/", "--proc", "/proc", "--dev", "/dev", "--unshare-all"]
    words += ["--tmpfs", "/tmp", "/bin/sh", "-c", "echo hi"]
    return lambda: subprocess.run(words, check=True, capture_output=True)


def medians(sides: dict[str, Act], rounds: int) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in sides}
    for act in sides.values():
        act()
    for _ in range(rounds):
        for name, act in sides.items():
            start = time.perf_counter()
            act()
            times[name].append((time.perf_counter() - start) * 1000)
    return {name: statistics.median(each) for name, each in times.items()}


def throughput(act: Act, jobs: int, threads: int) -> float:
    start = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda _: act(), range(jobs)))
    return jobs / (time.perf_counter() - start)


def unwatched(runtime: str, spec: Any) -> Act:
    """The same job, with init told to record nothing. Only the benchmark does this: the
    control `watch` is then not held, so it is taken out of what is required."""
    from magicrune.backends.rune import backend, record

    told = record.job_record
    require = backend.require_held
    act = ours(runtime, spec)

    def run() -> object:
        record.job_record = lambda each: told(each) + b"watch=0\0"
        backend.require_held = lambda found, *how: require(
            (r if r.control != "watch" else replace(r, held=True) for r in found), *how
        )
        try:
            return act()
        finally:
            record.job_record, backend.require_held = told, require

    return run


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    for runtime in ("crun", "runc"):
        if shutil.which(runtime) is None:
            print(f"{runtime}: absent, left out")
            continue
        with bare(runtime, ["/bin/sh", "-c", "echo hi"]) as alone:
            sides = {f"bare {runtime} run": alone, f"oci ({runtime})": ours(runtime)}
            if shutil.which("bwrap"):
                sides["bwrap"] = bwrap()
            found = medians(sides, rounds)
            together = throughput(alone, rounds * 8, 4)
        first = next(iter(found.values()))
        for name, ms in found.items():
            print(f"echo     {name:20} {ms:8.1f} ms  {ms / first:5.2f} x")
        for label, spec in (("echo", ECHO), ("imports", IMPORTS)):
            pair = {"unwatched": unwatched(runtime, spec), "watched": ours(runtime, spec)}
            got = medians(pair, rounds)
            ratio = got["watched"] / got["unwatched"]
            print(f"{label:8} {runtime} watched {got['watched']:.1f} ms, unwatched "
                  f"{got['unwatched']:.1f} ms  {ratio:5.2f} x")  # fmt: skip
        phases: dict[str, list[float]] = {}
        for _ in range(rounds):
            for phase, ms in ours(runtime)().timings.items():  # type: ignore[attr-defined]
                phases.setdefault(phase, []).append(ms)
        print(runtime, {name: round(statistics.median(each), 1) for name, each in phases.items()})
        mine = throughput(ours(runtime), rounds * 8, 4)
        print(f"{runtime} throughput at 4: {mine:.0f} jobs/s, bare {together:.0f}")
    for name in ("docker", "podman"):
        if not make_engine(name).probe().usable:
            print(f"{name}: not usable, left out")
            continue
        found = medians(of_engine(name), rounds)
        first = next(iter(found.values()))
        for side, ms in found.items():
            print(f"echo     {side:20} {ms:8.1f} ms  {ms / first:5.2f} x")


if __name__ == "__main__":
    main()
