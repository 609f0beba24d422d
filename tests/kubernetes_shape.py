"""What Kubernetes would say of a manifest, as far as that can be said without a cluster.

`misfits`: against the data classes that lightkube-models makes from the published API of a
Kubernetes version (keys, types, what must be there). `insecurities`: against the Pod Security
Standard "restricted" (https://kubernetes.io/docs/concepts/security/pod-security-standards/).
"""

from __future__ import annotations

import dataclasses
import importlib
import sys
import types
import typing
from collections.abc import Iterator
from typing import Any

_VOLUMES = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim"),
    *("projected", "secret"),
}
_SYSCTLS = {
    *("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies"),
    *("net.ipv4.ip_unprivileged_port_start", "net.ipv4.ping_group_range"),
}
_SECCOMP = ("RuntimeDefault", "Localhost")


def _models(group: str) -> types.ModuleType:
    """The classes need three names of the client that they are made for, which is not here."""
    if "lightkube.core.schema" not in sys.modules:
        schema = types.ModuleType("lightkube.core.schema")
        names = {"DictMixin": object, "field": dataclasses.field}
        vars(schema).update(names, dataclass=dataclasses.dataclass)
        sys.modules.update({"lightkube.core": types.ModuleType("lightkube.core")})
        sys.modules["lightkube.core.schema"] = schema
    return importlib.import_module(f"lightkube.models.{group}")


def misfits(document: dict[str, Any]) -> list[str]:
    """What is wrong with an object of Kubernetes' own API; empty where nothing is."""
    group, slash, version = document["apiVersion"].rpartition("/")
    name = group.partition(".")[0] if slash else "core"
    wanted = getattr(_models(f"{name}_{version}"), document["kind"])
    return list(_misfits(document, wanted, document["kind"]))


def _misfits(value: Any, wanted: Any, where: str) -> Iterator[str]:
    wanted, origin = _plain(wanted)
    if dataclasses.is_dataclass(wanted):
        yield from _misfits_of_object(value, wanted, where)
    elif origin is list:
        (kind,) = typing.get_args(wanted)
        if not isinstance(value, list):
            yield f"{where} is no list"
            return
        for place, each in enumerate(value):
            yield from _misfits(each, kind, f"{where}[{place}]")
    elif origin is dict or wanted is dict:
        if not isinstance(value, dict):
            yield f"{where} is no mapping"
    elif not _is_a(value, wanted):
        yield f"{where} is {value!r}, not {wanted}"


def _misfits_of_object(value: Any, wanted: Any, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where} is no mapping"
        return
    hints = typing.get_type_hints(wanted)
    fields = {each.metadata.get("json", each.name): each for each in dataclasses.fields(wanted)}
    for key, each in fields.items():
        if each.default is dataclasses.MISSING and key not in value:
            yield f"{where}.{key} is missing"
    for key, part in value.items():
        if key not in fields:
            yield f"{where}.{key} is unknown"
        else:
            yield from _misfits(part, hints[fields[key].name], f"{where}.{key}")


def _plain(wanted: Any) -> tuple[Any, Any]:
    """Without Optional; and its origin."""
    parts = [each for each in typing.get_args(wanted) if each is not type(None)]
    if typing.get_origin(wanted) in (typing.Union, types.UnionType) and len(parts) == 1:
        wanted = parts[0]
    return wanted, typing.get_origin(wanted)


def _is_a(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, type):
        return type(value) is wanted or (wanted is float and type(value) is int)
    return type(value) in (typing.get_args(wanted) or (str, int))  # int-or-string, a quantity


def insecurities(pod: dict[str, Any]) -> list[str]:
    """Each control of the standard that a pod's spec does not keep."""
    return [*_of_the_pod(pod), *(each for c in _containers(pod) for each in _of_one(pod, c))]


def _containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    kinds = ("containers", "initContainers", "ephemeralContainers")
    return [each for kind in kinds for each in pod.get(kind, ())]


def _of_the_pod(pod: dict[str, Any]) -> Iterator[str]:
    security = pod.get("securityContext", {})
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(name):
            yield name
    for volume in pod.get("volumes", ()):
        if kinds := set(volume) - {"name"} - _VOLUMES:
            yield f"volume {sorted(kinds)}"
    if {each["name"] for each in security.get("sysctls", ())} - _SYSCTLS:
        yield "sysctls"


def _of_one(pod: dict[str, Any], container: dict[str, Any]) -> Iterator[str]:
    own = container.get("securityContext", {})
    both = {**pod.get("securityContext", {}), **own}
    capabilities = own.get("capabilities", {})
    kept = {
        "privileged": not own.get("privileged"),
        "allowPrivilegeEscalation": own.get("allowPrivilegeEscalation") is False,
        "runAsNonRoot": both.get("runAsNonRoot") is True,
        "runAsUser": both.get("runAsUser") != 0,
        "seccompProfile": both.get("seccompProfile", {}).get("type") in _SECCOMP,
        "drop": "ALL" in capabilities.get("drop", ()),
        "add": set(capabilities.get("add", ())) <= {"NET_BIND_SERVICE"},
        "procMount": own.get("procMount", "Default") == "Default",
        "hostProcess": not both.get("windowsOptions", {}).get("hostProcess"),
        "appArmorProfile": both.get("appArmorProfile", {}).get("type") != "Unconfined",
        "seLinuxOptions": not {"user", "role"} & set(both.get("seLinuxOptions", {})),
        "hostPort": not any(port.get("hostPort") for port in container.get("ports", ())),
        "host": not any(
            action.get("host")
            for kind in ("startupProbe", "livenessProbe", "readinessProbe")
            for action in container.get(kind, {}).values()
            if isinstance(action, dict)
        ),
    }
    yield from (name for name, holds in kept.items() if not holds)
