/* fold; expand and unexpand, which count columns the same way */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_text.h"

static size_t column_after(size_t column, int c, int bytes) {
    if (bytes) return column + 1;
    if (c == '\b') return column ? column - 1 : 0;
    if (c == '\r') return 0;
    if (c == '\t') return column + 8 - column % 8;
    return column + 1;
}

static void fold_line(struct out *out, const char *p, size_t n, size_t width, int bytes, int at_spaces) {
    size_t start = 0, column = 0, i = 0;
    while (i < n) {
        size_t next = column_after(column, (unsigned char)p[i], bytes);
        if (next <= width || i == start) {
            column = next;
            i++;
            if (next <= width || i < n) {
                if (next <= width) continue;
            }
            if (i >= n) break;
        }
        size_t cut = i;
        if (at_spaces) {
            size_t s = i;
            while (s > start && p[s - 1] != ' ' && p[s - 1] != '\t') s--;
            if (s > start) cut = s;
        }
        out_put(out, p + start, cut - start);
        out_byte(out, '\n');
        start = i = cut;
        column = 0;
    }
    out_put(out, p + start, n - start);
}

struct fold {
    size_t width;
    int bytes, spaces;
    struct out out;
};

static void put_folded(void *context, const char *line, size_t n, int ended) {
    struct fold *f = context;
    fold_line(&f->out, line, n, f->width, f->bytes, f->spaces);
    if (ended) out_byte(&f->out, '\n');
}

int tool_fold(int argc, char **argv) {
    static const struct longopt longs[] = {{"bytes", 0, 'b'}, {"spaces", 0, 's'}, {"width", 1, 'w'}, {0}};
    struct opts o = opts_start(argc, argv);
    int64_t width = 80;
    struct fold f = {0};
    int c;
    while ((c = opts_next(&o, "bsw:0123456789", longs)) != OPT_END) switch (c) {
        case 'b': f.bytes = 1; break;
        case 's': f.spaces = 1; break;
        case 'w':
            if (size_parse(o.arg, &width) || width < 1) tool_die(1, "invalid number of columns: '%s'", o.arg);
            break;
        case OPT_HELP: return 0;
        case OPT_BAD: return 1;
        default:
            width = c - '0';
            while (*o.cluster >= '0' && *o.cluster <= '9') width = width * 10 + (*o.cluster++ - '0');
        }
    f.width = (size_t)width;
    out_start(&f.out, STDOUT_FILENO, 1);
    return out_end(&f.out, lines_each(&o, put_folded, &f));
}

struct tabs {
    size_t *stops, n;
    size_t step;
};

static void tabs_parse(struct tabs *t, const char *s) {
    while (*s) {
        char *end;
        unsigned long v = strtoul(s, &end, 10);
        if (end == s || v == 0) tool_die(1, end == s ? "tab size contains invalid character(s): '%s'" : "tab size cannot be 0", s);
        t->stops = xrealloc(t->stops, sizeof *t->stops * (t->n + 1));
        if (t->n && t->stops[t->n - 1] >= v) tool_die(1, "tab sizes must be ascending");
        t->stops[t->n++] = v;
        s = end;
        while (*s == ',' || *s == ' ') s++;
    }
    if (t->n == 1) t->step = t->stops[0], t->n = 0;
}

/* The next stop behind the column; 0 when there is none. */
static size_t tab_stop(const struct tabs *t, size_t column) {
    if (!t->n) return column + t->step - column % t->step;
    for (size_t i = 0; i < t->n; i++)
        if (t->stops[i] > column) return t->stops[i];
    return 0;
}

static void expand_line(struct out *out, const struct tabs *t, const char *p, size_t n, int initial) {
    size_t column = 0;
    int leading = 1;
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\t' && (leading || !initial)) {
            size_t to = tab_stop(t, column);
            do out_byte(out, ' ');
            while (++column < to);
            continue;
        }
        if (p[i] != ' ' && p[i] != '\t') leading = 0;
        if (p[i] == '\b') column -= column > 0;
        else column++;
        out_byte(out, p[i]);
    }
}

static void unexpand_line(struct out *out, const struct tabs *t, const char *p, size_t n, int all) {
    size_t column = 0, i = 0;
    while (i < n) {
        size_t start = i, from = column, at = column;
        while (i < n && (p[i] == ' ' || p[i] == '\t')) {
            size_t to = tab_stop(t, at);
            at = p[i] == '\t' && to ? to : at + 1;
            i++;
        }
        if (i > start) {
            size_t stop;
            while ((stop = tab_stop(t, from)) && stop <= at && !(stop == from + 1 && stop == at && i - start == 1 && p[start] == ' ')) {
                out_byte(out, '\t');
                from = stop;
            }
            for (; from < at; from++) out_byte(out, ' ');
            column = at;
        }
        if (!all) {
            out_put(out, p + i, n - i);
            return;
        }
        while (i < n && p[i] != ' ' && p[i] != '\t') {
            if (p[i] == '\b') column -= column > 0;
            else column++;
            out_byte(out, p[i++]);
        }
    }
}

struct expand {
    struct tabs tabs;
    int un, initial, all;
    struct out out;
};

static void put_expanded(void *context, const char *line, size_t n, int ended) {
    struct expand *e = context;
    if (e->un) unexpand_line(&e->out, &e->tabs, line, n, e->all);
    else expand_line(&e->out, &e->tabs, line, n, e->initial);
    if (ended) out_byte(&e->out, '\n');
}

static int expand_main(int argc, char **argv, int un) {
    static const struct longopt longs[] = {{"initial", 0, 'i'}, {"tabs", 1, 't'}, {"all", 0, 'a'}, {"first-only", 0, 'F'}, {0}};
    struct opts o = opts_start(argc, argv);
    struct expand e = {.tabs = {.step = 8}, .un = un};
    int c;
    while ((c = opts_next(&o, un ? "at:" : "it:", longs)) != OPT_END) switch (c) {
        case 'i': e.initial = 1; break;
        case 'a': e.all = 1; break;
        case 'F': e.all = 0; break;
        case 't':
            tabs_parse(&e.tabs, o.arg);
            e.all = 1;
            break;
        default: return c == OPT_HELP ? 0 : 1;
        }
    out_start(&e.out, STDOUT_FILENO, 1);
    return out_end(&e.out, lines_each(&o, put_expanded, &e));
}

int tool_expand(int argc, char **argv) { return expand_main(argc, argv, 0); }
int tool_unexpand(int argc, char **argv) { return expand_main(argc, argv, 1); }
