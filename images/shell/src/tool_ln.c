/* ln, readlink, realpath. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_file.h"

struct linking {
    bool symbolic, force, verbose, no_deref, relative, physical;
};

/* How `place` must spell `target` when both are made absolute. */
static char *relative_target(const char *target, const char *place) {
    char *to = path_canonical(target, CANON_MISSING), *dir = NULL, *from = NULL, *out;
    size_t i, same = 0, ups = 0;

    dir = xstrdup(place);
    dir[path_base(place) - place] = '\0';
    from = path_canonical(*dir ? dir : ".", CANON_MISSING);
    free(dir);
    if (!to || !from) {
        free(to);
        free(from);
        return NULL;
    }
    for (i = 0; to[i] && to[i] == from[i]; i++)
        if (to[i] == '/')
            same = i + 1;
    if ((!to[i] || to[i] == '/') && (!from[i] || from[i] == '/'))
        same = i + (to[i] == '/' || from[i] == '/');
    if (same <= strlen(from) && from[same])
        for (ups = 1, i = same; from[i]; i++)
            ups += from[i] == '/';
    out = xmalloc(ups * 3 + strlen(to) + 3);
    out[0] = '\0';
    for (i = 0; i < ups; i++)
        strcat(out, "../");
    if (same < strlen(to))
        strcat(out, to + same);
    i = strlen(out);
    if (i > 1 && out[i - 1] == '/')
        out[i - 1] = '\0';
    if (!i)
        strcpy(out, ".");
    free(to);
    free(from);
    return out;
}

static bool clear_way(const struct linking *l, const char *target, const char *place) {
    struct stat st, other;

    if (!l->force || lstat(place, &st) || S_ISDIR(st.st_mode))
        return true;
    if (!l->symbolic && !lstat(target, &other) && st.st_ino == other.st_ino
        && st.st_dev == other.st_dev) {
        tool_warn("%s and %s are the same file", quoted(target), quoted(place));
        return false;
    }
    return !unlink(place) || errno == ENOENT;
}

static bool can_link(const struct linking *l, const char *target) {
    struct stat st;

    if (l->symbolic)
        return true;
    if (lstat(target, &st)) {
        tool_warn("failed to access %s: %s", quoted(target), strerror(errno));
        return false;
    }
    if (S_ISDIR(st.st_mode))
        tool_warn("%s: hard link not allowed for directory", target);
    return !S_ISDIR(st.st_mode);
}

static bool link_one(const struct linking *l, const char *target, const char *place) {
    char *spelled = NULL;
    int result;

    if (!can_link(l, target) || !clear_way(l, target, place))
        return false;
    if (l->symbolic && l->relative)
        spelled = relative_target(target, place);
    result = l->symbolic ? symlink(spelled ? spelled : target, place) : link(target, place);
    if (result)
        tool_warn(l->symbolic ? "failed to create symbolic link %s: %s"
                              : "failed to create hard link %s: %s",
                  quoted(place), strerror(errno));
    else if (l->verbose)
        printf("%s %s %s\n", quoted(place), l->symbolic ? "->" : "=>",
               quoted(spelled ? spelled : target));
    free(spelled);
    return !result;
}

static int link_all(const struct linking *l, char **sources, int count, const char *dir) {
    int i, status = 0;

    for (i = 0; i < count; i++) {
        const char *base = path_base(sources[i]);
        char *name = xstrdup(base), *place;

        name[path_trim(name)] = '\0';
        place = path_join(dir, name);
        if (!link_one(l, sources[i], place))
            status = 1;
        free(place);
        free(name);
    }
    return status;
}

/* Whether a last operand is a directory to link into. */
static bool is_into(const struct linking *l, const char *path) {
    struct stat st;

    if (l->no_deref && !lstat(path, &st) && S_ISLNK(st.st_mode))
        return false;
    return !stat(path, &st) && S_ISDIR(st.st_mode);
}

static const struct longopt ln_longs[] = {{"symbolic", 0, 's'},
                                         {"force", 0, 'f'},
                                         {"verbose", 0, 'v'},
                                         {"no-dereference", 0, 'n'},
                                         {"relative", 0, 'r'},
                                         {"physical", 0, 'P'},
                                         {"logical", 0, 'L'},
                                         {"target-directory", 1, 't'},
                                         {"no-target-directory", 0, 'T'},
                                         {NULL, 0, 0}};

int tool_ln(int argc, char **argv) {
    struct opts o = opts_start(argc, argv);
    struct linking l = {0};
    const char *dir = NULL;
    bool no_dir = false;
    struct targets t;
    int c;

    while ((c = opts_next(&o, "sfvnrPLt:T", ln_longs)) > 0) {
        l.symbolic |= c == 's';
        l.force |= c == 'f';
        l.verbose |= c == 'v';
        l.no_deref |= c == 'n';
        l.relative |= c == 'r';
        no_dir |= c == 'T';
        if (c == 't')
            dir = o.arg;
    }
    if (c != OPT_END)
        return opts_status(c);
    if (o.operands == 1 && !dir)
        return link_all(&l, argv + 1, 1, ".");
    if (o.operands == 2 && !dir && (no_dir || !is_into(&l, argv[2])))
        return !link_one(&l, argv[1], argv[2]);
    if (!targets_find(&t, argv + 1, o.operands, dir, no_dir))
        return 1;
    return link_all(&l, t.sources, t.count, t.dir);
}
