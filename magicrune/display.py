"""Text of a job made fit for a terminal, a log line or a finding.

Nothing that a terminal, a pager or a bidirectional layout could interpret passes:
control characters, escape sequences, bidi overrides, zero-width and other invisible
characters, private use, unassigned code points, lone surrogates, piles of combining
marks. Letters of right-to-left scripts pass: they are text.
"""

from __future__ import annotations

import unicodedata

_CUT = "…"
_MARKS_IN_A_ROW = 4
"""Written languages stack fewer (Unicode UAX #15 allows 30 for its own purposes)."""

# Invisible, yet letters, marks or symbols by category, so that str.isprintable() lets them by:
# combining grapheme joiner, Hangul fillers, Khmer inherent vowels, Mongolian and other
# variation selectors, blank Braille cell.
_INVISIBLE = frozenset(
    chr(code)
    for first, last in (
        (0x034F, 0x034F),
        (0x115F, 0x1160),
        (0x17B4, 0x17B5),
        (0x180B, 0x180F),
        (0x2800, 0x2800),
        (0x3164, 0x3164),
        (0xFE00, 0xFE0F),
        (0xFFA0, 0xFFA0),
        (0x1D159, 0x1D159),
        (0xE0100, 0xE01EF),
    )
    for code in range(first, last + 1)
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def escape(text: str | bytes, *, limit: int, keep: str = "") -> str:
    """`text` with everything but plain visible characters written as an escape.

    Bytes are read as UTF-8; a byte that is not, and an ASCII control, becomes ``\\xNN``;
    any other hidden character ``\\uNNNN`` or ``\\UNNNNNNNN``. A backslash of the text
    stays single, so the form is for reading, not for undoing. At most `limit` (>= 1)
    characters come back; where text was cut the last one is ``…``, and no escape is
    cut in two. `keep` may name newline and tab to let them through.

    Raises ValueError where `limit` or `keep` is something else.
    """
    if limit < 1 or set(keep) - {"\n", "\t"}:
        raise ValueError("limit must be positive, and only newline and tab can be kept")
    # No character comes out shorter than it went in: what lies beyond the limit is not read.
    if isinstance(text, bytes):
        text = text[: 4 * (limit + 1)].decode("utf-8", "surrogateescape")
    text = text[: limit + 1]
    if text.isascii() and text.isprintable():
        return text if len(text) <= limit else text[: limit - 1] + _CUT
    return _join(_pieces(text, keep), limit)


def _pieces(text: str, keep: str) -> list[str]:
    pieces = []
    marks = _MARKS_IN_A_ROW  # a mark at the very start would sit on what stands before it
    for character in text:
        if character.isascii():
            marks = 0 if character.isprintable() else _MARKS_IN_A_ROW
            shown = character if character.isprintable() or character in keep else _name(character)
        elif unicodedata.category(character)[0] == "M":
            marks += 1
            hidden = marks > _MARKS_IN_A_ROW or character in _INVISIBLE
            shown = _name(character) if hidden else character
        else:
            marks = 0
            hidden = character in _INVISIBLE or not character.isprintable()
            shown = _name(character) if hidden else character
        pieces.append(shown)
    return pieces


def _name(character: str) -> str:
    code = ord(character)
    if character in _SHORT:
        return _SHORT[character]
    if code < 0x80:
        return f"\\x{code:02x}"
    if 0xDC80 <= code <= 0xDCFF:  # what surrogateescape makes of a raw byte
        return f"\\x{code - 0xDC00:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _join(pieces: list[str], limit: int) -> str:
    if sum(map(len, pieces)) <= limit:
        return "".join(pieces)
    room = limit - 1
    kept = []
    for piece in pieces:
        room -= len(piece)
        if room < 0:
            break
        kept.append(piece)
    return "".join(kept) + _CUT
