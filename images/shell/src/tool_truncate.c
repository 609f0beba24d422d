/* truncate. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tool_file.h"

struct cut {
    char how;        /* 0 set, + - < > / % */
    int64_t size;
    bool no_create;
};

static bool cut_parse(const char *text, struct cut *cut) {
    bool minus = false;

    text += strspn(text, " ");
    if (*text && strchr("+-<>/%", *text)) cut->how = *text++;
    if (cut->how == '-') {
        minus = true;
        cut->how = '+';
    }
    if (size_parse(text, &cut->size)) return false;
    if (minus) cut->size = -cut->size;
    return true;
}

/* New size from the old one; -1 when it cannot be. */
static int64_t cut_apply(const struct cut *cut, int64_t old) {
    int64_t size, rest = cut->how == '/' || cut->how == '%' ? old % cut->size : 0;

    switch (cut->how) {
    case '+': return __builtin_add_overflow(old, cut->size, &size) ? -1 : size < 0 ? 0 : size;
    case '<': return old < cut->size ? old : cut->size;
    case '>': return old > cut->size ? old : cut->size;
    case '/': return old - rest;
    case '%': return rest && __builtin_add_overflow(old, cut->size - rest, &old) ? -1 : old;
    default: return cut->size;
    }
}

static bool truncate_one(const struct cut *cut, const char *path) {
    int fd = cut->no_create ? open(path, O_WRONLY) : open_creating(path, O_WRONLY);
    int64_t size;
    struct stat st;
    bool ok;

    if (fd < 0) {
        if (errno == ENOENT && cut->no_create) return true;
        tool_warn("cannot open %s for writing: %s", quoted(path), strerror(errno));
        return false;
    }
    ok = !fstat(fd, &st);
    if (!ok) tool_warn("cannot fstat %s: %s", quoted(path), strerror(errno));
    size = ok ? cut_apply(cut, st.st_size) : 0;
    if (ok && size < 0) {
        tool_warn("overflow extending size of file %s", quoted(path));
        ok = false;
    }
    if (ok && ftruncate(fd, size)) {
        tool_warn("failed to truncate %s at %lld bytes: %s", quoted(path), (long long)size, strerror(errno));
        ok = false;
    }
    close(fd);
    return ok;
}

static const struct longopt longs[] = {{"no-create", 0, 'c'}, {"size", 1, 's'}, {"reference", 1, 'r'}, {NULL, 0, 0}};

int tool_truncate(int argc, char **argv) {
    struct opts o = opts_start(argc, argv);
    struct cut cut = {0, 0, false};
    bool sized = false, no_create = false;
    struct stat st;
    int c, status = 0;

    while ((c = opts_next(&o, "cs:r:", longs)) > 0) {
        no_create |= c == 'c';
        if (c == 's') {
            cut = (struct cut){0, 0, false};
            if (!cut_parse(o.arg, &cut)) {
                tool_warn("Invalid number: %s", marked(o.arg));
                return 1;
            }
            if (!cut.size && cut.how && strchr("/%", cut.how)) {
                tool_warn("division by zero");
                return 1;
            }
            sized = true;
        }
        if (c == 'r') {
            if (stat(o.arg, &st)) {
                warn_cannot("stat", o.arg);
                return 1;
            }
            if (!sized) cut.size = st.st_size;
            sized = true;
        }
    }
    if (c != OPT_END) return opts_status(c);
    if (!sized) return usage_error("you must specify either %s or %s", marked("--size"), marked("--reference"));
    if (!o.operands) return usage_error("missing file operand");
    cut.no_create = no_create;
    for (int i = 1; i <= o.operands; i++)
        if (!truncate_one(&cut, argv[i])) status = 1;
    return status;
}
