"""Request + policy → `Grant`, or PolicyViolation: a request narrows, it never widens."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from magicrune.errors import PolicyViolation
from magicrune.netrule import Destination, NetRule
from magicrune.pathrule import compile_names, is_within, parse_tree
from magicrune.sensitive import SENSITIVE
from magicrune.spec import Limits, NetLimits
from magicrune.special import covers, is_loopback_rule, is_one_address, reaches
from magicrune.static_look import network_intents

if TYPE_CHECKING:
    from magicrune.policy_model import EnvCapability, NetCapability, Policy, PolicyLimits
    from magicrune.request import SpellRequest

MIB = 1 << 20

RESERVED_ENV = (
    *("MAGICRUNE_*", "PYTHONHASHSEED", "SOURCE_DATE_EPOCH", "HOSTNAME", "USER", "LOGNAME"),
    *("HOME", "PATH", "PWD", "OLDPWD", "TMPDIR", "TZ", "LANG", "LANGUAGE", "LC_*", "SHELL"),
    *("LD_*", "DYLD_*", "GLIBC_TUNABLES", "GCONV_PATH", "MALLOC_*", "BASH_ENV", "ENV", "IFS"),
)
"""No policy grants these: MagicRune sets them (a run must not depend on the caller's
machine), or they change what a program is before its first line runs."""
UNSAFE_LOOPBACK = "unsafe_host_loopback"
"""The key of `capabilities.net` for the executor's own loopback."""
_is_reserved = compile_names(RESERVED_ENV)


@dataclass(frozen=True, slots=True)
class Grant:
    """What one request gets: never more than its policy."""

    writable: tuple[str, ...]
    """Directories, normal, none within another; so is `readonly`."""
    readonly: tuple[str, ...]
    net: tuple[NetRule, ...]
    net_exact: tuple[NetRule, ...]
    host_loopback: tuple[NetRule, ...]
    net_limits: NetLimits
    resolvers: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    limits: Limits
    image: str | None
    image_digest: str | None
    oci_runtime: str | None
    seccomp: str
    sensitive: tuple[str, ...]


def admit(request: SpellRequest, policy: Policy, *, timeout_sec: int | None = None) -> Grant:
    """What `policy` grants to `request`; `timeout_sec`, if given, replaces the request's.

    Raises PolicyViolation whose `where` names the entry of the request.
    """
    _check_policy_id(request, policy)
    writable, readonly = _grant_trees(request, policy)
    limits = _grant_limits(
        policy.limits, request.timeout_sec if timeout_sec is None else timeout_sec
    )
    _check_files(request, (*writable, *readonly), limits)
    net = _grant_net(request.allow_net, policy.capabilities.net)
    _check_intents(request, net.reached)
    return Grant(
        writable=writable,
        readonly=readonly,
        net=net.reached,
        net_exact=net.exact,
        host_loopback=net.host_loopback,
        net_limits=_net_limits(policy.limits),
        resolvers=policy.capabilities.net.resolvers,
        env=_grant_env(request.env, policy.capabilities.env),
        limits=limits,
        image=policy.runtime.image,
        image_digest=policy.runtime.image_digest,
        oci_runtime=policy.runtime.oci_runtime,
        seccomp=policy.runtime.unsafe_seccomp or policy.runtime.seccomp,
        sensitive=(*SENSITIVE, *(glob for glob in policy.sensitive if glob not in SENSITIVE)),
    )


def _check_policy_id(request: SpellRequest, policy: Policy) -> None:
    # Left out, it claims nothing; given, it must be the policy that the operator chose.
    if "policy_id" in request.model_fields_set and request.policy_id != policy.policy_id:
        raise PolicyViolation(
            f"asks for policy {request.policy_id}, but runs under {policy.policy_id}",
            where="request.policy_id",
            hint="whoever runs it chooses the policy (--policy); or leave the key out",
        )


def _grant_trees(request: SpellRequest, policy: Policy) -> tuple[tuple[str, ...], tuple[str, ...]]:
    writable = [parse_tree(entry) for entry in policy.capabilities.fs.allow]
    readonly = [parse_tree(entry) for entry in policy.capabilities.fs.readonly]
    if not request.allow_fs:
        return _outermost(writable), _outermost(readonly)
    wanted_writable: list[str] = []
    wanted_readonly: list[str] = []
    for position, entry in enumerate(request.allow_fs):
        tree = parse_tree(entry)
        if _holds(writable, tree):
            wanted_writable.append(tree)
        elif _holds(readonly, tree):
            wanted_readonly.append(tree)
        else:
            raise PolicyViolation(
                f"{entry} is not granted by the policy",
                where=f"request.allow_fs[{position}]",
                hint=_granted("capabilities.fs", (*writable, *readonly)),
            )
    return _outermost(wanted_writable), _outermost(wanted_readonly)


def _holds(trees: Iterable[str], path: str) -> bool:
    return any(path == tree or is_within(path, tree) for tree in trees)


def _outermost(trees: list[str]) -> tuple[str, ...]:
    return tuple(sorted(t for t in set(trees) if not any(is_within(t, other) for other in trees)))


def _granted(key: str, entries: Iterable[str]) -> str:
    listed = ", ".join(entries)
    return f"{key} of the policy grants {listed or 'nothing'}"


def _grant_limits(limits: PolicyLimits, timeout_sec: int | None) -> Limits:
    seconds = timeout_sec or limits.wall_sec
    if seconds < 0 or seconds > limits.wall_sec:
        raise PolicyViolation(
            f"{seconds} seconds are not granted by the policy",
            where="request.timeout_sec",
            hint=f"limits.wall_sec of the policy is {limits.wall_sec}",
        )
    return Limits(
        wall_ms=seconds * 1000,
        cpu_ms=limits.cpu_ms,
        memory_bytes=limits.memory_mb * MIB,
        pids=limits.pids,
        output_bytes=limits.output_bytes,
        tmp_bytes=limits.tmp_mb * MIB,
        files=limits.files,
        open_files=limits.open_files,
        artifact_bytes=limits.artifact_bytes,
        cpus=limits.cpus,
    )


def _check_files(request: SpellRequest, trees: tuple[str, ...], limits: Limits) -> None:
    size = 0
    directories: set[str] = set()
    for position, entry in enumerate(request.files):
        where = f"request.files[{position}]"
        home = next((tree for tree in trees if is_within(entry.path, tree)), None)
        if home is None:
            raise PolicyViolation(
                f"{entry.path} lies outside the directories granted",
                where=f"{where}.path",
                hint=_granted("capabilities.fs", trees),
            )
        parent = entry.path.rpartition("/")[0]
        while parent != home:
            directories.add(parent)
            parent = parent.rpartition("/")[0]
        size += entry.size()
        if size > limits.tmp_bytes:
            raise PolicyViolation(
                f"the files hold more than {limits.tmp_bytes} bytes",
                where=where,
                hint="limits.tmp_mb of the policy is the ceiling",
            )
    if len(request.files) + len(directories) > limits.files:
        raise PolicyViolation(
            f"there are more than {limits.files} files and directories",
            where="request.files",
            hint="limits.files of the policy is the ceiling",
        )


@dataclass(frozen=True, slots=True)
class _Net:
    """The network part of a grant."""

    reached: tuple[NetRule, ...]
    exact: tuple[NetRule, ...]
    host_loopback: tuple[NetRule, ...]


def _grant_net(wanted: Iterable[str], capability: NetCapability) -> _Net:
    reached: list[NetRule] = []
    exact: list[NetRule] = []
    host_loopback: list[NetRule] = []
    for position, entry in enumerate(wanted):
        rule = NetRule.parse(entry)
        key, ceilings = net_ceilings(rule, capability)
        if not ceilings:
            listed = _granted(f"capabilities.net.{key}", getattr(capability, key)[:5])
            raise PolicyViolation(
                f"{entry} is not granted by the policy",
                where=f"request.allow_net[{position}]",
                hint=f'{listed}; to allow it, add the line - "{entry}" there',
            )
        local = key == UNSAFE_LOOPBACK
        (host_loopback if local else reached).append(rule)
        entries = (NetRule.parse(getattr(capability, key)[index]) for index in ceilings)
        if not local and any(is_one_address(each) for each in entries):
            exact.append(rule)
    return _Net(tuple(reached), tuple(exact), tuple(host_loopback))


def net_ceilings(rule: NetRule, capability: NetCapability) -> tuple[str, tuple[int, ...]]:
    """The key of `capabilities.net` that could grant `rule`, and which of its entries do."""
    key = UNSAFE_LOOPBACK if is_loopback_rule(rule) else "allow"
    entries = enumerate(getattr(capability, key))
    return key, tuple(n for n, entry in entries if covers(NetRule.parse(entry), rule))


def _net_limits(limits: PolicyLimits) -> NetLimits:
    return NetLimits(
        connections=limits.net_connections,
        open_connections=limits.net_open_connections,
        sent_bytes=limits.net_sent_bytes,
        received_bytes=limits.net_received_bytes,
        names=limits.net_names,
        queries=limits.net_queries,
    )


def _grant_env(env: dict[str, str], names: EnvCapability) -> tuple[tuple[str, str], ...]:
    is_allowed = compile_names(names.allow)
    is_denied = compile_names(pattern.upper() for pattern in names.deny)
    for name in env:
        reason, hint = "", ""
        if _is_reserved(name.upper()):
            reason, hint = "is reserved", "set it in cmd if the job needs another value"
        elif is_denied(name.upper()):
            reason = "is refused by capabilities.env.deny of the policy"
        elif not is_allowed(name):
            reason = "is not in capabilities.env.allow of the policy"
        if reason:
            raise PolicyViolation(
                f"variable {name} {reason}",
                where=f"request.env.{name}",
                hint=hint,
            )
    return tuple(sorted(env.items()))


def _check_intents(request: SpellRequest, net: tuple[NetRule, ...]) -> None:
    """Refuses what cannot succeed and was written down: a client of a literal host.

    Only a courtesy (indirection hides any destination): the sandbox enforces.
    """
    files = tuple((entry.path, entry.content()) for entry in request.files)
    for intent in network_intents(request.cmd, files):
        destination = intent.destination
        if destination.is_loopback or _is_granted(destination, net):
            continue
        raise PolicyViolation(
            f"{intent.program} would connect to {destination}, which is not granted",
            where=intent.where,
            hint="name it in allow_net of the request, and in the policy",
        )


def _is_granted(destination: Destination, net: tuple[NetRule, ...]) -> bool:
    return any(reaches(rule, destination.host, destination.port) for rule in net)
