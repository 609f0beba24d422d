#include "watch.h"

#include <fcntl.h>
#include <string.h>

enum { WORDS_MAX = 32 };

static void add_words(const struct act *act, uint64_t argv, struct json *json)
{
    char word[EVENT_TEXT_MAX + 1];
    size_t bytes = 0;
    bool cut = false, stopped = false;
    uint64_t pointer = 0;
    json_open(json, "argv", '[');
    for (int i = 0; argv; i++) {
        if (!memory_read(act, argv + 8 * (uint64_t)i, &pointer, sizeof pointer) || !pointer)
            break;
        size_t room = EVENT_ARGV_MAX - bytes;
        if (i == WORDS_MAX || room < 2) {
            stopped = true;
            break;
        }
        room = room < sizeof word ? room : sizeof word;
        if (!memory_string(act, pointer, word, room, &cut))
            break;
        json_text(json, NULL, word);
        bytes += strlen(word) + 1;
        stopped = stopped || cut;
    }
    json_close(json, ']');
    if (stopped)
        json_bool(json, "cut", true);
}

// fexecve(): an empty path, the program is the descriptor itself.
static void find_program(const struct watch *watch, const struct act *act, int dirfd, uint64_t path,
                         struct place *place)
{
    char first = 1;
    if (dirfd != AT_FDCWD && memory_read(act, path, &first, 1) && first == 0)
        place_of_descriptor(watch, act, dirfd, place);
    else
        place_find(watch, act, dirfd, path, true, place);
}

struct answer watch_exec(struct watch *watch, const struct act *act, int dirfd, uint64_t path,
                         uint64_t argv)
{
    static struct place place;
    static struct event event;
    find_program(watch, act, dirfd, path, &place);
    event_begin(&event, EVENT_EXEC);
    event_text(&event, "path", place.resolved);
    add_words(act, argv, &event.json);
    json_text(&event.json, "outcome", place.exists ? "ok" : "missing");
    if (!place.readable)
        json_bool(&event.json, "unreadable", true);
    watch_event_end(watch, act, &event);
    return GO_ON;
}
