"""What the text of the request looks like, before anything ran. A hint, never more."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from magicrune.display import escape
from magicrune.observation import Observation
from magicrune.rules.finding import Finding
from magicrune.rules.net_intent import is_granted
from magicrune.spec import ContainerSpec
from magicrune.static_look import network_intents

ID = "static-hint"

_CAP = 10
_READ_MAX = 64 * 1024
_READ_ALL_MAX = 256 * 1024
"""Bytes of each file, and of all files together, that are looked at. Measured: shapes and
network clients together take up to 1.4 s a MiB of text made to be slow."""
_NETWORK_POINTS = 4

# Every repetition is bounded, so a search takes time linear in the text.
_SHAPES: tuple[tuple[str, int, re.Pattern[bytes]], ...] = tuple(
    (name, points, re.compile(pattern))
    for name, points, pattern in (
        (
            "removes everything",
            3,
            rb"\brm[ \t]{1,4}(?:-[\w-]{1,20}[ \t]{1,4}){1,4}[\"']?(?:/|~|\$\{?HOME\}?)/?\*?[\"']?"
            rb"(?=[\s;&|)]|$)",
        ),
        (
            "decodes into a shell",
            4,
            rb"\bbase(?:32|64)[ \t]{1,4}(?:-d|-D|--decode)\b[^\n]{0,200}?\|[ \t]{0,4}"
            rb"(?:sudo[ \t]{1,4})?(?:/bin/)?(?:ba|da|z|k)?sh\b",
        ),
        (
            "downloads into a shell",
            4,
            rb"\b(?:curl|wget)\b[^\n|]{0,300}\|[ \t]{0,4}(?:sudo[ \t]{1,4})?(?:/bin/)?"
            rb"(?:(?:ba|da|z|k)?sh|python3?)\b",
        ),
        ("opens a socket from the shell", 4, rb"/dev/(?:tcp|udp)/"),
        (
            "looks like a reverse shell",
            4,
            rb"\b(?:nc|ncat|netcat)\b[^\n;|]{0,80}[ \t]-\w{0,8}[ec]\b|\b(?:ba)?sh[ \t]{1,4}-i\b"
            rb"[^\n]{0,20}>&|\bmkfifo\b[^\n]{0,120}\|[^\n]{0,60}\b(?:nc|ncat|netcat)\b"
            rb"|\bpty\.spawn\b|\bos\.dup2\([^\n]{0,40}fileno\(\)",
        ),
        (
            "names a coin miner",
            4,
            rb"(?i:\b(?:xmrig|minerd|cpuminer|cgminer|ethminer|nicehash|cryptonight)\b"
            rb"|stratum\+(?:tcp|ssl)://)",
        ),
        (
            "names a secret",
            3,
            rb"\.ssh/(?:id_|authorized_keys|\*)|\.aws/credentials|\.git-credentials\b"
            rb"|/etc/shadow\b|\.docker/config\.json|\.kube/config\b|\.netrc\b"
            rb"|/proc/(?:\d{1,7}|self|\*)/environ",
        ),
        ("is a fork bomb", 4, rb":[ \t]{0,4}\([ \t]{0,4}\)[ \t]{0,4}\{[^\n}]{0,20}:[ \t]{0,4}\|"),
    )
)


def check(spec: ContainerSpec, _observation: Observation) -> Iterable[Finding]:
    """Each shape counts once, for the first text that has it; so does each destination
    without a grant that the text gives to a network client."""
    left = _CAP
    for points, evidence in _hints(spec):
        yield Finding(ID, min(left, points), f"hint: {evidence}", hint=True)
        left -= min(left, points)


def _hints(spec: ContainerSpec) -> Iterator[tuple[int, str]]:
    files = list(_files(spec))
    cmd = spec.argv[-1] if spec.argv else ""
    texts = [("cmd", cmd.encode("utf-8", "surrogatepass")), *files]
    for name, points, pattern in _SHAPES:
        for where, text in texts:
            match = pattern.search(text)
            if match:
                shown = escape(match.group(), limit=80)
                yield points, f"{where}, line {_line(text, match)}, {name}: {shown}"
                break
    told = set()
    for intent in network_intents(cmd, files):
        wanted = intent.destination
        if wanted is not None and wanted not in told and not is_granted(spec, wanted):
            told.add(wanted)
            where = f"{intent.where}, {intent.program} to {wanted}"
            yield _NETWORK_POINTS, escape(f"{where}, which is not granted", limit=200)


def _files(spec: ContainerSpec) -> Iterator[tuple[str, bytes]]:
    left = _READ_ALL_MAX
    for file in spec.files:
        text = file.content[: min(left, _READ_MAX)]
        left -= len(text)
        if text:
            yield escape(file.path, limit=80), text


def _line(text: bytes, match: re.Match[bytes]) -> int:
    return text.count(b"\n", 0, match.start()) + 1
