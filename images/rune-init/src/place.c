// Which place the job means, as the kernel would resolve it for the job.
#include "glob.h"
#include "resolve.h"
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

bool place_read(const struct act *act, uint64_t path, char raw[PATH_BYTES])
{
    bool cut;
    return memory_string(act, path, raw, PATH_BYTES, &cut) && !cut;
}

bool path_is_granted(const struct watch *watch, const char *path)
{
    const struct mount *mount = mounts_find(watch->mounts, path);
    for (size_t i = 0; mount && i < watch->job->mounts; i++)
        if (!strcmp(mount->path, watch->job->tmp[i]))
            return true;
    return false;
}

void place_find(const struct watch *watch, const struct act *act, int dirfd, uint64_t path,
                bool follow, struct place *place)
{
    char raw[PATH_BYTES];
    place_resolve(watch, act, dirfd, place_read(act, path, raw) ? raw : NULL, follow, place);
}

// As the job, and where its rights show nothing as ourselves.
static bool look(const struct watch *watch, const struct act *act, int base, const char *raw,
                 bool follow, struct resolved *found)
{
    if (resolve_path(act, base, raw, follow, found))
        return true;
    if (errno != EACCES)
        return false;
    see_as_init();
    bool seen = resolve_path(act, base, raw, follow, found);
    see_as_job(watch);
    return seen;
}

static int find_base(const struct watch *watch, const struct act *act, int dirfd)
{
    int base = resolve_base(act, dirfd);
    if (base >= 0 || errno != EACCES)
        return base;
    see_as_init();
    base = resolve_base(act, dirfd);
    see_as_job(watch);
    return base;
}

void place_resolve(const struct watch *watch, const struct act *act, int dirfd, const char *raw,
                   bool follow, struct place *place)
{
    static struct resolved found;
    char from[PATH_BYTES] = "/?";
    place->asked[0] = place->resolved[0] = 0;
    place->exists = place->writable = place->granted = false;
    place->readable = raw;
    if (!raw)
        return;
    int base = *raw == '/' ? -1 : find_base(watch, act, dirfd);
    if (base >= 0 && !resolve_name(base, from))
        snprintf(from, sizeof from, "/?"); // longer than a name can be
    path_join(from, raw, place->asked, sizeof place->asked);
    replace_self(act, place->asked);
    if ((base >= 0 || *raw == '/') && look(watch, act, base, raw, follow, &found)) {
        snprintf(place->resolved, sizeof place->resolved, "%s",
                 found.path[0] ? found.path : place->asked);
        place->exists = found.exists;
        place->writable = found.writable;
        place->granted = found.writable && path_is_granted(watch, found.path);
    } else {
        snprintf(place->resolved, sizeof place->resolved, "%s", place->asked);
        const struct mount *mount = mounts_find(watch->mounts, place->resolved);
        place->writable = mount && mount->writable;
    }
    if (base >= 0)
        close(base);
}

void place_of_descriptor(const struct watch *watch, const struct act *act, int fd,
                         struct place *place)
{
    int found = find_base(watch, act, fd);
    place->readable = true;
    place->exists = found >= 0 && resolve_name(found, place->resolved);
    place->writable = place->granted = false;
    if (!place->exists)
        place->resolved[0] = 0;
    if (found >= 0)
        close(found);
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
