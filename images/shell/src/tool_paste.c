#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_text.h"

struct paste {
    char *delims;
    unsigned char *present; /* 0: "\0", no delimiter at this place */
    size_t n_delims;
    char end;
    struct out out;
};

static int delims_parse(struct paste *p, const char *s) {
    static const char from[] = "nt\\bfrv", to[] = "\n\t\\\b\f\r\v";
    p->delims = xmalloc(strlen(s) + 1);
    p->present = xmalloc(strlen(s) + 1);
    for (; *s; s++) {
        char c = *s;
        int has = 1;
        if (c == '\\') {
            if (!*++s) {
                tool_warn("delimiter list ends with an unescaped backslash: %s", "\\");
                return -1;
            }
            const char *hit = strchr(from, *s);
            c = hit ? to[hit - from] : *s;
            has = *s != '0';
        }
        p->present[p->n_delims] = (unsigned char)has;
        p->delims[p->n_delims++] = c;
    }
    if (!p->n_delims) p->present[p->n_delims++] = 0;
    return 0;
}

static void put_delim(struct paste *p, size_t at) {
    at %= p->n_delims;
    if (p->present[at]) out_byte(&p->out, p->delims[at]);
}

static int paste_serial(struct paste *p, int files, char **names) {
    int status = 0;
    for (int i = 0; i < files; i++) {
        struct reader r;
        char *line;
        size_t n, at = 0;
        if (reader_open(&r, names[i], p->end)) {
            status = 1;
            continue;
        }
        while ((n = reader_line(&r, &line)) > 0) {
            if (at > 0) put_delim(p, at - 1);
            at++;
            out_put(&p->out, line, n - (line[n - 1] == p->end));
        }
        out_byte(&p->out, p->end);
        if (reader_close(&r, names[i])) status = 1;
    }
    return status;
}

static int paste_parallel(struct paste *p, int files, char **names) {
    struct reader *r = xmalloc(sizeof *r * (size_t)files);
    struct reader *shared = NULL; /* every "-" takes the next line of the one stdin */
    int *source = xmalloc(sizeof *source * (size_t)files), open = 0, status = 0;
    for (int i = 0; i < files; i++) {
        source[i] = i;
        if (!strcmp(names[i], "-") && shared) {
            source[i] = (int)(shared - r);
            continue;
        }
        if (reader_open(&r[i], names[i], p->end)) exit(1);
        if (!strcmp(names[i], "-")) shared = &r[i];
    }
    char *line;
    for (;;) {
        open = 0;
        size_t pending = 0;
        for (int i = 0; i < files; i++) {
            size_t n = reader_line(&r[source[i]], &line);
            if (n > 0) {
                for (; pending < (size_t)i && !open; pending++) put_delim(p, pending);
                open = 1;
                out_put(&p->out, line, n - (line[n - 1] == p->end));
            }
            if (open && i < files - 1) put_delim(p, (size_t)i);
        }
        if (!open) break;
        out_byte(&p->out, p->end);
    }
    for (int i = 0; i < files; i++)
        if (source[i] == i && reader_close(&r[i], names[i])) status = 1;
    return status;
}

int tool_paste(int argc, char **argv) {
    static const struct longopt longs[] = {{"delimiters", 1, 'd'}, {"serial", 0, 's'}, {"zero-terminated", 0, 'z'}, {0}};
    static char *stdin_only[] = {"-"};
    struct paste p = {.end = '\n'};
    struct opts o = opts_start(argc, argv);
    const char *delims = "\t";
    int c, serial = 0;
    while ((c = opts_next(&o, "d:sz", longs)) != OPT_END) switch (c) {
        case 'd': delims = o.arg; break;
        case 's': serial = 1; break;
        case 'z': p.end = '\0'; break;
        default: return c == OPT_HELP ? 0 : 1;
        }
    if (delims_parse(&p, delims)) return 1;
    out_start(&p.out, STDOUT_FILENO, 1);
    int files = o.operands ? o.operands : 1;
    char **names = o.operands ? argv + 1 : stdin_only;
    int status = (serial ? paste_serial : paste_parallel)(&p, files, names);
    return out_end(&p.out, status);
}
