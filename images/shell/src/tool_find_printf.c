/* find -printf. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool_find.h"

static const char directives[] = "%abcdfgGhHiklmMnpPstuUyYACT";

void find_printf_check(const char *format) {
    for (const char *s = format; (s = strchr(s, '%')); s++) {
        s++;
        s += strspn(s, "-+ #0");
        s += strspn(s, "0123456789.");
        if (!*s) find_die("error: %% at end of format string");
        if (!strchr(directives, *s)) find_die("-printf directive %%%c is not supported in the WASI lane", *s);
        if (strchr("ACT", *s) && !*++s) find_die("error: the format directive `%%%c' needs a field", s[-1]);
    }
}

static const char *put_escape(const char *s) {
    static const char from[] = "abfnrtv\\", to[] = "\a\b\f\n\r\t\v\\";
    const char *at;
    int value = 0, n = 0;

    if (*s >= '0' && *s <= '7') {
        for (; n < 3 && *s >= '0' && *s <= '7'; n++, s++) value = value * 8 + *s - '0';
        putchar(value);
        return s;
    }
    at = *s ? strchr(from, *s) : NULL;
    if (at) {
        putchar(to[at - from]);
        return s + 1;
    }
    putchar('\\');
    if (*s) putchar(*s++);
    return s;
}

static char *format_time(struct timespec t, char field) {
    char format[] = {'%', field, '\0'};

    if (field == '@') return date_format("%s.%N0", t);
    if (field == '+') return date_format("%Y-%m-%d+%H:%M:%S.%N0", t);
    if (field == 'S') return date_format("%S.%N0", t);
    if (field == 'T' || field == 'X') return date_format("%H:%M:%S.%N0", t);
    return date_format(format, t);
}

static char *number_text(long long n) {
    char text[24];

    snprintf(text, sizeof text, "%lld", n);
    return xstrdup(text);
}

static char *mode_string(struct find *f, const struct stat *st, char directive) {
    int mode = entry_mode(f->entry->path, st);
    char text[11];

    if (directive == 'm')
        snprintf(text, sizeof text, "%o", (unsigned)mode & 07777);
    else
        mode_text(st->st_mode, mode, text);
    return xstrdup(text);
}

static char *type_string(struct find *f, bool follow) {
    static const struct {
        mode_t type;
        const char *letter;
    } letters[] = {{S_IFDIR, "d"}, {S_IFREG, "f"}, {S_IFLNK, "l"}, {S_IFCHR, "c"}, {S_IFBLK, "b"}, {S_IFIFO, "p"}};
    const struct stat *st = walk_stat(f->walk);
    struct stat target;

    if (follow && st && S_ISLNK(st->st_mode)) {
        if (stat(f->entry->path, &target)) return xstrdup(errno == ENOENT ? "N" : errno == ELOOP ? "L" : "?");
        st = &target;
    }
    for (size_t i = 0; st && i < COUNT_OF(letters); i++)
        if ((st->st_mode & S_IFMT) == letters[i].type) return xstrdup(letters[i].letter);
    return xstrdup("U");
}

static char *dir_of(const char *path) {
    const char *base = path_base(path);
    size_t n = (size_t)(base - path);
    char *dir = xstrdup(path);

    dir[n > 1 ? n - 1 : n] = '\0';
    if (*dir) return dir;
    free(dir);
    return xstrdup(".");
}

static char *cut(const char *s, size_t n) {
    char *out = xstrdup(s);

    out[n] = '\0';
    return out;
}

static char *stat_text(struct find *f, const struct stat *st, char c, char field) {
    switch (c) {
    case 'b': return number_text(stat_blocks(st));
    case 'i': return number_text((long long)st->st_ino);
    case 'k': return number_text(stat_blocks(st) / 2);
    case 'm':
    case 'M': return mode_string(f, st, c);
    case 'n': return number_text((long long)st->st_nlink);
    case 's': return number_text(stat_size(st));
    case 't': return date_format("%a %b %e %H:%M:%S.%N0 %Y", st->st_mtim);
    case 'a': return date_format("%a %b %e %H:%M:%S.%N0 %Y", st->st_atim);
    case 'c': return date_format("%a %b %e %H:%M:%S.%N0 %Y", st->st_ctim);
    case 'T': return format_time(st->st_mtim, field);
    case 'A': return format_time(st->st_atim, field);
    case 'C': return format_time(st->st_ctim, field);
    default: return xstrdup("");
    }
}

static char *directive_text(struct find *f, char c, char field) {
    const struct walk_entry *e = f->entry;
    const char *base = path_base(e->path), *below = e->path + e->root_len;
    const struct stat *st;
    char *target;

    switch (c) {
    case '%': return xstrdup("%");
    case 'd': return number_text(e->depth);
    case 'f': return cut(base, path_trim(base));
    case 'h': return dir_of(e->path);
    case 'H': return cut(e->path, e->root_len);
    case 'p': return xstrdup(e->path);
    case 'P': return xstrdup(below + strspn(below, "/"));
    case 'u': return xstrdup(USER_NAME);
    case 'g': return xstrdup(GROUP_NAME);
    case 'U':
    case 'G': return xstrdup(USER_ID_TEXT);
    case 'y': return type_string(f, false);
    case 'Y': return type_string(f, true);
    case 'l':
        target = e->type == DT_LNK ? link_target(e->path) : NULL;
        return target ? target : xstrdup("");
    default: st = walk_stat(f->walk); return st ? stat_text(f, st, c, field) : xstrdup("");
    }
}

static void put_padded(const char *spec, size_t spec_len, const char *text) {
    bool left = memchr(spec, '-', spec_len), zero = false;
    int width = 0, precision = -1, n = (int)strlen(text);

    for (size_t i = 0; i < spec_len; i++) {
        if (spec[i] == '.')
            precision = 0;
        else if (spec[i] >= '0' && spec[i] <= '9') {
            int *to = precision >= 0 ? &precision : &width;

            if (to == &width && !width && spec[i] == '0') zero = true;
            if (*to < 10000) *to = *to * 10 + spec[i] - '0';
        }
    }
    if (precision >= 0 && precision < n) n = precision;
    for (int i = n; !left && i < width; i++) putchar(zero && strspn(text, "0123456789") == strlen(text) ? '0' : ' ');
    fwrite(text, 1, (size_t)n, stdout);
    for (int i = n; left && i < width; i++) putchar(' ');
}

void find_printf(struct find *f, const char *s) {
    while (*s) {
        const char *spec;
        char *text, c;

        if (*s == '\\' && s[1] == 'c') {
            fflush(stdout);
            return;
        }
        if (*s == '\\') {
            s = put_escape(s + 1);
            continue;
        }
        if (*s != '%') {
            putchar(*s++);
            continue;
        }
        spec = ++s;
        s += strspn(s, "-+ #0");
        s += strspn(s, "0123456789.");
        c = *s++;
        text = directive_text(f, c, *s);
        put_padded(spec, (size_t)(s - 1 - spec), text ? text : "");
        free(text);
        if (strchr("ACT", c)) s++;
    }
}
