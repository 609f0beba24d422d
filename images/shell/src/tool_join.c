#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_text.h"

struct field {
    const char *p;
    size_t n;
};
struct record {
    char *line;
    size_t len;
    struct field *fields;
    size_t n, cap;
};
/* The lines of one file that share a key. */
struct group {
    struct record *v;
    size_t n, cap;
};
struct file {
    struct reader r;
    const char *name;
    size_t key; /* from 0 */
    int ended, unpaired, warned;
    struct record next; /* read ahead */
    struct group group;
    long line;
};
struct output {
    int file; /* 0: the key */
    size_t field;
};
static struct {
    struct file f[2];
    int separator, fold, only_unpaired, header, check, unpaired_seen;
    char end;
    const char *empty;
    struct output *list;
    size_t n_list, auto_fields[2];
    int auto_list;
    struct out out;
} j;

static void split_fields(struct record *r) {
    const char *p = r->line, *end = p + r->len;
    r->n = 0;
    for (;;) {
        if (j.separator < 0) {
            while (p < end && (*p == ' ' || *p == '\t' || *p == '\n')) p++;
            if (p == end) break;
        }
        const char *start = p;
        if (j.separator < 0)
            while (p < end && *p != ' ' && *p != '\t' && *p != '\n') p++;
        else if (!(p = memchr(start, j.separator, (size_t)(end - start))))
            p = end;
        if (r->n == r->cap) r->fields = xrealloc(r->fields, sizeof *r->fields * (r->cap = r->cap ? r->cap * 2 : 8));
        r->fields[r->n++] = (struct field){start, (size_t)(p - start)};
        if (p == end) break;
        if (j.separator >= 0) p++;
    }
}

static struct field field_of(const struct record *r, size_t i) {
    return i < r->n ? r->fields[i] : (struct field){"", 0};
}

static int compare_fields(struct field a, struct field b) {
    size_t n = a.n < b.n ? a.n : b.n;
    for (size_t i = 0; i < n; i++) {
        int x = (unsigned char)a.p[i], y = (unsigned char)b.p[i];
        if (j.fold && x >= 'a' && x <= 'z') x -= 32;
        if (j.fold && y >= 'a' && y <= 'z') y -= 32;
        if (x != y) return x - y;
    }
    return (a.n > b.n) - (a.n < b.n);
}

static void record_free(struct record *r) {
    free(r->line);
    free(r->fields);
    *r = (struct record){0};
}

static void read_next(struct file *f) {
    char *line;
    struct record old = f->next;
    size_t n = reader_line(&f->r, &line);
    f->next = (struct record){0};
    if (n == 0) {
        f->ended = 1;
        record_free(&old);
        return;
    }
    f->line++;
    n -= line[n - 1] == j.end;
    f->next.line = xmalloc(n + 1);
    memcpy(f->next.line, line, n);
    f->next.len = n;
    split_fields(&f->next);
    if (old.line && j.check >= 0 && !f->warned && (j.check || j.unpaired_seen) &&
        compare_fields(field_of(&old, f->key), field_of(&f->next, f->key)) > 0) {
        f->warned = 1;
        tool_warn("%s:%ld: is not sorted: %.*s", f->name, f->line, (int)n, f->next.line);
        if (j.check > 0) exit(1);
    }
    record_free(&old);
}

static struct record record_copy(const struct record *r) {
    struct record made = {.len = r->len, .line = xmalloc(r->len + 1)};
    memcpy(made.line, r->line, r->len);
    split_fields(&made);
    return made;
}

/* Gathers all further lines with the key of the one read ahead. */
static void group_read(struct file *f) {
    for (size_t i = 0; i < f->group.n; i++) record_free(&f->group.v[i]);
    f->group.n = 0;
    do {
        if (f->group.n == f->group.cap)
            f->group.v = xrealloc(f->group.v, sizeof *f->group.v * (f->group.cap = f->group.cap ? f->group.cap * 2 : 4));
        f->group.v[f->group.n++] = record_copy(&f->next);
        read_next(f);
    } while (!f->ended && !compare_fields(field_of(&f->group.v[0], f->key), field_of(&f->next, f->key)));
}

static void put_field(struct field v, int *first) {
    if (!*first) out_byte(&j.out, j.separator < 0 ? ' ' : j.separator);
    *first = 0;
    if (v.n) out_put(&j.out, v.p, v.n);
    else if (j.empty) out_text(&j.out, j.empty);
}

static void put_rest(const struct record *r, size_t key, size_t fixed, int *first) {
    size_t n = fixed ? fixed : r->n;
    for (size_t i = 0; i < n; i++)
        if (i != key) put_field(field_of(r, i), first);
}

/* Either may be NULL: a line without a partner. */
static void put_pair(const struct record *a, const struct record *b) {
    static const struct record none;
    int first = 1;
    struct field key = a ? field_of(a, j.f[0].key) : field_of(b, j.f[1].key);
    const struct record *pair[2] = {a ? a : &none, b ? b : &none};
    if (j.n_list) {
        for (size_t i = 0; i < j.n_list; i++)
            put_field(j.list[i].file ? field_of(pair[j.list[i].file - 1], j.list[i].field) : key, &first);
    } else {
        put_field(key, &first);
        for (int i = 0; i < 2; i++)
            if (j.auto_list || (i ? b : a)) put_rest(pair[i], j.f[i].key, j.auto_list ? j.auto_fields[i] : 0, &first);
    }
    out_byte(&j.out, j.end);
}

static void list_parse(const char *s) {
    if (!strcmp(s, "auto")) {
        j.auto_list = 1;
        return;
    }
    while (*s) {
        struct output v = {0};
        if (*s == '0') {
            s++;
        } else {
            char *end;
            if ((*s != '1' && *s != '2') || s[1] != '.') tool_die(1, "invalid file number in field spec: '%s'", s);
            v.file = *s - '0';
            unsigned long n = strtoul(s + 2, &end, 10);
            if (n == 0 || end == s + 2) tool_die(1, "invalid field number: '%s'", s + 2);
            v.field = n - 1;
            s = end;
        }
        j.list = xrealloc(j.list, sizeof *j.list * (j.n_list + 1));
        j.list[j.n_list++] = v;
        if (*s && *s != ',' && *s != ' ' && *s != '\t') tool_die(1, "invalid field specifier: '%s'", s);
        s += *s != '\0';
    }
}

static size_t key_parse(const char *s) {
    char *end;
    unsigned long n = strtoul(s, &end, 10);
    if (n == 0 || *end || *s == '-') tool_die(1, "invalid field number: '%s'", s);
    return n - 1;
}

static int file_parse(const char *s) {
    if ((*s != '1' && *s != '2') || s[1]) tool_die(1, "invalid file number: '%s'", s);
    return *s - '1';
}

static void join_files(void) {
    struct file *a = &j.f[0], *b = &j.f[1];
    for (int i = 0; i < 2; i++) {
        read_next(&j.f[i]);
        j.auto_fields[i] = j.f[i].next.n;
    }
    if (j.header && (!a->ended || !b->ended)) {
        put_pair(a->ended ? NULL : &a->next, b->ended ? NULL : &b->next);
        int check = j.check;
        j.check = -1;
        if (!a->ended) read_next(a);
        if (!b->ended) read_next(b);
        j.check = check;
    }
    while (!a->ended || !b->ended) {
        int d = a->ended ? 1 : b->ended ? -1 : compare_fields(field_of(&a->next, a->key), field_of(&b->next, b->key));
        if (d) {
            struct file *alone = d < 0 ? a : b;
            j.unpaired_seen = 1;
            if (alone->unpaired) put_pair(d < 0 ? &a->next : NULL, d < 0 ? NULL : &b->next);
            read_next(alone);
            continue;
        }
        group_read(a);
        group_read(b);
        for (size_t x = 0; x < a->group.n && !j.only_unpaired; x++)
            for (size_t y = 0; y < b->group.n; y++) put_pair(&a->group.v[x], &b->group.v[y]);
    }
}

int tool_join(int argc, char **argv) {
    static const struct longopt longs[] = {{"ignore-case", 0, 'i'}, {"check-order", 0, 'k'}, {"nocheck-order", 0, 'K'},
        {"header", 0, 'h'}, {"zero-terminated", 0, 'z'}, {0}};
    struct opts o = opts_start(argc, argv);
    int c, status = 0;
    j.separator = -1;
    j.end = '\n';
    while ((c = opts_next(&o, "1:2:a:e:ij:o:t:v:z", longs)) != OPT_END) switch (c) {
        case '1': j.f[0].key = key_parse(o.arg); break;
        case '2': j.f[1].key = key_parse(o.arg); break;
        case 'j': j.f[0].key = j.f[1].key = key_parse(o.arg); break;
        case 'v': j.only_unpaired = 1; /* fall through */
        case 'a': j.f[file_parse(o.arg)].unpaired = 1; break;
        case 'e': j.empty = o.arg; break;
        case 'i': j.fold = 1; break;
        case 'o': list_parse(o.arg); break;
        case 't':
            if (*o.arg && o.arg[1] && strcmp(o.arg, "\\0")) tool_die(1, "multi-character tab '%s'", o.arg);
            j.separator = !*o.arg ? '\n' : o.arg[1] ? 0 : (unsigned char)*o.arg;
            break;
        case 'k': j.check = 1; break;
        case 'K': j.check = -1; break;
        case 'h': j.header = 1; break;
        case 'z': j.end = '\0'; break;
        default: return c == OPT_HELP ? 0 : 1;
        }
    if (o.operands < 2) {
        if (o.operands) usage_die(1, "missing operand after '%s'", argv[1]);
        usage_die(1, "missing operand");
    }
    if (o.operands > 2) usage_die(1, "extra operand '%s'", argv[3]);
    out_start(&j.out, STDOUT_FILENO, 1);
    for (int i = 0; i < 2; i++) {
        j.f[i].name = argv[i + 1];
        if (reader_open(&j.f[i].r, argv[i + 1], j.end)) return 1;
    }
    join_files();
    for (int i = 0; i < 2; i++) {
        if (reader_close(&j.f[i].r, j.f[i].name)) status = 1;
        if (j.f[i].warned) status = 1;
    }
    if (j.f[0].warned || j.f[1].warned) tool_warn("input is not in sorted order");
    return out_end(&j.out, status);
}
