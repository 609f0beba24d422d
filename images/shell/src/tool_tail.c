#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_text.h"

struct tail {
    int64_t count;
    int bytes, from_start, quiet, verbose, follow;
    useconds_t pause;
    char delim;
    struct out out;
};

/* The input so far that may still be among the last `count` units. */
struct chunk {
    struct chunk *next;
    size_t len;
    int64_t units;
    char data[IO_CHUNK];
};

static int64_t count_units(const struct tail *t, const char *p, size_t n) {
    if (t->bytes) return (int64_t)n;
    int64_t units = 0;
    for (const char *end = p + n; p < end && (p = memchr(p, t->delim, (size_t)(end - p))); p++) units++;
    return units;
}

/* How many bytes at the front of the chunk to leave out, `surplus` units being too many. */
static size_t skip_units(const struct tail *t, const struct chunk *c, int64_t surplus) {
    if (t->bytes) return (size_t)surplus;
    const char *p = c->data;
    for (; surplus > 0; surplus--) p = (char *)memchr(p, t->delim, (size_t)(c->data + c->len - p)) + 1;
    return (size_t)(p - c->data);
}

static int tail_end(struct tail *t, int fd) {
    struct chunk *first = NULL, *last = NULL, *spare = NULL;
    int64_t units = 0;
    ssize_t n;
    for (;;) {
        struct chunk *c = last;
        if (!c || c->len == IO_CHUNK) {
            c = spare ? spare : xmalloc(sizeof *c);
            spare = NULL;
            c->next = NULL;
            c->len = 0;
            c->units = 0;
            if (last) last->next = c;
            else first = c;
            last = c;
        }
        n = input_read(fd, c->data + c->len, IO_CHUNK - c->len);
        if (n <= 0) break;
        int64_t more = count_units(t, c->data + c->len, (size_t)n);
        c->len += (size_t)n;
        c->units += more;
        units += more;
        /* One unit more than asked for: the last line may lack its delimiter. */
        while (first != last && units - first->units > t->count) {
            struct chunk *old = first;
            units -= old->units;
            first = old->next;
            free(spare);
            spare = old;
        }
    }
    free(spare);
    const struct chunk *end = last;
    if (end && end->len == 0)
        for (end = first; end->next && end->next != last; end = end->next) {}
    if (end && end->len && !t->bytes && end->data[end->len - 1] != t->delim) units++;
    int64_t surplus = units - t->count;
    while (first) {
        struct chunk *c = first;
        size_t skip = 0;
        if (surplus > 0) {
            skip = surplus > c->units ? c->len : skip_units(t, c, surplus);
            surplus -= c->units;
        }
        out_put(&t->out, c->data + skip, c->len - skip);
        first = c->next;
        free(c);
    }
    return n < 0 ? -1 : 0;
}

static int tail_from(struct tail *t, int fd) {
    char *buf = xmalloc(IO_CHUNK);
    int64_t skip = t->count > 0 ? t->count - 1 : 0;
    ssize_t n;
    while ((n = input_read(fd, buf, IO_CHUNK)) > 0 && !t->out.err) {
        size_t at = 0;
        if (t->bytes && skip > 0) {
            at = skip < n ? (size_t)skip : (size_t)n;
            skip -= (int64_t)at;
        }
        while (!t->bytes && skip > 0 && at < (size_t)n) {
            char *hit = memchr(buf + at, t->delim, (size_t)n - at);
            at = hit ? (size_t)(hit + 1 - buf) : (size_t)n;
            if (hit) skip--;
        }
        out_put(&t->out, buf + at, (size_t)n - at);
    }
    free(buf);
    return n < 0 ? -1 : 0;
}

/* Until the process is ended; a pipe that has no writer any more ends it too. */
static void tail_follow(struct tail *t, int fd) {
    char *buf = xmalloc(IO_CHUNK);
    if (lseek(fd, 0, SEEK_CUR) < 0) return;
    for (;;) {
        ssize_t n = input_read(fd, buf, IO_CHUNK);
        if (n < 0) return;
        if (n == 0) usleep(t->pause);
        out_put(&t->out, buf, (size_t)n);
        out_flush(&t->out);
    }
}

static int tail_file(struct tail *t, const char *name, int first, int last) {
    const char *label = strcmp(name, "-") ? name : "standard input";
    int fd = input_open(name), status = 0;
    if (fd < 0) {
        tool_warn("cannot open '%s' for reading: %s", name, strerror(errno));
        return 1;
    }
    if (t->verbose) out_format(&t->out, "%s==> %s <==\n", first ? "" : "\n", label);
    if ((t->from_start ? tail_from : tail_end)(t, fd)) {
        tool_warn("error reading '%s': %s", label, strerror(errno));
        status = 1;
    }
    if (t->follow && last && !status) {
        out_flush(&t->out);
        tail_follow(t, fd);
    }
    input_close(fd);
    return status;
}

static int tail_count(struct tail *t, int kind, const char *arg) {
    t->bytes = kind == 'c';
    t->from_start = *arg == '+';
    if (!size_parse(arg + (*arg == '-' || *arg == '+'), &t->count)) return 0;
    tool_warn("invalid number of %s: '%s'", t->bytes ? "bytes" : "lines", arg);
    return -1;
}

int tool_tail(int argc, char **argv) {
    static const struct longopt longs[] = {{"lines", 1, 'n'}, {"bytes", 1, 'c'}, {"quiet", 0, 'q'},
        {"silent", 0, 'q'}, {"verbose", 0, 'v'}, {"zero-terminated", 0, 'z'}, {"follow", 2, 'f'},
        {"retry", 0, 'r'}, {"sleep-interval", 1, 's'}, {0}};
    struct tail t = {.count = 10, .delim = '\n', .pause = 200000};
    struct opts o = opts_start(argc, argv);
    int c, status = 0;
    while ((c = opts_next(&o, "n:c:qvzfFs:0123456789", longs)) != OPT_END) switch (c) {
        case 'n': case 'c':
            if (tail_count(&t, c, o.arg)) return 1;
            break;
        case 'q': t.quiet = 1, t.verbose = 0; break;
        case 'v': t.verbose = 1, t.quiet = 0; break;
        case 'z': t.delim = '\0'; break;
        case 'f': case 'F': t.follow = 1; break;
        case 'r': break;
        case 's': t.pause = (useconds_t)(strtod(o.arg, NULL) * 1e6); break;
        case OPT_HELP: return 0;
        case OPT_BAD: return 1;
        default: /* -NUM */
            t.count = c - '0';
            t.bytes = t.from_start = 0;
            while (*o.cluster >= '0' && *o.cluster <= '9') t.count = t.count * 10 + (*o.cluster++ - '0');
        }
    if (o.operands > 1 && !t.quiet) t.verbose = 1;
    out_start(&t.out, STDOUT_FILENO, 1);
    int files = o.operands ? o.operands : 1;
    for (int i = 1; i <= files; i++) status |= tail_file(&t, o.operands ? argv[i] : "-", i == 1, i == files);
    return out_end(&t.out, status);
}
