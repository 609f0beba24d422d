/* Paths: joining, canonical form, permission bits. */
#include <errno.h>
#include <fcntl.h>
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

struct canonical {
    char *done;         /* resolved so far */
    char *rest, *owner; /* still to do, and the allocation that it lies in */
    int links, mode;
};

/* What a missing component means: whether the walk may go on. */
static bool may_miss(const struct canonical *c) {
    if (errno != ENOENT && !(errno == ENOTDIR && c->mode == CANON_MISSING)) return false;
    return c->mode == CANON_MISSING || (c->mode == CANON_PARENT && !c->rest[strspn(c->rest, "/")]);
}

static void drop_component(char *done) {
    char *slash = strrchr(done, '/');

    slash[slash == done] = '\0';
}

/* Puts the link's target before the rest. */
static bool follow_link(struct canonical *c, const char *path) {
    char *target, *rest;

    if (++c->links > LINKS_MAX) {
        errno = ELOOP;
        return false;
    }
    target = link_target(path);
    if (!target) return false;
    if (target[0] == '/') c->done[1] = '\0';
    rest = *c->rest ? path_join(target, c->rest) : xstrdup(target);
    free(target);
    free(c->owner);
    c->rest = c->owner = rest;
    return true;
}

/* Resolves the component `name`; more says whether a slash follows it. */
static bool enter_component(struct canonical *c, const char *name, bool more) {
    char *next = path_join(c->done, name);
    bool missing, ok = true;
    struct stat st;

    missing = lstat(next, &st) != 0;
    if (missing) {
        ok = may_miss(c);
    } else if (S_ISLNK(st.st_mode)) {
        ok = follow_link(c, next);
        free(next);
        return ok;
    } else if (!S_ISDIR(st.st_mode) && more && c->mode != CANON_MISSING) {
        errno = ENOTDIR;
        ok = false;
    }
    if (!ok) {
        free(next);
        return false;
    }
    free(c->done);
    c->done = next;
    return true;
}

char *path_canonical(const char *path, int mode) {
    struct canonical c = {.done = xstrdup("/"), .mode = mode};
    bool ok = *path != '\0';

    errno = ENOENT;
    c.rest = c.owner = ok ? path_absolute(path) : NULL;
    ok = ok && c.rest;
    while (ok && *(c.rest += strspn(c.rest, "/"))) {
        char *name = c.rest;
        size_t n = strcspn(name, "/");
        bool more = name[n] == '/';

        name[n] = '\0';
        c.rest += n + more;
        if (!strcmp(name, ".")) continue;
        if (!strcmp(name, ".."))
            drop_component(c.done);
        else
            ok = enter_component(&c, name, more);
    }
    free(c.owner);
    if (ok) return c.done;
    free(c.done);
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

enum { HOST_UMASK = 022 }; /* what the host itself takes from a new file's mode */

int open_creating(const char *path, int flags) {
    struct stat st;
    bool is_new = sh_umask() != HOST_UMASK && stat(path, &st);
    int fd = open(path, flags | O_CREAT, 0666);

    if (fd >= 0 && is_new) path_chmod(path, 0666 & ~sh_umask());
    return fd;
}

int make_directory(const char *path) {
    if (mkdir(path, 0777)) return -1;
    if (sh_umask() != HOST_UMASK) path_chmod(path, 0777 & ~sh_umask());
    return 0;
}

int entry_mode(const char *path, const struct stat *st) {
    int mode;

    if (S_ISLNK(st->st_mode))
        return 0777;
    mode = path_mode(path);
    return mode < 0 ? (int)(st->st_mode & 07777) : mode;
}
