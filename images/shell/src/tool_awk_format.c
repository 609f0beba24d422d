/* printf and sprintf. Widths and precisions of text count characters. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool_awk.h"

#define WIDTH_MAX 1000000

struct text {
    char *p;
    size_t len, cap;
};
struct spec {
    int left, plus, space, alternate, zero;
    int width, precision; /* precision -1: none */
    char kind;
};

static char *room(struct text *t, size_t n) {
    if (t->len + n + 1 > t->cap) t->p = xrealloc(t->p, t->cap = (t->len + n + 1) * 2);
    return t->p + t->len;
}

static void add(struct text *t, const char *p, size_t n) {
    memcpy(room(t, n), p, n);
    t->len += n;
}

static void pad(struct text *t, int n, char c) {
    if (n <= 0) return;
    memset(room(t, (size_t)n), c, (size_t)n);
    t->len += (size_t)n;
}

static void add_padded(struct text *t, const struct spec *f, const char *p, size_t n) {
    int blanks = f->width - (int)char_length(p, n);
    if (!f->left) pad(t, blanks, f->zero ? '0' : ' ');
    add(t, p, n);
    if (f->left) pad(t, blanks, ' ');
}

static void add_number(struct text *t, const struct spec *f, double d) {
    char format[40], kind = f->kind;
    int n = 0, whole = strchr("dioxXu", kind) != NULL, is_signed = kind == 'd' || kind == 'i';
    format[n++] = '%';
    if (f->left) format[n++] = '-';
    if (f->plus) format[n++] = '+';
    if (f->space) format[n++] = ' ';
    if (f->alternate) format[n++] = '#';
    if (f->zero && isfinite(d)) format[n++] = '0';
    if (whole && isfinite(d)) d = trunc(d);
    int fits = whole && (is_signed ? d >= -9.2e18 && d <= 9.2e18 : d >= 0 && d <= 1.8e19);
    if (whole && !fits) { /* beyond 64 bits, or negative without a sign */
        kind = isfinite(d) ? 'f' : 'e';
        whole = 0;
        n += snprintf(format + n, sizeof format - (size_t)n, "%d.0%c", f->width, kind);
    } else {
        n += snprintf(format + n, sizeof format - (size_t)n, "%d", f->width);
        if (f->precision >= 0) n += snprintf(format + n, sizeof format - (size_t)n, ".%d", f->precision);
        snprintf(format + n, sizeof format - (size_t)n, whole ? "ll%c" : "%c", kind);
    }
    for (size_t have = 64;;) {
        int need;
        char *p = room(t, have);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        if (!whole) need = snprintf(p, have, format, d);
        else if (is_signed) need = snprintf(p, have, format, (long long)d);
        else need = snprintf(p, have, format, (unsigned long long)d);
#pragma GCC diagnostic pop
        if (need < 0) return;
        if ((size_t)need < have) {
            t->len += (size_t)need;
            return;
        }
        have = (size_t)need + 1;
    }
}

static void add_character(struct text *t, const struct spec *f, struct value *v) {
    char bytes[4];
    v_is_true(v); /* settles what input is */
    if (v->type == V_NUMBER || v->type == V_STRNUM) {
        double code = v->num;
        int n = 1;
        if (awk->utf8 && code >= 128 && code <= 0x10FFFF) n = utf8_encode((uint32_t)code, bytes);
        else bytes[0] = (char)(unsigned char)(fabs(code) < 1e9 ? (int)code : 0);
        add_padded(t, f, bytes, (size_t)n);
        return;
    }
    struct str *s = v_str(v);
    add_padded(t, f, s->p, char_offset(s->p, s->len, 1));
    str_drop(s);
}

static void add_value(struct text *t, const struct spec *f, struct value *v) {
    if (f->kind == 'c') {
        add_character(t, f, v);
    } else if (f->kind == 's') {
        struct str *s = v_str(v);
        add_padded(t, f, s->p, f->precision >= 0 ? char_offset(s->p, s->len, (size_t)f->precision) : s->len);
        str_drop(s);
    } else {
        add_number(t, f, v_to_number(v));
    }
}

struct arguments {
    struct value *v;
    size_t n, at;
};

static struct value *next(struct arguments *a) {
    static struct value none;
    return a->at < a->n ? &a->v[a->at++] : &none;
}

static int number_or_star(const char **p, const char *end, struct arguments *a) {
    double v = 0;
    if (*p < end && **p == '*') {
        ++*p;
        v = v_to_number(next(a));
    } else {
        for (; *p < end && **p >= '0' && **p <= '9'; ++*p) v = v * 10 + (**p - '0');
    }
    if (v > WIDTH_MAX || v < -WIDTH_MAX) awk_die("printf: a width of %.0f is too large", v);
    return (int)v;
}

struct str *awk_format(struct value *args, size_t n) {
    struct str *format = v_str(&args[0]);
    struct arguments a = {args, n, 1};
    struct text t = {0};
    const char *p = format->p, *end = p + format->len;
    room(&t, format->len + 32);
    while (p < end) {
        const char *percent = memchr(p, '%', (size_t)(end - p)), *start;
        add(&t, p, (size_t)((percent ? percent : end) - p));
        if (!percent) break;
        start = percent;
        struct spec f = {.precision = -1};
        for (p = percent + 1; p < end && *p && strchr("-+ #0'", *p); p++) {
            if (*p == '-') f.left = 1;
            else if (*p == '+') f.plus = 1;
            else if (*p == ' ') f.space = 1;
            else if (*p == '#') f.alternate = 1;
            else if (*p == '0') f.zero = 1;
        }
        f.width = number_or_star(&p, end, &a);
        if (f.width < 0) f.left = 1, f.width = -f.width;
        if (p < end && *p == '.') {
            p++;
            f.precision = number_or_star(&p, end, &a);
        }
        while (p < end && *p && strchr("hlLqjzt", *p)) p++;
        f.kind = p < end ? *p : '\0';
        if (f.left || (f.precision >= 0 && f.kind && strchr("dioxXu", f.kind))) f.zero = 0;
        if (f.kind == '%') {
            add(&t, "%", 1);
            p++;
        } else if (f.kind && strchr("diouxXeEfFgGaAcs", f.kind)) {
            add_value(&t, &f, next(&a));
            p++;
        } else { /* no conversion: as it stands */
            add(&t, start, (size_t)(p - start));
        }
    }
    str_drop(format);
    struct str *s = str_new(t.p, t.len);
    free(t.p);
    return s;
}
