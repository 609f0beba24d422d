"""The file system of one job, in memory: what can be done to its tree.

Nothing here knows of processes or descriptors. Only one process of a job runs at a
time, so there are no locks. The job owns all its nodes, so only owner bits count.
"""

from __future__ import annotations

from typing import Final

from magicrune.backends.wasi.image import add_directory
from magicrune.backends.wasi.lookup import Lookup, Refused
from magicrune.backends.wasi.nodes import (
    MODE_DIRECTORY,
    MODE_FILE,
    MODE_MASK,
    Directory,
    Node,
    Program,
    RegularFile,
    Symlink,
)
from magicrune.backends.wasi.tree import Tree
from magicrune.backends.wasi.wasi_abi import Errno, WasiError

MODE_READ: Final = 0o400
MODE_WRITE: Final = 0o200
_MODE_EXECUTE: Final = 0o100
_MODE_CHANGE: Final = 0o300  # a directory must be writable and searchable to be changed


class Vfs(Tree):
    """All files of a job.

    Methods that change something take a `Lookup` made just before by `walk()`, and raise
    WasiError with the errno of the Linux call of that name; `Refused` if out of bounds.
    """

    # --- changing entries -------------------------------------------------------

    def create_file(self, at: Lookup, mode: int = MODE_FILE) -> RegularFile:
        """As open(O_CREAT) where nothing is."""
        self._check_free(at)
        if at.slash:
            raise WasiError(Errno.ISDIR)
        self.quota.charge_file()
        made = RegularFile(
            self.take_ino(), mode & MODE_MASK, self.clock(), writable=True, data=bytearray()
        )
        at.parent.insert(at.name, made)
        self._touch(at.parent)
        return made

    def make_directory(self, at: Lookup, mode: int = MODE_DIRECTORY) -> Directory:
        if at.node is not None:
            raise WasiError(Errno.EXIST)
        self._check_free(at)
        self.quota.charge_file()
        made = add_directory(self, at.parent, at.name, mode & MODE_MASK, writable=True)
        self._touch(at.parent)
        return made

    def make_symlink(self, at: Lookup, target: str) -> Symlink:
        """The target is kept as given; its bytes count as content."""
        if not target:
            raise WasiError(Errno.NOENT)
        self._check_free(at)
        if at.slash:
            raise WasiError(Errno.NOENT)
        self.quota.charge_file()
        try:
            self.quota.charge_bytes(len(target.encode()))
        except WasiError:
            self.quota.release_file()
            raise
        made = Symlink(self.take_ino(), self.clock(), writable=True, target=target)
        at.parent.insert(at.name, made)
        self._touch(at.parent)
        return made

    def make_link(self, node: Node, at: Lookup) -> None:
        """Another name for `node`, which must be a file or symlink of a writable mount."""
        self._check_free(at)
        if at.slash:
            raise WasiError(Errno.NOENT)
        if isinstance(node, Directory):
            raise WasiError(Errno.PERM)
        if not node.writable:
            raise Refused(Errno.XDEV)
        self.quota.charge_file()
        node.nlink += 1
        node.ctim = self.clock()
        at.parent.insert(at.name, node)
        self._touch(at.parent)

    def unlink(self, at: Lookup) -> None:
        node = _existing(at)
        if isinstance(node, Directory):
            raise WasiError(Errno.ISDIR)
        if at.slash:
            raise WasiError(Errno.NOTDIR)
        self._check_change(at.parent)
        self._drop(at.parent, at.name, node)

    def remove_directory(self, at: Lookup) -> None:
        node = _existing(at)
        if at.dots:
            raise WasiError(Errno.INVAL if at.name == "." else Errno.NOTEMPTY)
        if not isinstance(node, Directory):
            raise WasiError(Errno.NOTDIR)
        self._check_change(at.parent)
        if node in self.mount_points:
            raise WasiError(Errno.BUSY)
        if node.entries:
            raise WasiError(Errno.NOTEMPTY)
        self._drop(at.parent, at.name, node)

    def rename(self, source: Lookup, target: Lookup) -> None:
        if source.dots or target.dots:
            raise WasiError(Errno.BUSY)
        node = _existing(source)
        self._check_change(source.parent)
        self._check_change(target.parent)
        self._check_replace(node, source, target)
        there = target.node
        if there is node:
            return
        if there is not None:
            self._drop(target.parent, target.name, there)
        source.parent.remove(source.name)
        target.parent.insert(target.name, node)
        node.ctim = self.clock()
        self._touch(source.parent)
        self._touch(target.parent)

    def _check_replace(self, node: Node, source: Lookup, target: Lookup) -> None:
        there = target.node
        if node in self.mount_points or there in self.mount_points:
            raise WasiError(Errno.BUSY)
        if self._is_within(target.parent, node):
            raise WasiError(Errno.INVAL)
        if there is not node and self._is_within(source.parent, there):
            raise WasiError(Errno.NOTEMPTY)
        if isinstance(node, Directory):
            if there is not None and not isinstance(there, Directory):
                raise WasiError(Errno.NOTDIR)
        elif source.slash or target.slash:
            raise WasiError(Errno.NOTDIR)
        elif isinstance(there, Directory):
            raise WasiError(Errno.ISDIR)
        if isinstance(there, Directory) and there is not node and there.entries:
            raise WasiError(Errno.NOTEMPTY)

    def _is_within(self, directory: Directory, node: Node | None) -> bool:
        """Whether `directory` is `node` or below it."""
        here: Directory | None = directory
        while here is not None and here is not node:
            here = self.parent_of(here)
        return here is not None

    def _check_free(self, at: Lookup) -> None:
        if at.node is not None:
            entry = isinstance(at.node, Directory | Symlink)
            raise WasiError(Errno.NOTDIR if at.slash and not entry else Errno.EXIST)
        if at.parent.removed:
            raise WasiError(Errno.NOENT)
        self._check_change(at.parent)

    def _check_change(self, directory: Directory) -> None:
        if not directory.writable:
            raise Refused(Errno.ROFS)
        if directory.mode & _MODE_CHANGE != _MODE_CHANGE:
            raise Refused(Errno.ACCES)

    def _drop(self, parent: Directory, name: str, node: Node) -> None:
        """Takes an entry away; the node goes too with its last name and last handle."""
        parent.remove(name)
        self._touch(parent)
        node.ctim = self.clock()
        if isinstance(node, Directory):
            node.removed = True
            node.parent = None
            node.nlink = 0
            self.quota.release_file()
            return
        node.nlink -= 1
        if node.nlink:
            self.quota.release_file()
        elif isinstance(node, RegularFile):
            if not node.opens:
                self._free(node)
        else:
            self.quota.release_file()
            self.quota.release_bytes(node.size)

    # --- nodes ------------------------------------------------------------------

    def open_node(self, node: RegularFile) -> None:
        """Keeps the content of `node` until as many close_node()."""
        if node.writable:
            node.opens += 1

    def close_node(self, node: RegularFile) -> None:
        if node.writable:
            node.opens -= 1
            if not node.opens and not node.nlink:
                self._free(node)

    def _free(self, node: RegularFile) -> None:
        self.quota.release_file()
        self.quota.release_bytes(node.size)
        node.data = b""

    def check_mode(self, node: Node, wanted: int) -> None:
        """`wanted`: MODE_READ | MODE_WRITE. Raises Refused (ROFS, ACCES)."""
        if wanted & MODE_WRITE and not node.writable:
            raise Refused(Errno.ROFS)
        if node.mode & wanted != wanted:
            raise Refused(Errno.ACCES)

    def set_times(self, node: Node, atim: int | None, mtim: int | None) -> None:
        """None leaves a time as it is."""
        if not node.writable:
            raise Refused(Errno.ROFS)
        if atim is not None:
            node.atim = atim
        if mtim is not None:
            node.mtim = mtim
        node.ctim = self.clock()

    def set_mode(self, node: Node, mode: int) -> None:
        """As chmod(2); only the bits 07777 count."""
        if not node.writable:
            raise Refused(Errno.ROFS)
        node.mode = mode & MODE_MASK
        node.ctim = self.clock()

    def _touch(self, directory: Directory) -> None:
        directory.mtim = directory.ctim = self.clock()

    # --- calls of the host, by absolute path --------------------------------------

    def mode(self, path: str) -> int:
        """Permission bits; follows symlinks. Raises LookupFailed."""
        return self.node_at(path).mode

    def chmod(self, path: str, mode: int) -> None:
        """Follows symlinks. Raises LookupFailed, Refused."""
        self.set_mode(self.node_at(path), mode)

    def read_program(self, path: str) -> tuple[str | None, bytes]:
        """What executing `path` means: a virtual program's name, or the file's content.

        Raises LookupFailed, and WasiError(ACCES) for what cannot be executed.
        """
        node = self.node_at(path)
        if isinstance(node, Program):
            return node.program, b""
        if not isinstance(node, RegularFile) or not node.mode & _MODE_EXECUTE:
            raise WasiError(Errno.ACCES)
        return None, bytes(node.data)


def _existing(at: Lookup) -> Node:
    if at.node is None:
        raise WasiError(Errno.NOENT)
    return at.node
