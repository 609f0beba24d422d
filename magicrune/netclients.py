"""Programs that talk to the network, and where their arguments send them.

Only what is written out counts. Options that take a value are listed so that the value
is not taken for a destination (from the programs' manuals).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from magicrune.errors import PatternInvalid
from magicrune.hosts import Destination, parse_destination
from magicrune.shell_words import UNKNOWN

_Read = Callable[[Sequence[str], dict[str, str]], Iterator[Destination]]


@dataclass(frozen=True, slots=True)
class _Client:
    read: _Read
    short: str = ""
    """Short options that take a value."""
    long: frozenset[str] = frozenset()
    """Long options that take a value as the next word."""


def client_destinations(argv: Sequence[str]) -> tuple[Destination, ...]:
    """Where a network client would connect, as far as `argv` says so literally.

    Empty for other programs. `argv` begins with the program itself (no ``sudo``).
    """
    client = _CLIENTS.get(program_name(argv[0])) if argv else None
    if client is None:
        return ()
    words, options = _split(argv[1:], client)
    found = dict.fromkeys(client.read(words, options))
    return tuple(found)


def is_client(argv: Sequence[str]) -> bool:
    """Whether `argv` (which begins with the program itself) is a network client's."""
    return bool(argv) and program_name(argv[0]) in _CLIENTS


def program_name(word: str) -> str:
    """``/usr/bin/curl`` → ``curl``; versions cut off: ``pip3.11`` → ``pip``."""
    name = word.rpartition("/")[2]
    return re.sub(r"[0-9.]+$", "", name) if name.startswith(("pip", "python")) else name


def _split(arguments: Sequence[str], client: _Client) -> tuple[list[str], dict[str, str]]:
    words: list[str] = []
    options: dict[str, str] = {}
    rest = iter(arguments)
    for word in rest:
        if word == "--":
            words.extend(rest)
        elif word.startswith("--"):
            name, mark, value = word.partition("=")
            options[name] = value if mark or name not in client.long else next(rest, "")
        elif word.startswith("-") and len(word) > 1:
            _split_short(word, client, rest, options)
        else:
            words.append(word)
    return words, options


def _split_short(word: str, client: _Client, rest: Iterator[str], options: dict[str, str]) -> None:
    if word in client.long:  # -option, with one dash
        options[word] = next(rest, "")
        return
    for at, letter in enumerate(word[1:], 1):
        options[f"-{letter}"] = ""
        if letter in client.short:
            options[f"-{letter}"] = word[at + 1 :] or next(rest, "")
            return


def _destination(text: str, default_port: int | None = None) -> Iterator[Destination]:
    """At most one. A host must be literal up to its end; what follows may be anything."""
    before, mark, after = text.partition("://")
    authority = re.split(r"[/?#\\]", after if mark else before, maxsplit=1)[0]
    if UNKNOWN in authority.rpartition("@")[2] or not authority:
        return
    try:
        found = parse_destination(text.replace(UNKNOWN, "x"))
    except PatternInvalid:
        return
    yield Destination(found.host, default_port if found.port is None else found.port)


def _urls(words: Sequence[str], options: dict[str, str]) -> Iterator[Destination]:
    """curl, wget: every word is a URL, with or without its scheme."""
    for word in (*words, options.get("--url", "")):
        scheme, mark, _ = word.partition("://")
        if mark and scheme.lower() == "file":
            continue
        yield from _destination(word, None if mark else 80)
    proxy = options.get("-x") or options.get("--proxy") or ""
    yield from _destination(proxy, 1080)


def _host_port(words: Sequence[str], options: dict[str, str]) -> Iterator[Destination]:
    """nc, telnet, ftp: HOST [PORT]."""
    if not words or "-l" in options or "--listen" in options:
        return
    port = words[1] if len(words) > 1 else ""
    default = int(port) if re.fullmatch(r"[0-9]{1,5}", port) else None
    if words[0].count(":") > 1:  # IPv6, not HOST:PORT
        yield from _destination(f"[{words[0].strip('[]')}]", default)
    else:
        yield from _destination(words[0], default)


def _ssh(words: Sequence[str], options: dict[str, str]) -> Iterator[Destination]:
    """ssh, sftp: [USER@]HOST, port by -p or -P."""
    port = options.get("-p") or options.get("-P") or "22"
    default = int(port) if re.fullmatch(r"[0-9]{1,5}", port) else None
    for word in words[:1]:
        host = word if "://" in word else word.rpartition("@")[2].partition(":")[0]
        yield from _destination(host, default)


def _remote_paths(words: Sequence[str], options: dict[str, str]) -> Iterator[Destination]:
    """scp, rsync, git: [USER@]HOST:PATH, HOST::MODULE or a URL."""
    port = options.get("-P") or options.get("-p") or options.get("--port") or "22"
    for word in words:
        if "://" in word:
            if not word.lower().startswith("file:"):
                yield from _destination(word)
            continue
        host, colon, path = word.partition(":")
        if colon and "/" not in host and host:
            default = 873 if path.startswith(":") else 22
            if re.fullmatch(r"[0-9]{1,5}", port) and not path.startswith(":"):
                default = int(port)
            yield from _destination(host.rpartition("@")[2], default)


def _git(words: Sequence[str], _options: dict[str, str]) -> Iterator[Destination]:
    """git: only the commands that connect; refspecs have colons, so hosts need an @."""
    if not words or words[0] not in _GIT_COMMANDS:
        return
    for word in words[1:]:
        if "://" in word or re.match(r"[A-Za-z0-9._-]+@[^/:]+:", word):
            yield from _remote_paths([word], {})


def _url_words(words: Sequence[str], options: dict[str, str]) -> Iterator[Destination]:
    """pip, npm: only what is written as a URL; the index itself is not."""
    for word in (*words, *options.values()):
        begin = re.search(r"(?:^|@|\s)((?:git\+)?[a-z]{3,5}://.*)", word)
        if begin and not begin[1].startswith("file:"):
            yield from _destination(begin[1])


def _socat(words: Sequence[str], _options: dict[str, str]) -> Iterator[Destination]:
    for word in words:
        found = re.match(r"(?i)(?:tcp|tcp4|tcp6|udp|udp4|udp6|openssl|ssl)(?:-connect)?:(.+)", word)
        if found:
            yield from _destination(found[1].partition(",")[0])


_GIT_COMMANDS = frozenset(("clone", "fetch", "pull", "push", "ls-remote", "submodule"))
_CURL_LONG = """
--abstract-unix-socket --cacert --capath --cert --cert-type --ciphers --config --connect-timeout
--connect-to --continue-at --cookie --cookie-jar --crlfile --data --data-ascii --data-binary
--data-raw --data-urlencode --dns-servers --doh-url --dump-header --egd-file --engine --form
--form-string --ftp-port --header --hostpubmd5 --interface --json --key --key-type --limit-rate
--local-port --max-filesize --max-redirs --max-time --netrc-file --noproxy --oauth2-bearer --output
--output-dir --pass --pinnedpubkey --proto --proto-redir --proxy --proxy-user --quote --range --rate
--referer --request --request-target --resolve --retry --retry-delay --retry-max-time --socks4
--socks5 --socks5-hostname --speed-limit --speed-time --stderr --tls-max --trace --trace-ascii
--unix-socket --upload-file --url --url-query --user --user-agent --write-out
"""
_WGET_LONG = """
--append-output --base --body-data --body-file --ca-certificate --certificate --config
--connect-timeout --cut-dirs --directory-prefix --dns-timeout --execute --header --http-password
--http-user --input-file --level --limit-rate --load-cookies --method --output-document
--output-file --password --post-data --post-file --private-key --quota --read-timeout --referer
--save-cookies --timeout --tries --user --user-agent --wait --waitretry
"""
_CURL = _Client(_urls, "AbcCdDeEFhHKmoPQrTtuUwxXyYz", frozenset(_CURL_LONG.split()))
_WGET = _Client(_urls, "aBDeiIlOoPQRtTUwX", frozenset(_WGET_LONG.split()))
_NC = _Client(_host_port, "cegGiImMoOpPqsTVwWxX", frozenset(("--exec", "--sh-exec", "--wait")))
_SSH = _Client(_ssh, "BbcDEeFIiJLlmOoPpQRSWw")
_PIP_OPTIONS = "--index-url --extra-index-url --find-links --target --requirement --registry"
_CLIENTS = {
    "aria2c": _Client(_urls, "dojkxs"),
    "curl": _CURL,
    "wget": _WGET,
    **dict.fromkeys(("nc", "ncat", "netcat"), _NC),
    "telnet": _Client(_host_port, "belnSX"),
    "ftp": _Client(_host_port, "PrNsou"),
    "ssh": _SSH,
    "sftp": _SSH,
    "scp": _Client(_remote_paths, "cDFiJloPSX"),
    "rsync": _Client(_remote_paths, "eTfBM", frozenset(("--rsh", "--port", "--exclude"))),
    "git": _Client(_git, "bcCo", frozenset(("--branch", "--depth", "--origin", "--git-dir"))),
    "socat": _Client(_socat),
    **dict.fromkeys(
        ("pip", "npm", "npx", "pnpm", "yarn", "uv"),
        _Client(_url_words, "irtf", frozenset(_PIP_OPTIONS.split())),
    ),
}
