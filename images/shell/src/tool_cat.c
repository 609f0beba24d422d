#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tool_text.h"

struct cat {
    int number, number_nonblank, squeeze, ends, tabs, nonprinting;
    long line;
    int blank_run, at_start;
    struct out out;
};

static void put_visible(struct out *o, int c, int show_tabs) {
    if (c == '\n' || (c == '\t' && !show_tabs)) {
        out_byte(o, c);
        return;
    }
    if (c >= 128) {
        out_text(o, "M-");
        c -= 128;
    }
    if (c < 32 || c == 127) {
        out_byte(o, '^');
        c ^= 64;
    }
    out_byte(o, c);
}

static void put_decorated(struct cat *cat, const unsigned char *p, size_t n) {
    for (const unsigned char *end = p + n; p < end && !cat->out.err; p++) {
        int c = *p;
        if (cat->at_start) {
            cat->blank_run = c == '\n' ? cat->blank_run + 1 : 0;
            if (cat->squeeze && cat->blank_run > 1) continue;
            if (cat->number && !(cat->number_nonblank && c == '\n')) out_format(&cat->out, "%6ld\t", ++cat->line);
        }
        if (c == '\n' && cat->ends) out_byte(&cat->out, '$');
        if (c == '\t' && cat->tabs) out_text(&cat->out, "^I");
        else if (cat->nonprinting) put_visible(&cat->out, c, cat->tabs);
        else out_byte(&cat->out, c);
        cat->at_start = c == '\n';
    }
}

/* `cat f >> f` would never end. */
static int feeds_itself(int fd) {
    struct stat in, out;
    if (fstat(fd, &in) || !S_ISREG(in.st_mode) || fstat(STDOUT_FILENO, &out) || !S_ISREG(out.st_mode)) return 0;
    return in.st_ino == out.st_ino && in.st_dev == out.st_dev && in.st_size > 0 &&
           lseek(fd, 0, SEEK_CUR) < in.st_size;
}

static int cat_file(struct cat *cat, const char *name, char *buf, int plain) {
    int fd = input_open(name), status = 0;
    if (fd < 0) {
        tool_warn_errno(name);
        return 1;
    }
    if (feeds_itself(fd)) {
        tool_warn("%s: input file is output file", name);
        status = 1;
    }
    while (!status && !cat->out.err) {
        ssize_t n = input_read(fd, buf, IO_CHUNK);
        if (n < 0) {
            tool_warn_errno(name);
            status = 1;
        }
        if (n <= 0) break;
        if (plain) out_put(&cat->out, buf, (size_t)n);
        else put_decorated(cat, (unsigned char *)buf, (size_t)n);
        if (plain) out_flush(&cat->out);
    }
    input_close(fd);
    return status;
}

int tool_cat(int argc, char **argv) {
    static const struct longopt longs[] = {
        {"number", 0, 'n'}, {"number-nonblank", 0, 'b'}, {"squeeze-blank", 0, 's'}, {"show-ends", 0, 'E'},
        {"show-tabs", 0, 'T'}, {"show-nonprinting", 0, 'v'}, {"show-all", 0, 'A'}, {0}};
    struct cat cat = {.at_start = 1};
    struct opts o = opts_start(argc, argv);
    int c, status = 0;
    while ((c = opts_next(&o, "nbsETvAetu", longs)) != OPT_END) switch (c) {
        case 'b': cat.number_nonblank = 1; /* fall through */
        case 'n': cat.number = 1; break;
        case 's': cat.squeeze = 1; break;
        case 'A': cat.tabs = 1; /* fall through */
        case 'e': cat.nonprinting = 1; /* fall through */
        case 'E': cat.ends = 1; break;
        case 't': cat.nonprinting = 1; /* fall through */
        case 'T': cat.tabs = 1; break;
        case 'v': cat.nonprinting = 1; break;
        case 'u': break;
        default: return c == OPT_HELP ? 0 : 1;
        }
    int plain = !(cat.number || cat.squeeze || cat.ends || cat.tabs || cat.nonprinting);
    char *buf = xmalloc(IO_CHUNK);
    out_start(&cat.out, STDOUT_FILENO, 0);
    for (int i = 1; i <= o.operands || (i == 1 && !o.operands); i++)
        status |= cat_file(&cat, o.operands ? argv[i] : "-", buf, plain);
    free(buf);
    return out_end(&cat.out, status);
}
