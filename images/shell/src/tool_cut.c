#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_text.h"

struct range {
    size_t lo, hi;
};
struct cut {
    struct range *ranges;
    size_t n;
    int by_field, only_delimited, complement;
    char delim, line_end;
    const char *out_delim;
    size_t out_delim_len;
    struct out out;
};

static int by_start(const void *a, const void *b) {
    const struct range *x = a, *y = b;
    return (x->lo > y->lo) - (x->lo < y->lo);
}

static const char *range_end(const char *s, size_t *v, const char *what, const char *whole) {
    for (*v = 0; *s >= '0' && *s <= '9'; s++) {
        if (*v > (SIZE_MAX - 9) / 10) usage_die(1, "%s number '%s' is too large", what, whole);
        *v = *v * 10 + (size_t)(*s - '0');
    }
    return s;
}

static void ranges_parse(struct cut *c, const char *list) {
    const char *what = c->by_field ? "field" : "byte/character";
    const char *s = list;
    for (;;) {
        struct range r = {1, SIZE_MAX};
        const char *start = s;
        s = range_end(s, &r.lo, what, list);
        int has_lo = s > start;
        if (*s == '-') {
            const char *at = ++s;
            s = range_end(s, &r.hi, what, list);
            int has_hi = s > at;
            if (!has_lo && !has_hi) usage_die(1, "invalid range with no endpoint: -");
            if (!has_lo) r.lo = 1;
            if (!has_hi) r.hi = SIZE_MAX;
            if (r.lo > r.hi && r.lo > 0) usage_die(1, "invalid decreasing range");
        } else {
            if (!has_lo && !*list) usage_die(1, c->by_field ? "fields are numbered from 1" : "byte/character positions are numbered from 1");
            r.hi = r.lo;
        }
        if (*s && *s != ',' && *s != ' ' && *s != '\t') usage_die(1, "invalid %s '%s'", c->by_field ? "field value" : "byte/character position", s);
        if (r.lo == 0) usage_die(1, c->by_field ? "fields are numbered from 1" : "byte/character positions are numbered from 1");
        c->ranges = xrealloc(c->ranges, sizeof *c->ranges * (c->n + 1));
        c->ranges[c->n++] = r;
        if (!*s) break;
        s++;
    }
    qsort(c->ranges, c->n, sizeof *c->ranges, by_start);
    size_t kept = 0;
    for (size_t i = 1; i < c->n; i++) {
        struct range *last = &c->ranges[kept];
        /* Ranges that overlap become one; neighbours stay apart, for --output-delimiter's sake. */
        if (c->ranges[i].lo <= last->hi) {
            if (c->ranges[i].hi > last->hi) last->hi = c->ranges[i].hi;
        } else {
            c->ranges[++kept] = c->ranges[i];
        }
    }
    c->n = kept + 1;
}

static void ranges_complement(struct cut *c) {
    struct range *made = xmalloc(sizeof *made * (c->n + 1));
    size_t n = 0, next = 1;
    for (size_t i = 0; i < c->n; i++) {
        if (c->ranges[i].lo > next) made[n++] = (struct range){next, c->ranges[i].lo - 1};
        if (c->ranges[i].hi == SIZE_MAX) goto done;
        next = c->ranges[i].hi + 1;
    }
    made[n++] = (struct range){next, SIZE_MAX};
done:
    free(c->ranges);
    c->ranges = made;
    c->n = n;
}

static void cut_bytes(struct cut *c, const char *line, size_t n) {
    for (size_t i = 0; i < c->n && c->ranges[i].lo <= n; i++) {
        size_t hi = c->ranges[i].hi < n ? c->ranges[i].hi : n;
        if (i > 0 && c->out_delim) out_put(&c->out, c->out_delim, c->out_delim_len);
        out_put(&c->out, line + c->ranges[i].lo - 1, hi - c->ranges[i].lo + 1);
    }
}

static void cut_fields(struct cut *c, const char *line, size_t n) {
    const char *p = line, *end = line + n;
    size_t field = 1, at = 0;
    for (int written = 0; at < c->n; field++) {
        const char *stop = memchr(p, c->delim, (size_t)(end - p));
        if (!stop) stop = end;
        if (field >= c->ranges[at].lo) {
            if (written++) out_put(&c->out, c->out_delim, c->out_delim_len);
            out_put(&c->out, p, (size_t)(stop - p));
        }
        if (field >= c->ranges[at].hi) at++;
        if (stop == end) break;
        p = stop + 1;
    }
}

static void cut_line(struct cut *c, const char *line, size_t n) {
    if (!c->by_field) {
        cut_bytes(c, line, n);
    } else if (!memchr(line, c->delim, n)) {
        if (c->only_delimited) return;
        out_put(&c->out, line, n);
    } else {
        cut_fields(c, line, n);
    }
    out_byte(&c->out, c->line_end);
}

int tool_cut(int argc, char **argv) {
    static const struct longopt longs[] = {{"bytes", 1, 'b'}, {"characters", 1, 'c'}, {"fields", 1, 'f'},
        {"delimiter", 1, 'd'}, {"only-delimited", 0, 's'}, {"complement", 0, 'C'}, {"output-delimiter", 1, 'O'},
        {"zero-terminated", 0, 'z'}, {0}};
    struct cut cut = {.delim = '\t', .line_end = '\n'};
    struct opts o = opts_start(argc, argv);
    const char *list = NULL;
    int c, status = 0, delim_given = 0;
    while ((c = opts_next(&o, "b:c:f:d:nsz", longs)) != OPT_END) switch (c) {
        case 'b': case 'c': case 'f':
            if (list) usage_die(1, "only one list may be specified");
            list = o.arg;
            cut.by_field = c == 'f';
            break;
        case 'd':
            if (*o.arg && o.arg[1]) usage_die(1, "the delimiter must be a single character");
            cut.delim = *o.arg;
            delim_given = 1;
            break;
        case 's': cut.only_delimited = 1; break;
        case 'C': cut.complement = 1; break;
        case 'O':
            cut.out_delim = o.arg;
            cut.out_delim_len = *o.arg ? strlen(o.arg) : 1;
            break;
        case 'z': cut.line_end = '\0'; break;
        case 'n': break;
        default: return c == OPT_HELP ? 0 : 1;
        }
    if (!list) usage_die(1, "you must specify a list of bytes, characters, or fields");
    if (delim_given && !cut.by_field) usage_die(1, "an input delimiter may be specified only when operating on fields");
    if (cut.only_delimited && !cut.by_field)
        usage_die(1, "suppressing non-delimited lines makes sense\n\tonly when operating on fields");
    ranges_parse(&cut, list);
    if (cut.complement) ranges_complement(&cut);
    if (!cut.out_delim && cut.by_field) cut.out_delim = &cut.delim, cut.out_delim_len = 1;
    out_start(&cut.out, STDOUT_FILENO, 1);
    for (int i = 1; i <= o.operands || (i == 1 && !o.operands); i++) {
        const char *name = o.operands ? argv[i] : "-";
        struct reader r;
        char *line;
        size_t n;
        if (reader_open(&r, name, cut.line_end)) {
            status = 1;
            continue;
        }
        while ((n = reader_line(&r, &line)) > 0) cut_line(&cut, line, n - (line[n - 1] == cut.line_end));
        if (reader_close(&r, name)) status = 1;
    }
    return out_end(&cut.out, status);
}
