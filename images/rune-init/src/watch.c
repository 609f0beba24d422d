#include "watch.h"

#include "filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>

uint64_t clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void watch_event_end(struct watch *watch, const struct act *act, struct event *event)
{
    event_end(&watch->events, event, (clock_us() - watch->started_us) / 1000, act->tid);
}

static struct answer dispatch_file(struct watch *watch, const struct act *act)
{
    const uint64_t *a = act->args;
    switch (act->call) {
    case SYS_execve:
        return watch_exec(watch, act, AT_FDCWD, a[0], a[1]);
    case SYS_execveat:
        return watch_exec(watch, act, (int)a[0], a[1], a[2]);
    case SYS_openat:
        return watch_open(watch, act, (int)a[0], a[1], a[2]);
    case SYS_openat2:
        return watch_open2(watch, act);
#ifdef __x86_64__
    case SYS_open:
        return watch_open(watch, act, AT_FDCWD, a[0], a[1]);
    case SYS_creat:
        return watch_open(watch, act, AT_FDCWD, a[0], O_WRONLY | O_CREAT | O_TRUNC);
    case SYS_unlink:
    case SYS_rmdir:
    case SYS_rename:
    case SYS_link:
    case SYS_symlink:
    case SYS_mkdir:
    case SYS_chmod:
    case SYS_chown:
    case SYS_lchown:
#endif
    case SYS_unlinkat:
    case SYS_renameat:
    case SYS_renameat2:
    case SYS_linkat:
    case SYS_symlinkat:
    case SYS_mkdirat:
    case SYS_fchmodat:
    case SYS_fchmodat2:
    case SYS_fchownat:
    case SYS_truncate:
        return watch_change(watch, act);
    default:
        return watch_denied(watch, act);
    }
}

static struct answer dispatch(struct watch *watch, const struct act *act)
{
    switch (act->call) {
    case SYS_connect:
        return watch_connect(watch, act);
    case SYS_bind:
        return watch_bind(watch, act);
    case SYS_getpeername:
        return watch_peer(watch, act);
    case SYS_sendto:
    case SYS_sendmsg:
    case SYS_sendmmsg:
        return watch_send(watch, act);
    case SYS_socket:
        return watch_socket(watch, act);
#ifdef __x86_64__
    case SYS_fork:
    case SYS_vfork:
#endif
    case SYS_clone:
        return watch_fork(watch, act);
    case SYS_kill:
    case SYS_tkill:
    case SYS_tgkill:
    case SYS_rt_sigqueueinfo:
    case SYS_rt_tgsigqueueinfo:
    case SYS_pidfd_open:
        return watch_signal(watch, act);
    case SYS_prlimit64:
    case SYS_setpriority:
    case SYS_ioprio_set:
    case SYS_sched_setaffinity:
    case SYS_sched_setparam:
    case SYS_sched_setattr:
    case SYS_sched_setscheduler:
        return watch_target(watch, act);
    case SYS_memfd_create:
        return watch_memory_file(watch, act);
    case SYS_seccomp:
    case SYS_prctl:
        return watch_own_filter(watch, act);
    case SYS_inotify_add_watch:
        return watch_inotify(watch, act);
    default:
        return dispatch_file(watch, act);
    }
}

void watch_one(struct watch *watch)
{
    // The kernel may know longer structures than our headers: room for them, and all zero.
    static union {
        struct seccomp_notif notif;
        char room[512];
    } in;
    memset(&in, 0, sizeof in);
    if (ioctl(watch->listener, SECCOMP_IOCTL_NOTIF_RECV, &in.notif)) {
        if (errno != EINTR && errno != ENOENT) // ENOENT: the caller died meanwhile
            watch->lost = true;
        return;
    }
    watch->notifications++;
    struct act act = {in.notif.id, (pid_t)in.notif.pid, in.notif.data.nr, watch->listener, {0}};
    for (int i = 0; i < 6; i++)
        act.args[i] = in.notif.data.args[i];
    struct answer answer = dispatch(watch, &act);
    if (!answer.wait && !act_answer(watch->listener, act.id, answer))
        watch->lost = true;
}
