#include "descend.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int step(int at, const char *name, bool make)
{
    const int flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int next = openat(at, name, flags);
    if (next < 0 && errno == ENOENT && make && (mkdirat(at, name, 0755) == 0 || errno == EEXIST))
        next = openat(at, name, flags);
    return next;
}

int descend(char *path, bool make, char **last)
{
    int at = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    char *name = path + 1;
    for (char *slash; at >= 0 && (slash = strchr(name, '/')); name = slash + 1) {
        *slash = 0;
        int next = step(at, name, make), kept = errno;
        *slash = '/';
        close(at);
        errno = kept;
        at = next;
    }
    *last = name;
    return at;
}
