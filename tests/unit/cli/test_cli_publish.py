"""What `publish` tells of requests that are queued where a later one fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from magicrune.cli import main
from magicrune.errors import DuplicateRequest, NoAnswer
from magicrune.worker.publisher import Publisher

SAMPLES = Path(__file__).parents[3] / "samples"


class Queue:
    """Takes one request, never answers, and knows all others already."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    async def publish(self, _request: Any, _data: bytes) -> str:
        if self.taken:
            raise DuplicateRequest("is queued", where="r_2")
        self.taken.append("r_1")
        return "r_1"

    async def answer(self, name: str, *_: Any) -> None:
        raise NoAnswer("no answer", where=name)

    async def close(self) -> None:
        return


@pytest.fixture(autouse=True)
def _queue(monkeypatch: pytest.MonkeyPatch) -> None:
    async def connected(_settings: Any) -> Queue:
        return Queue()

    monkeypatch.setattr(Publisher, "connected", connected)


@pytest.mark.parametrize("names", [("ok.json", "ok.json"), ("ok.json",)])
def test_what_is_queued_is_named_where_no_answer_is(
    names: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    files = [str(SAMPLES / name) for name in names]
    assert main(["publish", *files, "--wait", "1"]) == 4
    assert "queued, but no answer printed: r_1\n" in capsys.readouterr().err


def test_who_was_told_the_run_is_not_told_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["publish", str(SAMPLES / "ok.json"), str(SAMPLES / "ok.json")]) == 4
    told = capsys.readouterr()
    assert '{"run_id": "r_1", "queued": true}\n' in told.out
    assert "r_1" not in told.err
