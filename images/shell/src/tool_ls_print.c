/* How ls shows a list of files. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool_ls.h"

enum { HALF_YEAR = 31556952 / 2, GAP = 2 };

struct widths {
    int inode, blocks, links, owner, group, size;
};

struct timespec ls_time_of(const struct ls_style *s, const struct stat *st) {
    if (s->time == TIME_READ) return st->st_atim;
    return s->time == TIME_STATUS ? st->st_ctim : st->st_mtim;
}

static const char *size_text(const struct ls_style *s, int64_t bytes, char out[24]) {
    if (s->human) return size_human(bytes, out);
    snprintf(out, 24, "%lld", (long long)bytes);
    return out;
}

static const char *blocks_text(const struct ls_style *s, int64_t blocks, char out[24]) {
    if (s->human) return size_human(blocks * 512, out);
    snprintf(out, 24, "%lld", (long long)blocks / 2);
    return out;
}

static void widen(int *width, const char *text) {
    int n = (int)strlen(text);

    if (n > *width) *width = n;
}

static struct widths measure(const struct ls_style *s, const struct ls_list *l) {
    struct widths w = {0};
    char text[24];

    for (size_t i = 0; i < l->count; i++) {
        const struct ls_file *f = &l->v[i];

        snprintf(text, sizeof text, "%llu", (unsigned long long)f->st.st_ino);
        widen(&w.inode, text);
        if (!f->has_stat) continue;
        widen(&w.blocks, blocks_text(s, stat_blocks(&f->st), text));
        snprintf(text, sizeof text, "%lu", (unsigned long)f->st.st_nlink);
        widen(&w.links, text);
        widen(&w.size, size_text(s, stat_size(&f->st), text));
    }
    widen(&w.owner, s->numeric ? USER_ID_TEXT : USER_NAME);
    widen(&w.group, s->numeric ? USER_ID_TEXT : GROUP_NAME);
    return w;
}

static const char *class_mark(const struct ls_style *s, mode_t type, const char *path) {
    if (s->classify == CLASSIFY_NONE) return "";
    if (S_ISDIR(type)) return "/";
    if (s->classify == CLASSIFY_DIR) return "";
    if (S_ISLNK(type)) return "@";
    if (S_ISFIFO(type)) return "|";
    if (S_ISSOCK(type)) return "=";
    if (S_ISREG(type) && s->classify == CLASSIFY_FULL && path_mode(path) > 0 && path_mode(path) & 0111) return "*";
    return "";
}

static void name_add(char **out, size_t *n, const char *text) {
    size_t len = strlen(text);

    *out = xrealloc(*out, *n + len + 1);
    memcpy(*out + *n, text, len + 1);
    *n += len;
}

static void name_add_quoted(const struct ls_style *s, char **out, size_t *n, const char *name) {
    char piece[8];

    if (s->quote) name_add(out, n, "\"");
    for (; *name; name++) {
        unsigned char c = (unsigned char)*name;

        if ((s->quote || s->escape) && (c == '\\' || (s->quote && c == '"') || (s->escape && c == ' ')))
            snprintf(piece, sizeof piece, "\\%c", c);
        else if ((s->quote || s->escape) && c == '\n')
            strcpy(piece, "\\n");
        else if ((s->quote || s->escape) && (c < 32 || c == 127))
            snprintf(piece, sizeof piece, "\\%03o", c);
        else
            snprintf(piece, sizeof piece, "%c", c);
        name_add(out, n, piece);
    }
    if (s->quote) name_add(out, n, "\"");
}

/* What every layout shows of a file: [inode] [blocks] name[mark]. */
static char *short_text(const struct ls_style *s, const struct widths *w, const struct ls_file *f) {
    bool aligned = s->layout != LS_COMMAS;
    char *out = NULL, number[48], text[24];
    size_t n = 0;

    name_add(&out, &n, "");
    if (s->inode) {
        snprintf(number, sizeof number, "%*llu ", aligned ? w->inode : 0, (unsigned long long)f->st.st_ino);
        name_add(&out, &n, number);
    }
    if (s->blocks) {
        snprintf(number, sizeof number, "%*s ", aligned ? w->blocks : 0,
                 blocks_text(s, stat_blocks(&f->st), text));
        name_add(&out, &n, number);
    }
    if (s->layout == LS_LONG) return out;
    name_add_quoted(s, &out, &n, f->name);
    name_add(&out, &n, class_mark(s, f->st.st_mode, f->path));
    return out;
}

static void print_time(const struct ls_style *s, const struct ls_file *f) {
    struct timespec t = ls_time_of(s, &f->st);
    bool recent = t.tv_sec > s->now.tv_sec - HALF_YEAR && t.tv_sec <= s->now.tv_sec;
    const char *format = s->time_format ? s->time_format : recent ? "%b %e %H:%M" : "%b %e  %Y";
    char *text = date_format(format, t);

    printf("%s ", text ? text : "?");
    free(text);
}

static void print_target(const struct ls_style *s, const struct ls_file *f) {
    char *target = link_target(f->path), *shown = NULL;
    struct stat st;
    size_t n = 0;

    if (!target) return;
    name_add(&shown, &n, "");
    name_add_quoted(s, &shown, &n, target);
    printf(" -> %s%s", shown, stat(f->path, &st) ? "" : class_mark(s, st.st_mode, f->path));
    free(shown);
    free(target);
}

static void print_long(const struct ls_style *s, const struct widths *w, const struct ls_file *f) {
    char mode[11], size[24], *name = NULL;
    size_t n = 0;
    bool is_link = S_ISLNK(f->st.st_mode);

    if (!f->has_stat) {
        printf("?????????? ? ? ? ?            ? %s\n", f->name);
        return;
    }
    mode_text(f->st.st_mode, entry_mode(f->path, &f->st), mode);
    printf("%s %*lu ", mode, w->links, (unsigned long)f->st.st_nlink);
    if (!s->no_owner) printf("%-*s ", w->owner, s->numeric ? USER_ID_TEXT : USER_NAME);
    if (!s->no_group) printf("%-*s ", w->group, s->numeric ? USER_ID_TEXT : GROUP_NAME);
    printf("%*s ", w->size, size_text(s, stat_size(&f->st), size));
    print_time(s, f);
    name_add(&name, &n, "");
    name_add_quoted(s, &name, &n, f->name);
    fputs(name, stdout);
    free(name);
    if (is_link)
        print_target(s, f);
    else
        fputs(class_mark(s, f->st.st_mode, f->path), stdout);
    putchar('\n');
}

static int text_width(const char *s) {
    int n = 0;

    for (; *s; s++) n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static size_t cell_at(const struct ls_style *s, size_t row, size_t col, size_t rows, size_t cols) {
    return s->layout == LS_ACROSS ? row * cols + col : col * rows + row;
}

/* Width of the table with that many columns, its columns' widths in `widths`. */
static int table_width(const struct ls_style *s, char **cells, size_t count, size_t cols, int *widths) {
    size_t rows = (count + cols - 1) / cols;
    int total = 0;

    for (size_t col = 0; col < cols; col++) {
        widths[col] = 0;
        for (size_t row = 0; row < rows; row++) {
            size_t i = cell_at(s, row, col, rows, cols);

            if (i < count && text_width(cells[i]) > widths[col]) widths[col] = text_width(cells[i]);
        }
        total += widths[col] + (col ? GAP : 0);
    }
    return total;
}

static void pad_to(int at, int to) {
    const int tab = 8;

    while (at < to) {
        if (to / tab > (at + 1) / tab) {
            putchar('\t');
            at += tab - at % tab;
        } else {
            putchar(' ');
            at++;
        }
    }
}

static void print_table(const struct ls_style *s, char **cells, size_t count) {
    size_t most = (size_t)s->width / 3 + 1, cols = count < most ? count : most, rows;
    int *widths = xmalloc((cols + 1) * sizeof *widths);

    while (cols > 1 && (table_width(s, cells, count, cols, widths) >= s->width
                        || (s->layout == LS_COLUMNS
                            && (count + cols - 1) / cols * (cols - 1) >= count)))
        cols--;
    table_width(s, cells, count, cols, widths);
    rows = (count + cols - 1) / cols;
    for (size_t row = 0; row < rows; row++) {
        int at = 0, want = 0;

        for (size_t col = 0; col < cols; col++) {
            size_t i = cell_at(s, row, col, rows, cols);

            if (i >= count) break;
            pad_to(at, want);
            fputs(cells[i], stdout);
            at = want + text_width(cells[i]);
            want += widths[col] + GAP;
        }
        putchar('\n');
    }
    free(widths);
}

static void print_commas(const struct ls_style *s, char **cells, size_t count) {
    int at = 0;

    for (size_t i = 0; i < count; i++) {
        int n = text_width(cells[i]);

        if (i && at + n + 2 >= s->width) {
            fputs(",\n", stdout);
            at = 0;
        } else if (i) {
            fputs(", ", stdout);
            at += 2;
        }
        fputs(cells[i], stdout);
        at += n;
    }
    putchar('\n');
}

void ls_print_total(const struct ls_style *s, const struct ls_list *l) {
    int64_t sum = 0;
    char text[24];

    for (size_t i = 0; i < l->count; i++)
        if (l->v[i].has_stat) sum += stat_blocks(&l->v[i].st);
    printf("total %s\n", blocks_text(s, sum, text));
}

void ls_print(const struct ls_style *s, const struct ls_list *l) {
    struct widths w = measure(s, l);
    char **cells;

    if (!l->count) return;
    cells = xmalloc(l->count * sizeof *cells);
    for (size_t i = 0; i < l->count; i++) cells[i] = short_text(s, &w, &l->v[i]);
    if (s->layout == LS_COMMAS)
        print_commas(s, cells, l->count);
    else if (s->layout == LS_COLUMNS || s->layout == LS_ACROSS)
        print_table(s, cells, l->count);
    for (size_t i = 0; i < l->count; i++) {
        if (s->layout == LS_ONE) puts(cells[i]);
        if (s->layout == LS_LONG) {
            fputs(cells[i], stdout);
            print_long(s, &w, &l->v[i]);
        }
        free(cells[i]);
    }
    free(cells);
}
