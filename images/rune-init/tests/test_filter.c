// The filter, run as the kernel runs it: an interpreter of the few instructions that it uses.
#include "check.h"

#include "../src/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/memfd.h>
#include <linux/seccomp.h>
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
#define NATIVE AUDIT_ARCH_X86_64
#else
#define NATIVE AUDIT_ARCH_AARCH64
#endif

enum { OK = SECCOMP_RET_ALLOW, ASK = SECCOMP_RET_USER_NOTIF, INIT = 1 };

static struct filter watched, silent;

static uint32_t run(const struct filter *filter, const struct seccomp_data *data)
{
    uint32_t a = 0, word;
    for (size_t pc = 0; pc < filter->length;) {
        const struct sock_filter *at = &filter->code[pc++];
        switch (at->code) {
        case BPF_LD | BPF_W | BPF_ABS:
            if (at->k > sizeof *data - 4)
                return 0xbad;
            memcpy(&word, (const char *)data + at->k, 4);
            a = word;
            break;
        case BPF_ALU | BPF_AND | BPF_K:
            a &= at->k;
            break;
        case BPF_JMP | BPF_JEQ | BPF_K:
            pc += a == at->k ? at->jt : at->jf;
            break;
        case BPF_JMP | BPF_JGE | BPF_K:
            pc += a >= at->k ? at->jt : at->jf;
            break;
        case BPF_JMP | BPF_JSET | BPF_K:
            pc += a & at->k ? at->jt : at->jf;
            break;
        case BPF_RET | BPF_K:
            return at->k;
        default:
            return 0xbad;
        }
    }
    return 0xbad;
}

struct arguments {
    uint64_t a[6];
};

static uint32_t ask(const struct filter *filter, int call, struct arguments with)
{
    struct seccomp_data data = {.nr = call, .arch = NATIVE};
    memcpy(data.args, with.a, sizeof with.a);
    return run(filter, &data);
}

#define ARGS(...) ((struct arguments){{__VA_ARGS__}})
#define REFUSED(number) (uint32_t)(SECCOMP_RET_ERRNO | (number))

static void test_architecture(void)
{
    struct seccomp_data foreign = {.nr = SYS_getpid, .arch = AUDIT_ARCH_I386};
    CHECK(run(&watched, &foreign) == SECCOMP_RET_KILL_PROCESS);
    CHECK(run(&silent, &foreign) == SECCOMP_RET_KILL_PROCESS);
#ifdef __x86_64__
    CHECK(ask(&watched, 0x40000000 | SYS_getpid, ARGS(0)) == REFUSED(ENOSYS));
    CHECK(ask(&watched, 0x40000000 | 520, ARGS(0)) == REFUSED(ENOSYS)); // x32's execve
#endif
    CHECK(ask(&watched, SYS_clone3, ARGS(0)) == REFUSED(ENOSYS));
    CHECK(ask(&watched, SYS_io_uring_enter, ARGS(0)) == REFUSED(ENOSYS));
    CHECK(ask(&silent, SYS_io_uring_setup, ARGS(0)) == REFUSED(ENOSYS));
    CHECK(ask(&watched, SYS_io_uring_setup, ARGS(0)) == ASK);
}

static void test_plain(void)
{
    static const int calls[] = {SYS_read, SYS_write, SYS_mmap, SYS_close, SYS_exit_group, SYS_futex,
                                SYS_close_range, SYS_dup3, SYS_setrlimit, SYS_chdir, SYS_getpid};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        CHECK(ask(&watched, calls[i], ARGS(1, 2, 3, 4, 5, 6)) == OK);
        CHECK(ask(&silent, calls[i], ARGS(1, 2, 3, 4, 5, 6)) == OK);
    }
    CHECK(ask(&watched, SYS_openat, ARGS(0)) == ASK && ask(&silent, SYS_openat, ARGS(0)) == OK);
    CHECK(ask(&watched, SYS_execve, ARGS(0)) == ASK && ask(&silent, SYS_execve, ARGS(0)) == OK);
}

static void test_denied(void)
{
    static const int calls[] = {SYS_ptrace, SYS_mount, SYS_unshare, SYS_setns, SYS_bpf, SYS_keyctl,
                                SYS_perf_event_open, SYS_process_vm_writev, SYS_pidfd_getfd,
                                SYS_userfaultfd, SYS_reboot, SYS_chroot, SYS_open_by_handle_at};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        CHECK(denied_find(calls[i]) && denied_find(calls[i])->error == EPERM);
        CHECK(ask(&watched, calls[i], ARGS(0)) == ASK);
        CHECK(ask(&silent, calls[i], ARGS(0)) == REFUSED(EPERM));
    }
    CHECK(!denied_find(SYS_read));
}

static void test_processes(void)
{
    CHECK(ask(&watched, SYS_clone, ARGS(CLONE_VM | CLONE_THREAD)) == OK);
    CHECK(ask(&watched, SYS_clone, ARGS(CLONE_VM | CLONE_FILES | CLONE_THREAD)) == OK);
    CHECK(ask(&watched, SYS_clone, ARGS(CLONE_FILES | 17)) == ASK);
    CHECK(ask(&silent, SYS_clone, ARGS(CLONE_FILES | 17)) == REFUSED(EPERM));
    CHECK(ask(&silent, SYS_clone, ARGS(CLONE_VM | CLONE_VFORK | 17)) == OK);
    CHECK(ask(&watched, SYS_clone, ARGS(17)) == ASK && ask(&silent, SYS_clone, ARGS(17)) == OK);
    static const uint64_t spaces[] = {CLONE_NEWNS,  CLONE_NEWUSER, CLONE_NEWPID,   CLONE_NEWNET,
                                      CLONE_NEWIPC, CLONE_NEWUTS,  CLONE_NEWCGROUP};
    for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++) {
        CHECK(ask(&silent, SYS_clone, ARGS(spaces[i] | 17)) == REFUSED(EPERM));
        CHECK(ask(&watched, SYS_clone, ARGS(spaces[i] | CLONE_THREAD)) == ASK);
    }
    CHECK(ask(&silent, SYS_personality, ARGS(0)) == OK);
    CHECK(ask(&silent, SYS_personality, ARGS(0xffffffff)) == OK);
    CHECK(ask(&silent, SYS_personality, ARGS(0x40000)) == REFUSED(EPERM));
    CHECK(ask(&silent, SYS_ioctl, ARGS(0, TIOCSTI)) == REFUSED(EPERM));
    // The kernel looks at the low half only: so must we.
    CHECK(ask(&silent, SYS_ioctl, ARGS(0, UINT64_C(1) << 32 | TIOCSTI)) == REFUSED(EPERM));
    CHECK(ask(&silent, SYS_ioctl, ARGS(0, 0x5401)) == OK);
    CHECK(ask(&silent, SYS_mknodat, ARGS(0, 0, S_IFCHR | 0666)) == REFUSED(EPERM));
    CHECK(ask(&silent, SYS_mknodat, ARGS(0, 0, S_IFBLK)) == REFUSED(EPERM));
    CHECK(ask(&silent, SYS_mknodat, ARGS(0, 0, S_IFIFO | 0666)) == OK);
}

static void test_signals(void)
{
    CHECK(ask(&silent, SYS_kill, ARGS(INIT, 9)) == REFUSED(EPERM));
    CHECK(ask(&silent, SYS_kill, ARGS((uint64_t)-1, 9)) == REFUSED(EPERM));
    CHECK(ask(&silent, SYS_kill, ARGS(0xffffffff, 9)) == REFUSED(EPERM));
    CHECK(ask(&silent, SYS_kill, ARGS(UINT64_C(0xdead00000001), 9)) == REFUSED(EPERM));
    CHECK(ask(&watched, SYS_kill, ARGS(INIT, 9)) == ASK);
    CHECK(ask(&silent, SYS_kill, ARGS(2, 9)) == OK && ask(&silent, SYS_kill, ARGS(0, 9)) == OK);
    CHECK(ask(&silent, SYS_tgkill, ARGS(INIT, INIT, 9)) == REFUSED(EPERM));
    CHECK(ask(&silent, SYS_tgkill, ARGS(5, 5, 9)) == OK);
    CHECK(ask(&silent, SYS_pidfd_open, ARGS(INIT)) == REFUSED(EPERM));
    CHECK(ask(&silent, SYS_prlimit64, ARGS(0, 7)) == OK);
    CHECK(ask(&silent, SYS_prlimit64, ARGS(INIT, 7)) == REFUSED(EPERM));
    CHECK(ask(&watched, SYS_prlimit64, ARGS(5, 7)) == ASK);
    CHECK(ask(&silent, SYS_setpriority, ARGS(0, 0, 5)) == OK);
}

static void test_sockets(void)
{
    CHECK(ask(&watched, SYS_socket, ARGS(AF_UNIX)) == OK && ask(&silent, SYS_socket,
          ARGS(AF_UNIX)) == OK);
    static const uint64_t others[] = {AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_VSOCK, AF_ALG,
        77};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        CHECK(ask(&watched, SYS_socket, ARGS(others[i])) == ASK);
        CHECK(ask(&silent, SYS_socket, ARGS(others[i])) == REFUSED(EAFNOSUPPORT));
    }
    CHECK(ask(&watched, SYS_connect, ARGS(3)) == ASK && ask(&watched, SYS_sendmsg, ARGS(3)) == ASK);
    CHECK(ask(&watched, SYS_sendto, ARGS(3, 1, 1, 0, 0, 0)) == OK);
    CHECK(ask(&watched, SYS_sendto, ARGS(3, 1, 1, 0, 0x1000, 16)) == ASK);
    CHECK(ask(&watched, SYS_sendto, ARGS(3, 1, 1, 0, UINT64_C(1) << 32, 16)) == ASK);
    CHECK(ask(&watched, SYS_sendto, ARGS(3, 1, 1, MSG_FASTOPEN, 0, 0)) == ASK);
}

// What is refused by an argument, and the same call without it.
static void test_hoards(void)
{
    static const struct {
        int call;
        struct arguments refused, fine;
    } rows[] = {
        {SYS_mmap, ARGS(0, 4096, 3, MAP_HUGETLB | MAP_PRIVATE), ARGS(0, 4096, 3, MAP_PRIVATE)},
        {SYS_shmget, ARGS(0, 4096, 04000), ARGS(0, 4096, 01000)},
        {SYS_fcntl, ARGS(3, F_NOTIFY), ARGS(3, F_GETFL)},
        {SYS_fcntl, ARGS(3, UINT64_C(1) << 32 | F_NOTIFY), ARGS(3, F_SETLK)},
        {SYS_fcntl, ARGS(3, F_NOTIFY), ARGS(3, F_OFD_GETLK)},
        {SYS_prctl, ARGS(PR_SET_SECCOMP, 2), ARGS(PR_SET_NAME, 2)},
        {SYS_setsockopt, ARGS(3, SOL_SOCKET, SO_ATTACH_FILTER), ARGS(3, SOL_SOCKET, SO_REUSEADDR)},
        {SYS_setsockopt, ARGS(3, SOL_SOCKET, SO_ATTACH_BPF), ARGS(3, 6, SO_ATTACH_BPF)},
        {SYS_setsockopt, ARGS(3, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF), ARGS(3, 0, 0)},
        {SYS_setsockopt, ARGS(3, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF), ARGS(3, 41, 52)},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CHECK(ask(&watched, rows[i].call, rows[i].refused) == ASK);
        CHECK(ask(&silent, rows[i].call, rows[i].refused) == REFUSED(EPERM));
        CHECK(ask(&watched, rows[i].call, rows[i].fine) == OK);
        CHECK(ask(&silent, rows[i].call, rows[i].fine) == OK);
    }
    CHECK(ask(&watched, SYS_fcntl, ARGS(3, F_OFD_SETLK)) == REFUSED(EINVAL));
    CHECK(ask(&silent, SYS_fcntl, ARGS(3, F_OFD_SETLKW)) == REFUSED(EINVAL));
    CHECK(ask(&watched, SYS_memfd_create, ARGS(0, MFD_HUGETLB)) == ASK);
    CHECK(ask(&silent, SYS_memfd_create, ARGS(0, MFD_HUGETLB)) == REFUSED(EPERM));
    CHECK(ask(&silent, SYS_memfd_create, ARGS(0, 0)) == OK);
    CHECK(ask(&watched, SYS_seccomp, ARGS(SECCOMP_GET_ACTION_AVAIL)) == ASK);
    CHECK(ask(&silent, SYS_seccomp, ARGS(SECCOMP_SET_MODE_FILTER)) == REFUSED(EPERM));
    CHECK(ask(&silent, SYS_seccomp, ARGS(SECCOMP_GET_ACTION_AVAIL)) == OK);
    CHECK(ask(&watched, SYS_inotify_add_watch, ARGS(3)) == ASK);
}

void test_filter(void)
{
    filter_build(&watched, INIT, true, false);
    filter_build(&silent, INIT, false, false);
    CHECK(watched.length < FILTER_MAX && silent.length < FILTER_MAX);
    test_architecture();
    test_plain();
    test_denied();
    test_processes();
    test_signals();
    test_sockets();
    test_hoards();
    for (int call = 0; call < 600; call++) // no path falls off the end or out of the data
        CHECK(ask(&watched, call, ARGS(0)) != 0xbad && ask(&silent, call, ARGS(~0ul)) != 0xbad);
}
