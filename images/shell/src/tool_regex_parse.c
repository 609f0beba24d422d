/* Pattern -> syntax tree. */
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

#include "tool_regex_inner.h"
#include "tool_text.h"

#define DEPTH_MAX 500 /* of parentheses; the stack is small */

struct arena {
    struct arena *next;
    size_t used;
    char data[4000];
};

struct parser {
    struct tree *t;
    const char *p, *end, *start;
    int flags, utf8, depth, group_base;
    unsigned char closed[10]; /* groups that a back-reference may name, of this alternative line */
    const char *error;
};

static void *arena_take(struct tree *t, size_t n) {
    n = (n + 7) & ~(size_t)7;
    if (!t->arena || t->arena->used + n > sizeof t->arena->data) {
        struct arena *a = xmalloc(sizeof *a);
        a->next = t->arena;
        a->used = 0;
        t->arena = a;
    }
    void *got = t->arena->data + t->arena->used;
    t->arena->used += n;
    return memset(got, 0, n);
}

static struct node *node_make(struct parser *ps, enum node_kind kind) {
    struct node *x = arena_take(ps->t, sizeof *x);
    x->kind = kind;
    return x;
}

static struct node *fail(struct parser *ps, const char *why) {
    if (!ps->error) ps->error = why;
    return NULL;
}

/* --- sets of characters --- */
static void range_add(struct char_set *s, uint32_t lo, uint32_t hi) {
    if (s->n == s->cap) s->ranges = xrealloc(s->ranges, sizeof *s->ranges * (s->cap = s->cap ? s->cap * 2 : 8));
    s->ranges[s->n++] = (struct char_range){lo, hi};
}

static void chars_add(struct parser *ps, struct char_set *s, uint32_t lo, uint32_t hi) {
    uint32_t single = ps->utf8 ? 0x7F : 0xFF;
    for (uint32_t c = lo; c <= hi && c <= single; c++) {
        set_put(s->bytes, c);
        if ((ps->flags & RX_ICASE) && (c | 32) >= 'a' && (c | 32) <= 'z') set_put(s->bytes, c ^ 32);
    }
    if (!ps->utf8 || hi < 0x80) return;
    if (lo < 0x80) lo = 0x80;
    range_add(s, lo, hi);
    if (!(ps->flags & RX_ICASE)) return;
    for (uint32_t c = lo; c <= hi && c < 0x590; c++) {
        uint32_t l = (uint32_t)towlower((wint_t)c), u = (uint32_t)towupper((wint_t)c);
        if (l != c && l >= 0x80) range_add(s, l, l);
        if (u != c && u >= 0x80) range_add(s, u, u);
    }
}

static int range_order(const void *a, const void *b) {
    const struct char_range *x = a, *y = b;
    return (x->lo > y->lo) - (x->lo < y->lo);
}

static void set_finish(struct parser *ps, struct char_set *s, int negate) {
    if (s->n > 1) {
        size_t kept = 0;
        qsort(s->ranges, s->n, sizeof *s->ranges, range_order);
        for (size_t i = 1; i < s->n; i++) {
            struct char_range *last = &s->ranges[kept];
            if (s->ranges[i].lo > last->hi + 1) s->ranges[++kept] = s->ranges[i];
            else if (s->ranges[i].hi > last->hi) last->hi = s->ranges[i].hi;
        }
        s->n = kept + 1;
    }
    if (!negate) return;
    for (int i = 0; i < 8; i++) s->bytes[i] = ps->utf8 && i >= 4 ? 0 : ~s->bytes[i];
    if (!ps->utf8) return;
    struct char_set other = {0};
    uint32_t next = 0x80;
    for (size_t i = 0; i < s->n; i++) {
        if (s->ranges[i].lo > next) range_add(&other, next, s->ranges[i].lo - 1);
        next = s->ranges[i].hi + 1;
    }
    if (next <= 0x10FFFF) range_add(&other, next, 0x10FFFF);
    free(s->ranges);
    s->ranges = other.ranges;
    s->n = other.n;
}

/* Beyond ASCII a letter is: a code point outside the blocks of signs. Coarse, and cheap. */
static const struct char_range letters[] = {
    {0xAA, 0xAA}, {0xB5, 0xB5}, {0xBA, 0xBA}, {0xC0, 0xD6}, {0xD8, 0xF6}, {0xF8, 0x2C1}, {0x300, 0x37D}, {0x37F, 0x1FFF},
    {0x2071, 0x2071}, {0x207F, 0x207F}, {0x2C00, 0x2DFF}, {0x3005, 0x3007}, {0x3021, 0xD7FF}, {0xF900, 0xFDFF},
    {0xFE70, 0xFEFC}, {0xFF10, 0xFF19}, {0xFF21, 0xFF3A}, {0xFF41, 0xFF5A}, {0xFF66, 0xFFDC}, {0x10000, 0x1CFFF},
    {0x1E000, 0x1EFFF}, {0x20000, 0x3FFFF}};
static const struct char_range uppers[] = {{0xC0, 0xD6}, {0xD8, 0xDE}, {0x391, 0x3A9}, {0x400, 0x42F}};
static const struct char_range lowers[] = {{0xDF, 0xF6}, {0xF8, 0xFF}, {0x3AC, 0x3CE}, {0x430, 0x45F}};
static const struct char_range spaces[] = {{0x1680, 0x1680}, {0x2000, 0x2006}, {0x2008, 0x200A}, {0x2028, 0x2029},
                                           {0x205F, 0x205F}, {0x3000, 0x3000}};
static const struct char_range others[] = {{0xA0, 0xD7FF}, {0xE000, 0x10FFFF}};

static int ascii_in_class(const char *name, int c) {
    int letter = (c | 32) >= 'a' && (c | 32) <= 'z', number = c >= '0' && c <= '9';
    switch (name[0] << 8 | name[1]) {
    case 'a' << 8 | 'l': return letter || (name[2] == 'n' && number);
    case 'b' << 8 | 'l': return c == ' ' || c == '\t';
    case 'c' << 8 | 'n': return c < 32 || c == 127;
    case 'd' << 8 | 'i': return number;
    case 'g' << 8 | 'r': return c > 32 && c < 127;
    case 'l' << 8 | 'o': return c >= 'a' && c <= 'z';
    case 'p' << 8 | 'r': return c >= 32 && c < 127;
    case 'p' << 8 | 'u': return c > 32 && c < 127 && !letter && !number;
    case 's' << 8 | 'p': return c == ' ' || (c >= 9 && c <= 13);
    case 'u' << 8 | 'p': return c >= 'A' && c <= 'Z';
    default: return number || ((c | 32) >= 'a' && (c | 32) <= 'f');
    }
}

static int class_add(struct parser *ps, struct char_set *s, const char *name, size_t n) {
    static const char names[] = "alnum alpha blank cntrl digit graph lower print punct space upper xdigit ";
    char key[8] = {0};
    if (n < 5 || n > 6) return -1;
    memcpy(key, name, n);
    const char *hit = strstr(names, key);
    if (!hit || hit[n] != ' ' || (hit > names && hit[-1] != ' ')) return -1;
    int cased = (ps->flags & RX_ICASE) && (!strcmp(key, "lower") || !strcmp(key, "upper"));
    if (cased) strcpy(key, "alpha");
    for (unsigned c = 0; c < 128; c++)
        if (ascii_in_class(key, (int)c)) set_put(s->bytes, c);
    if (!ps->utf8) return 0;
    const struct char_range *r = NULL;
    size_t count = 0;
#define USE(table) r = table, count = sizeof table / sizeof *table
    if (!strncmp(key, "al", 2)) USE(letters);
    else if (!strcmp(key, "upper")) USE(uppers);
    else if (!strcmp(key, "lower")) USE(lowers);
    else if (!strcmp(key, "space") || !strcmp(key, "blank")) USE(spaces);
    else if (!strcmp(key, "graph") || !strcmp(key, "print")) USE(others);
#undef USE
    for (size_t i = 0; i < count; i++) range_add(s, r[i].lo, r[i].hi);
    if (!strcmp(key, "punct")) { /* what is graphic and no letter */
        uint32_t next = 0xA1;
        for (size_t i = 0; i < sizeof letters / sizeof *letters; i++) {
            if (letters[i].lo > next) range_add(s, next, letters[i].lo - 1);
            next = letters[i].hi + 1;
        }
    }
    return 0;
}

static struct node *set_node(struct parser *ps, struct char_set **set) {
    struct node *x = node_make(ps, N_CHARS);
    *set = x->set = arena_take(ps->t, sizeof **set);
    return x;
}

static struct node *word_node(struct parser *ps, const char *class, int underscore, int negate) {
    struct char_set *s;
    struct node *x = set_node(ps, &s);
    class_add(ps, s, class, 5);
    if (underscore) set_put(s->bytes, '_');
    set_finish(ps, s, negate);
    return x;
}

/* One character of the pattern; an invalid byte stands for itself (*raw). */
static uint32_t take_code(struct parser *ps, int *raw) {
    uint32_t c = (unsigned char)*ps->p;
    *raw = 0;
    if (ps->utf8 && c >= 0x80) {
        int len = utf8_decode(ps->p, (size_t)(ps->end - ps->p), &c);
        if (len) {
            ps->p += len;
            return c;
        }
        *raw = ps->t->has_raw = 1;
    }
    ps->p++;
    return c;
}

static struct node *literal_node(struct parser *ps, uint32_t c, int raw) {
    struct char_set *s;
    struct node *x = set_node(ps, &s);
    if (raw) set_put(s->bytes, c), ps->t->has_raw = 1;
    else chars_add(ps, s, c, c);
    set_finish(ps, s, 0);
    return x;
}

static struct node *next_literal(struct parser *ps) {
    int raw;
    uint32_t c = take_code(ps, &raw);
    return literal_node(ps, c, raw);
}

/* --- escapes of sed and awk --- */
static int hex_value(int c) {
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

static int digits_take(struct parser *ps, int base, int most) {
    int v = 0, n = 0, d;
    for (; n < most && ps->p < ps->end && (d = hex_value((unsigned char)*ps->p)) >= 0 && d < base; n++, ps->p++) v = v * base + d;
    return n ? v & 0xFF : -1;
}

/* After a backslash: the byte it stands for, or -1 with nothing taken. */
static int escape_take(struct parser *ps) {
    static const char from[] = "ntfvra", to[] = "\n\t\f\v\r\a";
    if (!(ps->flags & (RX_ESCAPES | RX_AWK)) || ps->p >= ps->end) return -1;
    const char *at = ps->p, *hit = *at ? strchr(from, *at) : NULL;
    int v = -1;
    if (hit) {
        ps->p++;
        return to[hit - from];
    }
    if (ps->flags & RX_AWK) {
        if (*at >= '0' && *at <= '7') return digits_take(ps, 8, 3);
        if (*at == 'b') v = '\b';
        else if (*at == '/' || *at == '"') v = *at;
        if (v >= 0) ps->p++;
        return v;
    }
    ps->p++;
    if (*at == 'x') v = digits_take(ps, 16, 2);
    else if (*at == 'o') v = digits_take(ps, 8, 3);
    else if (*at == 'd') v = digits_take(ps, 10, 3);
    else if (*at == 'c' && ps->p < ps->end) v = (*ps->p >= 'a' && *ps->p <= 'z' ? *ps->p - 32 : *ps->p) ^ 0x40, ps->p++;
    if (v < 0) ps->p = at;
    return v;
}

/* --- brackets --- */
static const char unmatched_bracket[] = "Unmatched [, [^, [:, [., or [=";

/* An endpoint of a range, or *class set when a class was added. -1 on error. */
static int64_t bracket_item(struct parser *ps, struct char_set *s, int *is_class, int *raw) {
    const char *p = ps->p;
    *is_class = *raw = 0;
    if (*p == '[' && p + 1 < ps->end && (p[1] == ':' || p[1] == '.' || p[1] == '=')) {
        char kind = p[1];
        const char *name = p + 2, *q = name;
        while (q + 1 < ps->end && !(q[0] == kind && q[1] == ']')) q++;
        if (q + 1 >= ps->end) return fail(ps, unmatched_bracket), -1;
        ps->p = q + 2;
        if (kind == ':') {
            *is_class = 1;
            if (class_add(ps, s, name, (size_t)(q - name))) return fail(ps, "Invalid character class name"), -1;
            return 0;
        }
        struct parser inner = *ps;
        inner.p = name;
        inner.end = q;
        if (name == q) return fail(ps, "Invalid collation character"), -1;
        uint32_t c = take_code(&inner, raw);
        if (inner.p != q) return fail(ps, "Invalid collation character"), -1;
        if (kind == '=') {
            *is_class = 1;
            chars_add(ps, s, c, c);
        }
        return c;
    }
    if (*p == '\\' && p + 1 < ps->end) {
        ps->p++;
        int v = escape_take(ps);
        if (v >= 0) {
            *raw = v >= 0x80;
            return v;
        }
        if (ps->flags & RX_AWK) return take_code(ps, raw);
        ps->p = p;
    }
    return take_code(ps, raw);
}

static struct node *parse_bracket(struct parser *ps) {
    struct char_set *s;
    struct node *x = set_node(ps, &s);
    int negate = ps->p < ps->end && *ps->p == '^', first = 1;
    ps->p += negate;
    for (;; first = 0) {
        int is_class, raw, raw_hi;
        if (ps->p >= ps->end) return fail(ps, unmatched_bracket);
        if (*ps->p == ']' && !first) break;
        int64_t lo = bracket_item(ps, s, &is_class, &raw), hi = lo;
        if (lo < 0) return NULL;
        if (ps->p + 1 < ps->end && *ps->p == '-' && ps->p[1] != ']') {
            if (is_class) return fail(ps, "Invalid range end");
            ps->p++;
            hi = bracket_item(ps, s, &is_class, &raw_hi);
            if (hi < 0) return NULL;
            if (is_class || hi < lo || (raw_hi && ps->utf8)) return fail(ps, "Invalid range end");
        }
        if (is_class) continue;
        if (raw) set_put(s->bytes, (unsigned)lo), ps->t->has_raw = 1;
        else chars_add(ps, s, (uint32_t)lo, (uint32_t)hi);
    }
    ps->p++;
    set_finish(ps, s, negate);
    return x;
}

/* --- expressions --- */
static struct node *parse_alternatives(struct parser *ps);

static int looking_at(const struct parser *ps, int c) { /* the operator c, escaped in a BRE */
    if (ps->flags & RX_ERE) return ps->p < ps->end && *ps->p == c;
    return ps->end - ps->p > 1 && ps->p[0] == '\\' && ps->p[1] == c;
}

static void operator_skip(struct parser *ps) { ps->p += ps->flags & RX_ERE ? 1 : 2; }

static struct node *assert_node(struct parser *ps, enum assertion a) {
    struct node *x = node_make(ps, N_ASSERT);
    x->number = a;
    return x;
}

static struct node *parse_group(struct parser *ps) {
    struct node *x = node_make(ps, N_GROUP);
    x->number = ++ps->t->groups;
    if (++ps->depth > DEPTH_MAX) return fail(ps, "Regular expression too big");
    x->first = parse_alternatives(ps);
    if (!x->first) return NULL;
    ps->depth--;
    if (!looking_at(ps, ')')) return fail(ps, "Unmatched ( or \\(");
    operator_skip(ps);
    int local = x->number - ps->group_base;
    if (local < 10) ps->closed[local] = 1;
    return x;
}

static struct node *parse_escape(struct parser *ps) {
    static const char edges[] = "bB<>`'";
    static const enum assertion meaning[] = {A_WORD_EDGE, A_NO_EDGE, A_WORD_START, A_WORD_END, A_START, A_END};
    int v;
    if (ps->p >= ps->end) return fail(ps, "Trailing backslash");
    char c = *ps->p;
    if ((v = escape_take(ps)) >= 0) return literal_node(ps, (uint32_t)v, v >= 0x80);
    if (c == 'w' || c == 'W' || c == 's' || c == 'S') {
        ps->p++;
        return (c | 32) == 'w' ? word_node(ps, "alnum", 1, c == 'W') : word_node(ps, "space", 0, c == 'S');
    }
    const char *edge = c ? strchr(edges, c) : NULL;
    if (ps->flags & RX_AWK && c == 'y') edge = edges;
    if (edge) {
        ps->p++;
        return assert_node(ps, meaning[edge - edges]);
    }
    if (c >= '1' && c <= '9' && !(ps->flags & RX_AWK)) {
        if (!ps->closed[c - '0']) return fail(ps, "Invalid back reference");
        struct node *x = node_make(ps, N_BACKREF);
        x->number = c - '0' + ps->group_base;
        ps->t->has_backref = 1;
        ps->p++;
        return x;
    }
    return next_literal(ps);
}

/* In a BRE, '$' is an anchor only where an expression ends. */
static int at_expression_end(const struct parser *ps) {
    return ps->p >= ps->end || looking_at(ps, ')') || looking_at(ps, '|') || ((ps->flags & RX_ALTERNATIVES) && *ps->p == '\n');
}

static struct node *parse_atom(struct parser *ps, int at_start) {
    int ere = ps->flags & RX_ERE;
    char c = *ps->p;
    if (ps->flags & RX_LITERAL) return next_literal(ps);
    if (looking_at(ps, '(')) {
        operator_skip(ps);
        return parse_group(ps);
    }
    if (c == '\\') {
        ps->p++;
        return parse_escape(ps);
    }
    if (c == '[') {
        ps->p++;
        return parse_bracket(ps);
    }
    if (c == '.') {
        struct char_set *s;
        struct node *x = set_node(ps, &s);
        ps->p++;
        set_finish(ps, s, 1);
        return x;
    }
    if (c == '^' && (ere || at_start)) {
        ps->p++;
        return assert_node(ps, A_BOL);
    }
    if (c == '$') {
        ps->p++;
        if (ere || at_expression_end(ps)) return assert_node(ps, A_EOL);
        return literal_node(ps, '$', 0);
    }
    return next_literal(ps);
}

/* "{2}", "{2,}", "{,3}", "{2,3}" behind the brace. 0: none (nothing taken), -1: error. */
static int parse_interval(struct parser *ps, int *min, int *max) {
    const char *p = ps->p, *start = p;
    int lo = 0, hi, has_lo = 0;
    for (; p < ps->end && *p >= '0' && *p <= '9'; p++, has_lo = 1) lo = lo > REPEAT_MAX ? lo : lo * 10 + (*p - '0');
    hi = lo;
    if (p < ps->end && *p == ',') {
        const char *digits = ++p;
        for (hi = 0; p < ps->end && *p >= '0' && *p <= '9'; p++) hi = hi > REPEAT_MAX ? hi : hi * 10 + (*p - '0');
        if (p == digits) hi = -1;
    } else if (!has_lo) {
        lo = -1;
    }
    ps->p = p;
    int closed = looking_at(ps, '}');
    if (lo < 0 || !closed || (hi >= 0 && hi < lo)) {
        int ended = p >= ps->end;
        ps->p = start;
        int order = lo >= 0 && closed;
        if (!order && ps->flags & (RX_AWK | RX_LOOSE) && ps->flags & RX_ERE) return 0;
        fail(ps, ended && !closed ? "Unmatched { or \\{" : "Invalid content of \\{\\}");
        return -1;
    }
    operator_skip(ps);
    if (lo > REPEAT_MAX || hi > REPEAT_MAX) {
        fail(ps, "Regular expression too big");
        return -1;
    }
    *min = lo;
    *max = hi;
    return 1;
}

/* A repetition sign at the present place: 1 with its limits, 0 if none, -1 on error. */
static int parse_repeat(struct parser *ps, int *min, int *max) {
    *min = 0;
    *max = -1;
    if (ps->p >= ps->end || (ps->flags & RX_LITERAL)) return 0;
    if (*ps->p == '*') {
        ps->p++;
        return 1;
    }
    if (looking_at(ps, '+') || looking_at(ps, '?')) {
        int plus = looking_at(ps, '+');
        operator_skip(ps);
        if (plus) *min = 1;
        else *max = 1;
        return 1;
    }
    if (looking_at(ps, '{')) {
        const char *at = ps->p;
        operator_skip(ps);
        int got = parse_interval(ps, min, max);
        if (got == 0) ps->p = at;
        return got;
    }
    return 0;
}

static struct node *repeat_node(struct parser *ps, struct node *body, int min, int max) {
    if (min == 1 && max == 1) return body;
    /* (x*)* and the like: one loop is enough, and the tree stays flat. */
    if (body->kind == N_REPEAT && body->max < 0 && body->min <= 1 && max < 0 && min <= 1) {
        if (min == 0) body->min = 0;
        return body;
    }
    struct node *x = node_make(ps, N_REPEAT);
    x->first = body;
    x->min = min;
    x->max = max;
    if (max < 0 && node_nullable(body)) x->number = ps->t->marks++;
    return x;
}

/* A sign with nothing before it. 1: take it as a plain character; 0: skipped; -1: error. */
static int stray_repeat(struct parser *ps) {
    int min, max, got;
    if (!(ps->flags & RX_ERE)) return *ps->p == '*' || looking_at(ps, '{') ? 1 : 0;
    if (ps->flags & RX_AWK) return 1;
    if (!(ps->flags & RX_LOOSE)) {
        fail(ps, "Invalid preceding regular expression");
        return -1;
    }
    got = parse_repeat(ps, &min, &max);
    return got < 0 ? -1 : !got;
}

static struct node *parse_sequence(struct parser *ps) {
    struct node *head = NULL, **tail = &head;
    int at_start = 1, depth = 0;
    while (ps->p < ps->end) {
        int min, max, got = 0;
        if ((ps->flags & RX_ALTERNATIVES) && *ps->p == '\n') break;
        if (!(ps->flags & RX_LITERAL)) {
            if (looking_at(ps, '|')) break;
            if (looking_at(ps, ')')) {
                if (ps->depth) break;
                if (!(ps->flags & RX_ERE) || !(ps->flags & RX_LOOSE)) return fail(ps, "Unmatched ) or \\)");
            }
        }
        int stray = 0;
        if (at_start && !(ps->flags & RX_LITERAL) &&
            (*ps->p == '*' || looking_at(ps, '+') || looking_at(ps, '?') || looking_at(ps, '{'))) {
            stray = stray_repeat(ps);
            if (stray < 0) return NULL;
            if (stray == 0 && (ps->flags & RX_ERE)) continue;
        }
        struct node *x;
        int groups = ps->t->groups;
        if (stray && (ps->flags & RX_ERE || *ps->p == '*')) x = next_literal(ps);
        else if (stray) return fail(ps, "Invalid preceding regular expression");
        else if ((ps->flags & RX_ERE) && !ps->depth && *ps->p == ')') ps->p++, x = literal_node(ps, ')', 0);
        else x = parse_atom(ps, at_start);
        if (!x) return NULL;
        int anchor = x->kind == N_ASSERT && x->number == A_BOL;
        at_start = anchor && !(ps->flags & RX_ERE);
        for (depth = 0; !at_start && (got = parse_repeat(ps, &min, &max)) > 0; depth++) {
            if (depth > DEPTH_MAX) return fail(ps, "Regular expression too big");
            if (anchor && ps->flags & RX_ERE && !(ps->flags & (RX_LOOSE | RX_AWK))) return fail(ps, "Invalid preceding regular expression");
            x = repeat_node(ps, x, min, max);
            if (max < 0 || max > 1)
                for (int i = groups + 1; i <= ps->t->groups && i < 64; i++) ps->t->iterated |= (uint64_t)1 << i;
        }
        if (got < 0) return NULL;
        if (got == 0 && !at_start && ps->p < ps->end && *ps->p == '{' && (ps->flags & RX_ERE) && !(ps->flags & RX_LITERAL)) {
            *tail = x; /* a brace that opens no interval */
            tail = &x->next;
            ps->p++;
            x = literal_node(ps, '{', 0);
        }
        *tail = x;
        tail = &x->next;
    }
    if (!head) return node_make(ps, N_EMPTY);
    if (!head->next) return head;
    struct node *cat = node_make(ps, N_CAT);
    cat->first = head;
    return cat;
}

static struct node *parse_alternatives(struct parser *ps) {
    struct node *first = parse_sequence(ps), **tail;
    if (!first || !looking_at(ps, '|') || (ps->flags & RX_LITERAL)) return first;
    struct node *alt = node_make(ps, N_ALT);
    alt->first = first;
    tail = &first->next;
    ps->t->has_alt = 1;
    while (looking_at(ps, '|')) {
        operator_skip(ps);
        struct node *x = parse_sequence(ps);
        if (!x) return NULL;
        *tail = x;
        tail = &x->next;
    }
    return alt;
}

int node_nullable(const struct node *x) {
    const struct node *c;
    switch (x->kind) {
    case N_CHARS: return 0;
    case N_CAT:
        for (c = x->first; c; c = c->next)
            if (!node_nullable(c)) return 0;
        return 1;
    case N_ALT:
        for (c = x->first; c; c = c->next)
            if (node_nullable(c)) return 1;
        return 0;
    case N_REPEAT: return x->min == 0 || node_nullable(x->first);
    case N_GROUP: return node_nullable(x->first);
    default: return 1;
    }
}

/* x between two assertions; -1 for none behind. */
static struct node *wrap(struct parser *ps, struct node *x, int before, int behind) {
    struct node *cat = node_make(ps, N_CAT);
    cat->first = assert_node(ps, (enum assertion)before);
    cat->first->next = x;
    if (behind >= 0) x->next = assert_node(ps, (enum assertion)behind);
    return cat;
}

int tree_parse(struct tree *t, const char *pattern, size_t n, int flags, int utf8, const char **error) {
    struct parser ps = {.t = t, .p = pattern, .start = pattern, .end = pattern + n, .flags = flags, .utf8 = utf8};
    struct node *alt = NULL, **tail = NULL, *x;
    *t = (struct tree){0};
    for (;;) {
        memset(ps.closed, 0, sizeof ps.closed);
        ps.group_base = t->groups;
        x = parse_alternatives(&ps);
        if (!x) break;
        if (ps.p < ps.end && *ps.p != '\n') {
            fail(&ps, "Unmatched ) or \\)");
            break;
        }
        if (flags & RX_WORD) x = wrap(&ps, x, A_NO_WORD_BEFORE, A_NO_WORD_AFTER);
        if (flags & RX_AT_START) x = wrap(&ps, x, A_START, -1);
        if (flags & RX_WHOLE) x = wrap(&ps, x, A_BOL, A_EOL);
        if (!tail && ps.p >= ps.end) break;
        if (!tail) {
            alt = node_make(&ps, N_ALT);
            tail = &alt->first;
            t->has_alt = 1;
        }
        *tail = x;
        tail = &x->next;
        x = alt;
        if (ps.p >= ps.end) break;
        ps.p++;
    }
    t->root = x;
    *error = ps.error;
    if (!ps.error && x) return 0;
    tree_free(t);
    return -1;
}

static void sets_free(struct node *x) {
    for (; x; x = x->next) {
        if (x->set) free(x->set->ranges);
        if (x->first) sets_free(x->first);
    }
}

void tree_free(struct tree *t) {
    if (t->root) sets_free(t->root);
    for (struct arena *a = t->arena, *next; a; a = next) {
        next = a->next;
        free(a);
    }
    t->arena = NULL;
}
