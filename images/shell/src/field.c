/* Field splitting (XCU 2.6.5), then pathname expansion of each field. */
#include <string.h>

#include "shell.h"

static const char specials[] = "*?[]!-^\\";

/* The bytes of [from, to) as a pattern: what was quoted matches only itself. */
char *marked_pattern(struct marked *m, size_t from, size_t to) {
    char *s = arena_alloc(&sh.temp, (to - from) * 2 + 1);
    size_t n = 0;
    for (size_t i = from; i < to; i++) {
        int attr = m->attr.s[i];
        if (attr & ATTR_NULL) continue;
        char c = attr & ATTR_BREAK ? ' ' : m->text.s[i];
        if ((attr & ATTR_QUOTED) && strchr(specials, c) && c) s[n++] = '\\';
        s[n++] = c;
    }
    s[n] = '\0';
    return s;
}

static int may_glob(const struct marked *m, size_t from, size_t to) {
    if (sh.options & OPT_NOGLOB) return 0;
    for (size_t i = from; i < to; i++) {
        if (m->attr.s[i] & (ATTR_QUOTED | ATTR_NULL | ATTR_BREAK)) continue;
        char c = m->text.s[i];
        if (c == '*' || c == '?' || c == '[') return 1;
    }
    return 0;
}

static void emit(struct marked *m, size_t from, size_t to, struct fields *out) {
    if (may_glob(m, from, to)) {
        struct arena_mark mark = arena_tell(&sh.temp);
        char *pattern = marked_pattern(m, from, to);
        if (glob_expand(pattern, out)) return;
        arena_rewind(&sh.temp, mark);
    }
    char *s = arena_alloc(&sh.temp, to - from + 1);
    size_t n = 0;
    for (size_t i = from; i < to; i++) {
        if (!(m->attr.s[i] & (ATTR_NULL | ATTR_BREAK))) s[n++] = m->text.s[i];
    }
    s[n] = '\0';
    field_add(out, s);
}

void split_fields(struct marked *m, struct fields *out) {
    const char *ifs = ifs_get();
    size_t start = 0;
    int in_field = 0;
    int after_blank = 0; /* blanks ended a field: a delimiter next belongs to them */
    for (size_t i = 0; i < m->text.len; i++) {
        int attr = m->attr.s[i];
        char c = m->text.s[i];
        int is_break = attr & ATTR_BREAK;
        int delimits = (attr & ATTR_SPLIT) && c && strchr(ifs, c);
        if (!is_break && !delimits) {
            if (!in_field) start = i;
            in_field = 1;
            after_blank = 0;
            continue;
        }
        int blank = c == ' ' || c == '\t' || c == '\n';
        if (in_field) {
            emit(m, start, i, out);
            after_blank = blank && !is_break;
        } else if (delimits && !blank) {
            if (!after_blank) field_add(out, arena_alloc(&sh.temp, 1));
            after_blank = 0;
        }
        in_field = 0;
    }
    if (in_field) emit(m, start, m->text.len, out);
}
