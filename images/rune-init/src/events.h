// The record of what the job does: capped for each kind, so that noise cannot hide signal.
#pragma once
#include "json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum event_kind {
    EVENT_EXEC,
    EVENT_OPEN_WRITE,
    EVENT_SENSITIVE,
    EVENT_CONNECT,
    EVENT_DENIED,
    EVENT_REMOVE,
    EVENT_FORK,
    EVENT_SIGNAL,
    EVENT_MISC,
    EVENT_KINDS,
};

enum {
    EVENT_TEXT_MAX = 1024,    // bytes of one text before escaping
    EVENT_ARGV_MAX = 4096,    // bytes of all words of one argv
    EVENT_LINE_MAX = 45056,   // the longest event, all of it escaped; fits one frame
    EVENT_BUFFER = 2 * 65536, // lines that wait for the channel
    EVENT_SLOTS = 4096,       // hash table of kept events; over twice the sum of all caps
};

struct events {
    uint64_t count[EVENT_KINDS], dropped[EVENT_KINDS];
    uint64_t unlisted[EVENT_KINDS]; // granted ones beyond the cap: no loss
    unsigned kept[EVENT_KINDS];
    uint64_t slots[EVENT_SLOTS], key[2];
    size_t length;
    char lines[EVENT_BUFFER];
};

// One event while it is being put together: fill `json`, then event_end().
struct event {
    enum event_kind kind;
    bool granted; // the job may do this as often as it likes
    struct json json;
    char detail[EVENT_LINE_MAX];
};

extern const char *const event_names[EVENT_KINDS];

// `key` is random, so that the job cannot make two events look the same.
void events_begin(struct events *events, const uint64_t key[2]);
void event_begin(struct event *event, enum event_kind kind);
void event_text(struct event *event, const char *key, const char *text);
// Counts it, and keeps it if it is a new one below its cap. `ms` from the start of the job.
void event_end(struct events *events, struct event *event, uint64_t ms, int pid);
// Whether there is room for one more event: else nothing that makes events may go on.
bool events_have_room(const struct events *events);
// How many bytes at the front of `lines` are whole lines and fit into `most`.
size_t events_ready(const struct events *events, size_t most);
void events_drop(struct events *events, size_t bytes);
