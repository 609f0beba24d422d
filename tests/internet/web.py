"""HTTP and HTTPS: pages, redirects, a git repository, a package index. A thread a connection."""

from __future__ import annotations

import http.server
import os
import socket
import ssl
import subprocess
import urllib.parse
from pathlib import Path

from tests.internet.streams import Tally, _key, source_digest

_BACKEND = ("/usr/lib/git-core/git-http-backend", "/usr/libexec/git-core/git-http-backend")
_BLOCK = bytes(range(256)) * 4096


class Server(http.server.ThreadingHTTPServer):
    """Dual stack; `context` where it speaks TLS."""

    address_family = socket.AF_INET6
    request_queue_size = 1024
    daemon_threads = True

    def __init__(self, port: int, goods: Path, tally: Tally, context: ssl.SSLContext | None):
        self.goods, self.tally, self.context = goods, tally, context
        super().__init__(("::", port), Page)

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def get_request(self) -> tuple[socket.socket, object]:
        found, address = super().get_request()
        with self.tally.lock:
            self.tally.accepted[_key(found.getsockname())] += 1
        if self.context is None:
            return found, address
        found.settimeout(30)
        wrapped = self.context.wrap_socket(found, server_side=True, do_handshake_on_connect=False)
        return wrapped, address

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news."""


class Page(http.server.BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        if url.path.startswith("/repo.git/"):
            self._git(url.path, url.query, b"")
        elif url.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", query["to"])
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif url.path == "/big":
            self._big(int(query["n"]))
        elif url.path.startswith(("/simple/", "/files/")):
            self._file(url.path)
        else:
            self._send(200, f"hello {self.headers['Host']}\n".encode())

    def do_POST(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        body = self._body()
        if url.path.startswith("/repo.git/"):
            self._git(url.path, url.query, body)
        else:
            with self.server.tally.lock:
                self.server.tally.payloads.append(body[:200])
            self._send(200, b"%d\n" % len(body))

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _send(self, code: int, body: bytes, kind: str = "text/plain") -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _big(self, count: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(count))
        self.send_header("X-Sha256", source_digest(count))
        self.end_headers()
        while count > 0:
            self.wfile.write(_BLOCK[:count])
            count -= len(_BLOCK)

    def _file(self, path: str) -> None:
        place = (self.server.goods / path.lstrip("/")).resolve()
        if not place.is_relative_to(self.server.goods):
            self._send(403, b"")
        elif place.is_dir():
            names = sorted(each.name for each in place.iterdir())
            links = "".join(f'<a href="{name}">{name}</a>\n' for name in names)
            self._send(
                200, f"<!DOCTYPE html><html><body>{links}</body></html>".encode(), "text/html"
            )
        elif place.is_file():
            self._send(200, place.read_bytes(), "application/octet-stream")
        else:
            self._send(404, b"")

    def _git(self, path: str, query: str, body: bytes) -> None:
        backend = next(each for each in _BACKEND if Path(each).exists())
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.server.goods),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
        }
        done = subprocess.run(
            [backend], input=body, env=environment, capture_output=True, check=True
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        lines = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.send_response(int(lines.pop("Status", "200").split()[0]))
        for name, value in lines.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
