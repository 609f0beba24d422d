/* Decimal numbers are counted exactly, as scaled integers; only exponents, or numbers that do
 * not fit, use floating point. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_text.h"

struct decimal {
    int64_t v;
    int scale;  /* digits after the point */
    int exact;
    double real;
};

static int decimal_read(const char *s, struct decimal *d) {
    char *end;
    const char *p = s;
    *d = (struct decimal){.exact = 1};
    d->real = strtod(s, &end);
    if (end == s || *end || *s == ' ' || isnan(d->real)) return -1;
    int negative = *p == '-', point = 0;
    if (*p == '-' || *p == '+') p++;
    for (; *p; p++) {
        if (*p == '.') {
            point = 1;
            continue;
        }
        if (*p < '0' || *p > '9' || __builtin_mul_overflow(d->v, 10, &d->v) ||
            __builtin_add_overflow(d->v, *p - '0', &d->v) || d->scale > 15) {
            d->exact = 0;
            break;
        }
        d->scale += point;
    }
    if (negative) d->v = -d->v;
    return 0;
}

static void rescale(struct decimal *d, int scale) {
    for (; d->scale < scale && d->exact; d->scale++)
        if (__builtin_mul_overflow(d->v, 10, &d->v)) d->exact = 0;
}

struct seq {
    const char *separator, *format;
    int equal_width, width, scale;
    int minus_zero; /* "-0" is written as it was given */
    struct out out;
};

static void put_exact(struct seq *s, int64_t v, int width) {
    char digits[48], *p = digits + sizeof digits;
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    int n = 0;
    for (; u > 0 || n <= s->scale; u /= 10, n++) {
        if (n == s->scale && s->scale) *--p = '.';
        *--p = (char)('0' + u % 10);
    }
    int len = (int)(digits + sizeof digits - p) + (v < 0);
    if (v < 0) out_byte(&s->out, '-');
    for (; len < width; len++) out_byte(&s->out, '0');
    out_put(&s->out, p, (size_t)(digits + sizeof digits - p));
}

static int exact_width(int64_t v, int scale) {
    char text[48];
    int n = snprintf(text, sizeof text, "%lld", (long long)v), digits = n - (v < 0);
    if (digits <= scale) digits = scale + 1;
    return digits + (v < 0) + (scale > 0);
}

static void seq_exact(struct seq *s, int64_t first, int64_t step, int64_t last) {
    int width = 0;
    if (s->equal_width) {
        int64_t end = first;
        if (step > 0 ? last > first : last < first) end = first + (last - first) / step * step;
        int a = exact_width(first, s->scale), b = exact_width(end, s->scale);
        width = a > b ? a : b;
    }
    int64_t v = first;
    for (int n = 0; (step > 0 ? v <= last : v >= last) && !s->out.err; n++) {
        if (n) out_text(&s->out, s->separator);
        if (n == 0 && v == 0 && s->minus_zero && width < 3) out_byte(&s->out, '-');
        put_exact(s, v, width);
        if (__builtin_add_overflow(v, step, &v)) {
            n = 1;
            break;
        }
    }
    if (step > 0 ? first <= last : first >= last) out_byte(&s->out, '\n');
}

static void seq_real(struct seq *s, double first, double step, double last, const char *format) {
    int n = 0;
    for (double i = 0; !s->out.err; i++, n++) {
        double v = first + i * step;
        if (step > 0 ? v > last + step * 1e-10 : v < last + step * 1e-10) break;
        if (n) out_text(&s->out, s->separator);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        if (s->format) out_format(&s->out, format, v);
        else out_format(&s->out, format, s->width, s->scale, v);
#pragma GCC diagnostic pop
    }
    if (n) out_byte(&s->out, '\n');
}

/* Exactly one directive, and one that takes a double. */
static int format_check(const char *f) {
    int n = 0;
    const char *p = f;
    for (; *p; p++) {
        if (*p != '%') continue;
        if (p[1] == '%') {
            p++;
            continue;
        }
        p += 1 + strspn(p + 1, "-+#0 '");
        p += strspn(p, "0123456789");
        if (*p == '.') p += 1 + strspn(p + 1, "0123456789");
        if (!*p || !strchr("aefgAEFG", *p)) {
            if (*p) tool_warn("format '%s' has unknown %%%c directive", f, *p);
            else tool_warn("format '%s' ends in %%", f);
            return -1;
        }
        if (++n > 1) {
            tool_warn("format '%s' has too many %% directives", f);
            return -1;
        }
    }
    if (n) return 0;
    tool_warn("format '%s' has no %% directive", f);
    return -1;
}

/* Numbers may be negative: an operand such as -1 is not an option. */
static int options_end(struct seq *s, int argc, char **argv) {
    int i = 1;
    for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
        const char *a = argv[i];
        if ((a[1] >= '0' && a[1] <= '9') || a[1] == '.') break;
        if (!strcmp(a, "--")) return i + 1;
        if (!strcmp(a, "--equal-width")) {
            s->equal_width = 1;
        } else if (!strncmp(a, "--separator=", 12)) {
            s->separator = a + 12;
        } else if (!strncmp(a, "--format=", 9)) {
            s->format = a + 9;
        } else if (a[1] == '-') {
            tool_warn("unrecognized option '%s'", a);
            return -1;
        } else {
            for (a++; *a; a++) {
                if (*a == 'w') {
                    s->equal_width = 1;
                    continue;
                }
                if (*a != 's' && *a != 'f') {
                    tool_warn("invalid option -- '%c'", *a);
                    return -1;
                }
                const char *arg = a[1] ? a + 1 : i + 1 < argc ? argv[++i] : NULL;
                if (!arg) {
                    tool_warn("option requires an argument -- '%c'", *a);
                    return -1;
                }
                if (*a == 's') s->separator = arg;
                else s->format = arg;
                break;
            }
        }
    }
    return i;
}

int tool_seq(int argc, char **argv) {
    struct seq s = {.separator = "\n"};
    struct decimal d[3] = {{.v = 1, .exact = 1, .real = 1}, {.v = 1, .exact = 1, .real = 1}, {0}};
    int at = options_end(&s, argc, argv), n = argc - at;
    if (at < 0) return 1;
    if (n < 1 || n > 3) {
        if (n < 1) tool_warn("missing operand");
        else tool_warn("extra operand '%s'", argv[at + 3]);
        return 1;
    }
    if (s.format && format_check(s.format)) return 1;
    for (int i = 0; i < n; i++) {
        int to = i == n - 1 ? 2 : i;
        if (decimal_read(argv[at + i], &d[to])) {
            tool_warn("invalid floating point argument: '%s'", argv[at + i]);
            return 1;
        }
    }
    if (d[1].real == 0) {
        tool_warn("invalid Zero increment value: '%s'", argv[at + 1]);
        return 1;
    }
    s.scale = d[0].scale > d[1].scale ? d[0].scale : d[1].scale;
    s.minus_zero = n > 1 && argv[at][0] == '-' && d[0].real == 0;
    int exact = d[0].exact && d[1].exact && !s.format;
    if (isinf(d[2].real) && exact) d[2] = (struct decimal){.v = d[2].real > 0 ? INT64_MAX : INT64_MIN, .scale = 99, .exact = 1};
    rescale(&d[0], s.scale);
    rescale(&d[1], s.scale);
    while (d[2].scale > s.scale && d[2].scale < 99) {
        /* Finer than the steps: the floor (of what is upwards) decides the same. */
        int64_t rest = d[2].v % 10;
        d[2].v = d[2].v / 10;
        if (rest < 0 && d[1].v > 0) d[2].v--;
        if (rest > 0 && d[1].v < 0) d[2].v++;
        d[2].scale--;
    }
    if (d[2].scale < 99) rescale(&d[2], s.scale);
    out_start(&s.out, STDOUT_FILENO, 0);
    if (exact && d[0].exact && d[1].exact && d[2].exact) {
        seq_exact(&s, d[0].v, d[1].v, d[2].v);
    } else {
        char text[400];
        if (s.equal_width) {
            int a = snprintf(text, sizeof text, "%.*f", s.scale, d[0].real);
            int b = snprintf(text, sizeof text, "%.*f", s.scale, d[2].real);
            s.width = a > b ? a : b;
        }
        seq_real(&s, d[0].real, d[1].real, d[2].real, s.format ? s.format : "%0*.*f");
    }
    return out_end(&s.out, 0);
}
