/* Strings, values and arrays. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool_awk.h"

struct str *str_room(size_t n) {
    struct str *s = xmalloc(sizeof *s + n + 1);
    s->refs = 1;
    s->len = s->cap = n;
    s->p[n] = '\0';
    return s;
}

struct str *str_new(const char *p, size_t n) {
    struct str *s = str_room(n);
    if (n) memcpy(s->p, p, n);
    return s;
}

void str_drop(struct str *s) {
    if (--s->refs == 0) free(s);
}

struct value v_text(const char *p, size_t n) { return v_string(str_new(p, n)); }

/* --- numbers in text --- */
static int blank(int c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'; }

/* Decimal only: "0x1A" is 0, "nan" and "inf" are words, unless signed as gawk has it. */
double number_read(const char *p, size_t n, size_t *used) {
    const char *s = p, *end = p + n;
    while (s < end && blank((unsigned char)*s)) s++;
    const char *start = s;
    int negative = s < end && *s == '-', digits = 0;
    if (s < end && (*s == '-' || *s == '+')) {
        s++;
        if (end - s >= 3 && (!strncmp(s, "inf", 3) || !strncmp(s, "nan", 3)) &&
            (end - s == 3 || !((s[3] | 32) >= 'a' && (s[3] | 32) <= 'z'))) {
            *used = (size_t)(s + 3 - p);
            return *s == 'n' ? NAN : negative ? -INFINITY : INFINITY;
        }
    }
    uint64_t v = 0;
    for (; s < end && *s >= '0' && *s <= '9'; s++, digits++) v = v * 10 + (uint64_t)(*s - '0');
    int simple = digits > 0 && digits < 16;
    if (s < end && *s == '.' && (digits || (s + 1 < end && s[1] >= '0' && s[1] <= '9'))) {
        simple = 0;
        for (s++; s < end && *s >= '0' && *s <= '9'; s++) digits++;
    }
    if (!digits) {
        *used = 0;
        return 0;
    }
    if (s < end && (*s | 32) == 'e') {
        const char *e = s + 1;
        if (e < end && (*e == '-' || *e == '+')) e++;
        if (e < end && *e >= '0' && *e <= '9') {
            while (e < end && *e >= '0' && *e <= '9') e++;
            s = e;
            simple = 0;
        }
    }
    *used = (size_t)(s - p);
    if (simple) return negative ? -(double)v : (double)v;
    char small[64], *text = (size_t)(s - start) < sizeof small ? small : xmalloc((size_t)(s - start) + 1);
    memcpy(text, start, (size_t)(s - start));
    text[s - start] = '\0';
    double d = strtod(text, NULL);
    if (text != small) free(text);
    return d;
}

/* Input that is nothing but a number, perhaps between blanks. */
static void input_examine(struct value *v) {
    size_t used;
    double d = number_read(v->s->p, v->s->len, &used);
    if (used)
        while (used < v->s->len && blank((unsigned char)v->s->p[used])) used++;
    v->type = used && used == v->s->len ? V_STRNUM : V_STRING;
    v->num = d;
}

double v_to_number(struct value *v) {
    size_t used;
    if (v->type == V_INPUT) input_examine(v);
    if (v->type == V_NUMBER || v->type == V_STRNUM) return v->num;
    return v->type == V_UNSET ? 0 : number_read(v->s->p, v->s->len, &used);
}

int v_is_true(struct value *v) {
    if (v->type == V_INPUT) input_examine(v);
    if (v->type == V_NUMBER || v->type == V_STRNUM) return v->num != 0;
    return v->type != V_UNSET && v->s->len > 0;
}

static struct str *number_text(double d, const struct str *format) {
    char text[400];
    if (d == floor(d) && fabs(d) < 1e16) {
        snprintf(text, sizeof text, "%lld", (long long)d);
    } else if (isnan(d) || isinf(d)) {
        snprintf(text, sizeof text, "%s%s", signbit(d) ? "-" : "+", isnan(d) ? "nan" : "inf");
    } else if (d == floor(d)) {
        snprintf(text, sizeof text, "%.0f", d);
    } else {
        struct value args[2] = {{.type = V_STRING, .s = (struct str *)format}, v_number(d)};
        if (format->len == 4 && !memcmp(format->p, "%.6g", 4)) snprintf(text, sizeof text, "%.6g", d);
        else return awk_format(args, 2);
    }
    return str_new(text, strlen(text));
}

struct str *v_to_str(const struct value *v, const struct str *format) {
    if (v->s) return str_ref(v->s);
    return v->type == V_UNSET ? str_new("", 0) : number_text(v->num, format);
}

struct str *v_str(const struct value *v) { return v_to_str(v, v->type == V_NUMBER ? special_str(CONVFMT) : NULL); }

static int text_compare(const struct str *a, const struct str *b) {
    int d = memcmp(a->p, b->p, a->len < b->len ? a->len : b->len);
    return d ? d : (a->len > b->len) - (a->len < b->len);
}

int v_compare(struct value *a, struct value *b) {
    if (a->type == V_INPUT) input_examine(a);
    if (b->type == V_INPUT) input_examine(b);
    if (a->type != V_STRING && b->type != V_STRING) {
        double x = v_to_number(a), y = v_to_number(b);
        return x < y ? -1 : x == y ? 0 : 1;
    }
    struct str *s = v_str(a), *t = v_str(b);
    int d = text_compare(s, t);
    str_drop(s);
    str_drop(t);
    return d;
}

/* --- arrays --- */
static uint32_t hash(const struct str *s) {
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < s->len; i++) h = (h ^ (unsigned char)s->p[i]) * 16777619u;
    return h ^ h >> 15;
}

struct array *array_new(void) {
    struct array *a = xmalloc(sizeof *a);
    *a = (struct array){0};
    return a;
}

static void elem_free(struct elem *e) {
    str_drop(e->key);
    v_drop(e->v);
    free(e);
}

void array_clear(struct array *a) {
    for (struct elem *e = a->first, *next; e; e = next) {
        next = e->after;
        elem_free(e);
    }
    free(a->table);
    *a = (struct array){0};
}

static struct elem **slot_of(struct array *a, const struct str *key, uint32_t h) {
    struct elem **e = &a->table[h & (a->size - 1)];
    while (*e && !((*e)->hash == h && (*e)->key->len == key->len && !memcmp((*e)->key->p, key->p, key->len))) e = &(*e)->hash_next;
    return e;
}

struct elem *array_find(struct array *a, const struct str *key) { return a->size ? *slot_of(a, key, hash(key)) : NULL; }

static void array_grow(struct array *a) {
    free(a->table);
    a->size = a->size ? a->size * 4 : 16;
    a->table = xmalloc(sizeof *a->table * a->size);
    memset(a->table, 0, sizeof *a->table * a->size);
    for (struct elem *e = a->first; e; e = e->after) {
        struct elem **slot = &a->table[e->hash & (a->size - 1)];
        e->hash_next = *slot;
        *slot = e;
    }
}

struct elem *array_make(struct array *a, struct str *key) {
    if (a->n >= a->size) array_grow(a);
    uint32_t h = hash(key);
    struct elem **slot = slot_of(a, key, h);
    if (*slot) return *slot;
    struct elem *e = *slot = xmalloc(sizeof *e);
    *e = (struct elem){.before = a->last, .key = str_ref(key), .hash = h};
    if (a->last) a->last->after = e;
    else a->first = e;
    a->last = e;
    a->n++;
    return e;
}

void array_delete(struct array *a, const struct str *key) {
    struct elem **slot = a->size ? slot_of(a, key, hash(key)) : NULL, *e = slot ? *slot : NULL;
    if (!e) return;
    *slot = e->hash_next;
    if (e->before) e->before->after = e->after;
    else a->first = e->after;
    if (e->after) e->after->before = e->before;
    else a->last = e->before;
    a->n--;
    elem_free(e);
}

void array_set_number(struct array *a, size_t index, struct value v) {
    char text[24];
    int n = snprintf(text, sizeof text, "%zu", index);
    struct str *key = str_new(text, (size_t)n);
    struct elem *e = array_make(a, key);
    str_drop(key);
    v_drop(e->v);
    e->v = v;
}
