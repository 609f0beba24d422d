#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_text.h"

struct format {
    char kind; /* a c d o u x f */
    int size, width; /* width of one field without the space before it */
    int trailer;     /* z: the printable characters at the end of the line */
    int pad;         /* spread over the line so that all formats line up */
};
struct od {
    struct format *formats;
    int n, width, width_given, all;
    int radix; /* of addresses: 8 10 16 0 */
    int64_t skip, limit;
    struct out out;
};

static int field_width(char kind, int size) {
    static const char octal[] = {0, 3, 6, 0, 11, 0, 0, 0, 22}, decimal[] = {0, 4, 6, 0, 11, 0, 0, 0, 20},
                      plain[] = {0, 3, 5, 0, 10, 0, 0, 0, 20};
    switch (kind) {
    case 'o': return octal[size];
    case 'd': return decimal[size];
    case 'u': return plain[size];
    case 'x': return size * 2;
    case 'f': return size == 4 ? 15 : 24;
    default: return 3;
    }
}

static void format_add(struct od *od, char kind, int size) {
    od->formats = xrealloc(od->formats, sizeof *od->formats * (size_t)(od->n + 1));
    od->formats[od->n++] = (struct format){.kind = kind, .size = size, .width = field_width(kind, size)};
}

static void type_parse(struct od *od, const char *s) {
    const char *whole = s;
    while (*s) {
        char kind = *s++;
        int size = kind == 'f' ? 8 : 4;
        if (kind == 'a' || kind == 'c') {
            size = 1;
        } else if (strchr("doux", kind)) {
            if (*s >= '0' && *s <= '9') size = (int)strtol(s, (char **)&s, 10);
            else if (*s == 'C') size = 1, s++;
            else if (*s == 'S') size = 2, s++;
            else if (*s == 'I') size = 4, s++;
            else if (*s == 'L') size = 8, s++;
        } else if (kind == 'f') {
            if (*s >= '0' && *s <= '9') size = (int)strtol(s, (char **)&s, 10);
            else if (*s == 'F') size = 4, s++;
            else if (*s == 'D') size = 8, s++;
        } else {
            tool_die(1, "invalid character '%c' in type string '%s'", kind, whole);
        }
        if ((size != 1 && size != 2 && size != 4 && size != 8) || (kind == 'f' && size < 4))
            tool_die(1, "invalid type string '%s';\nthis system doesn't provide a %d-byte %s type", whole, size,
                     kind == 'f' ? "floating point" : "integral");
        format_add(od, kind, size);
        if (*s == 'z') {
            od->formats[od->n - 1].trailer = 1;
            s++;
        }
    }
}

static void field_text(const struct format *f, const unsigned char *p, char *text, size_t cap) {
    static const char names[] = "nulsohstxetxeotenqackbel bs ht nl vt ff cr so sidledc1dc2dc3dc4naksynetbcan emsubesc fs gs rs us sp";
    uint64_t v = 0;
    for (int i = f->size - 1; i >= 0; i--) v = v << 8 | p[i];
    int unused = 64 - 8 * f->size;
    switch (f->kind) {
    case 'a': {
        int c = (int)v & 0x7F;
        if (c == 127) snprintf(text, cap, "del");
        else if (c <= 32) snprintf(text, cap, "%.3s", names + c * 3);
        else snprintf(text, cap, "%c", c);
        break;
    }
    case 'c': {
        static const char from[] = "\a\b\f\n\r\t\v", to[] = "abfnrtv";
        const char *hit = v ? strchr(from, (int)v) : NULL;
        if (hit) snprintf(text, cap, "\\%c", to[hit - from]);
        else if (v == 0) snprintf(text, cap, "\\0");
        else if (v >= 32 && v < 127) snprintf(text, cap, "%c", (int)v);
        else snprintf(text, cap, "%03o", (unsigned)v);
        break;
    }
    case 'd': snprintf(text, cap, "%lld", (long long)(v << unused) >> unused); break;
    case 'u': snprintf(text, cap, "%llu", (unsigned long long)v); break;
    case 'o': snprintf(text, cap, "%0*llo", f->width, (unsigned long long)v); break;
    case 'x': snprintf(text, cap, "%0*llx", f->width, (unsigned long long)v); break;
    default: {
        /* The fewest digits that read back as the same number. */
        float single;
        double real;
        if (f->size == 4) {
            uint32_t bits = (uint32_t)v;
            memcpy(&single, &bits, 4);
            for (int digits = 6; digits <= 9; digits++) {
                snprintf(text, cap, "%.*g", digits, (double)single);
                if (strtof(text, NULL) == single) break;
            }
        } else {
            memcpy(&real, &v, 8);
            for (int digits = 15; digits <= 17; digits++) {
                snprintf(text, cap, "%.*g", digits, real);
                if (strtod(text, NULL) == real) break;
            }
        }
    }
    }
}

static void put_address(struct od *od, int64_t at) {
    if (od->radix == 8) out_format(&od->out, "%07llo", (unsigned long long)at);
    else if (od->radix == 10) out_format(&od->out, "%07lld", (long long)at);
    else if (od->radix == 16) out_format(&od->out, "%06llx", (unsigned long long)at);
}

static void put_block(struct od *od, int64_t at, const unsigned char *block, int n) {
    for (int i = 0; i < od->n; i++) {
        const struct format *f = &od->formats[i];
        if (i == 0) put_address(od, at);
        else if (od->radix) out_format(&od->out, "%*s", od->radix == 16 ? 6 : 7, "");
        int fields = od->width / f->size, shown = (n + f->size - 1) / f->size, pad_left = f->pad;
        for (int k = 0; k < fields; k++) {
            int next_pad = f->pad * (fields - k - 1) / fields;
            char text[40] = "";
            if (k < shown) field_text(f, block + k * f->size, text, sizeof text);
            else if (!f->trailer) break;
            out_format(&od->out, "%*s", 1 + f->width + pad_left - next_pad, text);
            pad_left = next_pad;
        }
        if (f->trailer) {
            out_text(&od->out, "  >");
            for (int k = 0; k < n; k++) out_byte(&od->out, block[k] >= 32 && block[k] < 127 ? block[k] : '.');
            out_byte(&od->out, '<');
        }
        out_byte(&od->out, '\n');
    }
}

struct input {
    char **names;
    int n, at, fd, status;
    unsigned char *buf;
    size_t beg, end;
};

static int input_byte(struct input *in) {
    while (in->beg == in->end) {
        if (in->fd < 0) {
            if (in->at >= in->n) return -1;
            in->fd = input_open(in->names[in->at]);
            if (in->fd < 0) {
                tool_warn_errno(in->names[in->at++]);
                in->status = 1;
                continue;
            }
        }
        ssize_t n = input_read(in->fd, in->buf, IO_CHUNK);
        if (n < 0) {
            tool_warn_errno(in->names[in->at]);
            in->status = 1;
        }
        in->beg = 0;
        in->end = n > 0 ? (size_t)n : 0;
        if (n <= 0) {
            input_close(in->fd);
            in->fd = -1;
            in->at++;
        }
    }
    return in->buf[in->beg++];
}

static void dump(struct od *od, struct input *in) {
    unsigned char *block = xmalloc((size_t)od->width + 16), *last = xmalloc((size_t)od->width + 16);
    int64_t at = 0, left = od->limit;
    int c = 0, have_last = 0, starred = 0;
    for (; at < od->skip; at++)
        if (input_byte(in) < 0) tool_die(1, "cannot skip past end of combined input");
    while (c >= 0) {
        int n = 0;
        for (; n < od->width && left > 0 && (c = input_byte(in)) >= 0; left--) block[n++] = (unsigned char)c;
        if (n == 0) break;
        memset(block + n, 0, (size_t)od->width + 16 - (size_t)n);
        if (!od->all && have_last && n == od->width && !memcmp(block, last, (size_t)n)) {
            if (!starred) out_text(&od->out, "*\n");
            starred = 1;
        } else {
            put_block(od, at, block, n);
            starred = 0;
        }
        memcpy(last, block, (size_t)od->width);
        have_last = 1;
        at += n;
        if (left == 0) break;
    }
    if (od->radix && (at > 0 || !in->status)) {
        put_address(od, at);
        out_byte(&od->out, '\n');
    }
}

static int64_t offset_parse(const char *s) {
    char *end;
    int64_t v;
    if (*s == '0' && s[1]) {
        v = strtoll(s, &end, 0);
        if (*s && !*end && v >= 0) return v;
        if (!strcmp(end, "k") || !strcmp(end, "K")) return v * 1024;
    }
    if (size_parse(s, &v)) tool_die(1, "invalid argument '%s'", s);
    return v;
}

static void layout(struct od *od) {
    int unit = 1;
    if (!od->n) format_add(od, 'o', 2);
    for (int i = 0; i < od->n; i++)
        if (od->formats[i].size > unit) unit = od->formats[i].size;
    if (!od->width_given) od->width = 16 / unit * unit;
    if (od->width < 1 || od->width % unit) {
        tool_warn("warning: invalid width %d; using %d instead", od->width, unit);
        od->width = unit;
    }
    int most = 0;
    for (int i = 0; i < od->n; i++) {
        int w = (od->formats[i].width + 1) * (od->width / od->formats[i].size);
        if (w > most) most = w;
    }
    for (int i = 0; i < od->n; i++)
        od->formats[i].pad = most - (od->formats[i].width + 1) * (od->width / od->formats[i].size);
}

int tool_od(int argc, char **argv) {
    static const struct longopt longs[] = {{"address-radix", 1, 'A'}, {"skip-bytes", 1, 'j'}, {"read-bytes", 1, 'N'},
        {"format", 1, 't'}, {"output-duplicates", 0, 'v'}, {"width", 2, 'w'}, {0}};
    static char *stdin_only[] = {"-"};
    static const char short_types[] = "abcdfiloxsDXOBhHI";
    struct od od = {.radix = 8, .limit = INT64_MAX};
    struct opts o = opts_start(argc, argv);
    int c;
    while ((c = opts_next(&o, "A:j:N:t:vw::abcdfiloxsDXOBhHI", longs)) != OPT_END) switch (c) {
        case 'A':
            od.radix = *o.arg == 'o' ? 8 : *o.arg == 'd' ? 10 : *o.arg == 'x' ? 16 : 0;
            if (!od.radix && *o.arg != 'n')
                tool_die(1, "invalid output address radix '%c'; it must be one character from [doxn]", *o.arg);
            break;
        case 'j': od.skip = offset_parse(o.arg); break;
        case 'N': od.limit = offset_parse(o.arg); break;
        case 't': type_parse(&od, o.arg); break;
        case 'v': od.all = 1; break;
        case 'w':
            od.width = o.arg ? (int)strtol(o.arg, NULL, 10) : 32;
            if (od.width < 1 || od.width > 65536) tool_die(1, "invalid -w argument '%s'", o.arg);
            od.width_given = 1;
            break;
        case OPT_HELP: return 0;
        case OPT_BAD: return 1;
        default: {
            static const char *const meaning[] = {"a", "o1", "c", "u2", "fF", "dI", "dL", "o2", "x2", "d2", "u4", "x4",
                                                  "o4", "o2", "x2", "x4", "dL"};
            type_parse(&od, meaning[strchr(short_types, c) - short_types]);
        }
        }
    layout(&od);
    struct input in = {.names = o.operands ? argv + 1 : stdin_only, .n = o.operands ? o.operands : 1, .fd = -1,
                       .buf = xmalloc(IO_CHUNK)};
    out_start(&od.out, STDOUT_FILENO, 1);
    dump(&od, &in);
    return out_end(&od.out, in.status);
}
