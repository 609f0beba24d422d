/* Syntax tree -> program: a list of instructions, each going on to the one behind it unless it
 * says otherwise. Characters beyond ASCII become sequences of byte ranges. */
#include <stdlib.h>
#include <string.h>

#include "tool_regex_inner.h"
#include "tool_text.h"

struct build {
    struct rx *rx;
    int too_big;
};

static uint32_t emit(struct build *b, enum op op, uint32_t y) {
    struct rx *rx = b->rx;
    if (rx->n >= PROGRAM_MAX) {
        b->too_big = 1;
        return 0;
    }
    if (rx->n == rx->cap) rx->prog = xrealloc(rx->prog, sizeof *rx->prog * (rx->cap = rx->cap ? rx->cap * 2 : 64));
    rx->prog[rx->n] = (struct inst){.op = (uint8_t)op, .x = rx->n + 1, .y = y};
    return rx->n++;
}

static void emit_range(struct build *b, int lo, int hi) {
    uint32_t at = emit(b, I_BYTE, 0);
    if (b->too_big) return;
    b->rx->prog[at].lo = (uint8_t)lo;
    b->rx->prog[at].hi = (uint8_t)hi;
}

static uint32_t set_index(struct rx *rx, const uint32_t *bytes) {
    for (uint32_t i = 0; i < rx->n_sets; i++)
        if (!memcmp(rx->sets[i], bytes, sizeof *rx->sets)) return i;
    rx->sets = xrealloc(rx->sets, sizeof *rx->sets * (rx->n_sets + 1));
    memcpy(rx->sets[rx->n_sets], bytes, sizeof *rx->sets);
    return rx->n_sets++;
}

/* Pieces of a code point range that are one product of byte ranges each. */
struct piece {
    uint8_t lo[4], hi[4];
    int len;
};
struct pieces {
    struct piece *v;
    size_t n, cap;
};

static void pieces_add(struct pieces *ps, uint32_t lo, uint32_t hi) {
    static const uint32_t ends[] = {0x7FF, 0xD7FF, 0xDFFF, 0xFFFF};
    for (int i = 0; i < 4; i++)
        if (lo <= ends[i] && hi > ends[i]) {
            pieces_add(ps, lo, ends[i]);
            pieces_add(ps, ends[i] + 1, hi);
            return;
        }
    if (lo >= 0xD800 && hi <= 0xDFFF) return;
    for (int i = 1; i < 4; i++) {
        uint32_t m = (1u << (6 * i)) - 1;
        if ((lo & ~m) == (hi & ~m)) continue;
        if (lo & m) {
            pieces_add(ps, lo, lo | m);
            pieces_add(ps, (lo | m) + 1, hi);
            return;
        }
        if ((hi & m) != m) {
            pieces_add(ps, lo, (hi & ~m) - 1);
            pieces_add(ps, hi & ~m, hi);
            return;
        }
    }
    if (ps->n == ps->cap) ps->v = xrealloc(ps->v, sizeof *ps->v * (ps->cap = ps->cap ? ps->cap * 2 : 16));
    struct piece *p = &ps->v[ps->n++];
    p->len = utf8_encode(lo, (char *)p->lo);
    utf8_encode(hi, (char *)p->hi);
}

static void emit_chars(struct build *b, const struct char_set *s) {
    struct pieces ps = {0};
    int singles = 0, last = 0, from = -1, runs = 0;
    for (int c = 0; c < 256; c++) {
        if (!set_has(s->bytes, (unsigned)c)) continue;
        if (!singles || last != c - 1) runs++;
        if (from < 0) from = c;
        singles++;
        last = c;
    }
    for (size_t i = 0; i < s->n; i++) pieces_add(&ps, s->ranges[i].lo, s->ranges[i].hi);
    size_t ways = ps.n + (singles > 0);
    if (ways == 0) { /* nothing matches: an empty set */
        uint32_t none[8] = {0};
        emit(b, I_SET, set_index(b->rx, none));
        return;
    }
    uint32_t *jumps = xmalloc(sizeof *jumps * ways);
    size_t n_jumps = 0;
    for (size_t way = 0; way < ways && !b->too_big; way++) {
        uint32_t split = way + 1 < ways ? emit(b, I_SPLIT, 0) : 0;
        if (way == 0 && singles && runs == 1) {
            emit_range(b, from, last);
        } else if (way == 0 && singles) {
            emit(b, I_SET, set_index(b->rx, s->bytes));
        } else {
            const struct piece *p = &ps.v[way - (singles > 0)];
            for (int i = 0; i < p->len; i++) emit_range(b, p->lo[i], p->hi[i]);
        }
        if (way + 1 < ways) {
            jumps[n_jumps++] = emit(b, I_JUMP, 0);
            b->rx->prog[split].y = b->rx->n;
        }
    }
    for (size_t i = 0; i < n_jumps; i++) b->rx->prog[jumps[i]].x = b->rx->n;
    free(jumps);
    free(ps.v);
}

static void emit_node(struct build *b, const struct node *x);

static void emit_loop(struct build *b, const struct node *x) { /* one or more */
    int marked = node_nullable(x->first);
    uint32_t slot = (uint32_t)(2 * (b->rx->groups + 1) + x->number);
    uint32_t top = b->rx->n;
    if (marked) emit(b, I_MARK, slot);
    emit_node(b, x->first);
    uint32_t back = emit(b, marked ? I_PROGRESS : I_SPLIT, 0);
    if (b->too_big) return;
    b->rx->prog[back].x = top;
    b->rx->prog[back].y = back + 1;
    b->rx->prog[back].mark = slot;
}

static void emit_repeat(struct build *b, const struct node *x) {
    if (x->max < 0) {
        for (int i = 1; i < x->min && !b->too_big; i++) emit_node(b, x->first);
        uint32_t split = x->min == 0 ? emit(b, I_SPLIT, 0) : 0;
        emit_loop(b, x);
        if (x->min == 0 && !b->too_big) b->rx->prog[split].y = b->rx->n;
        return;
    }
    for (int i = 0; i < x->min && !b->too_big; i++) emit_node(b, x->first);
    uint32_t *splits = xmalloc(sizeof *splits * (size_t)(x->max - x->min + 1));
    int n = 0;
    for (int i = x->min; i < x->max && !b->too_big; i++) {
        splits[n++] = emit(b, I_SPLIT, 0);
        emit_node(b, x->first);
    }
    for (int i = 0; i < n && !b->too_big; i++) b->rx->prog[splits[i]].y = b->rx->n;
    free(splits);
}

static void emit_alternatives(struct build *b, const struct node *x) {
    /* The jumps out are chained through x until the end is known. */
    uint32_t chain = UINT32_MAX;
    for (const struct node *c = x->first; c && !b->too_big; c = c->next) {
        uint32_t split = c->next ? emit(b, I_SPLIT, 0) : 0;
        emit_node(b, c);
        if (!c->next || b->too_big) break;
        uint32_t out = emit(b, I_JUMP, 0);
        if (b->too_big) break;
        b->rx->prog[out].x = chain;
        chain = out;
        b->rx->prog[split].y = b->rx->n;
    }
    while (chain != UINT32_MAX && !b->too_big) {
        uint32_t next = b->rx->prog[chain].x;
        b->rx->prog[chain].x = b->rx->n;
        chain = next;
    }
}

static void emit_node(struct build *b, const struct node *x) {
    if (b->too_big) return;
    switch (x->kind) {
    case N_EMPTY: break;
    case N_CHARS: emit_chars(b, x->set); break;
    case N_CAT:
        for (const struct node *c = x->first; c && !b->too_big; c = c->next) emit_node(b, c);
        break;
    case N_ALT: emit_alternatives(b, x); break;
    case N_REPEAT: emit_repeat(b, x); break;
    case N_GROUP:
        emit(b, I_SAVE, (uint32_t)(2 * x->number));
        emit_node(b, x->first);
        emit(b, I_SAVE, (uint32_t)(2 * x->number + 1));
        break;
    case N_BACKREF: emit(b, I_BACKREF, (uint32_t)x->number); break;
    case N_ASSERT:
        b->rx->has_assert = 1;
        emit(b, I_ASSERT, (uint32_t)x->number);
        break;
    }
}

/* Bytes that no instruction tells apart share a class: the DFA's tables stay narrow. */
static void classes_build(struct rx *rx) {
    uint8_t edge[257] = {0};
    for (uint32_t i = 0; i < rx->n; i++) {
        const struct inst *in = &rx->prog[i];
        if (in->op == I_BYTE) edge[in->lo] = edge[in->hi + 1] = 1;
    }
    for (uint32_t s = 0; s < rx->n_sets; s++)
        for (unsigned c = 1; c < 256; c++)
            if (set_has(rx->sets[s], c) != set_has(rx->sets[s], c - 1)) edge[c] = 1;
    if (rx->flags & RX_BY_LINE) edge['\n'] = edge['\n' + 1] = 1;
    if (rx->whole_chars) edge[0x80] = edge[0xC0] = 1;
    if (rx->has_assert) {
        edge['\n'] = edge['\n' + 1] = 1;
        for (unsigned c = 1; c < 256; c++)
            if (is_word(rx, c) != is_word(rx, c - 1)) edge[c] = 1;
    }
    int k = 0;
    for (int c = 0; c < 256; c++) {
        if (c && edge[c]) k++;
        rx->byte_class[c] = (uint8_t)k;
    }
    rx->n_classes = k + 1;
}

static int starts_at_bol(const struct node *x) {
    switch (x->kind) {
    case N_ASSERT: return x->number == A_BOL || x->number == A_START;
    case N_GROUP: return starts_at_bol(x->first);
    case N_CAT: return starts_at_bol(x->first);
    case N_ALT:
        for (const struct node *c = x->first; c; c = c->next)
            if (!starts_at_bol(c)) return 0;
        return 1;
    default: return 0;
    }
}

static void literal_find(struct rx *rx) {
    for (uint32_t i = 0; i + 1 < rx->n; i++)
        if (rx->prog[i].op != I_BYTE || rx->prog[i].lo != rx->prog[i].hi) return;
    if (rx->n < 2) return;
    rx->literal_len = rx->n - 1;
    rx->literal = xmalloc(rx->literal_len);
    for (size_t i = 0; i < rx->literal_len; i++) rx->literal[i] = (char)rx->prog[i].lo;
}

/* The bytes a match can begin with. */
static void first_bytes(struct rx *rx) {
    uint8_t *seen = xmalloc(rx->n);
    uint32_t *stack = xmalloc(sizeof *stack * (rx->n + 1)), top = 0;
    memset(seen, 0, rx->n);
    stack[top++] = 0;
    seen[0] = 1;
    while (top > 0) {
        const struct inst *in = &rx->prog[stack[--top]];
        uint32_t next[2];
        int n = 0;
        if (in->op == I_BYTE) {
            for (int c = in->lo; c <= in->hi; c++) rx->first[c] = 1;
        } else if (in->op == I_SET) {
            for (unsigned c = 0; c < 256; c++) rx->first[c] |= (uint8_t)set_has(rx->sets[in->y], c);
        } else if (in->op == I_MATCH || in->op == I_BACKREF) {
            rx->nullable = 1;
        } else {
            next[n++] = in->x;
            if (in->op == I_SPLIT || in->op == I_PROGRESS) next[n++] = in->y;
        }
        while (n-- > 0)
            if (!seen[next[n]]) {
                seen[next[n]] = 1;
                stack[top++] = next[n];
            }
    }
    free(seen);
    free(stack);
    int count = 0;
    for (int c = 0; c < 256; c++)
        if (rx->first[c]) count++, rx->only_first = c;
    if (count != 1 || rx->nullable) rx->only_first = -1;
}

int program_build(struct rx *rx, const struct tree *t) {
    struct build b = {.rx = rx};
    emit_node(&b, t->root);
    emit(&b, I_MATCH, 0);
    if (b.too_big) return -1;
    rx->only_at_start = !(rx->flags & RX_LINES) && starts_at_bol(t->root);
    classes_build(rx);
    first_bytes(rx);
    literal_find(rx);
    return 0;
}
