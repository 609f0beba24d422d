"""Error codes are a contract: unique, documented by form, with an exit code that is ours."""

from __future__ import annotations

import importlib
import pkgutil
import re

import magicrune
from magicrune.errors import MagicRuneError


def every_error() -> set[type[MagicRuneError]]:
    for module in pkgutil.walk_packages(magicrune.__path__, "magicrune."):
        if module.name != "magicrune.__main__":
            importlib.import_module(module.name)
    found: set[type[MagicRuneError]] = set()
    left = [MagicRuneError]
    while left:
        for child in left.pop().__subclasses__():
            if child.__module__.startswith("magicrune."):
                found.add(child)
            left.append(child)
    return found


def test_codes_are_unique_and_exit_codes_are_the_documented_ones() -> None:
    errors = every_error()
    assert len(errors) > 10
    by_code: dict[str, type[MagicRuneError]] = {MagicRuneError.code: MagicRuneError}
    for error in errors:
        assert re.fullmatch(r"MR-[1-4][0-9]{3}", error.code), error
        assert error.code not in by_code, (error, by_code[error.code])
        by_code[error.code] = error
        assert error.exit_code in (1, 2, 3, 4)
        assert error.code[3] == str(error.exit_code), error
        assert error.__doc__


def test_text_is_one_printable_line() -> None:
    error = MagicRuneError("a\nb\x1b[2J", where="c\r\u202e", hint="d\x9b")
    assert str(error).isprintable()
    assert "a" in str(error)
    assert str(MagicRuneError("m", where="w", hint="h")) == "w: m (h)"
