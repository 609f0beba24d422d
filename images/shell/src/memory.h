/* Arenas (freed as a whole or back to a mark) and growing byte buffers. */
#ifndef MR_MEMORY_H
#define MR_MEMORY_H
#include <stddef.h>

struct chunk;
struct arena {
    struct chunk *top;
    int references; /* for syntax trees: the runner and each function defined there */
};
struct arena_mark {
    struct chunk *chunk;
    size_t used;
};
void *arena_alloc(struct arena *a, size_t n); /* zeroed, aligned to 8 */
char *arena_copy(struct arena *a, const char *s, size_t n);
struct arena_mark arena_tell(struct arena *a);
void arena_rewind(struct arena *a, struct arena_mark m);
void arena_free(struct arena *a);
struct arena *arena_new(void); /* one reference */
void arena_drop(struct arena *a);

struct buf {
    char *s; /* not NUL-ended unless buf_text was called */
    size_t len, cap;
};
void buf_reserve(struct buf *b, size_t more);
void buf_add(struct buf *b, const char *s, size_t n);
void buf_str(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *buf_text(struct buf *b);
void buf_free(struct buf *b);
static inline void buf_putc(struct buf *b, char c) {
    if (b->len == b->cap) buf_reserve(b, 1);
    b->s[b->len++] = c;
}
#endif
