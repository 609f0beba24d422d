/* Walks a directory tree with its own stack, so that depth costs heap, not C stack. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tool_file.h"

struct level {
    char *names;              /* each: type byte, name, NUL */
    char **sorted;
    size_t count, next;
    size_t path_len;          /* of the directory */
    dev_t dev;
    ino_t ino;
};

struct walk {
    int flags;
    char *path;
    size_t path_cap;
    size_t root_len;
    struct level *levels;
    size_t depth, cap;
    bool begun, enter, stat_known;
    struct stat st;
    struct walk_entry entry;
};

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a + 1, *(char *const *)b + 1);
}

static void path_set(struct walk *w, size_t dir_len, const char *name) {
    size_t n = strlen(name);
    bool slash = dir_len && w->path[dir_len - 1] != '/';

    if (dir_len + n + 2 > w->path_cap)
        w->path = xrealloc(w->path, w->path_cap = (dir_len + n + 2) * 2);
    if (slash)
        w->path[dir_len++] = '/';
    memcpy(w->path + dir_len, name, n + 1);
    w->entry.path = w->path;
    w->entry.name = w->path + dir_len;
}

static bool level_read(struct level *l, const char *path) {
    DIR *dir = opendir(path);
    struct dirent *d;
    size_t used = 0, cap = 0, i, at;

    if (!dir)
        return false;
    while ((errno = 0, d = readdir(dir))) {
        size_t n = strlen(d->d_name) + 1;

        if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
            continue;
        if (used + n + 1 > cap)
            l->names = xrealloc(l->names, cap = (used + n + 1) * 2);
        l->names[used] = (char)d->d_type;
        memcpy(l->names + used + 1, d->d_name, n);
        used += n + 1;
        l->count++;
    }
    if (errno) {
        at = (size_t)errno;
        closedir(dir);
        errno = (int)at;
        return false;
    }
    closedir(dir);
    l->sorted = xmalloc((l->count + 1) * sizeof(char *));
    for (i = at = 0; i < l->count; i++, at += strlen(l->names + at + 1) + 2)
        l->sorted[i] = l->names + at;
    qsort(l->sorted, l->count, sizeof(char *), by_name);
    return true;
}

static void level_free(struct level *l) {
    free(l->names);
    free(l->sorted);
}

static bool looped(const struct walk *w) {
    size_t i;

    for (i = 0; i < w->depth; i++)
        if (w->levels[i].dev == w->st.st_dev && w->levels[i].ino == w->st.st_ino)
            return true;
    return false;
}

static unsigned char type_of(mode_t mode) {
    if (S_ISDIR(mode))
        return DT_DIR;
    if (S_ISLNK(mode))
        return DT_LNK;
    if (S_ISREG(mode))
        return DT_REG;
    if (S_ISCHR(mode))
        return DT_CHR;
    if (S_ISBLK(mode))
        return DT_BLK;
    return S_ISFIFO(mode) ? DT_FIFO : DT_UNKNOWN;
}

const struct stat *walk_stat(struct walk *w) {
    bool follow = w->flags & WALK_FOLLOW || (w->flags & WALK_FOLLOW_ROOT && !w->entry.depth);

    if (w->stat_known)
        return &w->st;
    /* A link that leads nowhere is described itself. */
    if (!(follow && !stat(w->path, &w->st)) && lstat(w->path, &w->st))
        return NULL;
    w->stat_known = true;
    w->entry.type = type_of(w->st.st_mode);
    return &w->st;
}

static struct walk_entry *arrive(struct walk *w, unsigned char type) {
    struct walk_entry *e = &w->entry;
    bool follow = w->flags & WALK_FOLLOW;

    w->stat_known = false;
    e->error = 0;
    e->type = type;
    if (type == DT_UNKNOWN || (follow && (type == DT_LNK || type == DT_DIR))) {
        if (!walk_stat(w)) {
            e->error = errno;
            e->kind = WALK_MISSING;
            return e;
        }
    }
    e->kind = e->type == DT_DIR ? WALK_DIR : WALK_FILE;
    if (e->kind == WALK_DIR && follow && looped(w))
        e->kind = WALK_LOOP;
    w->enter = e->kind == WALK_DIR;
    return e;
}

static struct walk_entry *enter(struct walk *w) {
    struct level *l;

    w->enter = false;
    if (w->depth == w->cap)
        w->levels = xrealloc(w->levels, (w->cap = w->cap * 2 + 8) * sizeof *l);
    l = &w->levels[w->depth];
    memset(l, 0, sizeof *l);
    l->path_len = strlen(w->path);
    if (w->flags & WALK_FOLLOW) {
        l->dev = w->st.st_dev;
        l->ino = w->st.st_ino;
    }
    if (!level_read(l, w->path)) {
        w->entry.error = errno;
        w->entry.kind = WALK_UNREADABLE;
        level_free(l);
        return &w->entry;
    }
    w->depth++;
    return NULL;
}

static struct walk_entry *leave(struct walk *w) {
    struct level *l = &w->levels[--w->depth];
    struct walk_entry *e = &w->entry;
    size_t dir_len = 0;

    w->path[l->path_len] = '\0';
    if (w->depth)
        dir_len = w->levels[w->depth - 1].path_len;
    e->path = w->path;
    e->name = dir_len ? w->path + dir_len + (w->path[dir_len - 1] != '/' || w->path[dir_len] == '/')
                      : w->path;
    e->depth = (int)w->depth;
    e->kind = WALK_DIR_END;
    e->type = DT_DIR;
    w->stat_known = false;
    level_free(l);
    return e;
}

struct walk_entry *walk_next(struct walk *w) {
    struct level *l;
    char *name;

    if (!w->begun) {
        w->begun = true;
        return arrive(w, DT_UNKNOWN);
    }
    if (w->enter && enter(w))
        return &w->entry;
    if (!w->depth)
        return NULL;
    l = &w->levels[w->depth - 1];
    if (l->next == l->count)
        return leave(w);
    name = l->sorted[l->next++];
    path_set(w, l->path_len, name + 1);
    w->entry.depth = (int)w->depth;
    return arrive(w, (unsigned char)name[0]);
}

void walk_skip(struct walk *w) {
    w->enter = false;
}

struct walk *walk_open(const char *root, int flags) {
    struct walk *w = xmalloc(sizeof *w);

    memset(w, 0, sizeof *w);
    w->flags = flags;
    path_set(w, 0, root);
    w->root_len = w->entry.root_len = strlen(root);
    return w;
}

void walk_close(struct walk *w) {
    while (w->depth)
        level_free(&w->levels[--w->depth]);
    free(w->levels);
    free(w->path);
    free(w);
}
