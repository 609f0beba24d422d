/* mktemp. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_file.h"

#ifndef __wasi__
#include <sys/random.h>
#endif

enum { TRIES = 100 };

struct temp {
    bool dir, dry, quiet, in_tmpdir;
    const char *base, *suffix;
};

static bool fill(char *xs, size_t n) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    unsigned char bytes[64];
    size_t i;

    for (i = 0; i < n; i++) {
        if (i % sizeof bytes == 0 && getentropy(bytes, sizeof bytes))
            return false;
        xs[i] = letters[bytes[i % sizeof bytes] % (sizeof letters - 1)];
    }
    return true;
}

static bool create(const struct temp *t, const char *path) {
    struct stat st;
    int fd;

    if (t->dry) {
        errno = EEXIST;
        return lstat(path, &st) && errno == ENOENT;
    }
    if (t->dir)
        return !mkdir(path, 0700) && !path_chmod(path, 0700);
    fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd < 0)
        return false;
    close(fd);
    return !path_chmod(path, 0600);
}

static int make(const struct temp *t, const char *template, char *path, size_t prefix, size_t xs) {
    int i;

    for (i = 0; i < TRIES; i++) {
        if (!fill(path + prefix, xs))
            break;
        if (create(t, path)) {
            puts(path);
            return 0;
        }
        if (errno != EEXIST)
            break;
    }
    if (!t->quiet)
        tool_warn("failed to create %s via template %s: %s", t->dir ? "directory" : "file",
                  marked(template), strerror(errno));
    return 1;
}

static int from_template(const struct temp *t, const char *template) {
    const char *last = strrchr(template, 'X');
    size_t end = last ? (size_t)(last - template) + 1 : 0, begin = end;
    char *name, *path, *shown;
    int status;

    while (begin && template[begin - 1] == 'X')
        begin--;
    if (end - begin < 3 || strchr(template + end, '/')) {
        if (!t->quiet)
            tool_warn("too few X's in template %s", marked(template));
        return 1;
    }
    if (t->suffix && template[end]) {
        tool_warn("with --suffix, template %s must end in X", marked(template));
        return 1;
    }
    name = xmalloc(strlen(template) + (t->suffix ? strlen(t->suffix) : 0) + 1);
    strcat(strcpy(name, template), t->suffix ? t->suffix : "");
    path = t->base ? path_join(t->base, name) : xstrdup(name);
    shown = xstrdup(path);
    status = make(t, shown, path, begin + strlen(path) - strlen(name), end - begin);
    free(shown);
    free(path);
    free(name);
    return status;
}

static const struct longopt longs[] = {{"directory", 0, 'd'}, {"dry-run", 0, 'u'},
                                      {"quiet", 0, 'q'},     {"tmpdir", 2, 256},
                                      {"suffix", 1, 257},    {NULL, 0, 0}};

int tool_mktemp(int argc, char **argv) {
    struct opts o = opts_start(argc, argv);
    const char *tmp = getenv("TMPDIR"), *dir = NULL;
    struct temp t = {0};
    bool in_tmp = false;
    int c;

    while ((c = opts_next(&o, "dqutp:", longs)) > 0) {
        t.dir |= c == 'd';
        t.dry |= c == 'u';
        t.quiet |= c == 'q';
        in_tmp |= c == 't' || c == 'p' || c == 256;
        if (c == 'p' || c == 256)
            dir = o.arg;
        if (c == 257)
            t.suffix = o.arg;
    }
    if (c != OPT_END)
        return opts_status(c);
    if (o.operands > 1)
        return usage_error("too many templates");
    if (in_tmp || !o.operands)
        t.base = dir ? dir : tmp && *tmp ? tmp : "/tmp";
    return from_template(&t, o.operands ? argv[1] : "tmp.XXXXXXXXXX");
}
