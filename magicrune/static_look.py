"""What the text of a job says about the network before it runs. A hint, never a control:
any indirection hides a destination from it, and code that never runs is seen as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from magicrune import netclients
from magicrune.errors import PatternInvalid
from magicrune.hosts import Destination, parse_destination
from magicrune.netclients import client_destinations, program_name
from magicrune.shell_words import SimpleCommand, scan_commands

MAX_FILE_BYTES = 256 << 10
"""Of each file that is looked at; what follows is not."""
MAX_SHELL_DEPTH = 4
"""Of ``sh -c 'sh -c ...'``."""

_SHELLS = frozenset(("sh", "bash", "dash", "ash", "zsh", "ksh"))
_SCRIPT = re.compile(rb"#!\s*/\S*?(?:env\s+(?:-S\s+)?)?(?:/?(?:ba|da|z|k|a)?sh)\b")
_DEV_TCP = re.compile(r"/dev/(?:tcp|udp)/([^/\0]+)/([0-9]{1,5})")
_PREFIXES = {
    "sudo": ("ugpCDhrtT", 0),
    "doas": ("uC", 0),
    "env": ("uCS", 0),
    "timeout": ("ks", 1),
    "nice": ("n", 0),
    "ionice": ("cnp", 0),
    "stdbuf": ("ioe", 0),
    "chroot": ("", 1),
    "xargs": ("aEIdLnPs", 0),
    **dict.fromkeys(("exec",), ("a", 0)),
    **dict.fromkeys(("command", "builtin", "nohup", "setsid", "time", "busybox"), ("", 0)),
}
"""Programs that run the rest of their words: options with a value, words of their own."""


@dataclass(frozen=True, slots=True)
class NetIntent:
    """A network client in the text of a job, with a destination that is written out."""

    program: str
    destination: Destination
    where: str


def program_destination(argv: Sequence[str]) -> tuple[str, int | None] | None:
    """Host and port of the first literal destination of a command, if it is a network
    client; a missing port is the program's usual one, or None."""
    found = client_destinations(_unwrap(argv))
    return (found[0].host, found[0].port) if found else None


def is_client(argv: Sequence[str]) -> bool:
    """Whether a command is a network client, wherever it would connect."""
    return netclients.is_client(_unwrap(argv))


def network_intents(cmd: str, files: Iterable[tuple[str, bytes]]) -> tuple[NetIntent, ...]:
    """Network clients that `cmd` and the shell scripts among `files` call by name."""
    found = list(_in_text(cmd, "request.cmd", 0))
    for path, content in files:
        if _SCRIPT.match(content, 0, 256) or path.endswith((".sh", ".bash")):
            text = content[:MAX_FILE_BYTES].decode(errors="replace")
            found.extend(_in_text(text, path, 0))
    return tuple(dict.fromkeys(found))


def _in_text(text: str, place: str, depth: int) -> Iterator[NetIntent]:
    for command in scan_commands(text):
        where = f"{place}:{command.line}"
        yield from _in_targets(command, where)
        argv = _unwrap(command.words)
        script = _script_of(argv)
        if script is not None and depth < MAX_SHELL_DEPTH:
            yield from (
                NetIntent(each.program, each.destination, where)
                for each in _in_text(script, place, depth + 1)
            )
            continue
        for destination in client_destinations(argv):
            yield NetIntent(program_name(argv[0]), destination, where)


def _in_targets(command: SimpleCommand, where: str) -> Iterator[NetIntent]:
    for target in command.targets:
        found = _DEV_TCP.fullmatch(target)
        if found:
            try:
                destination = parse_destination(found[1])
            except PatternInvalid:
                continue
            yield NetIntent("/dev/tcp", Destination(destination.host, int(found[2])), where)


def _script_of(argv: Sequence[str]) -> str | None:
    """The text that ``sh -c TEXT`` or ``eval TEXT`` runs."""
    if not argv:
        return None
    if argv[0] == "eval":
        return " ".join(argv[1:])
    if program_name(argv[0]) not in _SHELLS:
        return None
    for at, word in enumerate(argv[1:], 1):
        if re.fullmatch(r"-[a-z]*c[a-z]*", word):
            return next((text for text in argv[at + 1 :] if not text.startswith("-")), None)
        if not word.startswith("-"):
            return None
    return None


def _unwrap(argv: Sequence[str]) -> Sequence[str]:
    """The command that ``sudo``, ``env``, ``timeout`` and the like would run."""
    while argv and (prefix := _PREFIXES.get(program_name(argv[0]))) is not None:
        valued, own = prefix
        if program_name(argv[0]) == "command" and tuple(argv[1:2]) in (("-v",), ("-V",)):
            return ()  # asks whether there is one
        at = 1
        while at < len(argv) and (argv[at].startswith("-") or "=" in argv[at]):
            word = argv[at]
            at += 2 if len(word) == 2 and word[1] in valued else 1
        argv = argv[at + own :]
    if len(argv) > 2 and program_name(argv[0]) == "python" and argv[1] == "-m":
        return argv[2:]
    return argv
