"""What pydantic found wrong, in our words: one place, one reason, one hint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

_WORDS = (
    ("Value error, ", ""),
    ("Assertion failed, ", ""),
    ("String should match pattern", "must match"),
    ("Input should be a valid tuple", "must be a list"),
    ("Input should be a valid dictionary or instance of", "must be a mapping, a"),
    ("Input should be a valid dictionary", "must be a mapping"),
    ("Input should be a valid", "must be a"),
    ("must be a integer", "must be an integer"),
    ("Input should be", "must be"),
)

Loc = tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Misfit:
    """The first thing that does not fit a model."""

    loc: Loc
    message: str
    hint: str = ""


def explain(error: ValidationError, model: type[BaseModel]) -> Misfit:
    """The first error of a validation against `model`, and how many more there are.

    A misspelled key goes before all others.
    """
    found = error.errors(include_url=False, include_input=False)
    # It is missing as well, but its own error says what to mend.
    first = next((each for each in found if each["type"] == "extra_forbidden"), found[0])
    loc: Loc = first["loc"]
    hint = ""
    if first["type"] == "extra_forbidden":
        import difflib  # here: only mistakes need it

        known = _keys_at(model, loc[:-1])
        message = f"unknown key {str(loc[-1])[:60]!r}"
        near = difflib.get_close_matches(str(loc[-1])[:60], known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
    elif first["type"] == "missing":
        message = f"key {str(loc[-1])!r} is missing"
    elif first["type"] == "too_short":
        message = "must not be empty"
    elif first["type"] == "string_pattern_mismatch" and "sha256:" in str(first["msg"]):
        message, hint = (
            "is no digest",
            "sha256: and 64 hex digits, as in: magicrune images list",
        )
    else:
        message = str(first["msg"])
        for theirs, ours in _WORDS:
            message = message.replace(theirs, ours)
        message, hint = _split_hint(message)
    if len(found) > 1:
        message = f"{message}; {len(found) - 1} more like it follow"
    return Misfit(loc, message, hint)


def _split_hint(message: str) -> tuple[str, str]:
    """Our validators put a hint into closing parentheses: ValueError has no place for it."""
    if message.endswith(")") and " (" in message:
        text, _, hint = message[:-1].rpartition(" (")
        return text, hint
    return message, ""


def _keys_at(model: type[BaseModel], loc: Loc) -> list[str]:
    here: type[BaseModel] = model
    for step in loc:
        if isinstance(step, str) and step in here.model_fields:
            inner = _model_in(here.model_fields[step].annotation)
            here = inner if inner is not None else here
    return list(here.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in get_args(annotation):
        if (found := _model_in(part)) is not None:
            return found
    return None


def dotted(loc: Loc) -> str:
    """``files[0].path``"""
    text = ""
    for step in loc:
        text += f"[{step}]" if isinstance(step, int) else f".{step[:60]}"
    return text.removeprefix(".")
