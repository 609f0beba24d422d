/* Paths: joining, canonical form, permission bits. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host.h"
#include "tool_file.h"

enum { LINKS_MAX = 40 };

char *path_join(const char *dir, const char *name) {
    size_t n = strlen(dir), m = strlen(name);
    bool slash = n && dir[n - 1] != '/';
    char *out = xmalloc(n + slash + m + 1);

    memcpy(out, dir, n);
    if (slash)
        out[n++] = '/';
    memcpy(out + n, name, m + 1);
    return out;
}

size_t path_trim(const char *path) {
    size_t n = strlen(path);

    while (n > 1 && path[n - 1] == '/')
        n--;
    return n;
}

const char *path_base(const char *path) {
    size_t n = path_trim(path);

    while (n && path[n - 1] != '/')
        n--;
    return path[n] ? path + n : path;
}

bool path_is_dot(const char *path) {
    const char *base = path_base(path);
    size_t n = path_trim(base);

    return (n == 1 && base[0] == '.') || (n == 2 && base[0] == '.' && base[1] == '.');
}

static char *current_dir(void) {
    size_t cap = 256;
    char *buf = xmalloc(cap);

    while (!getcwd(buf, cap)) {
        if (errno != ERANGE) {
            free(buf);
            return NULL;
        }
        buf = xrealloc(buf, cap *= 2);
    }
    return buf;
}

char *path_absolute(const char *path) {
    char *cwd, *out;

    if (path[0] == '/')
        return xstrdup(path);
    cwd = current_dir();
    if (!cwd)
        return NULL;
    out = path_join(cwd, path);
    free(cwd);
    return out;
}

char *link_target(const char *path) {
    size_t cap = 256;
    char *buf = xmalloc(cap);

    for (;;) {
        ssize_t n = readlink(path, buf, cap);

        if (n < 0) {
            free(buf);
            return NULL;
        }
        if ((size_t)n < cap) {
            buf[n] = '\0';
            return buf;
        }
        buf = xrealloc(buf, cap *= 2);
    }
}

/* Replaces the rest of the walk by target + "/" + rest. */
static char *splice(char *target, char *rest_owner, const char *rest) {
    char *out = *rest ? path_join(target, rest) : xstrdup(target);

    free(target);
    free(rest_owner);
    return out;
}

/* What a missing component means: whether the walk may go on. */
static bool may_miss(int mode, const char *rest) {
    if (errno != ENOENT && !(errno == ENOTDIR && mode == CANON_MISSING))
        return false;
    return mode == CANON_MISSING || (mode == CANON_PARENT && !rest[strspn(rest, "/")]);
}

static void drop_component(char *done) {
    char *slash = strrchr(done, '/');

    slash[slash == done] = '\0';
}

char *path_canonical(const char *path, int mode) {
    char *rest_owner = path_absolute(path), *rest = rest_owner, *done = xstrdup("/");
    int links = 0;

    if (!rest || !*path) {
        errno = *path ? errno : ENOENT;
        goto fail;
    }
    while (*(rest += strspn(rest, "/"))) {
        size_t n = strcspn(rest, "/");
        char *name = rest, *next, *target;
        char after = rest[n];
        struct stat st;

        rest[n] = '\0';
        rest += n + (after != '\0');
        if (!strcmp(name, ".") || !strcmp(name, "..")) {
            if (name[1])
                drop_component(done);
            continue;
        }
        next = path_join(done, name);
        if (lstat(next, &st)) {
            if (!may_miss(mode, rest)) {
                free(next);
                goto fail;
            }
        } else if (S_ISLNK(st.st_mode)) {
            target = ++links > LINKS_MAX ? NULL : link_target(next);
            free(next);
            if (!target) {
                errno = links > LINKS_MAX ? ELOOP : errno;
                goto fail;
            }
            if (target[0] == '/')
                done[1] = '\0';
            rest = rest_owner = splice(target, rest_owner, rest);
            continue;
        } else if (!S_ISDIR(st.st_mode) && after && mode != CANON_MISSING) {
            free(next);
            errno = ENOTDIR;
            goto fail;
        }
        free(done);
        done = next;
    }
    free(rest_owner);
    return done;
fail:
    free(rest_owner);
    free(done);
    return NULL;
}

int path_mode(const char *path) {
    char *full = path_absolute(path);
    int32_t got = full ? mr_path_mode(full, strlen(full)) : -errno;

    free(full);
    if (got >= 0)
        return got & 07777;
    errno = -got;
    return -1;
}

int path_chmod(const char *path, int mode) {
    char *full = path_absolute(path);
    int32_t got = full ? mr_path_chmod(full, strlen(full), mode) : -errno;

    free(full);
    if (got >= 0)
        return 0;
    errno = -got;
    return -1;
}

int entry_mode(const char *path, const struct stat *st) {
    int mode;

    if (S_ISLNK(st->st_mode))
        return 0777;
    mode = path_mode(path);
    return mode < 0 ? (int)(st->st_mode & 07777) : mode;
}
