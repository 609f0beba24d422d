#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_text.h"

struct cmp {
    int silent, list, print;
    int64_t limit, skip[2];
    const char *names[2];
    struct out out;
};

static void put_byte_name(struct out *o, int c, int pad) {
    char text[8];
    int n = 0;
    if (c >= 128) n += (text[n] = 'M', text[n + 1] = '-', 2), c -= 128;
    if (c < 32 || c == 127) text[n++] = '^', c ^= 64;
    text[n++] = (char)c;
    text[n] = '\0';
    out_format(o, pad ? "%-4s" : "%s", text);
}

static void put_difference(struct cmp *c, int64_t at, int64_t line, int a, int b, int width) {
    if (c->list) {
        out_format(&c->out, "%*lld %3o", width, (long long)at, a);
        if (c->print) out_byte(&c->out, ' '), put_byte_name(&c->out, a, 1);
        out_format(&c->out, " %3o", b);
        if (c->print) out_byte(&c->out, ' '), put_byte_name(&c->out, b, 0);
    } else {
        out_format(&c->out, "%s %s differ: %s %lld, line %lld", c->names[0], c->names[1], "byte",
                   (long long)at, (long long)line);
        if (c->print) {
            out_format(&c->out, " is %3o ", a);
            put_byte_name(&c->out, a, 0);
            out_format(&c->out, " %3o ", b);
            put_byte_name(&c->out, b, 0);
        }
    }
    out_byte(&c->out, '\n');
}

static int compare(struct cmp *c, const char *const data[2], const int64_t len[2]) {
    int64_t common = len[0] < len[1] ? len[0] : len[1], line = 1, lines_before = 0;
    int status = 0, width = 1;
    int64_t most = len[0] > len[1] ? len[0] : len[1];
    if (c->limit < most) most = c->limit;
    for (int64_t v = most; v >= 10; v /= 10) width++;
    if (common > c->limit) common = c->limit;
    if (c->silent) return memcmp(data[0], data[1], (size_t)common) || (common < c->limit && len[0] != len[1]);
    for (int64_t i = 0; i < common; i++) {
        if (data[0][i] != data[1][i]) {
            status = 1;
            put_difference(c, i + 1, line, (unsigned char)data[0][i], (unsigned char)data[1][i], width);
            if (!c->list) return 1;
        }
        if (data[0][i] == '\n') line++, lines_before = i + 1;
    }
    if (common < c->limit && len[0] != len[1]) {
        const char *shorter = c->names[len[0] > len[1]];
        if (common == 0) tool_warn("EOF on %s which is empty", shorter);
        else if (c->list) tool_warn("EOF on %s after byte %lld", shorter, (long long)common);
        else if (lines_before == common) tool_warn("EOF on %s after byte %lld, line %lld", shorter, (long long)common, (long long)line - 1);
        else tool_warn("EOF on %s after byte %lld, in line %lld", shorter, (long long)common, (long long)line);
        status = 1;
    }
    return status;
}

static void skip_parse(struct cmp *c, const char *s) {
    const char *colon = strchr(s, ':');
    char *first = xstrdup(s);
    if (colon) first[colon - s] = '\0';
    if (size_parse(first, &c->skip[0]) || (colon && size_parse(colon + 1, &c->skip[1])))
        tool_die(2, "invalid --ignore-initial value '%s'", s);
    if (!colon) c->skip[1] = c->skip[0];
    free(first);
}

int tool_cmp(int argc, char **argv) {
    static const struct longopt longs[] = {{"print-bytes", 0, 'b'}, {"ignore-initial", 1, 'i'}, {"verbose", 0, 'l'},
        {"bytes", 1, 'n'}, {"quiet", 0, 's'}, {"silent", 0, 's'}, {0}};
    struct cmp cmp = {.limit = INT64_MAX};
    struct opts o = opts_start(argc, argv);
    int c;
    while ((c = opts_next(&o, "bi:ln:s", longs)) != OPT_END) switch (c) {
        case 'b': cmp.print = 1; break;
        case 'i': skip_parse(&cmp, o.arg); break;
        case 'l': cmp.list = 1; break;
        case 'n': if (size_parse(o.arg, &cmp.limit)) tool_die(2, "invalid --bytes value '%s'", o.arg); break;
        case 's': cmp.silent = 1; break;
        default: return c == OPT_HELP ? 0 : 2;
        }
    if (o.operands < 1) usage_die(2, "missing operand after 'cmp'");
    if (o.operands > 4) usage_die(2, "extra operand '%s'", argv[5]);
    if (o.operands > 2 && size_parse(argv[3], &cmp.skip[0])) tool_die(2, "invalid --ignore-initial value '%s'", argv[3]);
    if (o.operands > 3 && size_parse(argv[4], &cmp.skip[1])) tool_die(2, "invalid --ignore-initial value '%s'", argv[4]);
    char *data[2];
    const char *start[2];
    int64_t len[2];
    for (int i = 0; i < 2; i++) {
        cmp.names[i] = i < o.operands ? argv[i + 1] : "-";
        int fd = input_open(cmp.names[i]);
        ssize_t n = fd < 0 ? -1 : input_slurp(fd, &data[i]);
        if (n < 0) {
            if (!cmp.silent) tool_warn_errno(cmp.names[i]);
            return 2;
        }
        input_close(fd);
        int64_t skip = cmp.skip[i] < n ? cmp.skip[i] : n;
        start[i] = data[i] + skip;
        len[i] = n - skip;
    }
    out_start(&cmp.out, STDOUT_FILENO, 1);
    int status = compare(&cmp, start, len);
    return out_end(&cmp.out, status);
}
