/* echo and read. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shell.h"

/* The escape after a backslash. Returns its end, NULL for \c. */
const char *put_escape(const char *s, struct buf *out, enum escape_style style) {
    static const char from[] = "abfnrtv\\", to[] = "\a\b\f\n\r\t\v\\";
    const char *known = *s ? strchr(from, *s) : NULL;
    if (known) {
        buf_putc(out, to[known - from]);
        return s + 1;
    }
    if (*s == 'c' && style != ESCAPE_FORMAT) return NULL;
    int octal = *s >= '0' && *s <= '7' && (style != ESCAPE_ECHO || *s == '0');
    if (!octal) {
        buf_putc(out, '\\');
        return s;
    }
    if (*s == '0' && style != ESCAPE_FORMAT) s++;
    int n = 0;
    for (int i = 0; i < 3 && *s >= '0' && *s <= '7'; i++) n = n * 8 + (*s++ - '0');
    buf_putc(out, (char)n);
    return s;
}

/* As dash: backslash escapes are understood, -n is the only option. */
int builtin_echo(int argc, char **argv) {
    struct buf b = {0};
    int newline = 1, i = 1;
    if (argc > 1 && strcmp(argv[1], "-n") == 0) {
        newline = 0;
        i = 2;
    }
    for (; i < argc; i++) {
        const char *s = argv[i];
        while (*s) {
            size_t plain = strcspn(s, "\\");
            buf_add(&b, s, plain);
            s += plain;
            if (!*s) break;
            s = put_escape(s + 1, &b, ESCAPE_ECHO);
            if (!s) {
                newline = 0;
                i = argc;
                break;
            }
        }
        if (i + 1 < argc) buf_putc(&b, ' ');
    }
    if (newline) buf_putc(&b, '\n');
    if (b.len) fwrite(b.s, 1, b.len, stdout);
    buf_free(&b);
    return out_finish();
}

/* Reads a line and not more: byte by byte, unless the descriptor can go back. */
struct line_reader {
    char block[512];
    size_t at, end;
    int can_seek;
};

static int next_byte(struct line_reader *r) {
    if (r->at < r->end) return (unsigned char)r->block[r->at++];
    ssize_t n;
    for (;;) {
        n = read(0, r->block, r->can_seek ? sizeof r->block : 1);
        if (n >= 0 || errno != EINTR) break;
        if (trap_note()) return -2;
    }
    if (n < 0) return -3;
    if (n == 0) return -1;
    r->at = 0;
    r->end = (size_t)n;
    return (unsigned char)r->block[r->at++];
}

static void give_back(struct line_reader *r) {
    if (r->at < r->end) lseek(0, -(off_t)(r->end - r->at), SEEK_CUR);
}

/* The line into text; attr tells which bytes a backslash protects. */
static int read_input(struct marked *m, int raw) {
    struct line_reader r;
    r.at = r.end = 0;
    r.can_seek = lseek(0, 0, SEEK_CUR) >= 0;
    int status = 0;
    for (;;) {
        int c = next_byte(&r);
        int quoted = 0;
        if (c == '\\' && !raw) {
            c = next_byte(&r);
            if (c == '\n') continue;
            quoted = 1;
        }
        if (c == '\n' && !quoted) break;
        if (c < 0) {
            if (c == -3) warn("read: read error: %s", strerror(errno));
            status = c == -2 ? 128 + trap_note() : c == -3 ? 2 : 1;
            break;
        }
        char byte = (char)c;
        if (c) marked_add(m, &byte, 1, quoted ? ATTR_QUOTED : ATTR_SPLIT);
    }
    give_back(&r);
    return status;
}

static int delimits(const struct marked *m, size_t i, const char *ifs) {
    return m->attr.s[i] == ATTR_SPLIT && strchr(ifs, m->text.s[i]) != NULL;
}

static int is_blank_delimiter(const struct marked *m, size_t i, const char *ifs) {
    return delimits(m, i, ifs) && strchr(" \t\n", m->text.s[i]) != NULL;
}

static size_t skip_delimiter(const struct marked *m, size_t i, const char *ifs) {
    size_t n = m->text.len;
    while (i < n && is_blank_delimiter(m, i, ifs)) i++;
    if (i < n && delimits(m, i, ifs)) {
        i++;
        while (i < n && is_blank_delimiter(m, i, ifs)) i++;
    }
    return i;
}

static int set_slice(const char *name, const struct marked *m, size_t from, size_t to) {
    char *value = arena_copy(&sh.temp, m->text.s + from, to - from);
    return var_set(name, value);
}

/* The last name takes the rest, less its trailing blanks, and less one delimiter if that
 * ends a field which is the last one anyway. */
static int assign_rest(const char *name, const struct marked *m, size_t from, const char *ifs) {
    size_t end = m->text.len, field = from;
    while (field < end && !delimits(m, field, ifs)) field++;
    if (skip_delimiter(m, field, ifs) >= end) return set_slice(name, m, from, field);
    while (end > from && is_blank_delimiter(m, end - 1, ifs)) end--;
    return set_slice(name, m, from, end);
}

static int assign_fields(const struct marked *m, int count, char **names) {
    const char *ifs = ifs_get();
    size_t at = 0, n = m->text.len;
    while (at < n && is_blank_delimiter(m, at, ifs)) at++;
    for (int i = 0; i < count; i++) {
        if (i == count - 1) return assign_rest(names[i], m, at, ifs);
        size_t end = at;
        while (end < n && !delimits(m, end, ifs)) end++;
        if (set_slice(names[i], m, at, end) < 0) return -1;
        at = skip_delimiter(m, end, ifs);
    }
    return 0;
}

int builtin_read(int argc, char **argv) {
    struct options o = {1, 0, NULL};
    int raw = 0, c;
    while ((c = option_next(&o, argc, argv, "rp:")) != -1) {
        if (c == '?') return 2;
        if (c == 'r') raw = 1;
    }
    char **names = argv + o.at;
    int count = argc - o.at;
    for (int i = 0; i < count; i++) {
        if (is_name(names[i])) continue;
        warn("read: %s: bad variable name", names[i]);
        return 2;
    }
    struct marked m = {0};
    int status = read_input(&m, raw);
    if (status <= 1) {
        int refused = count ? assign_fields(&m, count, names) : set_slice("REPLY", &m, 0, m.text.len);
        if (refused < 0) status = 2;
    }
    marked_free(&m);
    return status;
}
