#include "events.h"

#include "hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *const event_names[EVENT_KINDS] = {
    "exec", "open_write", "sensitive", "connect", "denied", "remove", "fork", "signal", "misc"};
// Enough of each kind to show a pattern, little enough to travel in a result.
static const unsigned caps[EVENT_KINDS] = {300, 300, 100, 200, 200, 100, 20, 50, 100};

// True where it was there already; else it is entered if `enter`.
static bool is_known(struct events *events, uint64_t value, bool enter)
{
    size_t at = (size_t)(value >> 20) % EVENT_SLOTS;
    while (events->slots[at]) {
        if (events->slots[at] == value)
            return true;
        at = (at + 1) % EVENT_SLOTS;
    }
    if (enter)
        events->slots[at] = value;
    return false;
}

void events_begin(struct events *events, const uint64_t key[2])
{
    memset(events, 0, offsetof(struct events, lines));
    memcpy(events->key, key, sizeof events->key);
}

void event_begin(struct event *event, enum event_kind kind)
{
    event->kind = kind;
    event->granted = false;
    json_begin(&event->json, event->detail, sizeof event->detail - 128); // room for the front
}

void event_text(struct event *event, const char *key, const char *text)
{
    json_bytes(&event->json, key, text, strnlen(text, EVENT_TEXT_MAX));
}

void event_end(struct events *events, struct event *event, uint64_t ms, int pid)
{
    enum event_kind kind = event->kind;
    events->count[kind]++;
    uint64_t value = hash_keyed(events->key, (unsigned)kind, event->detail, event->json.length);
    bool room = events->kept[kind] < caps[kind];
    if (is_known(events, value, room))
        return;
    if (!room && event->granted) {
        events->unlisted[kind]++;
        return;
    }
    if (!room || event->json.full || !events_have_room(events)) {
        events->dropped[kind]++;
        return;
    }
    events->kept[kind]++;
    char *to = events->lines + events->length;
    int wrote = snprintf(to, EVENT_LINE_MAX, "{\"t\":%" PRIu64 ",\"k\":\"%s\",\"pid\":%d%s%s}\n",
        ms,
                         event_names[kind], pid, event->json.length ? "," : "", event->detail);
    events->length += (size_t)wrote;
}

bool events_have_room(const struct events *events)
{
    return sizeof events->lines - events->length > EVENT_LINE_MAX;
}

size_t events_ready(const struct events *events, size_t most)
{
    if (events->length <= most)
        return events->length;
    const char *last = memrchr(events->lines, '\n', most);
    return last ? (size_t)(last - events->lines) + 1 : 0;
}

void events_drop(struct events *events, size_t bytes)
{
    events->length -= bytes;
    memmove(events->lines, events->lines + bytes, events->length);
}
