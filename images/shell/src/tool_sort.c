#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_text.h"

struct keyopts {
    unsigned char blanks, dictionary, fold, general, human, ignore, month, numeric, random, reverse, version, end_blanks;
};
struct key {
    size_t field, chr;         /* from 0 */
    size_t end_field, end_chr; /* end_field 0: to the end of the line; end_chr 0: to the end of the field */
    struct keyopts o;
};
struct line {
    const char *text;
    size_t len;
    const char *key; /* first key's extent, found once */
    size_t key_len;
};
struct sort {
    struct key *keys;
    int n_keys, unique, stable, check, quiet_check, separator, nul;
    struct keyopts global;
    struct line *lines;
    size_t n, cap;
};
static struct sort so;

static int blank(int c) { return c == ' ' || c == '\t' || c == '\n'; }
static int fold(int c) { return c >= 'a' && c <= 'z' ? c - 32 : c; }

/* --- where a key lies --- */
static const char *field_start(const char *p, const char *end, size_t field) {
    for (; field > 0 && p < end; field--) {
        if (so.separator >= 0) {
            const char *hit = memchr(p, so.separator, (size_t)(end - p));
            p = hit ? hit + 1 : end;
        } else {
            while (p < end && blank((unsigned char)*p)) p++;
            while (p < end && !blank((unsigned char)*p)) p++;
        }
    }
    return p;
}

static const char *field_end(const char *p, const char *end) {
    if (so.separator >= 0) {
        const char *hit = memchr(p, so.separator, (size_t)(end - p));
        return hit ? hit : end;
    }
    while (p < end && blank((unsigned char)*p)) p++;
    while (p < end && !blank((unsigned char)*p)) p++;
    return p;
}

static const char *skip_chars(const char *p, const char *end, size_t n) {
    return (size_t)(end - p) < n ? end : p + n;
}

static void key_extent(const struct key *k, const char *text, size_t len, const char **key, size_t *key_len) {
    const char *end = text + len, *from = field_start(text, end, k->field), *to = end;
    if (k->o.blanks)
        while (from < end && blank((unsigned char)*from)) from++;
    from = skip_chars(from, end, k->chr);
    if (k->end_field) {
        to = field_start(text, end, k->end_field - 1);
        if (k->end_chr == 0) {
            to = field_end(to, end);
        } else {
            if (k->o.end_blanks)
                while (to < end && blank((unsigned char)*to)) to++;
            to = skip_chars(to, end, k->end_chr);
        }
    }
    *key = from;
    *key_len = to > from ? (size_t)(to - from) : 0;
}

/* --- comparisons --- */
static int digit(const char *p, const char *end) { return p < end && *p >= '0' && *p <= '9'; }

struct number {
    int negative, zero;
    const char *whole, *whole_end, *frac, *frac_end, *end;
};

static struct number number_read(const char *p, const char *end) {
    struct number v = {0};
    while (p < end && blank((unsigned char)*p)) p++;
    if (p < end && *p == '-') v.negative = 1, p++;
    while (p < end && *p == '0') p++;
    v.whole = p;
    while (digit(p, end)) p++;
    v.whole_end = v.frac = v.frac_end = p;
    if (p < end && *p == '.') {
        v.frac = ++p;
        while (digit(p, end)) p++;
        v.frac_end = p;
        while (v.frac_end > v.frac && v.frac_end[-1] == '0') v.frac_end--;
    }
    v.end = p;
    v.zero = v.whole == v.whole_end && v.frac == v.frac_end;
    if (v.zero) v.negative = 0;
    return v;
}

static int compare_bytes(const char *a, size_t na, const char *b, size_t nb) {
    int d = memcmp(a, b, na < nb ? na : nb);
    return d ? d : (na > nb) - (na < nb);
}

static int compare_magnitude(const struct number *a, const struct number *b) {
    ptrdiff_t na = a->whole_end - a->whole, nb = b->whole_end - b->whole;
    if (na != nb) return na < nb ? -1 : 1;
    int d = memcmp(a->whole, b->whole, (size_t)na);
    if (d) return d;
    return compare_bytes(a->frac, (size_t)(a->frac_end - a->frac), b->frac, (size_t)(b->frac_end - b->frac));
}

static int compare_values(const struct number *a, const struct number *b) {
    if (a->zero && b->zero) return 0;
    if (a->negative != b->negative) return a->negative ? -1 : 1;
    int d = compare_magnitude(a, b);
    return a->negative ? -d : d;
}

static int unit_rank(const struct number *v, const char *end) {
    static const char units[] = "kKMGTPEZY";
    const char *u = v->end < end && *v->end ? strchr(units, *v->end) : NULL;
    int rank = !u ? 0 : *u == 'k' ? 1 : (int)(u - units);
    return v->zero ? 0 : v->negative ? -rank : rank;
}

static int compare_numeric(const char *a, size_t na, const char *b, size_t nb, int human) {
    struct number x = number_read(a, a + na), y = number_read(b, b + nb);
    if (human) {
        int rx = unit_rank(&x, a + na), ry = unit_rank(&y, b + nb);
        if (rx != ry && x.negative == y.negative) return rx < ry ? -1 : 1;
    }
    return compare_values(&x, &y);
}

static int month_of(const char *p, size_t n) {
    static const char names[] = "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC";
    while (n > 0 && blank((unsigned char)*p)) p++, n--;
    if (n < 3) return 0;
    for (int m = 0; m < 12; m++)
        if (fold(p[0]) == names[m * 3] && fold(p[1]) == names[m * 3 + 1] && fold(p[2]) == names[m * 3 + 2]) return m + 1;
    return 0;
}

/* Not a number < NaN < numbers, as GNU's -g. */
static int general_read(const char *p, size_t n, double *v) {
    char buf[128], *end;
    while (n > 0 && blank((unsigned char)*p)) p++, n--;
    if (n >= sizeof buf) n = sizeof buf - 1;
    memcpy(buf, p, n);
    buf[n] = '\0';
    *v = strtod(buf, &end);
    return end == buf ? 0 : *v != *v ? 1 : 2;
}

static int compare_general(const char *a, size_t na, const char *b, size_t nb) {
    double x, y;
    int kx = general_read(a, na, &x), ky = general_read(b, nb, &y);
    if (kx != ky) return kx < ky ? -1 : 1;
    return kx < 2 ? 0 : (x > y) - (x < y);
}

/* Digit runs by value, the rest byte by byte with letters before other signs and '~' before all. */
static int version_order(int c) {
    if (c == 0) return 0;
    if (c >= '0' && c <= '9') return 0;
    if ((c | 32) >= 'a' && (c | 32) <= 'z') return c;
    return c == '~' ? -1 : c + 256;
}

static int compare_version(const char *a, size_t na, const char *b, size_t nb) {
    const char *ea = a + na, *eb = b + nb;
    while (a < ea || b < eb) {
        int first = 0;
        while ((a < ea && !digit(a, ea)) || (b < eb && !digit(b, eb))) {
            int x = a < ea ? version_order((unsigned char)*a) : 0, y = b < eb ? version_order((unsigned char)*b) : 0;
            if (x != y) return x - y;
            a += a < ea, b += b < eb;
        }
        while (a < ea && *a == '0') a++;
        while (b < eb && *b == '0') b++;
        for (; digit(a, ea) && digit(b, eb); a++, b++)
            if (!first) first = *a - *b;
        if (digit(a, ea)) return 1;
        if (digit(b, eb)) return -1;
        if (first) return first;
    }
    return 0;
}

static int skipped(const struct keyopts *o, int c) {
    if (o->dictionary && !blank(c) && !((c | 32) >= 'a' && (c | 32) <= 'z') && !(c >= '0' && c <= '9')) return 1;
    return o->ignore && (c < 32 || c > 126);
}

static int compare_filtered(const struct keyopts *o, const char *a, size_t na, const char *b, size_t nb) {
    const char *ea = a + na, *eb = b + nb;
    for (;; a++, b++) {
        while (a < ea && skipped(o, (unsigned char)*a)) a++;
        while (b < eb && skipped(o, (unsigned char)*b)) b++;
        if (a >= ea || b >= eb) return (a < ea) - (b < eb);
        int x = (unsigned char)*a, y = (unsigned char)*b;
        if (o->fold) x = fold(x), y = fold(y);
        if (x != y) return x - y;
    }
}

/* -R: the order of a fixed hash, so that a job's output is the same each time. */
static int compare_shuffled(const char *a, size_t na, const char *b, size_t nb) {
    uint64_t x = 14695981039346656037u, y = x;
    for (size_t i = 0; i < na; i++) x = (x ^ (unsigned char)a[i]) * 1099511628211u;
    for (size_t i = 0; i < nb; i++) y = (y ^ (unsigned char)b[i]) * 1099511628211u;
    x ^= x >> 29, y ^= y >> 29;
    return x != y ? (x < y ? -1 : 1) : compare_bytes(a, na, b, nb);
}

static int compare_key(const struct keyopts *o, const char *a, size_t na, const char *b, size_t nb) {
    int d;
    if (o->numeric) d = compare_numeric(a, na, b, nb, 0);
    else if (o->human) d = compare_numeric(a, na, b, nb, 1);
    else if (o->general) d = compare_general(a, na, b, nb);
    else if (o->month) d = month_of(a, na) - month_of(b, nb);
    else if (o->version) d = compare_version(a, na, b, nb);
    else if (o->random) d = compare_shuffled(a, na, b, nb);
    else if (o->dictionary || o->ignore || o->fold) d = compare_filtered(o, a, na, b, nb);
    else d = compare_bytes(a, na, b, nb);
    return o->reverse ? -d : d;
}

static int compare_lines(const struct line *a, const struct line *b) {
    int d = compare_key(&so.keys[0].o, a->key, a->key_len, b->key, b->key_len);
    for (int i = 1; i < so.n_keys && !d; i++) {
        const char *ka, *kb;
        size_t na, nb;
        key_extent(&so.keys[i], a->text, a->len, &ka, &na);
        key_extent(&so.keys[i], b->text, b->len, &kb, &nb);
        d = compare_key(&so.keys[i].o, ka, na, kb, nb);
    }
    if (d || so.stable || so.unique) return d;
    d = compare_bytes(a->text, a->len, b->text, b->len);
    return so.global.reverse ? -d : d;
}

/* --- reading, sorting, writing --- */
static void line_add(const char *text, size_t len) {
    if (so.n == so.cap) so.lines = xrealloc(so.lines, sizeof *so.lines * (so.cap = so.cap ? so.cap * 2 : 1024));
    struct line *l = &so.lines[so.n++];
    l->text = text;
    l->len = len;
    key_extent(&so.keys[0], text, len, &l->key, &l->key_len);
}

static void read_lines(const char *name) {
    char *data;
    int fd = input_open(name);
    ssize_t n = fd < 0 ? -1 : input_slurp(fd, &data);
    if (n < 0) tool_die(2, fd < 0 && errno != EISDIR ? "cannot read: %s: %s" : "read failed: %s: %s", name, strerror(errno));
    input_close(fd);
    int delim = so.nul ? 0 : '\n';
    for (char *p = data, *end = data + n; p < end;) {
        char *hit = memchr(p, delim, (size_t)(end - p));
        if (!hit) hit = end;
        line_add(p, (size_t)(hit - p));
        p = hit + 1;
    }
}

static void merge_sort(struct line *v, struct line *tmp, size_t n) {
    const size_t run = 8;
    for (size_t lo = 0; lo < n; lo += run)
        for (size_t i = lo + 1; i < lo + run && i < n; i++) {
            struct line x = v[i];
            size_t j = i;
            for (; j > lo && compare_lines(&v[j - 1], &x) > 0; j--) v[j] = v[j - 1];
            v[j] = x;
        }
    for (size_t width = run; width < n; width *= 2) {
        for (size_t lo = 0; lo < n; lo += 2 * width) {
            size_t mid = lo + width < n ? lo + width : n, hi = mid + width < n ? mid + width : n;
            size_t i = lo, j = mid, k = lo;
            if (mid == hi || compare_lines(&v[mid - 1], &v[mid]) <= 0) {
                memcpy(tmp + lo, v + lo, sizeof *v * (hi - lo));
                continue;
            }
            while (i < mid && j < hi) tmp[k++] = compare_lines(&v[i], &v[j]) <= 0 ? v[i++] : v[j++];
            while (i < mid) tmp[k++] = v[i++];
            while (j < hi) tmp[k++] = v[j++];
        }
        struct line *swap = v;
        v = tmp;
        tmp = swap;
    }
    so.lines = v;
}

static int check_order(const char *name) {
    for (size_t i = 1; i < so.n; i++) {
        int d = compare_lines(&so.lines[i - 1], &so.lines[i]);
        if (d < 0 || (d == 0 && !so.unique)) continue;
        if (!so.quiet_check)
            tool_warn("%s:%zu: disorder: %.*s", name, i + 1, (int)so.lines[i].len, so.lines[i].text);
        return 1;
    }
    return 0;
}

static int write_lines(const char *to) {
    struct out out;
    int fd = STDOUT_FILENO;
    if (to && (fd = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0666)) < 0)
        tool_die(2, "open failed: %s: %s", to, strerror(errno));
    out_start(&out, fd, 1);
    const struct line *last = NULL;
    for (size_t i = 0; i < so.n; i++) {
        const struct line *l = &so.lines[i];
        if (so.unique && last && compare_lines(last, l) == 0) continue;
        out_put(&out, l->text, l->len);
        out_byte(&out, so.nul ? 0 : '\n');
        last = l;
    }
    int status = out_end(&out, 0);
    return status == 1 ? 2 : status;
}

/* --- options --- */
static int set_order(struct keyopts *o, int c) {
    switch (c) {
    case 'b': o->blanks = o->end_blanks = 1; break;
    case 'd': o->dictionary = 1; break;
    case 'f': o->fold = 1; break;
    case 'g': o->general = 1; break;
    case 'h': o->human = 1; break;
    case 'i': o->ignore = 1; break;
    case 'M': o->month = 1; break;
    case 'n': o->numeric = 1; break;
    case 'R': o->random = 1; break;
    case 'r': o->reverse = 1; break;
    case 'V': o->version = 1; break;
    default: return 0;
    }
    return 1;
}

static const char *key_number(const char *s, size_t *v, const char *whole) {
    if (*s < '0' || *s > '9') tool_die(2, "invalid number at field start: invalid count at start of '%s'", whole);
    for (*v = 0; *s >= '0' && *s <= '9'; s++) *v = *v > 100000000 ? *v : *v * 10 + (size_t)(*s - '0');
    return s;
}

static void key_add(const char *spec) {
    so.keys = xrealloc(so.keys, sizeof *so.keys * (size_t)(so.n_keys + 1));
    struct key *k = &so.keys[so.n_keys++];
    *k = (struct key){0};
    const char *s = key_number(spec, &k->field, spec);
    if (k->field-- == 0) tool_die(2, "field number is zero: invalid field specification '%s'", spec);
    if (*s == '.') {
        s = key_number(s + 1, &k->chr, spec);
        if (k->chr-- == 0) tool_die(2, "character offset is zero: invalid field specification '%s'", spec);
    }
    for (; *s && *s != ','; s++) {
        if (*s == 'b') k->o.blanks = 1;
        else if (!set_order(&k->o, *s)) tool_die(2, "stray character in field spec: invalid field specification '%s'", spec);
    }
    if (*s == ',') {
        s = key_number(s + 1, &k->end_field, spec);
        if (k->end_field == 0) tool_die(2, "field number is zero: invalid field specification '%s'", spec);
        if (*s == '.') s = key_number(s + 1, &k->end_chr, spec);
        for (; *s; s++) {
            if (*s == 'b') k->o.end_blanks = 1;
            else if (!set_order(&k->o, *s)) tool_die(2, "stray character in field spec: invalid field specification '%s'", spec);
        }
    }
}

static void keys_finish(void) {
    static const struct keyopts none;
    if (!so.n_keys) {
        key_add("1");
        so.keys[0].o = so.global;
        /* One key, the whole line: comparing it again as a last resort is needless if plain. */
        return;
    }
    for (int i = 0; i < so.n_keys; i++)
        if (!memcmp(&so.keys[i].o, &none, sizeof none)) so.keys[i].o = so.global;
}

int tool_sort(int argc, char **argv) {
    static const struct longopt longs[] = {{"ignore-leading-blanks", 0, 'b'}, {"dictionary-order", 0, 'd'},
        {"ignore-case", 0, 'f'}, {"general-numeric-sort", 0, 'g'}, {"human-numeric-sort", 0, 'h'},
        {"ignore-nonprinting", 0, 'i'}, {"month-sort", 0, 'M'}, {"numeric-sort", 0, 'n'}, {"random-sort", 0, 'R'},
        {"reverse", 0, 'r'}, {"version-sort", 0, 'V'}, {"check", 2, 'c'}, {"key", 1, 'k'}, {"merge", 0, 'm'},
        {"output", 1, 'o'}, {"stable", 0, 's'}, {"buffer-size", 1, 'S'}, {"field-separator", 1, 't'},
        {"temporary-directory", 1, 'T'}, {"parallel", 1, 'S'}, {"unique", 0, 'u'}, {"zero-terminated", 0, 'z'}, {0}};
    struct opts o = opts_start(argc, argv);
    const char *to = NULL;
    int c;
    so = (struct sort){.separator = -1};
    while ((c = opts_next(&o, "bdfghiMnRrVcCk:mo:sS:t:T:uz", longs)) != OPT_END) {
        if (c == OPT_HELP) return 0;
        if (c == OPT_BAD) return 2;
        if (set_order(&so.global, c)) continue;
        switch (c) {
        case 'C': so.check = so.quiet_check = 1; break;
        case 'c':
            so.check = 1;
            so.quiet_check = o.arg && (*o.arg == 'q' || *o.arg == 's');
            break;
        case 'k': key_add(o.arg); break;
        case 'o': to = o.arg; break;
        case 's': so.stable = 1; break;
        case 't':
            if (!*o.arg) tool_die(2, "empty tab");
            if (o.arg[1] && strcmp(o.arg, "\\0")) tool_die(2, "multi-character tab '%s'", o.arg);
            so.separator = o.arg[1] ? 0 : (unsigned char)*o.arg;
            break;
        case 'u': so.unique = 1; break;
        case 'z': so.nul = 1; break;
        default: break; /* -m: all is sorted in memory; -S, -T, --parallel change no output */
        }
    }
    keys_finish();
    if (so.check && o.operands > 1) tool_die(2, "extra operand '%s' not allowed with -%c", argv[2], so.quiet_check ? 'C' : 'c');
    if (!o.operands) read_lines("-");
    for (int i = 1; i <= o.operands; i++) read_lines(argv[i]);
    if (so.check) return check_order(o.operands ? argv[1] : "-");
    if (so.n > 1) merge_sort(so.lines, xmalloc(sizeof *so.lines * so.n), so.n);
    return write_lines(to);
}
