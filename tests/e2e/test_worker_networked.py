"""A job that uses the network that it was granted, and whose worker is killed meanwhile: what it
did is counted by the servers that it reached."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from magicrune.images import store
from tests.engines import absent, container_backend, images_under
from tests.internet.addresses import ZONE
from tests.internet.internet import Internet, internet
from tests.internet.streams import DRIP
from tests.queue_bench import ALONE, Bench, document

pytestmark = pytest.mark.timeout(180)
ROOT = Path(__file__).parents[2]
PLACE = f"web.{ZONE}:{DRIP}"


@pytest.fixture(scope="module")
def net() -> Iterator[Internet]:
    with internet() as made:
        yield made


def policy(bench: Bench, net: Internet) -> str:
    text = (ROOT / "policies/container.policy.yml").read_text()
    grants = f'allow: ["{PLACE}"]\n    resolvers: ["{net.addresses.resolver4}"]'
    text = text.replace("allow: []", grants, 1).replace("image: python", "image: net", 1)
    path = bench.place / "net.policy.yml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ("repeatable", "without", "said", "visits"),
    [(False, (), "MR-4604", 1), (True, (), "green", 2), (False, ["unknown"], "green", 2)],
)
def test_a_networked_job_whose_worker_is_killed(
    bench: Bench,
    net: Internet,
    monkeypatch: pytest.MonkeyPatch,
    repeatable: bool,
    without: Sequence[str],
    said: str,
    visits: int,
) -> None:
    container_backend("oci", monkeypatch)
    if store.current("net") is None:
        absent("no image net: sh scripts/engines.sh")
    cache = str(images_under(bench.place))
    options = (*ALONE, "--policy", policy(bench, net), "--backend", "oci")
    visit = f"timeout 8 nc web.{ZONE} {DRIP} >/dev/null; echo seen"
    data = document(1, cmd=visit, timeout_sec=50, allow_net=[PLACE], repeatable=repeatable)
    hosts = (net.addresses.web4, net.addresses.web6)

    def count(of: Counter[tuple[str, int]]) -> int:
        return sum(of[host, DRIP] for host in hosts)

    net.clear()
    bench.worker(options=options, XDG_CACHE_HOME=cache)
    bench.publish(data)
    bench.until(lambda: count(net.tally.accepted) == 1, "the job is there")
    bench.workers[0].kill()
    bench.until(lambda: count(net.tally.open_now) == 0, "the job died with its worker", 6)
    bench.worker(without=without, options=options, XDG_CACHE_HOME=cache)
    bench.settled([data])
    assert (bench.outcome(), count(net.tally.accepted)) == (said, visits)
    if said == "green":
        ((_, answer),) = bench.answers()
        assert answer["stdout"] == "seen\n"
