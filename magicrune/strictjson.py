"""JSON without surprises: one meaning per document, bounded in size, depth and memory.

The standard parser takes duplicate keys, NaN, lone surrogates and any number of tiny
values; a request must mean the same to every reader, so this one refuses them.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import BinaryIO, Union

from magicrune.errors import JsonInvalid
from magicrune.plainfile import NotPlain, open_plain

MAX_BYTES = 16 << 20
MAX_DEPTH = 64
MAX_VALUES = 20_000
"""Values and keys in one document: ~1 kB each at worst, with the errors about them."""
MAX_TEXT_MEMORY = 20 << 20
"""All strings decoded. CPython keeps 4 bytes a character if one is outside the BMP."""
MAX_NUMBER_CHARS = 24

Json = Union[None, bool, int, float, str, list["Json"], dict[str, "Json"]]  # noqa: UP007

_SPACE = re.compile(rb"[ \t\n\r]*")
# Possessive: nothing to try again, so time is linear and no backtracking stack is kept.
_STRING = re.compile(rb'"(?:[^"\\\x00-\x1f]++|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*+')
_NOT_PLAIN = re.compile(rb"[\x80-\xff]|\\u")
_WIDE = re.compile(rb"[\xf0-\xff]|\\u[dD][89abAB]")
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*+)(\.[0-9]++)?([eE][+-]?[0-9]++)?")
_WORDS: tuple[tuple[bytes, Json], ...] = ((b"true", True), (b"false", False), (b"null", None))
_BAD_WORD = re.compile(rb"-?[A-Za-z]{1,12}")
_CONTINUATION = bytes(range(0x80, 0xC0))
_SURROGATE = re.compile("[\ud800-\udfff]")


def read_limited(source: str | Path | BinaryIO, *, max_bytes: int = MAX_BYTES) -> bytes:
    """All bytes of a file or binary stream, never holding more than `max_bytes` + 1.

    Raises JsonInvalid where there are more, or where the source cannot be read.
    """
    if not isinstance(source, str | Path):
        return _read(source, max_bytes, str(getattr(source, "name", "input")))
    if str(source) == "":  # what a variable gives that is not set
        raise JsonInvalid("the name of the file is empty", hint="- reads stdin")
    try:
        with open_plain(Path(source)) as stream:
            return _read(stream, max_bytes, str(source))
    except NotPlain as error:
        raise JsonInvalid(str(error), where=str(source), hint="- reads stdin") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise _unreadable(error, str(source)) from error


def _read(stream: BinaryIO, max_bytes: int, name: str) -> bytes:
    chunks: list[bytes] = []
    left = max_bytes + 1
    try:
        while left > 0 and (chunk := stream.read(min(left, 1 << 20))):
            chunks.append(chunk)
            left -= len(chunk)
    except (OSError, ValueError) as error:  # ValueError: the stream is closed
        raise _unreadable(error, name) from error
    if left <= 0:
        raise _too_large(max_bytes, name)
    return b"".join(chunks)


def _unreadable(error: OSError | ValueError, where: str) -> JsonInvalid:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return JsonInvalid(f"cannot be read: {reason}", where=where)


def _too_large(max_bytes: int, where: str) -> JsonInvalid:
    return JsonInvalid(f"is larger than {max_bytes} bytes", where=where)


def loads(
    data: bytes,
    *,
    max_bytes: int = MAX_BYTES,
    max_depth: int = MAX_DEPTH,
    source: str = "json",
) -> Json:
    """The one value that `data` (UTF-8) holds.

    Raises JsonInvalid with ``source:line:column`` (columns in characters, from 1).
    """
    if len(data) > max_bytes:
        raise _too_large(max_bytes, source)
    return _Reader(data, max_depth, source).document()


class _Reader:
    """A recursive descent over the bytes; `at` is the next one."""

    def __init__(self, data: bytes, max_depth: int, source: str) -> None:
        self.data = data
        self.max_depth = max_depth
        self.source = source
        self.at = 0
        self.values = 0
        self.text_memory = 0

    def document(self) -> Json:
        if self.data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
            raise self.error("starts with a byte order mark", hint="save it as UTF-8 without BOM")
        self.skip_space()
        if self.at == len(self.data):
            raise self.error("is empty")
        value = self.value(0)
        self.skip_space()
        if self.at != len(self.data):
            raise self.error("has more after the end of the document")
        return value

    def error(self, message: str, *, at: int | None = None, hint: str = "") -> JsonInvalid:
        end = self.at if at is None else at
        line = self.data.count(b"\n", 0, end) + 1
        start = self.data.rfind(b"\n", 0, end) + 1
        column = len(self.data[start:end].translate(None, _CONTINUATION)) + 1
        return JsonInvalid(message, where=f"{self.source}:{line}:{column}", hint=hint)

    def skip_space(self) -> None:
        found = _SPACE.match(self.data, self.at)
        self.at = found.end() if found else self.at

    def value(self, depth: int) -> Json:
        self.count()
        start = self.data[self.at : self.at + 1]
        if start == b'"':
            return self.string()
        if start in (b"{", b"["):
            if depth >= self.max_depth:
                raise self.error(f"is nested deeper than {self.max_depth}")
            self.at += 1
            return self.object(depth + 1) if start == b"{" else self.array(depth + 1)
        return self.word_or_number()

    def count(self) -> None:
        self.values += 1
        if self.values > MAX_VALUES:
            raise self.error(f"holds more than {MAX_VALUES} values")

    def object(self, depth: int) -> dict[str, Json]:
        found: dict[str, Json] = {}
        self.skip_space()
        if self.take(b"}"):
            return found
        while True:
            self.skip_space()
            key_at = self.at
            self.count()
            if self.data[self.at : self.at + 1] != b'"':
                raise self.error('expected a key in double quotes or "}"')
            key = self.string()
            if key in found:
                raise self.error(f"key {_short(key)} is given twice", at=key_at)
            self.skip_space()
            if not self.take(b":"):
                raise self.error('expected ":"')
            self.skip_space()
            found[key] = self.value(depth)
            if self.ends(b"}"):
                return found

    def array(self, depth: int) -> list[Json]:
        found: list[Json] = []
        self.skip_space()
        if self.take(b"]"):
            return found
        while True:
            self.skip_space()
            found.append(self.value(depth))
            if self.ends(b"]"):
                return found

    def ends(self, closing: bytes) -> bool:
        self.skip_space()
        if self.take(b","):
            return False
        if self.take(closing):
            return True
        raise self.error(f'expected "," or "{closing.decode()}"')

    def take(self, byte: bytes) -> bool:
        if self.data[self.at : self.at + 1] == byte:
            self.at += 1
            return True
        return False

    def string(self) -> str:
        begin = self.at
        found = _STRING.match(self.data, begin)
        end = found.end() if found else begin
        if self.data[end : end + 1] != b'"':
            raise self.bad_string(begin, end)
        self.at = end + 1
        self.weigh(begin, end)
        escaped = self.data.find(b"\\", begin, end) >= 0
        span = slice(begin, end + 1) if escaped else slice(begin + 1, end)
        raw = memoryview(self.data)[span]
        try:
            text = str(raw, "utf-8")
        except UnicodeDecodeError as error:
            raise self.error("is not valid UTF-8", at=span.start + error.start) from None
        if escaped:
            text = str(json.loads(text))
            if _SURROGATE.search(text):
                raise self.error("has half a surrogate pair in a string", at=begin)
        return text

    def weigh(self, begin: int, end: int) -> None:
        """Counts what the string will take in memory before it is made."""
        width = 1
        if _NOT_PLAIN.search(self.data, begin, end):
            width = 4 if _WIDE.search(self.data, begin, end) else 2
        self.text_memory += width * (end - begin)
        if self.text_memory > MAX_TEXT_MEMORY:
            raise self.error("holds too much text that is not plain ASCII", at=begin)

    def bad_string(self, begin: int, end: int) -> JsonInvalid:
        rest = self.data[end : end + 1]
        if not rest:
            return self.error("a string is not closed", at=begin)
        if rest == b"\\":
            return self.error("bad escape in a string", at=end)
        return self.error("control character in a string", at=end, hint="write it as \\u00XX")

    def word_or_number(self) -> Json:
        found = _NUMBER.match(self.data, self.at)
        if found is not None:
            return self.number(found)
        for word, value in _WORDS:
            if self.data.startswith(word, self.at):
                self.at += len(word)
                return value
        bad = _BAD_WORD.match(self.data, self.at)
        if bad is not None:
            raise self.error(f"{bad.group().decode()} is not JSON")
        if self.at == len(self.data):
            raise self.error("ends in the middle of the document")
        if self.data[self.at] >= 0x80:
            raise self.error("expected a value, found a character outside ASCII")
        raise self.error(f"expected a value, found {_short(chr(self.data[self.at]))}")

    def number(self, found: re.Match[bytes]) -> int | float:
        begin, self.at = self.at, found.end()
        if found.end() - begin > MAX_NUMBER_CHARS:
            raise self.error(f"a number has more than {MAX_NUMBER_CHARS} characters", at=begin)
        if found.group(1) is None and found.group(2) is None:
            return int(found.group())
        value = float(found.group())
        if not math.isfinite(value):
            raise self.error("a number is too large", at=begin)
        return value


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
