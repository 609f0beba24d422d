"""A connection to NATS: who we are, how we trust the server, what happens when it goes."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magicrune.errors import CliUsage, QueueUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from nats.aio.client import Client

    from magicrune.worker.settings import WorkerSettings

_WAIT_S = 0.5
_FOR_EVER = -1
_TRIES = 3


async def connect(
    settings: WorkerSettings, name: str, *, lasting: bool, say: Callable[[str], None]
) -> Client:
    """Connects once. A connection that breaks later is made again: for ever where it is a
    `lasting` one (a worker's), else a few times.

    Raises QueueUnavailable, and CliUsage for credentials that make no sense.
    """
    try:
        from nats.errors import Error

        from magicrune.worker.client import HardenedClient
    except ImportError as error:
        hint = "sh scripts/install.sh, or pip install 'magicrune[worker]'"
        raise QueueUnavailable("the NATS client is not installed", hint=hint) from error

    async def gone() -> None:
        say("disconnected")

    async def back() -> None:
        say("reconnected")

    async def failed(error: Exception) -> None:
        say(f"nats: {type(error).__name__}: {error}"[:300])

    options: dict[str, Any] = {
        "servers": [each.strip() for each in settings.url.split(",")],
        "name": name,
        "allow_reconnect": False,  # of the first attempt: the caller knows what to do
        "max_reconnect_attempts": _TRIES,
        "reconnect_time_wait": _WAIT_S,
        "connect_timeout": 3,
        "error_cb": failed,
        "disconnected_cb": gone,
        "reconnected_cb": back,
        **_credentials(settings),
        **_tls(settings),
    }
    try:
        client = HardenedClient()
        await client.connect(**options)
    except (Error, OSError, ValueError) as error:
        raise QueueUnavailable(
            f"no NATS server answers: {error or type(error).__name__}",
            where=settings.place,
            hint="start one (nats-server -js), or set NATS_URL",
        ) from error
    client.options["allow_reconnect"] = True
    client.options["max_reconnect_attempts"] = _FOR_EVER if lasting else _TRIES
    return client


def _credentials(settings: WorkerSettings) -> dict[str, Any]:
    ways: dict[str, dict[str, Any]] = {
        "NATS_CREDS": {"user_credentials": settings.creds} if settings.creds else {},
        "NATS_NKEY": {"nkeys_seed": settings.nkey} if settings.nkey else {},
        "NATS_USER": {"user": settings.user, "password": settings.password}
        if settings.user
        else {},
        "NATS_TOKEN": {"token": settings.token} if settings.token else {},
    }
    used = [name for name, options in ways.items() if options]
    if len(used) > 1:
        raise CliUsage("more than one way to log in is set", where=", ".join(used))
    for name, path in (("NATS_CREDS", settings.creds), ("NATS_NKEY", settings.nkey)):
        if path and not Path(path).is_file():
            raise CliUsage("is no file", where=f"{name}={path}")
    return ways[used[0]] if used else {}


def _tls(settings: WorkerSettings) -> dict[str, Any]:
    if not (settings.ca or settings.cert or settings.url.startswith("tls:")):
        return {}
    try:
        context = ssl.create_default_context(cafile=settings.ca or None)
        if settings.cert:
            context.load_cert_chain(settings.cert, settings.key or None)
    except (OSError, ssl.SSLError) as error:
        raise CliUsage(f"cannot be used: {error}", where="NATS_CA, NATS_CERT, NATS_KEY") from error
    return {"tls": context}
