// What the kernel keeps for a job outside its memory limit, or tells it of others: bounded here.
#include "patience.h"
#include "resolve.h"
#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    // Each is a program in the kernel. Browsers and sandboxes install a handful.
    OWN_FILTERS = 32,
    // Open at a time. Each can hold a receive buffer of answers (208 KiB) that no limit counts.
    NETLINKS = 128,
    // File locks are 192 bytes each that no limit counts (file_lock_cache of fs/locks.c has no
    // SLAB_ACCOUNT; measured on 6.18: 20,000 locks, nothing charged).
    LOCKS = 1000,
    // Asking about each fcntl() would make a program on SQLite two to three times as slow, and
    // the kernel's list takes it 10 ms: so it is read only where a job has worked for so long.
    LOCKS_EVERY_US = 1000000,
};

// An attempt counts, whether the kernel will take it or not.
struct answer watch_own_filter(struct watch *watch, const struct act *act)
{
    static struct event event;
    bool installs = act->call == SYS_prctl ? act->args[1] == SECCOMP_MODE_FILTER
                                           : (uint32_t)act->args[0] == SECCOMP_SET_MODE_FILTER;
    if (installs && watch->own_filters++ >= OWN_FILTERS) {
        watch_tell_denied(watch, act, "seccomp", OWN_FILTERS);
        return REFUSE(EPERM);
    }
    event_begin(&event, EVENT_MISC);
    json_text(&event.json, "op", "seccomp");
    watch_event_end(watch, act, &event);
    return GO_ON;
}

// The netlink sockets of the sandbox, from the kernel's own count; -1: it cannot be read.
static int netlinks_open(void)
{
    char text[16384];
    size_t length = 0;
    ssize_t got = 0;
    int fd = open("/proc/net/protocols", O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && length < sizeof text - 1 &&
           (got = read(fd, text + length, sizeof text - 1 - length)) > 0)
        length += (size_t)got;
    if (fd >= 0)
        close(fd);
    text[length] = 0;
    const char *line = strstr(text, "\nNETLINK ");
    int size, open_now;
    return line && sscanf(line, " NETLINK %d %d", &size, &open_now) == 2 ? open_now : -1;
}

// NETLINK_ROUTE: each look-up of a name opens one, for a moment.
struct answer watch_netlink(struct watch *watch, const struct act *act)
{
    if (watch->netlinks < NETLINKS) {
        watch->netlinks++;
        return GO_ON;
    }
    int now = netlinks_open();
    if (now >= 0 && now < NETLINKS)
        return GO_ON;
    watch_tell_denied(watch, act, "netlink", NETLINKS);
    return REFUSE(ENOBUFS);
}

// POSIX and BSD locks and leases of the sandbox's processes; counted no further than there may be.
// Locks of open files are in the list, too, those of other sandboxes: the filter lets none be made.
// A list that cannot be read is one with too many.
static unsigned locks_held(void)
{
    char text[4096];
    size_t kept = 0;
    unsigned found = 0;
    ssize_t got = -1;
    int fd = open("/proc/locks", O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && found <= LOCKS &&
           (got = read(fd, text + kept, sizeof text - 1 - kept)) > 0) {
        char *line = text, *end;
        text[kept += (size_t)got] = 0;
        for (; (end = strchr(line, '\n')); line = end + 1) {
            *end = 0;
            found += !strstr(line, " OFDLCK ");
        }
        kept = strlen(line);
        memmove(text, line, kept);
    }
    if (fd >= 0)
        close(fd);
    return got < 0 ? LOCKS + 1 : found;
}

bool watch_has_hoard(struct watch *watch, uint64_t cpu_us)
{
    static struct event event;
    if (cpu_us - watch->locks_seen_us < LOCKS_EVERY_US || watch->self != 1)
        return false; // without a PID namespace the list is the machine's
    watch->locks_seen_us = cpu_us;
    if (locks_held() <= LOCKS)
        return false;
    event_begin(&event, EVENT_DENIED);
    json_text(&event.json, "op", "locks");
    json_int(&event.json, "target", LOCKS);
    event_end(&watch->events, &event, (clock_us() - watch->started_us) / 1000, 0);
    return true;
}

// What a path leads to, as a handle; -1 with errno. Whatever the job does with names from now
// on, the handle stays where it is.
static int hold(const struct place *place)
{
    struct open_how how = {.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
                           .resolve = RESOLVE_NO_SYMLINKS};
    if (!place->readable) {
        errno = EFAULT;
        return -1;
    }
    return (int)syscall(SYS_openat2, AT_FDCWD, place->resolved, &how, sizeof how);
}

static int add_watch(const struct act *act, int handle)
{
    char name[40];
    int queue = act_descriptor(act, (int)act->args[0]);
    if (queue < 0)
        return -1;
    snprintf(name, sizeof name, "/proc/self/fd/%d", handle);
    int watched = inotify_add_watch(queue, name, (uint32_t)act->args[2] & ~(uint32_t)IN_DONT_FOLLOW);
    int error = errno;
    close_shared(queue);
    errno = error;
    return watched;
}

// Files of the image, and the machine's devices, are shared with other jobs and the host: who
// uses them is not the job's to know. It is done here: the path was read once, and what is
// watched is what was judged.
struct answer watch_inotify(struct watch *watch, const struct act *act)
{
    static struct place place;
    static struct event event;
    char path[PATH_BYTES];
    place_find(watch, act, AT_FDCWD, act->args[1], !(act->args[2] & IN_DONT_FOLLOW), &place);
    int handle = hold(&place);
    if (handle < 0)
        return REFUSE(errno);
    if (!resolve_name(handle, path) || !path_is_granted(watch, path)) {
        close(handle);
        event_begin(&event, EVENT_DENIED);
        json_text(&event.json, "op", "inotify");
        event_text(&event, "path", place.resolved);
        watch_event_end(watch, act, &event);
        return REFUSE(EACCES);
    }
    int watched = add_watch(act, handle);
    int error = errno;
    close(handle);
    return watched < 0 ? REFUSE(error) : ((struct answer){.value = watched});
}
