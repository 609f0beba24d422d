#include "filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
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

// Newer than some headers; the same number on both architectures.
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif
#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443
#endif
#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif
#ifndef SYS_process_mrelease
#define SYS_process_mrelease 448
#endif
#ifndef SYS_statmount
#define SYS_statmount 457
#endif
#ifndef SYS_listmount
#define SYS_listmount 458
#endif
enum { SYS_open_tree_attr_ = 467 };

#define EPERM_(name) {SYS_##name, #name, EPERM}
static const struct denied_call denied[] = {
    EPERM_(ptrace), EPERM_(process_vm_readv), EPERM_(process_vm_writev), EPERM_(process_madvise),
    EPERM_(process_mrelease), EPERM_(kcmp), EPERM_(pidfd_getfd), EPERM_(move_pages),
    EPERM_(migrate_pages), EPERM_(mount), EPERM_(umount2), EPERM_(pivot_root), EPERM_(chroot),
    EPERM_(open_tree), EPERM_(move_mount), EPERM_(fsopen), EPERM_(fsmount), EPERM_(fsconfig),
    EPERM_(fspick), EPERM_(mount_setattr), EPERM_(statmount), EPERM_(listmount),
    {SYS_open_tree_attr_, "open_tree_attr", EPERM}, EPERM_(unshare), EPERM_(setns), EPERM_(bpf),
    EPERM_(perf_event_open), EPERM_(keyctl), EPERM_(add_key), EPERM_(request_key),
    EPERM_(init_module), EPERM_(finit_module), EPERM_(delete_module), EPERM_(kexec_load),
    EPERM_(kexec_file_load), EPERM_(reboot), EPERM_(swapon), EPERM_(swapoff), EPERM_(userfaultfd),
    EPERM_(name_to_handle_at), EPERM_(open_by_handle_at), EPERM_(quotactl), EPERM_(quotactl_fd),
    EPERM_(acct), EPERM_(syslog), EPERM_(settimeofday), EPERM_(clock_settime),
    EPERM_(fanotify_init), EPERM_(fanotify_mark), EPERM_(lookup_dcookie), EPERM_(sethostname),
    EPERM_(setdomainname), EPERM_(vhangup), EPERM_(memfd_secret),
    {SYS_io_uring_setup, "io_uring_setup", ENOSYS}, // what it does would not pass this filter
#ifdef __x86_64__
    EPERM_(iopl), EPERM_(ioperm), EPERM_(modify_ldt), EPERM_(uselib),
#endif
};
enum { DENIED = sizeof denied / sizeof *denied };

const struct denied_call *denied_find(int call)
{
    for (size_t i = 0; i < DENIED; i++)
        if (denied[i].call == call)
            return &denied[i];
    return NULL;
}

const struct denied_call *denied_at(size_t index)
{
    return index < DENIED ? &denied[index] : NULL;
}

enum {
    ALLOW = SECCOMP_RET_ALLOW,
    NO_SUCH_CALL = SECCOMP_RET_ERRNO | ENOSYS,
    X32_BIT = 0x40000000,
    FAST_OPEN = MSG_FASTOPEN,
    NEW_NAMESPACE = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                    CLONE_NEWPID | CLONE_NEWNET,
};

static void emit(struct filter *filter, int code, uint32_t k, int yes, int no)
{
    filter->code[filter->length++] =
        (struct sock_filter){(uint16_t)code, (uint8_t)yes, (uint8_t)no, k};
}

static void load(struct filter *filter, size_t offset)
{
    emit(filter, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void load_arg(struct filter *filter, int arg)
{
    load(filter, offsetof(struct seccomp_data, args) + 8 * (size_t)arg); // low half: little-endian
}

static void load_arg_high(struct filter *filter, int arg)
{
    load(filter, offsetof(struct seccomp_data, args) + 8 * (size_t)arg + 4);
}

static void equal(struct filter *filter, uint32_t value, int yes, int no)
{
    emit(filter, BPF_JMP | BPF_JEQ | BPF_K, value, yes, no);
}

static void any_bit(struct filter *filter, uint32_t bits, int yes, int no)
{
    emit(filter, BPF_JMP | BPF_JSET | BPF_K, bits, yes, no);
}

static void give(struct filter *filter, uint32_t action)
{
    emit(filter, BPF_RET | BPF_K, action, 0, 0);
}

// A block for one call: open_block() ... close_block() with every path in between ended by
// give(), because the call's number is no longer in the accumulator.
static unsigned short open_block(struct filter *filter, int call)
{
    equal(filter, (uint32_t)call, 0, 0);
    return (unsigned short)(filter->length - 1);
}

static void close_block(struct filter *filter, unsigned short opened)
{
    filter->code[opened].jf = (uint8_t)(filter->length - opened - 1);
}

static void always(struct filter *filter, int call, uint32_t action)
{
    unsigned short opened = open_block(filter, call);
    give(filter, action);
    close_block(filter, opened);
}

// `action` where the low half of an argument is none of `values`, or one of them (`inverted`).
static void unless(struct filter *filter, int call, int arg, const uint32_t *values, int count,
                   bool inverted, uint32_t action)
{
    unsigned short opened = open_block(filter, call);
    load_arg(filter, arg);
    for (int i = 0; i < count; i++)
        equal(filter, values[i], count - i, 0);
    give(filter, inverted ? ALLOW : action);
    give(filter, inverted ? action : ALLOW);
    close_block(filter, opened);
}

static void add_architecture(struct filter *filter)
{
    load(filter, offsetof(struct seccomp_data, arch));
    equal(filter, NATIVE_ARCH, 1, 0);
    give(filter, SECCOMP_RET_KILL_PROCESS);
    load(filter, offsetof(struct seccomp_data, nr));
#ifdef __x86_64__
    emit(filter, BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1);
    give(filter, NO_SUCH_CALL);
#endif
    // clone3 and io_uring take their arguments from memory: not to be judged here.
    always(filter, SYS_clone3, NO_SUCH_CALL);
    always(filter, SYS_io_uring_enter, NO_SUCH_CALL);
    always(filter, SYS_io_uring_register, NO_SUCH_CALL);
}

// Signals at init or at everybody. Its id may also be a thread id of init: it has one thread.
static void add_signals(struct filter *filter, uint32_t init, uint32_t refuse)
{
    const uint32_t everybody[] = {init, (uint32_t)-1};
    unless(filter, SYS_kill, 0, everybody, 2, true, refuse);
    unless(filter, SYS_tkill, 0, &init, 1, true, refuse);
    unless(filter, SYS_tgkill, 0, &init, 1, true, refuse);
    unless(filter, SYS_rt_sigqueueinfo, 0, &init, 1, true, refuse);
    unless(filter, SYS_rt_tgsigqueueinfo, 0, &init, 1, true, refuse);
    unless(filter, SYS_pidfd_open, 0, &init, 1, true, refuse);
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
        unless(filter, calls[i].call, calls[i].arg, &self, 1, false, refuse);
}

static void add_sockets(struct filter *filter, bool watched, uint32_t notify)
{
    const uint32_t families[] = {AF_UNIX};
    uint32_t other = watched ? notify : SECCOMP_RET_ERRNO | EAFNOSUPPORT;
    unless(filter, SYS_socket, 0, families, 1, false, other);
    unless(filter, SYS_socketpair, 0, families, 1, false, SECCOMP_RET_ERRNO | EAFNOSUPPORT);
    if (!watched)
        return; // without INET sockets there is nowhere to connect to
    always(filter, SYS_connect, notify);
    always(filter, SYS_bind, notify);
    always(filter, SYS_sendmsg, notify);
    always(filter, SYS_sendmmsg, notify);
    unsigned short opened = open_block(filter, SYS_sendto); // with an address, or fast open
    load_arg(filter, 4);
    equal(filter, 0, 0, 5);
    load_arg_high(filter, 4);
    equal(filter, 0, 0, 3);
    load_arg(filter, 3);
    any_bit(filter, FAST_OPEN, 1, 0);
    give(filter, ALLOW);
    give(filter, notify);
    close_block(filter, opened);
}

static void add_processes(struct filter *filter, bool watched, uint32_t refuse)
{
    unsigned short opened = open_block(filter, SYS_clone);
    load_arg(filter, 0);
    any_bit(filter, NEW_NAMESPACE, 2, 0);
    any_bit(filter, CLONE_THREAD, 0, watched ? 1 : 0);
    give(filter, ALLOW);
    give(filter, refuse);
    close_block(filter, opened);
#ifdef __x86_64__
    if (watched) {
        always(filter, SYS_fork, refuse);
        always(filter, SYS_vfork, refuse);
    }
#endif
    // ADDR_NO_RANDOMIZE, PER_LINUX32 and the like; 0 and the question are harmless.
    const uint32_t plain[] = {0, 0xffffffff};
    unless(filter, SYS_personality, 0, plain, 2, false, refuse);
    const uint32_t inject[] = {TIOCSTI};
    unless(filter, SYS_ioctl, 1, inject, 1, true, refuse);
}

static void add_nodes(struct filter *filter, int call, int arg, uint32_t refuse)
{
    unsigned short opened = open_block(filter, call);
    load_arg(filter, arg);
    emit(filter, BPF_ALU | BPF_AND | BPF_K, S_IFMT, 0, 0);
    equal(filter, S_IFCHR, 2, 0);
    equal(filter, S_IFBLK, 1, 0);
    give(filter, ALLOW);
    give(filter, refuse);
    close_block(filter, opened);
}

static void add_evidence(struct filter *filter, uint32_t notify)
{
    static const int calls[] = {
        SYS_execve, SYS_execveat, SYS_openat, SYS_openat2, SYS_unlinkat, SYS_renameat2, SYS_linkat,
        SYS_symlinkat, SYS_mkdirat, SYS_fchmodat, SYS_fchmodat2, SYS_fchownat,
        SYS_truncate, SYS_memfd_create, SYS_seccomp, SYS_renameat,
#ifdef __x86_64__
        SYS_open, SYS_creat, SYS_unlink, SYS_rmdir, SYS_rename, SYS_link, SYS_symlink, SYS_mkdir,
        SYS_chmod, SYS_chown, SYS_lchown,
#endif
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        always(filter, calls[i], notify);
}

void filter_build(struct filter *filter, pid_t init, bool watched, bool brokered)
{
    uint32_t notify = SECCOMP_RET_USER_NOTIF;
    uint32_t refuse = watched ? notify : SECCOMP_RET_ERRNO | EPERM;
    filter->length = 0;
    add_architecture(filter);
    if (watched)
        add_evidence(filter, notify);
    add_signals(filter, (uint32_t)init, refuse);
    add_targets(filter, refuse);
    add_sockets(filter, watched, notify);
    if (watched && brokered)
        always(filter, SYS_getpeername, notify);
    add_processes(filter, watched, refuse);
    add_nodes(filter, SYS_mknodat, 2, refuse);
#ifdef __x86_64__
    add_nodes(filter, SYS_mknod, 1, refuse);
#endif
    for (size_t i = 0; i < DENIED; i++)
        always(filter, denied[i].call,
               watched ? notify : SECCOMP_RET_ERRNO | (uint32_t)denied[i].error);
    give(filter, SECCOMP_RET_ALLOW);
}
