/* A DFA whose states are made when a text first leads to them, in bounded memory.
 *
 * A state is the set of instructions to go on from, taken before the jumps that need no byte,
 * because whether an assertion holds depends on the next byte. So a match shows one byte late:
 * the transition on a byte (or on the end) says whether a match ended in front of it. */
#include <stdlib.h>
#include <string.h>

#include "tool_regex_inner.h"
#include "tool_text.h"

#define CACHE_BYTES (2u << 20)
#define UNKNOWN (-1)

struct state {
    uint32_t at, n; /* its instructions: pool[at .. at + n) */
    int context;
};
struct dfa {
    struct rx *rx;
    int unanchored, stride;
    int32_t *next; /* [state * stride + class]: 2 * state + match before, or UNKNOWN */
    struct state *states;
    uint32_t n, cap;
    uint32_t *pool, pool_n, pool_cap;
    int32_t *hash;
    uint32_t hash_size;
    int32_t start[8]; /* by context */
    uint32_t *seen, seen_mark, *stack, *now, *then;
};

int context_before(const struct rx *rx, const char *text, size_t at) {
    if (!rx->has_assert) return 0;
    if (at == 0) return AT_START;
    unsigned c = (unsigned char)text[at - 1];
    if (c == '\n' && (rx->flags & RX_BY_LINE)) return AT_START;
    return c == '\n' ? AFTER_NEWLINE : is_word(rx, c) ? AFTER_WORD : 0;
}

static int context_of(const struct rx *rx, int c) {
    return c < 0 ? BEFORE_END : c == '\n' ? BEFORE_NEWLINE : is_word(rx, (unsigned)c) ? BEFORE_WORD : 0;
}

int context_after(const struct rx *rx, const char *text, size_t n, size_t at) {
    return context_of(rx, at == n ? -1 : (unsigned char)text[at]);
}

int assert_holds(int assertion, int context, int lines) {
    int before = (context & AFTER_WORD) != 0, after = (context & BEFORE_WORD) != 0;
    switch (assertion) {
    case A_BOL: return (context & AT_START) || (lines && (context & AFTER_NEWLINE));
    case A_EOL: return (context & BEFORE_END) || (lines && (context & BEFORE_NEWLINE));
    case A_START: return (context & AT_START) != 0;
    case A_END: return (context & BEFORE_END) != 0;
    case A_WORD_EDGE: return before != after;
    case A_NO_EDGE: return before == after;
    case A_WORD_START: return !before && after;
    case A_WORD_END: return before && !after;
    case A_NO_WORD_BEFORE: return !before;
    default: return !after;
    }
}

struct dfa *dfa_make(struct rx *rx, int unanchored) {
    struct dfa *d = xmalloc(sizeof *d);
    *d = (struct dfa){.rx = rx, .unanchored = unanchored, .stride = rx->n_classes + 1};
    d->seen = xmalloc(sizeof *d->seen * rx->n);
    memset(d->seen, 0, sizeof *d->seen * rx->n);
    d->stack = xmalloc(sizeof *d->stack * (rx->n + 2));
    d->now = xmalloc(sizeof *d->now * (rx->n + 1));
    d->then = xmalloc(sizeof *d->then * (rx->n + 1));
    memset(d->start, -1, sizeof d->start);
    return d;
}

void dfa_free(struct dfa *d) {
    if (!d) return;
    free(d->next);
    free(d->states);
    free(d->pool);
    free(d->hash);
    free(d->seen);
    free(d->stack);
    free(d->now);
    free(d->then);
    free(d);
}

static uint32_t set_hash(const uint32_t *v, uint32_t n, int context) {
    uint32_t h = 2166136261u ^ (uint32_t)context;
    for (uint32_t i = 0; i < n; i++) h = (h ^ v[i]) * 16777619u;
    return h ^ h >> 15;
}

static void hash_grow(struct dfa *d) {
    d->hash_size = d->hash_size ? d->hash_size * 2 : 64;
    d->hash = xrealloc(d->hash, sizeof *d->hash * d->hash_size);
    memset(d->hash, -1, sizeof *d->hash * d->hash_size);
    for (uint32_t i = 0; i < d->n; i++) {
        uint32_t slot = set_hash(d->pool + d->states[i].at, d->states[i].n, d->states[i].context) & (d->hash_size - 1);
        while (d->hash[slot] >= 0) slot = (slot + 1) & (d->hash_size - 1);
        d->hash[slot] = (int32_t)i;
    }
}

static void cache_empty(struct dfa *d) {
    d->n = d->pool_n = 0;
    memset(d->start, -1, sizeof d->start);
    if (d->hash) memset(d->hash, -1, sizeof *d->hash * d->hash_size);
}

static int32_t state_find(struct dfa *d, const uint32_t *v, uint32_t n, int context) {
    if (d->n * 2 >= d->hash_size) hash_grow(d);
    uint32_t slot = set_hash(v, n, context) & (d->hash_size - 1);
    for (; d->hash[slot] >= 0; slot = (slot + 1) & (d->hash_size - 1)) {
        const struct state *s = &d->states[d->hash[slot]];
        if (s->n == n && s->context == context && (n == 0 || !memcmp(d->pool + s->at, v, sizeof *v * n))) return d->hash[slot];
    }
    if (d->n == d->cap) {
        d->cap = d->cap ? d->cap * 2 : 16;
        d->states = xrealloc(d->states, sizeof *d->states * d->cap);
        d->next = xrealloc(d->next, sizeof *d->next * d->cap * (size_t)d->stride);
    }
    if (d->pool_n + n > d->pool_cap) {
        while (d->pool_n + n > d->pool_cap) d->pool_cap = d->pool_cap ? d->pool_cap * 2 : 256;
        d->pool = xrealloc(d->pool, sizeof *d->pool * d->pool_cap);
    }
    if (n) memcpy(d->pool + d->pool_n, v, sizeof *v * n);
    d->states[d->n] = (struct state){d->pool_n, n, context};
    d->pool_n += n;
    for (int i = 0; i < d->stride; i++) d->next[d->n * (size_t)d->stride + (size_t)i] = UNKNOWN;
    d->hash[slot] = (int32_t)d->n;
    return (int32_t)d->n++;
}

static int32_t state_start(struct dfa *d, int context) {
    static const uint32_t first = 0;
    if (d->start[context] < 0) d->start[context] = state_find(d, &first, d->unanchored ? 0 : 1, context);
    return d->start[context];
}

static void visit(struct dfa *d, uint32_t pc, uint32_t *top) {
    if (d->seen[pc] == d->seen_mark) return;
    d->seen[pc] = d->seen_mark;
    d->stack[(*top)++] = pc;
}

/* Follows what needs no byte; d->now gets the instructions that take one. 1 if it matches here. */
static int closure(struct dfa *d, const uint32_t *from, uint32_t n, int context, int start, uint32_t *n_now) {
    const struct rx *rx = d->rx;
    uint32_t top = 0, count = 0;
    int matched = 0;
    d->seen_mark++;
    for (uint32_t i = n; i-- > 0;) visit(d, from[i], &top);
    if (start) visit(d, 0, &top);
    while (top > 0) {
        uint32_t pc = d->stack[--top];
        const struct inst *in = &rx->prog[pc];
        switch (in->op) {
        case I_BYTE: case I_SET: d->now[count++] = pc; break;
        case I_MATCH: matched = 1; break;
        case I_BACKREF: /* stands for any text here; backref_match decides */
            d->now[count++] = pc;
            visit(d, in->x, &top);
            break;
        case I_ASSERT:
            if (assert_holds((int)in->y, context, rx->flags & RX_LINES)) visit(d, in->x, &top);
            break;
        case I_SPLIT: case I_PROGRESS:
            visit(d, in->y, &top);
            visit(d, in->x, &top);
            break;
        default: visit(d, in->x, &top);
        }
    }
    *n_now = count;
    return matched;
}

static int pc_order(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static size_t cache_size(const struct dfa *d) {
    return d->n * (sizeof *d->states + sizeof *d->next * (size_t)d->stride) + d->pool_n * sizeof *d->pool;
}

/* The transition of a state on a byte, or on the end (-1). Where lines are the texts, a newline
 * is an end and a new start. */
static int32_t step(struct dfa *d, int32_t from, int byte) {
    const struct rx *rx = d->rx;
    struct state s = d->states[from];
    uint32_t n_now, n = 0;
    int new_line = byte == '\n' && (rx->flags & RX_BY_LINE), c = new_line ? -1 : byte;
    int start = d->unanchored && (c < 0 || !within_char(rx, (unsigned)c));
    int matched = closure(d, d->pool + s.at, s.n, s.context | context_of(rx, c), start, &n_now);
    d->seen_mark++;
    for (uint32_t i = 0; i < n_now && c >= 0; i++) {
        const struct inst *in = &rx->prog[d->now[i]];
        uint32_t to = in->x;
        if (in->op == I_BYTE ? c < in->lo || c > in->hi : in->op == I_SET && !set_has(rx->sets[in->y], (unsigned)c)) continue;
        if (in->op == I_BACKREF) to = d->now[i];
        if (d->seen[to] == d->seen_mark) continue;
        d->seen[to] = d->seen_mark;
        d->then[n++] = to;
    }
    if (n > 1) qsort(d->then, n, sizeof *d->then, pc_order);
    int context = !rx->has_assert ? 0 : c < 0 ? (new_line ? AT_START : 0) : c == '\n' ? AFTER_NEWLINE : is_word(rx, (unsigned)c) ? AFTER_WORD : 0;
    int full = cache_size(d) > CACHE_BYTES;
    if (full) cache_empty(d);
    int32_t value = 2 * state_find(d, d->then, n, context) + matched;
    int cls = byte < 0 ? rx->n_classes : rx->byte_class[byte];
    if (!full) d->next[(size_t)from * (size_t)d->stride + (size_t)cls] = value;
    return value;
}

static const char *skip_to_first(const struct rx *rx, const char *p, const char *end) {
    if (rx->only_first >= 0) {
        p = memchr(p, rx->only_first, (size_t)(end - p));
        return p ? p : end;
    }
    while (p < end && !rx->first[(unsigned char)*p]) p++;
    return p;
}

ptrdiff_t dfa_run(struct dfa *d, const char *text, size_t n, size_t from) {
    const struct rx *rx = d->rx;
    const char *p = text + from, *end = text + n;
    ptrdiff_t last = -1;
    size_t stride = (size_t)d->stride;
    int32_t s = state_start(d, context_before(rx, text, from)), t;
    for (; p < end; p++) {
        if (d->unanchored && d->states[s].n == 0 && !rx->nullable) {
            const char *q = skip_to_first(rx, p, end);
            if (q == end) return -1;
            if (q != p) s = state_start(d, context_before(rx, text, (size_t)(q - text)));
            p = q;
        }
        t = d->next[(size_t)s * stride + rx->byte_class[(unsigned char)*p]];
        if (t == UNKNOWN) t = step(d, s, (unsigned char)*p);
        s = t >> 1;
        if (t & 1) {
            last = p - text;
            if (d->unanchored) return last;
        }
        if (!d->unanchored && d->states[s].n == 0) return last;
    }
    t = d->next[(size_t)s * stride + (size_t)rx->n_classes];
    if (t == UNKNOWN) t = step(d, s, -1);
    return t & 1 ? (ptrdiff_t)n : last;
}
