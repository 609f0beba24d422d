"""``/healthz``, ``/readyz`` and ``/metrics`` over HTTP, on a thread of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from magicrune.errors import CliUsage

Page = Callable[[], tuple[int, str]]


def serve_health(address: str, pages: dict[str, Page]) -> ThreadingHTTPServer:
    """Answers GET for each of `pages` on ``[HOST:]PORT`` (HOST: 127.0.0.1) until `shutdown`.

    Raises CliUsage where the address cannot be used.
    """
    host, _, port = address.rpartition(":")
    if not (port.isascii() and port.isdigit()):
        problem = f"{port!r} is no port: a number, or HOST:NUMBER"
        raise CliUsage(problem, where=f"--health {address}")
    try:
        server = ThreadingHTTPServer((host or "127.0.0.1", int(port)), _handler(pages))
    except (OSError, OverflowError) as error:
        raise CliUsage(f"cannot listen: {error}", where=f"--health {address}") from error
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server


def _handler(pages: dict[str, Page]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5

        def do_GET(self) -> None:
            page = pages.get(self.path.partition("?")[0])
            status, text = page() if page else (404, "not found\n")
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: probes come every few seconds."""

    return Handler
