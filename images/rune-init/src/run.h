// The job, from go to the death of its last process.
#pragma once
#include "channel.h"
#include "spawn.h"
#include "usage.h"
#include "watch.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

enum reason {
    REASON_NONE,
    REASON_EXITED,
    REASON_WALL,
    REASON_CPU,
    REASON_OUTPUT,
    REASON_KILLED,
    REASON_NET,
    REASON_DENIED,
};

struct stream {
    int fd; // -1: at its end
    char type;
    uint64_t written;
    bool cut;
};

struct run {
    struct channel *channel;
    const struct job *job;
    struct child *child;
    struct watch *watch;
    struct usage *usage;
    int signals; // a signalfd for SIGCHLD and SIGTERM
    enum reason reason;
    bool first_ended, all_dead;
    bool ordered; // we ended it, at ordered_us, when it had used ordered_cpu_us
    int status;
    struct rusage rusage;
    uint64_t wall_us, ordered_us, ordered_cpu_us, deadline_us, sampled_us, flushed_us, killed_us, survivors;
    uint64_t delivered; // bytes of output passed on
    struct stream streams[2];
    // Standard input that the job has not taken yet: of the frame handed out last.
    const unsigned char *pending;
    size_t pending_length;
};

// Blocks the signals that run_job() wants to hear of. Before any process is made.
int run_signals(void);
void run_job(struct run *run);
