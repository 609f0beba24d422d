// Forks, signals, and calls that reach for other processes.
#include "filter.h"
#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    BURST = 100, // processes within one second: more than a shell loop starts by hand
    SECOND_US = 1000000,
    IOPRIO_PROCESS = 1, // IOPRIO_WHO_PROCESS
};

void watch_tell_denied(struct watch *watch, const struct act *act, const char *op, int64_t target)
{
    static struct event event;
    event_begin(&event, EVENT_DENIED);
    json_text(&event.json, "op", op);
    json_int(&event.json, "target", target);
    watch_event_end(watch, act, &event);
}

struct answer watch_fork(struct watch *watch, const struct act *act)
{
    const uint64_t never = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                           CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_FILES;
    if (act->call == SYS_clone && act->args[0] & never) {
        watch_tell_denied(watch, act, "clone", (int64_t)(act->args[0] & 0xffffffff));
        return REFUSE(EPERM);
    }
    uint64_t now = clock_us();
    watch->processes++;
    if (now - watch->burst_began_us > SECOND_US) {
        watch->burst_began_us = now;
        watch->burst = 0;
    }
    if (++watch->burst % BURST == 0) {
        static struct event event;
        event_begin(&event, EVENT_FORK);
        json_int(&event.json, "burst", watch->burst);
        json_uint(&event.json, "in_ms", (now - watch->burst_began_us) / 1000);
        watch_event_end(watch, act, &event);
    }
    return GO_ON;
}

struct answer watch_signal(struct watch *watch, const struct act *act)
{
    static struct event event;
    if (act->call == SYS_pidfd_open) {
        watch_tell_denied(watch, act, "pidfd_open", (int)act->args[0]);
        return REFUSE(EPERM);
    }
    bool three = act->call == SYS_tgkill || act->call == SYS_rt_tgsigqueueinfo;
    event_begin(&event, EVENT_SIGNAL);
    json_int(&event.json, "target", (int)act->args[0]);
    json_int(&event.json, "signal", (int)act->args[three ? 2 : 1]);
    watch_event_end(watch, act, &event);
    return REFUSE(EPERM);
}

// Whether the id names init or one of its threads. A dead or unknown id is none of ours.
static bool is_init(const struct watch *watch, int id)
{
    char name[64];
    snprintf(name, sizeof name, "/proc/%d/task/%d", watch->self, id);
    return id == watch->self || access(name, F_OK) == 0;
}

static const char *target_name(int call)
{
    return call == SYS_prlimit64   ? "prlimit"
           : call == SYS_setpriority ? "setpriority"
           : call == SYS_ioprio_set  ? "ioprio_set"
                                     : "sched_set";
}

struct answer watch_target(struct watch *watch, const struct act *act)
{
    bool by_kind = act->call == SYS_setpriority || act->call == SYS_ioprio_set;
    int one = act->call == SYS_setpriority ? PRIO_PROCESS : IOPRIO_PROCESS;
    int target = (int)act->args[by_kind ? 1 : 0];
    bool many = by_kind && (int)act->args[0] != one; // a group, or all of the user
    if (!many && !is_init(watch, target))
        return GO_ON;
    watch_tell_denied(watch, act, target_name(act->call), target);
    return REFUSE(EPERM);
}

struct answer watch_memory_file(struct watch *watch, const struct act *act)
{
    static struct event event;
    char name[256];
    bool cut;
    if (act->args[1] & MFD_HUGETLB)
        return watch_denied(watch, act);
    event_begin(&event, EVENT_MISC);
    json_text(&event.json, "op", "memfd_create");
    if (memory_string(act, act->args[0], name, sizeof name, &cut))
        event_text(&event, "target", name);
    watch_event_end(watch, act, &event);
    return GO_ON;
}

static const char *denied_name(int call)
{
    const struct denied_call *found = denied_find(call);
    switch (call) {
    case SYS_personality:
        return "personality";
    case SYS_ioctl:
        return "ioctl_tiocsti";
    case SYS_setsockopt:
        return "socket_filter";
    case SYS_mmap:
    case SYS_shmget:
    case SYS_memfd_create:
        return "huge_pages";
    case SYS_fcntl:
        return "dnotify";
    case SYS_mknodat:
#ifdef __x86_64__
    case SYS_mknod:
#endif
        return "mknod";
    default:
        return found ? found->name : "unknown";
    }
}

// Which argument of a refused call is a path worth telling; -1: none.
static int path_argument(int call)
{
    switch (call) {
    case SYS_mount:
    case SYS_mknodat:
        return 1;
#ifdef __x86_64__
    case SYS_mknod:
#endif
    case SYS_umount2:
    case SYS_chroot:
    case SYS_pivot_root:
        return 0;
    default:
        return -1;
    }
}

// Which argument of a refused call says what it was to do.
static int telling_argument(int call)
{
    return call == SYS_setsockopt ? 2 : call == SYS_mmap ? 3 : 0;
}

// Whatever was handed over and is not allowed by a case of its own is refused.
struct answer watch_denied(struct watch *watch, const struct act *act)
{
    static struct event event;
    const struct denied_call *found = denied_find(act->call);
    int at = path_argument(act->call);
    char text[256];
    bool cut;
    event_begin(&event, EVENT_DENIED);
    json_text(&event.json, "op", denied_name(act->call));
    if (at >= 0 && memory_string(act, act->args[at], text, sizeof text, &cut))
        event_text(&event, "target", text);
    else
        json_int(&event.json, "target", (int64_t)act->args[telling_argument(act->call)]);
    watch_event_end(watch, act, &event);
    return REFUSE(found ? found->error : EPERM);
}
