"""The tree of one job: the shared image with the job's own mounts in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from magicrune.backends.wasi.image import MODE_IMAGE, Image, add_directory
from magicrune.backends.wasi.lookup import Last, Lookup, LookupFailed, walk
from magicrune.backends.wasi.nodes import (
    MODE_DIRECTORY,
    MODE_MASK,
    Directory,
    Node,
    RegularFile,
)
from magicrune.backends.wasi.quota import Quota
from magicrune.backends.wasi.wasi_abi import NAME_BYTES_MAX, PATH_BYTES_MAX, Errno
from magicrune.errors import BackendBroken
from magicrune.spec import FileInput, Mount


class Tree:
    """Where things are. `clock` gives nanoseconds since 1970.

    A directory of the image that has a mount below it is copied for this job; the
    children of the original, shared with other jobs, still name it as their parent,
    which is why parents are asked of parent_of().
    """

    def __init__(
        self, mounts: Iterable[Mount], image: Image, quota: Quota, clock: Callable[[], int]
    ) -> None:
        self.quota = quota
        self.clock = clock
        self._next_ino = image.next_ino
        self._copies: dict[Directory, Directory] = {}
        self.root = self._copy(image.root)
        ordered = sorted(mounts, key=lambda mount: mount.path.count("/"))
        self._mounts = [(mount, self._add_mount(mount)) for mount in ordered]
        self.mount_points = {directory for _, directory in self._mounts}

    def take_ino(self) -> int:
        ino = self._next_ino
        self._next_ino += 1
        return ino

    def parent_of(self, directory: Directory) -> Directory | None:
        """None for the root and for a removed directory."""
        above = directory.parent
        return self._copies.get(above, above) if above is not None else None

    def path_of(self, directory: Directory) -> str:
        """The absolute path now; of a removed directory the one below where it was cut."""
        names: list[str] = []
        here: Directory | None = directory
        while here is not None and here is not self.root:
            names.append(here.name)
            here = self.parent_of(here)
        names.reverse()
        return "/" + "/".join(names)

    def walk(self, base: Directory, path: str, last: Last, *, rooted: bool) -> Lookup:
        """See lookup.walk()."""
        return walk(self, base, path, last, rooted=rooted)

    def lookup(self, path: str, last: Last = Last.FOLLOW) -> Lookup:
        """Resolves an absolute path for the host's own calls. Raises LookupFailed."""
        if len(path.encode(errors="surrogateescape")) > PATH_BYTES_MAX:
            raise LookupFailed(Errno.NAMETOOLONG, path[:NAME_BYTES_MAX])
        return walk(self, self.root, path, last, rooted=True)

    def node_at(self, path: str, last: Last = Last.FOLLOW) -> Node:
        """As lookup(), for what must exist. Raises LookupFailed."""
        found = self.lookup(path, last)
        if found.node is None:
            raise LookupFailed(Errno.NOENT, found.place)
        return found.node

    def populate(self, files: Iterable[FileInput]) -> None:
        """Puts the files of the request in place, before anything runs.

        They count against the quota. Raises BackendBroken for a path outside the mounts
        or in the way of another, WasiError(NOSPC) where there is no room.
        """
        for file in files:
            directory, name = self._place(file.path)
            self.quota.charge_file()
            self.quota.charge_bytes(len(file.content))
            data = bytearray(file.content) if directory.writable else file.content
            mode = file.mode & MODE_MASK
            made = RegularFile(
                self.take_ino(), mode, self.clock(), writable=directory.writable, data=data
            )
            directory.insert(name, made)

    def _place(self, path: str) -> tuple[Directory, str]:
        inside = [(m, d) for m, d in self._mounts if path.startswith(f"{m.path.rstrip('/')}/")]
        if not inside:
            raise BackendBroken("the file lies outside the mounts", where=path)
        mount, here = max(inside, key=lambda pair: len(pair[0].path))
        *above, name = path[len(mount.path.rstrip("/")) + 1 :].split("/")
        if any(part in ("", ".", "..") for part in (*above, name)):
            raise BackendBroken("the path is not normalised", where=path)
        for part in above:
            found = here.child(part)
            if found is None:
                self.quota.charge_file()
                found = add_directory(self, here, part, MODE_DIRECTORY, writable=here.writable)
            if not isinstance(found, Directory):
                raise BackendBroken("one file lies below another", where=path)
            here = found
        if here.child(name) is not None:
            raise BackendBroken("two files have the same path", where=path)
        return here, name

    def discard(self) -> None:
        """Lets go of everything when the job is over; the tree is not used afterwards.

        Directories and their parents hold each other, so that without this the content
        of all files would stay until the garbage collector comes by.
        """
        todo = [*self._copies.values(), *self.mount_points]
        while todo:
            directory = todo.pop()
            own = (node for node in directory.entries.values() if isinstance(node, Directory))
            todo += [node for node in own if node.parent is directory]
            directory.forget()
        self._copies.clear()

    def _copy(self, shared: Directory) -> Directory:
        """This job's own version of a directory of the image, so that a mount fits in."""
        own = Directory(shared.ino, shared.mode, shared.mtim, writable=False)
        for name, node in shared.entries.items():
            own.adopt(name, node)
        own.nlink = shared.nlink
        self._copies[shared] = own
        return own

    def _add_mount(self, mount: Mount) -> Directory:
        here = self.root
        names = [name for name in mount.path.split("/") if name]
        for depth, name in enumerate(names, 1):
            last = depth == len(names)
            found = here.child(name)
            if found is None:
                mode = MODE_DIRECTORY if last and mount.writable else MODE_IMAGE
                here = add_directory(self, here, name, mode, writable=last and mount.writable)
                continue
            if not isinstance(found, Directory) or last:
                raise BackendBroken("the mount lies on something else", where=mount.path)
            if found.parent is not here:
                copy = self._copy(found)
                copy.name, copy.parent = name, here
                here.entries[name] = copy
                found = copy
            here = found
        if here is self.root:
            raise BackendBroken("a mount cannot be the root", where=mount.path)
        return here
