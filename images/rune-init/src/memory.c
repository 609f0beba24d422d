#include "memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PAGE = 4096 }; // the smallest there is; a larger one only means smaller steps

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

bool memory_write(const struct act *act, uint64_t address, const void *from, size_t length)
{
    char name[40];
    snprintf(name, sizeof name, "/proc/%d/mem", act->tid);
    int fd = open(name, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    // Alive after the open: then it is this caller's memory that is open.
    bool wrote = act_is_live(act) &&
                 pwrite(fd, from, length, (off_t)address) == (ssize_t)length;
    close(fd);
    return wrote;
}
