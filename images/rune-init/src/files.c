#include "files.h"

#include "descend.h"
#include "path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

static int current = -1;

// Plain digits and one space.
static bool read_word(char **at, const char *end, unsigned base, uint64_t most, uint64_t *value)
{
    char *begin = *at;
    *value = 0;
    for (; *at < end && **at >= '0' && (unsigned)(**at - '0') < base; (*at)++) {
        *value = *value * base + (unsigned)(**at - '0');
        if (*value > most)
            return false;
    }
    if (*at == begin || *at >= end || **at != ' ')
        return false;
    (*at)++;
    return true;
}

bool entry_parse(char *payload, size_t length, struct entry *entry)
{
    char *at = payload, *end = payload + length;
    uint64_t mode, uid, gid;
    if (!read_word(&at, end, 8, 07777, &mode) || !read_word(&at, end, 10, UINT32_MAX - 1, &uid) ||
        !read_word(&at, end, 10, UINT32_MAX - 1, &gid))
        return false;
    char *nul = memchr(at, 0, (size_t)(end - at));
    if (!nul || (mode & (S_ISUID | S_ISGID)) || !path_is_normal(at))
        return false;
    *entry = (struct entry){(mode_t)mode, (uid_t)uid, (gid_t)gid, at, nul + 1,
                            (size_t)(end - nul - 1)};
    return true;
}

static bool act_as(uid_t uid, gid_t gid)
{
    setfsgid(gid);
    setfsuid(uid);
    // The calls tell no error, only who one was before.
    return (uid_t)setfsuid((uid_t)-1) == uid && (gid_t)setfsgid((gid_t)-1) == gid;
}

static void act_as_init(void)
{
    act_as(geteuid(), getegid());
}

static bool make_directory_at(int parent, const char *name, const struct entry *entry)
{
    struct stat found;
    if (mkdirat(parent, name, 0700) && errno != EEXIST)
        return false;
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool made = fstat(fd, &found) == 0;
    if (made && found.st_uid != entry->uid) {
        errno = EEXIST;
        made = false;
    }
    made = made && ((found.st_mode & 07777) == entry->mode || fchmod(fd, entry->mode) == 0);
    int kept = errno;
    close(fd);
    errno = kept;
    return made;
}

bool directory_make(const struct entry *entry)
{
    char *name;
    if (!entry->path[1] || entry->length) {
        errno = EINVAL;
        return false;
    }
    bool made = false;
    int parent = -1;
    if (act_as(entry->uid, entry->gid) && (parent = descend(entry->path, true, &name)) >= 0)
        made = make_directory_at(parent, name, entry);
    int kept = errno;
    act_as_init();
    if (parent >= 0)
        close(parent);
    errno = kept;
    return made;
}

bool file_append(const char *data, size_t length)
{
    if (current < 0) {
        errno = EBADF;
        return false;
    }
    while (length) {
        ssize_t wrote = write(current, data, length);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return false;
        data += wrote;
        length -= (size_t)wrote;
    }
    return true;
}

bool file_make(const struct entry *entry)
{
    char *name;
    file_close();
    int parent = -1;
    if (act_as(entry->uid, entry->gid) && (parent = descend(entry->path, true, &name)) >= 0)
        current = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool made = current >= 0 && fchmod(current, entry->mode) == 0;
    int kept = errno;
    act_as_init();
    if (parent >= 0)
        close(parent);
    errno = kept;
    return made && file_append(entry->data, entry->length);
}

void file_close(void)
{
    if (current >= 0)
        close(current);
    current = -1;
}
