"""SpellResult: one shape, nothing red in it, nothing lost, nothing a terminal interprets."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magicrune.cli_report import report
from magicrune.errors import BackendFailed, PolicyViolation, ResultInvalid
from magicrune.fault import error_document
from magicrune.grade import Verdict
from magicrune.observation import (
    Artifact,
    ConnectionRecord,
    ControlReading,
    Ending,
    NetUsage,
    Observation,
    Usage,
)
from magicrune.result import (
    Provenance,
    SpellResult,
    build_result,
    output_sha256,
    refusal_result,
    to_json,
)
from magicrune.rules import Finding
from magicrune.spec import ContainerSpec, Limits

RUN_ID = "r_" + "5" * 32
SPEC = ContainerSpec(
    run_id=RUN_ID,
    argv=("sh", "-c", "true"),
    env=(),
    stdin=b"",
    files=(),
    cwd="/workspace",
    mounts=(),
    limits=Limits(1000, 1000, 1 << 26, 16, 1 << 16, 1 << 20, 100, 64, 1 << 16),
    seed=7,
)
FILE = Artifact("/workspace/out/a", 3, hashlib.sha256(b"abc").hexdigest(), b"abc")
OBSERVED = Observation(
    backend="fake",
    ending=Ending.EXITED,
    exit_code=3,
    signal=None,
    stdout=b"hello\n",
    stderr=b"",
    stdout_truncated=False,
    stderr_truncated=True,
    events=(),
    event_counts={},
    telemetry_complete=True,
    artifacts=(FILE,),
    artifacts_skipped=(("/workspace/out/link", "symlink"),),
    usage=Usage(5.00049, 4.0, None, 1, None, None, 6),
    enforcement=(ControlReading("net", "none", "no network", "no network", True),),
    image_digest="0" * 64,
    timings={"run": 4.25},
)
FROM = Provenance(RUN_ID, "a" * 64, "b" * 64, "default", 7)
GREEN = Verdict("green", 0, ())
RED = Verdict("red", 70, (Finding("net-intent", 40, "connect at 0 ms: x"),))


def build(
    observation: Observation = OBSERVED, verdict: Verdict = GREEN, **changes: Any
) -> SpellResult:
    options = {"attempt": 1, "quarantine": None, "timings": {"grade": 0.1}} | changes
    return build_result(SPEC, observation, verdict, FROM, **options)


def test_green_result_tells_everything() -> None:
    result = json.loads(to_json(build()))
    assert result["schema_version"] == "1"
    assert (result["run_id"], result["attempt"], result["seed"]) == (RUN_ID, 1, 7)
    assert (result["verdict"], result["risk_score"], result["exit_code"]) == ("green", 0, 3)
    assert (result["stdout"], result["stdout_encoding"]) == ("hello\n", "utf-8")
    assert (result["stdout_trunc"], result["stderr_trunc"]) == (False, True)
    assert (result["withheld"], result["quarantine"], result["error"]) == (False, None, None)
    assert base64.b64decode(result["artifacts"][0]["content_b64"]) == b"abc"
    assert result["artifacts_skipped"] == [{"path": "/workspace/out/link", "reason": "symlink"}]
    assert result["enforcement"][0]["held"] is True
    assert result["timings"] == {"run": 4.25, "grade": 0.1}
    assert result["usage"]["wall_ms"] == result["duration_ms"] == 5.0
    assert result["ending"] == "exited"
    assert result["request_sha256"] == "a" * 64


def test_json_is_one_line_of_ascii_and_comes_back_equal() -> None:
    result = build(replace(OBSERVED, stdout="\x1b[2J\x7f\x9b é\u202e\n".encode()))
    document = to_json(result)
    assert document.endswith(b"\n")
    assert document.count(b"\n") == 1
    assert all(32 <= byte < 127 for byte in document[:-1])
    assert SpellResult.model_validate_json(document) == result


def test_red_result_carries_no_output() -> None:
    secret = b"TOP-SECRET"
    artifact = Artifact("/workspace/out/TOP-SECRET", 10, hashlib.sha256(secret).hexdigest(), secret)
    observed = replace(
        OBSERVED,
        stdout=secret,
        stderr=secret,
        artifacts=(artifact,),
        artifacts_skipped=(("/workspace/out/TOP-SECRET-2", "symlink"),),
    )
    document = to_json(build(observed, RED, quarantine=Path("/state/quarantine/x/1")))
    assert secret not in document
    assert base64.b64encode(secret) not in document
    result = json.loads(document)
    assert result["withheld"] is True
    assert result["quarantine"] == "/state/quarantine/x/1"
    assert (result["stdout"], result["stderr"], result["artifacts"]) == (None, None, [])
    assert secret in to_json(build(observed, GREEN)), "the same output shows where it is green"


def test_red_result_without_quarantine_is_refused() -> None:
    with pytest.raises(ResultInvalid, match="quarantine"):
        build(OBSERVED, RED)


def test_yellow_result_keeps_its_output() -> None:
    yellow = Verdict("yellow", 25, (Finding("limit-hit", 25, "limit at 9 ms: wall"),))
    result = build(OBSERVED, yellow)
    assert (result.stdout, result.withheld, result.findings[0].rule) == (
        "hello\n",
        False,
        "limit-hit",
    )


@given(st.binary(max_size=60))
def test_output_is_lossless(data: bytes) -> None:
    result = json.loads(to_json(build(replace(OBSERVED, stdout=data))))
    if result["stdout_encoding"] == "base64":
        assert base64.b64decode(result["stdout"]) == data
        with pytest.raises(UnicodeDecodeError):
            data.decode()
    else:
        assert result["stdout"].encode() == data


def test_paths_that_are_not_unicode_are_escaped() -> None:
    odd = replace(FILE, path="/workspace/out/\udcff")
    result = json.loads(to_json(build(replace(OBSERVED, artifacts=(odd,)))))
    assert result["artifacts"][0]["path"] == "/workspace/out/\\xff"


@pytest.mark.parametrize(
    "changes",
    [
        {"usage": replace(OBSERVED.usage, wall_ms=float("nan"))},
        {"usage": replace(OBSERVED.usage, processes=-1)},
        {"artifacts": (replace(FILE, sha256="none"),)},
        {"timings": {"run": float("inf")}},
    ],
)
def test_nonsense_is_no_result(changes: dict[str, Any]) -> None:
    with pytest.raises(ResultInvalid) as caught:
        build(replace(OBSERVED, **changes))
    assert caught.value.exit_code == 2


def test_result_of_another_run_is_refused() -> None:
    with pytest.raises(ResultInvalid, match="was run"):
        build_result(replace(SPEC, run_id="r_" + "6" * 32), OBSERVED, GREEN, FROM, attempt=1)


def test_to_json_checks_again() -> None:
    good = build()
    assert to_json(good)
    for update in ({"risk_score": 101}, {"verdict": "red"}, {"run_id": "../x"}, {"stdout": None}):
        with pytest.raises(ResultInvalid):
            to_json(good.model_copy(update=update))


def test_refusal_is_red_and_not_executed() -> None:
    violation = PolicyViolation("network to evil.example\x1b is not granted", where="request.cmd")
    result = refusal_result(violation, FROM, backend="wasi")
    document = json.loads(to_json(result))
    assert (document["verdict"], document["executed"], document["ending"]) == (
        "red",
        False,
        "policy_denied",
    )
    assert document["error"]["code"] == "MR-3001"
    assert "evil.example" in document["error"]["message"]
    assert (document["exit_code"], document["stdout"], document["attempt"]) == (None, None, 0)
    assert document["findings"][0]["rule"] == "policy-violation"
    assert document["withheld"] is False


def test_error_document_is_no_result() -> None:
    error = BackendFailed("broke\x1b[31m", where="wasi", hint="try again")
    document = error_document(error, run_id=RUN_ID)
    assert document == {
        "error": {
            "code": "MR-4102",
            "message": "broke\\x1b[31m",
            "where": "wasi",
            "hint": "try again",
            "retryable": True,
        },
        "run_id": RUN_ID,
    }


def test_output_hash_is_the_documented_encoding() -> None:
    fields = [b"hello\n", b"whole", b"", b"cut", b"3", b"1", b"/workspace/out/a", b"3"]
    fields.append(FILE.sha256.encode())
    encoded = b"magicrune-output-1\n"
    encoded += b"".join(len(field).to_bytes(8, "big") + field for field in fields)
    assert output_sha256(OBSERVED) == hashlib.sha256(encoded).hexdigest()


def test_output_hash_ignores_time_and_order_but_no_output() -> None:
    other = Artifact("/workspace/out/b", 0, hashlib.sha256(b"").hexdigest(), b"")
    base = replace(OBSERVED, artifacts=(FILE, other))
    same = replace(
        base,
        artifacts=(other, replace(FILE, content=None)),
        timings={},
        usage=Usage(99.0, None, None, None, None, None, 6),
    )
    assert output_sha256(same) == output_sha256(base)
    different = [
        replace(base, stdout=b"", stderr=b"hello\n"),
        replace(base, exit_code=None),
        replace(base, exit_code=4),
        replace(base, stdout_truncated=True),
        replace(base, artifacts=(FILE,)),
        replace(base, artifacts=(FILE, replace(other, path="/workspace/out/c"))),
        replace(base, stdout=b"hell", stderr=b"o\n"),
    ]
    hashes = {output_sha256(each) for each in [base, *different]}
    assert len(hashes) == len(different) + 1


NETWORK = NetUsage(
    connections=(
        ConnectionRecord("a.example", "192.0.2.1", 443, 10, 20, 3, 40, "closed"),
        ConnectionRecord(None, "192.0.2.2", 80, 0, 0, 5, 1, "failed"),
    ),
    connections_total=2,
    failed=1,
    refused=3,
    open_peak=1,
    sent_bytes=10,
    received_bytes=20,
    names=1,
    queries=4,
)


def test_connections_are_told() -> None:
    told = json.loads(to_json(build(replace(OBSERVED, network=NETWORK))))["network"]
    assert told["connections"][0]["name"] == "a.example"
    assert (told["connections_total"], told["refused"], told["queries"]) == (2, 3, 4)
    assert json.loads(to_json(build()))["network"] is None


def test_a_person_is_told_where_it_went() -> None:
    text = report(build(replace(OBSERVED, network=NETWORK)))
    assert "network: 2 connections (1 failed), 3 refused, 10 bytes sent, 20 received" in text
    assert "a.example port 443, 192.0.2.2 port 80" in text
    many = tuple(replace(NETWORK.connections[0], port=port) for port in range(1, 9))
    text = report(build(replace(OBSERVED, network=replace(NETWORK, connections=many))))
    assert "a.example port 5, 3 more" in text
    assert "network" not in report(build())
