#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_text.h"

struct head {
    int64_t count;
    int bytes, all_but, quiet, verbose;
    char delim;
    struct out out;
};

static void head_lines(struct head *h, struct reader *r) {
    char *line;
    size_t n;
    for (int64_t i = 0; i < h->count && !h->out.err && (n = reader_line(r, &line)) > 0; i++) out_put(&h->out, line, n);
}

static void head_bytes(struct head *h, struct reader *r) {
    int64_t left = h->count;
    while (left > 0 && !h->out.err) {
        if (r->beg == r->end) {
            ssize_t n = input_read(r->fd, r->buf, left < (int64_t)r->cap ? (size_t)left : r->cap);
            if (n <= 0) break;
            r->beg = 0;
            r->end = (size_t)n;
        }
        size_t n = r->end - r->beg;
        out_put(&h->out, r->buf + r->beg, n);
        left -= (int64_t)n;
        r->beg = r->end = 0;
    }
}

/* All but the last `count` lines or bytes. */
static int head_all_but(struct head *h, struct reader *r) {
    char *data;
    ssize_t n = input_slurp(r->fd, &data);
    if (n < 0) return -1;
    size_t end = (size_t)n;
    if (h->bytes) {
        end = (int64_t)end > h->count ? end - (size_t)h->count : 0;
    } else {
        if (end > 0 && data[end - 1] != h->delim && h->count > 0) {
            while (end > 0 && data[end - 1] != h->delim) end--;
            h->count--;
        }
        int64_t left = h->count;
        for (; left > 0 && end > 0; left--) {
            end--;
            while (end > 0 && data[end - 1] != h->delim) end--;
        }
    }
    out_put(&h->out, data, end);
    free(data);
    return 0;
}

static int head_file(struct head *h, const char *name, int first) {
    struct reader r;
    const char *label = strcmp(name, "-") ? name : "standard input";
    int fd = input_open(name);
    if (fd < 0) {
        tool_warn("cannot open '%s' for reading: %s", name, strerror(errno));
        return 1;
    }
    reader_start(&r, fd, h->delim);
    if (h->verbose) out_format(&h->out, "%s==> %s <==\n", first ? "" : "\n", label);
    int64_t count = h->count;
    if (h->all_but) {
        if (head_all_but(h, &r)) r.err = errno;
    } else if (h->bytes) {
        head_bytes(h, &r);
    } else {
        head_lines(h, &r);
    }
    h->count = count;
    return reader_close(&r, label) ? 1 : 0;
}

int tool_head(int argc, char **argv) {
    static const struct longopt longs[] = {{"lines", 1, 'n'}, {"bytes", 1, 'c'}, {"quiet", 0, 'q'},
        {"silent", 0, 'q'}, {"verbose", 0, 'v'}, {"zero-terminated", 0, 'z'}, {0}};
    struct head h = {.count = 10, .delim = '\n'};
    struct opts o = opts_start(argc, argv);
    int c, status = 0;
    while ((c = opts_next(&o, "n:c:qvz0123456789", longs)) != OPT_END) switch (c) {
        case 'n': case 'c':
            h.bytes = c == 'c';
            h.all_but = *o.arg == '-';
            if (size_parse(o.arg + (*o.arg == '-' || *o.arg == '+'), &h.count)) {
                tool_warn("invalid number of %s: '%s'", h.bytes ? "bytes" : "lines", o.arg + h.all_but);
                return 1;
            }
            break;
        case 'q': h.quiet = 1, h.verbose = 0; break;
        case 'v': h.verbose = 1, h.quiet = 0; break;
        case 'z': h.delim = '\0'; break;
        case OPT_HELP: return 0;
        case OPT_BAD: return 1;
        default: /* -NUM */
            h.count = c - '0';
            h.bytes = h.all_but = 0;
            while (*o.cluster >= '0' && *o.cluster <= '9') h.count = h.count * 10 + (*o.cluster++ - '0');
        }
    if (o.operands > 1 && !h.quiet) h.verbose = 1;
    out_start(&h.out, STDOUT_FILENO, 0);
    for (int i = 1; (i <= o.operands || (i == 1 && !o.operands)) && !h.out.err; i++)
        status |= head_file(&h, o.operands ? argv[i] : "-", i == 1);
    return out_end(&h.out, status);
}
