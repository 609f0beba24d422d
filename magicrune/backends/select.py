"""Which sandbox runs the job: the one that was asked for, or the first that can work here.

Fails closed: no name leads to a weaker sandbox than was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from magicrune.errors import BackendFailed, BackendUnavailable

if TYPE_CHECKING:
    from magicrune.backends.base import Backend

AUTO = "auto"


BACKENDS = ("wasi", "oci", "podman", "docker")
"""All that a policy can name (policy_model.BackendName)."""
WITHOUT_NETWORK = frozenset({"wasi"})
"""Sandboxes that cannot broker connections: whoever asks for some must not get them."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A backend that can work here, and why each one preferred to it cannot."""

    backend: Backend
    passed_over: tuple[str, ...] = ()


def choose(
    name: str,
    order: Sequence[str],
    *,
    strict: bool = False,
    network: bool = False,
    oci_runtime: str | None = None,
) -> Choice:
    """The backend called `name`; for ``auto`` the first usable of `order` (the policy's).

    With `network` only one that has it: a job that was granted destinations is not run where
    it could reach none. With `oci_runtime` (the policy's) no container engine that lacks it.

    Raises BackendUnavailable, saying of each candidate why it cannot be used and what
    mends it. With `strict` the first of `order` is used or none. A name outside `order` is
    refused too: the policy says what may be used. The fake one is never part of ``auto`` and
    needs no place in `order`, because its own switch guards it.
    """
    if name == AUTO:
        names = [each for each in order if each != "fake"][: 1 if strict else None]
        return _first_usable(names, network, oci_runtime)
    if name not in order and name != "fake":
        listed = ", ".join(order) or "none"
        raise BackendUnavailable(
            f"backend {name!r} is not one that the policy allows ({listed})",
            hint="runtime.backends of the policy lists them",
        )
    return _first_usable([name], network, oci_runtime)


def make(name: str) -> Backend | None:
    """The backend called `name`, not yet looked at; None where this version has none."""
    maker = _MAKERS.get(name)
    return None if maker is None else maker()


def _first_usable(names: Sequence[str], network: bool, oci_runtime: str | None) -> Choice:
    reasons: list[str] = []
    for name in names:
        if network and name in WITHOUT_NETWORK:
            reasons.append(f"{name}: has no network, and the request is granted one (allow_net)")
            continue
        make = _MAKERS.get(name)
        if make is None:
            reasons.append(f"{name}: no such backend")
            continue
        backend = make()
        probe = backend.probe()
        problem, fix = probe.detail, probe.fix
        if probe.usable:
            problem, fix = _why_not_by(backend, oci_runtime)
            if not problem:
                return Choice(backend, tuple(reasons))
        fix = "; ".join(fix.splitlines())
        reasons.append(f"{name}: {problem}" + (f"; {fix}" if fix else ""))
    raise BackendUnavailable(
        "no sandbox can be used here: " + (" | ".join(reasons) or "the policy lists none"),
    )


def _why_not_by(backend: Backend, oci_runtime: str | None) -> tuple[str, str]:
    """Why a container engine cannot use that runtime, and what mends it; empty where it can."""
    require = getattr(backend, "require_runtime", None)
    if oci_runtime is None or require is None:
        return "", ""
    try:
        require(oci_runtime)
    except (BackendUnavailable, BackendFailed) as error:
        return error.message, error.hint
    return "", ""


def _wasi() -> Backend:
    from magicrune.backends.wasi.backend import WasiBackend

    return WasiBackend()


def _oci() -> Backend:
    from magicrune.backends.oci.engine import OciEngine
    from magicrune.backends.rune.backend import ContainerBackend

    return ContainerBackend(OciEngine())


def _docker() -> Backend:
    from magicrune.backends.docker.engine import DockerEngine
    from magicrune.backends.rune.backend import ContainerBackend

    return ContainerBackend(DockerEngine())


def _podman() -> Backend:
    from magicrune.backends.podman.engine import PodmanEngine
    from magicrune.backends.rune.backend import ContainerBackend

    return ContainerBackend(PodmanEngine())


def _fake() -> Backend:
    from magicrune.backends.fake import FakeBackend

    return FakeBackend.from_environment()


_MAKERS: dict[str, Callable[[], Backend]] = {
    "wasi": _wasi,
    "oci": _oci,
    "podman": _podman,
    "docker": _docker,
    "fake": _fake,
}
