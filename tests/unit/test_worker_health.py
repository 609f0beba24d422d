"""The address of the worker's health pages."""

from __future__ import annotations

import urllib.request

import pytest

from magicrune.errors import CliUsage
from magicrune.worker.health import serve_health


@pytest.mark.parametrize(
    "address", ["abc", "", "127.0.0.1:", "-1", "\u0661", "70000", "no such:80"]
)
def test_what_is_no_address_is_told_as_such(address: str) -> None:
    with pytest.raises(CliUsage) as told:
        serve_health(address, {})
    assert "invalid literal" not in told.value.message
    assert told.value.where == f"--health {address}"


def test_a_port_alone_is_this_machines() -> None:
    server = serve_health("0", {"/healthz": lambda: (200, "ok\n")})
    try:
        host, port = server.server_address[:2]
        assert host == "127.0.0.1"
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz") as answer:
            assert answer.read() == b"ok\n"
    finally:
        server.shutdown()
        server.server_close()
