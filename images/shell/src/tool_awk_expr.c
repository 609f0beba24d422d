/* Expressions, by recursive descent from the loosest operator to the tightest. */
#include <stdlib.h>
#include <string.h>

#include "tool_awk.h"

#define DEPTH_MAX 200

static struct node *parse_primary(struct parser *p);
static struct node *parse_unary(struct parser *p);

int is_char(const struct parser *p, int c) { return p->l.token == T_CHAR && p->l.detail == c; }

static struct node *binary(struct parser *p, enum op op, int detail, struct node *a, struct node *b) {
    struct node *x = node_make(p, op);
    x->detail = detail;
    x->a = a;
    x->b = b;
    return x;
}

static int is_place(const struct node *x) {
    return x->op == N_GLOBAL || x->op == N_LOCAL || x->op == N_INDEX || x->op == N_FIELD;
}

struct node *awk_parse_list(struct parser *p, int closing) {
    struct node *first = NULL, **tail = &first;
    int no_greater = p->no_greater, no_in = p->no_in;
    if (closing) p->no_greater = p->no_in = 0;
    awk_skip_newlines(p);
    while (!closing || !is_char(p, closing)) {
        *tail = parse_expression(p);
        tail = &(*tail)->next;
        if (closing) awk_skip_newlines(p);
        if (!is_char(p, ',')) break;
        lex_next(&p->l);
        awk_skip_newlines(p);
    }
    p->no_greater = no_greater;
    p->no_in = no_in;
    if (closing) expect_char(p, closing);
    return first;
}

static struct node *regex_node(struct parser *p) {
    struct node *x = node_make(p, N_REGEX);
    const char *error;
    x->s = lex_regex(&p->l);
    x->rx = rx_compile(x->s->p, x->s->len, RX_ERE | RX_AWK, &error);
    if (!x->rx) tool_die(2, "line %d: /%s/: %s", x->line, x->s->p, error);
    return x;
}

static struct node *name_node(struct parser *p) {
    struct node *x = NULL;
    for (int i = 0; i < p->n_params && !x; i++)
        if (!strcmp(p->params[i], p->l.text->p)) {
            x = node_make(p, N_LOCAL);
            x->detail = i;
        }
    if (!x) {
        x = node_make(p, N_GLOBAL);
        x->detail = global_find(p->program, p->l.text->p);
    }
    lex_next(&p->l);
    if (!is_char(p, '[')) return x;
    lex_next(&p->l);
    struct node *index = node_make(p, N_INDEX);
    index->a = x;
    index->b = awk_parse_list(p, ']');
    if (!index->b) awk_syntax(&p->l, "an empty subscript");
    return index;
}

static struct node *call_node(struct parser *p) {
    struct node *x = node_make(p, N_CALL);
    x->detail = awk_function_find(p->program, p->l.text->p);
    lex_next(&p->l);
    lex_next(&p->l); /* the name is followed by ( */
    x->a = awk_parse_list(p, ')');
    for (struct node *a = x->a; a; a = a->next) x->num++;
    struct program *g = p->program;
    if ((g->n_calls & (g->n_calls + 1)) == 0) g->calls = xrealloc(g->calls, sizeof *g->calls * (g->n_calls + 1) * 2);
    g->calls[g->n_calls++] = x;
    return x;
}

static struct node *builtin_node(struct parser *p) {
    /* Least and most arguments. */
    static const unsigned char counts[BUILTINS][2] = {
        [F_ATAN2] = {2, 2}, [F_COS] = {1, 1}, [F_EXP] = {1, 1}, [F_INT] = {1, 1}, [F_LOG] = {1, 1}, [F_RAND] = {0, 0},
        [F_SIN] = {1, 1}, [F_SQRT] = {1, 1}, [F_SRAND] = {0, 1}, [F_GSUB] = {2, 3}, [F_INDEX] = {2, 2}, [F_LENGTH] = {0, 1},
        [F_MATCH] = {2, 3}, [F_SPLIT] = {2, 3}, [F_SPRINTF] = {1, 255}, [F_SUB] = {2, 3}, [F_SUBSTR] = {2, 3},
        [F_TOLOWER] = {1, 1}, [F_TOUPPER] = {1, 1}, [F_CLOSE] = {1, 2}, [F_FFLUSH] = {0, 1}, [F_SYSTEM] = {1, 1},
        [F_GENSUB] = {3, 4}, [F_STRFTIME] = {0, 3}, [F_SYSTIME] = {0, 0}, [F_AND] = {2, 255}, [F_OR] = {2, 255},
        [F_XOR] = {2, 255}, [F_LSHIFT] = {2, 2}, [F_RSHIFT] = {2, 2}, [F_COMPL] = {1, 1}};
    struct node *x = node_make(p, N_BUILTIN);
    int n = 0;
    x->detail = p->l.detail;
    lex_next(&p->l);
    if (is_char(p, '(')) {
        lex_next(&p->l);
        x->a = awk_parse_list(p, ')');
    } else if (x->detail != F_LENGTH) {
        awk_syntax(&p->l, NULL);
    }
    for (struct node *a = x->a; a; a = a->next) n++;
    if (n < counts[x->detail][0] || n > counts[x->detail][1]) awk_syntax(&p->l, "wrong number of arguments");
    x->num = n;
    return x;
}

static struct node *getline_node(struct parser *p) {
    struct node *x = node_make(p, N_GETLINE);
    lex_next(&p->l);
    if (p->l.token == T_NAME || is_char(p, '$')) x->a = parse_primary(p);
    if (is_char(p, '<')) {
        lex_next(&p->l);
        x->detail = GETLINE_FILE;
        x->b = parse_primary(p);
    }
    return x;
}

static struct node *group_node(struct parser *p) {
    lex_next(&p->l);
    struct node *list = awk_parse_list(p, ')');
    if (!list) awk_syntax(&p->l, NULL);
    struct node *x = node_make(p, N_GROUP);
    x->a = list;
    if (!list->next) return x;
    if (p->l.token == T_IN && !p->no_in) { /* (i, j) in array */
        lex_next(&p->l);
        if (p->l.token != T_NAME) awk_syntax(&p->l, NULL);
        struct node *in = binary(p, N_IN, 0, list, name_node(p));
        if (in->b->op == N_INDEX) awk_syntax(&p->l, NULL);
        return in;
    }
    return x; /* print's arguments */
}

static struct node *step_node(struct parser *p, struct node *place, int step) {
    if (!is_place(place)) awk_syntax(&p->l, NULL);
    return binary(p, N_STEP, step, place, NULL);
}

static struct node *parse_primary(struct parser *p) {
    struct node *x;
    if (++p->depth > DEPTH_MAX) awk_syntax(&p->l, "too deeply nested");
    switch (p->l.token) {
    case T_NUMBER:
        x = node_make(p, N_NUMBER);
        x->num = p->l.num;
        lex_next(&p->l);
        break;
    case T_STRING:
        x = node_make(p, N_STRING);
        x->s = p->l.text;
        lex_next(&p->l);
        break;
    case T_NAME: x = name_node(p); break;
    case T_CALL_NAME: x = call_node(p); break;
    case T_BUILTIN: x = builtin_node(p); break;
    case T_GETLINE: x = getline_node(p); break;
    case T_INCREMENT: case T_DECREMENT: {
        int step = p->l.token == T_INCREMENT ? 1 : -1;
        lex_next(&p->l);
        x = step_node(p, parse_primary(p), step);
        break;
    }
    case T_ASSIGN_OP:
        if (p->l.detail != '/') awk_syntax(&p->l, NULL);
        x = regex_node(p); /* begins with '=' */
        break;
    default:
        if (is_char(p, '(')) {
            x = group_node(p);
        } else if (is_char(p, '/')) {
            x = regex_node(p);
        } else if (is_char(p, '$')) {
            lex_next(&p->l);
            x = binary(p, N_FIELD, 0, is_char(p, '-') || is_char(p, '+') || is_char(p, '!') ? parse_unary(p) : parse_primary(p), NULL);
        } else if (is_char(p, '-') || is_char(p, '+') || is_char(p, '!')) {
            x = parse_unary(p);
        } else {
            awk_syntax(&p->l, NULL);
        }
    }
    p->depth--;
    return x;
}

static struct node *parse_postfix(struct parser *p) {
    struct node *x = parse_primary(p);
    if (!is_place(x)) return x;
    if (p->l.token == T_INCREMENT || p->l.token == T_DECREMENT) {
        x = step_node(p, x, p->l.token == T_INCREMENT ? 2 : -2);
        lex_next(&p->l);
    }
    return x;
}

static struct node *parse_power(struct parser *p) {
    struct node *x = parse_postfix(p);
    if (p->l.token != T_POWER) return x;
    lex_next(&p->l);
    if (++p->depth > DEPTH_MAX) awk_syntax(&p->l, "too deeply nested");
    x = binary(p, N_BINARY, '^', x, is_char(p, '-') || is_char(p, '+') || is_char(p, '!') ? parse_unary(p) : parse_power(p));
    p->depth--;
    return x;
}

static struct node *parse_unary(struct parser *p) {
    enum op op = is_char(p, '-') ? N_MINUS : is_char(p, '+') ? N_PLUS : N_NOT;
    if (!is_char(p, '-') && !is_char(p, '+') && !is_char(p, '!')) return parse_power(p);
    lex_next(&p->l);
    if (++p->depth > DEPTH_MAX) awk_syntax(&p->l, "too deeply nested");
    struct node *x = binary(p, op, 0, parse_unary(p), NULL);
    p->depth--;
    return x;
}

static struct node *parse_product(struct parser *p) {
    struct node *x = parse_unary(p);
    while (is_char(p, '*') || is_char(p, '/') || is_char(p, '%')) {
        int op = p->l.detail;
        lex_next(&p->l);
        x = binary(p, N_BINARY, op, x, parse_unary(p));
    }
    return x;
}

static struct node *parse_sum(struct parser *p) {
    struct node *x = parse_product(p);
    while (is_char(p, '+') || is_char(p, '-')) {
        int op = p->l.detail;
        lex_next(&p->l);
        x = binary(p, N_BINARY, op, x, parse_product(p));
    }
    return x;
}

static int starts_operand(const struct parser *p) {
    switch (p->l.token) {
    case T_NUMBER: case T_STRING: case T_NAME: case T_CALL_NAME: case T_BUILTIN: case T_INCREMENT: case T_DECREMENT: return 1;
    case T_CHAR: return p->l.detail == '$' || p->l.detail == '(';
    default: return 0;
    }
}

struct node *parse_concatenation(struct parser *p) {
    struct node *x = parse_sum(p);
    while (starts_operand(p)) x = binary(p, N_CONCAT, 0, x, parse_sum(p));
    return x;
}

/* "command" | getline */
static int pipes_to_getline(const struct parser *p) {
    if (!is_char(p, '|')) return 0;
    struct lexer ahead = p->l;
    lex_next(&ahead);
    return ahead.token == T_GETLINE;
}

static struct node *parse_comparison(struct parser *p) {
    struct node *x = parse_concatenation(p);
    for (;;) {
        int op = p->l.token == T_EQ ? '=' : p->l.token == T_NE ? '!' : p->l.token == T_LE ? 'l' : p->l.token == T_GE ? 'g'
                 : is_char(p, '<') ? '<' : is_char(p, '>') && !p->no_greater ? '>' : 0;
        if (op) {
            lex_next(&p->l);
            x = binary(p, N_COMPARE, op, x, parse_concatenation(p));
        } else if (pipes_to_getline(p)) {
            lex_next(&p->l);
            struct node *command = x;
            lex_next(&p->l);
            x = node_make(p, N_GETLINE);
            x->detail = GETLINE_COMMAND;
            x->b = command;
            if (p->l.token == T_NAME || is_char(p, '$')) x->a = parse_primary(p);
        } else {
            return x;
        }
    }
}

static struct node *parse_match(struct parser *p) {
    struct node *x = parse_comparison(p);
    while (is_char(p, '~') || p->l.token == T_NO_MATCH) {
        int negate = p->l.token == T_NO_MATCH;
        lex_next(&p->l);
        x = binary(p, N_MATCH, negate, x, parse_comparison(p));
    }
    return x;
}

static struct node *parse_in(struct parser *p) {
    struct node *x = parse_match(p);
    while (p->l.token == T_IN && !p->no_in) {
        lex_next(&p->l);
        if (p->l.token != T_NAME) awk_syntax(&p->l, NULL);
        x = binary(p, N_IN, 0, x, name_node(p));
        if (x->b->op == N_INDEX) awk_syntax(&p->l, NULL);
    }
    return x;
}

static struct node *parse_and(struct parser *p) {
    struct node *x = parse_in(p);
    while (p->l.token == T_AND) {
        lex_next(&p->l);
        awk_skip_newlines(p);
        x = binary(p, N_AND, 0, x, parse_in(p));
    }
    return x;
}

static struct node *parse_or(struct parser *p) {
    struct node *x = parse_and(p);
    while (p->l.token == T_OR) {
        lex_next(&p->l);
        awk_skip_newlines(p);
        x = binary(p, N_OR, 0, x, parse_and(p));
    }
    return x;
}

/* `a = b` where a stands at the end of what was read: $1 = x, but also  !x = y  and  1 + x = y. */
static struct node *assign_to(struct parser *p, struct node *x, int op, struct node *value) {
    if (is_place(x)) return binary(p, N_ASSIGN, op, x, value);
    struct node **last = x->op == N_NOT || x->op == N_MINUS || x->op == N_PLUS ? &x->a
                       : x->op == N_AND || x->op == N_OR || x->op == N_BINARY || x->op == N_CONCAT || x->op == N_COMPARE || x->op == N_MATCH ? &x->b : NULL;
    if (!last || !*last) awk_syntax(&p->l, NULL);
    *last = assign_to(p, *last, op, value);
    return x;
}

struct node *parse_expression(struct parser *p) {
    if (++p->depth > DEPTH_MAX) awk_syntax(&p->l, "too deeply nested");
    struct node *x = parse_or(p);
    if (is_char(p, '?')) {
        struct node *cond = node_make(p, N_COND);
        lex_next(&p->l);
        awk_skip_newlines(p);
        cond->a = x;
        cond->b = parse_expression(p);
        awk_skip_newlines(p);
        expect_char(p, ':');
        awk_skip_newlines(p);
        cond->c = parse_expression(p);
        x = cond;
    } else if (p->l.token == T_ASSIGN_OP) {
        int op = p->l.detail;
        lex_next(&p->l);
        awk_skip_newlines(p);
        struct node *value = parse_expression(p);
        x = assign_to(p, x, op, value);
    }
    p->depth--;
    return x;
}
