/* Program, rules, functions and statements. */
#include <stdlib.h>
#include <string.h>

#include "tool_awk.h"

struct node *node_make(struct parser *p, enum op op) {
    struct node *x = xmalloc(sizeof *x);
    *x = (struct node){.op = op, .line = p->l.line};
    return x;
}

int global_find(struct program *g, const char *name) {
    for (size_t i = 0; i < g->n_names; i++)
        if (!strcmp(g->names[i], name)) return (int)i;
    g->names = xrealloc(g->names, sizeof *g->names * (g->n_names + 1));
    g->names[g->n_names] = xstrdup(name);
    return (int)g->n_names++;
}

int awk_function_find(struct program *g, const char *name) {
    for (size_t i = 0; i < g->n_functions; i++)
        if (!strcmp(g->functions[i].name, name)) return (int)i;
    g->functions = xrealloc(g->functions, sizeof *g->functions * (g->n_functions + 1));
    g->functions[g->n_functions] = (struct function){.name = xstrdup(name)};
    return (int)g->n_functions++;
}

void awk_skip_newlines(struct parser *p) {
    while (p->l.token == T_NEWLINE) lex_next(&p->l);
}

void expect_char(struct parser *p, int c) {
    if (!is_char(p, c)) awk_syntax(&p->l, NULL);
    lex_next(&p->l);
}

static struct node *parse_statement(struct parser *p);

static void skip_ends(struct parser *p) {
    while (p->l.token == T_NEWLINE || is_char(p, ';')) lex_next(&p->l);
}

/* A simple statement ends with ; or a newline, or in front of } or the end. */
static void statement_end(struct parser *p) {
    if (p->l.token == T_NEWLINE || is_char(p, ';')) {
        lex_next(&p->l);
        return;
    }
    if (!is_char(p, '}') && p->l.token != T_END) awk_syntax(&p->l, NULL);
}

static struct node *parse_block(struct parser *p) {
    struct node *block = node_make(p, S_BLOCK), **tail = &block->a;
    expect_char(p, '{');
    for (skip_ends(p); !is_char(p, '}'); skip_ends(p)) {
        if (p->l.token == T_END) awk_syntax(&p->l, NULL);
        *tail = parse_statement(p);
        tail = &(*tail)->next;
    }
    lex_next(&p->l);
    return block;
}

static struct node *parse_print(struct parser *p) {
    struct node *x = node_make(p, p->l.token == T_PRINT ? S_PRINT : S_PRINTF);
    lex_next(&p->l);
    p->no_greater = 1;
    if (p->l.token != T_NEWLINE && p->l.token != T_END && p->l.token != T_APPEND && !is_char(p, ';') && !is_char(p, '}') &&
        !is_char(p, '>') && !is_char(p, '|'))
        x->a = awk_parse_list(p, 0);
    p->no_greater = 0;
    if (x->a && x->a->op == N_GROUP && !x->a->next) x->a = x->a->a;
    if (x->op == S_PRINTF && !x->a) awk_syntax(&p->l, "printf: no format");
    x->detail = p->l.token == T_APPEND ? REDIRECT_APPEND : is_char(p, '>') ? REDIRECT_FILE : is_char(p, '|') ? REDIRECT_PIPE : REDIRECT_NONE;
    if (x->detail) {
        lex_next(&p->l);
        x->b = parse_concatenation(p);
    }
    return x;
}

static struct node *parse_simple(struct parser *p) {
    struct node *x;
    switch (p->l.token) {
    case T_PRINT: case T_PRINTF: return parse_print(p);
    case T_DELETE:
        x = node_make(p, S_DELETE);
        lex_next(&p->l);
        if (p->l.token != T_NAME) awk_syntax(&p->l, NULL);
        x->a = parse_expression(p);
        if (x->a->op != N_INDEX && x->a->op != N_GLOBAL && x->a->op != N_LOCAL) awk_syntax(&p->l, NULL);
        return x;
    default:
        x = node_make(p, S_EXPR);
        x->a = parse_expression(p);
        return x;
    }
}

static struct node *parse_condition(struct parser *p) {
    expect_char(p, '(');
    struct node *x = parse_expression(p);
    awk_skip_newlines(p);
    expect_char(p, ')');
    return x;
}

/* What an if or a loop governs; "" (a lone ;) is nothing. */
static struct node *parse_body(struct parser *p) {
    awk_skip_newlines(p);
    if (is_char(p, ';')) {
        struct node *nothing = node_make(p, S_BLOCK);
        lex_next(&p->l);
        return nothing;
    }
    return parse_statement(p);
}

static struct node *parse_loop_body(struct parser *p) {
    p->in_loop++;
    struct node *x = parse_body(p);
    p->in_loop--;
    return x;
}

static struct node *parse_if(struct parser *p) {
    struct node *x = node_make(p, S_IF);
    lex_next(&p->l);
    x->a = parse_condition(p);
    x->b = parse_body(p);
    struct lexer back = p->l; /* an else may follow behind newlines and one ; */
    skip_ends(p);
    if (p->l.token == T_ELSE) {
        lex_next(&p->l);
        x->c = parse_body(p);
    } else {
        p->l = back;
    }
    return x;
}

static struct node *parse_do(struct parser *p) {
    struct node *x = node_make(p, S_DO);
    lex_next(&p->l);
    x->b = parse_loop_body(p);
    skip_ends(p);
    if (p->l.token != T_WHILE) awk_syntax(&p->l, NULL);
    lex_next(&p->l);
    x->a = parse_condition(p);
    statement_end(p);
    return x;
}

/* for (name in array) */
static int is_for_in(const struct parser *p) {
    struct lexer ahead = p->l;
    if (ahead.token != T_NAME) return 0;
    lex_next(&ahead);
    if (ahead.token != T_IN) return 0;
    lex_next(&ahead);
    if (ahead.token != T_NAME) return 0;
    lex_next(&ahead);
    return ahead.token == T_CHAR && ahead.detail == ')';
}

static struct node *parse_for(struct parser *p) {
    struct node *x = node_make(p, S_FOR);
    lex_next(&p->l);
    expect_char(p, '(');
    if (is_for_in(p)) {
        x->op = S_FOR_IN;
        p->no_in = 1;
        x->a = parse_expression(p);
        p->no_in = 0;
        lex_next(&p->l);
        x->b = parse_expression(p);
        expect_char(p, ')');
        x->d = parse_loop_body(p);
        return x;
    }
    if (!is_char(p, ';')) x->a = parse_simple(p);
    expect_char(p, ';');
    awk_skip_newlines(p);
    if (!is_char(p, ';')) x->b = parse_expression(p);
    expect_char(p, ';');
    awk_skip_newlines(p);
    if (!is_char(p, ')')) x->c = parse_simple(p);
    expect_char(p, ')');
    x->d = parse_loop_body(p);
    return x;
}

static struct node *parse_jump(struct parser *p) {
    static const enum op ops[] = {S_BREAK, S_CONTINUE, S_NEXT, S_NEXTFILE, S_EXIT, S_RETURN};
    enum token t = p->l.token;
    struct node *x = node_make(p, ops[t - T_BREAK]);
    if ((t == T_BREAK || t == T_CONTINUE) && !p->in_loop) awk_syntax(&p->l, "break or continue outside a loop");
    if ((t == T_NEXT || t == T_NEXTFILE) && p->in_special) awk_syntax(&p->l, "next in BEGIN or END");
    if (t == T_RETURN && !p->in_function) awk_syntax(&p->l, "return outside a function");
    lex_next(&p->l);
    if ((t == T_EXIT || t == T_RETURN) && p->l.token != T_NEWLINE && p->l.token != T_END && !is_char(p, ';') && !is_char(p, '}'))
        x->a = parse_expression(p);
    statement_end(p);
    return x;
}

static struct node *parse_statement(struct parser *p) {
    struct node *x;
    if (++p->depth > 150) awk_syntax(&p->l, "too deeply nested");
    switch (p->l.token) {
    case T_IF: x = parse_if(p); break;
    case T_WHILE:
        x = node_make(p, S_WHILE);
        lex_next(&p->l);
        x->a = parse_condition(p);
        x->b = parse_loop_body(p);
        break;
    case T_DO: x = parse_do(p); break;
    case T_FOR: x = parse_for(p); break;
    case T_BREAK: case T_CONTINUE: case T_NEXT: case T_NEXTFILE: case T_EXIT: case T_RETURN: x = parse_jump(p); break;
    default:
        if (is_char(p, '{')) {
            x = parse_block(p);
        } else {
            x = parse_simple(p);
            statement_end(p);
        }
    }
    p->depth--;
    return x;
}

static void parse_function(struct parser *p) {
    lex_next(&p->l);
    if (p->l.token != T_NAME && p->l.token != T_CALL_NAME) awk_syntax(&p->l, NULL);
    int at = awk_function_find(p->program, p->l.text->p);
    if (p->program->functions[at].defined) awk_syntax(&p->l, "a function is defined twice");
    lex_next(&p->l);
    expect_char(p, '(');
    p->params = NULL;
    p->n_params = 0;
    for (awk_skip_newlines(p); !is_char(p, ')'); awk_skip_newlines(p)) {
        if (p->l.token != T_NAME) awk_syntax(&p->l, NULL);
        for (int i = 0; i < p->n_params; i++)
            if (!strcmp(p->params[i], p->l.text->p)) awk_syntax(&p->l, "two parameters have the same name");
        p->params = xrealloc(p->params, sizeof *p->params * (size_t)(p->n_params + 1));
        p->params[p->n_params++] = p->l.text->p;
        lex_next(&p->l);
        awk_skip_newlines(p);
        if (!is_char(p, ',')) break;
        lex_next(&p->l);
    }
    expect_char(p, ')');
    awk_skip_newlines(p);
    p->in_function = 1;
    struct node *body = parse_block(p);
    p->in_function = 0;
    struct function *f = &p->program->functions[at];
    f->defined = 1;
    f->params = p->n_params;
    f->body = body;
    p->n_params = 0;
}

static void parse_item(struct parser *p) {
    struct program *g = p->program;
    if (p->l.token == T_FUNCTION) {
        parse_function(p);
    } else if (p->l.token == T_BEGIN || p->l.token == T_END_RULE) {
        struct node ***tail = p->l.token == T_BEGIN ? &g->begin_tail : &g->end_tail;
        lex_next(&p->l);
        if (!is_char(p, '{')) awk_syntax(&p->l, NULL);
        p->in_special = 1;
        **tail = parse_block(p);
        p->in_special = 0;
        *tail = &(**tail)->next;
    } else {
        struct rule r = {0};
        if (!is_char(p, '{')) {
            r.pattern = parse_expression(p);
            if (is_char(p, ',')) {
                lex_next(&p->l);
                awk_skip_newlines(p);
                r.until = parse_expression(p);
            }
        }
        if (is_char(p, '{')) r.body = parse_block(p);
        g->rules = xrealloc(g->rules, sizeof *g->rules * (g->n_rules + 1));
        g->rules[g->n_rules++] = r;
    }
}

/* Calls are checked when all functions are known. */
static void check_calls(const struct program *g) {
    for (size_t i = 0; i < g->n_calls; i++) {
        const struct node *x = g->calls[i];
        const struct function *f = &g->functions[x->detail];
        if (!f->defined) tool_die(2, "line %d: function %s is not defined", x->line, f->name);
        if (x->num > f->params) tool_die(2, "line %d: function %s is called with too many arguments", x->line, f->name);
    }
}

void awk_parse(struct program *g, const char *text, size_t n) {
    static const char *const names[SPECIALS] = {"NF", "NR", "FNR", "FS", "OFS", "ORS", "RS", "SUBSEP", "CONVFMT", "OFMT", "RSTART",
                                                "RLENGTH", "FILENAME", "ENVIRON", "ARGC", "ARGV"};
    struct parser p = {.l = {.p = text, .end = text + n, .line = 1}, .program = g};
    for (int i = 0; i < SPECIALS; i++) global_find(g, names[i]);
    g->begin_tail = &g->begin;
    g->end_tail = &g->end;
    lex_next(&p.l);
    for (skip_ends(&p); p.l.token != T_END; skip_ends(&p)) {
        parse_item(&p);
        if (p.l.token != T_END && p.l.token != T_NEWLINE && !is_char(&p, ';') && !is_char(&p, '{') && p.l.last != T_CHAR) awk_syntax(&p.l, NULL);
    }
    check_calls(g);
}
