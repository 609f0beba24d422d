#include "memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

enum { CHUNK_BYTES = 2048 };

struct chunk {
    struct chunk *below;
    size_t used, cap;
    /* data follows, aligned */
};

static char *chunk_data(struct chunk *c) { return (char *)(c + 1); }

void *arena_alloc(struct arena *a, size_t n) {
    n = (n + 7) & ~(size_t)7;
    struct chunk *c = a->top;
    if (!c || c->cap - c->used < n) {
        size_t cap = n > CHUNK_BYTES ? n : CHUNK_BYTES;
        c = xmalloc(sizeof *c + cap);
        c->below = a->top;
        c->used = 0;
        c->cap = cap;
        a->top = c;
    }
    void *p = chunk_data(c) + c->used;
    c->used += n;
    memset(p, 0, n);
    return p;
}

char *arena_copy(struct arena *a, const char *s, size_t n) {
    char *p = arena_alloc(a, n + 1);
    if (n) memcpy(p, s, n);
    return p;
}

struct arena_mark arena_tell(struct arena *a) {
    struct arena_mark m = {a->top, a->top ? a->top->used : 0};
    return m;
}

void arena_rewind(struct arena *a, struct arena_mark m) {
    /* The lowest chunk stays: a loop would else allocate it again on each turn. */
    while (a->top != m.chunk && a->top->below) {
        struct chunk *c = a->top;
        a->top = c->below;
        free(c);
    }
    if (a->top) a->top->used = a->top == m.chunk ? m.used : 0;
}

void arena_free(struct arena *a) {
    while (a->top) {
        struct chunk *c = a->top;
        a->top = c->below;
        free(c);
    }
}

struct arena *arena_new(void) {
    struct arena *a = xmalloc(sizeof *a);
    a->top = NULL;
    a->references = 1;
    return a;
}

void arena_drop(struct arena *a) {
    if (--a->references > 0) return;
    arena_free(a);
    free(a);
}

void buf_reserve(struct buf *b, size_t more) {
    if (b->cap - b->len >= more) return;
    size_t cap = b->cap ? b->cap * 2 : 64;
    if (cap < b->len + more) cap = b->len + more;
    b->s = xrealloc(b->s, cap);
    b->cap = cap;
}

void buf_add(struct buf *b, const char *s, size_t n) {
    if (!n) return;
    buf_reserve(b, n);
    memcpy(b->s + b->len, s, n);
    b->len += n;
}

void buf_str(struct buf *b, const char *s) { buf_add(b, s, strlen(s)); }

void buf_printf(struct buf *b, const char *fmt, ...) {
    va_list ap;
    for (size_t room = 64;; room *= 2) {
        buf_reserve(b, room);
        va_start(ap, fmt);
        int n = vsnprintf(b->s + b->len, b->cap - b->len, fmt, ap);
        va_end(ap);
        if (n < 0) return;
        if ((size_t)n < b->cap - b->len) {
            b->len += (size_t)n;
            return;
        }
    }
}

const char *buf_text(struct buf *b) {
    buf_putc(b, '\0');
    b->len--;
    return b->s;
}

void buf_free(struct buf *b) {
    free(b->s);
    b->s = NULL;
    b->len = b->cap = 0;
}
