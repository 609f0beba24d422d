/* Characters of a script, one after the other. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parse.h"
#include "shell.h"
#include "tool.h"

void parser_open_text(struct parser *p, const char *text, size_t len, int line) {
    memset(p, 0, sizeof *p);
    p->source = &p->base;
    p->base.start = p->base.p = text;
    p->base.end = text + len;
    p->base.fd = -1;
    p->base.counts_lines = 1;
    p->line = line;
}

void parser_open_fd(struct parser *p, int fd) {
    parser_open_text(p, "", 0, 1);
    p->base.fd = fd;
}

/* One line, and not a byte more: commands of the script may read what follows. */
static void read_line(struct source *s) {
    struct buf line = {0};
    int can_seek = lseek(s->fd, 0, SEEK_CUR) >= 0;
    size_t step = can_seek ? 1024 : 1;
    for (;;) {
        buf_reserve(&line, step);
        ssize_t n = read(s->fd, line.s + line.len, step);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            s->at_end = 1;
            break;
        }
        char *newline = memchr(line.s + line.len, '\n', (size_t)n);
        line.len += (size_t)n;
        if (!newline) continue;
        size_t used = (size_t)(newline + 1 - line.s);
        if (used < line.len) lseek(s->fd, -(off_t)(line.len - used), SEEK_CUR);
        line.len = used;
        break;
    }
    free(s->owned);
    s->owned = line.s;
    s->start = s->p = line.s;
    s->end = line.s + line.len;
    if (line.len && (sh.options & OPT_VERBOSE)) write_all(2, line.s, line.len);
}

/* A text that is read up goes away. Its alias stays in use until the token is complete:
 * else aliases that name each other would never end. */
static void pop_text(struct parser *p) {
    struct source *s = p->source;
    p->source = s->below;
    if (s->alias && s->end > s->start && (s->end[-1] == ' ' || s->end[-1] == '\t')) p->alias_next = 1;
    s->below = p->ended;
    p->ended = s;
}

void release_ended(struct source *ended) {
    while (ended) {
        struct source *s = ended;
        ended = s->below;
        if (s->alias) s->alias->in_use = 0;
        free(s->owned);
        free(s);
    }
}

void parser_close(struct parser *p) {
    while (p->source != &p->base) pop_text(p);
    release_ended(p->ended);
    p->ended = NULL;
    free(p->base.owned);
    free(p->heredocs);
    p->base.owned = NULL;
    p->heredocs = NULL;
}

static void show_line(struct source *s) {
    const char *newline = memchr(s->p, '\n', (size_t)(s->end - s->p));
    s->to_show = newline ? newline + 1 : s->end;
    if (sh.options & OPT_VERBOSE) write_all(2, s->p, (size_t)(s->to_show - s->p));
}

int read_raw(struct parser *p) {
    for (;;) {
        struct source *s = p->source;
        if (p->failed) return CHAR_END;
        if (s->p < s->end) {
            if (s->p == s->to_show) show_line(s);
            int c = (unsigned char)*s->p++;
            if (c == '\0') continue;
            if (c == '\n' && s->counts_lines) p->line++;
            return c;
        }
        if (s->below) {
            pop_text(p);
        } else {
            if (s->fd < 0 || s->at_end) return CHAR_END;
            read_line(s);
        }
    }
}

void unread_char(struct parser *p, int c) {
    struct source *s = p->source;
    if (c == CHAR_END || s->p == s->start) return;
    s->p--;
    if (c == '\n' && s->counts_lines) p->line--;
}

int read_char(struct parser *p) {
    for (;;) {
        int c = read_raw(p);
        if (c != '\\') return c;
        int next = read_raw(p);
        if (next != '\n') {
            unread_char(p, next);
            return c;
        }
    }
}

int peek_char(struct parser *p) {
    int c = read_char(p);
    unread_char(p, c);
    return c;
}

int parser_is_empty(struct parser *p) {
    const struct source *s = p->source;
    if (s->below || s->fd >= 0) return 0;
    for (const char *c = s->p; c < s->end; c++) {
        if (*c != ' ' && *c != '\t' && *c != '\n') return 0;
    }
    return 1;
}

void push_text(struct parser *p, char *owned, size_t len, struct alias *alias) {
    struct source *s = xmalloc(sizeof *s);
    memset(s, 0, sizeof *s);
    s->below = p->source;
    s->owned = owned;
    s->start = s->p = owned;
    s->end = owned + len;
    s->alias = alias;
    s->fd = -1;
    if (alias) alias->in_use = 1;
    p->source = s;
}

void syntax_error(struct parser *p, const char *fmt, ...) {
    if (p->failed) return;
    p->failed = 1;
    char text[160];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    int line = sh.line;
    sh.line = p->line;
    warn("Syntax error: %s", text);
    sh.line = line;
}
