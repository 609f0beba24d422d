#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

bool text_read(const char *path, char *text, size_t size)
{
    size_t have = 0;
    ssize_t got = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    text[0] = 0;
    if (fd < 0)
        return false;
    while (have < size - 1 && (got = read(fd, text + have, size - 1 - have)) > 0)
        have += (size_t)got;
    int kept = have == size - 1 ? EFBIG : errno;
    close(fd);
    text[have] = 0;
    errno = kept;
    return got >= 0 && have < size - 1;
}

const char *text_find(const char *text, const char *key)
{
    size_t length = strlen(key);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (!strncmp(line, key, length))
            return line + length + strspn(line + length, " \t");
    }
    return NULL;
}
