"""Bytes → `SpellRequest`: what somebody wants run, checked for shape, not yet for right."""

from __future__ import annotations

import binascii
import hashlib
import itertools
import json
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from magicrune.errors import PatternInvalid, RequestInvalid
from magicrune.netrule import NetRule
from magicrune.pathrule import normalise_path, parse_tree
from magicrune.shape import dotted, explain
from magicrune.strictjson import loads

MAX_CMD_BYTES = 64 << 10
"""Linux refuses a single argument of 128 KiB (MAX_ARG_STRLEN); half leaves room."""
MAX_ENV_BYTES = 128 << 10
MAX_ENV_NAMES = 1000
MAX_FILES = 1000
MAX_ENTRIES = 100
"""Of `allow_net` and of `allow_fs`."""
MAX_TIMEOUT_SEC = 60
MAX_SEED = 2**63 - 1

_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")


def _listed(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _check_cmd(value: str) -> str:
    if not value.strip():
        raise ValueError("is empty")
    if "\0" in value:
        raise ValueError("holds a NUL byte")
    if len(value) > MAX_CMD_BYTES or len(value.encode()) > MAX_CMD_BYTES:
        raise ValueError(f"is longer than {MAX_CMD_BYTES} bytes (put the script into files)")
    return value


def _check_env(value: dict[str, str]) -> dict[str, str]:
    if len(value) > MAX_ENV_NAMES:
        raise ValueError(f"has more than {MAX_ENV_NAMES} names")
    size = 0
    for name, text in value.items():
        if not _ENV_NAME.fullmatch(name):
            raise ValueError(f"name {name[:60]!r} is not letters, digits and _")
        if "\0" in text:
            raise ValueError(f"value of {name} holds a NUL byte")
        size += len(name) + len(text.encode()) + 2
    if size > MAX_ENV_BYTES:
        raise ValueError(f"is larger than {MAX_ENV_BYTES} bytes")
    return value


def _pattern(error: PatternInvalid) -> ValueError:
    return ValueError(f"{error.message} ({error.hint})" if error.hint else error.message)


def _check_path(value: str) -> str:
    try:
        path = normalise_path(value)
    except PatternInvalid as error:
        raise _pattern(error) from None
    if path == "/":
        raise ValueError("is a directory")
    return path


def _check_tree(value: str) -> str:
    try:
        parse_tree(value)
    except PatternInvalid as error:
        raise _pattern(error) from None
    return value


def _check_net(value: str) -> str:
    try:
        NetRule.parse(value)
    except PatternInvalid as error:
        raise _pattern(error) from None
    return value


def _check_base64(value: str) -> str:
    try:
        content = binascii.a2b_base64(value, strict_mode=True)
    except (binascii.Error, ValueError):
        raise ValueError("is not base64 (standard alphabet, padded, no line breaks)") from None
    # One content has one spelling, else it had several request hashes.
    tail = content[len(content) - (len(content) % 3 or 3) :] if content else b""
    if len(value) % 4 or binascii.b2a_base64(tail, newline=False).decode() != value[-4:]:
        raise ValueError("is base64 with stray bits or without padding at its end")
    return value


class FileEntry(BaseModel):
    """A file that the job finds in its sandbox."""

    # Deferred: it is only ever validated as part of a SpellRequest.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)

    path: Annotated[str, AfterValidator(_check_path)] = Field(
        description="Absolute and normal: no `..`, `.`, `//` or control characters."
    )
    content_b64: Annotated[str, AfterValidator(_check_base64)] = Field(
        description="Content in base64: standard alphabet, padded, no line breaks."
    )

    def content(self) -> bytes:
        """The bytes of the file."""
        return binascii.a2b_base64(self.content_b64)

    def size(self) -> int:
        """Bytes of the content, without decoding it."""
        return len(self.content_b64) // 4 * 3 - self.content_b64[-2:].count("=")


def _check_files(value: tuple[FileEntry, ...]) -> tuple[FileEntry, ...]:
    if len(value) > MAX_FILES:
        raise ValueError(f"has more than {MAX_FILES} files")
    paths = sorted(entry.path for entry in value)
    known = set(paths)
    for before, path in itertools.pairwise(paths):
        if before == path:
            raise ValueError(f"names {path} twice")
    for path in paths:
        parents = itertools.accumulate(path.split("/")[1:-1], lambda a, b: f"{a}/{b}", initial="")
        if any(parent in known for parent in parents):
            raise ValueError(f"{path} lies in a path that is a file of its own")
    return value


def _check_count(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(value) > MAX_ENTRIES:
        raise ValueError(f"has more than {MAX_ENTRIES} entries")
    return value


_Listed = BeforeValidator(_listed)
_NetEntry = Annotated[str, AfterValidator(_check_net)]
_FsEntry = Annotated[str, AfterValidator(_check_tree)]


class SpellRequest(BaseModel):
    """One job. What it asks for is granted only as far as its policy goes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    cmd: Annotated[str, AfterValidator(_check_cmd)] = Field(
        description="Run as `sh -c CMD`. At most 64 KiB, no NUL."
    )
    stdin: str = Field(default="", description="What the job reads from its standard input.")
    env: Annotated[dict[str, str], AfterValidator(_check_env)] = Field(
        default_factory=dict, description="Variables; their names must be granted by the policy."
    )
    files: Annotated[tuple[FileEntry, ...], _Listed, AfterValidator(_check_files)] = Field(
        default=(), description="Files put into the sandbox, in directories that the policy grants."
    )
    policy_id: str = Field(
        default="default",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="The policy that the request was written for; refused under any other.",
    )
    timeout_sec: int | None = Field(
        default=None,
        ge=0,
        le=MAX_TIMEOUT_SEC,
        description="Seconds of wall time; 0 or absent: what the policy allows.",
    )
    allow_net: Annotated[tuple[_NetEntry, ...], _Listed, AfterValidator(_check_count)] = Field(
        default=(), description="Destinations wanted, each covered by the policy; none: no network."
    )
    allow_fs: Annotated[tuple[_FsEntry, ...], _Listed, AfterValidator(_check_count)] = Field(
        default=(), description="Only these of the policy's directories; none given: all of them."
    )
    seed: int | None = Field(
        default=None,
        ge=0,
        le=MAX_SEED,
        description="Seen by the job as MAGICRUNE_SEED; part of run_id.",
    )
    repeatable: bool = Field(
        default=False,
        description="A second run is no harm although the first may have used the network: a "
        "worker runs it again where another died over it.",
    )


def parse_request(data: bytes, *, strict: bool = False, source: str = "request") -> SpellRequest:
    """The request that `data` (JSON) holds; `strict` wants every key to be given.

    Raises RequestInvalid; `where` is ``SOURCE:LINE:COLUMN`` for bad JSON and such as
    ``request.files[0].path`` for a bad value.
    """
    value = loads(data, source=source)
    if not isinstance(value, dict):
        raise RequestInvalid("must be an object", where="request", hint='such as {"cmd": "true"}')
    if strict:
        missing = [name for name in SpellRequest.model_fields if name not in value]
        if missing:
            raise RequestInvalid(
                f"key {missing[0]!r} is missing",
                where="request",
                hint="--strict wants every key: " + ", ".join(missing),
            )
    try:
        return SpellRequest.model_validate(value)
    except ValidationError as error:
        misfit = explain(error, SpellRequest)
        where = f"request.{dotted(misfit.loc)}".removesuffix(".")
        raise RequestInvalid(misfit.message, where=where, hint=misfit.hint) from None


def canonical_bytes(request: SpellRequest) -> bytes:
    """The one spelling of a request: all keys, sorted, no spaces, UTF-8.

    `timeout_sec` 0 and absent mean the same and are both null.
    """
    return _canonical(request, request.seed)


def _canonical(request: SpellRequest, seed: int | None) -> bytes:
    body: dict[str, Any] = request.model_dump()
    body["timeout_sec"] = body["timeout_sec"] or None
    body["seed"] = seed
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def request_sha256(request: SpellRequest) -> str:
    """SHA-256 of the canonical request, hex."""
    return hashlib.sha256(canonical_bytes(request)).hexdigest()


def run_id(request: SpellRequest, seed: int | None = None) -> str:
    """``r_`` and 32 hex digits: the same for the same request and seed.

    `seed` stands in for the request's own; a request that carries the same seed itself
    gets the same id.
    """
    effective = request.seed if seed is None else seed
    digest = hashlib.sha256(b"magicrune run 1\0" + _canonical(request, effective))
    return "r_" + digest.hexdigest()[:32]
