#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_sed.h"

void text_add(struct text *t, const char *p, size_t n) {
    if (t->len + n + 1 > t->cap) {
        size_t cap = t->cap ? t->cap : 128;
        while (cap < t->len + n + 1) cap *= 2;
        t->p = xrealloc(t->p, t->cap = cap);
    }
    if (n) memcpy(t->p + t->len, p, n);
    t->len += n;
    t->p[t->len] = '\0';
}

static void text_byte(struct text *t, int c) {
    char byte = (char)c;
    text_add(t, &byte, 1);
}

void sed_bad(const struct sed_parser *ps, const char *fmt, ...) {
    char why[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    size_t i = ps->n_fragments - 1;
    while (i > 0 && ps->p <= ps->starts[i]) i--;
    const struct fragment *f = &ps->fragments[i];
    if (!f->file) tool_die(1, "-e expression #%d, char %d: %s", f->number, (int)(ps->p - ps->starts[i]), why);
    int line = 1;
    for (const char *p = ps->starts[i]; p < ps->p && p < ps->end; p++) line += *p == '\n' && p + 1 < ps->p;
    tool_die(1, "file %s line %d: %s", f->file, line, why);
}

struct sed_output *sed_output_find(struct sed *sed, const char *name) {
    struct sed_output **o = &sed->script.outputs;
    int fd;
    for (; *o; o = &(*o)->next)
        if (!strcmp((*o)->name, name)) return *o;
    if (!strcmp(name, "/dev/stdout")) fd = STDOUT_FILENO;
    else if (!strcmp(name, "/dev/stderr")) fd = STDERR_FILENO;
    else if ((fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0666)) < 0)
        tool_die(4, "couldn't open file %s: %s", name, strerror(errno));
    *o = xmalloc(sizeof **o);
    **o = (struct sed_output){.name = name};
    out_start(&(*o)->out, fd, 1);
    return *o;
}

static int peek(const struct sed_parser *ps) { return ps->p < ps->end ? (unsigned char)*ps->p : -1; }

static void skip_blanks(struct sed_parser *ps) {
    while (ps->p < ps->end && (*ps->p == ' ' || *ps->p == '\t')) ps->p++;
}

static int64_t take_number(struct sed_parser *ps) {
    int64_t v = 0;
    for (; peek(ps) >= '0' && peek(ps) <= '9'; ps->p++)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *ps->p - '0', &v)) v = INT64_MAX;
    return v;
}

/* --- escapes, regular expressions --- */
int sed_escape(const char **p, const char *end) {
    static const char from[] = "afnrtv", to[] = "\a\f\n\r\t\v";
    const char *s = *p;
    if (s >= end || !*s) return -1;
    const char *hit = strchr(from, *s);
    if (hit) {
        *p = s + 1;
        return (unsigned char)to[hit - from];
    }
    if (*s == 'c' && s + 1 < end) {
        *p = s + 2;
        return (s[1] >= 'a' && s[1] <= 'z' ? s[1] - 32 : s[1]) ^ 0x40;
    }
    int base = *s == 'x' ? 16 : *s == 'o' ? 8 : *s == 'd' ? 10 : 0, most = base == 16 ? 2 : 3, v = 0, n = 0;
    if (!base) return -1;
    for (s++; n < most && s < end; n++, s++) {
        int d = *s >= '0' && *s <= '9' ? *s - '0' : (*s | 32) >= 'a' && (*s | 32) <= 'f' ? (*s | 32) - 'a' + 10 : 99;
        if (d >= base) break;
        v = v * base + d;
    }
    if (!n) return -1;
    *p = s;
    return v & 0xFF;
}

/* Behind '[' of a bracket expression: where it ends, or NULL. */
static const char *bracket_end(const char *p, const char *end) {
    if (p < end && *p == '^') p++;
    if (p < end && *p == ']') p++;
    for (; p < end && *p != '\n'; p++) {
        if (*p == ']') return p;
        if (*p != '[' || p + 1 >= end || !strchr(":.=", p[1])) continue;
        const char *q = p + 2;
        while (q + 1 < end && *q != '\n' && !(*q == p[1] && q[1] == ']')) q++;
        if (q + 1 < end && *q != '\n') p = q + 1;
    }
    return NULL;
}

int sed_delimited(struct sed_parser *ps, char delim, int is_regex, struct text *t) {
    *t = (struct text){0};
    text_add(t, "", 0);
    for (; ps->p < ps->end; ps->p++) {
        const char *close;
        if (*ps->p == delim) {
            ps->p++;
            return 1;
        }
        if (*ps->p == '\n' && is_regex) return 0;
        if (*ps->p == '[' && is_regex && (close = bracket_end(ps->p + 1, ps->end))) {
            text_add(t, ps->p, (size_t)(close - ps->p) + 1); /* the delimiter is plain in there */
            ps->p = close;
            continue;
        }
        if (*ps->p != '\\') {
            text_byte(t, *ps->p);
            continue;
        }
        if (++ps->p >= ps->end) return 0;
        if (*ps->p != delim) text_byte(t, '\\');
        else if (!is_regex && delim == '&') text_byte(t, '\\');
        text_byte(t, *ps->p);
    }
    return 0;
}

struct rx *sed_regex(struct sed_parser *ps, const struct text *t, int flags) {
    const char *error;
    if (t->len == 0) {
        if (flags) sed_bad(ps, "no previous regular expression");
        return NULL;
    }
    struct rx *rx = rx_compile(t->p, t->len, flags | RX_ESCAPES | (ps->sed->ere ? RX_ERE : 0), &error);
    if (!rx) sed_bad(ps, "%s", error);
    return rx;
}

/* --- addresses --- */
static int parse_address(struct sed_parser *ps, struct address *a) {
    int c = peek(ps);
    *a = (struct address){0};
    if (c >= '0' && c <= '9') {
        a->n = take_number(ps);
        a->kind = ADDR_LINE;
        skip_blanks(ps);
        if (peek(ps) == '~') {
            ps->p++;
            a->step = take_number(ps);
            a->kind = a->step ? ADDR_STEP : ADDR_LINE;
        } else if (a->n == 0) {
            a->kind = ADDR_ZERO;
        }
        return 1;
    }
    if (c == '$') {
        ps->p++;
        a->kind = ADDR_LAST;
        return 1;
    }
    if (c == '+' || c == '~') {
        ps->p++;
        a->kind = c == '+' ? ADDR_PLUS : ADDR_MULTIPLE;
        a->n = take_number(ps);
        return 1;
    }
    if (c != '/' && c != '\\') return 0;
    ps->p++;
    if (c == '\\') {
        if (ps->p >= ps->end) sed_bad(ps, "unexpected end of script");
        c = *ps->p++;
    }
    struct text t;
    int flags = 0;
    if (!sed_delimited(ps, (char)c, 1, &t)) sed_bad(ps, "unterminated address regex");
    for (;; ps->p++) {
        if (peek(ps) == 'I') flags |= RX_ICASE;
        else if (peek(ps) == 'M') flags |= RX_LINES;
        else break;
    }
    a->kind = ADDR_REGEX;
    a->rx = sed_regex(ps, &t, flags);
    free(t.p);
    return 1;
}

static void parse_addresses(struct sed_parser *ps, struct command *c) {
    if (parse_address(ps, &c->a1)) {
        if (c->a1.kind == ADDR_PLUS || c->a1.kind == ADDR_MULTIPLE) sed_bad(ps, "unknown command: `%c'", c->a1.kind == ADDR_PLUS ? '+' : '~');
        skip_blanks(ps);
        if (peek(ps) == ',') {
            ps->p++;
            skip_blanks(ps);
            if (!parse_address(ps, &c->a2)) {
                ps->p++;
                sed_bad(ps, "unexpected `,'");
            }
            if (c->a2.kind == ADDR_ZERO) c->a2.kind = ADDR_LINE;
            if (c->a2.kind == ADDR_STEP) c->a2.kind = ADDR_LINE;
        }
        if (c->a1.kind == ADDR_ZERO && c->a2.kind != ADDR_REGEX) {
            ps->p++;
            sed_bad(ps, "invalid usage of line address 0");
        }
        if (c->a1.kind == ADDR_ZERO) c->state = RANGE_ON;
    }
    skip_blanks(ps);
    while (peek(ps) == '!') {
        ps->p++;
        if (c->negate++) sed_bad(ps, "multiple `!'s");
        skip_blanks(ps);
    }
}

/* --- what follows a command --- */
static void command_end(struct sed_parser *ps) {
    skip_blanks(ps);
    int c = peek(ps);
    if (c == -1 || c == '}' || c == '#') return;
    ps->p++;
    if (c != '\n' && c != ';') sed_bad(ps, "extra characters after command");
}

char *sed_filename(struct sed_parser *ps) {
    skip_blanks(ps);
    const char *start = ps->p;
    while (ps->p < ps->end && *ps->p != '\n') ps->p++;
    if (ps->p == start) sed_bad(ps, "missing filename in r/R/w/W commands");
    size_t n = (size_t)(ps->p - start);
    char *name = xmalloc(n + 1);
    memcpy(name, start, n);
    name[n] = '\0';
    return name;
}

static void parse_label(struct sed_parser *ps, struct command *c) {
    skip_blanks(ps);
    const char *start = ps->p;
    while (ps->p < ps->end && !strchr(c->op == ':' ? " \t\n;" : " \t\n;}", *ps->p)) ps->p++;
    text_add(&c->text, start, (size_t)(ps->p - start));
    if (c->op != ':') {
        command_end(ps);
        return;
    }
    if (!c->text.len) sed_bad(ps, "\":\" lacks a label");
    for (size_t i = 0; i < c->text.len; i++)
        if (c->text.p[i] == '}') {
            ps->p = start + i + 1;
            sed_bad(ps, "unexpected `}'");
        }
    if (c->a1.kind != ADDR_NONE) sed_bad(ps, ": doesn't want any addresses");
    command_end(ps);
}

/* The text of a, i, c: "a\" newline text, or GNU's "a text". */
static void parse_text(struct sed_parser *ps, struct command *c) {
    skip_blanks(ps);
    if (ps->p >= ps->end) sed_bad(ps, "expected \\ after `a', `c' or `i'");
    if (*ps->p == '\\') {
        const char *q = ps->p + 1;
        while (q < ps->end && (*q == ' ' || *q == '\t')) q++;
        if (q < ps->end && *q == '\n') ps->p = q + 1;
        else if (q >= ps->end) ps->p = q;
        else ps->p++; /* keeps the blanks in front of the text */
    }
    int ended = 0;
    while (ps->p < ps->end && !ended) {
        char ch = *ps->p++;
        if (ch == '\n') {
            ended = 1;
        } else if (ch == '\\' && ps->p < ps->end) {
            const char *at = ps->p;
            int v = c->text.len ? sed_escape(&at, ps->end) : -1; /* not the first: "a\text" */
            if (v >= 0) ps->p = at, text_byte(&c->text, v);
            else text_byte(&c->text, *ps->p++);
        } else if (ch != '\\') {
            text_byte(&c->text, ch);
        }
    }
    if (c->text.len || ended) text_byte(&c->text, '\n');
}

static void parse_number(struct sed_parser *ps, struct command *c) {
    skip_blanks(ps);
    c->number = peek(ps) >= '0' && peek(ps) <= '9' ? take_number(ps) : -1;
    command_end(ps);
}

static void parse_body(struct sed_parser *ps, struct command *c) {
    int two = c->a2.kind != ADDR_NONE;
    switch (c->op) {
    case '{': break;
    case '=': case 'd': case 'D': case 'g': case 'G': case 'h': case 'H': case 'n': case 'N': case 'p': case 'P': case 'x':
    case 'z': case 'F': command_end(ps); break;
    case 'a': case 'i': case 'c': parse_text(ps, c); break;
    case 'q': case 'Q':
        if (two) sed_bad(ps, "command only uses one address");
        parse_number(ps, c);
        break;
    case 'l': case 'L': parse_number(ps, c); break;
    case ':': case 'b': case 't': case 'T': parse_label(ps, c); break;
    case 'r': case 'R': {
        char *name = sed_filename(ps);
        text_add(&c->text, name, strlen(name));
        free(name);
        break;
    }
    case 'w': case 'W': c->write = sed_output_find(ps->sed, sed_filename(ps)); break;
    case 's': sed_parse_s(ps, c); command_end(ps); break;
    case 'y': sed_parse_y(ps, c); command_end(ps); break;
    case 'e': sed_bad(ps, "the e command is not available in the WASI lane");
    case 'v':
        while (ps->p < ps->end && *ps->p != '\n' && *ps->p != ';') ps->p++;
        break;
    default: sed_bad(ps, "unknown command: `%c'", c->op);
    }
}

static struct command *command_add(struct script *s) {
    if (s->n == s->cap) s->v = xrealloc(s->v, sizeof *s->v * (s->cap = s->cap ? s->cap * 2 : 16));
    s->v[s->n] = (struct command){0};
    return &s->v[s->n++];
}

static void resolve_labels(struct script *s) {
    for (size_t i = 0; i < s->n; i++) {
        struct command *c = &s->v[i];
        if (c->op != 'b' && c->op != 't' && c->op != 'T') continue;
        c->target = s->n;
        if (!c->text.len) continue;
        size_t k = 0;
        while (k < s->n && !(s->v[k].op == ':' && !strcmp(s->v[k].text.p, c->text.p))) k++;
        if (k == s->n) tool_die(4, "can't find label for jump to `%s'", c->text.p);
        c->target = k;
    }
}

static void parse_commands(struct sed_parser *ps) {
    struct script *s = &ps->sed->script;
    size_t open[256], depth = 0;
    for (;;) {
        while (ps->p < ps->end && strchr(" \t\n;", *ps->p)) ps->p++;
        if (ps->p >= ps->end) break;
        if (*ps->p == '#') {
            while (ps->p < ps->end && *ps->p != '\n') ps->p++;
            continue;
        }
        struct command *c = command_add(s);
        parse_addresses(ps, c);
        if (ps->p >= ps->end) sed_bad(ps, "missing command");
        c->op = *ps->p++;
        if (c->op == '}') {
            if (!depth) sed_bad(ps, "unexpected `}'");
            if (c->a1.kind != ADDR_NONE) sed_bad(ps, "} doesn't want any addresses");
            s->v[open[--depth]].target = s->n;
            command_end(ps);
            continue;
        }
        if (c->op == '{') {
            if (depth == sizeof open / sizeof *open) sed_bad(ps, "too many `{'s");
            open[depth++] = s->n - 1;
        }
        parse_body(ps, c);
    }
    if (depth) {
        ps->p = ps->starts[0];
        sed_bad(ps, "unmatched `{'");
    }
}

void sed_parse(struct sed *sed, const struct fragment *fragments, size_t n) {
    struct text all = {0};
    size_t *at = xmalloc(sizeof *at * n);
    for (size_t i = 0; i < n; i++) {
        if (i) text_byte(&all, '\n');
        at[i] = all.len;
        text_add(&all, fragments[i].text, fragments[i].len);
    }
    const char **starts = xmalloc(sizeof *starts * n);
    for (size_t i = 0; i < n; i++) starts[i] = all.p + at[i];
    struct sed_parser ps = {sed, all.p, all.p + all.len, fragments, n, starts};
    sed_output_find(sed, "/dev/stdout");
    parse_commands(&ps);
    resolve_labels(&sed->script);
    free(at);
    free(starts);
}
