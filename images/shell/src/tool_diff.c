/* diff: normal and unified. Directories are not compared. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tool_diff.h"

struct diff {
    struct diff_file files[2];
    struct diff_ways ways;
    const char *labels[2], *words; /* the options, as a message repeats them */
    int brief, identical, text, absent_is_empty;
    int64_t context; /* -1: normal output */
    struct out out;
};

enum { CR = 256 };

/* Lines a0 to a1 of one file, b0 to b1 of the other; all before and after are the same. */
struct hunk {
    int a0, a1, b0, b1;
};

/* The next change at or after the places in h; 0 at the end. */
static int next_change(const struct diff *d, struct hunk *h) {
    const char *a = d->files[0].changed, *b = d->files[1].changed;
    int i = h->a1, j = h->b1;
    while (i < d->files[0].count && !a[i] && !b[j]) i++, j++;
    if (i == d->files[0].count && j == d->files[1].count) return 0;
    *h = (struct hunk){i, i, j, j};
    while (a[h->a1]) h->a1++;
    while (b[h->b1]) h->b1++;
    return h->a1 > h->a0 || h->b1 > h->b0;
}

static void put_line(struct diff *d, int file, int at, const char *prefix) {
    const struct diff_file *f = &d->files[file];
    out_text(&d->out, prefix);
    out_put(&d->out, f->lines[at].text, (size_t)f->lines[at].len);
    out_byte(&d->out, '\n');
    if (f->open_end && at == f->count - 1) out_text(&d->out, "\\ No newline at end of file\n");
}

static void put_range(struct diff *d, int from, int to) {
    if (to - from > 1) {
        out_format(&d->out, "%d,%d", from + 1, to);
    } else {
        out_format(&d->out, "%d", to);
    }
}

static void put_normal(struct diff *d) {
    struct hunk h = {0};
    while (next_change(d, &h)) {
        put_range(d, h.a0, h.a1);
        out_byte(&d->out, h.a0 == h.a1 ? 'a' : h.b0 == h.b1 ? 'd' : 'c');
        put_range(d, h.b0, h.b1);
        out_byte(&d->out, '\n');
        for (int i = h.a0; i < h.a1; i++) put_line(d, 0, i, "< ");
        if (h.a0 < h.a1 && h.b0 < h.b1) out_text(&d->out, "---\n");
        for (int i = h.b0; i < h.b1; i++) put_line(d, 1, i, "> ");
    }
}

static void put_header(struct diff *d, int file) {
    const struct diff_file *f = &d->files[file];
    out_text(&d->out, file ? "+++ " : "--- ");
    if (d->labels[file]) {
        out_format(&d->out, "%s\n", d->labels[file]);
        return;
    }
    char text[32] = "";
    struct tm tm;
    if (localtime_r(&f->time.tv_sec, &tm)) strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm);
    out_format(&d->out, "%s\t%s.%09ld +0000\n", f->name, text, (long)f->time.tv_nsec);
}

static void put_unified_range(struct diff *d, int from, int to) {
    if (to - from == 1) {
        out_format(&d->out, "%d", to);
    } else {
        out_format(&d->out, "%d,%d", to == from ? from : from + 1, to - from);
    }
}

/* The changes from h to last, whose contexts touch, with their context. */
static void put_group(struct diff *d, struct hunk h, struct hunk last) {
    int count = d->files[0].count;
    int before = h.a0 < d->context ? h.a0 : (int)d->context;
    int after = count - last.a1 < d->context ? count - last.a1 : (int)d->context;
    out_text(&d->out, "@@ -");
    put_unified_range(d, h.a0 - before, last.a1 + after);
    out_text(&d->out, " +");
    put_unified_range(d, h.b0 - before, last.b1 + after);
    out_text(&d->out, " @@\n");
    int at = h.a0 - before;
    for (struct hunk each = {at, at, h.b0 - before, h.b0 - before}; each.a1 < last.a1 || each.b1 < last.b1;) {
        next_change(d, &each);
        for (; at < each.a0; at++) put_line(d, 0, at, " ");
        for (; at < each.a1; at++) put_line(d, 0, at, "-");
        for (int i = each.b0; i < each.b1; i++) put_line(d, 1, i, "+");
    }
    for (; at < last.a1 + after; at++) put_line(d, 0, at, " ");
}

static void put_unified(struct diff *d) {
    put_header(d, 0);
    put_header(d, 1);
    struct hunk next = {0};
    for (int more = next_change(d, &next); more;) {
        struct hunk first = next, last = next;
        while ((more = next_change(d, &next)) && next.a0 - last.a1 <= 2 * d->context) last = next;
        put_group(d, first, last);
    }
}

/* DIR compared with FILE means DIR/FILE. */
static const char *inside(const char *directory, const char *file) {
    const char *slash = strrchr(file, '/');
    const char *base = slash ? slash + 1 : file;
    size_t n = strlen(directory);
    while (n > 1 && directory[n - 1] == '/') n--;
    char *path = xmalloc(n + strlen(base) + 2);
    memcpy(path, directory, n);
    path[n] = '/';
    strcpy(path + n + 1, base);
    return path;
}

static int is_directory(const char *name) {
    struct stat st;
    return strcmp(name, "-") != 0 && stat(name, &st) == 0 && S_ISDIR(st.st_mode);
}

static int read_file(struct diff *d, struct diff_file *f) {
    struct stat st;
    int fd = input_open(f->name);
    if (fd < 0 && errno == ENOENT && d->absent_is_empty) {
        f->data = xmalloc(1);
        f->size = 0;
        return 0;
    }
    f->size = fd < 0 ? -1 : input_slurp(fd, &f->data);
    if (f->size < 0 || f->size > INT32_MAX / 2) {
        if (f->size > 0) errno = EFBIG;
        tool_warn_errno(f->name);
        return -1;
    }
    if (fstat(fd, &st) == 0) f->time = st.st_mtim;
    if (fd == STDIN_FILENO) clock_gettime(CLOCK_REALTIME, &f->time);
    input_close(fd);
    return 0;
}

static int is_binary(const struct diff_file *f) {
    return memchr(f->data, '\0', f->size < IO_CHUNK ? (size_t)f->size : IO_CHUNK) != NULL;
}

static int has_changes(const struct diff *d) {
    struct hunk h = {0};
    return next_change(d, &h);
}

static int compare_files(struct diff *d) {
    struct diff_file *a = &d->files[0], *b = &d->files[1];
    int same = a->size == b->size && memcmp(a->data, b->data, (size_t)a->size) == 0;
    const struct diff_ways *w = &d->ways;
    int any_way = w->ignore_case || w->ignore_blanks || w->squeeze_blanks || w->ignore_cr;
    int binary = !same && !d->text && (is_binary(a) || is_binary(b));
    if (!same && !binary && (!d->brief || any_way)) {
        diff_split(d->files, w);
        diff_compare(d->files, d->context > 0 ? (int)d->context : 0);
        same = !has_changes(d);
    }
    if (same) {
        if (d->identical) out_format(&d->out, "Files %s and %s are identical\n", a->name, b->name);
        return 0;
    }
    if (d->brief || binary) {
        out_format(&d->out, "%s %s and %s differ\n", d->brief ? "Files" : "Binary files", a->name, b->name);
        return 1;
    }
    if (d->context < 0) {
        put_normal(d);
    } else {
        put_unified(d);
    }
    return 1;
}

static void parse_context(struct diff *d, const char *text) {
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (end == text || *end || n < 0) tool_die(2, "invalid context length '%s'", text);
    if (n > d->context) d->context = n > 1000000000 ? 1000000000 : n;
}

static int set_option(struct diff *d, int c, const struct opts *o) {
    switch (c) {
    case 'u': parse_context(d, o->arg ? o->arg : "3"); break;
    case 'U': parse_context(d, o->arg); break;
    case 'q': d->brief = 1; break;
    case 's': d->identical = 1; break;
    case 'a': d->text = 1; break;
    case 'N': d->absent_is_empty = 1; break;
    case 'i': d->ways.ignore_case = 1; break;
    case 'w': d->ways.ignore_blanks = 1; break;
    case 'b': d->ways.squeeze_blanks = 1; break;
    case CR: d->ways.ignore_cr = 1; break;
    case 'L': d->labels[d->labels[0] != NULL] = o->arg; break;
    default: return -1;
    }
    return 0;
}

int tool_diff(int argc, char **argv) {
    static const struct longopt longs[] = {{"unified", 2, 'u'}, {"brief", 0, 'q'}, {"report-identical-files", 0, 's'},
        {"text", 0, 'a'}, {"new-file", 0, 'N'}, {"ignore-case", 0, 'i'}, {"ignore-all-space", 0, 'w'},
        {"ignore-space-change", 0, 'b'}, {"strip-trailing-cr", 0, CR}, {"label", 1, 'L'}, {"normal", 0, 'n'}, {0}};
    static struct diff d = {.context = -1};
    struct opts o = opts_start(argc, argv);
    int c;
    while ((c = opts_next(&o, "uU:qsaNiwbL:", longs)) != OPT_END) {
        if (c == 'n') continue;
        if (set_option(&d, c, &o)) return c == OPT_HELP ? 0 : 2;
    }
    if (o.operands < 2) usage_die(2, "missing operand after '%s'", o.operands ? argv[1] : "diff");
    if (o.operands > 2) usage_die(2, "extra operand '%s'", argv[3]);
    const char *names[] = {argv[1], argv[2]};
    int directory[] = {is_directory(names[0]), is_directory(names[1])};
    if (directory[0] && directory[1]) tool_die(2, "directories are not compared in the WASI lane");
    for (int i = 0; i < 2; i++) {
        if (directory[i] && !strcmp(names[!i], "-")) tool_die(2, "cannot compare '-' to a directory");
        d.files[i].name = directory[i] ? inside(names[i], names[!i]) : names[i];
    }
    int failed = read_file(&d, &d.files[0]);
    if (read_file(&d, &d.files[1]) || failed) return 2;
    out_start(&d.out, STDOUT_FILENO, 1);
    return out_end(&d.out, compare_files(&d));
}
