"""Writes policies/seccomp/*.json and the table of docs/seccomp.md from the families below.

Usage: python scripts/seccomp_profiles.py [--check]

Every call of the kernel's tables for x86_64 and aarch64 is in one family. A verdict is
given for each profile: allow; trace (ENOSYS, but the watch of rune-init is asked first);
eperm; enosys (where C libraries and runtimes have a fallback that they take only then).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PROFILES = ("default", "strict", "loose")
INT = 0xFFFFFFFF  # the kernel looks at the low half only; so do we
BEGIN, END = "<!-- families: begin -->", "<!-- families: end -->"
EPERM, ENOSYS, ENOTSUP, EAFNOSUPPORT = 1, 38, 95, 97
SPECIAL_ERRNO = {
    "other socket families": EAFNOSUPPORT,
    "internet sockets": EAFNOSUPPORT,
    "attributes written": ENOTSUP,
}

Arg = tuple[int, int, int]  # index, mask, value: (argument & mask) == value


class Family(NamedTuple):
    """Calls with one reason, and their verdicts in default, strict and loose."""

    title: str
    why: str
    calls: str
    verdicts: str
    args: tuple[Arg, ...] = ()


A, T, E, N = "allow", "trace", "eperm", "enosys"
ALL = f"{A} {A} {A}"
RECORDED = f"{T} {T} {E}"  # loose allows ptrace: a tracer could wave a traced call through
NOWHERE = f"{E} {E} {E}"


def low(index: int, value: int) -> Arg:
    """The argument is the 32-bit `value`, whatever its unused upper half holds."""
    return (index, INT, value & INT)


def each(index: int, *values: int) -> tuple[Arg, ...]:
    return tuple(low(index, value) for value in values)


NAMESPACES = {
    "NEWNS": 0x00020000,
    "NEWCGROUP": 0x02000000,
    "NEWUTS": 0x04000000,
    "NEWIPC": 0x08000000,
    "NEWUSER": 0x10000000,
    "NEWPID": 0x20000000,
    "NEWNET": 0x40000000,
}
UNIX, INET, INET6, NETLINK = 1, 2, 10, 16
FAMILIES_KNOWN = 47  # AF_UNSPEC .. AF_MCTP; higher ones get ENOSYS
PRCTL = (
    *(1, 2, 3, 4, 7, 8, 15, 16, 21, 22, 23, 24, 27, 28, 29, 30, 36, 37, 38, 39),
    *(41, 42, 47, 50, 51, 52, 53, 54, 55, 56, 63, 64, 65, 66),
    *(0x53564D41, 0x41555856),  # PR_SET_VMA (names of mappings), PR_GET_AUXV
)
IOCTL_FILES = (0x5421, 0x5450, 0x5451, 0x5452, 0x5460, 0x541B, 0x40049409, 0x4020940D)
IOCTL_TERMINAL = (
    *(0x5401, 0x5402, 0x5403, 0x5404, 0x5409, 0x540A, 0x540B, 0x540E, 0x540F, 0x5410, 0x5411),
    *(0x5413, 0x5414, 0x5422, 0x5425, 0x5429, 0x5441, 0x5420),
    *(0x80045430, 0x40045431, 0x802C542A, 0x402C542B, 0x402C542C, 0x402C542D),
)
IOCTL_SECCOMP = (0xC0502100, 0xC0182101, 0x40082102, 0x40182103, 0x40082104)
IOCTL_NETWORK = (
    *(0x8910, 0x8912, 0x8913, 0x8915, 0x8919, 0x891B, 0x8921, 0x8927, 0x8933),
    *(0x8905, 0x8907, 0x5411),
)
PERSONALITY_REFUSED = (0x8, 0x40000, 0x40008, 0x20000, 0x100000, 0x200000, 0x400000, 0x800000)

FAMILIES = (
    Family("bytes", "reading and writing of open files",
           "read write readv writev pread64 pwrite64 preadv pwritev lseek close "
           "close_range dup dup2 dup3 fcntl pipe pipe2 sendfile copy_file_range fadvise64 "
           "flock", ALL),
    Family("pipes without copying", "Go's copying between sockets has no other way on EPERM",
           "splice tee", f"{A} {N} {A}"),
    Family("vmsplice", "pages given to a pipe: a line of kernel faults; all who use it fall back",
           "vmsplice", f"{N} {N} {A}"),
    Family("names and attributes", "finding, opening and listing files",
           "open openat openat2 creat access faccessat faccessat2 stat fstat lstat newfstatat "
           "statx readlink readlinkat getdents64 getcwd chdir fchdir statfs fstatfs "
           "umask", ALL),
    Family("changes of files", "making, renaming and removing files on the writable mounts",
           "truncate ftruncate fallocate fsync fdatasync rename renameat "
           "renameat2 mkdir mkdirat rmdir unlink unlinkat link linkat symlink symlinkat utime "
           "utimes utimensat", ALL),
    Family("owners", "changing owners needs a capability that no job has; the watch records it",
           "chown fchown lchown fchownat", ALL),
    Family("modes", "install, cp -p, tar, and rune-init's D frames",
           "chmod fchmod fchmodat fchmodat2", f"{A} - {A}"),
    Family("modes without setuid", "chmod, but never with the setuid or setgid bit",
           "chmod fchmod", f"- {A} -", ((1, 0o6000, 0),)),
    Family("modes without setuid, at", "the same, for the calls that name a directory",
           "fchmodat fchmodat2", f"- {A} -", ((2, 0o6000, 0),)),
    Family("nodes", "files, fifos and sockets may be made",
           "mknod", ALL, tuple((1, 0xF000, kind) for kind in (0, 0x8000, 0x1000, 0xC000))),
    Family("nodes, at", "files, fifos and sockets may be made",
           "mknodat", ALL, tuple((2, 0xF000, kind) for kind in (0, 0x8000, 0x1000, 0xC000))),
    Family("device nodes", "a device node is a way to the host's disk",
           "mknod", RECORDED, tuple((1, 0xF000, kind) for kind in (0x2000, 0x6000))),
    Family("device nodes, at", "a device node is a way to the host's disk",
           "mknodat", RECORDED, tuple((2, 0xF000, kind) for kind in (0x2000, 0x6000))),
    Family("attributes read", "ls and cp ask for them",
           "getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr", ALL),
    Family("attributes written", "cp -a and tar take this as a file system without attributes",
           "setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr",
           f"{E} {E} {A}"),
    Family("memory", "the heap, shared libraries, stacks of threads, JIT compilers",
           "brk mmap munmap mremap mprotect madvise msync membarrier "
           "map_shadow_stack mseal", ALL),
    Family("memory as a file", "recorded by the watch; the job can hold the same bytes in /tmp",
           "memfd_create", ALL),
    Family("processes", "every shell and every runtime starts programs and waits for them",
           "fork vfork execve execveat exit exit_group wait4 waitid getpid getppid gettid getpgid "
           "setpgid getpgrp getsid setsid set_tid_address set_robust_list rseq arch_prctl uname "
           "sysinfo getcpu restart_syscall", ALL),
    Family("clone", "threads and processes, without new namespaces",
           "clone", ALL, ((0, sum(NAMESPACES.values()), 0),)),
    Family("clone into namespaces", "a user namespace opens the kernel's privileged half",
           "clone", RECORDED, tuple((0, bit, bit) for bit in NAMESPACES.values())),
    Family("clone3", "flags lie in memory, where no filter sees them; C libraries fall back",
           "clone3", f"{N} {N} {N}"),
    Family("signals", "kill, handlers, waiting for signals",
           "kill tkill tgkill rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending "
           "rt_sigtimedwait rt_sigqueueinfo rt_tgsigqueueinfo rt_sigsuspend sigaltstack pause "
           "alarm signalfd4 pidfd_send_signal", ALL),
    Family("rune-init's looks", "PID 1 reads arguments of watched calls; its filter takes these "
           "from the job", "process_vm_readv pidfd_open pidfd_getfd", ALL),
    Family("seccomp", "PID 1 installs the watch; programs may confine themselves further",
           "seccomp", ALL),
    Family("waiting", "locks of threads and event loops",
           "futex poll ppoll select pselect6 epoll_create1 epoll_ctl "
           "epoll_wait epoll_pwait eventfd2", ALL),
    Family("inotify", "node's fs.watch and tail -f", "inotify_init1 "
           "inotify_add_watch inotify_rm_watch", f"{A} {N} {A}"),
    Family("time", "clocks, sleeping and timers",
           "nanosleep clock_nanosleep clock_gettime clock_getres gettimeofday time getitimer "
           "setitimer timer_create timer_settime timer_gettime timer_getoverrun timer_delete "
           "timerfd_create timerfd_settime timerfd_gettime times", ALL),
    Family("limits and scheduling", "ulimit, nice, thread pools that count processors",
           "getrlimit setrlimit prlimit64 getrusage getpriority setpriority sched_yield "
           "sched_getaffinity sched_setaffinity sched_getparam sched_getscheduler "
           "sched_get_priority_max sched_get_priority_min "
           "", ALL),
    Family("ids read", "id, whoami, start of every program",
           "getuid geteuid getgid getegid getresuid getresgid getgroups capget", ALL),
    Family("ids dropped", "PID 1 turns into the job's user and drops its capabilities",
           "setresuid setresgid setgroups setfsuid setfsgid capset", ALL),
    Family("ids set, older calls", "there is no other id that the job could take",
           "setuid setgid setreuid setregid", f"{E} {E} {A}"),
    Family("randomness", "hash seeds, TLS", "getrandom", ALL),
    Family("sockets made", "unix and internet sockets; where there is no network they reach none",
           "socket socketpair", f"{A} - {A}", each(0, UNIX, INET, INET6)),
    Family("unix sockets made", "pairs of sockets, and rune-init's channel",
           "socket socketpair", f"- {A} -", each(0, UNIX)),
    Family("internet sockets", "strict has no network", "socket", f"- {E} -",
           each(0, INET, INET6)),
    Family("list of interfaces", "getifaddrs and getaddrinfo of the C library (NETLINK_ROUTE)",
           "socket", f"{A} - {A}", ()),  # two arguments: added by rules_of()
    Family("other socket families", "vsock, raw packets, kernel crypto ...: much kernel code, no "
           "ordinary user", "socket", RECORDED,
           each(0, *(n for n in range(FAMILIES_KNOWN) if n not in (UNIX, INET, INET6, NETLINK)))),
    Family("use of sockets", "clients and servers",
           "connect accept accept4 bind listen getsockname getpeername setsockopt getsockopt "
           "sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg shutdown", ALL),
    Family("ioctl", "files, terminals and the listener of seccomp; nothing of devices",
           "ioctl", ALL, each(1, *IOCTL_FILES, *IOCTL_TERMINAL, *IOCTL_SECCOMP)),
    Family("ioctl of sockets", "names and addresses of interfaces, read only",
           "ioctl", f"{A} - {A}", each(1, *(n for n in IOCTL_NETWORK if n not in IOCTL_TERMINAL))),
    Family("input put into a terminal", "typing on behalf of the user (TIOCSTI)",
           "ioctl", RECORDED, each(1, 0x5412)),
    Family("prctl", "names of threads, death signal, dumpable, no_new_privs, capability sets",
           "prctl", ALL, each(0, *PRCTL)),
    Family("prctl for debuggers", "a process names its debugger (LeakSanitizer)",
           "prctl", f"- - {A}", each(0, 0x59616D61)),
    Family("personality", "0, and the question which one is set",
           "personality", f"{A} {A} -", each(0, 0, -1)),
    Family("other personalities", "no address randomisation, 32-bit ways: aids of exploits",
           "personality", f"{T} {T} -", each(0, *PERSONALITY_REFUSED)),
    Family("any personality", "debuggers and sanitizers run without address randomisation",
           "personality", f"- - {A}"),
    Family("debugging", "a tracer controls another process wholly",
           "ptrace process_vm_writev kcmp process_madvise", f"{T} {T} {A}"),
    Family("SysV IPC", "databases and old programs; shells and runtimes use none",
           "shmget shmat shmctl shmdt semget semop semtimedop semctl msgget msgsnd msgrcv msgctl",
           f"{N} {N} {A}"),
    Family("POSIX queues", "rune-init sets their limit to 0, so none could be made",
           "mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr",
           f"{N} {N} {A}"),
    Family("kernel aio", "databases only, and they fall back",
           "io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents", f"{N} {N} {A}"),
    Family("landlock", "a program's own sandbox; those who use it do without",
           "landlock_create_ruleset landlock_add_rule landlock_restrict_self", f"{N} {N} {A}"),
    Family("NUMA", "placement of pages: nothing that one job in a sandbox can use",
           "mbind set_mempolicy get_mempolicy set_mempolicy_home_node", f"{E} {E} {A}"),
    Family("whole machine synced", "makes every disk of the host wait for one job",
           "sync syncfs", f"{E} {E} {A}"),
    Family("locked memory", "rune-init sets the limit of locked memory to 0",
           "mlock mlock2 munlock mlockall munlockall", f"{E} {E} {A}"),
    Family("pages seen and shuffled", "mincore tells what others read (page cache attacks); the "
           "others are for databases and checkpoints",
           "mincore remap_file_pages get_robust_list", f"{E} {E} {A}"),
    Family("order of service", "real-time scheduling and disk priority: a job competes as it is",
           "sched_setparam sched_setscheduler sched_setattr sched_getattr sched_rr_get_interval "
           "ioprio_get ioprio_set", f"{E} {E} {A}"),
    Family("older and rarer ways", "C libraries use the call that replaced it, or fall back to "
           "the plain one",
           "getdents signalfd eventfd epoll_create inotify_init futimesat preadv2 pwritev2 "
           "readahead sync_file_range epoll_pwait2 futex_waitv pkey_mprotect pkey_alloc pkey_free",
           f"{N} {N} {A}"),
    Family("mounts", "what is mounted is the sandbox's wall",
           "mount umount2 pivot_root chroot", RECORDED),
    Family("new mount calls", "the same, as newer calls",
           "open_tree open_tree_attr move_mount fsopen fsmount fsconfig fspick mount_setattr "
           "statmount listmount", RECORDED),
    Family("namespaces", "a user namespace opens the kernel's privileged half",
           "unshare setns listns", RECORDED),
    Family("programs in the kernel", "BPF, counters of the processor, page faults handled by the "
           "job: frequent sources of kernel faults", "bpf perf_event_open userfaultfd", RECORDED),
    Family("io_uring", "does what a filter would refuse, unseen by it; runtimes fall back",
           "io_uring_setup", RECORDED),
    Family("io_uring in use", "the same; there is no ring to use",
           "io_uring_enter io_uring_register", f"{N} {N} {N}"),
    Family("keys", "the kernel's key rings are not divided by containers",
           "keyctl add_key request_key", RECORDED),
    Family("modules and boot", "replaces or ends the kernel",
           "init_module finit_module delete_module kexec_load kexec_file_load reboot", RECORDED),
    Family("files by handle", "opens files past all mounts (Shocker)",
           "name_to_handle_at open_by_handle_at", RECORDED),
    Family("machine's disks", "swap, quotas, accounting: of the whole machine",
           "swapon swapoff quotactl quotactl_fd acct", RECORDED),
    Family("machine's state", "log, name, clock and terminal of the machine",
           "syslog sethostname setdomainname settimeofday clock_settime vhangup", RECORDED),
    Family("clock steered", "the machine's clock", "adjtimex clock_adjtime", NOWHERE),
    Family("watch over files", "fanotify sees a whole mount", "fanotify_init fanotify_mark",
           RECORDED),
    Family("pages of others", "moves or frees the memory of other processes",
           "move_pages migrate_pages process_mrelease", RECORDED),
    Family("hidden memory", "memory that even PID 1 cannot read", "memfd_secret", RECORDED),
    Family("ports and segments", "x86: hardware ports, segment tables, old library loading",
           "iopl ioperm modify_ldt uselib", RECORDED),
    Family("profiler cookies", "of a profiler that is gone", "lookup_dcookie", RECORDED),
    Family("x86 leftovers", "for 32-bit programs, which may not run",
           "set_thread_area get_thread_area", f"{N} {N} {N}"),
    Family("gone or never made", "the kernel has only the number left, or an oddity",
           "_sysctl sysfs ustat create_module get_kernel_syms query_module nfsservctl getpmsg "
           "putpmsg afs_syscall tuxcall security epoll_ctl_old epoll_wait_old vserver",
           f"{N} {N} {N}"),
    Family("new calls", "no C library needs them yet; all take another way on ENOSYS",
           "cachestat futex_wake futex_wait futex_requeue lsm_get_self_attr lsm_set_self_attr "
           "lsm_list_modules setxattrat getxattrat listxattrat removexattrat file_getattr "
           "file_setattr uretprobe uprobe rseq_slice_yield", f"{N} {N} {N}"),
)  # fmt: skip


def verdict_of(family: Family, profile: str) -> str:
    return family.verdicts.split()[PROFILES.index(profile)]


def rules_of(family: Family, profile: str) -> list[dict[str, object]]:
    """The entries of one family; several conditions on one argument are several entries."""
    verdict = verdict_of(family, profile)
    if verdict == "-":
        return []
    entry: dict[str, object] = {"names": family.calls.split(), "action": _ACTION[verdict]}
    if verdict in (E, N):
        usual = EPERM if verdict == E else ENOSYS
        entry["errnoRet"] = SPECIAL_ERRNO.get(family.title, usual)
    comment = f"{family.title}: {family.why}"
    if family.title == "list of interfaces":
        return [entry | {"args": [_arg(low(0, NETLINK)), _arg(low(2, 0))], "comment": comment}]
    if not family.args:
        return [entry | {"comment": comment}]
    return [entry | {"args": [_arg(arg)], "comment": comment} for arg in family.args]


_ACTION = {A: "SCMP_ACT_ALLOW", T: "SCMP_ACT_TRACE", E: "SCMP_ACT_ERRNO", N: "SCMP_ACT_ERRNO"}


def _arg(arg: Arg) -> dict[str, object]:
    index, mask, value = arg
    return {"index": index, "value": mask, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ"}


def profile_json(profile: str) -> str:
    document = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": ENOSYS,
        "archMap": [
            {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": []},
            {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": []},
        ],
    }
    head = json.dumps(document, indent=2).removesuffix("\n}")
    rules = [json.dumps(rule) for family in FAMILIES for rule in rules_of(family, profile)]
    body = ",\n    ".join(rules)
    return f'{head},\n  "syscalls": [\n    {body}\n  ]\n}}\n'


def table() -> str:
    rows = ["| family | calls | default | strict | loose | why |", "|---|---|---|---|---|---|"]
    for family in FAMILIES:
        calls = " ".join(family.calls.split())
        verdicts = " | ".join(family.verdicts.split())
        some = " (by argument)" if family.args or family.title == "list of interfaces" else ""
        rows.append(f"| {family.title} | `{calls}`{some} | {verdicts} | {family.why} |")
    return "\n".join(rows)


def documented(text: str) -> str:
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.split(END)[1]}"


def main() -> int:
    page = ROOT / "docs" / "seccomp.md"
    wanted = {
        ROOT / "policies" / "seccomp" / f"{name}.json": profile_json(name) for name in PROFILES
    }
    if page.exists():
        wanted[page] = documented(page.read_text())
    status = 0
    for path, text in wanted.items():
        if "--check" not in sys.argv[1:]:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            print(f"{path.name} is not what its families say: run scripts/seccomp_profiles.py")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
