#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_text.h"

struct base {
    int bits;  /* a character's: 6 or 5 */
    int chars; /* of a full group: 4 or 8 */
    int bytes; /* of a full group: 3 or 5 */
    const char *alphabet;
};
static const struct base base64 = {6, 4, 3, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"};
static const struct base base32 = {5, 8, 5, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"};

static void put_wrapped(struct out *out, const char *p, int n, int64_t wrap, int64_t *column) {
    for (int i = 0; i < n; i++) {
        if (wrap && *column == wrap) {
            out_byte(out, '\n');
            *column = 0;
        }
        out_byte(out, p[i]);
        ++*column;
    }
}

static int encode(const struct base *b, int fd, struct out *out, int64_t wrap) {
    unsigned char *buf = xmalloc(IO_CHUNK);
    int64_t column = 0;
    size_t have = 0;
    ssize_t n;
    for (;;) {
        n = input_read(fd, buf + have, 65535 / 15 * 15 - have);
        if (n < 0) return -1;
        have += (size_t)n;
        size_t at = 0;
        while (have - at >= (size_t)b->bytes || (n == 0 && at < have)) {
            size_t take = have - at < (size_t)b->bytes ? have - at : (size_t)b->bytes;
            uint64_t v = 0;
            char text[8];
            for (int i = 0; i < b->bytes; i++) v = v << 8 | ((size_t)i < take ? buf[at + (size_t)i] : 0);
            int used = ((int)take * 8 + b->bits - 1) / b->bits;
            for (int i = b->chars - 1; i >= 0; i--, v >>= b->bits)
                text[i] = i < used ? b->alphabet[v & ((1u << b->bits) - 1)] : '=';
            put_wrapped(out, text, b->chars, wrap, &column);
            at += take;
        }
        if (n == 0) break;
        memmove(buf, buf + at, have - at);
        have -= at;
    }
    if (wrap && column) out_byte(out, '\n');
    free(buf);
    return 0;
}

struct decoder {
    const struct base *b;
    int map[256];
    uint64_t v;
    int chars, padding;
};

/* A finished group's bytes; -1 if its length or its left-over bits cannot be. */
static int put_group(struct decoder *d, struct out *out) {
    int bytes = d->chars * d->b->bits / 8, spare = d->chars * d->b->bits % 8;
    if (spare >= d->b->bits) return -1;
    for (int i = bytes - 1; i >= 0; i--) out_byte(out, (int)(d->v >> (i * 8 + spare) & 0xFF));
    if (d->v & ((1u << spare) - 1)) return -1;
    d->v = 0;
    d->chars = d->padding = 0;
    return 0;
}

static int decode(struct decoder *d, int fd, struct out *out, int ignore) {
    unsigned char *buf = xmalloc(IO_CHUNK);
    ssize_t n;
    while ((n = input_read(fd, buf, IO_CHUNK)) > 0)
        for (ssize_t i = 0; i < n; i++) {
            int c = buf[i], v = d->map[c];
            if (c == '\n') continue;
            if (c == '=' && d->chars > 0) {
                if (d->chars + ++d->padding == d->b->chars && put_group(d, out)) return 1;
                continue;
            }
            if (v < 0 && ignore) continue;
            if (v < 0 || d->padding) {
                put_group(d, out);
                return 1;
            }
            d->v = d->v << d->b->bits | (uint64_t)v;
            if (++d->chars == d->b->chars && put_group(d, out)) return 1;
        }
    free(buf);
    if (n < 0) return -1;
    if (d->chars == 0) return 0;
    if (!d->padding) put_group(d, out);
    return 1;
}

static int base_main(const struct base *b, int argc, char **argv) {
    static const struct longopt longs[] = {{"decode", 0, 'd'}, {"ignore-garbage", 0, 'i'}, {"wrap", 1, 'w'}, {0}};
    struct opts o = opts_start(argc, argv);
    int64_t wrap = 76;
    int c, back = 0, ignore = 0;
    while ((c = opts_next(&o, "diw:", longs)) != OPT_END) switch (c) {
        case 'd': back = 1; break;
        case 'i': ignore = 1; break;
        case 'w': if (size_parse(o.arg, &wrap)) tool_die(1, "invalid wrap size: '%s'", o.arg); break;
        default: return c == OPT_HELP ? 0 : 1;
        }
    if (o.operands > 1) usage_die(1, "extra operand '%s'", argv[2]);
    const char *name = o.operands ? argv[1] : "-";
    int fd = input_open(name), status = 0;
    if (fd < 0) tool_die(1, "%s: %s", name, strerror(errno));
    struct out out;
    out_start(&out, STDOUT_FILENO, 1);
    if (back) {
        struct decoder d = {.b = b};
        memset(d.map, -1, sizeof d.map);
        for (int i = 0; b->alphabet[i]; i++) d.map[(unsigned char)b->alphabet[i]] = i;
        status = decode(&d, fd, &out, ignore);
        if (status > 0) tool_warn("invalid input");
    } else {
        status = encode(b, fd, &out, wrap);
    }
    if (status < 0) tool_warn("read error: %s", strerror(errno));
    return out_end(&out, status != 0);
}

int tool_base64(int argc, char **argv) { return base_main(&base64, argc, argv); }
int tool_base32(int argc, char **argv) { return base_main(&base32, argc, argv); }
