/* Expansion of words: parts become bytes that remember where they came from. */
#include <stdlib.h>
#include <string.h>

#include "shell.h"

void marked_add(struct marked *m, const char *s, size_t n, int attr) {
    if (!n) return;
    buf_add(&m->text, s, n);
    buf_reserve(&m->attr, n);
    memset(m->attr.s + m->attr.len, attr, n);
    m->attr.len += n;
}

void marked_free(struct marked *m) {
    buf_free(&m->text);
    buf_free(&m->attr);
}

void field_add(struct fields *f, char *s) {
    if (f->count + 2 > f->cap) {
        int cap = f->cap ? f->cap * 2 : 8;
        char **v = arena_alloc(&sh.temp, (size_t)cap * sizeof *v);
        if (f->count) memcpy(v, f->v, (size_t)f->count * sizeof *v);
        f->v = v;
        f->cap = cap;
    }
    f->v[f->count++] = s;
    f->v[f->count] = NULL;
}

/* ~ or ~/x: only HOME is known; there are no other users here. Returns bytes taken. */
static size_t expand_tilde(const char *s, size_t n, int more, int assign, struct marked *m) {
    if (n == 0 || s[0] != '~') return 0;
    if (n == 1 ? more : s[1] != '/' && !(assign && s[1] == ':')) return 0;
    const char *home = var_get("HOME");
    if (!home) return 0;
    if (*home) {
        marked_add(m, home, strlen(home), ATTR_QUOTED);
    } else {
        marked_add(m, "", 1, ATTR_NULL);
    }
    return 1;
}

static void expand_text(const struct part *p, struct marked *m, int flags, int first) {
    const char *s = p->text;
    size_t n = p->len;
    if (p->quoted) {
        if (n == 0) {
            marked_add(m, "", 1, ATTR_NULL);
        } else {
            marked_add(m, s, n, ATTR_QUOTED);
        }
        return;
    }
    int attr = flags & EXPAND_OPERAND ? ATTR_SPLIT : 0;
    int assign = flags & EXPAND_ASSIGN;
    if (flags & EXPAND_NO_TILDE) {
        marked_add(m, s, n, attr);
        return;
    }
    size_t done = 0;
    if (first) done = expand_tilde(s, n, p->next != NULL, assign, m);
    for (size_t i = done; assign && i < n; i++) {
        if (s[i] != ':') continue;
        marked_add(m, s + done, i + 1 - done, attr);
        done = i + 1;
        done += expand_tilde(s + done, n - done, p->next != NULL, assign, m);
    }
    marked_add(m, s + done, n - done, attr);
}

void expand_parts(const struct part *parts, struct marked *m, int flags) {
    depth_enter();
    for (const struct part *p = parts; p; p = p->next) {
        switch (p->kind) {
        case PART_TEXT: expand_text(p, m, flags, p == parts); break;
        case PART_PARAM: expand_param(p, m, flags); break;
        case PART_COMMAND: substitute_command(p, m); break;
        default: {
            char *s = expand_arith(p->inner);
            marked_add(m, s, strlen(s), p->quoted ? ATTR_QUOTED : ATTR_SPLIT);
        }
        }
    }
    depth_leave();
}

static int is_literal(const struct word *w) {
    const struct part *p = w->parts;
    if (!p || p->next || p->kind != PART_TEXT) return 0;
    return p->quoted || !(p->text[0] == '~' || memchr(p->text, ':', p->len));
}

void expand_word(const struct word *w, struct fields *out) {
    if (is_literal(w) && (w->parts->quoted || !pattern_has_special(w->parts->text))) {
        field_add(out, arena_copy(&sh.temp, w->parts->text, w->parts->len));
        return;
    }
    struct marked m = {0};
    expand_parts(w->parts, &m, EXPAND_SPLIT);
    split_fields(&m, out);
    marked_free(&m);
}

/* Everything as one string; what separated fields becomes a blank. */
static char *as_string(struct marked *m, size_t *len) {
    char *s = arena_alloc(&sh.temp, m->text.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < m->text.len; i++) {
        if (m->attr.s[i] & ATTR_BREAK) s[n++] = ' ';
        if (!(m->attr.s[i] & (ATTR_BREAK | ATTR_NULL))) s[n++] = m->text.s[i];
    }
    s[n] = '\0';
    if (len) *len = n;
    marked_free(m);
    return s;
}

static char *expand_flat(const struct part *parts, int flags) {
    struct marked m = {0};
    expand_parts(parts, &m, flags);
    return as_string(&m, NULL);
}

char *expand_string(const struct word *w) {
    if (is_literal(w)) return arena_copy(&sh.temp, w->parts->text, w->parts->len);
    return expand_flat(w->parts, 0);
}

char *expand_assigned(const struct word *w) {
    if (is_literal(w)) return arena_copy(&sh.temp, w->parts->text, w->parts->len);
    return expand_flat(w->parts, EXPAND_ASSIGN);
}

char *expand_pattern(const struct part *parts) {
    struct marked m = {0};
    expand_parts(parts, &m, 0);
    char *s = marked_pattern(&m, 0, m.text.len);
    marked_free(&m);
    return s;
}

char *expand_heredoc(const struct part *parts, size_t *len) {
    struct marked m = {0};
    expand_parts(parts, &m, EXPAND_NO_TILDE);
    return as_string(&m, len);
}

char *expand_arith(const struct part *parts) {
    char *expression = expand_flat(parts, EXPAND_NO_TILDE);
    struct buf b = {0};
    buf_printf(&b, "%lld", (long long)arith_eval(expression));
    char *s = arena_copy(&sh.temp, b.s, b.len);
    buf_free(&b);
    return s;
}
