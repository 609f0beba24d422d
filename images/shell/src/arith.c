/* $((...)): signed 64-bit arithmetic with all operators of C but sizeof and casts. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"
#include "shell.h"

struct reader {
    const char *text, *at;
    int skip; /* > 0: this side of && || ?: is read but not evaluated */
};

static _Noreturn void arith_fail(const struct reader *r, const char *what) {
    fail(2, "arithmetic expression: %s: \"%s\"", what, r->text);
}

static int digit_value(int c) {
    if (isdigit(c)) return c - '0';
    if (isalpha(c)) return tolower(c) - 'a' + 10;
    return 99;
}

/* Too large numbers wrap around as in two's complement. */
static const char *read_digits(const char *s, int64_t *out) {
    int base = 10;
    if (*s == '0') {
        base = 8;
        if ((s[1] == 'x' || s[1] == 'X') && isxdigit((unsigned char)s[2])) {
            base = 16;
            s += 2;
        }
    }
    uint64_t n = 0;
    int overflow = 0;
    for (; digit_value((unsigned char)*s) < base; s++) {
        if (base == 10 && n > (uint64_t)INT64_MAX / 10) overflow = 1;
        n = n * (unsigned)base + (unsigned)digit_value((unsigned char)*s);
        if (base == 10 && n > (uint64_t)INT64_MAX) overflow = 1;
    }
    *out = overflow ? INT64_MAX : (int64_t)n;
    return s;
}

int parse_integer(const char *s, int64_t *out) {
    while (isspace((unsigned char)*s)) s++;
    int negative = *s == '-';
    if (*s == '-' || *s == '+') s++;
    if (!isdigit((unsigned char)*s)) return -1;
    s = read_digits(s, out);
    while (isspace((unsigned char)*s)) s++;
    if (negative) *out = (int64_t)(0 - (uint64_t)*out);
    return *s ? -1 : 0;
}

static void skip_blanks(struct reader *r) {
    while (isspace((unsigned char)*r->at)) r->at++;
}

static int64_t variable_value(struct reader *r, const char *name) {
    char number[24];
    const char *s = param_get(name, strlen(name), number);
    if (!s && (sh.options & OPT_NOUNSET) && !r->skip) fail(2, "%s: parameter not set", name);
    if (!s || !*s) return 0;
    int64_t n = 0;
    if (parse_integer(s, &n) < 0 && !r->skip) fail(2, "Illegal number: %s", s);
    return n;
}

static void assign(struct reader *r, const char *name, int64_t value) {
    if (r->skip) return;
    struct buf b = {0};
    buf_printf(&b, "%lld", (long long)value);
    int refused = var_set(name, buf_text(&b)) < 0;
    buf_free(&b);
    if (refused) shell_exit(2);
}

static int64_t read_comma(struct reader *r);
static int64_t read_assign(struct reader *r);

/* name++, name-- after a variable was read. */
static int64_t read_postfix(struct reader *r, const char *name) {
    int64_t n = variable_value(r, name);
    skip_blanks(r);
    if ((r->at[0] == '+' && r->at[1] == '+') || (r->at[0] == '-' && r->at[1] == '-')) {
        const char *after = r->at + 2;
        while (isspace((unsigned char)*after)) after++;
        /* a + +b may be written a++b: then it is no increment */
        if (*after == '(' || *after == '_' || isalnum((unsigned char)*after)) return n;
        uint64_t changed = r->at[0] == '+' ? (uint64_t)n + 1 : (uint64_t)n - 1;
        assign(r, name, (int64_t)changed);
        r->at += 2;
    }
    return n;
}

static char *read_name(struct reader *r) {
    size_t len = name_length(r->at, strlen(r->at));
    char *name = arena_copy(&sh.temp, r->at, len);
    r->at += len;
    return name;
}

static int64_t read_primary(struct reader *r) {
    skip_blanks(r);
    int c = (unsigned char)*r->at;
    if (c == '(') {
        r->at++;
        depth_enter(); /* twice with read_assign's: there are many functions on the way */
        int64_t n = read_comma(r);
        depth_leave();
        skip_blanks(r);
        if (*r->at != ')') arith_fail(r, "expecting ')'");
        r->at++;
        return n;
    }
    if (isdigit(c)) {
        int64_t n;
        r->at = read_digits(r->at, &n);
        if (isalnum((unsigned char)*r->at) || *r->at == '_') arith_fail(r, "expecting EOF");
        return n;
    }
    if (c == '_' || isalpha(c)) return read_postfix(r, read_name(r));
    arith_fail(r, "expecting primary");
}

/* ++name and --name; before anything else they are two signs. */
static int read_prefix_step(struct reader *r, int64_t *out) {
    char sign = r->at[0];
    if ((sign != '+' && sign != '-') || r->at[1] != sign) return 0;
    const char *s = r->at + 2;
    while (isspace((unsigned char)*s)) s++;
    if (*s != '_' && !isalpha((unsigned char)*s)) return 0;
    r->at = s;
    char *name = read_name(r);
    uint64_t n = (uint64_t)variable_value(r, name);
    *out = (int64_t)(sign == '+' ? n + 1 : n - 1);
    assign(r, name, *out);
    return 1;
}

static int64_t read_unary(struct reader *r) {
    skip_blanks(r);
    int64_t n;
    if (read_prefix_step(r, &n)) return n;
    char c = *r->at;
    if (c != '+' && c != '-' && c != '~' && c != '!') return read_primary(r);
    r->at++;
    depth_enter();
    n = read_unary(r);
    depth_leave();
    if (c == '-') return (int64_t)(0 - (uint64_t)n);
    if (c == '~') return ~n;
    return c == '!' ? !n : n;
}

enum operator { OR, XOR, AND, EQ, NE, LE, GE, LT, GT, SHL, SHR, ADD, SUB, MUL, DIV, MOD, NO_OPERATOR };
static const struct {
    const char *text;
    int level;
} operators[] = {
    [OR] = {"|", 1},   [XOR] = {"^", 2},  [AND] = {"&", 3},  [EQ] = {"==", 4}, [NE] = {"!=", 4},
    [LE] = {"<=", 5},  [GE] = {">=", 5},  [LT] = {"<", 5},   [GT] = {">", 5},  [SHL] = {"<<", 6},
    [SHR] = {">>", 6}, [ADD] = {"+", 7},  [SUB] = {"-", 7},  [MUL] = {"*", 8}, [DIV] = {"/", 8},
    [MOD] = {"%", 8},
};

/* The binary operator at the place; none if it is part of &&, || or an assignment. */
static enum operator find_operator(const char *s) {
    static const enum operator order[] = {EQ, NE, SHL, SHR, LE, GE, LT, GT, OR,
                                          XOR, AND, ADD, SUB, MUL, DIV, MOD};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        const char *text = operators[order[i]].text;
        size_t len = strlen(text);
        if (strncmp(s, text, len) != 0) continue;
        int compares = order[i] >= EQ && order[i] <= GT;
        if (!compares && s[len] == '=' && s[len + 1] != '=') return NO_OPERATOR;
        if (len == 1 && s[1] == s[0] && (*s == '|' || *s == '&')) return NO_OPERATOR;
        return order[i];
    }
    return NO_OPERATOR;
}

static int64_t divide(struct reader *r, enum operator op, int64_t a, int64_t b) {
    if (r->skip) return 0;
    if (b == 0) arith_fail(r, "division by zero");
    if (b == -1) return op == DIV ? (int64_t)(0 - (uint64_t)a) : 0; /* INT64_MIN / -1 traps */
    return op == DIV ? a / b : a % b;
}

static int64_t apply(struct reader *r, enum operator op, int64_t a, int64_t b) {
    uint64_t x = (uint64_t)a, y = (uint64_t)b;
    switch (op) {
    case OR: return a | b;
    case XOR: return a ^ b;
    case AND: return a & b;
    case EQ: return a == b;
    case NE: return a != b;
    case LE: return a <= b;
    case GE: return a >= b;
    case LT: return a < b;
    case GT: return a > b;
    case SHL: return (int64_t)(x << (y & 63));
    case SHR: return a >> (y & 63);
    case ADD: return (int64_t)(x + y);
    case SUB: return (int64_t)(x - y);
    case MUL: return (int64_t)(x * y);
    default: return divide(r, op, a, b);
    }
}

static int64_t read_binary(struct reader *r, int level) {
    int64_t left = read_unary(r);
    for (;;) {
        skip_blanks(r);
        enum operator op = find_operator(r->at);
        if (op == NO_OPERATOR || operators[op].level < level) return left;
        r->at += strlen(operators[op].text);
        left = apply(r, op, left, read_binary(r, operators[op].level + 1));
    }
}

static int64_t read_and(struct reader *r) {
    int64_t left = read_binary(r, 1);
    for (;;) {
        skip_blanks(r);
        if (strncmp(r->at, "&&", 2) != 0) return left;
        r->at += 2;
        int off = !left;
        r->skip += off;
        int64_t right = read_binary(r, 1);
        r->skip -= off;
        left = left && right;
    }
}

static int64_t read_or(struct reader *r) {
    int64_t left = read_and(r);
    for (;;) {
        skip_blanks(r);
        if (strncmp(r->at, "||", 2) != 0) return left;
        r->at += 2;
        int off = left != 0;
        r->skip += off;
        int64_t right = read_and(r);
        r->skip -= off;
        left = left || right;
    }
}

static int64_t read_condition(struct reader *r) {
    int64_t test = read_or(r);
    skip_blanks(r);
    if (*r->at != '?') return test;
    r->at++;
    r->skip += !test;
    int64_t yes = read_comma(r);
    r->skip -= !test;
    skip_blanks(r);
    if (*r->at != ':') arith_fail(r, "expecting ':'");
    r->at++;
    r->skip += test != 0;
    depth_enter();
    int64_t no = read_condition(r); /* no assignment, as in C: that wants parentheses */
    depth_leave();
    r->skip -= test != 0;
    return test ? yes : no;
}

/* The operator of an assignment at s, without its =; its length, 0 if it is none. */
static size_t assignment_operator(const char *s, enum operator *op) {
    static const enum operator can[] = {SHL, SHR, OR, XOR, AND, ADD, SUB, MUL, DIV, MOD};
    *op = NO_OPERATOR;
    if (*s == '=' && s[1] != '=') return 1;
    for (size_t i = 0; i < sizeof can / sizeof *can; i++) {
        size_t len = strlen(operators[can[i]].text);
        if (strncmp(s, operators[can[i]].text, len) == 0 && s[len] == '=') {
            *op = can[i];
            return len + 1;
        }
    }
    return 0;
}

static int64_t read_assign(struct reader *r) {
    depth_enter();
    skip_blanks(r);
    const char *start = r->at;
    int64_t n;
    size_t len = name_length(start, strlen(start));
    const char *after = start + len;
    while (isspace((unsigned char)*after)) after++;
    enum operator op;
    size_t taken = len ? assignment_operator(after, &op) : 0;
    if (taken) {
        char *name = arena_copy(&sh.temp, start, len);
        r->at = after + taken;
        n = read_assign(r);
        if (op != NO_OPERATOR) n = apply(r, op, variable_value(r, name), n);
        assign(r, name, n);
    } else {
        n = read_condition(r);
    }
    depth_leave();
    return n;
}

static int64_t read_comma(struct reader *r) {
    int64_t n = read_assign(r);
    for (skip_blanks(r); *r->at == ','; skip_blanks(r)) {
        r->at++;
        n = read_assign(r);
    }
    return n;
}

int64_t arith_eval(const char *expression) {
    struct reader r = {expression, expression, 0};
    skip_blanks(&r);
    if (!*r.at) return 0;
    int64_t n = read_comma(&r);
    skip_blanks(&r);
    if (*r.at) arith_fail(&r, "expecting EOF");
    return n;
}
