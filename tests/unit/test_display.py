"""escape(): whatever a job writes, a terminal gets nothing to interpret."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magicrune.display import escape

# Categories that move, hide, reorder or mean nothing agreed upon.
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("hello", "hello"),
        ("Grüße, 世界 שלום 🙂", "Grüße, 世界 שלום 🙂"),
        ("e\u0301", "e\u0301"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\x9b2J", "\\u009b2J"),
        ("\x7f\x00", "\\x7f\\x00"),
        (b"\xff\x1bA", "\\xff\\x1bA"),
        (b"\xc2\x9b", "\\u009b"),
        ("a\u202eb\u2066c", "a\\u202eb\\u2066c"),
        ("a\u200bb\ufeff\u00ad", "a\\u200bb\\ufeff\\u00ad"),
        ("\ue000\U000f0000", "\\ue000\\U000f0000"),
        ("a\u3164\u2800\ufe0f", "a\\u3164\\u2800\\ufe0f"),
        ("\u2028\u00a0", "\\u2028\\u00a0"),
        ("\u0301x", "\\u0301x"),
        ("\ud800", "\\ud800"),
        ("C:\\dir", "C:\\dir"),
    ],
)
def test_escape_shows_text_and_names_the_rest(raw: str | bytes, shown: str) -> None:
    assert escape(raw, limit=100) == shown


def test_escape_keeps_newline_and_tab_only_where_asked() -> None:
    assert escape("a\n\tb\r", limit=9, keep="\n\t") == "a\n\tb\\r"
    with pytest.raises(ValueError, match="kept"):
        escape("a", limit=9, keep="\x1b")
    with pytest.raises(ValueError, match="limit"):
        escape("a", limit=0)


def test_escape_bounds_combining_marks() -> None:
    shown = escape("a" + "\u0301" * 50, limit=10_000)
    assert shown.count("\u0301") == 4
    assert shown.count("\\u0301") == 46
    assert escape("\n\u0301", limit=99, keep="\n") == "\n\\u0301"


def test_escape_cuts_between_characters() -> None:
    assert escape("abcdef", limit=6) == "abcdef"
    assert escape("abcdef", limit=5) == "abcd…"
    assert escape("ab\x1b\x1b", limit=9) == "ab\\x1b…"
    assert escape("äbc", limit=1) == "…"


def _is_plain(character: str) -> bool:
    return unicodedata.category(character) not in _UNSEEN


@given(st.one_of(st.text(max_size=200), st.binary(max_size=200)), st.integers(1, 120))
def test_escape_lets_nothing_interpretable_through(raw: str | bytes, limit: int) -> None:
    shown = escape(raw, limit=limit)
    assert len(shown) <= limit
    assert all(_is_plain(character) for character in shown)
    shown.encode()


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=50))
def test_escape_leaves_plain_ascii_alone(raw: str) -> None:
    assert escape(raw, limit=50) == raw


def test_escape_reads_no_more_than_it_shows() -> None:
    assert len(escape(b"\xf0\x9f\x99\x82" * 10_000_000, limit=10)) == 10
