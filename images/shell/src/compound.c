/* The grammar of compound commands. */
#include <string.h>

#include "parser.h"

static struct node *parse_subshell(struct parser *p) {
    struct node *n = parser_node(p, NODE_SUBSHELL);
    skip_token(p);
    n->first = parse_commands_required(p);
    if (!p->failed && peek_token(p) != TOK_RPAREN) unexpected(p, ")");
    skip_token(p);
    return n;
}

static struct node *parse_group(struct parser *p) {
    struct node *n = parser_node(p, NODE_GROUP);
    skip_token(p);
    n->first = parse_commands_required(p);
    expect_reserved(p, "}");
    return n;
}

/* Each elif is an if in the else part of the one before. */
static struct node *parse_if(struct parser *p) {
    struct node *first = NULL, **at = &first;
    do {
        struct node *n = parser_node(p, NODE_IF);
        skip_token(p);
        n->first = parse_commands_required(p);
        expect_reserved(p, "then");
        n->second = parse_commands_required(p);
        *at = n;
        at = &n->third;
    } while (!p->failed && at_reserved(p, "elif"));
    if (!p->failed && at_reserved(p, "else")) {
        skip_token(p);
        *at = parse_commands_required(p);
    }
    expect_reserved(p, "fi");
    return first;
}

static struct node *parse_do_group(struct parser *p) {
    expect_reserved(p, "do");
    struct node *body = p->failed ? NULL : parse_commands_required(p);
    expect_reserved(p, "done");
    return body;
}

static struct node *parse_loop(struct parser *p, enum node_kind kind) {
    struct node *n = parser_node(p, kind);
    skip_token(p);
    n->first = parse_commands_required(p);
    if (!p->failed) n->second = parse_do_group(p);
    return n;
}

static struct node *parse_for(struct parser *p) {
    struct node *n = parser_node(p, NODE_FOR);
    skip_token(p);
    const char *name = token_word(p);
    if (!name || name_length(name, strlen(name)) != strlen(name)) {
        syntax_error(p, "Bad for loop variable");
        return NULL;
    }
    n->name = name;
    skip_token(p);
    if (peek_token(p) == TOK_SEMI) {
        skip_token(p);
    } else {
        skip_linebreaks(p);
        if (at_reserved(p, "in")) {
            n->has_list = 1;
            skip_token(p);
            struct word **end = &n->words;
            while (peek_token(p) == TOK_WORD) {
                *end = parser_word(p);
                end = &(*end)->next;
            }
            if (p->token != TOK_SEMI && p->token != TOK_NEWLINE) unexpected(p, NULL);
            skip_token(p);
        }
    }
    skip_linebreaks(p);
    peek_command_token(p);
    n->second = parse_do_group(p);
    return n;
}

static struct case_item *parse_case_item(struct parser *p) {
    struct case_item *item = parser_alloc(p, sizeof *item);
    struct word **end = &item->patterns;
    if (peek_token(p) == TOK_LPAREN) skip_token(p);
    for (;;) {
        if (peek_token(p) != TOK_WORD) {
            unexpected(p, ")");
            return NULL;
        }
        *end = parser_word(p);
        end = &(*end)->next;
        if (peek_token(p) != TOK_PIPE) break;
        skip_token(p);
    }
    if (peek_token(p) != TOK_RPAREN) {
        unexpected(p, ")");
        return NULL;
    }
    skip_token(p);
    item->body = parse_commands(p);
    return item;
}

static struct node *parse_case(struct parser *p) {
    struct node *n = parser_node(p, NODE_CASE);
    skip_token(p);
    if (peek_token(p) != TOK_WORD) {
        unexpected(p, NULL);
        return NULL;
    }
    n->words = parser_word(p);
    skip_linebreaks(p);
    expect_reserved(p, "in");
    skip_linebreaks(p);
    struct case_item **end = &n->items;
    while (!p->failed && !at_reserved(p, "esac")) {
        struct case_item *item = parse_case_item(p);
        if (!item || p->failed) return NULL;
        *end = item;
        end = &item->next;
        enum token t = peek_token(p);
        if (t != TOK_DSEMI && t != TOK_SEMI_AND) break;
        item->fall = t == TOK_SEMI_AND;
        skip_token(p);
        skip_linebreaks(p);
    }
    expect_reserved(p, "esac");
    return n;
}

struct node *parse_compound(struct parser *p) {
    if (peek_token(p) == TOK_LPAREN) return parse_subshell(p);
    const char *s = token_word(p);
    if (!s) return NULL;
    if (strcmp(s, "{") == 0) return parse_group(p);
    if (strcmp(s, "if") == 0) return parse_if(p);
    if (strcmp(s, "while") == 0) return parse_loop(p, NODE_WHILE);
    if (strcmp(s, "until") == 0) return parse_loop(p, NODE_UNTIL);
    if (strcmp(s, "for") == 0) return parse_for(p);
    if (strcmp(s, "case") == 0) return parse_case(p);
    return NULL;
}
