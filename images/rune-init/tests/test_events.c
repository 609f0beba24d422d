// Caps, equal events, and the lines.
#include "check.h"

#include "../src/events.h"
#include "../src/frame.h"
#include "../src/hash.h"

static struct events events;
static struct event event;

static void add(enum event_kind kind, const char *path, unsigned long ms)
{
    event_begin(&event, kind);
    event_text(&event, "path", path);
    event_end(&events, &event, ms, 7);
}

static void begin(void)
{
    static uint64_t key[2] = {1, 2};
    key[0]++;
    events_begin(&events, key);
    events.length = 0;
}

static void test_equal(void)
{
    begin();
    add(EVENT_REMOVE, "/a", 5);
    add(EVENT_REMOVE, "/a", 6);
    add(EVENT_REMOVE, "/b", 7);
    add(EVENT_OPEN_WRITE, "/a", 8);
    CHECK(events.count[EVENT_REMOVE] == 3 && events.kept[EVENT_REMOVE] == 2);
    CHECK(events.dropped[EVENT_REMOVE] == 0);
    events.lines[events.length] = 0;
    CHECK_TEXT(events.lines, "{\"t\":5,\"k\":\"remove\",\"pid\":7,\"path\":\"/a\"}\n"
                             "{\"t\":7,\"k\":\"remove\",\"pid\":7,\"path\":\"/b\"}\n"
                             "{\"t\":8,\"k\":\"open_write\",\"pid\":7,\"path\":\"/a\"}\n");
}

// A flood of one kind takes nothing from another, and what it loses is counted.
static void test_caps(void)
{
    char path[32];
    begin();
    for (int i = 0; i < 20000; i++) {
        snprintf(path, sizeof path, "/flood/%d", i);
        add(EVENT_REMOVE, path, 1);
        events_drop(&events, events_ready(&events, FRAME_OUT_MAX));
    }
    CHECK(events.count[EVENT_REMOVE] == 20000 && events.kept[EVENT_REMOVE] == 100);
    CHECK(events.dropped[EVENT_REMOVE] == 19900);
    add(EVENT_CONNECT, "/flood/1", 2);
    CHECK(events.kept[EVENT_CONNECT] == 1 && events.length > 0);
}

// Beyond the cap they are counted as no loss; below it they are kept as any.
static void test_granted(void)
{
    char path[32];
    begin();
    for (int i = 0; i < 1000; i++) {
        snprintf(path, sizeof path, "/tmp/%d", i);
        event_begin(&event, EVENT_OPEN_WRITE);
        event.granted = true;
        event_text(&event, "path", path);
        event_end(&events, &event, 1, 7);
        events_drop(&events, events.length);
    }
    CHECK(events.count[EVENT_OPEN_WRITE] == 1000 && events.kept[EVENT_OPEN_WRITE] == 300);
    CHECK(events.unlisted[EVENT_OPEN_WRITE] == 700 && events.dropped[EVENT_OPEN_WRITE] == 0);
    add(EVENT_OPEN_WRITE, "/dev/x", 1); // begun anew, so not granted
    CHECK(events.dropped[EVENT_OPEN_WRITE] == 1);
}

// Every cap filled at once fits the table, and no two different events look the same.
static void test_all_kinds(void)
{
    char path[32];
    unsigned kept = 0;
    begin();
    for (int kind = 0; kind < EVENT_KINDS; kind++) {
        for (int i = 0; i < 1000; i++) {
            snprintf(path, sizeof path, "/%d", i);
            add((enum event_kind)kind, path, 1);
            events_drop(&events, events.length);
        }
        kept += events.kept[kind];
        CHECK(events.kept[kind] + events.dropped[kind] == 1000);
    }
    CHECK(kept == 1370 && kept < EVENT_SLOTS / 2);
}

static void test_room(void)
{
    static char path[EVENT_TEXT_MAX + 100];
    begin();
    memset(path, 1, sizeof path - 1); // the longest when escaped: six bytes for one
    int added = 0;
    for (; events_have_room(&events) && added < 1000; added++) {
        path[0] = (char)('a' + added % 26);
        path[1] = (char)('a' + added / 26);
        add(EVENT_EXEC, path, 1);
    }
    CHECK(added > 10 && added < 30 && events.length <= sizeof events.lines);
    size_t ready = events_ready(&events, FRAME_OUT_MAX);
    CHECK(ready > 0 && ready <= FRAME_OUT_MAX && events.lines[ready - 1] == '\n');
    size_t before = events.length;
    events_drop(&events, ready);
    CHECK(events.length == before - ready && events.lines[0] == '{');
    // No room: not kept, and told.
    events.length = sizeof events.lines - 10;
    add(EVENT_DENIED, "/late", 1);
    CHECK(events.dropped[EVENT_DENIED] == 1 && events.kept[EVENT_DENIED] == 0);
}

static void test_longest(void)
{
    static char word[EVENT_TEXT_MAX + 1];
    begin();
    memset(word, 0x7f, EVENT_TEXT_MAX);
    event_begin(&event, EVENT_EXEC);
    event_text(&event, "path", word);
    json_open(&event.json, "argv", '[');
    for (int i = 0; i < EVENT_ARGV_MAX / EVENT_TEXT_MAX; i++)
        event_text(&event, NULL, word);
    json_close(&event.json, ']');
    CHECK(!event.json.full);
    event_end(&events, &event, UINT64_MAX, -2147483647);
    CHECK(events.kept[EVENT_EXEC] == 1 && events.length < EVENT_LINE_MAX);
    CHECK((int)EVENT_LINE_MAX <= (int)FRAME_OUT_MAX && events.lines[events.length - 1] == '\n');
}

// What one knows of two texts' hashes under one key says nothing about them under another, or
// the job could find texts that look the same. (Of FNV with a secret start it says all.)
static void test_hash(void)
{
    const uint64_t key[2] = {7, 9}, other[2] = {7 + 256, 9}, third[2] = {7, 9 + 256};
    const char *text = "/usr/bin/env", *twin = "/tmp/abcdefg";
    uint64_t apart = hash_keyed(key, 0, text, 12) - hash_keyed(key, 0, twin, 12);
    CHECK(apart != hash_keyed(other, 0, text, 12) - hash_keyed(other, 0, twin, 12));
    CHECK(apart != hash_keyed(third, 0, text, 12) - hash_keyed(third, 0, twin, 12));
    CHECK(hash_keyed(key, 0, text, 12) != hash_keyed(key, 1, text, 12));
}

void test_events(void)
{
    test_hash();
    test_equal();
    test_caps();
    test_granted();
    test_all_kinds();
    test_room();
    test_longest();
}
