"""The shape of a policy file. docs/policy.md describes every key.

Whatever a policy says can be enforced; what could not be is refused here, when the
policy is read, not when a job runs.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    model_validator,
)

from magicrune.pathrule import is_within, parse_tree
from magicrune.policy_entries import (
    Deny,
    Globs,
    Listed,
    Loopbacks,
    Names,
    Nets,
    Resolvers,
    Trees,
)


def _check_version(value: object) -> object:
    if isinstance(value, bool):  # True == 1
        raise ValueError("must be 1")
    return value


class _Section(BaseModel):
    # Deferred: only Policy's validator is ever used, and each one costs start-up time.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


_ALL_DEFAULTS: Any = Field(default={}, validate_default=True)
"""A section that may be left out. Not an instance: that would build its validator."""


class FsCapability(_Section):
    """Directories that the sandbox has beside its read-only image; each starts empty."""

    default: Deny = "deny"
    allow: Trees = Field(default=(), description="Directories the job may write: `DIR/**`.")
    readonly: Trees = Field(default=(), description="Directories only the request's files fill.")

    @model_validator(mode="after")
    def _disjoint(self) -> FsCapability:
        writable = [parse_tree(entry) for entry in self.allow]
        fixed = [parse_tree(entry) for entry in self.readonly]
        for one in writable:
            for other in fixed:
                if one == other or is_within(one, other) or is_within(other, one):
                    raise ValueError(f"allow {one} and readonly {other} overlap (separate them)")
        return self


class NetCapability(_Section):
    """Destinations that requests may ask for."""

    default: Deny = "deny"
    allow: Nets = Field(
        default=(), description="`HOST`, `*.NAME` or `CIDR`, each with `:PORT[-PORT]`."
    )
    unsafe_host_loopback: Loopbacks = Field(
        default=(), description="The executor's own loopback: `127.0.0.1:PORT`, `[::1]:PORT`."
    )
    resolvers: Resolvers = Field(
        default=(), description="DNS servers: `ADDRESS[:PORT]`; none: the executor's own."
    )


class EnvCapability(_Section):
    """Names of variables that requests may set."""

    allow: Names = Field(default=(), description="Patterns of names: `APP_*`.")
    deny: Names = Field(default=(), description="Patterns that win over `allow`; any letter case.")


class Capabilities(_Section):
    """What a job may be granted. Everything left out is granted to nobody."""

    fs: FsCapability = _ALL_DEFAULTS
    net: NetCapability = _ALL_DEFAULTS
    env: EnvCapability = _ALL_DEFAULTS


class PolicyLimits(_Section):
    """Ceilings of each run."""

    cpu_ms: int = Field(ge=1, le=600_000, description="CPU time of all processes, ms.")
    memory_mb: int = Field(ge=1, le=1 << 20, description="Memory of all processes, MiB.")
    wall_sec: int = Field(ge=1, le=60, description="Seconds until the job is ended.")
    pids: int = Field(ge=1, le=32_768, description="Processes and threads at one time.")
    output_bytes: int = Field(ge=1, le=1 << 30, description="stdout and stderr together.")
    tmp_mb: int = Field(ge=1, le=1 << 16, description="All files of the job together, MiB.")
    files: int = Field(default=10_000, ge=1, le=1_000_000, description="Files, directories, links.")
    open_files: int = Field(
        default=256, ge=8, le=65_536, description="Open at one time in a process."
    )
    artifact_bytes: int = Field(
        default=8 << 20, ge=0, le=1 << 30, description="Content of returned artifacts together."
    )
    cpus: int | None = Field(
        default=None, ge=1, le=1024, description="Processors used at one time; null: all."
    )
    net_connections: int = Field(
        default=10_000, ge=0, le=1_000_000, description="Connections allowed in one run."
    )
    net_open_connections: int = Field(
        default=256, ge=1, le=16_384, description="Connections at one time; one more is refused."
    )
    net_sent_bytes: int = Field(
        default=1 << 30, ge=0, le=1 << 44, description="Sent by all connections together."
    )
    net_received_bytes: int = Field(
        default=4 << 30, ge=0, le=1 << 44, description="Received by all connections together."
    )
    net_names: int = Field(
        default=256, ge=0, le=65_536, description="Different granted names looked up."
    )
    net_queries: int = Field(default=10_000, ge=0, le=1_000_000, description="DNS queries.")


BackendName = Literal["wasi", "oci", "podman", "docker"]


def _once(value: tuple[BackendName, ...]) -> tuple[BackendName, ...]:
    if len(set(value)) != len(value):
        raise ValueError("names a backend twice")
    return value


class Runtime(_Section):
    """What runs the job."""

    backends: Annotated[
        tuple[BackendName, ...], Listed, Field(min_length=1), AfterValidator(_once)
    ] = Field(default=("wasi",), description="Sandboxes that may be used, the preferred one first.")
    image: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9][A-Za-z0-9./:@_-]{0,255}$",
        description="Image for container backends; null: `python`.",
    )
    image_digest: str | None = Field(
        default=None,
        pattern=r"^sha256:[0-9a-f]{64}$",
        description="That image and no other; null: the one built last, told in the result.",
    )
    oci_runtime: str | None = Field(
        default=None,
        pattern=r"^[a-z][a-z0-9_.-]{0,31}$",
        description="Runtime of the container backends; null: crun, or runc, or the engine's own.",
    )
    seccomp: Literal["default", "strict"] = Field(
        default="default", description="Which system calls containers may make at most."
    )
    unsafe_seccomp: Literal["loose"] | None = Field(
        default=None, description="Instead of `seccomp`: a wider outer filter."
    )


class Thresholds(_Section):
    """Which risk scores (0 to 100) are green, yellow and red: no gap, no overlap."""

    green: str = Field(default="<=20", description="`<=N`")
    yellow: str = Field(default="21..=60", description="`A..=B`, where A is the green N plus 1.")
    red: str = Field(default=">=61", description="`>=M`, where M is the yellow B plus 1.")
    _green_max: int = PrivateAttr()
    _yellow_max: int = PrivateAttr()

    @model_validator(mode="after")
    def _contiguous(self) -> Thresholds:
        green = _bounds("green", self.green, r"<=(\d{1,3})", '"<=20"')[0]
        low, high = _bounds("yellow", self.yellow, r"(\d{1,3})\.\.=(\d{1,3})", '"21..=60"')
        red = _bounds("red", self.red, r">=(\d{1,3})", '">=61"')[0]
        for below, above, name in ((green, low, "green and yellow"), (high, red, "yellow and red")):
            if above != below + 1:
                kind = "leave a gap" if above > below + 1 else "overlap"
                raise ValueError(f"{name} {kind} between {below} and {above}")
        if not low <= high or red > 100:
            raise ValueError("yellow and red must each hold a score from 0 to 100")
        self._green_max, self._yellow_max = green, high
        return self

    def colour(self, score: int) -> Literal["green", "yellow", "red"]:
        """What a risk score means."""
        if score <= self._green_max:
            return "green"
        return "yellow" if score <= self._yellow_max else "red"


def _bounds(name: str, text: str, pattern: str, example: str) -> tuple[int, ...]:
    found = re.fullmatch(pattern, text, re.ASCII)
    if not found:
        raise ValueError(f"{name} {text[:40]!r} cannot be read (write it like {example})")
    return tuple(int(group) for group in found.groups())


class Grading(_Section):
    """How a risk score becomes a verdict."""

    thresholds: Thresholds = _ALL_DEFAULTS


class Policy(_Section):
    """A policy file. `policy_id` and `sha256` say which one it was."""

    version: Annotated[Literal[1], BeforeValidator(_check_version)] = Field(
        description="Of this format."
    )
    capabilities: Capabilities
    limits: PolicyLimits
    runtime: Runtime = _ALL_DEFAULTS
    grading: Grading = _ALL_DEFAULTS
    sensitive: Globs = Field(
        default=(), description="Globs of paths whose reading is reported, beside the usual ones."
    )
    _policy_id: str = PrivateAttr("")
    _sha256: str = PrivateAttr("")

    @model_validator(mode="after")
    def _network_has_sockets(self) -> Policy:
        net = self.capabilities.net
        granted = net.allow or net.unsafe_host_loopback
        if granted and self.runtime.seccomp == "strict" and not self.runtime.unsafe_seccomp:
            raise ValueError(
                "runtime.seccomp strict knows no internet sockets, so net grants nothing "
                "(write default, or leave net.allow empty)"
            )
        return self

    @property
    def policy_id(self) -> str:
        """The file name up to ``.policy.yml``."""
        return self._policy_id

    @property
    def sha256(self) -> str:
        """Of the file's bytes, hex."""
        return self._sha256

    def named(self, policy_id: str, sha256: str) -> Policy:
        """This policy, knowing the file that it was read from."""
        self._policy_id = policy_id
        self._sha256 = sha256
        return self
