/* Words: quoting, and the expansions inside them. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"
#include "shell.h"

/* Collects parts; neighbouring text of one quotedness becomes one part. */
struct builder {
    struct parser *p;
    struct part *first, **end;
    struct buf text;
    int text_quoted, has_text;
};

static struct part *add_part(struct builder *b, enum part_kind kind, int quoted) {
    struct part *part = arena_alloc(b->p->arena, sizeof *part);
    part->kind = (unsigned char)kind;
    part->quoted = (unsigned char)quoted;
    part->line = b->p->line;
    *b->end = part;
    b->end = &part->next;
    return part;
}

static void flush_text(struct builder *b) {
    if (!b->has_text) return;
    struct part *part = add_part(b, PART_TEXT, b->text_quoted);
    part->text = arena_copy(b->p->arena, b->text.s, b->text.len);
    part->len = b->text.len;
    b->text.len = 0;
    b->has_text = 0;
}

/* With n = 0 and quoted: marks the place of an empty quoted string. */
static void add_text(struct builder *b, int quoted, int c) {
    if (b->has_text && b->text_quoted != quoted) flush_text(b);
    b->has_text = 1;
    b->text_quoted = quoted;
    if (c != CHAR_END) buf_putc(&b->text, (char)c);
}

size_t name_length(const char *s, size_t n) {
    size_t i = 0;
    while (i < n && (s[i] == '_' || isalpha((unsigned char)s[i]) ||
                     (i && isdigit((unsigned char)s[i]))))
        i++;
    return i;
}

const char *plain_text(const struct part *parts) {
    if (!parts || parts->next || parts->kind != PART_TEXT || parts->quoted) return NULL;
    return parts->text;
}

static void read_single_quoted(struct builder *b) {
    add_text(b, 1, CHAR_END);
    for (;;) {
        int c = read_raw(b->p);
        if (c == '\'') return;
        if (c == CHAR_END) {
            syntax_error(b->p, "Unterminated quoted string");
            return;
        }
        add_text(b, 1, c);
    }
}

static void read_dollar(struct builder *b, int quoted, int in_quotes);
static void read_backquote(struct builder *b, int quoted, int in_quotes);

static void read_double_quoted(struct builder *b) {
    struct part **before = b->end;
    for (;;) {
        int c = read_char(b->p);
        if (c == CHAR_END) {
            syntax_error(b->p, "Unterminated quoted string");
            return;
        }
        if (c == '"') break;
        if (c == '$') {
            read_dollar(b, 1, 1);
        } else if (c == '`') {
            read_backquote(b, 1, 1);
        } else if (c == '\\') {
            int next = read_raw(b->p);
            if (next == CHAR_END || !strchr("$`\"\\", next)) add_text(b, 1, '\\');
            if (next != CHAR_END) add_text(b, 1, next);
        } else {
            add_text(b, 1, c);
        }
    }
    /* "" is a field; "$@" without parameters is none, so only the first leaves a mark. */
    if (b->end == before && !(b->has_text && b->text_quoted)) add_text(b, 1, CHAR_END);
}

static int is_special_param(int c) { return c != CHAR_END && strchr("@*#?-$!", c) != NULL; }

/* Name of a parameter in ${...} or after $; length 0 if there is none. */
static void read_param_name(struct builder *b, struct buf *name, int braces) {
    int c = read_char(b->p);
    if (is_special_param(c) || (!braces && c != CHAR_END && isdigit(c))) {
        buf_putc(name, (char)c);
        return;
    }
    int digits = c != CHAR_END && isdigit(c);
    while (c != CHAR_END && (digits ? isdigit(c) != 0 : c == '_' || isalnum(c))) {
        buf_putc(name, (char)c);
        c = read_char(b->p);
    }
    unread_char(b->p, c);
}

/* The operator after the name; 0 at a lone }, -1 if it is none. */
static void read_operator(struct builder *b, struct part *part) {
    int c = read_char(b->p);
    if (c == ':') {
        part->colon = 1;
        c = read_char(b->p);
    }
    switch (c) {
    case '-': part->op = OP_DEFAULT; return;
    case '=': part->op = OP_ASSIGN; return;
    case '?': part->op = OP_REQUIRE; return;
    case '+': part->op = OP_ALTERNATE; return;
    default: break;
    }
    if (part->colon || (c != '#' && c != '%')) {
        part->op = OP_BAD;
        unread_char(b->p, c);
        return;
    }
    int next = read_char(b->p);
    int twice = next == c;
    if (!twice) unread_char(b->p, next);
    if (c == '#') part->op = twice ? OP_PREFIX_LONG : OP_PREFIX;
    if (c == '%') part->op = twice ? OP_SUFFIX_LONG : OP_SUFFIX;
}

/* After "${#": is it a length? If not, # itself is the parameter. */
static int read_length_name(struct builder *b, struct buf *name) {
    int c = read_char(b->p);
    if (c == '}') {
        unread_char(b->p, c);
        return 0;
    }
    if (is_special_param(c)) {
        int next = read_char(b->p);
        unread_char(b->p, next);
        if (next != '}') {
            unread_char(b->p, c);
            return 0;
        }
        buf_putc(name, (char)c);
        return 1;
    }
    unread_char(b->p, c);
    if (c == CHAR_END || (c != '_' && !isalnum(c))) return 0;
    read_param_name(b, name, 1);
    return 1;
}

static void read_braced(struct builder *b, int quoted, int in_quotes) {
    struct parser *p = b->p;
    struct part *part = add_part(b, PART_PARAM, quoted);
    struct buf name = {0};
    read_param_name(b, &name, 1);
    if (name.len == 1 && name.s[0] == '#') {
        struct buf measured = {0};
        if (read_length_name(b, &measured)) {
            part->op = OP_LENGTH;
            buf_free(&name);
            name = measured;
        }
    }
    int c = read_char(p);
    if (c != '}') {
        unread_char(p, c);
        if (name.len == 0 || part->op == OP_LENGTH) {
            part->op = OP_BAD;
        } else {
            read_operator(b, part);
        }
        int pattern = part->op >= OP_PREFIX && part->op <= OP_SUFFIX_LONG;
        part->inner = parse_parts(p, in_quotes && !pattern ? IN_BRACE_QUOTED : IN_BRACE);
        if (read_raw(p) != '}') syntax_error(p, "Missing '}'");
    } else if (name.len == 0) {
        part->op = OP_BAD;
    }
    part->text = arena_copy(p->arena, name.s, name.len);
    part->len = name.len;
    buf_free(&name);
}

/* Skips a quoted piece while looking for the end of $((...)). */
static void scan_quoted(struct parser *p, struct buf *raw, int quote) {
    for (int c = read_raw(p); c != CHAR_END; c = read_raw(p)) {
        buf_putc(raw, (char)c);
        if (c == quote) return;
        if (c == '\\' && quote != '\'') {
            c = read_raw(p);
            if (c != CHAR_END) buf_putc(raw, (char)c);
        }
    }
}

/* Text of $((...)) after the first two parentheses. 1: it ends in )), it is arithmetic;
 * 0: it was $( (...) ...) and the text holds what was read so far. */
static int scan_arith(struct parser *p, struct buf *raw) {
    int depth = 0;
    for (;;) {
        int c = read_char(p);
        if (c == CHAR_END) {
            syntax_error(p, "Missing '))'");
            return 1;
        }
        if (c == ')' && depth == 0) {
            int next = read_char(p);
            if (next == ')') return 1;
            unread_char(p, next);
            buf_putc(raw, ')');
            return 0;
        }
        buf_putc(raw, (char)c);
        if (c == '(') depth++;
        if (c == ')') depth--;
        if (c == '\'' || c == '"' || c == '`') scan_quoted(p, raw, c);
        if (c == '\\') {
            c = read_raw(p);
            if (c != CHAR_END) buf_putc(raw, (char)c);
        }
    }
}

static void read_command(struct builder *b, int quoted) {
    struct part *part = add_part(b, PART_COMMAND, quoted);
    part->body = parse_substitution(b->p);
}

static void read_arith(struct builder *b, int quoted) {
    struct buf raw = {0};
    buf_putc(&raw, '(');
    if (scan_arith(b->p, &raw)) {
        struct part *part = add_part(b, PART_ARITH, quoted);
        part->inner = parse_text(b->p, raw.s + 1, raw.len - 1, IN_ARITH);
        buf_free(&raw);
    } else {
        push_text(b->p, raw.s, raw.len, NULL);
        read_command(b, quoted);
    }
}

static void read_dollar(struct builder *b, int quoted, int in_quotes) {
    struct parser *p = b->p;
    int c = read_char(p);
    if (c == '{' || c == '(') {
        flush_text(b);
        if (c == '{') {
            read_braced(b, quoted, in_quotes);
        } else if (peek_char(p) == '(') {
            read_char(p);
            read_arith(b, quoted);
        } else {
            read_command(b, quoted);
        }
        return;
    }
    unread_char(p, c);
    if (c == CHAR_END || !(is_special_param(c) || c == '_' || isalnum(c))) {
        add_text(b, quoted, '$');
        return;
    }
    flush_text(b);
    struct part *part = add_part(b, PART_PARAM, quoted);
    struct buf name = {0};
    read_param_name(b, &name, 0);
    part->text = arena_copy(p->arena, name.s, name.len);
    part->len = name.len;
    buf_free(&name);
}

/* `...`: the text with one level of backslashes removed is a script of its own. */
static void read_backquote(struct builder *b, int quoted, int in_quotes) {
    struct parser *p = b->p;
    struct buf text = {0};
    int line = p->line;
    for (;;) {
        int c = read_raw(p);
        if (c == '`') break;
        if (c == CHAR_END) {
            syntax_error(p, "EOF in backquote substitution");
            break;
        }
        if (c == '\\') {
            int next = read_raw(p);
            if (next == '\n') continue;
            int special = next == '$' || next == '`' || next == '\\' || (next == '"' && in_quotes);
            if (!special) buf_putc(&text, '\\');
            c = next;
            if (c == CHAR_END) continue;
        }
        buf_putc(&text, (char)c);
    }
    flush_text(b);
    struct part *part = add_part(b, PART_COMMAND, quoted);
    if (!p->failed) {
        struct parser inner;
        parser_open_text(&inner, text.s, text.len, line);
        inner.arena = p->arena;
        inner.depth = p->depth + 1;
        inner.closes_at_end = 1;
        part->body = parse_substitution(&inner);
        p->failed = inner.failed;
        parser_close(&inner);
    }
    buf_free(&text);
}

static int ends_word(enum word_context ctx, int c) {
    if (c == CHAR_END) return 1;
    if (ctx == IN_BRACE || ctx == IN_BRACE_QUOTED) return c == '}';
    return ctx == IN_WORD && strchr(" \t\n&|;<>()", c) != NULL;
}

static void read_backslash(struct builder *b, enum word_context ctx) {
    int c = read_raw(b->p);
    int quoted_text = ctx == IN_BRACE_QUOTED || ctx == IN_HEREDOC || ctx == IN_ARITH;
    if (c == CHAR_END) {
        add_text(b, ctx != IN_WORD, '\\');
    } else if (!quoted_text) {
        add_text(b, 1, c);
    } else {
        int escapes = strchr("$`\\", c) != NULL ||
                      (ctx == IN_BRACE_QUOTED && (c == '"' || c == '}'));
        if (!escapes) add_text(b, 1, '\\');
        add_text(b, 1, c);
    }
}

struct part *parse_parts(struct parser *p, enum word_context ctx) {
    struct builder b = {.p = p};
    b.end = &b.first;
    int quoted = ctx != IN_WORD && ctx != IN_BRACE;
    if (++p->depth > 400) syntax_error(p, "nested too deeply");
    for (;;) {
        int c = read_char(p);
        if (ends_word(ctx, c)) {
            unread_char(p, c);
            break;
        }
        if (c == '\\') {
            read_backslash(&b, ctx);
        } else if (c == '$') {
            read_dollar(&b, quoted, quoted);
        } else if (c == '`') {
            read_backquote(&b, quoted, quoted);
        } else if (c == '"' && ctx != IN_HEREDOC) {
            if (ctx != IN_ARITH) read_double_quoted(&b);
        } else if (c == '\'' && !quoted) {
            read_single_quoted(&b);
        } else {
            add_text(&b, quoted, c);
        }
    }
    flush_text(&b);
    buf_free(&b.text);
    p->depth--;
    return p->failed ? NULL : b.first;
}

/* Parts of a text that was already cut out of the script. */
struct part *parse_text(struct parser *p, const char *s, size_t n, enum word_context ctx) {
    struct parser inner;
    parser_open_text(&inner, s, n, p->line);
    inner.arena = p->arena;
    inner.depth = p->depth + 1;
    struct part *parts = parse_parts(&inner, ctx);
    if (inner.failed) p->failed = 1;
    parser_close(&inner);
    return parts;
}
