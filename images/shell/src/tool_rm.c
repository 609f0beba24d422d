/* rm, unlink. Links are removed, never followed. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_file.h"

static bool failed(const char *path) {
    warn_cannot("remove", path);
    return false;
}

static const char *kind_of(const struct stat *st) {
    if (S_ISLNK(st->st_mode))
        return "symbolic link";
    if (!S_ISREG(st->st_mode))
        return "special file";
    return st->st_size ? "regular file" : "regular empty file";
}

static bool remove_file(const struct removal *r, struct walk *w, const char *path) {
    const struct stat *st = r->interactive ? walk_stat(w) : NULL;

    if (st && !ask("remove %s %s? ", kind_of(st), quoted(path)))
        return true;
    if (unlink(path))
        return failed(path);
    if (r->verbose)
        printf("removed %s\n", quoted(path));
    return true;
}

static bool remove_dir(const struct removal *r, const char *path) {
    if (r->interactive && !ask("remove directory %s? ", quoted(path)))
        return true;
    if (rmdir(path))
        return failed(path);
    if (r->verbose)
        printf("removed directory %s\n", quoted(path));
    return true;
}

static bool may_descend(const struct removal *r, struct walk *w, const char *path) {
    if (r->recursive && (!r->interactive || ask("descend into directory %s? ", quoted(path))))
        return true;
    walk_skip(w);
    return false;
}

static bool visit(const struct removal *r, struct walk *w, const struct walk_entry *e) {
    switch (e->kind) {
    case WALK_DIR:
        if (r->recursive) {
            may_descend(r, w, e->path);
            return true;
        }
        walk_skip(w);
        if (r->dirs)
            return remove_dir(r, e->path);
        errno = EISDIR;
        return failed(e->path);
    case WALK_DIR_END:
        return remove_dir(r, e->path);
    case WALK_FILE:
        return remove_file(r, w, e->path);
    default:
        errno = e->error;
        /* "-f" is content with what is not there, whatever the reason. */
        if (r->force && e->kind == WALK_MISSING && (errno == ENOENT || errno == ENOTDIR))
            return true;
        /* An unreadable directory may be empty. */
        if (e->kind == WALK_UNREADABLE && !rmdir(e->path))
            return true;
        return failed(e->path);
    }
}

bool remove_path(const struct removal *r, const char *path) {
    struct walk *w = walk_open(path, 0);
    struct walk_entry *e;
    bool ok = true;

    while ((e = walk_next(w)))
        ok &= visit(r, w, e);
    walk_close(w);
    return ok;
}

static bool refused(const struct removal *r, const char *path) {
    char *full;
    bool is_root;

    if (r->recursive && path_is_dot(path)) {
        tool_warn("refusing to remove '.' or '..' directory: skipping %s", quoted(path));
        return true;
    }
    if (!r->recursive || path[path_trim(path) - (*path != 0)] != '/')
        return false;
    full = path_canonical(path, CANON_EXISTING);
    is_root = full && !strcmp(full, "/");
    free(full);
    if (is_root) {
        tool_warn("it is dangerous to operate recursively on '/'");
        tool_warn("this sandbox's rm has no way to override that");
    }
    return is_root;
}

int tool_rm(int argc, char **argv) {
    static const struct longopt longs[] = {{"recursive", 0, 'r'},   {"force", 0, 'f'},
                                          {"verbose", 0, 'v'},     {"dir", 0, 'd'},
                                          {"preserve-root", 2, 1}, {"one-file-system", 0, 1},
                                          {"interactive", 2, 2},   {NULL, 0, 0}};
    struct opts o = opts_start(argc, argv);
    struct removal r = {0};
    int c, status = 0;

    while ((c = opts_next(&o, "rRfivdI", longs)) > 0) {
        r.recursive |= c == 'r' || c == 'R';
        r.verbose |= c == 'v';
        r.dirs |= c == 'd';
        if (c == 'f') {
            r.force = true;
            r.interactive = false;
        } else if (c == 'i' || c == 2) {
            r.interactive = c == 'i' || !o.arg || strcmp(o.arg, "never");
            r.force &= !r.interactive;
        }
    }
    if (c != OPT_END)
        return opts_status(c);
    if (!o.operands)
        return r.force ? 0 : usage_error("missing operand");
    for (int i = 1; i <= o.operands; i++)
        if (refused(&r, argv[i]) || !remove_path(&r, argv[i]))
            status = 1;
    return status;
}

int tool_unlink(int argc, char **argv) {
    struct opts o = opts_start(argc, argv);
    int c = opts_next(&o, "", NULL);

    if (c != OPT_END)
        return opts_status(c);
    if (o.operands != 1)
        return usage_error(o.operands ? "extra operand %s" : "missing operand", marked(argv[o.operands]));
    if (!unlink(argv[1]))
        return 0;
    tool_warn("cannot unlink %s: %s", quoted(argv[1]), strerror(errno));
    return 1;
}
