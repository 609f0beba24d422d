#include "filter.h"

#include "bpf.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <linux/memfd.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#ifdef __x86_64__
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#error "no table of calls for this architecture"
#endif

enum {
    ALLOW = SECCOMP_RET_ALLOW,
    NO_SUCH_CALL = SECCOMP_RET_ERRNO | ENOSYS,
    X32_BIT = 0x40000000,
    FAST_OPEN = MSG_FASTOPEN,
    SHM_HUGE = 04000, // SHM_HUGETLB: not in every C library
    NEW_NAMESPACE = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                    CLONE_NEWPID | CLONE_NEWNET,
};

static void add_architecture(struct filter *filter)
{
    bpf_load(filter, offsetof(struct seccomp_data, arch));
    bpf_equal(filter, NATIVE_ARCH, 1, 0);
    bpf_give(filter, SECCOMP_RET_KILL_PROCESS);
    bpf_load(filter, offsetof(struct seccomp_data, nr));
#ifdef __x86_64__
    bpf_emit(filter, BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1);
    bpf_give(filter, NO_SUCH_CALL);
#endif
    // clone3 and io_uring take their arguments from memory: not to be judged here.
    bpf_always(filter, SYS_clone3, NO_SUCH_CALL);
    bpf_always(filter, SYS_io_uring_enter, NO_SUCH_CALL);
    bpf_always(filter, SYS_io_uring_register, NO_SUCH_CALL);
}

// Locks of open files cannot be counted (the kernel's list does not say whose they are): they get
// what a kernel without them says. Other locks are (watch_hoard.c).
static void add_fcntl(struct filter *filter, uint32_t refuse)
{
    unsigned short opened = bpf_open(filter, SYS_fcntl);
    bpf_load_arg(filter, 1);
    bpf_equal(filter, F_NOTIFY, 3, 0);
    bpf_equal(filter, F_OFD_SETLK, 3, 0);
    bpf_equal(filter, F_OFD_SETLKW, 2, 0);
    bpf_give(filter, ALLOW);
    bpf_give(filter, refuse);
    bpf_give(filter, SECCOMP_RET_ERRNO | EINVAL);
    bpf_close(filter, opened);
}

// Where the kernel keeps something for the job that its memory limit does not count, or shows
// it what others do. First, since some of these are called often.
static void add_hoards(struct filter *filter, bool watched, uint32_t refuse)
{
    const uint32_t own_filter[] = {PR_SET_SECCOMP};
    const uint32_t install[] = {SECCOMP_SET_MODE_FILTER};
    // Huge pages are the machine's, counted by no memory limit.
    bpf_bits(filter, SYS_mmap, 3, MAP_HUGETLB, refuse, ALLOW);
    bpf_bits(filter, SYS_shmget, 2, SHM_HUGE, refuse, ALLOW);
    bpf_bits(filter, SYS_memfd_create, 1, MFD_HUGETLB, refuse, watched ? refuse : ALLOW);
    add_fcntl(filter, refuse);
    bpf_unless(filter, SYS_prctl, 0, own_filter, 1, true, refuse);
    if (watched)
        bpf_always(filter, SYS_seccomp, refuse);
    else
        bpf_unless(filter, SYS_seccomp, 0, install, 1, true, refuse);
    bpf_always(filter, SYS_inotify_add_watch, refuse);
}

// Programs for the kernel that hang on a socket: tens of thousands of them deadlock it when
// they are freed at once (6.18).
static void add_socket_filters(struct filter *filter, uint32_t refuse)
{
    static const uint32_t options[] = {SO_ATTACH_FILTER, SO_ATTACH_BPF, SO_ATTACH_REUSEPORT_CBPF,
                                       SO_ATTACH_REUSEPORT_EBPF};
    enum { OPTIONS = sizeof options / sizeof *options };
    unsigned short opened = bpf_open(filter, SYS_setsockopt);
    bpf_load_arg(filter, 1);
    bpf_equal(filter, SOL_SOCKET, 0, OPTIONS + 1);
    bpf_load_arg(filter, 2);
    for (int i = 0; i < OPTIONS; i++)
        bpf_equal(filter, options[i], OPTIONS - i, 0);
    bpf_give(filter, ALLOW);
    bpf_give(filter, refuse);
    bpf_close(filter, opened);
}

// Signals at init or at everybody. Its id may also be a thread id of init: it has one thread.
static void add_signals(struct filter *filter, uint32_t init, uint32_t refuse)
{
    const uint32_t everybody[] = {init, (uint32_t)-1};
    bpf_unless(filter, SYS_kill, 0, everybody, 2, true, refuse);
    bpf_unless(filter, SYS_tkill, 0, &init, 1, true, refuse);
    bpf_unless(filter, SYS_tgkill, 0, &init, 1, true, refuse);
    bpf_unless(filter, SYS_rt_sigqueueinfo, 0, &init, 1, true, refuse);
    bpf_unless(filter, SYS_rt_tgsigqueueinfo, 0, &init, 1, true, refuse);
    bpf_unless(filter, SYS_pidfd_open, 0, &init, 1, true, refuse);
}

// Calls that can act on another process by its id: the watch lets them pass unless it is init.
static void add_targets(struct filter *filter, uint32_t refuse)
{
    static const struct {
        int call, arg;
    } calls[] = {{SYS_prlimit64, 0},          {SYS_setpriority, 1},    {SYS_ioprio_set, 1},
                 {SYS_sched_setaffinity, 0},  {SYS_sched_setparam, 0}, {SYS_sched_setattr, 0},
                 {SYS_sched_setscheduler, 0}};
    const uint32_t self = 0;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        bpf_unless(filter, calls[i].call, calls[i].arg, &self, 1, false, refuse);
}

static void add_sockets(struct filter *filter, bool watched, uint32_t notify)
{
    const uint32_t families[] = {AF_UNIX};
    uint32_t other = watched ? notify : SECCOMP_RET_ERRNO | EAFNOSUPPORT;
    bpf_unless(filter, SYS_socket, 0, families, 1, false, other);
    bpf_unless(filter, SYS_socketpair, 0, families, 1, false, SECCOMP_RET_ERRNO | EAFNOSUPPORT);
    if (!watched)
        return; // without INET sockets there is nowhere to connect to
    bpf_always(filter, SYS_connect, notify);
    bpf_always(filter, SYS_bind, notify);
    bpf_always(filter, SYS_sendmsg, notify);
    bpf_always(filter, SYS_sendmmsg, notify);
    unsigned short opened = bpf_open(filter, SYS_sendto); // with an address, or fast open
    bpf_load_arg(filter, 4);
    bpf_equal(filter, 0, 0, 5);
    bpf_load_arg_high(filter, 4);
    bpf_equal(filter, 0, 0, 3);
    bpf_load_arg(filter, 3);
    bpf_any_bit(filter, FAST_OPEN, 1, 0);
    bpf_give(filter, ALLOW);
    bpf_give(filter, notify);
    bpf_close(filter, opened);
}

static void add_processes(struct filter *filter, bool watched, uint32_t refuse)
{
    // Threads share a table of descriptors; processes that do would act on what we did not see.
    unsigned short opened = bpf_open(filter, SYS_clone);
    bpf_load_arg(filter, 0);
    bpf_any_bit(filter, NEW_NAMESPACE, 4, 0);
    bpf_any_bit(filter, CLONE_THREAD, 2, 0);
    bpf_any_bit(filter, CLONE_FILES, 2, 0);
    bpf_give(filter, watched ? refuse : ALLOW);
    bpf_give(filter, ALLOW);
    bpf_give(filter, refuse);
    bpf_close(filter, opened);
#ifdef __x86_64__
    if (watched) {
        bpf_always(filter, SYS_fork, refuse);
        bpf_always(filter, SYS_vfork, refuse);
    }
#endif
    // ADDR_NO_RANDOMIZE, PER_LINUX32 and the like; 0 and the question are harmless.
    const uint32_t plain[] = {0, 0xffffffff};
    bpf_unless(filter, SYS_personality, 0, plain, 2, false, refuse);
    const uint32_t inject[] = {TIOCSTI};
    bpf_unless(filter, SYS_ioctl, 1, inject, 1, true, refuse);
}

static void add_nodes(struct filter *filter, int call, int arg, uint32_t refuse)
{
    unsigned short opened = bpf_open(filter, call);
    bpf_load_arg(filter, arg);
    bpf_emit(filter, BPF_ALU | BPF_AND | BPF_K, S_IFMT, 0, 0);
    bpf_equal(filter, S_IFCHR, 2, 0);
    bpf_equal(filter, S_IFBLK, 1, 0);
    bpf_give(filter, ALLOW);
    bpf_give(filter, refuse);
    bpf_close(filter, opened);
}

static void add_evidence(struct filter *filter, uint32_t notify)
{
    static const int calls[] = {
        SYS_execve, SYS_execveat, SYS_openat, SYS_openat2, SYS_unlinkat, SYS_renameat2, SYS_linkat,
        SYS_symlinkat, SYS_mkdirat, SYS_fchmodat, SYS_fchmodat2, SYS_fchownat,
        SYS_truncate, SYS_renameat,
#ifdef __x86_64__
        SYS_open, SYS_creat, SYS_unlink, SYS_rmdir, SYS_rename, SYS_link, SYS_symlink, SYS_mkdir,
        SYS_chmod, SYS_chown, SYS_lchown,
#endif
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        bpf_always(filter, calls[i], notify);
}

void filter_build(struct filter *filter, pid_t init, bool watched, bool brokered)
{
    uint32_t notify = SECCOMP_RET_USER_NOTIF;
    uint32_t refuse = watched ? notify : SECCOMP_RET_ERRNO | EPERM;
    filter->length = 0;
    add_architecture(filter);
    add_hoards(filter, watched, refuse);
    if (watched)
        add_evidence(filter, notify);
    add_signals(filter, (uint32_t)init, refuse);
    add_targets(filter, refuse);
    add_sockets(filter, watched, notify);
    add_socket_filters(filter, refuse);
    if (watched && brokered)
        bpf_always(filter, SYS_getpeername, notify);
    add_processes(filter, watched, refuse);
    add_nodes(filter, SYS_mknodat, 2, refuse);
#ifdef __x86_64__
    add_nodes(filter, SYS_mknod, 1, refuse);
#endif
    const struct denied_call *denied;
    for (size_t i = 0; (denied = denied_at(i)); i++)
        bpf_always(filter, denied->call,
                   watched ? notify : SECCOMP_RET_ERRNO | (uint32_t)denied->error);
    bpf_give(filter, SECCOMP_RET_ALLOW);
}
