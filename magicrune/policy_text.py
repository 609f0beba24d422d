"""YAML without surprises: text → plain values, and where each of them stands.

PyYAML does the syntax (its SafeLoader's events); what a plain word means is decided
here. YAML 1.1 and 1.2 readers disagree about `yes`, `010` or `1:30`, so such words are
refused unless quoted. No anchors, aliases or tags: nothing to expand, nothing to build.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Union

from magicrune.errors import PolicyInvalid

if TYPE_CHECKING:
    from yaml.events import Event, ScalarEvent

MAX_BYTES = 256 << 10
MAX_DEPTH = 16

Yaml = Union[None, bool, int, str, list["Yaml"], dict[str, "Yaml"]]  # noqa: UP007
Loc = tuple[int | str, ...]
Positions = dict[Loc, tuple[int, int]]
"""Line and column, from 1, of each value; of the key where it has one."""

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_DOUBTFUL = re.compile(
    r"(?i:y|n|yes|no|on|off|true|false|null)"
    r"|[-+]?[0-9][0-9_,]*(?:\.[0-9_]*)?(?:e[-+]?[0-9]*)?"  # 010, 1_000, 1.5, 1e3, +1
    r"|[-+]?0[box][0-9a-fA-F_]*"
    r"|[-+]?\.[0-9_]+(?:e[-+]?[0-9]+)?|[-+]?\.(?i:inf)|\.(?i:nan)"
    r"|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?"  # 1:30 is 90 to YAML 1.1
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt \t].*)?"
    r"|=|<<"
)


def read_yaml(data: bytes, *, source: str) -> tuple[Yaml, Positions]:
    """The one document in `data` (UTF-8) and where its values stand.

    Raises PolicyInvalid with ``source:line:column``.
    """
    if len(data) > MAX_BYTES:
        raise PolicyInvalid(f"is larger than {MAX_BYTES} bytes", where=source)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise PolicyInvalid("is not valid UTF-8", where=f"{source}:{line}") from None
    reader = _Reader(text.removeprefix("\ufeff"), source)
    return reader.document(), reader.positions


class _Reader:
    """Builds values from parser events, and refuses what a policy has no use for."""

    def __init__(self, text: str, source: str) -> None:
        self.source = source
        self.positions: Positions = {}
        self.events = self._parse(text)

    def _parse(self, text: str) -> Iterator[Event]:
        import yaml  # here: only commands that read a policy need it

        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            yield from yaml.parse(text, Loader=loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise self.error(
                f"is not YAML: {error.problem or error.context}",
                (mark.line + 1, mark.column + 1) if mark else (1, 1),
                hint="indent with spaces"
                if "tab" in str(error.problem)
                else "quote values that begin with * & ! % @ ` [ or {",
            ) from None
        except yaml.YAMLError as error:  # a character that YAML forbids
            reason = str(error).splitlines()[0]
            raise self.error(f"is not YAML: {reason}", (1, 1)) from None

    def error(self, message: str, at: tuple[int, int], hint: str = "") -> PolicyInvalid:
        return PolicyInvalid(message, where=f"{self.source}:{at[0]}:{at[1]}", hint=hint)

    def document(self) -> Yaml:
        import yaml

        next(self.events)  # stream start
        event = next(self.events)
        if not isinstance(event, yaml.DocumentStartEvent):
            raise self.error("is empty", (1, 1))
        if event.tags or event.version:
            raise self.error("has a % directive", _at(event))
        value = self.value(next(self.events), ())
        next(self.events)  # document end
        event = next(self.events)
        if not isinstance(event, yaml.StreamEndEvent):
            raise self.error("has a second document", _at(event))
        return value

    def value(self, event: Event, loc: Loc) -> Yaml:
        import yaml

        at = _at(event)
        self.positions.setdefault(loc, at)
        if isinstance(event, yaml.AliasEvent):
            raise self.error("has an alias", at, hint="quote values that begin with *")
        if getattr(event, "anchor", None) is not None:
            raise self.error("has an anchor", at, hint="quote values that begin with &")
        if getattr(event, "tag", None) is not None:
            raise self.error("has a tag", at, hint="quote values that begin with !")
        if len(loc) >= MAX_DEPTH:
            raise self.error(f"is nested deeper than {MAX_DEPTH}", at)
        if isinstance(event, yaml.MappingStartEvent):
            return self.mapping(loc)
        if isinstance(event, yaml.SequenceStartEvent):
            return self.sequence(loc)
        assert isinstance(event, yaml.ScalarEvent)
        return self.scalar(event)

    def mapping(self, loc: Loc) -> dict[str, Yaml]:
        import yaml

        found: dict[str, Yaml] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            at = _at(event)
            if not isinstance(event, yaml.ScalarEvent) or event.anchor or event.tag:
                raise self.error("has a key that is not plain text", at)
            key = self.scalar(event)
            if not isinstance(key, str):
                raise self.error(f"has the key {event.value[:40]!r}, which is not text", at)
            if key in found:
                raise self.error(f"key {key[:40]!r} is given twice", at)
            self.positions[(*loc, key)] = at
            found[key] = self.value(next(self.events), (*loc, key))
        return found

    def sequence(self, loc: Loc) -> list[Yaml]:
        import yaml

        found: list[Yaml] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            found.append(self.value(event, (*loc, len(found))))
        return found

    def scalar(self, event: ScalarEvent) -> Yaml:
        text = event.value
        if event.style:  # quoted or a block; plain is None or ""
            return str(text)
        if text in ("", "~", "null"):
            return None
        if text in ("true", "false"):
            return bool(text == "true")
        if _INTEGER.fullmatch(text) and text != "-0":
            return int(text)
        if _DOUBTFUL.fullmatch(text):
            raise self.error(
                f"{text[:40]!r} means different things to different YAML readers",
                _at(event),
                hint=f'quote it if it is text: "{text[:40]}"',
            )
        return str(text)


def _at(event: Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)
