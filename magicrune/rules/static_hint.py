"""What the text of the request looks like, before anything ran. A hint, never more."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from magicrune.display import escape
from magicrune.observation import Observation
from magicrune.rules.finding import Finding
from magicrune.spec import ContainerSpec

ID = "static-hint"

_CAP = 10
_READ_MAX = 256 * 1024
"""Bytes of each file that are looked at; also bounds the time this rule takes."""

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
    """Each shape counts once, for the first text that has it."""
    left = _CAP
    found: list[Finding] = []
    texts = list(_texts(spec))
    for name, points, pattern in _SHAPES:
        for where, text in texts:
            match = pattern.search(text)
            if match:
                evidence = f"hint: {where}, line {_line(text, match)}, {name}: "
                shown = escape(match.group(), limit=80)
                found.append(Finding(ID, min(left, points), evidence + shown, hint=True))
                left -= min(left, points)
                break
    return found


def _texts(spec: ContainerSpec) -> Iterator[tuple[str, bytes]]:
    yield "cmd", " ".join(spec.argv).encode("utf-8", "surrogatepass")
    for file in spec.files:
        yield escape(file.path, limit=80), file.content[:_READ_MAX]


def _line(text: bytes, match: re.Match[bytes]) -> int:
    return text.count(b"\n", 0, match.start()) + 1
