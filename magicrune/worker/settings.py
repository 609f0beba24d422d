"""What the worker and the publisher can be told, from the environment: one class, one table."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from magicrune.errors import CliUsage

_SERVER = re.compile(r"(?:(?:nats|tls|ws|wss)://)?[^\s/,]+/?")


def _setting(name: str, default: Any, read: Callable[[str], Any], text: str) -> Any:
    meta = {"name": name, "read": read, "text": text}
    return field(default=default, metadata=meta)


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(text)

    return read


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 86_400:
        raise ValueError("must be seconds, more than 0, at most 86400")
    return value


def _switch(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError("must be 0 or 1")
    return text == "1"


def _token(text: str) -> str:
    """A name that NATS takes for streams and consumers."""
    if not text or not text.isascii() or any(c in " .*>/\\" or not c.isprintable() for c in text):
        raise ValueError("must be a name without dots, wildcards, slashes or spaces")
    return text


def _subject(text: str) -> str:
    parts = text.split(".")
    if len(parts) != 3 or parts[:2] != ["run", "req"]:
        raise ValueError("must be run.req.NAME")
    _token(parts[2])
    return text


def _servers(text: str) -> str:
    """Addresses that the client knows how to reach: another one would be waited for in vain."""
    if not all(_SERVER.fullmatch(each.strip()) for each in text.split(",")):
        raise ValueError("must be nats://HOST:PORT (or tls, ws, wss), several by commas")
    return text


def _span(text: str) -> tuple[int, int]:
    first, dots, last = text.partition("..=")
    if not dots or not first.isdigit() or not last.isdigit() or int(first) > int(last):
        raise ValueError("must be FIRST..=LAST, such as 200..=800")
    return int(first), int(last)


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """All of it; `from_environment` reads and checks."""

    url: str = _setting(
        "NATS_URL", "nats://127.0.0.1:4222", _servers, "Server, or several by commas"
    )
    subject: str = _setting(
        "NATS_REQ_SUBJ", "run.req.default", _subject, "Where requests are taken from and sent to"
    )
    stream: str = _setting("NATS_STREAM", "RUN", _token, "Name of the stream; first part of others")
    durable: str = _setting("NATS_DURABLE", "RUN_WORKER", _token, "Name of the consumer")
    max_ack_pending: int = _setting(
        "NATS_MAX_ACK_PENDING", 2048, _whole(1, 1_000_000), "Requests in work at all workers"
    )
    ack_wait: float = _setting(
        "NATS_ACK_WAIT_SEC", 30.0, _seconds, "Silence after which a request goes to another worker"
    )
    duplicate_window: float = _setting(
        "NATS_DUP_WINDOW_SEC", 120.0, _seconds, "How long the server itself knows a request again"
    )
    max_deliver: int = _setting(
        "NATS_CONSUMER_MAX_DELIVER", 5, _whole(1, 1000), "Starts of one request, then run.dlq.*"
    )
    dedupe_max: int = _setting(
        "MAGICRUNE_DEDUPE_MAX", 100_000, _whole(100, 100_000_000), "Requests known as done"
    )
    result_bytes: int = _setting(
        "MAGICRUNE_RESULT_BYTES", 1 << 30, _whole(1 << 20, 1 << 50), "Of stored results together"
    )
    grace: float = _setting(
        "MAGICRUNE_GRACE_SEC", 20.0, _seconds, "After SIGTERM, until running jobs are handed back"
    )
    ack_timeout: float = _setting(
        "ACK_ACK_WAIT_SEC", 5.0, _seconds, "For the server to confirm an ack"
    )
    publish_timeout: float = _setting(
        "JS_PUBLISH_TIMEOUT_SEC", 5.0, _seconds, "For the server to confirm a message"
    )
    ready_wait: float = _setting(
        "JS_READY_WAIT_SEC", 60.0, _seconds, "For JetStream to be ready when a worker starts"
    )
    metrics_every: int = _setting(
        "MAGICRUNE_METRICS_EVERY",
        100,
        _whole(0, 1_000_000),
        "A line on stderr each so many; 0: none",
    )
    metrics_file: str = _setting("MAGICRUNE_METRICS_FILE", "", str, "JSON with the counts")
    metrics_textfile: str = _setting(
        "MAGICRUNE_METRICS_TEXTFILE", "", str, "The counts for Prometheus' textfile collector"
    )
    log_json: bool = _setting("MAGICRUNE_LOG_JSON", False, _switch, "Log lines as JSON")
    require_nats: bool = _setting(
        "MAGICRUNE_REQUIRE_NATS", False, _switch, "End at once where no server answers"
    )
    creds: str = _setting("NATS_CREDS", "", str, "File with JWT and seed (.creds)")
    nkey: str = _setting("NATS_NKEY", "", str, "File with an nkey seed")
    user: str = _setting("NATS_USER", "", str, "User name")
    password: str = _setting("NATS_PASSWORD", "", str, "Password")
    token: str = _setting("NATS_TOKEN", "", str, "Token")
    ca: str = _setting("NATS_CA", "", str, "Certificates to trust (PEM); turns TLS on")
    cert: str = _setting("NATS_CERT", "", str, "Own certificate (PEM)")
    key: str = _setting("NATS_KEY", "", str, "Its key (PEM)")
    test_delay_ms: int = _setting(
        "MAGICRUNE_TEST_DELAY_MS", 0, _whole(0, 600_000), "For tests: waits before each run"
    )
    test_delay_jitter: tuple[int, int] = _setting(
        "MAGICRUNE_TEST_DELAY_MS_JITTER", (0, 0), _span, "For tests: a further wait, by chance"
    )
    test_skip_ack: bool = _setting(
        "MAGICRUNE_TEST_SKIP_ACK_ONCE", False, _switch, "For tests: the first ack is not sent"
    )

    @property
    def place(self) -> str:
        """The server for messages: without user and password."""
        parts = (each.strip() for each in self.url.split(","))
        return ", ".join(re.sub(r"//[^/]*@", "//", each) for each in parts)

    @property
    def result_stream(self) -> str:
        return f"{self.stream}_RES"

    @property
    def dead_stream(self) -> str:
        return f"{self.stream}_DLQ"

    @property
    def bucket(self) -> str:
        return f"{self.stream}_CLAIMS"

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] | None = None, **given: Any
    ) -> WorkerSettings:
        """From `environment` (os.environ); what is `given` and not None goes first.

        Raises CliUsage naming the variable.
        """
        source = os.environ if environment is None else environment
        values: dict[str, Any] = {}
        for each in dataclasses.fields(cls):
            option, text = given.get(each.name), source.get(each.metadata["name"], "")
            chosen = text if option is None else str(option)
            if not chosen:
                continue
            try:
                values[each.name] = each.metadata["read"](chosen)
            except ValueError as error:
                raise CliUsage(str(error), where=each.metadata["name"]) from None
        return cls(**values)


def table() -> list[tuple[str, str, str]]:
    """(variable, default, meaning) of each setting, for --help and docs/worker.md."""
    rows = []
    for each in dataclasses.fields(WorkerSettings):
        shown: Any = each.default
        if isinstance(shown, bool):
            shown = int(shown)
        elif isinstance(shown, float):
            shown = f"{shown:g}"
        elif isinstance(shown, tuple):
            shown = ""
        rows.append((str(each.metadata["name"]), str(shown), str(each.metadata["text"])))
    return rows
