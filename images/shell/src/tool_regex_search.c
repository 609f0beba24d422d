/* Searching, and the captures of a match that the DFA has found. */
#include <stdlib.h>
#include <string.h>

#include "tool_regex_inner.h"
#include "tool_text.h"

#define MEMO_BITS (64u << 20)

struct rx *rx_compile(const char *pattern, size_t n, int flags, const char **error) {
    struct tree t;
    int utf8 = text_is_utf8();
    if (tree_parse(&t, pattern, n, flags, utf8, error)) return NULL;
    struct rx *rx = xmalloc(sizeof *rx);
    *rx = (struct rx){.flags = flags, .utf8 = utf8, .groups = t.groups, .has_alt = t.has_alt, .has_backref = t.has_backref};
    rx->slots = 2 * (t.groups + 1) + t.marks;
    rx->iterated = t.iterated;
    rx->whole_chars = utf8 && !t.has_raw;
    int bad = program_build(rx, &t);
    tree_free(&t);
    if (!bad) return rx;
    *error = "Regular expression too big";
    rx_free(rx);
    return NULL;
}

void rx_free(struct rx *rx) {
    if (!rx) return;
    dfa_free(rx->search);
    dfa_free(rx->longest);
    dfa_free(rx->search_lines);
    free(rx->prog);
    free(rx->sets);
    free(rx->literal);
    free(rx);
}

size_t rx_groups(const struct rx *rx) { return (size_t)rx->groups; }

/* --- backtracking: back-references, and captures where no alternatives compete --- */
struct todo {
    uint32_t pc; /* or RESTORE + slot */
    size_t at;
};
#define RESTORE 0x80000000u
struct walk {
    const struct rx *rx;
    const char *text;
    size_t n, must_end; /* RX_UNSET: find the longest instead */
    size_t *slots, *best;
    ptrdiff_t best_end;
    uint32_t *memo; /* (pc, position) pairs already tried, where that decides */
    size_t memo_from;
    struct todo *stack;
    size_t top, cap;
};

static void push(struct walk *w, uint32_t pc, size_t at) {
    if (w->top == w->cap) w->stack = xrealloc(w->stack, sizeof *w->stack * (w->cap = w->cap ? w->cap * 2 : 64));
    w->stack[w->top++] = (struct todo){pc, at};
}

static void slot_set(struct walk *w, uint32_t slot, size_t at) {
    push(w, RESTORE + slot, w->slots[slot]);
    w->slots[slot] = at;
}

static int backref_here(const struct walk *w, uint32_t group, size_t at, size_t *len) {
    size_t from = w->slots[2 * group], to = w->slots[2 * group + 1];
    if (from == RX_UNSET || to == RX_UNSET) return 0;
    *len = to - from;
    if (w->n - at < *len) return 0;
    if (!(w->rx->flags & RX_ICASE)) return !memcmp(w->text + from, w->text + at, *len);
    for (size_t i = 0; i < *len; i++) {
        int a = (unsigned char)w->text[from + i], b = (unsigned char)w->text[at + i];
        if (a != b && ((a ^ b) != 32 || (a | 32) < 'a' || (a | 32) > 'z')) return 0;
    }
    return 1;
}

/* Follows one path to its end. 1: nothing better can come. */
static int follow(struct walk *w, uint32_t pc, size_t at) {
    const struct rx *rx = w->rx;
    for (;;) {
        const struct inst *in = &rx->prog[pc];
        size_t len;
        if (w->memo) {
            size_t bit = (at - w->memo_from) * rx->n + pc;
            if (w->memo[bit >> 5] >> (bit & 31) & 1) return 0;
            w->memo[bit >> 5] |= 1u << (bit & 31);
        }
        switch (in->op) {
        case I_BYTE:
            if (at == w->n || (unsigned char)w->text[at] < in->lo || (unsigned char)w->text[at] > in->hi) return 0;
            at++;
            break;
        case I_SET:
            if (at == w->n || !set_has(rx->sets[in->y], (unsigned char)w->text[at])) return 0;
            at++;
            break;
        case I_SPLIT: push(w, in->y, at); break;
        case I_SAVE: case I_MARK: slot_set(w, in->y, at); break;
        case I_PROGRESS:
            if (w->slots[in->mark] == at) {
                pc = in->y;
                continue;
            }
            push(w, in->y, at);
            break;
        case I_ASSERT:
            if (!assert_holds((int)in->y, context_before(rx, w->text, at) | context_after(rx, w->text, w->n, at),
                              rx->flags & RX_LINES))
                return 0;
            break;
        case I_BACKREF:
            if (!backref_here(w, in->y, at, &len)) return 0;
            at += len;
            break;
        case I_MATCH:
            if (w->must_end != RX_UNSET) {
                if (at != w->must_end) return 0;
                w->best_end = (ptrdiff_t)at;
                return 1;
            }
            if ((ptrdiff_t)at > w->best_end) {
                w->best_end = (ptrdiff_t)at;
                memcpy(w->best, w->slots, sizeof *w->slots * (size_t)rx->slots);
            }
            return at == w->n;
        default: break;
        }
        if (w->must_end != RX_UNSET && at > w->must_end) return 0;
        pc = in->x;
    }
}

static void walk_run(struct walk *w, size_t from) {
    push(w, 0, from);
    while (w->top > 0) {
        struct todo t = w->stack[--w->top];
        if (t.pc >= RESTORE) w->slots[t.pc - RESTORE] = t.at;
        else if (follow(w, t.pc, t.at)) break;
    }
    free(w->stack);
}

ptrdiff_t backref_match(const struct rx *rx, const char *text, size_t n, size_t from, size_t *slots) {
    size_t *work = xmalloc(sizeof *work * (size_t)rx->slots);
    for (int i = 0; i < rx->slots; i++) work[i] = RX_UNSET;
    struct walk w = {.rx = rx, .text = text, .n = n, .must_end = RX_UNSET, .slots = work, .best = slots, .best_end = -1};
    walk_run(&w, from);
    free(work);
    return w.best_end;
}

/* --- all paths at once: captures where alternatives compete. Of two ways to the same place the
 * one tried first wins (what stands earlier is greedier), unless the first group that tells them
 * apart begins at the same place and is longer in the other; groups in loops, of which only the
 * last round shows, do not count. --- */
struct threads {
    uint32_t *pcs, n;
    uint8_t *in; /* by pc */
    size_t *slots; /* [pc * rx->slots] */
};

static int better(const struct rx *rx, const size_t *a, const size_t *b) {
    for (int g = 1; g <= rx->groups && g < 64; g++) {
        if (rx->iterated >> g & 1) continue;
        size_t af = a[2 * g], bf = b[2 * g], at = a[2 * g + 1], bt = b[2 * g + 1];
        if (af == RX_UNSET || bf == RX_UNSET) {
            if (af != bf) return 0;
            continue;
        }
        if (af != bf) return 0;
        if (at == bt) continue;
        if (at == RX_UNSET || bt == RX_UNSET) return 0;
        return at > bt;
    }
    return 0;
}

static void threads_add(const struct rx *rx, struct threads *ts, uint32_t pc, const size_t *slots, int context, size_t at,
                        struct walk *w) {
    /* w->stack holds pcs to visit; each one's captures lie already in ts->slots. */
    size_t width = (size_t)rx->slots;
    if (ts->in[pc] && !better(rx, slots, ts->slots + pc * width)) return;
    if (!ts->in[pc]) ts->pcs[ts->n++] = pc;
    ts->in[pc] = 1;
    memmove(ts->slots + pc * width, slots, sizeof *slots * width);
    push(w, pc, at);
    while (w->top > 0) {
        struct todo t = w->stack[--w->top];
        const struct inst *in = &rx->prog[t.pc];
        uint32_t to[2] = {in->x, in->y};
        int n = in->op == I_SPLIT || in->op == I_PROGRESS ? 2 : in->op == I_JUMP || in->op == I_SAVE || in->op == I_MARK ? 1 : 0;
        if (in->op == I_ASSERT && assert_holds((int)in->y, context, rx->flags & RX_LINES)) n = 1;
        const size_t *mine = ts->slots + t.pc * width;
        memcpy(w->slots, mine, sizeof *mine * width);
        if (in->op == I_SAVE) w->slots[in->y] = at;
        int fresh[2] = {0, 0};
        for (int i = 0; i < n; i++) {
            if (ts->in[to[i]] && !better(rx, w->slots, ts->slots + to[i] * width)) continue;
            if (!ts->in[to[i]]) ts->pcs[ts->n++] = to[i];
            ts->in[to[i]] = 1;
            fresh[i] = 1;
            memcpy(ts->slots + to[i] * width, w->slots, sizeof *w->slots * width);
        }
        for (int i = n; i-- > 0;)
            if (fresh[i]) push(w, to[i], at);
    }
}

static int threads_find(const struct rx *rx, const char *text, size_t n, size_t from, size_t to, size_t *slots) {
    size_t width = (size_t)rx->slots;
    struct threads a, b, *now = &a, *then = &b;
    struct walk w = {.rx = rx, .slots = xmalloc(sizeof *slots * width)};
    for (int i = 0; i < 2; i++) {
        struct threads *ts = i ? then : now;
        ts->pcs = xmalloc(sizeof *ts->pcs * rx->n);
        ts->in = xmalloc(rx->n);
        memset(ts->in, 0, rx->n);
        ts->slots = xmalloc(sizeof *ts->slots * width * rx->n);
        ts->n = 0;
    }
    size_t *none = xmalloc(sizeof *none * width);
    for (size_t i = 0; i < width; i++) none[i] = RX_UNSET;
    threads_add(rx, now, 0, none, context_before(rx, text, from) | context_after(rx, text, n, from), from, &w);
    for (size_t at = from; at < to; at++) {
        unsigned c = (unsigned char)text[at];
        int context = context_before(rx, text, at + 1) | context_after(rx, text, n, at + 1);
        then->n = 0;
        memset(then->in, 0, rx->n);
        for (uint32_t i = 0; i < now->n; i++) {
            const struct inst *in = &rx->prog[now->pcs[i]];
            if (in->op == I_BYTE ? c < in->lo || c > in->hi : in->op != I_SET || !set_has(rx->sets[in->y], c)) continue;
            threads_add(rx, then, in->x, now->slots + now->pcs[i] * width, context, at + 1, &w);
        }
        struct threads *swap = now;
        now = then;
        then = swap;
    }
    int found = now->in[rx->n - 1];
    if (found) memcpy(slots, now->slots + (rx->n - 1) * width, sizeof *slots * width);
    for (int i = 0; i < 2; i++) {
        struct threads *ts = i ? then : now;
        free(ts->pcs);
        free(ts->in);
        free(ts->slots);
    }
    free(none);
    free(w.slots);
    free(w.stack);
    return found;
}

int captures_find(const struct rx *rx, const char *text, size_t n, size_t from, size_t to, size_t *slots) {
    size_t bits = (to - from + 1) * rx->n;
    if (rx->has_alt || bits > MEMO_BITS) return threads_find(rx, text, n, from, to, slots);
    size_t bytes = (bits / 32 + 1) * sizeof(uint32_t);
    for (int i = 0; i < rx->slots; i++) slots[i] = RX_UNSET;
    struct walk w = {.rx = rx, .text = text, .n = n, .must_end = to, .slots = slots, .best_end = -1, .memo = xmalloc(bytes), .memo_from = from};
    memset(w.memo, 0, bytes);
    walk_run(&w, from);
    free(w.memo);
    return w.best_end >= 0;
}

/* --- search --- */
static const char *literal_find(const struct rx *rx, const char *p, const char *end) {
    size_t len = rx->literal_len;
    while ((size_t)(end - p) >= len) {
        p = memchr(p, rx->literal[0], (size_t)(end - p) - len + 1);
        if (!p || !memcmp(p, rx->literal, len)) return p;
        p++;
    }
    return NULL;
}

static void spans_fill(const struct rx *rx, const size_t *slots, struct rx_span *spans, size_t n_spans) {
    for (size_t g = 1; g < n_spans; g++) {
        int set = g <= (size_t)rx->groups && slots && slots[2 * g] != RX_UNSET && slots[2 * g + 1] != RX_UNSET;
        spans[g] = set ? (struct rx_span){slots[2 * g], slots[2 * g + 1]} : (struct rx_span){RX_UNSET, RX_UNSET};
    }
}

/* Where the leftmost longest match lies; the DFA has said that there is one, or (with
 * back-references) that there may be. */
static int leftmost(struct rx *rx, const char *text, size_t n, size_t from, struct rx_span *span, size_t *slots) {
    if (!rx->longest && !rx->has_backref) rx->longest = dfa_make(rx, 0);
    for (size_t at = from; at <= n; at++) {
        if (at > 0 && at < n && within_char(rx, (unsigned char)text[at])) continue;
        if (!rx->nullable) {
            while (at < n && !rx->first[(unsigned char)text[at]]) at++;
            if (at == n) return 0;
        }
        ptrdiff_t end = rx->has_backref ? backref_match(rx, text, n, at, slots) : dfa_run(rx->longest, text, n, at);
        if (end >= 0) {
            *span = (struct rx_span){at, (size_t)end};
            return 1;
        }
        if (rx->only_at_start) return 0;
    }
    return 0;
}

int rx_search(struct rx *rx, const char *text, size_t n, size_t from, struct rx_span *spans, size_t n_spans) {
    if (from > n || (rx->only_at_start && from > 0)) return 0;
    if (rx->literal) {
        const char *hit = literal_find(rx, text + from, text + n);
        if (!hit) return 0;
        if (n_spans) spans[0] = (struct rx_span){(size_t)(hit - text), (size_t)(hit - text) + rx->literal_len};
        spans_fill(rx, NULL, spans, n_spans);
        return 1;
    }
    if (!rx->only_at_start || !n_spans) {
        if (!rx->search) rx->search = dfa_make(rx, !rx->only_at_start);
        if (dfa_run(rx->search, text, n, from) < 0) return 0;
        if (!n_spans && !rx->has_backref) return 1;
    }
    size_t few[32], *slots = rx->slots > 32 ? xmalloc(sizeof *slots * (size_t)rx->slots) : few;
    struct rx_span whole;
    int found = leftmost(rx, text, n, from, &whole, slots);
    if (found && n_spans) {
        spans[0] = whole;
        int have = rx->has_backref;
        if (n_spans > 1 && rx->groups && !have) have = captures_find(rx, text, n, whole.from, whole.to, slots);
        spans_fill(rx, have ? slots : NULL, spans, n_spans);
    }
    if (slots != few) free(slots);
    return found;
}

ptrdiff_t rx_find_line(struct rx *rx, const char *text, size_t n) {
    if (rx->literal) {
        const char *hit = literal_find(rx, text, text + n);
        return hit ? hit - text : -1;
    }
    if (!rx->search_lines) rx->search_lines = dfa_make(rx, 1);
    return dfa_run(rx->search_lines, text, n, 0);
}
