/* tar: ustar with GNU's long names. There is no compression in the WASI lane. */
#include <errno.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_tar.h"

void tar_trouble(struct tar *t, const char *fmt, ...) {
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    tool_warn("%s", text);
    t->failed = true;
}

unsigned tar_sum(const struct tar_header *h) {
    const unsigned char *b = (const unsigned char *)h;
    unsigned sum = 0;

    for (size_t i = 0; i < TAR_BLOCK; i++) {
        bool in_sum = i >= offsetof(struct tar_header, sum) && i < offsetof(struct tar_header, type);

        sum += in_sum ? ' ' : b[i];
    }
    return sum;
}

/* As GNU: a pattern may match from the start of any component, and up to any "/". */
static bool matches(const char *pattern, const char *name) {
    for (const char *at = name; at; at = strchr(at, '/')) {
        char *part;
        bool hit;

        if (*at == '/') at++;
        part = xstrdup(at);
        hit = !fnmatch(pattern, part, 0);
        for (char *slash = strrchr(part, '/'); !hit && slash; slash = strrchr(part, '/')) {
            *slash = '\0';
            hit = !fnmatch(pattern, part, 0);
        }
        free(part);
        if (hit) return true;
    }
    return false;
}

bool tar_excluded(const struct tar *t, const char *name) {
    for (int i = 0; i < t->exclude_count; i++)
        if (matches(t->excludes[i], name)) return true;
    return false;
}

const char *tar_relative(struct tar *t, const char *name) {
    const char *rest = name + strspn(name, "/");

    if (t->absolute || rest == name) return name;
    if (!t->told_slash) tool_warn("Removing leading `/' from member names");
    t->told_slash = true;
    return *rest ? rest : ".";
}

enum { L_EXCLUDE = 256, L_STRIP, L_OWNER, L_GROUP, L_MTIME, L_NUMERIC, L_NOTHING, L_COMPRESS };

static const struct longopt longs[] = {{"create", 0, 'c'},
                                       {"extract", 0, 'x'},
                                       {"get", 0, 'x'},
                                       {"list", 0, 't'},
                                       {"file", 1, 'f'},
                                       {"verbose", 0, 'v'},
                                       {"directory", 1, 'C'},
                                       {"to-stdout", 0, 'O'},
                                       {"keep-old-files", 0, 'k'},
                                       {"touch", 0, 'm'},
                                       {"preserve-permissions", 0, 'p'},
                                       {"same-permissions", 0, 'p'},
                                       {"dereference", 0, 'h'},
                                       {"absolute-names", 0, 'P'},
                                       {"files-from", 1, 'T'},
                                       {"gzip", 0, 'z'},
                                       {"bzip2", 0, 'j'},
                                       {"xz", 0, 'J'},
                                       {"zstd", 0, L_COMPRESS},
                                       {"exclude", 1, L_EXCLUDE},
                                       {"strip-components", 1, L_STRIP},
                                       {"owner", 1, L_OWNER},
                                       {"group", 1, L_GROUP},
                                       {"mtime", 1, L_MTIME},
                                       {"numeric-owner", 0, L_NUMERIC},
                                       {"sort", 1, L_NOTHING},
                                       {"format", 1, L_NOTHING},
                                       {"overwrite", 0, L_NOTHING},
                                       {"no-same-owner", 0, L_NOTHING},
                                       {"same-owner", 0, L_NOTHING},
                                       {"no-same-permissions", 0, L_NOTHING},
                                       {"warning", 1, L_NOTHING},
                                       {NULL, 0, 0}};

struct words {
    char **v;
    int count;
};

static void words_add(struct words *w, const char *word) {
    w->v = xrealloc(w->v, ((size_t)w->count + 1) * sizeof *w->v);
    w->v[w->count++] = xstrdup(word);
}

/* "tar cvfC a d x": a first word without dash is options whose arguments follow in order. */
static struct words spell_out(int argc, char **argv) {
    struct words w = {NULL, 0};
    int next = 2;

    words_add(&w, argv[0]);
    if (argc > 1 && argv[1][0] != '-') {
        for (const char *s = argv[1]; *s; s++) {
            char option[3] = {'-', *s, '\0'};

            words_add(&w, option);
            if (strchr("fCTbX", *s) && next < argc) words_add(&w, argv[next++]);
        }
    } else {
        next = 1;
    }
    while (next < argc) words_add(&w, argv[next++]);
    return w;
}

static void add_names_from(struct words *operands, const char *file) {
    struct reader r;
    char *line;
    size_t n;

    if (reader_open(&r, file, '\n')) exit(2);
    while ((n = reader_line(&r, &line))) {
        char *name = xmalloc(n + 1);

        memcpy(name, line, n);
        name[n - (line[n - 1] == '\n')] = '\0';
        if (line[n - 1] != '\n') name[n] = '\0';
        if (*name) words_add(operands, name);
        free(name);
    }
    if (reader_close(&r, file)) exit(2);
}

static void set_mode(struct tar *t, int c) {
    if (t->mode && t->mode != c) {
        usage_error("You may not specify more than one '-Acdtrux', '--delete' or  '--test-label' option");
        exit(2);
    }
    t->mode = (char)c;
}

static void set_time(struct tar *t, const char *text) {
    if (!date_parse(text, time_now(), &t->mtime)) tool_die(2, "cannot read date %s", marked(text));
    t->mtime.tv_nsec = 0;
    t->has_mtime = true;
}

static void choose(struct tar *t, int c, const char *arg, struct words *operands) {
    int64_t n;

    switch (c) {
    case 'c':
    case 'x':
    case 't': set_mode(t, c); break;
    case 'f': t->archive = strcmp(arg, "-") ? arg : NULL; break;
    case 'v': t->verbose++; break;
    case 'O': t->to_stdout = true; break;
    case 'k': t->keep_old = true; break;
    case 'm': t->no_times = true; break;
    case 'p': t->keep_mode = true; break;
    case 'h': t->follow = true; break;
    case 'P': t->absolute = true; break;
    case 'T': add_names_from(operands, arg); break;
    case 'C': words_add(operands, "-C"); words_add(operands, arg); break;
    case 'z':
    case 'j':
    case 'J':
    case L_COMPRESS: tool_die(2, "compression is not available in the WASI lane");
    case L_EXCLUDE:
        t->excludes = xrealloc(t->excludes, (size_t)(t->exclude_count + 1) * sizeof *t->excludes);
        t->excludes[t->exclude_count++] = (char *)arg;
        break;
    case L_STRIP:
        if (!number_parse(arg, &n) || n < 0 || n > 10000) tool_die(2, "%s: Invalid number of elements", arg);
        t->strip = (int)n;
        break;
    case L_OWNER: t->owner = arg; break;
    case L_GROUP: t->group = arg; break;
    case L_MTIME: set_time(t, arg); break;
    case L_NUMERIC: t->numeric = true; break;
    default: break;
    }
}

static void open_archive(struct tar *t) {
    bool writes = t->mode == 'c';

    t->file = writes ? stdout : stdin;
    t->names_out = writes && !t->archive ? stderr : stdout;
    if (t->archive) t->file = fopen(t->archive, writes ? "w" : "r");
    if (!t->file) {
        tool_warn("%s: Cannot open: %s", t->archive, strerror(errno));
        tool_die(2, "Error is not recoverable: exiting now");
    }
    setvbuf(t->file, NULL, _IOFBF, IO_CHUNK);
}

/* Applies every -C of a read: only writing has directories between its names. */
static void take_names(struct tar *t, struct words *w) {
    int kept = 0;

    for (int i = 0; i < w->count; i++) {
        if (!strcmp(w->v[i], "-C") && i + 1 < w->count) {
            if (!chdir(w->v[++i])) continue;
            tool_warn("%s: Cannot open: %s", w->v[i], strerror(errno));
            tool_die(2, "Error is not recoverable: exiting now");
        }
        w->v[kept++] = w->v[i];
    }
    t->names = w->v;
    t->name_count = kept;
    t->found = xmalloc((size_t)kept + 1);
    memset(t->found, 0, (size_t)kept + 1);
}

/* Options may stand between names, and where a -C stands matters: so one name at a time. */
static int parse(struct tar *t, char **argv, int argc, struct words *operands) {
    bool plain = false;

    while (argc > 0) {
        struct opts o = opts_start(argc, argv);
        int c = OPT_END;

        if (!plain)
            while ((c = opts_next(&o, "+cxtf:vC:OkmphPT:zjJaSolb:", longs)) > 0) choose(t, c, o.arg, operands);
        else
            o.operands = argc - 1;
        if (c != OPT_END) return c;
        if (!o.operands) break;
        plain |= !strcmp(argv[argc - 1], "--");
        words_add(operands, *++argv);
        argc = o.operands;
    }
    return OPT_END;
}

int tool_tar(int argc, char **argv) {
    struct words all = spell_out(argc, argv), operands = {NULL, 0};
    struct tar t = {.mode = 0};
    int c = parse(&t, all.v, all.count, &operands);

    if (c != OPT_END) return c == OPT_HELP ? 0 : 2;
    if (!t.mode) {
        usage_error("You must specify one of the '-cxt' options");
        return 2;
    }
    if (t.mode == 'c' && !operands.count) {
        usage_error("Cowardly refusing to create an empty archive");
        return 2;
    }
    open_archive(&t);
    if (t.mode == 'c') {
        tar_write(&t, operands.v, operands.count);
    } else {
        take_names(&t, &operands);
        tar_read(&t);
    }
    if (t.failed) tool_warn("Exiting with failure status due to previous errors");
    return t.failed ? 2 : 0;
}
