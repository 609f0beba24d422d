#include "resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LINKS_MAX = 40, HANDLE = O_PATH | O_CLOEXEC }; // as many links as the kernel follows

// Where a path is walked name by name.
struct walk {
    const struct act *act;
    int at;                    // the directory reached
    bool follow;
    int links;
    char rest[2 * PATH_BYTES]; // what is left to walk
};

int resolve_base(const struct act *act, int dirfd)
{
    char link[64];
    if (dirfd == AT_FDCWD)
        snprintf(link, sizeof link, "/proc/%d/cwd", act->tid);
    else
        snprintf(link, sizeof link, "/proc/%d/fd/%d", act->tid, dirfd);
    // Not open(): the C library adds a second call for O_CLOEXEC.
    int fd = (int)syscall(SYS_openat, AT_FDCWD, link, HANDLE, 0);
    if (fd < 0 || act_is_live(act))
        return fd;
    close(fd);
    errno = ESRCH;
    return -1;
}

bool resolve_name(int fd, char path[PATH_BYTES])
{
    char link[40];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t got = readlink(link, path, PATH_BYTES - 1);
    path[got > 0 ? got : 0] = 0;
    return path[0] == '/';
}

static bool is_writable(int fd)
{
    struct statvfs found;
    return fstatvfs(fd, &found) == 0 && !(found.f_flag & ST_RDONLY);
}

// Closes `fd`.
static bool reached(int fd, struct resolved *found)
{
    found->exists = true;
    found->writable = is_writable(fd);
    if (!resolve_name(fd, found->path))
        found->path[0] = 0;
    close(fd);
    return true;
}

// A last name in the directory reached: one that is not there, or a link that is not followed.
static bool reached_name(const struct walk *walk, const char *name, bool exists,
                         struct resolved *found)
{
    found->exists = exists;
    found->writable = is_writable(walk->at);
    bool named = resolve_name(walk->at, found->path);
    size_t length = strlen(found->path);
    length = length == 1 ? 0 : length;
    if (named && length + 1 + strlen(name) < PATH_BYTES)
        snprintf(found->path + length, PATH_BYTES - length, "/%s", name);
    else
        found->path[0] = 0;
    return true;
}

static bool move(struct walk *walk, const char *name, int flags)
{
    int next = (int)syscall(SYS_openat, walk->at, name, HANDLE | flags, 0);
    if (next < 0)
        return false;
    close(walk->at);
    walk->at = next;
    return true;
}

// What /proc/self is to the job. Other links at the top of /proc are text like any.
static void replace_self(const struct walk *walk, const char *name, char target[PATH_BYTES])
{
    if (!strcmp(name, "self"))
        snprintf(target, PATH_BYTES, "%d", act_process(walk->act));
    else if (!strcmp(name, "thread-self"))
        snprintf(target, PATH_BYTES, "%d/task/%d", act_process(walk->act), walk->act->tid);
}

// Follows the link `name` of the directory reached, whose text is `target`.
static bool follow_link(struct walk *walk, const char *name, char target[PATH_BYTES])
{
    char here[PATH_BYTES], rest[sizeof walk->rest];
    if (walk->links++ >= LINKS_MAX) {
        errno = ELOOP;
        return false;
    }
    if (resolve_name(walk->at, here) && path_within(here, "/proc")) {
        if (here[sizeof "/proc" - 1]) // /proc/PID/cwd and the like lead to what no text names
            return move(walk, name, 0);
        replace_self(walk, name, target);
    }
    snprintf(rest, sizeof rest, "%s", walk->rest);
    if (snprintf(walk->rest, sizeof walk->rest, "%s/%s", target, rest) >=
        (int)sizeof walk->rest) {
        errno = ENAMETOOLONG;
        return false;
    }
    return target[0] != '/' || move(walk, "/", 0);
}

// Takes the first name of what is left. False: there is none, or it is too long.
static bool next_name(struct walk *walk, char name[NAME_MAX + 1])
{
    const char *begin = walk->rest + strspn(walk->rest, "/");
    size_t length = strcspn(begin, "/");
    if (length == 0 || length > NAME_MAX) {
        errno = length ? ENAMETOOLONG : 0;
        return false;
    }
    memcpy(name, begin, length);
    name[length] = 0;
    memmove(walk->rest, begin + length, strlen(begin + length) + 1);
    return true;
}

static bool walk_path(struct walk *walk, struct resolved *found)
{
    char name[NAME_MAX + 1], target[PATH_BYTES];
    while (next_name(walk, name)) {
        bool last = !walk->rest[strspn(walk->rest, "/")];
        ssize_t got = readlinkat(walk->at, name, target, sizeof target - 1);
        target[got > 0 ? got : 0] = 0;
        if (got > 0 && (walk->follow || walk->rest[0])) {
            if (!follow_link(walk, name, target))
                return false;
        } else if (got > 0) {
            return reached_name(walk, name, true, found);
        } else if (!move(walk, name, O_NOFOLLOW)) {
            return errno == ENOENT && last && reached_name(walk, name, false, found);
        }
    }
    int at = walk->at;
    walk->at = -1;
    if (errno != ENAMETOOLONG)
        return reached(at, found);
    close(at);
    return false;
}

// Whether it lies in /proc/PID of our own, as "self" does for us.
static bool is_ours(const char *path)
{
    char own[40];
    snprintf(own, sizeof own, "/proc/%d", getpid());
    return path_within(path, own);
}

bool resolve_path(const struct act *act, int base, const char *path, bool follow,
                  struct resolved *found)
{
    static struct walk walk;
    // The kernel does it in one call, unless the way leads through /proc/PID/cwd and the like,
    // where "self" would be us, or the last name is missing.
    struct open_how how = {.flags = (unsigned)HANDLE | (follow ? 0u : O_NOFOLLOW),
                           .resolve = RESOLVE_NO_MAGICLINKS};
    int from = *path == '/' ? AT_FDCWD : base;
    int fd = (int)syscall(SYS_openat2, from, path, &how, sizeof how);
    if (fd >= 0 && reached(fd, found) && !is_ours(found->path))
        return true;
    if (fd < 0 && errno != ELOOP && errno != ENOENT && errno != ENOSYS)
        return false;
    walk = (struct walk){.act = act, .at = -1, .follow = follow};
    if (snprintf(walk.rest, sizeof walk.rest, "%s", path) >= PATH_BYTES || !*path) {
        errno = *path ? ENAMETOOLONG : ENOENT;
        return false;
    }
    walk.at = (int)syscall(SYS_openat, from, *path == '/' ? "/" : ".", HANDLE, 0);
    errno = walk.at < 0 ? errno : 0;
    bool good = walk.at >= 0 && walk_path(&walk, found);
    int kept = errno;
    if (walk.at >= 0)
        close(walk.at);
    errno = kept;
    return good;
}
