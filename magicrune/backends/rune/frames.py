"""Frames between us and rune-init (images/rune-init/PROTOCOL.md). Pure: bytes in, bytes out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct

FRAME_MAX = 1 << 20
"""Bytes of one frame's payload that init takes."""
_HEADER = Struct("<BI")
_FROM_INIT = {
    **dict.fromkeys(b"ROELFfHSX!", 1 << 16),
    ord("C"): 1 << 18,
    ord("B"): 0,
}
"""Types of frames that init sends, with the most bytes that each may have."""


class FrameInvalid(ValueError):
    """What came is not a frame of init's: whoever sent it is not the init that we started."""


@dataclass(frozen=True, slots=True)
class Frame:
    """`kind` is the letter of the frame's type."""

    kind: str
    payload: bytes


def encode(kind: str, payload: bytes = b"") -> bytes:
    """One frame to init. Raises ValueError where it is too long."""
    if len(payload) > FRAME_MAX:
        raise ValueError(f"frame {kind}: {len(payload)} bytes, at most {FRAME_MAX}")
    return _HEADER.pack(ord(kind), len(payload)) + payload


def encode_stream(kind: str, data: bytes) -> Iterator[bytes]:
    """`data` in as many frames as it needs; none where it is empty."""
    for start in range(0, len(data), FRAME_MAX):
        yield encode(kind, data[start : start + FRAME_MAX])


class Decoder:
    """Cuts a stream of bytes into frames, holding at most one that is not whole."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are whole with `data`. Raises FrameInvalid for a type or a length
        that init never sends, told from the header alone."""
        rest = self._rest
        rest += data
        while len(rest) >= _HEADER.size:
            kind, length = _HEADER.unpack_from(rest)
            most = _FROM_INIT.get(kind)
            if most is None or length > most:
                raise FrameInvalid(f"type {kind:#04x} with {length} bytes")
            end = _HEADER.size + length
            if len(rest) < end:
                return
            frame = Frame(chr(kind), bytes(rest[_HEADER.size : end]))
            del rest[:end]
            yield frame
