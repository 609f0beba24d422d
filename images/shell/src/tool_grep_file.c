#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tool_grep.h"

/* A line kept for -B. */
struct kept {
    char *text;
    size_t len, cap;
    int64_t number, offset;
};
struct search {
    struct grep *g;
    const char *name;
    int64_t number, offset, selected, printed_to; /* the last line printed */
    int after_left, binary;
    struct kept *ring;
    int ring_at, ring_n;
};

static void put_prefix(struct search *s, int64_t number, int64_t offset, char mark) {
    struct grep *g = s->g;
    int any = 0;
    if (g->names > 0) {
        out_text(&g->out, s->name);
        out_byte(&g->out, g->name_nul ? 0 : mark);
        any = 1;
    }
    if (g->numbers) {
        out_format(&g->out, g->initial_tab ? "%2lld" : "%lld", (long long)number);
        out_byte(&g->out, mark);
        any = 1;
    }
    if (g->offsets) {
        out_format(&g->out, "%lld", (long long)offset);
        out_byte(&g->out, mark);
        any = 1;
    }
    if (any && g->initial_tab) out_byte(&g->out, '\t');
}

static void put_line(struct search *s, const char *text, size_t n, int64_t number, int64_t offset, char mark) {
    put_prefix(s, number, offset, mark);
    out_put(&s->g->out, text, n);
    out_byte(&s->g->out, s->g->delim);
    s->printed_to = number;
    s->g->printed = 1;
    if (s->g->line_buffered) out_flush(&s->g->out);
}

/* -- between groups of lines that do not touch */
static void put_separator(struct search *s, int64_t next) {
    struct grep *g = s->g;
    if (g->grouped && g->separator && (s->printed_to ? next > s->printed_to + 1 : g->printed)) {
        out_text(&g->out, g->separator);
        out_byte(&g->out, '\n');
    }
}

static void put_before(struct search *s) {
    int n = s->ring_n;
    put_separator(s, s->number - n);
    for (int i = 0; i < n; i++) {
        struct kept *k = &s->ring[(s->ring_at + s->g->before - n + i) % s->g->before];
        put_line(s, k->text, k->len, k->number, k->offset, '-');
    }
    s->ring_n = 0;
}

static void keep_line(struct search *s, const char *line, size_t n) {
    struct kept *k = &s->ring[s->ring_at];
    if (n > k->cap) k->text = xrealloc(k->text, k->cap = n * 2);
    if (n) memcpy(k->text, line, n);
    k->len = n;
    k->number = s->number;
    k->offset = s->offset;
    s->ring_at = (s->ring_at + 1) % s->g->before;
    if (s->ring_n < s->g->before) s->ring_n++;
}

static void put_only(struct search *s, const char *line, size_t n) {
    struct rx_span m;
    for (size_t at = 0; at <= n && rx_search(s->g->rx, line, n, at, &m, 1);) {
        if (m.to > m.from) {
            put_prefix(s, s->number, s->offset + (int64_t)m.from, ':');
            out_put(&s->g->out, line + m.from, m.to - m.from);
            out_byte(&s->g->out, s->g->delim);
            at = m.to;
        } else {
            at = m.from + 1;
        }
    }
}

static int valid_text(const char *p, size_t n) {
    const char *end = p + n;
    uint32_t code;
    while (p < end) {
        if (!(*p & 0x80)) {
            p++;
            continue;
        }
        int len = utf8_decode(p, (size_t)(end - p), &code);
        if (!len) return 0;
        p += len;
    }
    return 1;
}

/* Shows a selected line; 0 when the file is done with. */
static int select_line(struct search *s, const char *line, size_t n, int has_nul) {
    struct grep *g = s->g;
    s->selected++;
    g->matched = 1;
    if (g->quiet) {
        g->stop = 1;
        return 0;
    }
    if (g->list) return 0;
    if (!g->count) {
        if (g->binary != BINARY_TEXT && !s->binary)
            s->binary = (has_nul && g->delim) || (text_is_utf8() && !valid_text(line, n));
        if (s->binary) return 0;
        if (!g->only) {
            if (g->before) put_before(s);
            else put_separator(s, s->number);
            put_line(s, line, n, s->number, s->offset, ':');
        } else if (!g->invert) {
            put_only(s, line, n);
        }
        s->after_left = g->after;
    }
    return s->selected < g->max;
}

/* Passes over the lines in the buffer that cannot match, all at once. */
static void skip_lines(struct search *s, struct reader *r) {
    const char *from = r->buf + r->beg, *end = r->buf + r->end;
    while (end > from && end[-1] != '\n') end--;
    if (end == from) return;
    ptrdiff_t hit = rx_find_line(s->g->rx, from, (size_t)(end - from));
    const char *to = hit < 0 ? end : from + hit;
    while (to > from && to[-1] != '\n') to--;
    if (s->g->numbers || s->g->grouped)
        for (const char *p = from; (p = memchr(p, '\n', (size_t)(to - p))); p++) s->number++;
    s->offset += to - from;
    r->beg += (size_t)(to - from);
}

static void search_lines(struct search *s, struct reader *r) {
    struct grep *g = s->g;
    char *line;
    size_t n;
    int has_nul = 0, going = g->max > 0, skipping = g->rx && !g->invert && !g->before && g->delim;
    int64_t looked_to = 0; /* for a NUL: as GNU, in all that has been read so far */
    while (going || s->after_left > 0) {
        if (skipping && !s->after_left) skip_lines(s, r);
        if ((n = reader_line(r, &line)) == 0) break;
        size_t len = n - (line[n - 1] == g->delim);
        s->number++;
        if (g->delim && !has_nul && s->offset >= looked_to) {
            size_t have = r->end - (size_t)(line - r->buf);
            has_nul = memchr(line, 0, have) != NULL;
            looked_to = s->offset + (int64_t)have;
            if (has_nul && g->binary == BINARY_SKIP) return;
        }
        int hit = going && (g->rx && rx_search(g->rx, line, len, 0, NULL, 0)) != g->invert;
        if (hit) {
            going = select_line(s, line, len, has_nul);
            if (s->binary || g->stop || g->list) break;
        } else if (s->after_left > 0) {
            s->after_left--;
            put_line(s, line, len, s->number, s->offset, '-');
        } else if (g->before && going) {
            keep_line(s, line, len);
        }
        s->offset += (int64_t)n;
    }
}

static void put_name(struct grep *g, const char *name) {
    out_text(&g->out, name);
    out_byte(&g->out, g->name_nul ? 0 : '\n');
}

static void grep_fd(struct grep *g, const char *name, int fd) {
    struct search s = {.g = g, .name = name};
    struct reader r;
    reader_start(&r, fd, g->delim);
    if (g->before) {
        s.ring = xmalloc(sizeof *s.ring * (size_t)g->before);
        memset(s.ring, 0, sizeof *s.ring * (size_t)g->before);
    }
    search_lines(&s, &r);
    if (s.binary) tool_warn("%s: binary file matches", name);
    if (g->count && !g->quiet) {
        if (g->names > 0) {
            out_text(&g->out, name);
            out_byte(&g->out, g->name_nul ? 0 : ':');
        }
        out_format(&g->out, "%lld\n", (long long)s.selected);
    }
    if (g->list == (s.selected ? LIST_WITH : LIST_WITHOUT) && !g->quiet) put_name(g, name);
    for (int i = 0; i < g->before; i++) free(s.ring[i].text);
    free(s.ring);
    if (g->no_messages) r.err = 0;
    if (reader_close(&r, name)) g->failed = 1;
}

static int filtered(const struct grep *g, const char *path, int is_dir, int on_command_line) {
    const char *base = strrchr(path, '/');
    base = base && base[1] ? base + 1 : path;
    int wanted = 1, includes = 0, included = 0;
    for (int i = 0; i < g->n_filters; i++) {
        const struct filter *f = &g->filters[i];
        const char *subject = strchr(f->glob, '/') || on_command_line ? path : base;
        int hit = !fnmatch(f->glob, subject, 0) || !fnmatch(f->glob, base, 0);
        if (is_dir && f->kind == FILTER_EXCLUDE_DIR && hit) wanted = 0;
        if (!is_dir && f->kind == FILTER_EXCLUDE && hit) wanted = 0;
        if (!is_dir && f->kind == FILTER_INCLUDE) includes = 1, included |= hit;
    }
    return !wanted || (includes && !included);
}

static void complain(struct grep *g, const char *path) {
    g->failed = 1;
    if (!g->no_messages) tool_warn_errno(path);
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* In the order of the names: the same output in every run. */
static void grep_dir(struct grep *g, const char *path) {
    DIR *dir = opendir(path);
    char **names = NULL;
    size_t n = 0, base = strlen(path);
    if (!dir) {
        complain(g, path);
        return;
    }
    for (struct dirent *e; (e = readdir(dir));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        if ((n & (n - 1)) == 0) names = xrealloc(names, sizeof *names * (n ? n * 2 : 1));
        names[n++] = xstrdup(e->d_name);
    }
    closedir(dir);
    if (n) qsort(names, n, sizeof *names, by_name);
    for (size_t i = 0; i < n && !g->stop; i++) {
        char *full = xmalloc(base + strlen(names[i]) + 2);
        if (g->implicit_dir && !strcmp(path, ".")) strcpy(full, names[i]);
        else {
            memcpy(full, path, base);
            full[base] = '/';
            strcpy(full + base + (path[base - 1] != '/'), names[i]);
        }
        free(names[i]);
        grep_path(g, full, 0);
        free(full);
    }
    free(names);
}

void grep_path(struct grep *g, const char *path, int on_command_line) {
    struct stat st;
    if (!strcmp(path, "-")) {
        if (on_command_line) {
            grep_fd(g, g->label ? g->label : "(standard input)", STDIN_FILENO);
            return;
        }
    }
    int follow = on_command_line || g->recursive == 2;
    if (follow ? stat(path, &st) : lstat(path, &st)) {
        complain(g, path);
        return;
    }
    if (!on_command_line && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) return;
    if (!(on_command_line && S_ISDIR(st.st_mode) && g->implicit_dir) && filtered(g, path, S_ISDIR(st.st_mode), on_command_line)) return;
    if (S_ISDIR(st.st_mode)) {
        if (g->recursive) {
            grep_dir(g, path);
        } else if (!g->skip_dirs) {
            errno = EISDIR;
            if (!g->no_messages) tool_warn("%s: Is a directory", path);
            g->failed = 1;
        }
        return;
    }
    int fd = open(path, O_RDONLY);
    if (fd < 0) complain(g, path);
    else grep_fd(g, path, fd);
}
