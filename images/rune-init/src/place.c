// Which place the job means, as the kernel would resolve it for the job.
#include "glob.h"
#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

// While the job runs, we look at the file system with its rights: they may show less than ours
// (/root) or more (its private directories, which we have no right to pass). Only where they
// show nothing we look with our own.
void see_as_job(const struct watch *watch)
{
    setfsgid((gid_t)watch->job->gid);
    setfsuid((uid_t)watch->job->uid);
}

static void see_as_init(void)
{
    setfsuid(geteuid());
    setfsgid(getegid());
}

static bool read_link(const char *name, char *to, size_t size)
{
    ssize_t got = readlink(name, to, size - 1);
    to[got > 0 ? got : 0] = 0;
    return got > 0 && to[0] == '/';
}

// The directory that a relative path starts from.
static bool find_base(const struct watch *watch, const struct act *act, int dirfd, char *base)
{
    char link[64];
    if (dirfd == AT_FDCWD)
        snprintf(link, sizeof link, "/proc/%d/cwd", act->tid);
    else
        snprintf(link, sizeof link, "/proc/%d/fd/%d", act->tid, dirfd);
    bool found = read_link(link, base, PATH_BYTES);
    if (!found) {
        see_as_init();
        found = read_link(link, base, PATH_BYTES);
        see_as_job(watch);
    }
    return found && act_is_live(act);
}

// What "/proc/self" and the links in /dev mean to the job, not to us.
static void replace_self(const struct act *act, char *path)
{
    static const struct {
        const char *prefix, *format;
    } rows[] = {{"/proc/self", "/proc/%d"},       {"/proc/thread-self", "/proc/%d"},
                {"/dev/fd", "/proc/%d/fd"},       {"/dev/stdin", "/proc/%d/fd/0"},
                {"/dev/stdout", "/proc/%d/fd/1"}, {"/dev/stderr", "/proc/%d/fd/2"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char front[40], rest[PATH_BYTES];
        size_t length = strlen(rows[i].prefix);
        if (!path_within(path, rows[i].prefix))
            continue;
        snprintf(front, sizeof front, rows[i].format, act_process(act));
        snprintf(rest, sizeof rest, "%s", path + length);
        snprintf(path, PATH_BYTES, "%.39s%.*s", front, PATH_BYTES - 40, rest);
        return;
    }
}

static bool open_real(const char *path, char *real)
{
    // Not open(): the C library adds a second call for O_CLOEXEC.
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_PATH | O_CLOEXEC, 0);
    if (fd < 0)
        return false;
    char link[40];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (!read_link(link, real, PATH_BYTES)) // a pipe or the like, behind /proc/PID/fd
        snprintf(real, PATH_BYTES, "%s", path);
    close(fd);
    return true;
}

// A path whose last name is missing (or must not be followed): its directory, resolved, and it.
static bool open_parent(const char *path, char *real)
{
    char parent[PATH_BYTES];
    snprintf(parent, sizeof parent, "%s", path);
    char *slash = strrchr(parent, '/');
    if (!slash || !slash[1] || !strcmp(slash, "/.") || !strcmp(slash, "/.."))
        return false;
    char name[PATH_BYTES];
    snprintf(name, sizeof name, "%s", slash + 1);
    slash[slash == parent] = 0;
    if (!open_real(parent, real))
        return false;
    size_t length = strlen(real);
    if (length == 1)
        length = 0;
    if (length + 1 + strlen(name) >= PATH_BYTES)
        return false;
    snprintf(real + length, PATH_BYTES - length, "/%s", name);
    return true;
}

static bool resolve(const char *path, bool follow, struct place *place)
{
    if (follow && open_real(path, place->resolved)) {
        place->exists = true;
        return true;
    }
    if ((follow && errno == EACCES) || !open_parent(path, place->resolved))
        return false;
    char target[PATH_BYTES];
    ssize_t got = readlink(place->resolved, target, sizeof target - 1);
    place->exists = got > 0 || errno != ENOENT;
    got = follow ? got : 0; // a link that leads to what is not there
    if (got > 0) {
        char base[PATH_BYTES], *slash = strrchr(place->resolved, '/');
        target[got] = 0;
        snprintf(base, sizeof base, "%.*s", (int)(slash - place->resolved), place->resolved);
        path_join(base, target, place->resolved, PATH_BYTES);
        place->exists = false;
    }
    return true;
}

bool place_read(const struct act *act, uint64_t path, char raw[PATH_BYTES])
{
    bool cut;
    return memory_string(act, path, raw, PATH_BYTES, &cut) && !cut;
}

void place_find(const struct watch *watch, const struct act *act, int dirfd, uint64_t path,
                bool follow, struct place *place)
{
    char raw[PATH_BYTES];
    place_resolve(watch, act, dirfd, place_read(act, path, raw) ? raw : NULL, follow, place);
}

void place_resolve(const struct watch *watch, const struct act *act, int dirfd, const char *raw,
                   bool follow, struct place *place)
{
    char base[PATH_BYTES], whole[2 * PATH_BYTES];
    place->asked[0] = place->resolved[0] = 0;
    place->exists = place->writable = false;
    place->readable = raw;
    if (!raw)
        return;
    bool has_base = *raw == '/' || find_base(watch, act, dirfd, base);
    if (!has_base)
        snprintf(base, sizeof base, "/?");
    path_join(base, raw, place->asked, sizeof place->asked);
    snprintf(whole, sizeof whole, "%s%s%s", *raw == '/' ? "" : base, *raw == '/' ? "" : "/", raw);
    if (path_is_normal(whole) || strlen(whole) >= PATH_BYTES)
        snprintf(whole, sizeof whole, "%s", place->asked);
    replace_self(act, place->asked);
    replace_self(act, whole);
    errno = 0;
    bool found = has_base && resolve(whole, follow, place);
    if (!found && has_base && errno == EACCES) {
        see_as_init();
        found = resolve(whole, follow, place);
        see_as_job(watch);
    }
    if (!found)
        snprintf(place->resolved, sizeof place->resolved, "%s", place->asked);
    const struct mount *mount = mounts_find(watch->mounts, place->resolved);
    place->writable = mount && mount->writable;
}

void place_of_descriptor(const struct watch *watch, const struct act *act, int fd,
                         struct place *place)
{
    place->readable = true;
    place->exists = find_base(watch, act, fd, place->resolved);
    place->writable = false;
    snprintf(place->asked, sizeof place->asked, "%s", place->resolved);
}

static bool matches(const struct job *job, const char *path)
{
    for (size_t i = 0; i < job->globs; i++)
        if (glob_match(job->sensitive[i], path))
            return true;
    return false;
}

bool place_is_sensitive(const struct watch *watch, const struct place *place)
{
    return matches(watch->job, place->resolved) ||
           (strcmp(place->resolved, place->asked) && matches(watch->job, place->asked));
}

bool place_is_closed(const struct place *place)
{
    // A descriptor opened anew through /proc leads to what has no mount of its own, and a device
    // can be written to on any mount.
    bool descriptor = path_within(place->asked, "/proc") && !path_within(place->resolved, "/proc");
    return !descriptor && !path_within(place->resolved, "/dev") && !place->writable;
}
