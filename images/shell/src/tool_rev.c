/* rev: characters of each line backwards; tac: lines of each file backwards */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_text.h"

struct rev {
    int utf8;
    struct out out;
};

static void rev_line(void *context, const char *line, size_t n, int ended) {
    struct rev *rev = context;
    for (size_t end = n; end > 0;) {
        size_t start = end - 1;
        while (rev->utf8 && start > 0 && end - start < 4 && ((unsigned char)line[start] & 0xC0) == 0x80) start--;
        uint32_t code;
        if (rev->utf8 && utf8_decode(line + start, end - start, &code) != (int)(end - start)) start = end - 1;
        out_put(&rev->out, line + start, end - start);
        end = start;
    }
    if (ended) out_byte(&rev->out, '\n');
}

int tool_rev(int argc, char **argv) {
    struct opts o = opts_start(argc, argv);
    struct rev rev = {.utf8 = text_is_utf8()};
    int c;
    while ((c = opts_next(&o, "", NULL)) != OPT_END) return c == OPT_HELP ? 0 : 1;
    out_start(&rev.out, STDOUT_FILENO, 1);
    return out_end(&rev.out, lines_each(&o, rev_line, &rev));
}

struct tac {
    int before;
    const char *separator;
    size_t separator_len;
    struct out out;
};

static void tac_text(struct tac *t, const char *data, size_t n) {
    size_t end = n, sl = t->separator_len;
    /* `at` is just behind a possible separator. */
    for (size_t at = n; at >= sl && at > 0;) {
        if (memcmp(data + at - sl, t->separator, sl)) {
            at--;
            continue;
        }
        size_t cut = t->before ? at - sl : at;
        if (cut < end || (cut == end && t->before)) {
            out_put(&t->out, data + cut, end - cut);
            end = cut;
        }
        at -= sl;
    }
    out_put(&t->out, data, end);
}

int tool_tac(int argc, char **argv) {
    static const struct longopt longs[] = {{"before", 0, 'b'}, {"separator", 1, 's'}, {0}};
    struct tac t = {.separator = "\n", .separator_len = 1};
    struct opts o = opts_start(argc, argv);
    int c, status = 0;
    while ((c = opts_next(&o, "bs:", longs)) != OPT_END) switch (c) {
        case 'b': t.before = 1; break;
        case 's':
            t.separator = o.arg;
            t.separator_len = *o.arg ? strlen(o.arg) : 1;
            break;
        default: return c == OPT_HELP ? 0 : 1;
        }
    out_start(&t.out, STDOUT_FILENO, 1);
    for (int i = 1; i <= o.operands || (i == 1 && !o.operands); i++) {
        const char *name = o.operands ? argv[i] : "-";
        char *data;
        int fd = input_open(name);
        if (fd < 0) {
            tool_warn("failed to open '%s' for reading: %s", name, strerror(errno));
            status = 1;
            continue;
        }
        ssize_t n = input_slurp(fd, &data);
        input_close(fd);
        if (n < 0) {
            tool_warn("%s: read error: %s", name, strerror(errno));
            status = 1;
            continue;
        }
        tac_text(&t, data, (size_t)n);
        free(data);
    }
    return out_end(&t.out, status);
}
