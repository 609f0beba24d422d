#include "artifacts.h"

#include "descend.h"
#include "path.h"
#include "sha256.h"
#include "watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 32768, HOST_PATIENCE_MS = 30000 };
static const uint64_t time_us = 10000000;             // for all artifacts together
static const uint64_t largest = UINT64_C(1) << 30;    // a sparse file can claim any size

struct walk {
    struct channel *channel;
    const struct job *job;
    struct artifacts *done;
    uint64_t bytes, looked_at, until_us;
    char path[PATH_BYTES];
};

static void send_parts(struct walk *walk, char type, const void *const parts[],
                       const size_t lengths[], int count)
{
    if (channel_drain(walk->channel, FRAME_OUT_MAX, HOST_PATIENCE_MS))
        channel_send_parts(walk->channel, type, parts, lengths, count);
}

static void skip(struct walk *walk, const char *reason)
{
    const void *parts[] = {reason, walk->path};
    const size_t lengths[] = {strlen(reason) + 1, strlen(walk->path) + 1};
    walk->done->skipped++;
    send_parts(walk, 'S', parts, lengths, 2);
}

static void put_u64(unsigned char to[8], uint64_t value)
{
    for (int i = 0; i < 8; i++)
        to[i] = (unsigned char)(value >> (8 * i));
}

// Exactly `size` bytes; nobody is left who could change it, but a disk may fail.
static bool read_all(struct walk *walk, int fd, uint64_t size, struct sha256 *hash)
{
    static unsigned char chunk[CHUNK];
    unsigned char head[8];
    bool first = !hash;
    put_u64(head, size);
    for (uint64_t left = size; left || first;) {
        size_t want = left < CHUNK ? (size_t)left : CHUNK;
        ssize_t got = want ? read(fd, chunk, want) : 0;
        if (got < 0 && errno == EINTR)
            continue;
        if ((got <= 0 && want) || clock_us() > walk->until_us || walk->channel->ended)
            return false;
        if (hash) {
            sha256_add(hash, chunk, (size_t)got);
        } else {
            const void *parts[] = {head, walk->path, chunk};
            const size_t lengths[] = {8, strlen(walk->path) + 1, (size_t)got};
            send_parts(walk, first ? 'F' : 'f', parts + (first ? 0 : 2), lengths + (first ? 0 : 2),
                       first ? 3 : 1);
            first = false;
        }
        left -= (uint64_t)got;
    }
    return true;
}

static void name_only(struct walk *walk, int fd, uint64_t size)
{
    struct sha256 hash;
    unsigned char head[8], digest[32];
    sha256_begin(&hash);
    if (size > largest) {
        skip(walk, "large");
    } else if (!read_all(walk, fd, size, &hash)) {
        skip(walk, clock_us() > walk->until_us ? "time" : "changed");
    } else {
        sha256_end(&hash, digest);
        put_u64(head, size);
        const void *parts[] = {head, digest, walk->path};
        const size_t lengths[] = {8, 32, strlen(walk->path) + 1};
        walk->done->named++;
        send_parts(walk, 'H', parts, lengths, 3);
    }
}

static void take_file(struct walk *walk, int fd, uint64_t size)
{
    if (walk->bytes + size > (uint64_t)walk->job->artifact_bytes) {
        name_only(walk, fd, size);
        return;
    }
    walk->bytes += size;
    walk->done->sent++;
    if (!read_all(walk, fd, size, NULL))
        walk->done->incomplete = true; // its F frame has a size that the host sees is not met
}

static void walk_directory(struct walk *walk, int fd, int64_t depth);

static void take(struct walk *walk, int directory, const char *name, int64_t depth)
{
    struct stat found;
    if (clock_us() > walk->until_us) {
        walk->done->incomplete = true;
        return;
    }
    if (walk->looked_at++ >= (uint64_t)walk->job->artifact_files) {
        skip(walk, "count");
        walk->done->incomplete = true;
        return;
    }
    // A FIFO or a device is not even opened; a link not followed.
    if (fstatat(directory, name, &found, AT_SYMLINK_NOFOLLOW)) {
        skip(walk, "unreadable");
        return;
    }
    if (!S_ISREG(found.st_mode) && !S_ISDIR(found.st_mode)) {
        skip(walk, S_ISLNK(found.st_mode) ? "symlink" : "special");
        return;
    }
    if (S_ISDIR(found.st_mode) && depth >= walk->job->artifact_depth) {
        skip(walk, "depth");
        return;
    }
    int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        skip(walk, "unreadable");
    else if (S_ISDIR(found.st_mode))
        walk_directory(walk, fd, depth + 1);
    else {
        take_file(walk, fd, (uint64_t)found.st_size);
        close(fd);
    }
}

// Closes `fd`. In the directory's own order: nothing is held that grows with its size.
static void walk_directory(struct walk *walk, int fd, int64_t depth)
{
    DIR *directory = fdopendir(fd);
    size_t length = strlen(walk->path);
    if (!directory) {
        skip(walk, "unreadable");
        close(fd);
        return;
    }
    for (struct dirent *entry; !walk->done->incomplete && !walk->channel->ended &&
                               (entry = readdir(directory));) {
        const char *name = entry->d_name;
        size_t room = sizeof walk->path - length - 1;
        if (!strcmp(name, ".") || !strcmp(name, ".."))
            continue;
        if (strlen(name) >= room) {
            skip(walk, "name");
            continue;
        }
        walk->path[length] = '/';
        memcpy(walk->path + length + 1, name, strlen(name) + 1);
        take(walk, fd, name, depth);
        walk->path[length] = 0;
    }
    closedir(directory);
}

static int open_top(char *path)
{
    char *last;
    int parent = descend(path, false, &last);
    if (parent < 0)
        return -1;
    int fd = openat(parent, last, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), kept = errno;
    close(parent);
    errno = kept;
    return fd;
}

// Why the directory could not be opened. All are dead: what is there stays.
static const char *why_closed(const char *path, int error)
{
    struct stat found;
    if (error != ELOOP && error != ENOTDIR)
        return "unreadable";
    bool other = lstat(path, &found) == 0 && !S_ISLNK(found.st_mode) && !S_ISDIR(found.st_mode);
    return other ? "not_directory" : "symlink";
}

void artifacts_send(struct channel *channel, const struct job *job, struct artifacts *artifacts)
{
    static struct walk walk;
    *artifacts = (struct artifacts){0};
    if (!job->artifact_dir)
        return;
    walk = (struct walk){channel, job, artifacts, 0, 0, clock_us() + time_us, ""};
    snprintf(walk.path, sizeof walk.path, "%s", job->artifact_dir);
    setfsgid((gid_t)job->gid); // what the job could not read is not ours to hand out
    setfsuid((uid_t)job->uid);
    int fd = open_top(walk.path);
    if (fd >= 0)
        walk_directory(&walk, fd, 0);
    else if (errno != ENOENT)
        skip(&walk, why_closed(walk.path, errno));
}
