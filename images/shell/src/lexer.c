/* Tokens, and the reading of here-documents after a newline. */
#include <stdlib.h>
#include <string.h>

#include "parse.h"
#include "shell.h"
#include "tool.h"

const char *token_text(enum token t) {
    static const char *const text[] = {
        "end of file", "newline", "word", "redirection", "\"&&\"", "\"||\"", "\";;\"", "\";&\"",
        "\";\"", "\"&\"", "\"|\"", "\"(\"", "\")\"", "redirection", "redirection", "redirection",
        "redirection", "redirection", "redirection", "redirection", "redirection", "redirection",
    };
    return text[t];
}

void queue_heredoc(struct parser *p, struct redirect *r) {
    if (p->heredoc_count == p->heredoc_cap) {
        p->heredoc_cap = p->heredoc_cap ? p->heredoc_cap * 2 : 4;
        p->heredocs = xrealloc(p->heredocs, (size_t)p->heredoc_cap * sizeof *p->heredocs);
    }
    p->heredocs[p->heredoc_count++] = r;
}

void free_heredocs(struct parser *p) {
    free(p->heredocs);
    p->heredocs = NULL;
    p->heredoc_count = p->heredoc_cap = 0;
}

/* Text up to the closing quote; between backquotes it is all part of the delimiter. */
static void read_quoted_delimiter(struct parser *p, struct buf *text, int quote) {
    for (int c = read_raw(p); c != quote; c = read_raw(p)) {
        if (c == CHAR_END) {
            syntax_error(p, "Unterminated quoted string");
            return;
        }
        if (c == '\\' && quote == '"') {
            int next = read_raw(p);
            if (next == '\n') continue;
            if (next == CHAR_END || !strchr("$`\"\\", next)) buf_putc(text, '\\');
            c = next;
            if (c == CHAR_END) continue;
        }
        buf_putc(text, (char)c);
    }
}

/* The delimiter of a here-document: quotes are removed, nothing is expanded. */
int read_delimiter(struct parser *p, struct redirect *r) {
    struct buf text = {0};
    int c = read_char(p), any = 0;
    while (c == ' ' || c == '\t') c = read_char(p);
    for (; c != CHAR_END && !strchr(" \t\n&|;<>()", c); c = read_char(p)) {
        any = 1;
        if (c == '\'' || c == '"') {
            r->raw = 1;
            read_quoted_delimiter(p, &text, c);
        } else if (c == '`') {
            buf_putc(&text, '`');
            read_quoted_delimiter(p, &text, '`');
            buf_putc(&text, '`');
        } else if (c == '\\') {
            r->raw = 1;
            c = read_raw(p);
            if (c != CHAR_END) buf_putc(&text, (char)c);
        } else {
            buf_putc(&text, (char)c);
        }
    }
    unread_char(p, c);
    if (any) r->delimiter = arena_copy(p->arena, text.s, text.len);
    buf_free(&text);
    return any;
}

/* Takes the backslash off a line that it joins to the next one. */
static int drop_continuation(struct buf *text, size_t start) {
    int joins = 0;
    for (size_t i = text->len; i > start && text->s[i - 1] == '\\'; i--) joins = !joins;
    text->len -= (size_t)joins;
    return joins;
}

/* Reads up to the delimiter's line. Where the text is expanded, a line that a backslash
 * joins to the one before is no line of its own. */
static void read_heredoc(struct parser *p, struct redirect *r) {
    struct buf text = {0};
    for (;;) {
        size_t start = text.len;
        int c = read_raw(p);
        if (r->strip_tabs) {
            while (c == '\t') c = read_raw(p);
        }
        while (c != CHAR_END) {
            if (c == '\n' && (r->raw || !drop_continuation(&text, start))) break;
            if (c != '\n') buf_putc(&text, (char)c);
            c = read_raw(p);
        }
        size_t len = text.len - start;
        if (len == strlen(r->delimiter) &&
            (len == 0 || memcmp(text.s + start, r->delimiter, len) == 0)) {
            text.len = start;
            break;
        }
        if (c == CHAR_END) break;
        buf_putc(&text, '\n');
    }
    if (r->raw) {
        struct part *part = arena_alloc(p->arena, sizeof *part);
        part->kind = PART_TEXT;
        part->quoted = 1;
        part->text = arena_copy(p->arena, text.s, text.len);
        part->len = text.len;
        r->target.parts = part;
    } else {
        r->target.parts = parse_text(p, text.s, text.len, IN_HEREDOC);
    }
    buf_free(&text);
}

static enum token newline(struct parser *p) {
    for (int i = 0; i < p->heredoc_count; i++) read_heredoc(p, p->heredocs[i]);
    p->heredoc_count = 0;
    return TOK_NEWLINE;
}

/* The character after an operator's first one decides; others go back. */
static enum token choose(struct parser *p, int second, enum token with, enum token without) {
    int c = read_char(p);
    if (c == second) return with;
    unread_char(p, c);
    return without;
}

static enum token less(struct parser *p) {
    int c = read_char(p);
    if (c == '<') return choose(p, '-', TOK_DLESSDASH, TOK_DLESS);
    if (c == '&') return TOK_LESSAND;
    if (c == '>') return TOK_LESSGREAT;
    unread_char(p, c);
    return TOK_LESS;
}

static enum token great(struct parser *p) {
    int c = read_char(p);
    if (c == '>') return TOK_DGREAT;
    if (c == '&') return TOK_GREATAND;
    if (c == '|') return TOK_CLOBBER;
    unread_char(p, c);
    return TOK_GREAT;
}

static enum token semicolon(struct parser *p) {
    int c = read_char(p);
    if (c == ';') return TOK_DSEMI;
    if (c == '&') return TOK_SEMI_AND;
    unread_char(p, c);
    return TOK_SEMI;
}

/* Digits right before < or > name a descriptor. */
static int io_number(struct parser *p, const struct part *parts) {
    const char *s = plain_text(parts);
    if (!s || strspn(s, "0123456789") != parts->len || parts->len > 6) return 0;
    int c = peek_char(p);
    if (c != '<' && c != '>') return 0;
    p->number = atoi(s);
    return 1;
}

static enum token read_word(struct parser *p) {
    p->parts = parse_parts(p, IN_WORD);
    if (p->failed) return TOK_END;
    return io_number(p, p->parts) ? TOK_IO_NUMBER : TOK_WORD;
}

/* Aliases whose values end before the token are free again; those that ended inside the
 * last one only if it was not an alias itself. */
static int token_start(struct parser *p) {
    struct source *last = p->ended;
    int c;
    p->ended = NULL;
    do {
        c = read_char(p);
        if (c == '#') {
            while (c != '\n' && c != CHAR_END) c = read_raw(p);
        }
    } while (c == ' ' || c == '\t');
    release_ended(p->ended);
    p->ended = last;
    if (!p->replaced) {
        release_ended(last);
        p->ended = NULL;
    }
    p->replaced = 0;
    return c;
}

enum token next_token(struct parser *p) {
    int c = token_start(p);
    switch (c) {
    case CHAR_END:
        if (p->heredoc_count && !p->failed) newline(p); /* a document that never began is empty */
        return TOK_END;
    case '\n': return newline(p);
    case '&': return choose(p, '&', TOK_AND_IF, TOK_AMP);
    case '|': return choose(p, '|', TOK_OR_IF, TOK_PIPE);
    case ';': return semicolon(p);
    case '(': return TOK_LPAREN;
    case ')': return TOK_RPAREN;
    case '<': return less(p);
    case '>': return great(p);
    default: unread_char(p, c); return read_word(p);
    }
}
