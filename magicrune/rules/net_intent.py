"""The job meant to talk to somebody whom its grant does not name."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator

from magicrune.errors import PatternInvalid
from magicrune.hosts import Destination, canonical_host
from magicrune.observation import Event, EventKind, Observation
from magicrune.rules.finding import Finding, cite, count_points
from magicrune.spec import ContainerSpec
from magicrune.special import is_synthetic, reaches
from magicrune.static_look import is_client, program_destination

ID = "net-intent"

_NAME_SERVER = 53
_OUR_NAME_SERVER = "127.0.0.53"
_SOME_NAME = Destination("a name", None)
"""Asked of a name server that is not there: which one was never said."""


def check(spec: ContainerSpec, observation: Observation) -> Iterable[Finding]:
    """Each different destination counts once: of a connection or a name that was refused,
    and of a network client that was started (or is missing: the wish is what counts); where
    its arguments were too long to be recorded whole, one more that no grant names. The job's
    own loopback is no destination; a question to a name server there counts as one, unless
    another destination says what it was for."""
    seen: dict[tuple[str, int | None], str] = {}
    hosts: set[str] = set()
    # What has no port comes last: it may be the same wish (a name, then its connection).
    intents = sorted(_intents(observation), key=lambda intent: intent[1].port is None)
    for event, destination in intents:
        host, port = destination.host, destination.port
        if not _is_foreign(spec, event, destination):
            continue
        if (host, port) in seen or (port is None and host in hosts):
            continue
        if destination == _SOME_NAME and hosts:
            continue
        hosts.add(host)
        seen[host, port] = cite(event, f"not granted: {destination}; {_act(event)}")
    return count_points(ID, seen.values(), first=40, further=10, cap=70)


def _intents(observation: Observation) -> Iterator[tuple[Event, Destination]]:
    for event in observation.events:
        if event.kind is EventKind.CONNECT:
            yield event, _connected(event)
        elif _asks_for_a_name(event):
            yield event, _SOME_NAME
    for event in observation.events:
        if event.kind is EventKind.EXEC:
            argv = read_argv(event)
            found = program_destination(argv)
            if found is not None:
                yield event, Destination(*found)
            if event.detail.get("cut") and is_client(argv):
                yield event, Destination("?", None)


def _is_foreign(spec: ContainerSpec, event: Event, destination: Destination) -> bool:
    """Whether no grant names it. Who brokers connections has judged more than the grant
    says (what a name led to), and says so by `reason`."""
    detail = event.detail
    if event.kind is EventKind.CONNECT:
        if detail.get("outcome") == "failed":
            return False
        if detail.get("outcome") == "refused" and "reason" in detail:
            return True
        # To put addresses in order getaddrinfo(3) tries them with UDP, which sends nothing.
        if detail.get("type") == "dgram" and _stands_for_a_name(destination.host):
            return False
    return not is_granted(spec, destination)


def _stands_for_a_name(host: str) -> bool:
    try:
        address = canonical_host(host)
    except PatternInvalid:
        return False
    return not isinstance(address, str) and is_synthetic(address)


def _connected(event: Event) -> Destination:
    """Where the backend knows no host, the address; where it knows neither (something was
    tried on a descriptor that is no socket), a destination that no grant names."""
    detail = event.detail
    host = detail.get("host") or detail.get("address")
    if not host:
        return Destination("?", None)
    port = detail.get("port")
    return Destination(str(host), int(port) if port else None)


def _asks_for_a_name(event: Event) -> bool:
    """Whether it is a question to a name server within the sandbox, where only a network of
    the grant has one (and tells what it is asked)."""
    if event.kind is not EventKind.MISC or event.detail.get("op") not in ("connect", "send"):
        return False
    to = _connected(event)
    return to.port == _NAME_SERVER and to.host != _OUR_NAME_SERVER and to.is_loopback


def is_granted(spec: ContainerSpec, destination: Destination) -> bool:
    """Whether a rule of the grant covers it, or it is the job's own loopback."""
    if destination.is_loopback:
        return True
    rules = (*spec.net, *spec.host_loopback)
    return any(reaches(rule, destination.host, destination.port) for rule in rules)


def _act(event: Event) -> str:
    if event.kind is EventKind.EXEC:
        outcome = event.detail.get("outcome", "")
        return f"{event.detail.get('argv', '')} ({outcome})" if outcome else ""
    if event.kind is EventKind.MISC:
        return "a name server was asked that is not there"
    act = str(event.detail.get("outcome", "connect"))
    if event.detail.get("op") == "resolve":
        act = f"name asked for, {act}"
    if "reason" in event.detail:
        act += f" ({event.detail['reason']})"
    if "missing" in event.detail:
        act += f'; missing in net.allow: "{event.detail["missing"]}"'
    return act


def read_argv(event: Event) -> tuple[str, ...]:
    """The words of an exec event. They are recorded as one text, quoted as for a shell;
    where the end was cut off (or a word has a quote of its own) it is split at spaces."""
    text = str(event.detail.get("argv", ""))
    try:
        return tuple(shlex.split(text))
    except ValueError:
        return tuple(text.split())
