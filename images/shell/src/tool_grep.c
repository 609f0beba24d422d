/* grep, egrep, fgrep: options and patterns; tool_grep_file.c does the searching. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_grep.h"

enum { LONG_BINARY = 256, LONG_COLOR, LONG_INCLUDE, LONG_EXCLUDE, LONG_EXCLUDE_DIR, LONG_LABEL, LONG_BUFFERED, LONG_NO_ICASE, LONG_SEPARATOR, LONG_NO_SEPARATOR };

static const struct longopt longs[] = {{"extended-regexp", 0, 'E'}, {"fixed-strings", 0, 'F'}, {"basic-regexp", 0, 'G'},
    {"perl-regexp", 0, 'P'}, {"regexp", 1, 'e'}, {"file", 1, 'f'}, {"ignore-case", 0, 'i'}, {"no-ignore-case", 0, LONG_NO_ICASE},
    {"word-regexp", 0, 'w'}, {"line-regexp", 0, 'x'}, {"null-data", 0, 'z'}, {"no-messages", 0, 's'},
    {"invert-match", 0, 'v'}, {"max-count", 1, 'm'}, {"byte-offset", 0, 'b'}, {"line-number", 0, 'n'},
    {"line-buffered", 0, LONG_BUFFERED}, {"with-filename", 0, 'H'}, {"no-filename", 0, 'h'}, {"label", 1, LONG_LABEL},
    {"only-matching", 0, 'o'}, {"quiet", 0, 'q'}, {"silent", 0, 'q'}, {"binary-files", 1, LONG_BINARY}, {"text", 0, 'a'},
    {"recursive", 0, 'r'}, {"dereference-recursive", 0, 'R'}, {"include", 1, LONG_INCLUDE}, {"exclude", 1, LONG_EXCLUDE},
    {"exclude-dir", 1, LONG_EXCLUDE_DIR}, {"files-without-match", 0, 'L'}, {"files-with-matches", 0, 'l'},
    {"count", 0, 'c'}, {"initial-tab", 0, 'T'}, {"null", 0, 'Z'}, {"before-context", 1, 'B'}, {"after-context", 1, 'A'},
    {"context", 1, 'C'}, {"color", 2, LONG_COLOR}, {"colour", 2, LONG_COLOR}, {"binary", 0, 'U'}, {"directories", 1, 'd'},
    {"group-separator", 1, LONG_SEPARATOR}, {"no-group-separator", 0, LONG_NO_SEPARATOR}, {0}};

struct patterns {
    char *text;
    size_t len;
    int any;
};

static void patterns_add(struct patterns *p, const char *text, size_t n) {
    p->text = xrealloc(p->text, p->len + n + 2);
    if (p->any) p->text[p->len++] = '\n';
    memcpy(p->text + p->len, text, n);
    p->len += n;
    p->any = 1;
}

static void patterns_read(struct patterns *p, const char *name) {
    char *data;
    int fd = input_open(name);
    ssize_t n = fd < 0 ? -1 : input_slurp(fd, &data);
    if (n < 0) tool_die(2, "%s: %s", name, strerror(errno));
    input_close(fd);
    if (n > 0) patterns_add(p, data, (size_t)n - (data[n - 1] == '\n'));
    free(data);
}

static int context_parse(const char *s) {
    int64_t v;
    if (size_parse(s, &v)) tool_die(2, "%s: invalid context length argument", s);
    return v > 1 << 30 ? 1 << 30 : (int)v;
}

static void filter_add(struct grep *g, int kind, const char *glob) {
    g->filters = xrealloc(g->filters, sizeof *g->filters * (size_t)(g->n_filters + 1));
    g->filters[g->n_filters++] = (struct filter){kind, glob};
}

static void set_binary(struct grep *g, const char *how) {
    if (!strcmp(how, "text")) g->binary = BINARY_TEXT;
    else if (!strcmp(how, "without-match")) g->binary = BINARY_SKIP;
    else if (!strcmp(how, "binary")) g->binary = BINARY_SAY;
    else tool_die(2, "invalid argument '%s' for '--binary-files'", how);
}

static int grep_option(struct grep *g, struct patterns *p, int c, struct opts *o) {
    switch (c) {
    case 'E': g->flags = (g->flags & ~RX_LITERAL) | RX_ERE | RX_LOOSE; break;
    case 'F': g->flags = (g->flags & ~(RX_ERE | RX_LOOSE)) | RX_LITERAL; break;
    case 'G': g->flags &= ~(RX_ERE | RX_LOOSE | RX_LITERAL); break;
    case 'P': tool_die(2, "Perl matching not supported in the WASI lane");
    case 'e': patterns_add(p, o->arg, strlen(o->arg)); g->given = 1; break;
    case 'f': patterns_read(p, o->arg); g->given = 1; break;
    case 'i': case 'y': g->flags |= RX_ICASE; break;
    case LONG_NO_ICASE: g->flags &= ~RX_ICASE; break;
    case 'w': g->flags |= RX_WORD; break;
    case 'x': g->flags |= RX_WHOLE; break;
    case 'z': g->delim = '\0'; break;
    case 's': g->no_messages = 1; break;
    case 'v': g->invert = 1; break;
    case 'm':
        if (size_parse(o->arg, &g->max)) tool_die(2, "invalid max count");
        break;
    case 'b': g->offsets = 1; break;
    case 'n': g->numbers = 1; break;
    case 'H': g->names = 1; break;
    case 'h': g->names = -1; break;
    case LONG_LABEL: g->label = o->arg; break;
    case 'o': g->only = 1; break;
    case 'q': g->quiet = 1; break;
    case 'a': g->binary = BINARY_TEXT; break;
    case 'I': g->binary = BINARY_SKIP; break;
    case LONG_BINARY: set_binary(g, o->arg); break;
    case 'r': g->recursive = 1; break;
    case 'R': g->recursive = 2; break;
    case 'd':
        if (!strcmp(o->arg, "recurse")) g->recursive = 1;
        else if (!strcmp(o->arg, "skip")) g->skip_dirs = 1;
        break;
    case LONG_INCLUDE: filter_add(g, FILTER_INCLUDE, o->arg); break;
    case LONG_EXCLUDE: filter_add(g, FILTER_EXCLUDE, o->arg); break;
    case LONG_EXCLUDE_DIR: filter_add(g, FILTER_EXCLUDE_DIR, o->arg); break;
    case 'L': g->list = LIST_WITHOUT; break;
    case 'l': g->list = LIST_WITH; break;
    case 'c': g->count = 1; break;
    case 'T': g->initial_tab = 1; break;
    case 'Z': g->name_nul = 1; break;
    case 'A': g->after = context_parse(o->arg); break;
    case 'B': g->before = context_parse(o->arg); break;
    case 'C': g->both = context_parse(o->arg); break;
    case LONG_SEPARATOR: g->separator = o->arg; break;
    case LONG_NO_SEPARATOR: g->separator = NULL; break;
    case LONG_BUFFERED: g->line_buffered = 1; break;
    case LONG_COLOR: case 'U': break;
    case OPT_HELP: case OPT_BAD: return -1;
    default: /* -NUM */
        g->both = c - '0';
        while (*o->cluster >= '0' && *o->cluster <= '9') g->both = g->both * 10 + (*o->cluster++ - '0');
    }
    return 0;
}

static void compile(struct grep *g, const struct patterns *p) {
    const char *error;
    if (!p->any) return; /* an empty -f file: nothing matches */
    if (!(g->flags & RX_LITERAL) && p->len > 4 && !strncmp(p->text, "[:", 2) && !strcmp(p->text + p->len - 2, ":]"))
        tool_die(2, "character class syntax is [[:space:]], not [:space:]");
    g->rx = rx_compile(p->text, p->len, g->flags | RX_ALTERNATIVES | (g->delim ? RX_BY_LINE : 0), &error);
    if (!g->rx) tool_die(2, "%s", error);
}

static int grep_main(int argc, char **argv, int flags) {
    static struct grep g;
    static char *stdin_only[] = {"-"}, *here[] = {"."};
    struct patterns p = {0};
    struct opts o = opts_start(argc, argv);
    int c;
    g = (struct grep){.flags = flags, .delim = '\n', .max = INT64_MAX, .after = -1, .before = -1, .both = -1, .separator = "--"};
    tool_name = "grep";
    while ((c = opts_next(&o, "EFGPe:f:iywxzsvm:bnHhoqaIrRd:LlcTZA:B:C:U0123456789", longs)) != OPT_END)
        if (grep_option(&g, &p, c, &o)) return c == OPT_HELP ? 0 : 2;
    char **names = argv + 1;
    int n = o.operands;
    if (!g.given) {
        if (!n) usage_die(2, "no pattern given");
        patterns_add(&p, names[0], strlen(names[0]));
        names++;
        n--;
    }
    if (p.text) p.text[p.len] = '\0';
    compile(&g, &p);
    g.grouped = g.before >= 0 || g.after >= 0 || g.both >= 0;
    if (g.both < 0) g.both = 0;
    if (g.before < 0) g.before = g.both;
    if (g.after < 0) g.after = g.both;
    if (g.count || g.list || g.quiet || g.only) g.before = g.after = 0;
    g.implicit_dir = !n && g.recursive;
    if (!g.names) g.names = n > 1 || g.recursive ? 1 : -1;
    if (!n) {
        names = g.recursive ? here : stdin_only;
        n = 1;
    }
    out_start(&g.out, STDOUT_FILENO, 1);
    for (int i = 0; i < n && !g.stop; i++) grep_path(&g, names[i], 1);
    int status = g.failed && !(g.quiet && g.matched) ? 2 : !g.matched;
    return out_end(&g.out, status);
}

int tool_grep(int argc, char **argv) { return grep_main(argc, argv, 0); }
int tool_egrep(int argc, char **argv) { return grep_main(argc, argv, RX_ERE | RX_LOOSE); }
int tool_fgrep(int argc, char **argv) { return grep_main(argc, argv, RX_LITERAL); }
