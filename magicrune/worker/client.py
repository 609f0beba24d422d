"""The NATS client, hardened against what a publisher may put into a message's headers.

JetStream hands headers on. In nats-py 2.16 a header ``Status`` makes a request look like the
server's own "no messages": it is never taken, and never goes away. A status line that is not
UTF-8 ends the task that reads the connection: JetStream of nats-server 2.15 removes that line,
but who waits for an answer hears plain NATS too. The methods are private; the version is pinned,
and tests publish such messages.

Over TLS the client makes a stream by hand and does not tell it that it is connected: it holds
nobody back who sends too fast, and asyncio complains at its end.
"""

from __future__ import annotations

from typing import Any

from nats.aio.client import Client

_STATUS = "Status"
_DELIVERED = b"$JS.ACK."
"""What the server says about a pull has no reply subject; a delivered request has this one."""


class HardenedClient(Client):
    """Headers that cannot be read are none; a request is never taken for a status."""

    async def _process_connect_init(self) -> None:
        await super()._process_connect_init()
        writer = getattr(self._transport, "_io_writer", None)
        if writer is not None and writer.get_extra_info("sslcontext") is not None:
            writer.transport.get_protocol().connection_made(writer.transport)

    async def _process_headers(self, headers: bytes) -> dict[str, str] | None:
        try:
            found: dict[str, str] | None = await super()._process_headers(headers)
        except Exception:  # noqa: BLE001 - whatever is wrong with them
            return None
        return found

    def _build_message(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: dict[str, str] | None
    ) -> Any:
        if headers and reply.startswith(_DELIVERED):
            headers = {name: text for name, text in headers.items() if name != _STATUS}
        return super()._build_message(sid, subject, reply, data, headers)
