// Changes of names: unlink, rename, link, mkdir, chmod ...
#include "filter.h"
#include "watch.h"

#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

enum { HERE = -1 }; // the call has no directory argument

struct change {
    int call;
    const char *op;
    int dirfd, path;          // which arguments name the place that changes
    int other_dirfd, other;   // rename: the new name; link, symlink: what is linked; 0: none
    enum event_kind kind;     // EVENT_KINDS: told only where it is out of bounds
    bool follow;
};

static const struct change changes[] = {
    {SYS_unlinkat, "unlink", 0, 1, 0, 0, EVENT_REMOVE, false},
    {SYS_renameat, "rename", 0, 1, 2, 3, EVENT_REMOVE, false},
    {SYS_renameat2, "rename", 0, 1, 2, 3, EVENT_REMOVE, false},
    {SYS_linkat, "link", 2, 3, 0, 1, EVENT_MISC, false},
    {SYS_symlinkat, "symlink", 1, 2, 0, 0, EVENT_MISC, false},
    {SYS_mkdirat, "mkdir", 0, 1, 0, 0, EVENT_KINDS, false},
    {SYS_fchmodat2, "chmod", 0, 1, 0, 0, EVENT_KINDS, true},
    {SYS_fchmodat, "chmod", 0, 1, 0, 0, EVENT_KINDS, true},
    {SYS_fchownat, "chown", 0, 1, 0, 0, EVENT_KINDS, true},
    {SYS_truncate, "truncate", HERE, 0, 0, 0, EVENT_OPEN_WRITE, true},
#ifdef __x86_64__
    {SYS_unlink, "unlink", HERE, 0, 0, 0, EVENT_REMOVE, false},
    {SYS_rmdir, "rmdir", HERE, 0, 0, 0, EVENT_REMOVE, false},
    {SYS_rename, "rename", HERE, 0, HERE, 1, EVENT_REMOVE, false},
    {SYS_link, "link", HERE, 1, 0, 0, EVENT_MISC, false},
    {SYS_symlink, "symlink", HERE, 1, 0, 0, EVENT_MISC, false},
    {SYS_mkdir, "mkdir", HERE, 0, 0, 0, EVENT_KINDS, false},
    {SYS_chmod, "chmod", HERE, 0, 0, 0, EVENT_KINDS, true},
    {SYS_chown, "chown", HERE, 0, 0, 0, EVENT_KINDS, true},
    {SYS_lchown, "chown", HERE, 0, 0, 0, EVENT_KINDS, false},
#endif
};

static const struct change *find(int call)
{
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        if (changes[i].call == call)
            return &changes[i];
    return NULL;
}

static void look(const struct watch *watch, const struct act *act, int dirfd, int path, bool follow,
                 struct place *place)
{
    int base = dirfd == HERE ? AT_FDCWD : (int)act->args[dirfd];
    place_find(watch, act, base, act->args[path], follow, place);
}

// What a link leads to: the text of a symlink, the place of a hard link.
static void add_link_target(const struct watch *watch, const struct act *act,
                            const struct change *change, struct event *event)
{
    static struct place target;
    char text[EVENT_TEXT_MAX + 1];
    bool cut;
    if (!strcmp(change->op, "symlink")) {
        if (memory_string(act, act->args[0], text, sizeof text, &cut))
            event_text(event, "target", text);
        return;
    }
    bool here = change->dirfd == HERE; // link() and linkat() name it first
    look(watch, act, here ? HERE : 0, here ? 0 : 1, false, &target);
    event_text(event, "target", target.resolved);
}

struct answer watch_change(struct watch *watch, const struct act *act)
{
    static struct place place, other;
    static struct event event;
    const struct change *change = find(act->call);
    if (!change)
        return watch_denied(watch, act);
    const char *op = change->op;
    if (act->call == SYS_unlinkat && (act->args[2] & AT_REMOVEDIR))
        op = "rmdir";
    look(watch, act, change->dirfd, change->path, change->follow, &place);
    bool renames = !strcmp(op, "rename");
    if (renames)
        look(watch, act, change->other_dirfd, change->other, false, &other);
    const struct place *told = &place; // of a rename, the end that is out of bounds
    bool closed = place.readable && place_is_closed(&place);
    if (renames && !closed && other.readable && place_is_closed(&other)) {
        closed = true;
        told = &other;
    }
    if (!closed && change->kind == EVENT_KINDS)
        return GO_ON;
    event_begin(&event, closed ? EVENT_DENIED : change->kind);
    event.granted = !closed && place.granted && (!renames || other.granted);
    json_text(&event.json, "op", op);
    event_text(&event, "path", told->resolved);
    if (renames)
        event_text(&event, told == &place ? "to" : "from",
                   told == &place ? other.resolved : place.resolved);
    else if (change->kind == EVENT_MISC)
        add_link_target(watch, act, change, &event);
    if (!place.readable)
        json_bool(&event.json, "unreadable", true);
    watch_event_end(watch, act, &event);
    return GO_ON;
}
