#include "memory.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PAGE = 4096 }; // the smallest there is; a larger one only means smaller steps

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

static ssize_t read_some(const struct act *act, uint64_t address, void *to, size_t length)
{
    struct iovec here = {to, length}, there = {(void *)(uintptr_t)address, length};
    ssize_t got = process_vm_readv(act->tid, &here, 1, &there, 1, 0);
    return act_is_live(act) ? got : -1;
}

bool memory_read(const struct act *act, uint64_t address, void *to, size_t length)
{
    return length == 0 || read_some(act, address, to, length) == (ssize_t)length;
}

bool memory_string(const struct act *act, uint64_t address, char *to, size_t size, bool *cut)
{
    size_t have = 0;
    *cut = false;
    while (have < size - 1) {
        size_t step = PAGE - (size_t)((address + have) % PAGE); // the next page may not be there
        step = step < 256 ? step : 256;
        step = step < size - 1 - have ? step : size - 1 - have;
        ssize_t got = read_some(act, address + have, to + have, step);
        if (got <= 0) {
            *to = 0;
            return false;
        }
        if (memchr(to + have, 0, (size_t)got))
            return true;
        have += (size_t)got;
    }
    to[have] = 0;
    *cut = true;
    return true;
}
