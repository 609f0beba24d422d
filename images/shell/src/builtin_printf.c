/* printf. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shell.h"

struct printf_state {
    char **args; /* NULL-ended, what is left */
    struct buf out;
    int status;
    int stopped; /* %b met \c */
};

static const char *next_string(struct printf_state *st) { return *st->args ? *st->args++ : ""; }

static void complain(struct printf_state *st, const char *s, const char *what) {
    warn("printf: %s: %s", s, what);
    st->status = 1;
}

static void check_end(struct printf_state *st, const char *s, const char *end) {
    if (end == s) {
        complain(st, s, "expected numeric value");
    } else if (*end) {
        complain(st, s, "not completely converted");
    } else if (errno == ERANGE) {
        complain(st, s, strerror(ERANGE));
    }
}

static int is_character(const char *s) { return *s == '\'' || *s == '"'; }

static long long next_integer(struct printf_state *st, int is_signed) {
    if (!*st->args) return 0;
    const char *s = next_string(st);
    if (is_character(s)) return (unsigned char)s[1];
    char *end;
    errno = 0;
    long long n = is_signed ? strtoll(s, &end, 0) : (long long)strtoull(s, &end, 0);
    check_end(st, s, end);
    return n;
}

static double next_double(struct printf_state *st) {
    if (!*st->args) return 0;
    const char *s = next_string(st);
    if (is_character(s)) return (unsigned char)s[1];
    char *end;
    errno = 0;
    double n = strtod(s, &end);
    check_end(st, s, end);
    return n;
}

/* Flags, width and precision of one conversion. */
struct conversion {
    char flags[8];
    int width, precision; /* precision -1: none */
};

static const char *read_number(struct printf_state *st, const char *s, int *out) {
    if (*s == '*') {
        *out = (int)next_integer(st, 1);
        return s + 1;
    }
    *out = 0;
    for (; *s >= '0' && *s <= '9'; s++) {
        if (*out < 100000) *out = *out * 10 + (*s - '0');
    }
    return s;
}

static const char *read_conversion(struct printf_state *st, const char *s, struct conversion *c) {
    size_t n = strspn(s, "-+ #0");
    size_t kept = n < sizeof c->flags - 1 ? n : sizeof c->flags - 1;
    memcpy(c->flags, s, kept);
    c->flags[kept] = '\0';
    s = read_number(st, s + n, &c->width);
    c->precision = -1;
    if (*s == '.') s = read_number(st, s + 1, &c->precision);
    return s;
}

static void put_padded(struct printf_state *st, const struct conversion *c, const char *s, size_t n) {
    if (c->precision >= 0 && (size_t)c->precision < n) n = (size_t)c->precision;
    int left = strchr(c->flags, '-') != NULL || c->width < 0;
    size_t width = (size_t)(c->width < 0 ? -(long)c->width : c->width);
    size_t pad = width > n ? width - n : 0;
    for (size_t i = 0; !left && i < pad; i++) buf_putc(&st->out, ' ');
    buf_add(&st->out, s, n);
    for (size_t i = 0; left && i < pad; i++) buf_putc(&st->out, ' ');
}

static void put_escaped_string(struct printf_state *st, const struct conversion *c) {
    struct buf b = {0};
    const char *s = next_string(st);
    while (*s) {
        if (*s != '\\') {
            buf_putc(&b, *s++);
            continue;
        }
        s = put_escape(s + 1, &b, ESCAPE_B);
        if (!s) {
            st->stopped = 1;
            break;
        }
    }
    put_padded(st, c, b.s ? b.s : "", b.len);
    buf_free(&b);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* fmt is made of checked pieces */
static void put_number(struct printf_state *st, const struct conversion *c, char kind) {
    char fmt[24];
    int is_float = strchr("eEfFgGaA", kind) != NULL;
    int is_signed = kind == 'd' || kind == 'i';
    snprintf(fmt, sizeof fmt, "%%%s*%s%s%c", c->flags, c->precision >= 0 ? ".*" : "",
             is_float ? "" : "ll", kind);
    int width = c->width, precision = c->precision;
    if (is_float) {
        double n = next_double(st);
        if (precision >= 0) {
            buf_printf(&st->out, fmt, width, precision, n);
        } else {
            buf_printf(&st->out, fmt, width, n);
        }
    } else {
        long long n = next_integer(st, is_signed);
        if (precision >= 0) {
            buf_printf(&st->out, fmt, width, precision, n);
        } else {
            buf_printf(&st->out, fmt, width, n);
        }
    }
}

#pragma GCC diagnostic pop

/* One %... at s (after the %). Returns what follows it. */
static const char *put_conversion(struct printf_state *st, const char *s) {
    struct conversion c;
    if (*s == '%') {
        buf_putc(&st->out, '%');
        return s + 1;
    }
    const char *start = s;
    s = read_conversion(st, s, &c);
    while (*s == 'l' || *s == 'h' || *s == 'j' || *s == 'z' || *s == 'L') s++;
    const char *arg;
    switch (*s) {
    case 'c':
        arg = next_string(st);
        put_padded(st, &c, arg, 1);
        break;
    case 's':
        arg = next_string(st);
        put_padded(st, &c, arg, strlen(arg));
        break;
    case 'b': put_escaped_string(st, &c); break;
    default:
        if (!*s || !strchr("diouxXeEfFgGaA", *s)) {
            warn("printf: %%%.*s: invalid directive", (int)(s - start) + (*s != 0), start);
            st->status = 2;
            st->stopped = 1;
            return s;
        }
        put_number(st, &c, *s);
    }
    return s + 1;
}

static void put_format(struct printf_state *st, const char *s) {
    while (*s && !st->stopped) {
        size_t plain = strcspn(s, "\\%");
        buf_add(&st->out, s, plain);
        s += plain;
        if (*s == '\\') {
            s = put_escape(s + 1, &st->out, ESCAPE_FORMAT);
        } else if (*s == '%') {
            s = put_conversion(st, s + 1);
        }
    }
}

int builtin_printf(int argc, char **argv) {
    int at = 1;
    if (at < argc && strcmp(argv[at], "--") == 0) at++;
    if (at >= argc) {
        warn("printf: usage: printf format [arg ...]");
        return 2;
    }
    struct printf_state st = {.args = argv + at + 1};
    char **before;
    do {
        before = st.args;
        put_format(&st, argv[at]);
    } while (*st.args && st.args != before && !st.stopped);
    if (st.out.len) fwrite(st.out.s, 1, st.out.len, stdout);
    buf_free(&st.out);
    int failed = out_finish();
    return failed ? failed : st.status;
}
