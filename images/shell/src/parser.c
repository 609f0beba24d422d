/* The grammar of XCU 2.10: lists, pipelines and simple commands. */
#include "parser.h"

#include <string.h>

#include "shell.h"
#include "tool.h"

enum { PARSE_DEPTH_MAX = 400 };

void *parser_alloc(struct parser *p, size_t n) { return arena_alloc(p->arena, n); }

struct node *parser_node(struct parser *p, enum node_kind kind) {
    struct node *n = parser_alloc(p, sizeof *n);
    n->kind = kind;
    n->line = p->line;
    return n;
}

static int replace_alias(struct parser *p);

enum token peek_token(struct parser *p) {
    while (!p->have_token) {
        p->token = next_token(p);
        p->have_token = 1;
        if (!p->alias_next) break;
        p->alias_next = 0;
        if (!replace_alias(p)) break;
        p->alias_next = 1; /* its value may begin with an alias as well */
    }
    return p->failed ? TOK_END : p->token;
}

void skip_token(struct parser *p) { p->have_token = 0; }

void skip_linebreaks(struct parser *p) {
    while (peek_token(p) == TOK_NEWLINE) skip_token(p);
}

static const char *const reserved[] = {"!",  "{",  "}",    "case", "do",   "done",  "elif", "else",
                                       "esac", "fi", "for", "if", "then", "until", "while"};

static int is_reserved(const char *s) {
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) {
        if (strcmp(s, reserved[i]) == 0) return 1;
    }
    return 0;
}

const char *token_word(struct parser *p) {
    return peek_token(p) == TOK_WORD ? plain_text(p->parts) : NULL;
}

int at_reserved(struct parser *p, const char *word) {
    const char *s = token_word(p);
    return s && strcmp(s, word) == 0;
}

/* If the word read ahead is an alias, its value is read in its place. */
static int replace_alias(struct parser *p) {
    const char *s = token_word(p);
    struct alias *a = s ? alias_find(s) : NULL;
    if (!a || a->in_use) return 0;
    skip_token(p);
    size_t len = strlen(a->value);
    char *copy = xmalloc(len + 1);
    memcpy(copy, a->value, len + 1);
    push_text(p, copy, len, a);
    p->replaced = 1;
    return 1;
}

/* The next token where a command may begin. */
enum token peek_command_token(struct parser *p) {
    for (;;) {
        const char *s = token_word(p);
        if (!s || is_reserved(s) || !replace_alias(p)) return peek_token(p);
    }
}

/* Skips newlines where a command follows; an alias there may begin with more of them. */
static void skip_to_command(struct parser *p) {
    while (peek_command_token(p) == TOK_NEWLINE) skip_linebreaks(p);
}

void unexpected(struct parser *p, const char *expected) {
    enum token t = peek_token(p);
    const char *s = t == TOK_WORD ? plain_text(p->parts) : NULL;
    char what[64];
    if (s) {
        size_t n = strlen(s) < 50 ? strlen(s) : 50;
        what[0] = '"';
        memcpy(what + 1, s, n);
        memcpy(what + 1 + n, "\"", 2);
    } else {
        strcpy(what, token_text(t));
    }
    if (expected) {
        syntax_error(p, "%s unexpected (expecting \"%s\")", what, expected);
    } else {
        syntax_error(p, "%s unexpected", what);
    }
}

void expect_reserved(struct parser *p, const char *word) {
    if (at_reserved(p, word)) {
        skip_token(p);
    } else {
        unexpected(p, word);
    }
}

/* Reads a redirection if one is next; *end is where to hang it. */
int parse_redirect(struct parser *p, struct redirect ***end) {
    enum token t = peek_token(p);
    if (t < TOK_LESS && t != TOK_IO_NUMBER) return 0;
    int fd = -1;
    if (t == TOK_IO_NUMBER) {
        fd = p->number;
        skip_token(p);
        t = peek_token(p);
    }
    static const struct {
        enum redirect_kind kind;
        int fd;
    } kinds[] = {
        [TOK_LESS] = {REDIR_IN, 0},        [TOK_GREAT] = {REDIR_OUT, 1},
        [TOK_DLESS] = {REDIR_HERE, 0},     [TOK_DLESSDASH] = {REDIR_HERE, 0},
        [TOK_DGREAT] = {REDIR_APPEND, 1},  [TOK_LESSAND] = {REDIR_DUP_IN, 0},
        [TOK_GREATAND] = {REDIR_DUP_OUT, 1}, [TOK_LESSGREAT] = {REDIR_BOTH, 0},
        [TOK_CLOBBER] = {REDIR_CLOBBER, 1},
    };
    if (t < TOK_LESS) {
        unexpected(p, NULL);
        return 1;
    }
    struct redirect *r = parser_alloc(p, sizeof *r);
    r->kind = kinds[t].kind;
    r->fd = fd >= 0 ? fd : kinds[t].fd;
    r->strip_tabs = t == TOK_DLESSDASH;
    skip_token(p);
    if (r->kind == REDIR_HERE) {
        if (read_delimiter(p, r)) queue_heredoc(p, r);
    } else if (peek_token(p) == TOK_WORD) {
        r->target.parts = p->parts;
        skip_token(p);
    }
    if (!r->delimiter && !r->target.parts) unexpected(p, NULL);
    **end = r;
    *end = &r->next;
    return 1;
}

struct word *parser_word(struct parser *p) {
    struct word *w = parser_alloc(p, sizeof *w);
    w->parts = p->parts;
    skip_token(p);
    return w;
}

/* NAME=value before the command's name. */
static struct assignment *as_assignment(struct parser *p) {
    struct part *first = p->parts;
    if (!first || first->kind != PART_TEXT || first->quoted) return NULL;
    size_t n = name_length(first->text, first->len);
    if (n == 0 || n == first->len || first->text[n] != '=') return NULL;
    struct assignment *a = parser_alloc(p, sizeof *a);
    a->name = arena_copy(p->arena, first->text, n);
    a->value.parts = first->next;
    if (first->len > n + 1) {
        struct part *rest = parser_alloc(p, sizeof *rest);
        *rest = *first;
        rest->text += n + 1;
        rest->len -= n + 1;
        a->value.parts = rest;
    }
    return a;
}

static struct node *parse_function(struct parser *p, struct node *n) {
    const char *name = plain_text(n->words->parts);
    skip_token(p);
    if (peek_token(p) != TOK_RPAREN) {
        unexpected(p, ")");
        return NULL;
    }
    skip_token(p);
    if (!name || name_length(name, strlen(name)) != strlen(name)) {
        syntax_error(p, "Bad function name");
        return NULL;
    }
    skip_linebreaks(p);
    n->kind = NODE_FUNCTION;
    n->name = name;
    n->words = NULL;
    n->first = parse_one(p);
    return n;
}

static struct node *parse_simple(struct parser *p) {
    struct node *n = parser_node(p, NODE_SIMPLE);
    struct word **end = &n->words;
    struct assignment **assign_end = &n->assignments;
    struct redirect **redirect_end = &n->redirects;
    for (;;) {
        enum token t = n->words ? peek_token(p) : peek_command_token(p);
        if (p->failed) return NULL;
        if (parse_redirect(p, &redirect_end)) continue;
        if (t == TOK_WORD) {
            struct assignment *a = n->words ? NULL : as_assignment(p);
            if (a) {
                *assign_end = a;
                assign_end = &a->next;
                skip_token(p);
            } else {
                *end = parser_word(p);
                end = &(*end)->next;
            }
            continue;
        }
        int only_name = n->words && !n->words->next && !n->assignments && !n->redirects;
        if (t == TOK_LPAREN && only_name) return parse_function(p, n);
        if (!n->words && !n->assignments && !n->redirects) unexpected(p, NULL);
        return n;
    }
}

struct node *parse_one(struct parser *p) {
    if (p->depth > PARSE_DEPTH_MAX) syntax_error(p, "nested too deeply");
    if (p->failed) return NULL;
    p->depth++;
    peek_command_token(p);
    struct node *n = parse_compound(p);
    if (n) {
        struct redirect **end = &n->redirects;
        while (!p->failed && parse_redirect(p, &end)) continue;
    } else if (!p->failed) {
        const char *s = token_word(p);
        if (s && is_reserved(s)) {
            unexpected(p, NULL);
        } else {
            n = parse_simple(p);
        }
    }
    p->depth--;
    return p->failed ? NULL : n;
}

static struct node *parse_pipeline(struct parser *p) {
    struct node *negation = NULL;
    peek_command_token(p);
    if (at_reserved(p, "!")) {
        skip_token(p);
        negation = parser_node(p, NODE_NOT);
    }
    struct node *n = parse_one(p);
    if (peek_token(p) == TOK_PIPE) {
        struct node *pipeline = parser_node(p, NODE_PIPELINE);
        pipeline->first = n;
        while (!p->failed && peek_token(p) == TOK_PIPE) {
            skip_token(p);
            skip_to_command(p);
            n->next = parse_one(p);
            n = n->next;
        }
        n = pipeline;
    }
    if (!negation) return n;
    negation->first = n;
    return negation;
}

static struct node *parse_and_or(struct parser *p) {
    struct node *first = parse_pipeline(p), *list = NULL, **end = NULL;
    while (!p->failed && (peek_token(p) == TOK_AND_IF || p->token == TOK_OR_IF)) {
        struct node *link = parser_node(p, p->token == TOK_AND_IF ? NODE_AND : NODE_OR);
        skip_token(p);
        skip_to_command(p);
        link->first = parse_pipeline(p);
        if (!list) {
            list = parser_node(p, NODE_AND_OR);
            list->first = first;
            end = &list->second;
        }
        *end = link;
        end = &link->next;
    }
    return list ? list : first;
}

static int ends_list(struct parser *p) {
    skip_to_command(p);
    switch (peek_command_token(p)) {
    case TOK_END:
    case TOK_RPAREN:
    case TOK_DSEMI:
    case TOK_SEMI_AND: return 1;
    case TOK_WORD: {
        static const char *const closing[] = {"}", "do", "done", "elif", "else", "esac", "fi", "then"};
        const char *s = token_word(p);
        for (size_t i = 0; s && i < sizeof closing / sizeof *closing; i++) {
            if (strcmp(s, closing[i]) == 0) return 1;
        }
        return 0;
    }
    default: return 0;
    }
}

static void append(struct parser *p, struct node *list, struct node ***end, struct node *n) {
    (void)list;
    if (n && !p->failed && peek_token(p) == TOK_AMP) {
        struct node *async = parser_node(p, NODE_ASYNC);
        async->first = n;
        n = async;
    }
    **end = n;
    if (n) *end = &n->next;
}

/* Commands up to a closing word or parenthesis; NULL if there are none. */
struct node *parse_commands(struct parser *p) {
    struct node *list = parser_node(p, NODE_SEQUENCE), **end = &list->first;
    skip_linebreaks(p);
    while (!p->failed && !ends_list(p)) {
        append(p, list, &end, parse_and_or(p));
        enum token t = peek_token(p);
        if (t != TOK_SEMI && t != TOK_AMP && t != TOK_NEWLINE) break;
        skip_token(p);
        skip_linebreaks(p);
    }
    if (p->failed || !list->first) return NULL;
    return list->first->next ? list : list->first;
}

struct node *parse_commands_required(struct parser *p) {
    struct node *n = parse_commands(p);
    if (!n && !p->failed) unexpected(p, NULL);
    return n;
}

/* One complete command, up to its newline. */
struct node *parse_command(struct parser *p, int *at_end) {
    *at_end = 0;
    p->have_token = 0;
    skip_to_command(p);
    if (p->token == TOK_END || p->failed) {
        *at_end = 1;
        return NULL;
    }
    struct node *list = parser_node(p, NODE_SEQUENCE), **end = &list->first;
    for (;;) {
        append(p, list, &end, parse_and_or(p));
        enum token t = peek_token(p);
        if (p->failed) return NULL;
        if (t == TOK_SEMI || t == TOK_AMP) {
            skip_token(p);
            t = peek_command_token(p);
            if (t != TOK_NEWLINE && t != TOK_END) continue;
        }
        if (t != TOK_NEWLINE && t != TOK_END) unexpected(p, NULL);
        break;
    }
    if (p->failed) return NULL;
    return list->first->next ? list : list->first;
}

/* The inside of $(...), up to its parenthesis, or of `...`, up to the end of its text. */
struct node *parse_substitution(struct parser *p) {
    struct redirect **heredocs = p->heredocs;
    int count = p->heredoc_count, cap = p->heredoc_cap;
    p->heredocs = NULL;
    p->heredoc_count = p->heredoc_cap = 0;
    p->have_token = 0;
    if (++p->depth > PARSE_DEPTH_MAX) syntax_error(p, "nested too deeply");
    struct node *n = parse_commands(p);
    enum token close = p->closes_at_end ? TOK_END : TOK_RPAREN;
    if (!p->failed && peek_token(p) != close) unexpected(p, p->closes_at_end ? NULL : ")");
    p->depth--;
    p->have_token = 0;
    free_heredocs(p);
    p->heredocs = heredocs;
    p->heredoc_count = count;
    p->heredoc_cap = cap;
    return p->failed ? NULL : n;
}
