/* sed: command line. tool_sed_parse.c reads scripts, tool_sed_run.c executes them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_sed.h"

struct fragments {
    struct fragment *v;
    size_t n;
    int expressions;
};

static void fragment_add(struct fragments *f, const char *file, const char *text, size_t len) {
    f->v = xrealloc(f->v, sizeof *f->v * (f->n + 1));
    f->v[f->n++] = (struct fragment){file, file ? 0 : ++f->expressions, text, len};
}

static void fragment_read(struct fragments *f, const char *name) {
    char *data;
    int fd = input_open(name);
    ssize_t n = fd < 0 ? -1 : input_slurp(fd, &data);
    if (n < 0) tool_die(1, "couldn't open file %s: %s", name, strerror(errno));
    input_close(fd);
    if (n > 0 && data[n - 1] == '\n') n--;
    fragment_add(f, name, data, (size_t)n);
}

int tool_sed(int argc, char **argv) {
    static const struct longopt longs[] = {{"quiet", 0, 'n'}, {"silent", 0, 'n'}, {"expression", 1, 'e'}, {"file", 1, 'f'},
        {"in-place", 2, 'i'}, {"regexp-extended", 0, 'E'}, {"separate", 0, 's'}, {"line-length", 1, 'l'},
        {"null-data", 0, 'z'}, {"zero-terminated", 0, 'z'}, {"unbuffered", 0, 'u'}, {"posix", 0, 'p'}, {"sandbox", 0, 'S'},
        {"follow-symlinks", 0, 'F'}, {"binary", 0, 'b'}, {"debug", 0, 'b'}, {0}};
    static char *stdin_only[] = {"-"};
    struct sed sed = {.line_length = 70, .delim = '\n'};
    struct fragments f = {0};
    struct opts o = opts_start(argc, argv);
    int c;
    while ((c = opts_next(&o, "ne:f:i::Ersl:zub", longs)) != OPT_END) switch (c) {
        case 'n': sed.quiet = 1; break;
        case 'e': fragment_add(&f, NULL, o.arg, strlen(o.arg)); break;
        case 'f': fragment_read(&f, o.arg); break;
        case 'i':
            sed.in_place = sed.separate = 1;
            sed.suffix = o.arg && *o.arg ? o.arg : NULL;
            break;
        case 'E': case 'r': sed.ere = 1; break;
        case 's': sed.separate = 1; break;
        case 'l':
            if (size_parse(o.arg, &sed.line_length)) tool_die(1, "invalid line length: %s", o.arg);
            break;
        case 'z': sed.delim = '\0'; break;
        case 'u': sed.unbuffered = 1; break;
        case 'p': sed.posix = 1; break;
        case 'b': case 'S': case 'F': break;
        default: return c == OPT_HELP ? 0 : 1;
        }
    char **names = argv + 1;
    int n = o.operands;
    if (!f.n) {
        if (!n) usage_die(1, "no script given");
        fragment_add(&f, NULL, names[0], strlen(names[0]));
        names++;
        n--;
    }
    if (f.v[0].len >= 2 && !strncmp(f.v[0].text, "#n", 2) && (f.v[0].len == 2 || f.v[0].text[2] == '\n')) sed.quiet = 1;
    sed_parse(&sed, f.v, f.n);
    return sed_run(&sed, n ? names : stdin_only, n ? n : 1);
}
