/* mv. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_file.h"

struct moving {
    bool interactive, no_clobber, update, verbose;
};

static bool across(const char *from, const char *to) {
    static const struct copy everything = {.recursive = true, .keep_links = true, .keep_mode = true,
                                           .keep_times = true, .remove_destination = true};
    static const struct removal whole = {.recursive = true, .force = true};

    return copy_path(&everything, from, to) && remove_path(&whole, from);
}

static bool is_newer(const struct stat *a, const struct stat *b) {
    if (a->st_mtim.tv_sec != b->st_mtim.tv_sec) return a->st_mtim.tv_sec > b->st_mtim.tv_sec;
    return a->st_mtim.tv_nsec > b->st_mtim.tv_nsec;
}

enum verdict { GO, SKIP, FAIL };

static enum verdict judge(const struct moving *m, const char *from, const struct stat *st, const char *to,
                          const struct stat *there) {
    if (m->no_clobber || (m->update && !is_newer(st, there))) return SKIP;
    if (st->st_ino == there->st_ino && st->st_dev == there->st_dev) {
        if (S_ISDIR(st->st_mode))
            tool_warn("cannot move %s to a subdirectory of itself, %s", quoted(from), quoted(to));
        else
            tool_warn("%s and %s are the same file", quoted(from), quoted(to));
        return FAIL;
    }
    if (S_ISDIR(there->st_mode) && !S_ISDIR(st->st_mode)) {
        tool_warn("cannot overwrite directory %s with non-directory", quoted(to));
        return FAIL;
    }
    if (S_ISDIR(st->st_mode) && !S_ISDIR(there->st_mode)) {
        tool_warn("cannot overwrite non-directory %s with directory %s", quoted(to), quoted(from));
        return FAIL;
    }
    return m->interactive && !ask("overwrite %s? ", quoted(to)) ? SKIP : GO;
}

static bool moved(const struct moving *m, const char *from, const char *to) {
    if (m->verbose) printf("renamed %s -> %s\n", quoted(from), quoted(to));
    return true;
}

static bool move_one(const struct moving *m, const char *from, const char *to) {
    struct stat st, there;

    if (lstat(from, &st)) {
        warn_cannot("stat", from);
        return false;
    }
    if (!lstat(to, &there)) {
        enum verdict v = judge(m, from, &st, to, &there);

        if (v != GO) return v == SKIP;
    } else if (!S_ISDIR(st.st_mode) && to[path_trim(to)] == '/') {
        errno = ENOTDIR;
        tool_warn("cannot move %s to %s: %s", quoted(from), quoted(to), strerror(errno));
        return false;
    }
    if (!rename(from, to)) return moved(m, from, to);
    if (errno == EXDEV) return across(from, to) && moved(m, from, to);
    if (errno == EINVAL && S_ISDIR(st.st_mode))
        tool_warn("cannot move %s to a subdirectory of itself, %s", quoted(from), quoted(to));
    else
        tool_warn("cannot move %s to %s: %s", quoted(from), quoted(to), strerror(errno));
    return false;
}

static bool move_into(const struct moving *m, const char *from, const char *dir) {
    char *trimmed = xstrdup(from), *to;
    bool ok;

    trimmed[path_trim(trimmed)] = '\0';
    to = path_join(dir, path_base(trimmed));
    ok = move_one(m, from, to);
    free(to);
    free(trimmed);
    return ok;
}

static const struct longopt longs[] = {{"force", 0, 'f'},
                                       {"interactive", 0, 'i'},
                                       {"no-clobber", 0, 'n'},
                                       {"update", 0, 'u'},
                                       {"verbose", 0, 'v'},
                                       {"target-directory", 1, 't'},
                                       {"no-target-directory", 0, 'T'},
                                       {NULL, 0, 0}};

int tool_mv(int argc, char **argv) {
    struct opts o = opts_start(argc, argv);
    struct moving m = {false, false, false, false};
    const char *dir = NULL;
    bool no_dir = false;
    struct targets t;
    int c, status = 0;

    while ((c = opts_next(&o, "finuvt:T", longs)) > 0) {
        if (c == 'f' || c == 'i' || c == 'n') {
            m.interactive = c == 'i';
            m.no_clobber = c == 'n';
        }
        m.update |= c == 'u';
        m.verbose |= c == 'v';
        no_dir |= c == 'T';
        if (c == 't') dir = o.arg;
    }
    if (c != OPT_END) return opts_status(c);
    if (!targets_find(&t, argv + 1, o.operands, dir, no_dir)) return 1;
    if (!t.dir) return !move_one(&m, t.sources[0], t.file);
    for (int i = 0; i < t.count; i++)
        if (!move_into(&m, t.sources[i], t.dir)) status = 1;
    return status;
}
