/* Runs inside the shell: leaves by return only, and keeps nothing. Integers have 64 bits. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_regex.h"
#include "tool_text.h"

#define DEPTH_MAX 300

struct value {
    int is_number;
    int64_t number;
    const char *s;
    size_t n;
};
struct expr {
    char **argv;
    int argc, at, depth, utf8;
    int status; /* not 0: an error has been reported */
    char number[24];
};

static const struct value zero = {.is_number = 1};

static struct value bad(struct expr *e, int status) {
    e->status = status;
    return zero;
}

static struct value text_value(const char *s, size_t n) { return (struct value){.s = s, .n = n}; }
static struct value number_value(int64_t v) { return (struct value){.is_number = 1, .number = v}; }

/* Whole decimal numbers only, as POSIX; -1 when the text is none, -2 when it is too big. */
static int as_number(const struct value *v, int64_t *number) {
    if (v->is_number) {
        *number = v->number;
        return 0;
    }
    size_t i = v->n > 0 && v->s[0] == '-';
    if (i == v->n) return -1;
    int64_t sum = 0;
    int over = 0;
    for (size_t k = i; k < v->n; k++) {
        if (v->s[k] < '0' || v->s[k] > '9') return -1;
        over |= __builtin_mul_overflow(sum, 10, &sum) || __builtin_sub_overflow(sum, v->s[k] - '0', &sum);
    }
    if (!i) over |= __builtin_sub_overflow((int64_t)0, sum, &sum);
    *number = sum;
    return over ? -2 : 0;
}

/* The digits of a number go to buf (24 bytes). */
static void as_text(struct value *v, char *buf) {
    if (!v->is_number) return;
    uint64_t u = v->number < 0 ? 0 - (uint64_t)v->number : (uint64_t)v->number;
    char *p = buf + 24;
    do *--p = (char)('0' + u % 10);
    while (u /= 10);
    if (v->number < 0) *--p = '-';
    *v = text_value(p, (size_t)(buf + 24 - p));
}

static int is_null(const struct value *v) {
    if (v->is_number) return v->number == 0;
    size_t i = v->n > 0 && v->s[0] == '-';
    if (v->n == 0) return 1;
    if (i == v->n) return 0;
    for (; i < v->n; i++)
        if (v->s[i] != '0') return 0;
    return 1;
}

static int next_is(struct expr *e, const char *word) {
    if (e->at >= e->argc || strcmp(e->argv[e->at], word)) return 0;
    e->at++;
    return 1;
}

static struct value missing(struct expr *e) {
    tool_warn("syntax error: missing argument after '%s'", e->argv[e->at - 1]);
    return bad(e, 2);
}

/* --- characters --- */
static size_t char_len(const struct expr *e, const char *s, size_t n) {
    uint32_t code;
    int len = e->utf8 && (*s & 0x80) ? utf8_decode(s, n, &code) : 1;
    return len ? (size_t)len : 1;
}

static int64_t length_of(const struct expr *e, const char *s, size_t n) {
    int64_t count = 0;
    for (size_t at = 0; at < n; count++) at += char_len(e, s + at, n - at);
    return count;
}

static int64_t index_of(const struct expr *e, struct value text, struct value set) {
    int64_t count = 0;
    for (size_t at = 0; at < text.n;) {
        size_t len = char_len(e, text.s + at, text.n - at);
        count++;
        for (size_t k = 0; k < set.n;) {
            size_t set_len = char_len(e, set.s + k, set.n - k);
            if (set_len == len && !memcmp(set.s + k, text.s + at, len)) return count;
            k += set_len;
        }
        at += len;
    }
    return 0;
}

static struct value substring(const struct expr *e, struct value v, int64_t from, int64_t len) {
    if (from <= 0 || len <= 0) return text_value("", 0);
    size_t at = 0;
    for (; from > 1 && at < v.n; from--) at += char_len(e, v.s + at, v.n - at);
    size_t end = at;
    for (; len > 0 && end < v.n; len--) end += char_len(e, v.s + end, v.n - end);
    return text_value(v.s + at, end - at);
}

/* --- grammar, from the loosest to the tightest; with `eval` 0 only the syntax counts --- */
static struct value parse_or(struct expr *e, int eval);

static struct value match(struct expr *e, struct value text, struct value pattern, char *keep) {
    const char *error;
    char a[24], b[24];
    int numeric = text.is_number;
    as_text(&text, a);
    as_text(&pattern, b);
    struct rx *rx = rx_compile(pattern.s, pattern.n, RX_AT_START, &error);
    if (!rx) {
        tool_warn("%s", error);
        return bad(e, 2);
    }
    struct rx_span m[2];
    int grouped = rx_groups(rx) > 0, hit = rx_search(rx, text.s, text.n, 0, m, 2);
    rx_free(rx);
    if (!grouped) return number_value(hit ? length_of(e, text.s, m[0].to) : 0);
    if (!hit || m[1].from == RX_UNSET) return text_value("", 0);
    if (numeric) { /* its digits live only here */
        memcpy(keep, a, sizeof a);
        text.s = keep + (text.s - a);
    }
    return text_value(text.s + m[1].from, m[1].to - m[1].from);
}

static struct value parse_primary(struct expr *e, int eval) {
    if (e->status) return zero;
    if (e->at >= e->argc) return missing(e);
    if (next_is(e, "(")) {
        if (++e->depth > DEPTH_MAX) {
            tool_warn("expression is nested too deeply");
            return bad(e, 3);
        }
        struct value v = parse_or(e, eval);
        e->depth--;
        if (e->status) return zero;
        if (e->at >= e->argc) {
            tool_warn("syntax error: expecting ')' after '%s'", e->argv[e->at - 1]);
            return bad(e, 2);
        }
        if (!next_is(e, ")")) {
            tool_warn("syntax error: expecting ')' instead of '%s'", e->argv[e->at]);
            return bad(e, 2);
        }
        return v;
    }
    if (next_is(e, ")")) {
        tool_warn("syntax error: unexpected ')'");
        return bad(e, 2);
    }
    const char *s = e->argv[e->at++];
    return text_value(s, strlen(s));
}

static struct value parse_function(struct expr *e, int eval) {
    char a[24], b[24];
    if (e->status) return zero;
    if (next_is(e, "+")) {
        if (e->at >= e->argc) return missing(e);
        const char *s = e->argv[e->at++];
        return text_value(s, strlen(s));
    }
    if (e->depth >= DEPTH_MAX) return parse_primary(e, eval);
    e->depth++;
    struct value v;
    if (next_is(e, "length")) {
        v = parse_function(e, eval);
        as_text(&v, a);
        v = number_value(length_of(e, v.s, v.n));
    } else if (next_is(e, "match")) {
        struct value text = parse_function(e, eval), pattern = parse_function(e, eval);
        v = eval && !e->status ? match(e, text, pattern, e->number) : zero;
    } else if (next_is(e, "index")) {
        struct value text = parse_function(e, eval), set = parse_function(e, eval);
        as_text(&text, a);
        as_text(&set, b);
        v = e->status ? zero : number_value(index_of(e, text, set));
    } else if (next_is(e, "substr")) {
        struct value text = parse_function(e, eval), from = parse_function(e, eval), len = parse_function(e, eval);
        int64_t f, l;
        as_text(&text, e->number);
        if (e->status || as_number(&from, &f) || as_number(&len, &l)) v = text_value("", 0);
        else v = substring(e, text, f, l);
    } else {
        v = parse_primary(e, eval);
    }
    e->depth--;
    return v;
}

static struct value parse_match(struct expr *e, int eval) {
    struct value v = parse_function(e, eval);
    while (!e->status && next_is(e, ":")) {
        struct value pattern = parse_function(e, eval);
        if (eval && !e->status) v = match(e, v, pattern, e->number);
    }
    return v;
}

static struct value arithmetic(struct expr *e, struct value a, struct value b, char op) {
    int64_t x, y, v = 0;
    int bad_x = as_number(&a, &x), bad_y = as_number(&b, &y), over = bad_x == -2 || bad_y == -2;
    if (bad_x == -1 || bad_y == -1) {
        tool_warn("non-integer argument");
        return bad(e, 2);
    }
    if (!over && (op == '/' || op == '%') && y == 0) {
        tool_warn("division by zero");
        return bad(e, 2);
    }
    if (!over) switch (op) {
        case '+': over = __builtin_add_overflow(x, y, &v); break;
        case '-': over = __builtin_sub_overflow(x, y, &v); break;
        case '*': over = __builtin_mul_overflow(x, y, &v); break;
        case '/': over = y == -1 && x == INT64_MIN, v = over ? 0 : x / y; break;
        default: v = y == -1 ? 0 : x % y;
        }
    if (!over) return number_value(v);
    tool_warn("%c: Numerical result out of range", op);
    return bad(e, 3);
}

static struct value parse_product(struct expr *e, int eval) {
    struct value v = parse_match(e, eval);
    for (;;) {
        char op = next_is(e, "*") ? '*' : next_is(e, "/") ? '/' : next_is(e, "%") ? '%' : 0;
        if (!op || e->status) return v;
        struct value right = parse_match(e, eval);
        if (eval && !e->status) v = arithmetic(e, v, right, op);
    }
}

static struct value parse_sum(struct expr *e, int eval) {
    struct value v = parse_product(e, eval);
    for (;;) {
        char op = next_is(e, "+") ? '+' : next_is(e, "-") ? '-' : 0;
        if (!op || e->status) return v;
        struct value right = parse_product(e, eval);
        if (eval && !e->status) v = arithmetic(e, v, right, op);
    }
}

static int compare(struct value a, struct value b) {
    int64_t x, y;
    char ta[24], tb[24];
    if (!as_number(&a, &x) && !as_number(&b, &y)) return (x > y) - (x < y);
    as_text(&a, ta);
    as_text(&b, tb);
    int d = memcmp(a.s, b.s, a.n < b.n ? a.n : b.n);
    return d ? d : (a.n > b.n) - (a.n < b.n);
}

static struct value parse_comparison(struct expr *e, int eval) {
    static const char *const words[] = {"<", "<=", "=", "==", "!=", ">=", ">"};
    struct value v = parse_sum(e, eval);
    for (;;) {
        int op = 0;
        while (op < 7 && !next_is(e, words[op])) op++;
        if (op == 7 || e->status) return v;
        struct value right = parse_sum(e, eval);
        if (!eval || e->status) continue;
        int d = compare(v, right);
        v = number_value(op == 0 ? d < 0 : op == 1 ? d <= 0 : op < 4 ? d == 0 : op == 4 ? d != 0 : op == 5 ? d >= 0 : d > 0);
    }
}

static struct value parse_and(struct expr *e, int eval) {
    struct value v = parse_comparison(e, eval);
    while (!e->status && next_is(e, "&")) {
        int dead = is_null(&v);
        struct value right = parse_comparison(e, eval && !dead);
        if (dead || is_null(&right)) v = zero;
    }
    return v;
}

static struct value parse_or(struct expr *e, int eval) {
    struct value v = parse_and(e, eval);
    while (!e->status && next_is(e, "|")) {
        int dead = !is_null(&v);
        struct value right = parse_and(e, eval && !dead);
        if (!dead) v = is_null(&right) ? zero : right;
    }
    return v;
}

int tool_expr(int argc, char **argv) {
    struct expr e = {.argv = argv, .argc = argc, .at = 1, .utf8 = text_is_utf8()};
    if (argc > 1 && !strcmp(argv[1], "--")) e.at++;
    if (e.at >= argc) {
        tool_warn("missing operand");
        return 2;
    }
    struct value v = parse_or(&e, 1);
    if (e.status) return e.status;
    if (e.at < argc) {
        tool_warn("syntax error: unexpected argument '%s'", argv[e.at]);
        return 2;
    }
    char digits[24];
    int null = is_null(&v);
    as_text(&v, digits);
    struct out out;
    out_start(&out, STDOUT_FILENO, 0);
    out_put(&out, v.s, v.n);
    out_byte(&out, '\n');
    int status = out_end(&out, null);
    return out.err && status == 1 ? 3 : status;
}
