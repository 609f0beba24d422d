"""The host's side of rune-init's protocol: what is sent, what is taken, what is refused."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from struct import pack
from typing import Any, ClassVar

import pytest

from magicrune.backends.rune.channel import Channel, DeadlinePassed
from magicrune.backends.rune.events import count_events, is_complete, read_events
from magicrune.backends.rune.frames import FRAME_MAX, Decoder, Frame, FrameInvalid, encode
from magicrune.backends.rune.outcome import read_outcome
from magicrune.backends.rune.record import job_record, setup_frames
from magicrune.backends.rune.session import converse
from magicrune.backends.rune.spent import read_spent
from magicrune.backends.rune.transcript import Transcript
from magicrune.errors import BackendBroken, BackendFailed, ControlNotHeld
from magicrune.observation import Ending, EventKind
from magicrune.spec import Mount
from tests.conftest import make_spec

REPORT: dict[str, Any] = {
    "reason": "exited",
    "exit": 0,
    "signal": None,
    "wall_us": 12_000,
    "cpu_us": 3000,
    "ordered_us": None,
    "ordered_cpu_us": None,
    "memory_peak_bytes": 1 << 20,
    "oom_kills": 0,
    "pids_hits": 0,
    "processes": 2,
    "tmp": [{"path": "/tmp", "bytes": 4096, "files": 2, "full": False, "no_files": False}],
    "watched": True,
    "watch_lost": False,
    "events": {"exec": 2, "misc": 0},
    "dropped": {"exec": 0, "fork": 0},
    "survivors": 0,
    "stdout_cut": False,
    "stderr_cut": False,
}


@pytest.fixture(autouse=True)
def _no_init_is_left() -> Iterator[None]:
    yield
    while Init.started:
        Init.started.pop().end()


def frame(kind: str, payload: bytes = b"") -> bytes:
    return pack("<BI", ord(kind), len(payload)) + payload


def told(kind: str, value: object) -> bytes:
    return frame(kind, json.dumps(value).encode())


# -- frames ---------------------------------------------------------------------------------


def test_frames_are_found_in_any_pieces() -> None:
    stream = frame("O", b"abc") + frame("X", b"{}") + frame("E", b"")
    for size in (1, 2, 7, len(stream)):
        decoder = Decoder()
        found = [
            each
            for start in range(0, len(stream), size)
            for each in decoder.feed(stream[start : start + size])
        ]
        assert found == [Frame("O", b"abc"), Frame("X", b"{}"), Frame("E", b"")]


@pytest.mark.parametrize("header", [pack("<BI", ord("Q"), 0), pack("<BI", ord("O"), 65_537)])
def test_a_header_that_init_never_sends_is_refused_before_its_payload(header: bytes) -> None:
    with pytest.raises(FrameInvalid):
        list(Decoder().feed(header))


def test_too_long_a_frame_cannot_be_sent() -> None:
    assert len(encode("W", b"x" * FRAME_MAX)) == FRAME_MAX + 5
    with pytest.raises(ValueError, match="at most"):
        encode("W", b"x" * (FRAME_MAX + 1))


# -- the record -------------------------------------------------------------------------------


def sent(spec: Any) -> list[tuple[str, bytes]]:
    whole = b"".join(setup_frames(spec))
    found = []
    while whole:
        size = int.from_bytes(whole[1:5], "little")
        found.append((chr(whole[0]), whole[5 : 5 + size]))
        whole = whole[5 + size :]
    return found


def test_setup_measures_first_and_tells_the_job_last() -> None:
    big = b"y" * (2 * FRAME_MAX)
    spec = make_spec(
        "true",
        files={"/workspace/a": b"A", "/data/b": big},
        mounts=(Mount("/workspace"), Mount("/data", writable=False)),
    )
    frames = sent(spec)
    assert "".join(kind for kind, _ in frames) == "MDDWWAAJ"
    assert frames[1][1] == b"1777 0 0 /workspace\0"
    assert frames[2][1] == b"755 0 0 /data\0"
    assert frames[3][1] == b"755 65534 65534 /workspace/a\0A"
    assert frames[4][1].startswith(b"755 0 0 /data/b\0y")
    content = frames[4][1].partition(b"\0")[2] + frames[5][1] + frames[6][1]
    assert content == big


def test_a_file_outside_every_directory_is_our_failure() -> None:
    with pytest.raises(BackendFailed, match="no directory"):
        sent(make_spec("true", files={"/etc/x": b""}))


def test_the_record_holds_the_limits() -> None:
    record = job_record(make_spec("echo hi", wall_ms=1500, open_files=99)).split(b"\0")
    assert {b"arg=sh", b"arg=-c", b"arg=echo hi", b"wall_ms=1500", b"nofile=99"} <= set(record)
    assert {b"uid=65534", b"gid=65534", b"tmp=/tmp", b"sensitive=/etc/shadow"} <= set(record)


def test_what_no_record_can_say_is_refused() -> None:
    with pytest.raises(BackendFailed, match="NUL"):
        job_record(make_spec("a\0uid=0"))
    with pytest.raises(BackendFailed, match="at most"):
        job_record(make_spec("x" * FRAME_MAX))


# -- the dialogue -----------------------------------------------------------------------------


class Init(threading.Thread):
    """Plays init: reads up to a frame type, then says what it was given."""

    started: ClassVar[list[Init]] = []

    def __init__(self, *acts: tuple[str, bytes]) -> None:
        super().__init__(daemon=True)
        self.host, self.own = socket.socketpair()
        self.acts = acts
        self.heard = b""
        self.started.append(self)
        self.start()

    def end(self) -> None:
        self.host.close()
        self.join(5)

    def run(self) -> None:
        with self.own:
            for awaited, answer in self.acts:
                while awaited and awaited.encode() not in self.kinds():
                    if not self.hear():
                        return
                self.own.sendall(answer)
            self.own.shutdown(socket.SHUT_WR)
            while self.hear():
                pass

    def hear(self) -> bytes:
        try:
            data = self.own.recv(65536)
        except OSError:
            data = b""
        self.heard += data
        return data

    def kinds(self) -> bytes:
        rest, found = self.heard, b""
        while len(rest) >= 5:
            found += rest[:1]
            rest = rest[5 + int.from_bytes(rest[1:5], "little") :]
        return found


READY = told("R", {"protocol": 1})
CONTROLS = told("C", {"stage": "container"}) + told("C", {"stage": "job"})


def test_the_job_goes_only_after_both_stages_were_approved() -> None:
    init = Init(("", READY), ("J", CONTROLS), ("Z", frame("O", b"out") + told("X", REPORT)))
    seen: list[Any] = []

    def approve(container: Any, job: Any) -> None:
        seen.extend([container["stage"], job["stage"]])
        assert b"G" not in init.kinds()

    transcript = converse(Channel(init.host), make_spec("true", stdin=b"in"), approve)
    assert seen == ["container", "job"]
    assert bytes(transcript.stdout) == b"out"
    assert init.kinds().endswith(b"JGIZ")


def test_a_refused_control_lets_nothing_go() -> None:
    init = Init(("", READY), ("J", CONTROLS), ("Z", told("X", REPORT)))

    def refuse(container: Any, job: Any) -> None:
        raise ControlNotHeld("no")

    channel = Channel(init.host)
    with pytest.raises(ControlNotHeld):
        converse(channel, make_spec("true"), refuse)
    channel.close()
    init.join(5)
    assert b"G" not in init.kinds()


def test_without_a_job_the_container_is_judged() -> None:
    """A container that lacks a control often cannot make the job: that is what is told then."""
    failed = told("!", {"code": "E_SPAWN", "text": "t", "errno": 38})
    container = told("C", {"stage": "container"})

    def refuse(container: Any, job: Any) -> None:
        assert (container, job) == ({"stage": "container"}, None)
        raise ControlNotHeld("control namespaces is not held")

    with pytest.raises(ControlNotHeld, match="namespaces"):
        converse(Channel(Init(("", READY + container + failed)).host), make_spec("true"), refuse)
    init = Init(("", READY + container + failed))
    with pytest.raises(BackendFailed, match="E_SPAWN"):
        converse(Channel(init.host), make_spec("true"), lambda c, j: None)


@pytest.mark.parametrize(
    ("said", "error", "text"),
    [
        (b"", BackendFailed, "ended before"),
        (told("R", {"protocol": 2}), BackendBroken, "protocol 2"),
        (READY + told("X", REPORT), BackendBroken, "does not speak"),
        (frame("R", b"nonsense"), BackendBroken, "does not speak"),
        (READY + told("!", {"code": "E_FILTER", "text": "t", "errno": 1}), ControlNotHeld, "E_FI"),
        (READY + told("!", {"code": "E_EXEC", "text": "sh", "errno": 2}), BackendBroken, "E_EXEC"),
        (READY + told("!", {"code": "E_EXEC", "text": "sh", "errno": 12}), BackendFailed, "E_EXEC"),
        (READY + told("!", {"code": "E_SPAWN", "text": "c", "errno": 11}), BackendFailed, "E_SPA"),
        (READY + told("!", {"code": "E_STATE", "text": "", "errno": 110}), BackendFailed, "E_STA"),
        (READY + told("!", {"code": "E_STATE", "text": "", "errno": 71}), BackendBroken, "E_STATE"),
    ],
)
def test_what_breaks_before_the_job_is_our_failure(said: bytes, error: Any, text: str) -> None:
    with pytest.raises(error, match=text) as caught:
        converse(Channel(Init(("", said)).host), make_spec("true"), lambda c, j: None)
    assert type(caught.value) is error


@pytest.mark.parametrize(
    "said",
    [
        b"",
        frame("O", b"some"),
        frame("Q", b""),
        frame("O", b"12345678901"),
        frame("f", b"x"),
        frame("F", pack("<Q", 1) + b"a\0toolong"),
        frame("F", pack("<Q", 1)),
        told("L", {}) * 2001,
        frame("X", b"["),
    ],
)
def test_an_init_that_the_job_took_leaves_no_report(said: bytes) -> None:
    init = Init(("", READY), ("J", CONTROLS), ("Z", said))
    spec = make_spec("true", output_bytes=10)
    assert converse(Channel(init.host), spec, lambda c, j: None).report is None


def test_a_silent_other_side_is_left_at_the_deadline() -> None:
    ours, theirs = socket.socketpair()
    with theirs, pytest.raises(DeadlinePassed):
        Channel(ours).next(time.monotonic() + 0.05)
    ours.close()


def test_sending_and_hearing_do_not_wait_for_each_other() -> None:
    ours, theirs = socket.socketpair()
    channel = Channel(ours)
    channel.queue(b"z" * (8 << 20))
    got = bytearray()

    def other() -> None:
        theirs.sendall(frame("O", b"o" * 65_536) * 100)
        while len(got) < 8 << 20:
            got.extend(theirs.recv(1 << 20))
        theirs.sendall(frame("X", b"{}"))

    thread = threading.Thread(target=other)
    thread.start()
    kinds = ""
    while "X" not in kinds:
        found = channel.next(time.monotonic() + 20)
        assert found is not None
        kinds += found.kind
    thread.join()
    assert (len(kinds), len(got)) == (101, 8 << 20)
    channel.close()
    theirs.close()


# -- what came of it ----------------------------------------------------------------------------


def transcript_of(*frames: tuple[str, bytes]) -> Transcript:
    transcript = Transcript(make_spec("true").limits, "/workspace/out")
    for kind, payload in frames:
        transcript.take(Frame(kind, payload))
    return transcript


def test_artifacts_are_put_together() -> None:
    transcript = transcript_of(
        ("F", pack("<Q", 4) + b"/workspace/out/b\0ab"),
        ("f", b"cd"),
        ("H", pack("<Q", 9) + bytes(32) + b"/workspace/out/a\0"),
        ("F", pack("<Q", 5) + b"/workspace/out/short\0ab"),
        ("S", b"symlink\0/workspace/out/l\0"),
    )
    found = transcript.artifacts()
    assert [(a.path, a.size, a.content) for a in found] == [("a", 9, None), ("b", 4, b"abcd")]
    assert transcript.skipped == [("l", "symlink"), ("short", "changed")]


@pytest.mark.parametrize(
    ("changes", "ending", "limits"),
    [
        ({}, Ending.EXITED, []),
        ({"exit": 3}, Ending.EXITED, []),
        ({"exit": None, "signal": 9}, Ending.SIGNALLED, []),
        ({"exit": None, "signal": 9, "oom_kills": 2}, Ending.OOM, ["memory"]),
        ({"oom_kills": 2}, Ending.EXITED, ["memory"]),
        ({"exit": 2, "pids_hits": 7}, Ending.PIDS_LIMIT, ["pids"]),
        ({"reason": "wall", "exit": None, "signal": 9}, Ending.TIMEOUT, ["wall"]),
        ({"reason": "cpu", "exit": None, "signal": 9}, Ending.CPU_LIMIT, ["cpu"]),
        ({"reason": "output", "exit": None, "signal": 9}, Ending.OUTPUT_LIMIT, ["output"]),
        ({"reason": "killed", "exit": None, "signal": 9}, Ending.INFRA_ERROR, []),
        # Which limit of the network it was, the broker tells.
        ({"reason": "net", "exit": None, "signal": 9}, Ending.NET_LIMIT, []),
        ({"reason": "denied", "exit": None, "signal": 9}, Ending.POLICY_DENIED, []),
    ],
)
def test_endings(changes: dict[str, Any], ending: Ending, limits: list[str]) -> None:
    outcome = read_outcome({**REPORT, **changes}, 0)
    assert outcome.ending is ending
    assert [event.detail["limit"] for event in outcome.limit_events] == limits


@pytest.mark.parametrize(("reason", "ordered", "held"), [
    ("wall", 20_000_000, True),  # ordered in time; a loaded machine took long to end it
    ("wall", 29_000_000, False),
    ("exited", None, False),
])  # fmt: skip
def test_time_is_judged_by_the_order_to_end(reason: str, ordered: int | None, held: bool) -> None:
    changes = {"reason": reason, "wall_us": 30_000_000, "ordered_us": ordered}
    if ordered is not None:
        changes |= {"exit": None, "signal": 9, "ordered_cpu_us": 0}
    outcome = read_outcome({**REPORT, **changes}, 0)
    readings = {each.control: each.held for each in read_spent(make_spec("true").limits, outcome)}
    assert readings == {"wall_time": held, "cpu_time": True, "output": True}


@pytest.mark.parametrize(
    "key", ["reason", "exit", "wall_us", "tmp", "oom_kills", "cpu_us", "ordered_us"]
)
def test_a_report_that_lacks_something_is_none(key: str) -> None:
    with pytest.raises(FrameInvalid):
        read_outcome({name: value for name, value in REPORT.items() if name != key}, 0)


def test_events_are_read() -> None:
    lines = [
        {"t": 1, "k": "exec", "pid": 2, "path": "/bin/x", "argv": ["x", "å".encode().decode(
            "latin-1"), "a b"], "cut": True, "outcome": "ok"},
        {"t": 2, "k": "open_write", "pid": 2, "path": "/data/x", "flags": 1},
        {"t": 3, "k": "open_write", "pid": 2, "path": "/tmp/x", "flags": 1},
    ]  # fmt: skip
    mounts = (Mount("/tmp"), Mount("/data", writable=False))
    events = list(read_events(lines, mounts))
    assert events[0].detail == {"path": "/bin/x", "argv": "x 'å' 'a b'", "cut": 1, "outcome": "ok"}
    assert [event.kind for event in events[1:]] == [EventKind.DENIED, EventKind.OPEN_WRITE]
    assert events[1].detail["op"] == "open_write"
    counts = count_events({"exec": 9, "misc": 0}, events)
    assert counts == {EventKind.EXEC: 9, EventKind.DENIED: 1, EventKind.OPEN_WRITE: 1}


@pytest.mark.parametrize("line", [{}, {"t": 1, "k": "unheard"}, {"t": 1, "k": "exec", "x": [1.5]}])
def test_events_that_init_never_writes(line: dict[str, Any]) -> None:
    with pytest.raises(FrameInvalid):
        list(read_events([line], ()))


@pytest.mark.parametrize(
    ("changes", "complete"),
    [
        ({}, True),
        ({"dropped": {"fork": 3}}, True),
        ({"dropped": {"exec": 1}}, False),
        ({"watch_lost": True}, False),
        ({"watched": False}, False),
    ],
)
def test_whether_the_record_is_complete(changes: dict[str, Any], complete: bool) -> None:
    assert is_complete({**REPORT, **changes}) is complete
