#include "hash.h"
#include "watch.h"

#include <fcntl.h>
#include <string.h>

static void tell(struct watch *watch, const struct act *act, enum event_kind kind, const char *op,
                 const struct place *place, int64_t flags)
{
    static struct event event;
    event_begin(&event, kind);
    event.granted = kind == EVENT_OPEN_WRITE && place->granted;
    if (op)
        json_text(&event.json, "op", op);
    event_text(&event, "path", place->resolved);
    if (strcmp(place->asked, place->resolved))
        event_text(&event, "asked", place->asked);
    if (flags >= 0)
        json_int(&event.json, "flags", flags);
    if (!place->readable)
        json_bool(&event.json, "unreadable", true);
    watch_event_end(watch, act, &event);
}

// A slot for a read of `path`, or NULL where it must be looked at each time: only a path that
// passes no place the job could change is the same place tomorrow.
static uint64_t *slot(struct watch *watch, const char *path, uint64_t *value)
{
    *value = hash_keyed(watch->events.key, EVENT_KINDS, path, strlen(path));
    return &watch->known_paths[*value >> 54];
}

static bool is_steady(const struct place *place)
{
    const char *slash = strrchr(place->asked, '/');
    size_t length = slash ? (size_t)(slash - place->asked) + 1 : 0;
    return place->readable && place->exists && !place->writable && length > 1 &&
           !strncmp(place->asked, place->resolved, length) &&
           !strchr(place->resolved + length, '/') &&
           !path_within(place->resolved, "/proc") && !path_within(place->resolved, "/dev");
}

struct answer watch_open(struct watch *watch, const struct act *act, int dirfd, uint64_t path,
                         uint64_t flags)
{
    static struct place place;
    bool tmpfile = (flags & O_TMPFILE) == O_TMPFILE;
    bool writes = (flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)) && !(flags & O_PATH);
    bool follow = !(flags & O_NOFOLLOW) && (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL);
    static char raw[PATH_BYTES];
    bool readable = place_read(act, path, raw);
    uint64_t value = 0, *where = NULL;
    if (!writes && readable && path_is_normal(raw)) {
        where = slot(watch, raw, &value);
        if (*where == value)
            return GO_ON;
    }
    place_resolve(watch, act, dirfd, readable ? raw : NULL, follow, &place);
    bool sensitive = place_is_sensitive(watch, &place);
    if (sensitive)
        tell(watch, act, EVENT_SENSITIVE, writes ? "open_write" : "open", &place, -1);
    else if (!writes && where && is_steady(&place))
        *where = value;
    if (!writes)
        return GO_ON;
    if (place.readable && place_is_closed(&place))
        tell(watch, act, EVENT_DENIED, place.exists && !tmpfile ? "open_write" : "create", &place,
             -1);
    else
        tell(watch, act, EVENT_OPEN_WRITE, NULL, &place, (int64_t)(flags & 0xffffffff));
    return GO_ON;
}

// openat2() keeps its flags in memory: what cannot be read counts as a write.
struct answer watch_open2(struct watch *watch, const struct act *act)
{
    uint64_t flags;
    if (!memory_read(act, act->args[2], &flags, sizeof flags))
        flags = O_RDWR;
    return watch_open(watch, act, (int)act->args[0], act->args[1], flags);
}
