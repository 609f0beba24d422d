// Tries the refused and the watched calls, in a way that does nothing even where one is let
// through.
#pragma once
#include "json.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    PROBE_WORDS = 2,
    PROBE_ERRNO = 131 // ENOTRECOVERABLE: what our own answer looks like; no such call gives it
};

// One bit for each call of the table of denied calls (filter.h), then of those only watched.
struct probed {
    uint64_t bits[PROBE_WORDS];
};

// What each call gets here: {"ptrace":38,...}, errno or 0. Before the job's filter: of the
// outer profile.
void probe_refusals(struct json *json);
// Which calls come to the listener of the filter that this process has. The other side must
// answer each with PROBE_ERRNO.
struct probed probe_watched(void);
// The names of those that do not, and how many were tried.
void probe_report(struct json *json, const struct probed *seen);
