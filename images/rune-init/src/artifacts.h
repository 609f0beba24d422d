// What the job left in its artifacts directory: regular files, as many and as much as is asked.
#pragma once
#include "channel.h"
#include "job.h"

#include <stdbool.h>
#include <stdint.h>

struct artifacts {
    uint64_t sent, named, skipped;
    bool incomplete; // the time was up, or the directory could not be read
};

// Sends F, f, H and S frames. No process of the job may be alive.
void artifacts_send(struct channel *channel, const struct job *job, struct artifacts *artifacts);
