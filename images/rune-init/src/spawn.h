// The job's first process: made, stripped of all privileges, and held until it may go.
#pragma once
#include "job.h"
#include "probe.h"

#include <stdbool.h>
#include <sys/types.h>

struct child {
    pid_t pid;
    int input, output, error; // our ends of its standard streams, non-blocking
    int listener;             // of the seccomp filter; -1 where unwatched
    int news;                 // says whether exec worked: see spawn_news()
    int go;                   // one byte lets it go
    size_t filter_bytes;
    struct probed seen;       // refused calls that were found to come to the listener
};

// Ends in fail() where any step does not work.
void spawn_held(const struct job *job, struct child *child);
void spawn_go(struct child *child);
// Call when `news` polls readable, once: true after a successful exec; else ends in fail().
void spawn_news(struct child *child);
