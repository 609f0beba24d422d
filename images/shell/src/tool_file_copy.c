/* Copies files and trees, for cp and for mv between file systems. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_file.h"

enum { CHUNK = 65536 };

static bool same_file(const struct stat *a, const struct stat *b) {
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

static bool keep_attributes(const struct copy *c, const char *from, const char *to, const struct stat *st) {
    bool ok = true;

    if (c->keep_times) {
        struct timespec times[2] = {st->st_atim, st->st_mtim};

        if (utimensat(AT_FDCWD, to, times, AT_SYMLINK_NOFOLLOW)) {
            tool_warn("preserving times for %s: %s", quoted(to), strerror(errno));
            ok = false;
        }
    }
    if (c->keep_mode && !S_ISLNK(st->st_mode)) {
        int mode = path_mode(from);

        if (mode >= 0 && mode != path_mode(to) && path_chmod(to, mode)) {
            tool_warn("preserving permissions for %s: %s", quoted(to), strerror(errno));
            ok = false;
        }
    }
    return ok;
}

static bool copy_bytes(const char *from, int in, const char *to, int out) {
    char *buf = xmalloc(CHUNK);
    bool ok = false;

    for (;;) {
        ssize_t n = input_read(in, buf, CHUNK), done = 0;

        if (n < 0) tool_warn("error reading %s: %s", quoted(from), strerror(errno));
        if (n <= 0) {
            ok = n == 0;
            break;
        }
        while (done < n) {
            ssize_t wrote = write(out, buf + done, (size_t)(n - done));

            if (wrote < 0 && errno == EINTR) continue;
            if (wrote < 0) break;
            done += wrote;
        }
        if (done < n) {
            tool_warn("error writing %s: %s", quoted(to), strerror(errno));
            break;
        }
    }
    free(buf);
    return ok;
}

/* A trailing slash asks for a directory, which `open` would not say clearly. */
static int open_new(const char *to, int flags) {
    size_t n = strlen(to);

    if (n && to[n - 1] == '/') {
        errno = ENOTDIR;
        return -1;
    }
    return open(to, O_WRONLY | O_CREAT | flags, 0666);
}

static bool copy_content(const struct copy *c, const char *from, const char *to, bool exists) {
    int in = open(from, O_RDONLY), out, mode;
    bool ok;

    if (in < 0) {
        tool_warn("cannot open %s for reading: %s", quoted(from), strerror(errno));
        return false;
    }
    out = open_new(to, exists ? O_TRUNC : O_EXCL);
    if (out < 0 && exists && c->force && !unlink(to)) {
        exists = false;
        out = open_new(to, O_EXCL);
    }
    if (out < 0) {
        tool_warn("cannot create regular file %s: %s", quoted(to), strerror(errno));
        close(in);
        return false;
    }
    ok = copy_bytes(from, in, to, out);
    close(in);
    if (close(out)) {
        tool_warn("failed to close %s: %s", quoted(to), strerror(errno));
        ok = false;
    }
    mode = exists || c->keep_mode ? -1 : path_mode(from) & ~sh_umask() & 0777;
    if (mode >= 0 && mode != path_mode(to)) ok &= !path_chmod(to, mode);
    return ok;
}

static bool copy_link(const char *from, const char *to, bool exists) {
    char *target = link_target(from);
    bool ok;

    if (!target) {
        tool_warn("cannot read symbolic link %s: %s", quoted(from), strerror(errno));
        return false;
    }
    ok = !(exists && unlink(to)) && !symlink(target, to);
    if (!ok) tool_warn("cannot create symbolic link %s: %s", quoted(to), strerror(errno));
    free(target);
    return ok;
}

static bool make_other_link(const struct copy *c, const char *from, const char *to, bool exists) {
    if (exists && c->force) unlink(to);
    if (c->make_links ? !link(from, to) : !symlink(from, to)) return true;
    tool_warn(c->make_links ? "cannot create hard link %s to %s: %s" : "cannot create symbolic link %s to %s: %s",
              quoted(to), quoted(from), strerror(errno));
    return false;
}

static bool is_newer(const struct stat *a, const struct stat *b) {
    if (a->st_mtim.tv_sec != b->st_mtim.tv_sec) return a->st_mtim.tv_sec > b->st_mtim.tv_sec;
    return a->st_mtim.tv_nsec > b->st_mtim.tv_nsec;
}

enum verdict { GO, SKIP, FAIL };

/* What stands at the destination: whether to go on over it. */
static enum verdict judge(const struct copy *c, const char *from, const struct stat *st, const char *to,
                          const struct stat *there) {
    struct stat target;
    bool is_same = same_file(st, there) || (!stat(to, &target) && !S_ISLNK(st->st_mode) && same_file(st, &target));

    if (c->no_clobber) return SKIP;
    if (S_ISDIR(there->st_mode)) {
        tool_warn("cannot overwrite directory %s with non-directory", quoted(to));
        return FAIL;
    }
    if (c->update && !is_newer(st, there)) return SKIP;
    if (is_same && !c->remove_destination && !(c->make_links && same_file(st, there))) {
        tool_warn("%s and %s are the same file", quoted(from), quoted(to));
        return FAIL;
    }
    if (c->interactive && !ask("overwrite %s? ", quoted(to))) return SKIP;
    return GO;
}

static bool copy_file(const struct copy *c, const char *from, const struct stat *st, const char *to) {
    struct stat there;
    bool exists = !lstat(to, &there), ok;

    if (exists) {
        enum verdict v = judge(c, from, st, to, &there);

        if (v != GO) return v == SKIP;
        if (c->make_links && same_file(st, &there)) return true;
        if (c->remove_destination && !unlink(to)) exists = false;
        struct stat target;
        if (exists && S_ISLNK(there.st_mode) && stat(to, &target) && !S_ISLNK(st->st_mode)) {
            tool_warn("not writing through dangling symlink %s", quoted(to));
            return false;
        }
    }
    if (c->verbose) printf("%s -> %s\n", quoted(from), quoted(to));
    if (c->make_links || c->make_symlinks) return make_other_link(c, from, to, exists);
    if (S_ISLNK(st->st_mode)) return copy_link(from, to, exists) && keep_attributes(c, from, to, st);
    ok = copy_content(c, from, to, exists);
    return ok && keep_attributes(c, from, to, st);
}

/* Directories are made before their entries and get their attributes after them. */
static bool make_dir(const struct copy *c, const char *from, const char *to, bool *made) {
    struct stat there;

    *made = false;
    if (!stat(to, &there)) {
        if (S_ISDIR(there.st_mode)) return true;
        tool_warn("cannot overwrite non-directory %s with directory %s", quoted(to), quoted(from));
        return false;
    }
    if (make_directory(to)) {
        tool_warn("cannot create directory %s: %s", quoted(to), strerror(errno));
        return false;
    }
    if (c->verbose) printf("%s -> %s\n", quoted(from), quoted(to));
    *made = true;
    return true;
}

static bool finish_dir(const struct copy *c, struct walk *w, const char *from, const char *to) {
    const struct stat *st = walk_stat(w);
    int mode;

    if (!st) return false;
    if (c->keep_mode || c->keep_times) return keep_attributes(c, from, to, st);
    mode = path_mode(from) & ~sh_umask() & 0777;
    return mode == path_mode(to) || !path_chmod(to, mode);
}

struct tree {
    const struct copy *c;
    struct walk *w;
    const char *root, *to;
    struct stat made; /* of `to`, once it is there */
    bool has_made;
};

static bool enter_dir(struct tree *t, const char *from, const char *to) {
    const struct stat *st = walk_stat(t->w);
    bool made;

    if (t->has_made && st && same_file(st, &t->made)) {
        tool_warn("cannot copy a directory, %s, into itself, %s", quoted(t->root), quoted(t->to));
        walk_skip(t->w);
        return false;
    }
    if (!make_dir(t->c, from, to, &made)) {
        walk_skip(t->w);
        return false;
    }
    if (!t->has_made) t->has_made = !stat(to, &t->made);
    return true;
}

static bool copy_entry(struct tree *t, const struct walk_entry *e, const char *to) {
    const struct stat *st;

    switch (e->kind) {
    case WALK_DIR:
        return enter_dir(t, e->path, to);
    case WALK_DIR_END:
        return finish_dir(t->c, t->w, e->path, to);
    case WALK_FILE:
        st = walk_stat(t->w);
        if (st) return copy_file(t->c, e->path, st, to);
        warn_cannot("stat", e->path);
        return false;
    case WALK_LOOP:
        tool_warn("cannot copy cyclic symbolic link %s", quoted(e->path));
        return false;
    default:
        errno = e->error;
        warn_cannot(e->kind == WALK_UNREADABLE ? "access" : "stat", e->path);
        return false;
    }
}

static bool copy_tree(const struct copy *c, const char *from, const char *to) {
    int flags = c->follow_all ? WALK_FOLLOW : c->follow_root ? WALK_FOLLOW_ROOT : 0;
    struct tree t = {.c = c, .w = walk_open(from, flags), .root = from, .to = to};
    struct walk_entry *e;
    bool ok = true;

    while ((e = walk_next(t.w))) {
        const char *below = e->path + e->root_len;
        char *dest = *below ? path_join(to, below + strspn(below, "/")) : xstrdup(to);

        ok &= copy_entry(&t, e, dest);
        free(dest);
    }
    walk_close(t.w);
    return ok;
}

bool copy_path(const struct copy *c, const char *from, const char *to) {
    bool follow = !c->recursive ? !c->keep_links : c->follow_root || c->follow_all;
    struct stat st;

    if (follow ? stat(from, &st) : lstat(from, &st)) {
        warn_cannot("stat", from);
        return false;
    }
    if (!S_ISDIR(st.st_mode)) return copy_file(c, from, &st, to);
    if (c->recursive) return copy_tree(c, from, to);
    tool_warn("-r not specified; omitting directory %s", quoted(from));
    return false;
}
