"""The streams, the bucket and the consumer: as we want them, or an error with the difference."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from magicrune.errors import QueueMismatch

if TYPE_CHECKING:
    from nats.js import JetStreamContext
    from nats.js.api import ConsumerConfig, StreamConfig
    from nats.js.errors import APIError

    from magicrune.worker.settings import WorkerSettings

_RESULT_AGE_S = 7 * 86_400.0
_DEAD_AGE_S = 30 * 86_400.0
_DEAD_BYTES = 256 << 20
_NOT_NOW = 503
_CONSUMER_EXISTS = 10148
"""JetStream's error code where a consumer is to be created that is there, and differs."""
_STREAM_KEYS = (
    "subjects",
    "retention",
    "discard",
    "max_msgs",
    "max_bytes",
    "max_age",
    "max_msgs_per_subject",
    "duplicate_window",
    "storage",
    "max_msg_size",
    "discard_new_per_subject",
    "no_ack",
    "sealed",
    "mirror",
    "sources",
    "republish",
    "subject_transform",
    "allow_msg_ttl",
)
_CONSUMER_KEYS = (
    "description",
    "ack_policy",
    "ack_wait",
    "max_deliver",
    "max_ack_pending",
    "filter_subject",
    "filter_subjects",
    "backoff",
    "deliver_policy",
    "deliver_subject",
    "headers_only",
    "replay_policy",
    "rate_limit_bps",
    "inactive_threshold",
    "mem_storage",
)


async def settle_topology(
    js: JetStreamContext,
    settings: WorkerSettings,
    *,
    migrate: bool,
    policy_sha256: str | None = None,
) -> None:
    """Makes what is missing. What is there with another configuration is changed where
    `migrate` says so, and is otherwise a QueueMismatch that names each difference. The
    consumer belongs to a policy: it is left alone where none is given."""
    for wanted in _streams(settings):
        await _settle_stream(js, wanted, migrate)
    if policy_sha256 is not None:
        await _settle_consumer(js, settings, policy_sha256, migrate)


async def require_policy(
    js: JetStreamContext, settings: WorkerSettings, policy_sha256: str
) -> None:
    """Raises QueueMismatch where the consumer is by now of another policy."""
    found = (await js.consumer_info(settings.stream, settings.durable)).config
    if found.description != _policy_line(policy_sha256):
        raise _mismatch(
            f"consumer {settings.durable}",
            [f"its policy is now {found.description!r}, ours {_policy_line(policy_sha256)!r}"],
            hint="start this worker again with the policy of the others",
        )


def _streams(settings: WorkerSettings) -> list[StreamConfig]:
    from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig

    window = settings.duplicate_window
    common: dict[str, Any] = {"storage": StorageType.FILE, "max_msgs": -1, "max_bytes": -1}
    common |= {"max_age": 0.0, "max_msgs_per_subject": -1, "retention": RetentionPolicy.LIMITS}
    common |= {"duplicate_window": window, "discard": DiscardPolicy.OLD}
    requests = common | {
        "name": settings.stream,
        "subjects": ["run.req.*"],
        "retention": RetentionPolicy.WORK_QUEUE,  # a request is gone when it is acked
        "discard": DiscardPolicy.NEW,
    }
    results = common | {
        "name": settings.result_stream,
        "subjects": ["run.res.*"],
        "max_bytes": settings.result_bytes,
        "max_age": _RESULT_AGE_S,
        "max_msgs_per_subject": 1,
    }
    dead = common | {
        "name": settings.dead_stream,
        "subjects": ["run.dlq.*"],
        "max_bytes": _DEAD_BYTES,
        "max_age": _DEAD_AGE_S,
    }
    # A bucket of the key-value store, but with a number of keys: the oldest go, and those
    # are of requests long done, since a running one is written again with each heartbeat.
    claims = common | {
        "name": f"KV_{settings.bucket}",
        "subjects": [f"$KV.{settings.bucket}.>"],
        "max_msgs": settings.dedupe_max,
        "max_bytes": settings.result_bytes,  # a committed claim holds its answer
        "max_msgs_per_subject": 1,
        "allow_rollup_hdrs": True,
        "deny_delete": True,
    }
    return [StreamConfig(**each) for each in (requests, results, dead, claims)]


async def _settle_stream(js: JetStreamContext, wanted: StreamConfig, migrate: bool) -> None:
    from nats.js.errors import APIError, NotFoundError

    name = str(wanted.name)
    try:
        found = (await js.stream_info(name)).config
    except NotFoundError:
        await _add_stream(js, wanted)
        return
    differences = _differences(wanted, found, _STREAM_KEYS)
    if not differences:
        return
    if not migrate:
        raise _mismatch(f"stream {name}", differences)
    try:
        await js.update_stream(wanted)
    except APIError as error:
        raise _mismatch(f"stream {name}", differences, refused=str(error.description)) from error


async def _add_stream(js: JetStreamContext, wanted: StreamConfig) -> None:
    from nats.js.errors import APIError

    try:
        await js.add_stream(wanted)
    except APIError as error:
        where = f"stream {wanted.name} ({', '.join(wanted.subjects or ())})"
        hint = "one set of streams an account: the same NATS_STREAM everywhere, and room"
        raise _not_made(error, where, hint) from error


def _not_made(error: APIError, where: str, hint: str) -> Exception:
    """A refusal; but what the server cannot do just now (503) is none."""
    if error.err_code is None or error.code == _NOT_NOW:
        return error
    return QueueMismatch(f"cannot be made: {error.description}", where=where, hint=hint)


def _policy_line(policy_sha256: str) -> str:
    """What the consumer's description says of it: servers before 2.10 keep no metadata."""
    return f"magicrune policy {policy_sha256}"


async def _settle_consumer(
    js: JetStreamContext, settings: WorkerSettings, policy_sha256: str, migrate: bool
) -> None:
    from nats.js.api import AckPolicy, ConsumerConfig
    from nats.js.errors import APIError, NotFoundError

    wanted = ConsumerConfig(
        durable_name=settings.durable,
        description=_policy_line(policy_sha256),
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=settings.ack_wait,
        # Not the server's to count: a delivery is no start. settle() counts those.
        max_deliver=-1,
        max_ack_pending=settings.max_ack_pending,
        filter_subject=settings.subject,
    )
    try:
        found = (await js.consumer_info(settings.stream, settings.durable)).config
    except NotFoundError:
        if await _create_consumer(js, settings, wanted):
            return
        # Another worker was faster: its policy may be another one.
        found = (await js.consumer_info(settings.stream, settings.durable)).config
    differences = _differences(wanted, found, _CONSUMER_KEYS)
    if not differences:
        return
    if not migrate:
        raise _mismatch(f"consumer {settings.durable}", differences)
    try:
        await js.add_consumer(settings.stream, wanted)
    except APIError as error:
        raise _mismatch(
            f"consumer {settings.durable}", differences, refused=str(error.description)
        ) from error


async def _create_consumer(
    js: JetStreamContext, settings: WorkerSettings, wanted: ConsumerConfig
) -> bool:
    """False where another one is there by now. The client's `add_consumer` would change it;
    so does a server before 2.10, which does not know the action."""
    from nats.js.errors import APIError

    asked = {"stream_name": settings.stream, "config": wanted.as_dict(), "action": "create"}
    subject = f"$JS.API.CONSUMER.DURABLE.CREATE.{settings.stream}.{settings.durable}"
    try:
        await js._api_request(subject, json.dumps(asked).encode(), timeout=settings.publish_timeout)
        return True
    except APIError as error:
        if error.err_code == _CONSUMER_EXISTS:
            return False
        where = f"consumer {settings.durable} ({settings.subject})"
        raise _not_made(error, where, "one NATS_DURABLE for each NATS_REQ_SUBJ") from error


def _differences(
    wanted: StreamConfig | ConsumerConfig, found: Any, keys: tuple[str, ...]
) -> list[str]:
    pairs = ((key, getattr(wanted, key), getattr(found, key)) for key in keys)
    return [
        f"{key} is {_shown(is_)}, wanted {_shown(want)}"
        for key, want, is_ in pairs
        if (want or None) != (is_ or None)
    ]


def _shown(value: Any) -> str:
    return str(getattr(value, "value", value))


def _mismatch(
    what: str, differences: list[str], refused: str = "", hint: str = "--migrate changes it"
) -> QueueMismatch:
    return QueueMismatch(
        "; ".join(differences)
        + (f"; the server refuses to change it: {refused}" if refused else ""),
        where=what,
        hint="delete it, or use another account of the server" if refused else hint,
    )
