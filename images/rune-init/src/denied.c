// The calls that a job may never make.
#include "filter.h"

#include <errno.h>
#include <sys/syscall.h>

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
