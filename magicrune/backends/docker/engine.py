"""Containers by Docker, through its SDK; the daemon must be on this machine."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from magicrune.backends.base import Probe
from magicrune.backends.docker import remedy
from magicrune.backends.docker.host_config import write_create
from magicrune.backends.oci.hierarchy import read_hierarchy
from magicrune.backends.rune.container import OWNER_LABEL
from magicrune.backends.rune.daemon import (
    LOAD_S,
    give_image,
    probe_ours,
    refusal,
    shorten,
    telling,
)
from magicrune.backends.rune.engine import BY_CGROUP, FoundImage
from magicrune.backends.rune.outside import Outside, look_outside
from magicrune.backends.rune.reach import Trouble, Unreachable, find_trouble
from magicrune.backends.rune.socket_dir import SocketDir, sweep_sockets
from magicrune.backends.rune.socket_memory import group_of_peer
from magicrune.backends.rune.starting import how_to_name
from magicrune.errors import BackendFailed, BackendUnavailable, MagicRuneError
from magicrune.images import store
from magicrune.images.archive import reference
from magicrune.owner import is_gone
from magicrune.remedy import get_module

if TYPE_CHECKING:
    from magicrune.backends.rune.container import Container
    from magicrune.images.record import Image

_START_S = 60.0
_REMOVE_S = 20.0
_SHIMS = "io.containerd."
"""Begins the names of what starts runtimes; Docker lists them among the runtimes."""
_API_MIN = (1, 41)
"""The first with CgroupnsMode (Docker 20.10)."""


class DockerEngine:
    """The daemon that ``DOCKER_HOST`` or the usual socket leads to."""

    name = "docker"
    own_mounts: tuple[str, ...] = ("/etc/hostname", "/etc/resolv.conf")
    rootless = False

    def __init__(self) -> None:
        self._client: Any = None
        self._outside: Outside | None = None

    def probe(self) -> Probe:
        address = os.environ.get(remedy.VARIABLE) or remedy.SOCKET
        trouble = find_trouble(address)
        if trouble is not None:
            fix = remedy.how_to_reach(trouble, read_hierarchy())
            return Probe(self.name, False, "", trouble.detail, fix)
        try:
            client = self._api()
            version = client.version()
            outside = self._look_outside()
        except BackendUnavailable as error:
            return Probe(self.name, False, "", error.message, error.hint)
        except Exception as error:  # noqa: BLE001 - of the SDK, requests or the socket
            broken = Unreachable(Trouble.DEAF, address, shorten(error))
            fix = remedy.how_to_reach(broken, read_hierarchy())
            return Probe(self.name, False, "", broken.detail, fix)
        told = f"{version['Version']}, API {version['ApiVersion']}"
        if tuple(map(int, version["ApiVersion"].split("."))) < _API_MIN:
            return Probe(
                self.name, False, told, "is older than 20.10", "# install Docker 20.10 or newer"
            )
        return probe_ours(self.name, told, outside)

    def other_runtimes(self) -> tuple[str, ...]:
        told = self._info()
        names = (each for each in sorted(told["Runtimes"]) if not each.startswith(_SHIMS))
        return tuple(each for each in names if each != told["DefaultRuntime"])

    def find_image(self, name: str, digest: str | None) -> FoundImage:
        """Ours by its id; given to the daemon where it does not have it. Never a pull."""
        image = store.find(name, digest)
        wanted = give_image(image, has=self._has, load=self._load, where=self.name)
        return FoundImage(wanted, image.digest)

    def how_to_hold(self, control: str) -> str:
        try:
            options = self._info().get("SecurityOptions") or ()
        except MagicRuneError:
            return ""  # what is not held matters more than a daemon that fails now
        rootless = any("rootless" in option for option in options)
        limited = rootless and control in BY_CGROUP
        return remedy.how_to_hold(read_hierarchy()) if limited else ""

    def words(self, container: Container, image: FoundImage) -> dict[str, Any]:
        return write_create(container, image=image.reference, shared=Path("(made for the run)"))

    def start(self, container: Container, image: FoundImage) -> DockerContainer:
        if container.oci_runtime is not None:
            self.require_runtime(container.oci_runtime)
        shared = SocketDir()
        try:
            place = self._look_outside().path(shared.path)
            body = write_create(container, image=image.reference, shared=place)
            return DockerContainer(self._api(), container.name, body, shared)
        except BaseException:
            shared.remove()
            raise

    @telling("docker")
    def sweep(self) -> tuple[str, ...]:
        client = self._api()
        removed = []
        for found in client.containers(all=True, filters={"label": OWNER_LABEL}):
            if is_gone(found["Labels"][OWNER_LABEL]):
                _remove(client, found["Id"])
                removed.append(found["Names"][0].lstrip("/"))
        for found in client.volumes(filters={"label": OWNER_LABEL})["Volumes"] or ():
            if is_gone(found["Labels"][OWNER_LABEL]):
                client.remove_volume(found["Name"], force=True)
                removed.append(found["Name"])
        return (*removed, *sweep_sockets())

    def require_runtime(self, named: str) -> None:
        """One that the daemon was told of."""
        known = self._info()["Runtimes"]
        if named not in known:
            raise BackendUnavailable(
                f"the daemon has no runtime {named}; it has {', '.join(sorted(known))}",
                where="runtime.oci_runtime of the policy",
                hint=how_to_name(named),
            )

    @telling("docker")
    def _info(self) -> Any:
        return self._api().info()

    def _api(self) -> Any:
        if self._client is None:
            self._client = self._connect(int(_START_S))
        return self._client

    @staticmethod
    def _connect(patience_s: int) -> Any:
        try:
            import docker
        except ImportError as error:
            hint = get_module("docker>=7.1,<8")
            raise BackendUnavailable("the Docker SDK is not installed", hint=hint) from error
        return docker.from_env(timeout=patience_s).api

    def _look_outside(self) -> Outside:
        if self._outside is None:
            self._outside = look_outside(self._mounts_of)
        return self._outside

    def _mounts_of(self, identity: str) -> Any:
        from docker.errors import NotFound

        try:
            return self._api().inspect_container(identity)["Mounts"]
        except NotFound:
            return None

    def _has(self, wanted: str) -> bool:
        from docker.errors import ImageNotFound

        try:
            found = self._api().inspect_image(wanted)
        except ImageNotFound:
            return False
        return bool(found["Id"] == wanted)

    def _load(self, image: Image, file: IO[bytes]) -> None:
        with contextlib.closing(self._connect(LOAD_S)) as patient:
            told = [each["error"] for each in patient.load_image(file) if "error" in each]
        if told:
            raise BackendFailed(str(told[0])[:300], where=f"{self.name} load {reference(image)}")


class DockerContainer:
    """One container of the daemon's, removed by it when init ends, or by us."""

    def __init__(self, client: Any, name: str, body: dict[str, Any], shared: SocketDir) -> None:
        self._client = client
        self._shared = shared
        self._id = ""
        self._said = ""
        try:
            created = client.create_container_from_config(body, name)
            self._id = created["Id"]
            client.start(self._id)
            self.connection: socket.socket = shared.accept(_START_S, self._is_alive)
        except BackendFailed:
            self.remove()
            raise
        except Exception as error:
            self.remove()
            status = getattr(error, "status_code", None)
            raise refusal(shorten(error), status, "docker") from error

    def memory_group(self) -> Path | None:
        return group_of_peer(self.connection)

    def complaint(self) -> str:
        return self._said

    @telling("docker")
    def runtime(self) -> str | None:
        told = self._client.inspect_container(self._id)["HostConfig"].get("Runtime")
        return str(told) if told else None

    def remove(self) -> None:
        with contextlib.suppress(AttributeError):
            self.connection.close()
        try:
            if self._id:
                _remove(self._client, self._id)
        finally:
            self._shared.remove()

    def _is_alive(self) -> bool:
        try:
            return bool(self._client.inspect_container(self._id)["State"]["Running"])
        except Exception:  # noqa: BLE001 - gone, or a daemon that does not answer
            return False


def _remove(client: Any, identity: str) -> None:
    """Until the daemon no longer knows it. Raises BackendFailed where it stays."""
    from docker.errors import APIError, NotFound

    deadline = time.monotonic() + _REMOVE_S
    while time.monotonic() < deadline:
        try:
            client.remove_container(identity, force=True, v=True)
        except NotFound:
            return
        except APIError:  # it is being removed already (409)
            time.sleep(0.01)
    raise BackendFailed(
        "the container could not be removed", where=identity, hint="magicrune doctor --clean"
    )
