#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "tool_text.h"

struct uniq {
    int count, only_repeated, all_repeated, only_unique, fold;
    int64_t skip_fields, skip_chars, width;
    char delim;
    struct out out;
};

/* The compared part: after -f fields and -s characters, at most -w long. */
static size_t compared(const struct uniq *u, const char **p, size_t n) {
    const char *s = *p, *end = s + n;
    for (int64_t f = u->skip_fields; f > 0 && s < end; f--) {
        while (s < end && (*s == ' ' || *s == '\t')) s++;
        while (s < end && *s != ' ' && *s != '\t') s++;
    }
    s = end - s < u->skip_chars ? end : s + u->skip_chars;
    *p = s;
    return u->width >= 0 && end - s > u->width ? (size_t)u->width : (size_t)(end - s);
}

static int same(const struct uniq *u, const char *a, size_t na, const char *b, size_t nb) {
    na = compared(u, &a, na);
    nb = compared(u, &b, nb);
    if (na != nb) return 0;
    if (!u->fold) return !memcmp(a, b, na);
    for (size_t i = 0; i < na; i++) {
        int x = (unsigned char)a[i], y = (unsigned char)b[i];
        if (x >= 'A' && x <= 'Z') x += 32;
        if (y >= 'A' && y <= 'Z') y += 32;
        if (x != y) return 0;
    }
    return 1;
}

static void put_line(struct uniq *u, const char *p, size_t n, int64_t times) {
    if (u->count) out_format(&u->out, "%7lld ", (long long)times);
    out_put(&u->out, p, n);
    out_byte(&u->out, u->delim);
}

static void uniq_lines(struct uniq *u, struct reader *r) {
    char *line, *kept = NULL;
    size_t kept_len = 0, cap = 0;
    int64_t times = 0;
    for (;;) {
        size_t n = reader_line(r, &line);
        int more = n > 0;
        if (more && line[n - 1] == u->delim) n--;
        if (more && times > 0 && same(u, kept, kept_len, line, n)) {
            if (u->all_repeated) {
                if (times == 1) put_line(u, kept, kept_len, 1);
                put_line(u, line, n, 1);
            }
            times++;
            continue;
        }
        if (times > 0 && !u->all_repeated && (times > 1 ? !u->only_unique : !u->only_repeated))
            put_line(u, kept, kept_len, times);
        if (!more) break;
        if (n > cap) kept = xrealloc(kept, cap = n * 2);
        if (n) memcpy(kept, line, n);
        kept_len = n;
        times = 1;
    }
    free(kept);
}

static int number_option(const char *s, int64_t *v, const char *what) {
    if (!size_parse(s, v)) return 0;
    tool_warn("%s: invalid number of %s", s, what);
    return -1;
}

int tool_uniq(int argc, char **argv) {
    static const struct longopt longs[] = {{"count", 0, 'c'}, {"repeated", 0, 'd'}, {"all-repeated", 0, 'D'},
        {"skip-fields", 1, 'f'}, {"ignore-case", 0, 'i'}, {"skip-chars", 1, 's'}, {"unique", 0, 'u'},
        {"check-chars", 1, 'w'}, {"zero-terminated", 0, 'z'}, {0}};
    struct uniq u = {.width = -1, .delim = '\n'};
    struct opts o = opts_start(argc, argv);
    struct reader r;
    int c, fd = STDOUT_FILENO;
    while ((c = opts_next(&o, "cdDf:is:uw:z", longs)) != OPT_END) switch (c) {
        case 'c': u.count = 1; break;
        case 'd': u.only_repeated = 1; break;
        case 'D': u.only_repeated = u.all_repeated = 1; break;
        case 'f': if (number_option(o.arg, &u.skip_fields, "fields to skip")) return 1; break;
        case 'i': u.fold = 1; break;
        case 's': if (number_option(o.arg, &u.skip_chars, "bytes to skip")) return 1; break;
        case 'u': u.only_unique = 1; break;
        case 'w': if (number_option(o.arg, &u.width, "bytes to compare")) return 1; break;
        case 'z': u.delim = '\0'; break;
        default: return c == OPT_HELP ? 0 : 1;
        }
    if (o.operands > 2) tool_die(1, "extra operand '%s'", argv[3]);
    const char *from = o.operands ? argv[1] : "-";
    if (reader_open(&r, from, u.delim)) return 1;
    if (o.operands == 2 && strcmp(argv[2], "-") &&
        (fd = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0666)) < 0)
        tool_die(1, "%s: %s", argv[2], strerror(errno));
    out_start(&u.out, fd, 1);
    uniq_lines(&u, &r);
    return out_end(&u.out, reader_close(&r, from) ? 1 : 0);
}
