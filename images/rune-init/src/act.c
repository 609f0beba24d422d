#include "act.h"

#include "patience.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PIDFD_OF_THREAD = O_EXCL }; // PIDFD_THREAD, from kernel 6.9 on

bool act_is_live(const struct act *act)
{
    uint64_t id = act->id;
    return ioctl(act->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

pid_t act_process(const struct act *act)
{
    char name[40], text[512];
    snprintf(name, sizeof name, "/proc/%d/status", act->tid);
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (got <= 0)
        return act->tid;
    text[got] = 0;
    const char *found = strstr(text, "\nTgid:");
    return found ? (pid_t)atoi(found + 6) : act->tid;
}

// Whether the number is the same open file to the calling thread as to its process: a thread can
// give itself a table of its own (close_range(2)).
static bool is_shared(const struct act *act, pid_t process, int fd)
{
    char name[64], ours[64], theirs[64];
    snprintf(name, sizeof name, "/proc/%d/fd/%d", act->tid, fd);
    ssize_t own = readlink(name, ours, sizeof ours);
    snprintf(name, sizeof name, "/proc/%d/fd/%d", process, fd);
    return own > 0 && readlink(name, theirs, sizeof theirs) == own &&
           !memcmp(ours, theirs, (size_t)own);
}

// A handle by whose table the caller's numbers are read.
static int table_of(const struct act *act, int fd)
{
    int thread = (int)syscall(SYS_pidfd_open, act->tid, PIDFD_OF_THREAD);
    if (thread >= 0 || errno != EINVAL)
        return thread;
    pid_t process = act_process(act); // before kernel 6.9
    if (is_shared(act, process, fd) || process == act->tid)
        return (int)syscall(SYS_pidfd_open, process, 0);
    errno = ESRCH;
    return -1;
}

int act_descriptor(const struct act *act, int fd)
{
    int table = table_of(act, fd);
    if (table < 0)
        return -1;
    int copy = (int)syscall(SYS_pidfd_getfd, table, fd, 0);
    int error = errno;
    close(table);
    if (copy >= 0 && !act_is_live(act)) { // of whoever has its id now
        close_shared(copy);
        copy = -1;
        error = ESRCH;
    }
    errno = error;
    return copy;
}

bool act_answer(int listener, uint64_t id, struct answer answer)
{
    static union { // the kernel may know longer structures than our headers
        struct seccomp_notif_resp resp;
        char room[512];
    } out;
    memset(&out, 0, sizeof out);
    out.resp.id = id;
    out.resp.val = answer.value;
    out.resp.error = -answer.error;
    out.resp.flags = answer.go_on ? SECCOMP_USER_NOTIF_FLAG_CONTINUE : 0;
    return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &out.resp) == 0 || errno == ENOENT;
}
