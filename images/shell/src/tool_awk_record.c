/* $0 and its fields: split when first looked at, joined again when $0 is after a change. */
#include <stdlib.h>
#include <string.h>

#include "tool_awk.h"

#define FIELDS_MAX 10000000

struct field {
    const char *p; /* in `base` */
    size_t n;
    struct value v;
    int made; /* v is valid */
};
static struct {
    struct str *text; /* $0 */
    struct str *base; /* what the fields point into */
    struct field *v;  /* v[0] is not used */
    int64_t n, cap;
    int is_split, is_stale; /* stale: $0 must be joined from the fields */
} record;

size_t char_length(const char *p, size_t n) {
    size_t count = 0;
    if (!awk->utf8) return n;
    for (size_t i = 0; i < n; i++) count += ((unsigned char)p[i] & 0xC0) != 0x80;
    return count;
}

size_t char_offset(const char *p, size_t n, size_t chars) {
    size_t at = 0;
    if (!awk->utf8) return chars < n ? chars : n;
    while (at < n && chars > 0) {
        for (at++; at < n && ((unsigned char)p[at] & 0xC0) == 0x80; at++) {}
        chars--;
    }
    return at;
}

/* --- splitting --- */
static void split_blanks(const char *p, const char *end, void (*put)(void *, const char *, size_t), void *context) {
    for (;;) {
        while (p < end && (*p == ' ' || *p == '\t' || *p == '\n')) p++;
        if (p == end) return;
        const char *start = p;
        while (p < end && *p != ' ' && *p != '\t' && *p != '\n') p++;
        put(context, start, (size_t)(p - start));
    }
}

static void split_char(const char *p, const char *end, int c, int newline_too, void (*put)(void *, const char *, size_t), void *context) {
    for (;;) {
        const char *q = memchr(p, c, (size_t)(end - p));
        if (!q) q = end;
        const char *line = newline_too ? memchr(p, '\n', (size_t)(q - p)) : NULL;
        if (line) q = line;
        put(context, p, (size_t)(q - p));
        if (q == end) return;
        p = q + 1;
    }
}

static void split_regex(const char *p, size_t n, struct rx *rx, void (*put)(void *, const char *, size_t), void *context) {
    struct rx_span m;
    size_t start = 0, at = 0;
    while (at <= n && rx_search(rx, p, n, at, &m, 1)) {
        if (m.to == m.from) {
            at = m.to + 1;
            continue;
        }
        put(context, p + start, m.from - start);
        start = at = m.to;
    }
    put(context, p + start, n - start);
}

static struct rx *with_newline(const struct str *fs) {
    struct str *s = str_room(fs->len + 5);
    memcpy(s->p, "(", 1);
    memcpy(s->p + 1, fs->p, fs->len);
    memcpy(s->p + 1 + fs->len, ")|\\n", 4);
    struct rx *rx = regex_cached(s);
    str_drop(s);
    return rx;
}

void split_text(const struct str *s, struct str *fs, struct rx *rx, int newline_too, void (*put)(void *, const char *, size_t),
                void *context) {
    const char *p = s->p, *end = p + s->len;
    if (s->len == 0) return;
    if (rx) {
        split_regex(p, s->len, rx, put, context);
    } else if (fs->len == 1 && fs->p[0] == ' ') {
        split_blanks(p, end, put, context);
    } else if (fs->len == 1) {
        split_char(p, end, fs->p[0], newline_too, put, context);
    } else if (fs->len == 0) {
        while (p < end) {
            size_t n = char_offset(p, (size_t)(end - p), 1);
            put(context, p, n);
            p += n;
        }
    } else {
        split_regex(p, s->len, newline_too ? with_newline(fs) : regex_cached(fs), put, context);
    }
}

/* --- fields --- */
static void fields_room(int64_t n) {
    if (n > FIELDS_MAX) awk_die("field number %lld is too large", (long long)n);
    if (n < record.cap) return;
    record.cap = record.cap * 2 > n + 1 ? record.cap * 2 : n + 16;
    record.v = xrealloc(record.v, sizeof *record.v * (size_t)record.cap);
}

static void field_add(void *context, const char *p, size_t n) {
    (void)context;
    fields_room(record.n + 1);
    record.v[++record.n] = (struct field){.p = p, .n = n};
}

static void fields_clear(void) {
    for (int64_t i = 1; i <= record.n; i++)
        if (record.v[i].made) v_drop(record.v[i].v);
    record.n = 0;
}

static void count_store(void) {
    struct value *nf = special(NF);
    v_drop(*nf);
    *nf = v_number((double)record.n);
}

void fields_need(void) {
    if (record.is_split) return;
    fields_clear();
    if (record.base) str_drop(record.base);
    record.base = str_ref(record_get());
    record.is_split = 1;
    split_text(record.base, special_str(FS), NULL, special_str(RS)->len == 0, field_add, NULL);
    count_store();
}

void record_set(struct str *s) {
    if (record.text) str_drop(record.text);
    record.text = s;
    record.is_split = record.is_stale = 0;
}

static void field_make(struct field *f) {
    if (f->made) return;
    f->v = v_input(str_new(f->p, f->n));
    f->made = 1;
}

static void join(void) {
    struct str *ofs = special_str(OFS), **parts = xmalloc(sizeof *parts * (size_t)(record.n + 1));
    size_t total = 0;
    for (int64_t i = 1; i <= record.n; i++) {
        field_make(&record.v[i]);
        parts[i] = v_str(&record.v[i].v);
        total += parts[i]->len + (i > 1 ? ofs->len : 0);
    }
    struct str *s = str_room(total);
    char *p = s->p;
    for (int64_t i = 1; i <= record.n; i++) {
        if (i > 1) {
            memcpy(p, ofs->p, ofs->len);
            p += ofs->len;
        }
        memcpy(p, parts[i]->p, parts[i]->len);
        p += parts[i]->len;
        str_drop(parts[i]);
    }
    free(parts);
    if (record.text) str_drop(record.text);
    record.text = s;
    record.is_stale = 0;
}

struct str *record_get(void) {
    if (!record.text) record.text = str_new("", 0);
    if (record.is_stale) join();
    return record.text;
}

struct value field_get(int64_t i) {
    if (i == 0) return v_input(str_ref(record_get()));
    if (i < 0) awk_die("attempt to access field %lld", (long long)i);
    fields_need();
    if (i > record.n) return (struct value){.type = V_UNSET};
    field_make(&record.v[i]);
    return v_copy(record.v[i].v);
}

void fields_resize(int64_t n) {
    fields_need();
    if (n < 0) awk_die("NF set to a negative value");
    fields_room(n);
    for (int64_t i = n + 1; i <= record.n; i++)
        if (record.v[i].made) v_drop(record.v[i].v);
    for (int64_t i = record.n + 1; i <= n; i++) record.v[i] = (struct field){.p = "", .n = 0};
    record.n = n;
    record.is_stale = 1;
    count_store();
}

void field_set(int64_t i, struct value v) {
    if (i == 0) {
        struct str *s = v_str(&v);
        v_drop(v);
        record_set(s);
        return;
    }
    if (i < 0) awk_die("attempt to access field %lld", (long long)i);
    fields_need();
    if (i > record.n) fields_resize(i);
    struct field *f = &record.v[i];
    if (f->made) v_drop(f->v);
    f->v = v;
    f->made = 1;
    record.is_stale = 1;
}
