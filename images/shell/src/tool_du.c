/* du, df. Sizes are those of a file system with blocks of 4 KB. */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool_file.h"

struct usage {
    bool all, human, total, separate, bytes, apparent;
    int64_t unit;      /* bytes of one */
    int max_depth;     /* -1: none */
    char end;
    int flags;
    const char *exclude;
    int64_t *sums;     /* by depth, in bytes */
    int depth_cap;
    struct seen {
        dev_t dev;
        ino_t ino;
    } *seen;           /* files with several names, counted once */
    size_t seen_count;
    struct root {
        struct stat st;
        char *full;
    } *roots;          /* operands already measured: nothing in them is counted again */
    int root_count;
    int64_t grand;
    int status;
};

static void print_size(const struct usage *u, int64_t bytes, const char *name) {
    char text[24];

    if (u->human)
        size_human(bytes, text);
    else
        snprintf(text, sizeof text, "%lld", (long long)((bytes + u->unit - 1) / u->unit));
    printf("%s\t%s%c", text, name, u->end);
}

static bool already_seen(struct usage *u, const struct stat *st) {
    if (S_ISDIR(st->st_mode) || st->st_nlink < 2) return false;
    for (size_t i = 0; i < u->seen_count; i++)
        if (u->seen[i].ino == st->st_ino && u->seen[i].dev == st->st_dev) return true;
    u->seen = xrealloc(u->seen, (u->seen_count + 1) * sizeof *u->seen);
    u->seen[u->seen_count].dev = st->st_dev;
    u->seen[u->seen_count++].ino = st->st_ino;
    return false;
}

static bool is_old_root(const struct usage *u, const struct stat *st) {
    for (int i = 0; S_ISDIR(st->st_mode) && i < u->root_count; i++)
        if (u->roots[i].st.st_ino == st->st_ino && u->roots[i].st.st_dev == st->st_dev) return true;
    return false;
}

static int64_t own_size(const struct usage *u, const struct stat *st) {
    return u->apparent ? stat_size(st) : stat_blocks(st) * 512;
}

static int64_t *sum_at(struct usage *u, int depth) {
    if (depth >= u->depth_cap) {
        u->sums = xrealloc(u->sums, (size_t)(depth + 16) * sizeof *u->sums);
        memset(u->sums + u->depth_cap, 0, (size_t)(depth + 16 - u->depth_cap) * sizeof *u->sums);
        u->depth_cap = depth + 16;
    }
    return &u->sums[depth];
}

static bool shows(const struct usage *u, int depth) {
    return u->max_depth < 0 || depth <= u->max_depth;
}

static void leave_dir(struct usage *u, const struct walk_entry *e) {
    int64_t sum = *sum_at(u, e->depth);

    *sum_at(u, e->depth) = 0;
    if (e->depth && !u->separate) *sum_at(u, e->depth - 1) += sum;
    if (!e->depth || u->separate) u->grand += sum;
    if (shows(u, e->depth)) print_size(u, sum, e->path);
}

static void trouble(struct usage *u, const char *act, const struct walk_entry *e) {
    errno = e->error;
    warn_cannot(act, e->path);
    u->status = 1;
}

static void visit(struct usage *u, struct walk *w, const struct walk_entry *e) {
    const struct stat *st;
    int64_t size;

    if (e->kind == WALK_DIR_END) {
        leave_dir(u, e);
        return;
    }
    if (e->kind == WALK_UNREADABLE) {
        trouble(u, "read directory", e);
        leave_dir(u, e);
        return;
    }
    if (u->exclude && e->depth && (!fnmatch(u->exclude, e->name, 0) || !fnmatch(u->exclude, e->path, 0))) {
        walk_skip(w);
        return;
    }
    if (e->kind == WALK_MISSING || e->kind == WALK_LOOP || !(st = walk_stat(w))) {
        trouble(u, "access", e);
        return;
    }
    if (already_seen(u, st) || (e->depth && is_old_root(u, st))) {
        walk_skip(w);
        return;
    }
    size = own_size(u, st);
    if (e->kind == WALK_DIR) {
        *sum_at(u, e->depth) = size;
        return;
    }
    if (e->depth)
        *sum_at(u, e->depth - 1) += size;
    else
        u->grand += size;
    if (!e->depth || (u->all && shows(u, e->depth))) print_size(u, size, e->path);
}

/* Whether the operand lies in one measured before; it is remembered if not. */
static bool is_within(struct usage *u, const char *path) {
    struct root r = {.full = path_canonical(path, CANON_EXISTING)};

    if (!r.full || stat(path, &r.st)) return false;
    for (int i = 0; i < u->root_count; i++) {
        size_t n = strlen(u->roots[i].full);

        if (!strncmp(r.full, u->roots[i].full, n) && (!r.full[n] || r.full[n] == '/' || n == 1)) return true;
    }
    u->roots = xrealloc(u->roots, (size_t)(u->root_count + 1) * sizeof *u->roots);
    u->roots[u->root_count++] = r;
    return false;
}

static void measure(struct usage *u, const char *path) {
    struct walk *w;
    struct walk_entry *e;

    if (is_within(u, path)) return;
    w = walk_open(path, u->flags);
    while ((e = walk_next(w))) visit(u, w, e);
    walk_close(w);
}

static bool choose(struct usage *u, int c, const char *arg) {
    int64_t n;

    switch (c) {
    case 'a': u->all = true; break;
    case 'b': u->apparent = true; u->unit = 1; break;
    case 'A': u->apparent = true; break;
    case 'c': u->total = true; break;
    case 'h': u->human = true; break;
    case 'k': u->unit = 1024; break;
    case 'm': u->unit = 1024 * 1024; break;
    case 'S': u->separate = true; break;
    case 's': u->max_depth = 0; break;
    case 'L': u->flags = WALK_FOLLOW; break;
    case 'H':
    case 'D': u->flags = WALK_FOLLOW_ROOT; break;
    case '0': u->end = '\0'; break;
    case 'X': u->exclude = arg; break;
    case 'B': return !size_parse(arg[0] >= '0' && arg[0] <= '9' ? arg : "x", &u->unit) && u->unit > 0;
    case 'd':
        if (!number_parse(arg, &n) || n < 0) return false;
        u->max_depth = n < 100000 ? (int)n : -1;
        break;
    default: break;
    }
    return true;
}

static const struct longopt du_longs[] = {{"all", 0, 'a'},         {"apparent-size", 0, 'A'}, {"bytes", 0, 'b'},
                                          {"total", 0, 'c'},       {"human-readable", 0, 'h'}, {"max-depth", 1, 'd'},
                                          {"summarize", 0, 's'},   {"separate-dirs", 0, 'S'}, {"null", 0, '0'},
                                          {"dereference", 0, 'L'}, {"exclude", 1, 'X'},       {"block-size", 1, 'B'},
                                          {"one-file-system", 0, 'x'}, {NULL, 0, 0}};

int tool_du(int argc, char **argv) {
    struct opts o = opts_start(argc, argv);
    struct usage u = {.unit = 1024, .max_depth = -1, .end = '\n'};
    int c;

    while ((c = opts_next(&o, "abcd:hkmSsLHDx0B:", du_longs)) > 0)
        if (!choose(&u, c, o.arg)) {
            return usage_error(c == 'd' ? "invalid maximum depth %s" : "invalid -B argument %s", marked(o.arg));
        }
    if (c != OPT_END) return opts_status(c);
    if (!o.operands) measure(&u, ".");
    for (int i = 1; i <= o.operands; i++) measure(&u, argv[i]);
    if (u.total) print_size(&u, u.grand, "total");
    return u.status;
}

static const struct longopt df_longs[] = {{"human-readable", 0, 'h'}, {"portability", 0, 'P'}, {NULL, 0, 0}};

/* What is left of the job's quota is not told to it, so the sizes are unknown. */
int tool_df(int argc, char **argv) {
    struct opts o = opts_start(argc, argv);
    bool human = false, portable = false;
    int c, status = 0;
    struct stat st;

    while ((c = opts_next(&o, "hkPa", df_longs)) > 0) {
        human |= c == 'h';
        portable |= c == 'P';
    }
    if (c != OPT_END) return opts_status(c);
    for (int i = 1; i <= o.operands; i++)
        if (stat(argv[i], &st)) {
            tool_warn_errno(argv[i]);
            status = 1;
        }
    if (o.operands && status) return status;
    puts(portable ? "Filesystem     1024-blocks  Used Available Capacity Mounted on"
         : human  ? "Filesystem      Size  Used Avail Use% Mounted on"
                  : "Filesystem     1K-blocks  Used Available Use% Mounted on");
    puts(portable ? "sandbox                  -     -         -        - /"
         : human  ? "sandbox            -     -     -    - /"
                  : "sandbox                -     -         -    - /");
    return 0;
}
