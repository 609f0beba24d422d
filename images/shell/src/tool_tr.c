/* Bytes, as GNU tr: a class holds ASCII characters only. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_text.h"

struct set {
    unsigned char *v;
    size_t n, cap;
    int fill_at;       /* [x*] : where to repeat, -1 none */
    unsigned char fill;
    int has_class;     /* one that is not upper or lower */
    int upper_lower;   /* has [:upper:] or [:lower:] */
};

static void set_add(struct set *s, int c) {
    if (s->n == s->cap) s->v = xrealloc(s->v, s->cap = s->cap ? s->cap * 2 : 256);
    s->v[s->n++] = (unsigned char)c;
}

static int octal(int c) { return c >= '0' && c <= '7'; }

/* One character, perhaps escaped. */
static int take_char(const char **p) {
    const char *s = *p;
    if (*s != '\\' || !s[1]) {
        if (*s == '\\') tool_warn("warning: an unescaped backslash at end of string is not portable");
        *p = s + 1;
        return (unsigned char)*s;
    }
    static const char from[] = "abfnrtv\\", to[] = "\a\b\f\n\r\t\v\\";
    s++;
    if (octal(*s)) {
        int v = 0, i = 0;
        for (; i < 3 && octal(*s) && v * 8 + (*s - '0') < 256; i++) v = v * 8 + (*s++ - '0');
        *p = s;
        return v;
    }
    const char *hit = strchr(from, *s);
    *p = s + 1;
    return hit ? (unsigned char)to[hit - from] : (unsigned char)*s;
}

static int in_class(const char *name, size_t n, int c) {
    static const struct {
        const char *name;
        int (*is)(int);
    } classes[] = {{"alnum", isalnum}, {"alpha", isalpha}, {"blank", isblank}, {"cntrl", iscntrl}, {"digit", isdigit},
                   {"graph", isgraph}, {"lower", islower}, {"print", isprint}, {"punct", ispunct}, {"space", isspace},
                   {"upper", isupper}, {"xdigit", isxdigit}};
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (strlen(classes[i].name) == n && !memcmp(classes[i].name, name, n)) return c < 128 && classes[i].is(c);
    tool_die(1, "invalid character class '%.*s'", (int)n, name);
}

/* [:class:], [=c=], [c*n]; 0 when the text at p is none of these. */
static int take_bracket(struct set *s, const char **p) {
    const char *t = *p + 2, *end;
    if ((*p)[1] == ':' && (end = strstr(t, ":]"))) {
        size_t n = (size_t)(end - t);
        for (int c = 0; c < 256; c++)
            if (in_class(t, n, c)) set_add(s, c);
        if (n == 5 && (!memcmp(t, "upper", 5) || !memcmp(t, "lower", 5))) s->upper_lower = 1;
        else s->has_class = 1;
        *p = end + 2;
        return 1;
    }
    if ((*p)[1] == '=' && *t && (end = strstr(t + 1, "=]"))) {
        const char *one = t;
        int c = take_char(&one);
        if (one != end) tool_die(1, "%.*s: equivalence class operand must be a single character", (int)(end - t), t);
        set_add(s, c);
        s->has_class = 1;
        *p = end + 2;
        return 1;
    }
    const char *q = *p + 1;
    if (!*q) return 0;
    int c = take_char(&q);
    if (*q != '*') return 0;
    size_t len = strcspn(q, "]"), digits = strspn(q + 1, "0123456789");
    if (q[len] != ']' || digits + 1 != len) return 0;
    unsigned long times = strtoul(q + 1, NULL, q[1] == '0' ? 8 : 10);
    if (times == 0) {
        if (s->fill_at >= 0) tool_die(1, "only one [c*] repeat construct may appear in string2");
        s->fill_at = (int)s->n;
        s->fill = (unsigned char)c;
    }
    if (times > 65536) times = 65536;
    while (times-- > 0) set_add(s, c);
    *p = q + len + 1;
    return 1;
}

static struct set set_parse(const char *p) {
    struct set s = {.fill_at = -1};
    while (*p) {
        if (*p == '[' && take_bracket(&s, &p)) continue;
        const char *start = p;
        int lo = take_char(&p);
        if (*p == '-' && p[1]) {
            p++;
            int hi = take_char(&p);
            if (hi < lo)
                tool_die(1, "range-endpoints of '%.*s' are in reverse collating sequence order", (int)(p - start), start);
            for (int c = lo; c <= hi; c++) set_add(&s, c);
        } else {
            set_add(&s, lo);
        }
    }
    return s;
}

static void set_complement(struct set *s) {
    unsigned char in[256] = {0};
    for (size_t i = 0; i < s->n; i++) in[s->v[i]] = 1;
    s->n = 0;
    for (int c = 0; c < 256; c++)
        if (!in[c]) set_add(s, c);
}

/* Makes string2 as long as string1, by its [c*] or (not with -t) its last character. */
static void set_stretch(struct set *s, size_t want, int truncate) {
    if (s->fill_at >= 0) {
        size_t more = want > s->n ? want - s->n : 0;
        for (size_t i = 0; i < more; i++) set_add(s, 0);
        if (more) {
            size_t at = (size_t)s->fill_at;
            memmove(s->v + at + more, s->v + at, s->n - more - at);
            memset(s->v + at, s->fill, more);
        }
    }
    if (!truncate && s->n > 0)
        while (s->n < want) set_add(s, s->v[s->n - 1]);
}

struct tr {
    int translate, delete, squeeze;
    unsigned char map[256], deleted[256], squeezed[256];
};

static void tr_plan(struct tr *t, int n, char **sets, int complement, int truncate) {
    struct set a = set_parse(sets[0]), b = n > 1 ? set_parse(sets[1]) : (struct set){.fill_at = -1};
    if (a.fill_at >= 0) tool_die(1, "the [c*] repeat construct may not appear in string1");
    if (complement) set_complement(&a);
    for (int c = 0; c < 256; c++) t->map[c] = (unsigned char)c;
    if (t->translate) {
        if (b.has_class) tool_die(1, "when translating, the only character classes that may appear in\nstring2 are 'upper' and 'lower'");
        if (truncate && a.n > b.n && b.fill_at < 0) a.n = b.n;
        else if (b.n == 0 && b.fill_at < 0) tool_die(1, "when not truncating set1, string2 must be non-empty");
        set_stretch(&b, a.n, truncate);
        for (size_t i = 0; i < a.n && i < b.n; i++) t->map[a.v[i]] = b.v[i];
    }
    if (t->delete)
        for (size_t i = 0; i < a.n; i++) t->deleted[a.v[i]] = 1;
    if (t->squeeze) {
        const struct set *s = n > 1 ? &b : &a;
        for (size_t i = 0; i < s->n; i++) t->squeezed[s->v[i]] = 1;
    }
}

static void operands_check(struct tr *t, int n, char **operand) {
    if (n == 0) usage_die(1, "missing operand");
    int most = t->delete && !t->squeeze ? 1 : 2, least = t->delete == t->squeeze ? 2 : 1;
    if (n < least)
        usage_die(1, t->delete ? "missing operand after '%s'\nTwo strings must be given when both deleting and squeezing repeats."
                              : "missing operand after '%s'\nTwo strings must be given when translating.", operand[n - 1]);
    if (n > most)
        usage_die(1, n == 2 ? "extra operand '%s'\nOnly one string may be given when deleting without squeezing repeats."
                           : "extra operand '%s'", operand[most]);
    t->translate = !t->delete && n == 2;
}

int tool_tr(int argc, char **argv) {
    static const struct longopt longs[] = {{"complement", 0, 'c'}, {"delete", 0, 'd'}, {"squeeze-repeats", 0, 's'},
        {"truncate-set1", 0, 't'}, {0}};
    struct tr t = {0};
    struct opts o = opts_start(argc, argv);
    int c, complement = 0, truncate = 0;
    while ((c = opts_next(&o, "+cCdst", longs)) != OPT_END) switch (c) {
        case 'c': case 'C': complement = 1; break;
        case 'd': t.delete = 1; break;
        case 's': t.squeeze = 1; break;
        case 't': truncate = 1; break;
        default: return c == OPT_HELP ? 0 : 1;
        }
    operands_check(&t, o.operands, argv + 1);
    tr_plan(&t, o.operands, argv + 1, complement, truncate);
    struct out out;
    out_start(&out, STDOUT_FILENO, 1);
    unsigned char *buf = xmalloc(IO_CHUNK);
    int last = -1, status = 0;
    ssize_t n;
    while ((n = input_read(STDIN_FILENO, buf, IO_CHUNK)) > 0) {
        size_t kept = 0;
        if (!t.delete && !t.squeeze) {
            for (; kept < (size_t)n; kept++) buf[kept] = t.map[buf[kept]];
        } else {
            for (ssize_t i = 0; i < n; i++) {
                if (t.deleted[buf[i]]) continue;
                int x = t.map[buf[i]];
                if (x == last && t.squeezed[x]) continue;
                buf[kept++] = (unsigned char)(last = x);
            }
        }
        out_put(&out, buf, kept);
        out_flush(&out);
    }
    if (n < 0) {
        tool_warn("read error: %s", strerror(errno));
        status = 1;
    }
    return out_end(&out, status);
}
