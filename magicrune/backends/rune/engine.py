"""The seam for engines: what docker, podman and the OCI runtimes each do in their own words."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from magicrune.backends.base import Probe
    from magicrune.backends.rune.container import Container


BY_CGROUP = frozenset({"memory", "swap", "processes", "cpu_rate"})
"""Controls that an engine holds by control groups, which an ordinary user must be given."""


@dataclass(frozen=True, slots=True)
class FoundImage:
    """What the engine will run: its own word for it, and the digest that a result tells."""

    reference: str
    digest: str


class Running(Protocol):
    """A container that was started, and the stream to its init."""

    connection: socket.socket

    def memory_group(self) -> Path | None:
        """The directory of its control group for memory, with version 1 and where it can be told.
        Init is there by now."""

    def complaint(self) -> str:
        """What the engine or init said on standard error; empty if nothing."""

    def runtime(self) -> str | None:
        """Name of the OCI runtime that made it, as the engine tells; None where it does not."""

    def remove(self) -> None:
        """Ends it if need be, and leaves nothing of it behind. The connection is closed by
        then. Raises BackendFailed where something stays."""


class Engine(Protocol):
    """A way to start a container. It adds nothing to the `Container` and leaves nothing out."""

    name: str
    own_mounts: tuple[str, ...]
    """Where it lays files of its own, read-only, over the image."""

    @property
    def rootless(self) -> bool:
        """Whether its containers must have a user namespace."""

    def probe(self) -> Probe:
        """Whether it can work here; cheap, changes nothing."""

    def other_runtimes(self) -> tuple[str, ...]:
        """OCI runtimes that a policy may name here, besides the one taken where it names none."""

    def require_runtime(self, named: str) -> None:
        """Raises BackendUnavailable, with those that it has, where it has no OCI runtime of
        that name that can be used."""

    def find_image(self, name: str, digest: str | None) -> FoundImage:
        """The image, made known to the engine if need be. Raises ImageMissing."""

    def how_to_hold(self, control: str) -> str:
        """What a person does about a control that was read back as not held (`remedy`); empty
        where the engine knows nothing."""

    def words(self, container: Container, image: FoundImage) -> dict[str, Any]:
        """What the engine would be told, for a person to read."""

    def start(self, container: Container, image: FoundImage) -> Running:
        """Starts it. Raises BackendFailed, leaving nothing behind."""

    def sweep(self) -> tuple[str, ...]:
        """Removes what is left of containers whose owner (magicrune/owner.py) has ended; their
        names. Raises BackendFailed where something stays."""
