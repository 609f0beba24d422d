// The watch: answers the calls that the filter hands over, and records them.
#pragma once
#include "act.h"
#include "broker.h"
#include "events.h"
#include "job.h"
#include "memory.h"
#include "mounts.h"
#include "path.h"

#include <stdbool.h>
#include <stdint.h>

struct watch {
    int listener; // -1: unwatched
    pid_t self;
    const struct job *job;
    const struct mounts *mounts;
    struct broker *broker; // NULL: the job has no network
    uint64_t started_us;
    bool lost; // the listener failed while the job ran
    uint64_t notifications, processes;
    uint64_t burst_began_us;
    unsigned burst;
    unsigned own_filters; // seccomp filters that the job asked for
    unsigned netlinks;    // netlink sockets, likewise
    uint64_t locks_seen_us; // processor time of the job when its locks were counted last
    uint64_t known_paths[1024]; // reads in read-only trees that were looked at already
    struct events events;
};

// A place in the file system that the job named.
struct place {
    char asked[PATH_BYTES];    // absolute, tidied as text
    char resolved[PATH_BYTES]; // as the kernel resolves it now; else as asked
    bool readable;             // false: the job's pointer is bad
    bool exists;
    bool writable; // its mount is
    bool granted;  // it is found, and lies in a mount that the job was granted to write to
};

// Takes one waiting call and answers it. Call when the listener polls readable.
void watch_one(struct watch *watch);
uint64_t clock_us(void);
// Whether the job, which has used `cpu_us` of processor time, holds more file locks than it may:
// then it is told, and to be ended. Counts them from time to time only.
bool watch_has_hoard(struct watch *watch, uint64_t cpu_us);
void watch_event_end(struct watch *watch, const struct act *act, struct event *event);
// A `denied` event of `op`, with the number `target`.
void watch_tell_denied(struct watch *watch, const struct act *act, const char *op, int64_t target);

// From here on the file system is looked at with the job's rights.
void see_as_job(const struct watch *watch);
// A path from the job's memory, whole. False: it cannot be read, or is too long.
bool place_read(const struct act *act, uint64_t path, char raw[PATH_BYTES]);
// `follow`: whether the last name, if a symlink, is followed.
void place_find(const struct watch *watch, const struct act *act, int dirfd, uint64_t path,
                bool follow, struct place *place);
// The same for a path that was read already; NULL: it could not be.
void place_resolve(const struct watch *watch, const struct act *act, int dirfd, const char *raw,
                   bool follow, struct place *place);
// The place behind one of the job's descriptors.
void place_of_descriptor(const struct watch *watch, const struct act *act, int fd,
                         struct place *place);
bool place_is_sensitive(const struct watch *watch, const struct place *place);
// Whether the kernel will refuse to change what lies there: its mount is read-only.
bool place_is_closed(const struct place *place);
// Whether a path as the kernel names it lies in a mount that the job was granted to write to.
bool path_is_granted(const struct watch *watch, const char *path);

struct answer watch_exec(struct watch *watch, const struct act *act, int dirfd, uint64_t path,
                         uint64_t argv);
struct answer watch_open(struct watch *watch, const struct act *act, int dirfd, uint64_t path,
                         uint64_t flags);
struct answer watch_open2(struct watch *watch, const struct act *act);
struct answer watch_change(struct watch *watch, const struct act *act);
struct answer watch_connect(struct watch *watch, const struct act *act);
struct answer watch_bind(struct watch *watch, const struct act *act);
struct answer watch_send(struct watch *watch, const struct act *act);
struct answer watch_peer(struct watch *watch, const struct act *act);
struct answer watch_socket(struct watch *watch, const struct act *act);
struct answer watch_fork(struct watch *watch, const struct act *act);
struct answer watch_signal(struct watch *watch, const struct act *act);
struct answer watch_target(struct watch *watch, const struct act *act);
struct answer watch_memory_file(struct watch *watch, const struct act *act);
struct answer watch_own_filter(struct watch *watch, const struct act *act);
struct answer watch_netlink(struct watch *watch, const struct act *act);
struct answer watch_inotify(struct watch *watch, const struct act *act);
struct answer watch_denied(struct watch *watch, const struct act *act);
