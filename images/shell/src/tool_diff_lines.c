/* diff: files as lines with numbers that say which are the same. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "tool_diff.h"

struct class {
    uint64_t hash;
    const struct diff_line *line;
    int open_end, next;
};

struct classes {
    const struct diff_ways *ways;
    struct class *all;
    int *heads; /* by hash; -1: none */
    unsigned mask;
    int count;
};

/* The next byte that counts, -1 at the end. */
static int next_byte(const struct diff_ways *w, const struct diff_line *l, int *at) {
    int n = l->len;
    if (w->ignore_cr && n && l->text[n - 1] == '\r') n--;
    while (*at < n) {
        int c = (unsigned char)l->text[(*at)++];
        if (isspace(c) && (w->ignore_blanks || w->squeeze_blanks)) {
            while (*at < n && isspace((unsigned char)l->text[*at])) (*at)++;
            if (w->ignore_blanks || *at == n) continue; /* at the end of a line none counts */
            c = ' ';
        }
        return w->ignore_case ? tolower(c) : c;
    }
    return -1;
}

static int is_same(const struct diff_ways *w, const struct diff_line *a, const struct diff_line *b) {
    int i = 0, j = 0, c;
    do {
        c = next_byte(w, a, &i);
        if (c != next_byte(w, b, &j)) return 0;
    } while (c >= 0);
    return 1;
}

static int kind_of(struct classes *k, const struct diff_line *l, int open_end) {
    uint64_t hash = 1469598103934665603u + (uint64_t)open_end;
    int at = 0;
    for (int c; (c = next_byte(k->ways, l, &at)) >= 0;) hash = (hash ^ (uint64_t)c) * 1099511628211u;
    int *head = &k->heads[(hash ^ hash >> 29) & k->mask];
    for (int i = *head; i >= 0; i = k->all[i].next) {
        const struct class *c = &k->all[i];
        if (c->hash == hash && c->open_end == open_end && is_same(k->ways, c->line, l)) return i;
    }
    k->all[k->count] = (struct class){hash, l, open_end, *head};
    return *head = k->count++;
}

static void find_lines(struct diff_file *f) {
    int most = 1;
    for (int64_t i = 0; i < f->size; i++) most += f->data[i] == '\n';
    f->lines = xmalloc((size_t)most * sizeof *f->lines);
    f->count = 0;
    const char *at = f->data, *end = f->data + f->size;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        f->open_end = !newline;
        const char *stop = newline ? newline : end;
        f->lines[f->count++] = (struct diff_line){at, (int)(stop - at), 0};
        at = stop + 1;
    }
    f->changed = (char *)memset(xmalloc((size_t)f->count + 2), 0, (size_t)f->count + 2) + 1;
}

void diff_split(struct diff_file files[2], const struct diff_ways *ways) {
    find_lines(&files[0]);
    find_lines(&files[1]);
    size_t total = (size_t)files[0].count + (size_t)files[1].count;
    struct classes k = {.ways = ways, .mask = 1};
    while (k.mask < total) k.mask = k.mask * 2 + 1;
    k.heads = memset(xmalloc((k.mask + 1) * sizeof *k.heads), 0xff, (k.mask + 1) * sizeof *k.heads);
    k.all = xmalloc(total * sizeof *k.all);
    int blanks = ways->ignore_blanks || ways->squeeze_blanks;
    for (int f = 0; f < 2; f++) {
        for (int i = 0; i < files[f].count; i++) {
            int open_end = !blanks && files[f].open_end && i == files[f].count - 1;
            files[f].lines[i].kind = kind_of(&k, &files[f].lines[i], open_end);
        }
    }
    free(k.heads);
    free(k.all);
}
