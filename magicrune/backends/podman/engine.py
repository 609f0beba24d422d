"""Containers by Podman's API service, through podman-py: rootful, or a user's own."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from magicrune.backends.base import Probe
from magicrune.backends.oci.hierarchy import read_hierarchy
from magicrune.backends.podman import remedy
from magicrune.backends.podman.create import write_create, write_volumes
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
from magicrune.errors import BackendFailed, BackendUnavailable
from magicrune.images import store
from magicrune.images.archive import reference
from magicrune.owner import is_gone
from magicrune.remedy import get_module, in_turn

if TYPE_CHECKING:
    from magicrune.backends.rune.container import Container
    from magicrune.images.record import Image

_START_S = 60.0
_REMOVE_S = 20.0
_NOT_FOUND, _OK = 404, 300


class PodmanEngine:
    """The service that ``CONTAINER_HOST`` names; else the system's for root, the user's own
    for others."""

    name = "podman"
    own_mounts: tuple[str, ...] = ("/etc/hostname", "/etc/resolv.conf", "/run/.containerenv")

    def __init__(self) -> None:
        self._client: Any = None
        self._told: Any = None
        self._outside: Outside | None = None

    @property
    def rootless(self) -> bool:
        """Whether the service is an ordinary user's."""
        return bool(self._info()["host"]["security"]["rootless"])

    def probe(self) -> Probe:
        hierarchy = read_hierarchy()
        trouble = find_trouble(_address())
        if trouble is not None:
            fix = remedy.how_to_reach(trouble, hierarchy)
            return Probe(self.name, False, "", trouble.detail, fix)
        try:
            told = self._told = _json(self._api().get("/info"))
            outside = self._look_outside()
        except BackendUnavailable as error:
            return Probe(self.name, False, "", error.message, error.hint)
        except Exception as error:  # noqa: BLE001 - of podman-py, urllib3 or the socket
            broken = Unreachable(Trouble.DEAF, _address(), shorten(error))
            fix = remedy.how_to_reach(broken, hierarchy)
            return Probe(self.name, False, "", broken.detail, fix)
        host = told["host"]
        runtime = host["ociRuntime"]["name"]
        rootless = " rootless" if host["security"]["rootless"] else ""
        version = f"{told['version']['Version']}{rootless}, {runtime}"
        ours = probe_ours(self.name, version, outside)
        if ours.usable and runtime == "crun" and hierarchy.unified_beside:
            # crun 1.8 takes a hybrid host for version 2 and finds no controllers there.
            problem = "crun cannot limit anything on a host with hybrid control groups"
            return Probe(self.name, False, version, problem, remedy.how_to_hold(hierarchy))
        return ours

    def other_runtimes(self) -> tuple[str, ...]:
        """None: a service has one."""
        return ()

    def find_image(self, name: str, digest: str | None) -> FoundImage:
        """Ours by its id; given to the service where it does not have it. Never a pull."""
        image = store.find(name, digest)
        wanted = give_image(image, has=self._has, load=self._load, where=self.name)
        return FoundImage(wanted.removeprefix("sha256:"), image.digest)

    def how_to_hold(self, control: str) -> str:
        limited = self.rootless and control in BY_CGROUP
        return remedy.how_to_hold(read_hierarchy()) if limited else ""

    def words(self, container: Container, image: FoundImage) -> dict[str, Any]:
        later = Path("(made for the run)")
        return write_create(container, image=image.reference, shared=later, profile=later)

    def start(self, container: Container, image: FoundImage) -> PodmanContainer:
        shared = SocketDir()
        try:
            if container.oci_runtime is not None:
                self.require_runtime(container.oci_runtime)
            profile = shared.path.parent / "seccomp.json"
            profile.write_text(container.seccomp.docker_json())
            outside = self._look_outside()
            body = write_create(
                container,
                image=image.reference,
                shared=outside.path(shared.path),
                profile=outside.path(profile),
            )
            return PodmanContainer(self._api(), body, write_volumes(container), shared)
        except BaseException:
            shared.remove()
            raise

    @telling("podman")
    def sweep(self) -> tuple[str, ...]:
        api = self._api()
        wanted = {"all": "true", "filters": json.dumps({"label": [OWNER_LABEL]})}
        removed = []
        for found in _json(api.get("/containers/json", params=wanted)):
            if is_gone(found["Labels"][OWNER_LABEL]):
                _remove(api, found["Id"])
                removed.append(found["Names"][0])
        wanted = {"filters": json.dumps({"label": [OWNER_LABEL]})}
        for found in _json(api.get("/volumes/json", params=wanted)) or ():
            if is_gone(found["Labels"][OWNER_LABEL]):
                _remove_volume(api, found["Name"])
                removed.append(found["Name"])
        return (*removed, *sweep_sockets())

    def require_runtime(self, named: str) -> None:
        """A runtime that the policy names must be the service's own: there is no asking for
        another in a call."""
        own = self._info()["host"]["ociRuntime"]["name"]
        if own != named:
            hint = in_turn(
                "# end the service, and start it with that runtime:",
                f"podman --runtime {named} system service --time=0 {remedy.usual_address()} &",
            )
            raise BackendUnavailable(
                f"the service has no runtime but its own: {own}, not {named}",
                where="runtime.oci_runtime of the policy",
                hint=hint,
            )

    @telling("podman")
    def _info(self) -> Any:
        """What the service tells of itself: it takes 0.2 s to say so, so it is asked once."""
        if self._told is None:
            self._told = _json(self._api().get("/info"))
        return self._told

    def _api(self) -> Any:
        if self._client is None:
            try:
                from podman import PodmanClient
            except ImportError as error:
                hint = get_module("podman>=5.2,<6")
                raise BackendUnavailable("podman-py is not installed", hint=hint) from error
            self._client = PodmanClient(base_url=_address(), timeout=int(_START_S)).api
        return self._client

    def _look_outside(self) -> Outside:
        if self._outside is None:
            self._outside = look_outside(self._mounts_of)
        return self._outside

    def _mounts_of(self, identity: str) -> Any:
        answer = self._api().get(f"/containers/{identity}/json")
        return None if answer.status_code == _NOT_FOUND else _json(answer)["Mounts"]

    def _has(self, wanted: str) -> bool:
        return bool(self._api().get(f"/images/{wanted}/exists").status_code < _OK)

    def _load(self, image: Image, file: IO[bytes]) -> None:
        headers = {"Content-type": "application/x-tar"}
        answer = self._api().post("/images/load", data=file, headers=headers, timeout=LOAD_S)
        if answer.status_code >= _OK:
            where = f"{self.name} load {reference(image)}"
            raise refusal(shorten(answer.text), answer.status_code, where)


class PodmanContainer:
    """One container of the service's, removed by it when init ends, or by us."""

    def __init__(
        self, api: Any, body: dict[str, Any], volumes: list[dict[str, Any]], shared: SocketDir
    ) -> None:
        self._api = api
        self._volumes = [str(volume["Name"]) for volume in volumes]
        self._shared = shared
        self._id = ""
        try:
            for volume in volumes:
                _json(api.post("/volumes/create", data=json.dumps(volume)))
            self._id = _json(api.post("/containers/create", data=json.dumps(body)))["Id"]
            _json(api.post(f"/containers/{self._id}/start"))
            self.connection: socket.socket = shared.accept(_START_S, self._is_alive)
        except BackendFailed:
            self.remove()
            raise
        except Exception as error:
            self.remove()
            raise BackendFailed(shorten(error), where="podman") from error

    def memory_group(self) -> Path | None:
        return group_of_peer(self.connection)

    def complaint(self) -> str:
        return ""

    @telling("podman")
    def runtime(self) -> str | None:
        told = _json(self._api.get(f"/containers/{self._id}/json")).get("OCIRuntime")
        return Path(told).name if told else None

    def remove(self) -> None:
        with contextlib.suppress(AttributeError):
            self.connection.close()
        try:
            if self._id:
                _remove(self._api, self._id)
            for name in self._volumes:
                _remove_volume(self._api, name)
        finally:
            self._shared.remove()

    def _is_alive(self) -> bool:
        try:
            return bool(_json(self._api.get(f"/containers/{self._id}/json"))["State"]["Running"])
        except Exception:  # noqa: BLE001 - gone, or a service that does not answer
            return False


def _remove(api: Any, identity: str) -> None:
    """Until the service no longer knows it. Raises BackendFailed where it stays."""
    deadline = time.monotonic() + _REMOVE_S
    wanted = {"force": "true", "v": "true", "timeout": "0"}
    while time.monotonic() < deadline:
        api.delete(f"/containers/{identity}", params=wanted)
        if api.get(f"/containers/{identity}/exists").status_code == _NOT_FOUND:
            return
        time.sleep(0.01)
    raise BackendFailed(
        "the container could not be removed", where=identity, hint="magicrune doctor --clean"
    )


def _remove_volume(api: Any, name: str) -> None:
    answer = api.delete(f"/volumes/{name}", params={"force": "true"})
    if answer.status_code >= _OK and answer.status_code != _NOT_FOUND:
        raise BackendFailed(shorten(answer.text), where=name, hint="magicrune doctor --clean")


def _json(answer: Any) -> Any:
    """What an answer holds. Raises BackendFailed for a refusal, with the service's words."""
    if answer.status_code >= _OK and answer.status_code != 304:
        raise refusal(shorten(answer.text), answer.status_code, "podman")
    return answer.json() if answer.content else None


def _address() -> str:
    return os.environ.get(remedy.VARIABLE) or remedy.usual_address()
