/* Pathname expansion: a pattern becomes the sorted names of existing files. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "shell.h"

static void match_from(struct buf *path, char *pattern, struct fields *out);

static int exists(struct buf *path) {
    struct stat st;
    return lstat(buf_text(path), &st) == 0;
}

/* The rest of the pattern has no special characters: is that file there? */
static void match_plain(struct buf *path, const char *pattern, struct fields *out) {
    size_t len = path->len;
    char *copy = arena_copy(&sh.temp, pattern, strlen(pattern));
    pattern_unescape(copy);
    buf_str(path, copy);
    if (exists(path)) field_add(out, arena_copy(&sh.temp, path->s, path->len));
    path->len = len;
}

static void match_entries(struct buf *path, const char *component, char *rest, struct fields *out) {
    DIR *dir = opendir(path->len ? buf_text(path) : ".");
    if (!dir) return;
    size_t len = path->len;
    int want_dot = component[0] == '.' || (component[0] == '\\' && component[1] == '.');
    struct dirent *entry;
    while ((entry = readdir(dir))) {
        const char *name = entry->d_name;
        if (name[0] == '.' && !want_dot) continue;
        if (!pattern_match(component, name, strlen(name))) continue;
        buf_str(path, name);
        if (rest) {
            match_from(path, rest, out);
        } else {
            field_add(out, arena_copy(&sh.temp, path->s, path->len));
        }
        path->len = len;
    }
    closedir(dir);
}

/* Takes one component of the pattern, with the slashes before it, at a time. */
static void match_from(struct buf *path, char *pattern, struct fields *out) {
    size_t len = path->len;
    while (*pattern == '/') buf_putc(path, *pattern++);
    if (!pattern_has_special(pattern)) {
        match_plain(path, pattern, out);
    } else {
        char *slash = strchr(pattern, '/');
        if (slash) *slash = '\0';
        if (pattern_has_special(pattern)) {
            if (slash) *slash = '/';
            char *component = arena_copy(&sh.temp, pattern,
                                         slash ? (size_t)(slash - pattern) : strlen(pattern));
            match_entries(path, component, slash, out);
        } else {
            char *component = arena_copy(&sh.temp, pattern, strlen(pattern));
            pattern_unescape(component);
            buf_str(path, component);
            *slash = '/';
            match_from(path, slash, out);
        }
    }
    path->len = len;
}

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int glob_expand(const char *pattern, struct fields *out) {
    if (!pattern_has_special(pattern)) return 0;
    int before = out->count;
    struct buf path = {0};
    match_from(&path, arena_copy(&sh.temp, pattern, strlen(pattern)), out);
    buf_free(&path);
    int found = out->count - before;
    if (found) qsort(out->v + before, (size_t)found, sizeof *out->v, by_bytes);
    return found;
}
