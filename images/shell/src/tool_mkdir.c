/* mkdir, rmdir. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_file.h"

struct making {
    bool parents, verbose;
    const char *mode;
};

static bool make_one(const struct making *m, const char *path, bool is_last) {
    struct stat st;

    if (!make_directory(path)) {
        if (m->verbose)
            printf("mkdir: created directory %s\n", quoted(path));
        if (is_last && m->mode && path_chmod(path, mode_apply(m->mode, 0777 & ~sh_umask(), true))) {
            tool_warn("cannot change permissions of %s: %s", quoted(path), strerror(errno));
            return false;
        }
        return true;
    }
    /* A read-only or unsearchable place may hold the directory all the same. */
    if (m->parents && !stat(path, &st)) {
        if (S_ISDIR(st.st_mode))
            return true;
        errno = is_last ? EEXIST : ENOTDIR;
    }
    tool_warn("cannot create directory %s: %s", marked(path), strerror(errno));
    return false;
}

static bool make_path(const struct making *m, const char *path) {
    char *copy = xstrdup(path);
    size_t n = path_trim(copy), i = strspn(copy, "/");
    bool ok = true;

    while (ok && m->parents && (i += strcspn(copy + i, "/")) < n) {
        copy[i] = '\0';
        ok = make_one(m, copy, false);
        copy[i] = '/';
        i += strspn(copy + i, "/");
    }
    ok = ok && make_one(m, copy, true);
    free(copy);
    return ok;
}

int tool_mkdir(int argc, char **argv) {
    static const struct longopt longs[] = {{"parents", 0, 'p'},
                                          {"verbose", 0, 'v'},
                                          {"mode", 1, 'm'},
                                          {NULL, 0, 0}};
    struct opts o = opts_start(argc, argv);
    struct making m = {false, false, NULL};
    int c, status = 0;

    while ((c = opts_next(&o, "pvm:", longs)) > 0) {
        if (c == 'p')
            m.parents = true;
        else if (c == 'v')
            m.verbose = true;
        else
            m.mode = o.arg;
    }
    if (c != OPT_END)
        return opts_status(c);
    if (!o.operands)
        return usage_error("missing operand");
    if (m.mode && mode_apply(m.mode, 0, true) < 0) {
        tool_warn("invalid mode %s", marked(m.mode));
        return 1;
    }
    for (int i = 1; i <= o.operands; i++)
        if (!make_path(&m, argv[i]))
            status = 1;
    return status;
}

static bool unmake(const char *path, const char *what, bool verbose, bool quiet) {
    if (verbose)
        printf("rmdir: removing directory, %s\n", quoted(path));
    if (!rmdir(path))
        return true;
    if (quiet && (errno == ENOTEMPTY || errno == EEXIST))
        return true;
    tool_warn("failed to remove %s%s: %s", what, quoted(path), strerror(errno));
    return false;
}

static bool unmake_parents(const char *path, bool verbose, bool quiet) {
    char *copy = xstrdup(path), *slash;
    bool ok = true;

    copy[path_trim(copy)] = '\0';
    while (ok && (slash = strrchr(copy, '/')) && slash != copy) {
        while (slash > copy && slash[-1] == '/')
            slash--;
        *slash = '\0';
        ok = *copy == '\0' || unmake(copy, "directory ", verbose, quiet);
    }
    free(copy);
    return ok;
}

int tool_rmdir(int argc, char **argv) {
    static const struct longopt longs[] = {{"parents", 0, 'p'},
                                          {"verbose", 0, 'v'},
                                          {"ignore-fail-on-non-empty", 0, 256},
                                          {NULL, 0, 0}};
    struct opts o = opts_start(argc, argv);
    bool parents = false, verbose = false, quiet = false;
    int c, status = 0;

    while ((c = opts_next(&o, "pv", longs)) > 0) {
        parents |= c == 'p';
        verbose |= c == 'v';
        quiet |= c == 256;
    }
    if (c != OPT_END)
        return opts_status(c);
    if (!o.operands)
        return usage_error("missing operand");
    for (int i = 1; i <= o.operands; i++)
        if (!unmake(argv[i], "", verbose, quiet) || (parents && !unmake_parents(argv[i], verbose, quiet)))
            status = 1;
    return status;
}
