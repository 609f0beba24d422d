"""Preview 1: poll_oneoff."""

from __future__ import annotations

from magicrune.backends.wasi import wasi_abi as abi
from magicrune.backends.wasi.handles import DirectoryHandle, Handle
from magicrune.backends.wasi.wasi_abi import Errno, FunctionTable, Memory, Process, WasiError


class _Timer:
    """A clock subscription: over when `clock` shows `until` (ns)."""

    __slots__ = ("clock", "until", "userdata")

    def __init__(self, userdata: int, clock: int, until: int) -> None:
        self.userdata = userdata
        self.clock = clock
        self.until = until

    def left_ns(self, process: Process) -> int:
        return max(0, self.until - process.clock_ns(self.clock))

    def pack(self) -> bytes:
        return abi.EVENT.pack(self.userdata, 0, abi.EVENT_CLOCK, 0, 0)


class _Watch:
    """An fd subscription. One for a descriptor that cannot be polled is ready at once."""

    __slots__ = ("handle", "kind", "userdata")

    def __init__(self, userdata: int, kind: int, handle: Handle | None) -> None:
        self.userdata = userdata
        self.kind = kind
        self.handle = handle

    def ready(self) -> bool:
        if self.handle is None:
            return True
        if self.kind == abi.EVENT_FD_READ:
            return self.handle.read_ready()
        return self.handle.write_ready()

    def pack(self) -> bytes:
        handle = self.handle
        if handle is None:
            return abi.EVENT.pack(self.userdata, Errno.BADF, self.kind, 0, 0)
        count = handle.readable_bytes() if self.kind == abi.EVENT_FD_READ else 1
        hangup = abi.EVENT_FD_HANGUP if handle.hung_up() else 0
        return abi.EVENT.pack(self.userdata, 0, self.kind, count, hangup)


def poll_oneoff(process: Process, memory: Memory, args: list[int]) -> int:
    """Waits for the first of the subscriptions; tells all that have come by then.

    Raises WasiError(INVAL) for none or more than SUBSCRIPTIONS_MAX of them, INTR for a
    caught signal.
    """
    subscriptions, events, count, out = args
    if not 0 < count <= abi.SUBSCRIPTIONS_MAX:
        raise WasiError(Errno.INVAL)
    memory.view(events, count * abi.EVENT.size)
    timers, watches = _parse(process, memory, subscriptions, count)

    def any_ready() -> bool:
        return any(watch.ready() for watch in watches)

    timeout = min((timer.left_ns(process) for timer in timers), default=None)
    if not process.wait_until(any_ready, timeout) and timers:
        # What ended the wait is over, even if a clock that runs apart says a little less.
        first = min(timers, key=lambda timer: timer.left_ns(process))
        over = [timer for timer in timers if timer is first or not timer.left_ns(process)]
    else:
        over = [timer for timer in timers if not timer.left_ns(process)]
    packed = [timer.pack() for timer in over]
    packed += [watch.pack() for watch in watches if watch.ready()]
    memory.write(events, b"".join(packed))
    memory.store_u32(out, len(packed))
    return 0


def _parse(
    process: Process, memory: Memory, pointer: int, count: int
) -> tuple[list[_Timer], list[_Watch]]:
    content = memory.read(pointer, count * abi.SUBSCRIPTION_SIZE)
    timers: list[_Timer] = []
    watches: list[_Watch] = []
    for start in range(0, len(content), abi.SUBSCRIPTION_SIZE):
        userdata, kind = abi.SUBSCRIPTION_HEAD.unpack_from(content, start)
        if kind == abi.EVENT_CLOCK:
            timers.append(_parse_timer(process, content, start, userdata))
        elif kind in (abi.EVENT_FD_READ, abi.EVENT_FD_WRITE):
            (fd,) = abi.SUBSCRIPTION_FD.unpack_from(content, start + 16)
            watches.append(_Watch(userdata, kind, _pollable(process, fd, kind)))
        else:
            raise WasiError(Errno.INVAL)
    return timers, watches


def _parse_timer(process: Process, content: bytes, start: int, userdata: int) -> _Timer:
    clock, timeout, _precision, flags = abi.SUBSCRIPTION_CLOCK.unpack_from(content, start + 16)
    if clock not in (abi.CLOCK_REALTIME, abi.CLOCK_MONOTONIC):
        raise WasiError(Errno.INVAL)
    if flags & ~abi.SUBCLOCK_ABSTIME:
        raise WasiError(Errno.INVAL)
    if flags:
        return _Timer(userdata, clock, timeout)
    # A relative time is not disturbed by a clock that is set.
    until = process.clock_ns(abi.CLOCK_MONOTONIC) + timeout
    return _Timer(userdata, abi.CLOCK_MONOTONIC, until)


def _pollable(process: Process, fd: int, kind: int) -> Handle | None:
    handle = process.fds.find(fd)
    if handle is None or isinstance(handle, DirectoryHandle):
        return None
    usable = handle.readable if kind == abi.EVENT_FD_READ else handle.writable
    return handle if usable else None


FUNCTIONS: FunctionTable = {"poll_oneoff": ("iiii>i", poll_oneoff)}
