"""Error codes are a contract: unique, documented by form, with an exit code that is ours."""

from __future__ import annotations

import errno
import importlib
import pkgutil
import re

import pytest

import magicrune
from magicrune.backends.rune.daemon import refusal, telling
from magicrune.errors import (
    BackendBroken,
    BackendFailed,
    MagicRuneError,
    Unexpected,
    cannot_do,
    translate,
)


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


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (BlockingIOError(errno.EAGAIN, "fork"), BackendFailed),
        (OSError(errno.EMFILE, "open"), BackendFailed),
        (MemoryError(), BackendFailed),
        (RuntimeError("can't start new thread"), BackendFailed),
        (RuntimeError("another"), Unexpected),
        (OSError(errno.ENOENT, "open"), Unexpected),
        (KeyError("x"), Unexpected),
    ],
)
def test_a_machine_that_is_short_of_something_is_no_defect(
    error: Exception, kind: type[MagicRuneError]
) -> None:
    found = translate(error, where="here")
    assert type(found) is kind
    assert found.retryable is (kind is BackendFailed)


@pytest.mark.parametrize(
    ("number", "lasts"),
    [(errno.ENOENT, True), (errno.EACCES, True), (errno.EAGAIN, False), (errno.ENOSPC, False)],
)
def test_what_is_missing_stays_so_and_what_is_short_does_not(number: int, lasts: bool) -> None:
    found = cannot_do(OSError(number, "no"), "cannot be started", where="crun")
    assert (type(found) is BackendBroken, found.retryable) == (lasts, not lasts)


@pytest.mark.parametrize(
    ("status", "lasts"), [(400, True), (404, True), (409, False), (429, False), (500, False)]
)
def test_a_daemon_refuses_a_bad_call_again(status: int, lasts: bool) -> None:
    assert refusal("no", status, "docker").retryable is not lasts

    class OfTheSdk(Exception):
        status_code = status

    with pytest.raises(BackendFailed) as caught, telling("docker"):
        raise OfTheSdk
    assert caught.value.retryable is not lasts


def test_a_daemon_that_does_not_answer_may_later() -> None:
    with pytest.raises(BackendFailed) as caught, telling("docker"):
        raise ConnectionError("reset")
    assert caught.value.retryable
