#include "events.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *const event_names[EVENT_KINDS] = {
    "exec", "open_write", "sensitive", "connect", "denied", "remove", "fork", "signal", "misc"};
// Enough of each kind to show a pattern, little enough to travel in a result.
static const unsigned caps[EVENT_KINDS] = {300, 300, 100, 200, 200, 100, 20, 50, 100};

static uint64_t turn(uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = turn(v[1], 13) ^ v[0];
    v[0] = turn(v[0], 32);
    v[2] += v[3];
    v[3] = turn(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = turn(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = turn(v[1], 17) ^ v[2];
    v[2] = turn(v[2], 32);
}

// SipHash-1-3: keyed, because what it tells apart is the job's own text.
static uint64_t hash(const uint64_t key[2], enum event_kind kind, const char *text, size_t length)
{
    uint64_t v[4] = {key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
                     key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573)};
    for (size_t at = 0; at <= length; at += 8) {
        size_t part = length - at < 8 ? length - at : 8;
        uint64_t word = 0;
        memcpy(&word, text + at, part);
        if (part < 8)
            word |= ((uint64_t)length << 4 | (uint64_t)kind) << 56;
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    v[2] ^= 0xff + (uint64_t)kind;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return (v[0] ^ v[1] ^ v[2] ^ v[3]) | 1; // 0 is the empty slot
}

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
    uint64_t value = hash(events->key, kind, event->detail, event->json.length);
    bool room = events->kept[kind] < caps[kind];
    if (is_known(events, value, room))
        return;
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
