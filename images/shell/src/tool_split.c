#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_text.h"

struct split {
    int64_t lines, bytes, line_bytes, parts;
    int suffix_len, suffix_given, numeric, hex;
    int64_t start;
    const char *prefix, *extra;
    int64_t index;
    int open;
    struct out out;
};

static void part_close(struct split *s) {
    if (!s->open) return;
    int fd = s->out.fd, status = out_end(&s->out, 0);
    close(fd);
    s->open = 0;
    if (status) exit(1);
}

/* xaa ... xyz, then (unless -a was given) xzaaa: the last letter is a reserve for longer ones. */
static void part_open(struct split *s) {
    part_close(s);
    int base = s->hex ? 16 : s->numeric ? 10 : 26, len = s->suffix_len, lead = 0;
    int64_t v = s->index++ + s->start;
    char digits[32];
    for (;;) {
        int64_t room = 1;
        for (int i = 0; i < len; i++) room *= base;
        int64_t usable = s->suffix_given || s->start ? room : room / base * (base - 1);
        if (v < usable) break;
        if (s->suffix_given || s->start || len > 8) tool_die(1, "output file suffixes exhausted");
        v -= usable;
        len++;
        lead++;
    }
    for (int i = len - 1; i >= 0; i--, v /= base) {
        int d = (int)(v % base);
        digits[i] = (char)(!s->numeric ? 'a' + d : d < 10 ? '0' + d : 'a' + d - 10);
    }
    size_t n = strlen(s->prefix);
    char *name = xmalloc(n + 64 + strlen(s->extra));
    memcpy(name, s->prefix, n);
    memset(name + n, s->hex ? 'f' : s->numeric ? '9' : 'z', (size_t)lead);
    memcpy(name + n + lead, digits, (size_t)len);
    strcpy(name + n + (size_t)lead + (size_t)len, s->extra);
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd < 0) tool_die(1, "%s: %s", name, strerror(errno));
    free(name);
    out_start(&s->out, fd, 0);
    s->open = 1;
}

static void split_lines(struct split *s, struct reader *r) {
    char *line;
    size_t n;
    int64_t in_part = s->lines;
    while ((n = reader_line(r, &line)) > 0) {
        if (in_part == s->lines) {
            part_open(s);
            in_part = 0;
        }
        out_put(&s->out, line, n);
        in_part++;
    }
}

static void split_bytes(struct split *s, int fd) {
    char *buf = xmalloc(IO_CHUNK);
    int64_t in_part = s->bytes;
    ssize_t n;
    while ((n = input_read(fd, buf, IO_CHUNK)) > 0)
        for (ssize_t at = 0; at < n;) {
            if (in_part == s->bytes) {
                part_open(s);
                in_part = 0;
            }
            int64_t take = s->bytes - in_part < n - at ? s->bytes - in_part : n - at;
            out_put(&s->out, buf + at, (size_t)take);
            at += (ssize_t)take;
            in_part += take;
        }
    free(buf);
}

/* -C: as many whole lines as fit; a longer line is cut. */
static void split_line_bytes(struct split *s, struct reader *r) {
    char *line;
    size_t n;
    int64_t in_part = s->line_bytes;
    while ((n = reader_line(r, &line)) > 0) {
        while (n > 0) {
            int64_t room = s->line_bytes - in_part;
            if ((int64_t)n > room && (in_part > 0 || room == 0)) {
                part_open(s);
                in_part = 0;
                room = s->line_bytes;
            }
            size_t take = (int64_t)n < room ? n : (size_t)room;
            out_put(&s->out, line, take);
            in_part += (int64_t)take;
            line += take;
            n -= take;
        }
    }
}

static void split_parts(struct split *s, int fd, int by_line) {
    char *data;
    ssize_t n = input_slurp(fd, &data);
    if (n < 0) tool_die(1, "%s", strerror(errno));
    int64_t at = 0;
    for (int64_t part = 1; part <= s->parts; part++) {
        int64_t end = part == s->parts ? n : n / s->parts * part + (part < n % s->parts ? part : n % s->parts);
        if (by_line) {
            end = part == s->parts ? n : n / s->parts * part;
            if (end < at) end = at;
            else if (end > at && end < n && data[end - 1] != '\n') {
                char *hit = memchr(data + end, '\n', (size_t)(n - end));
                end = hit ? hit + 1 - data : n;
            }
        }
        part_open(s);
        out_put(&s->out, data + at, (size_t)(end - at));
        at = end;
    }
}

static int64_t positive(const char *s, const char *what) {
    int64_t v;
    if (size_parse(s, &v) || v < 1) tool_die(1, "invalid number of %s: '%s'", what, s);
    return v;
}

int tool_split(int argc, char **argv) {
    static const struct longopt longs[] = {{"suffix-length", 1, 'a'}, {"additional-suffix", 1, 'A'}, {"bytes", 1, 'b'},
        {"line-bytes", 1, 'C'}, {"numeric-suffixes", 2, 'd'}, {"hex-suffixes", 2, 'x'}, {"lines", 1, 'l'},
        {"number", 1, 'n'}, {0}};
    struct split s = {.lines = 1000, .suffix_len = 2, .prefix = "x", .extra = ""};
    struct opts o = opts_start(argc, argv);
    int c, by_line = 0, ways = 0;
    while ((c = opts_next(&o, "a:b:C:dxl:n:0123456789", longs)) != OPT_END) switch (c) {
        case 'a':
            s.suffix_len = (int)positive(o.arg, "suffix length");
            if (s.suffix_len > 10) tool_die(1, "invalid suffix length: '%s'", o.arg);
            s.suffix_given = 1;
            break;
        case 'A':
            if (strchr(o.arg, '/')) tool_die(1, "invalid suffix '%s', contains directory separator", o.arg);
            s.extra = o.arg;
            break;
        case 'b': s.bytes = positive(o.arg, "bytes"), ways++; break;
        case 'C': s.line_bytes = positive(o.arg, "bytes"), ways++; break;
        case 'x': s.hex = 1; /* fall through */
        case 'd':
            s.numeric = 1;
            if (o.arg) s.start = strtoll(o.arg, NULL, s.hex ? 16 : 10);
            break;
        case 'l': s.lines = positive(o.arg, "lines"), ways++; break;
        case 'n':
            by_line = !strncmp(o.arg, "l/", 2);
            s.parts = positive(o.arg + 2 * by_line, "chunks");
            ways++;
            break;
        case OPT_HELP: return 0;
        case OPT_BAD: return 1;
        default:
            s.lines = c - '0';
            while (*o.cluster >= '0' && *o.cluster <= '9') s.lines = s.lines * 10 + (*o.cluster++ - '0');
            if (!s.lines) tool_die(1, "invalid number of lines: '0'");
        }
    if (ways > 1) usage_die(1, "cannot split in more than one way");
    if (o.operands > 2) usage_die(1, "extra operand '%s'", argv[3]);
    if (o.operands == 2) s.prefix = argv[2];
    const char *name = o.operands ? argv[1] : "-";
    if (s.parts && !s.suffix_given)
        for (int64_t room = s.hex ? 256 : s.numeric ? 100 : 676; room < s.parts; s.suffix_len++)
            room *= s.hex ? 16 : s.numeric ? 10 : 26;
    if (s.parts) s.suffix_given = 1;
    struct reader r;
    int fd = input_open(name);
    if (fd < 0) tool_die(1, "cannot open '%s' for reading: %s", name, strerror(errno));
    reader_start(&r, fd, '\n');
    if (s.parts) split_parts(&s, fd, by_line);
    else if (s.bytes) split_bytes(&s, fd);
    else if (s.line_bytes) split_line_bytes(&s, &r);
    else split_lines(&s, &r);
    part_close(&s);
    return reader_close(&r, name) ? 1 : 0;
}
