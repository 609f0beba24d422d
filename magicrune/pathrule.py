"""Paths and globs: one spelling for each path, and one matcher that takes linear time.

Paths are compared as they are spelled: no case folding and no Unicode normalisation,
because the file systems of the sandbox do neither.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from magicrune.errors import PatternInvalid

MAX_PATH_BYTES = 4095
"""Linux PATH_MAX (4096) counts the closing NUL."""
MAX_SEGMENT_BYTES = 255
"""NAME_MAX of every Linux file system that we use."""
_WILD = frozenset("*?[")


def normalise_path(text: str) -> str:
    """`text` if it is the one normal spelling of an absolute path, else PatternInvalid.

    Refused: relative, ``.``, ``..``, ``//``, a trailing ``/``, control characters
    (NUL too), lone surrogates, more than 4095 bytes, a segment of more than 255 bytes.
    Nothing is repaired: a path that needs repair is a mistake or an attempt.
    """
    if not text.startswith("/"):
        raise PatternInvalid(f"path {_short(text)} is not absolute", hint="begin it with /")
    if len(text) > MAX_PATH_BYTES or len(_encode(text)) > MAX_PATH_BYTES:
        raise PatternInvalid(f"path is longer than {MAX_PATH_BYTES} bytes")
    if any(ord(c) < 32 or 127 <= ord(c) < 160 for c in text):
        raise PatternInvalid(f"path {_short(text)} holds a control character")
    if text == "/":
        return text
    for segment in text[1:].split("/"):
        _check_segment(segment, text)
    return text


def _check_segment(segment: str, text: str) -> None:
    if segment == "":
        raise PatternInvalid(f"path {_short(text)} has // or a / at its end")
    if segment in (".", ".."):
        raise PatternInvalid(f"path {_short(text)} has a {segment} segment", hint="write it out")
    if len(_encode(segment)) > MAX_SEGMENT_BYTES:
        raise PatternInvalid(f"path has a name longer than {MAX_SEGMENT_BYTES} bytes")


def _encode(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise PatternInvalid("path holds half a surrogate pair") from None


def is_within(path: str, tree: str) -> bool:
    """Whether `path` lies below the directory `tree` (both normal; not `tree` itself)."""
    return path.startswith(tree if tree == "/" else tree + "/") and path != tree


def parse_tree(text: str) -> str:
    """The directory that ``DIR``, ``DIR/`` or ``DIR/**`` means: it and all below it.

    Raises PatternInvalid for any other wildcard: a sandbox grants whole directories,
    so only those can be enforced by mounts.
    """
    bare = text.removesuffix("/**") if text.endswith("/**") else text.removesuffix("/")
    if _WILD & set(bare):
        raise PatternInvalid(
            f"{_short(text)} cannot be enforced: only whole directories can be granted",
            hint="write DIR/** with no other wildcard",
        )
    if bare == "":
        raise PatternInvalid(f"{_short(text)} would grant the whole file system")
    return normalise_path(bare)


def covers(outer: str, inner: str) -> bool:
    """Whether the tree `outer` holds all of the tree `inner` (both ``DIR`` or ``DIR/**``)."""
    tree, part = parse_tree(outer), parse_tree(inner)
    return tree == part or is_within(part, tree)


@dataclass(frozen=True, slots=True)
class _Set:
    """One character of ``[a-z]`` or ``[!a-z]``; ``?`` is the set that refuses nothing."""

    ranges: tuple[tuple[str, str], ...]
    negated: bool

    def has(self, char: str) -> bool:
        return any(low <= char <= high for low, high in self.ranges) != self.negated


_Test = Callable[[str], bool]
_Glob = tuple[_Test | None, ...]  # of characters or of names; None is "*" or "**"
_ANY_CHAR = _Set((), negated=True).has


def compile_globs(patterns: Iterable[str]) -> Callable[[str], bool]:
    """A test whether a normal absolute path matches one of `patterns`.

    ``*``, ``?``, ``[a-z]``, ``[!a-z]`` stay within a name, ``**`` is any number of whole
    names, none included (``/a/**`` matches ``/a``). Case-sensitive; a leading dot is
    nothing special. Raises PatternInvalid for a pattern that cannot be read.
    """
    literals: set[str] = set()
    globs: list[_Glob] = []
    for pattern in patterns:
        glob = _parse_glob(pattern)
        if _WILD & set(pattern):
            globs.append(glob)
        else:
            literals.add(pattern)
    return lambda path: path in literals or _any_glob(path, globs)


def _any_glob(path: str, globs: list[_Glob]) -> bool:
    names = path[1:].split("/") if path != "/" else []
    return any(_match(names, glob) for glob in globs)


def compile_names(patterns: Iterable[str]) -> Callable[[str], bool]:
    """The same for single names (of environment variables): no ``/`` and no ``**``."""
    tests = [_parse_name(pattern, pattern) for pattern in patterns]
    return lambda text: any(test(text) for test in tests)


def _parse_glob(pattern: str) -> _Glob:
    if not pattern.startswith("/"):
        raise PatternInvalid(
            f"pattern {_short(pattern)} is not absolute", hint="begin it with /, or with /**/"
        )
    if len(pattern) > MAX_PATH_BYTES:
        raise PatternInvalid(f"pattern is longer than {MAX_PATH_BYTES} characters")
    if pattern == "/":
        return ()
    parts = pattern[1:].split("/")
    return tuple(None if part == "**" else _parse_name(part, pattern) for part in parts)


def _parse_name(part: str, pattern: str) -> _Test:
    if part in ("", ".", "..") or any(ord(c) < 32 or 127 <= ord(c) < 160 for c in part):
        raise PatternInvalid(f"pattern {_short(pattern)} has a name that no path can have")
    if "/" in part or "**" in part:
        raise PatternInvalid(f"pattern {_short(pattern)}: ** must stand alone between slashes")
    if not _WILD & set(part):
        return partial(operator.eq, part)
    tokens: list[_Test | None] = []
    at = 0
    while at < len(part):
        if part[at] == "[":
            token, at = _parse_set(part, at, pattern)
            tokens.append(token)
            continue
        tokens.append(_parse_char(part[at]))
        at += 1
    return partial(_match, pattern=tuple(tokens))


def _parse_char(char: str) -> _Test | None:
    if char == "*":
        return None
    return _ANY_CHAR if char == "?" else partial(operator.eq, char)


def _parse_set(part: str, begin: int, pattern: str) -> tuple[_Test, int]:
    at = begin + 1
    negated = part[at : at + 1] == "!"
    at += negated
    end = part.find("]", at + 1)  # a "]" that comes first is a member
    if end < 0:
        raise PatternInvalid(f"pattern {_short(pattern)} has a [ without ]")
    ranges: list[tuple[str, str]] = []
    while at < end:
        low = high = part[at]
        if part[at + 1] == "-" and at + 2 < end:
            high = part[at + 2]
            at += 2
        if low > high:
            raise PatternInvalid(f"pattern {_short(pattern)} has the empty range {low}-{high}")
        ranges.append((low, high))
        at += 1
    return _Set(tuple(ranges), negated).has, end + 1


def _match(items: Sequence[str], pattern: _Glob) -> bool:
    """Whether `items` fit `pattern`, where None takes any run of items.

    Only the last None is ever tried again (an earlier one cannot help), so this takes at
    most len(items) x len(pattern) steps whatever the pattern.
    """
    at = want = retry_at = 0
    retry: int | None = None
    while at < len(items):
        test = pattern[want] if want < len(pattern) else _never
        if test is None:
            retry, retry_at = want, at
            want += 1
        elif test(items[at]):
            at += 1
            want += 1
        elif retry is not None:
            retry_at += 1
            at, want = retry_at, retry + 1
        else:
            return False
    return all(rest is None for rest in pattern[want:])


def _never(_item: str) -> bool:
    return False


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
