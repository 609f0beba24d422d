"""From a path to a node: the one place where paths are walked.

A walk starts at a directory and cannot leave it, unless it is `rooted`: then the whole
tree is in reach, and "/" and absolute symlink targets mean the root of the job's tree.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, Protocol

from magicrune.backends.wasi.nodes import Directory, Node, Symlink
from magicrune.backends.wasi.wasi_abi import (
    NAME_BYTES_MAX,
    SYMLINKS_MAX,
    Errno,
    WasiError,
)

_MODE_SEARCH: Final = 0o100
_NAME_SAFE: Final = NAME_BYTES_MAX // 4  # so many characters never are too many bytes


class Refused(WasiError):
    """An act out of bounds: outside the tree, on a read-only place, against mode bits."""


class LookupFailed(WasiError):
    """A walk ended early. `place` is the path it was about, `refused` if out of bounds.

    `fixed`: it ended in a directory in which the job can never make anything.
    """

    def __init__(
        self, errno: Errno, place: str, *, refused: bool = False, fixed: bool = False
    ) -> None:
        super().__init__(errno)
        self.place = place
        self.refused = refused
        self.fixed = fixed


class Tree(Protocol):
    """What a walk needs of a file system."""

    @property
    def root(self) -> Directory: ...

    def parent_of(self, directory: Directory) -> Directory | None: ...

    def path_of(self, directory: Directory) -> str: ...


class Lookup:
    """Where a path leads: `name` in `parent`; `node` is None if there is nothing (yet).

    For a path that ends in "." or ".." `name` is that, and `parent` the directory itself.
    `place` is the canonical absolute path, `slash` that a "/" stood at the end, `links`
    counts the symlinks followed.
    """

    __slots__ = ("links", "name", "node", "parent", "place", "slash")

    def __init__(self, parent: Directory, name: str, node: Node | None, place: str) -> None:
        self.parent = parent
        self.name = name
        self.node = node
        self.place = place
        self.slash = False
        self.links = 0

    @property
    def dots(self) -> bool:
        return self.name in (".", "..")


class Last(Enum):
    """What to do with a symlink in last place."""

    FOLLOW = 0
    KEEP = 1  # as lstat(2): a "/" after it still follows it
    ENTRY = 2  # as unlink(2): never follow, the name itself is meant


def walk(tree: Tree, base: Directory, path: str, last: Last, *, rooted: bool) -> Lookup:
    """Resolves `path` from `base`. Only the last name may be missing.

    A "/" at the end (`slash`) means a directory. Raises LookupFailed: NOENT, NOTDIR,
    LOOP, ACCES, NAMETOOLONG, PERM where the path leads out.
    """
    if not path:
        raise LookupFailed(Errno.NOENT, tree.path_of(base))
    return _Walk(tree, base, last, rooted).run(path)


class _Walk:
    """The state of one walk: `names` are still to be done, the next one last."""

    __slots__ = ("base", "here", "last", "links", "name", "names", "rooted", "slash", "tree")

    def __init__(self, tree: Tree, base: Directory, last: Last, rooted: bool) -> None:
        self.tree = tree
        self.base = self.here = base
        self.last = last
        self.rooted = rooted
        self.slash = False
        self.links = 0
        self.name = "."
        self.names: list[str] = []

    def run(self, path: str) -> Lookup:
        self._enter(path)
        names = self.names
        while names:
            self.name = name = names.pop()
            if name == ".":
                continue
            if name == "..":
                self._go_up()
                continue
            here = self.here
            if not here.mode & _MODE_SEARCH:
                raise self._failed(Errno.ACCES, refused=True)
            if len(name) > _NAME_SAFE and len(name.encode()) > NAME_BYTES_MAX:
                raise self._failed(Errno.NAMETOOLONG)
            node = here.child(name)
            if type(node) is Symlink and self._is_followed():
                self._follow(node)
            elif not names:
                return self._found(node)
            elif isinstance(node, Directory):
                self.here = node
            else:
                raise self._failed(Errno.NOENT if node is None else Errno.NOTDIR)
        return self._found(self.here)

    def _enter(self, path: str) -> None:
        """Puts the names of `path` before those still to be done."""
        if path[0] == "/":
            if not self.rooted:
                raise LookupFailed(Errno.PERM, path, refused=True)
            self.here = self.tree.root
        if not self.names and path[-1] == "/":
            self.slash = True
        parts = path.split("/")
        parts.reverse()
        self.names += [part for part in parts if part]

    def _go_up(self) -> None:
        here = self.here
        if here is self.base and not self.rooted:
            raise self._failed(Errno.PERM, refused=True)
        above = self.tree.parent_of(here)
        if above is not None:
            self.here = above
        elif here is not self.tree.root:
            raise self._failed(Errno.NOENT)

    def _is_followed(self) -> bool:
        if self.names or self.last is Last.FOLLOW:
            return True
        return self.slash and self.last is Last.KEEP

    def _follow(self, link: Symlink) -> None:
        self.links += 1
        if self.links > SYMLINKS_MAX:
            raise self._failed(Errno.LOOP)
        self.name = "."
        self._enter(link.target)

    def _found(self, node: Node | None) -> Lookup:
        place = self.tree.path_of(self.here)
        if node is not self.here:
            place = f"{place}/{self.name}" if place != "/" else f"/{self.name}"
            if self.slash and not self._may_end_in_slash(node):
                raise LookupFailed(Errno.NOTDIR, place)
        found = Lookup(self.here, self.name, node, place)
        found.slash = self.slash
        found.links = self.links
        return found

    def _may_end_in_slash(self, node: Node | None) -> bool:
        """Where the entry itself is meant, the call decides."""
        return node is None or self.last is Last.ENTRY or isinstance(node, Directory)

    def _failed(self, errno: Errno, *, refused: bool = False) -> LookupFailed:
        rest = "/".join((self.name, *reversed(self.names)))
        place = normalise(self.tree.path_of(self.here), rest)
        return LookupFailed(errno, place, refused=refused, fixed=not self.here.writable)


def normalise(directory: str, path: str) -> str:
    """`path` as said, from `directory`, without ".", ".." and doubled "/"; no symlink is read."""
    whole: list[str] = []
    for name in (path if path.startswith("/") else f"{directory}/{path}").split("/"):
        if name == "..":
            del whole[-1:]
        elif name and name != ".":
            whole.append(name)
    return "/" + "/".join(whole)
