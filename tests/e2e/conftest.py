"""What the end-to-end tests share: a queue each, and scenarios that run beside each other."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.queue_bench import bench_at

_AT_A_TIME = int(os.environ.get("MAGICRUNE_TEST_SCENARIOS") or 4)
_POOL = ThreadPoolExecutor(_AT_A_TIME, "scenario")
_begun: dict[str, Future[None]] = {}
_NEEDS = {"bench", "compiled", "module_cache", "tmp_path", "tmp_path_factory", "request"}
"""What `bench` itself needs; a test with more than a bench and its parameters is no scenario."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "together: the module's scenarios run beside each other")


def _is_scenario(item: pytest.Item) -> bool:
    """Whether it needs nothing but a bench: it mostly waits, so others may run meanwhile."""
    if not isinstance(item, pytest.Function) or item.get_closest_marker("together") is None:
        return False
    return set(item.fixturenames) - set(_given(item)) <= _NEEDS


@pytest.fixture(scope="session")
def compiled(module_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache with the shell in it: else the first scenarios all compile it at a time."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MAGICRUNE_")}
    homes = {"XDG_CACHE_HOME": module_cache, "XDG_STATE_HOME": tmp_path_factory.mktemp("state")}
    words = [sys.executable, "-m", "magicrune", "exec", "-f", "samples/ok.json"]
    env = kept | {name: str(path) for name, path in homes.items()}
    subprocess.run(words, env=env, check=True, stdout=subprocess.DEVNULL)
    return module_cache


@pytest.fixture
def bench(request: pytest.FixtureRequest, tmp_path: Path, compiled: Path) -> Iterator[Any]:
    """A queue with a server of its own that runs; no worker yet."""
    if _is_scenario(request.node):
        yield tmp_path.parent, compiled  # for the benches of all of them
        return
    with bench_at(tmp_path, compiled) as made:
        yield made


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Ends a scenario; the first of a module begins all of it that were selected."""
    if not _is_scenario(pyfuncitem):
        return None
    places, cache = pyfuncitem.funcargs["bench"]
    if getattr(pyfuncitem, "execution_count", 1) > 1:  # tried once more (tests/conftest.py)
        _play(pyfuncitem, Path(tempfile.mkdtemp(dir=places, prefix="again")), cache)
        return True
    for item in pyfuncitem.session.items:
        same = item.path == pyfuncitem.path and _is_scenario(item)
        if same and isinstance(item, pytest.Function) and item.nodeid not in _begun:
            place = places / f"scenario{len(_begun)}"
            place.mkdir()
            _begun[item.nodeid] = _POOL.submit(_play, item, place, cache)
    _begun[pyfuncitem.nodeid].result()
    return True


def _play(item: pytest.Function, place: Path, cache: Path) -> None:
    with bench_at(place, cache) as made:
        item.obj(bench=made, **_given(item))


def _given(item: pytest.Function) -> dict[str, Any]:
    return dict(item.callspec.params) if hasattr(item, "callspec") else {}


def pytest_sessionfinish() -> None:
    _POOL.shutdown(cancel_futures=True)
