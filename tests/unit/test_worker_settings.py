"""The worker's settings, its counts, and answers that must fit into a message."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from magicrune.errors import CliUsage, OutputFailed
from magicrune.result import SpellResult
from magicrune.worker.metrics import Metrics
from magicrune.worker.settings import WorkerSettings, table
from magicrune.worker.wire import dead_subject, fit, result_subject

ROOT = Path(__file__).parents[2]


def test_defaults_and_what_is_given() -> None:
    plain = WorkerSettings.from_environment({})
    assert (plain.url, plain.subject) == ("nats://127.0.0.1:4222", "run.req.default")
    assert (plain.ack_wait, plain.max_ack_pending, plain.metrics_every) == (30.0, 2048, 100)
    given = WorkerSettings.from_environment(
        {"NATS_URL": "nats://a", "MAGICRUNE_TEST_DELAY_MS_JITTER": "200..=800"}, url="nats://b"
    )
    assert (given.url, given.test_delay_jitter) == ("nats://b", (200, 800))
    assert (given.result_stream, given.dead_stream, given.bucket) == (
        "RUN_RES",
        "RUN_DLQ",
        "RUN_CLAIMS",
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NATS_ACK_WAIT_SEC", "0"),
        ("NATS_ACK_WAIT_SEC", "nan"),
        ("NATS_ACK_WAIT_SEC", "-1"),
        ("NATS_MAX_ACK_PENDING", "1.5"),
        ("NATS_STREAM", "a.b"),
        ("NATS_STREAM", "a b"),
        ("NATS_DURABLE", "*"),
        ("NATS_REQ_SUBJ", "run.req"),
        ("NATS_REQ_SUBJ", "run.req.>"),
        ("NATS_REQ_SUBJ", "other.req.x"),
        ("MAGICRUNE_DEDUPE_MAX", "5"),
        ("MAGICRUNE_LOG_JSON", "yes"),
        ("MAGICRUNE_TEST_DELAY_MS_JITTER", "800..=200"),
    ],
)
def test_a_bad_value_names_its_variable(name: str, value: str) -> None:
    with pytest.raises(CliUsage, match=name):
        WorkerSettings.from_environment({name: value})


def test_every_variable_is_documented() -> None:
    text = (ROOT / "docs" / "worker.md").read_text()
    for name, default, meaning in table():
        assert f"| `{name}` | {default} | {meaning} |" in text


def test_subjects() -> None:
    assert result_subject("r_1") == "run.res.r_1"
    assert dead_subject("run.req.other") == "run.dlq.other"


def result(stdout: str, artifacts: list[dict[str, Any]]) -> SpellResult:
    sha = "0" * 64
    usage = dict.fromkeys("cpu_ms memory_peak_bytes processes tmp_peak_bytes files_peak".split())
    return SpellResult.model_validate_json(
        json.dumps(
            {
                "run_id": "r_" + "0" * 32,
                "attempt": 1,
                "verdict": "green",
                "risk_score": 0,
                "executed": True,
                "ending": "exited",
                "exit_code": 0,
                "duration_ms": 1,
                "stdout": stdout,
                "stdout_encoding": "utf-8",
                "stdout_trunc": False,
                "stderr": "",
                "stderr_encoding": "utf-8",
                "stderr_trunc": False,
                "withheld": False,
                "quarantine": None,
                "findings": [],
                "usage": {"wall_ms": 1, "output_bytes": 0, **usage},
                "artifacts": artifacts,
                "artifacts_skipped": [],
                "backend": "wasi",
                "enforcement": [],
                "seed": None,
                "request_sha256": sha,
                "policy_sha256": sha,
                "policy_id": "default",
                "image_digest": None,
                "output_sha256": sha,
                "timings": {},
            }
        )
    )


def artifact(path: str, size: int) -> dict[str, Any]:
    content = base64.b64encode(b"x" * size).decode()
    return {"path": path, "size": size, "sha256": "0" * 64, "content_b64": content}


def test_what_fits_is_left_alone() -> None:
    whole = result("hello", [artifact("/a", 100)])
    assert json.loads(fit(whole, 1 << 20))["artifacts"][0]["content_b64"]


def test_large_artifacts_go_first_and_keep_their_hash() -> None:
    told = json.loads(fit(result("hello", [artifact("/a", 100), artifact("/b", 90_000)]), 50_000))
    small, large = told["artifacts"]
    assert small["content_b64"] is not None
    assert (large["content_b64"], large["size"]) == (None, 90_000)
    assert (told["stdout"], told["stdout_trunc"]) == ("hello", False)


@pytest.mark.parametrize("text", ["a" * 200_000, "\x00" * 200_000, "\U0001f600" * 100_000])
def test_output_is_cut_and_told_so(text: str) -> None:
    document = fit(result(text, []), 60_000)
    told = json.loads(document)
    assert len(document) <= 60_000
    assert told["stdout_trunc"] is True
    assert text.startswith(told["stdout"])


def test_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    metrics = Metrics(2, str(tmp_path / "m.json"), str(tmp_path / "m.prom"))
    for event, verdict in [("done", "green"), ("known", None), ("run", None), ("done", "red")]:
        metrics.count(event, verdict)
    assert capsys.readouterr().err == "magicrune: processed=2 dupes=1 reds=1\n"
    assert json.loads((tmp_path / "m.json").read_text())["red"] == 1
    assert "magicrune_worker_duplicates_total 1\n" in (tmp_path / "m.prom").read_text()


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputFailed, match=r"no/m\.json"):
        Metrics(1, str(tmp_path / "no" / "m.json"), "").write()


@pytest.mark.parametrize("url", ["foo://bar", "http://x y", "nats://", "nats://a,,nats://b", "a b"])
def test_an_address_that_nobody_can_reach_is_refused(url: str) -> None:
    with pytest.raises(CliUsage, match="must be nats://HOST:PORT"):
        WorkerSettings.from_environment({"NATS_URL": url})


@pytest.mark.parametrize(
    "url",
    ["127.0.0.1", "nats://u:p@h.example.com:4222", "tls://a:1, tls://b:2", "wss://[::1]:8/"],
)
def test_addresses_of_servers(url: str) -> None:
    assert WorkerSettings.from_environment({"NATS_URL": url}).url == url
