/* stat. Owner, device and block size are the sandbox's fixed ones. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool_file.h"

#define TIME_FORMAT "%Y-%m-%d %H:%M:%S.%N %z"

struct form {
    const char *format;
    bool escapes, follow; /* escapes: --printf, also no newline */
};

struct subject {
    const char *path;
    struct stat st;
};

static const char *type_name(const struct stat *st) {
    if (S_ISDIR(st->st_mode)) return "directory";
    if (S_ISLNK(st->st_mode)) return "symbolic link";
    if (S_ISCHR(st->st_mode)) return "character special file";
    if (S_ISBLK(st->st_mode)) return "block special file";
    if (S_ISFIFO(st->st_mode)) return "fifo";
    if (S_ISSOCK(st->st_mode)) return "socket";
    return st->st_size ? "regular file" : "regular empty file";
}

/* WASI's own type bits are not Linux's; %f shows what a script expects. */
static unsigned linux_mode(const struct subject *s) {
    unsigned type = S_ISDIR(s->st.st_mode)   ? 0040000
                    : S_ISLNK(s->st.st_mode) ? 0120000
                    : S_ISCHR(s->st.st_mode) ? 0020000
                    : S_ISBLK(s->st.st_mode) ? 0060000
                    : S_ISFIFO(s->st.st_mode) ? 0010000
                                              : 0100000;
    return type | (unsigned)entry_mode(s->path, &s->st);
}

static char *number(const char *format, long long n) {
    char text[32];

    snprintf(text, sizeof text, format, n);
    return xstrdup(text);
}

static char *name_text(const struct subject *s) {
    char *target = S_ISLNK(s->st.st_mode) ? link_target(s->path) : NULL, *out;
    const char *name = quoted(s->path), *to = target ? quoted(target) : "";

    out = xmalloc(strlen(name) + strlen(to) + 8);
    sprintf(out, target ? "%s -> %s" : "%s%s", name, to);
    free(target);
    return out;
}

static char *mode_string(const struct subject *s) {
    char text[11];

    mode_text(s->st.st_mode, entry_mode(s->path, &s->st), text);
    return xstrdup(text);
}

static char *field(const struct subject *s, char c) {
    const struct stat *st = &s->st;

    switch (c) {
    case 'a': return number("%llo", entry_mode(s->path, st));
    case 'A': return mode_string(s);
    case 'b': return number("%lld", stat_blocks(st));
    case 'B': return xstrdup("512");
    case 'd': return number("%lld", (long long)st->st_dev);
    case 'D': return number("%llx", (long long)st->st_dev);
    case 'f': return number("%llx", linux_mode(s));
    case 'F': return xstrdup(type_name(st));
    case 'g':
    case 'u': return xstrdup(USER_ID_TEXT);
    case 'G': return xstrdup(GROUP_NAME);
    case 'U': return xstrdup(USER_NAME);
    case 'h': return number("%lld", (long long)st->st_nlink);
    case 'i': return number("%lld", (long long)st->st_ino);
    case 'm': return xstrdup("/");
    case 'n': return xstrdup(s->path);
    case 'N': return name_text(s);
    case 'o': return xstrdup("4096");
    case 's': return number("%lld", stat_size(st));
    case 't':
    case 'T':
    case 'W': return xstrdup("0");
    case 'w': return xstrdup("-");
    case 'x': return date_format(TIME_FORMAT, st->st_atim);
    case 'y': return date_format(TIME_FORMAT, st->st_mtim);
    case 'z': return date_format(TIME_FORMAT, st->st_ctim);
    case 'X': return number("%lld", (long long)st->st_atim.tv_sec);
    case 'Y': return number("%lld", (long long)st->st_mtim.tv_sec);
    case 'Z': return number("%lld", (long long)st->st_ctim.tv_sec);
    case '%': return xstrdup("%");
    default: return xstrdup("?");
    }
}

static void put_padded(const char *spec, size_t n, const char *text) {
    const char *digits = spec;
    bool left = false, zero = false;
    int width = 0, len = (int)strlen(text);

    for (; digits < spec + n && strchr("-+ #0'", *digits); digits++) {
        left |= *digits == '-';
        zero |= *digits == '0';
    }
    for (; digits < spec + n && *digits != '.' && width < 10000; digits++) width = width * 10 + *digits - '0';
    for (int i = len; !left && i < width; i++) putchar(zero ? '0' : ' ');
    fputs(text, stdout);
    for (int i = len; left && i < width; i++) putchar(' ');
}

static const char *put_escape(const char *s) {
    static const char from[] = "abefnrtv\"\\", to[] = "\a\b\033\f\n\r\t\v\"\\";
    const char *at = *s ? strchr(from, *s) : NULL;
    int value = 0, n = 0;

    if (*s >= '0' && *s <= '7') {
        for (; n < 3 && *s >= '0' && *s <= '7'; n++, s++) value = value * 8 + *s - '0';
        putchar(value);
        return s;
    }
    if (at) {
        putchar(to[at - from]);
        return s + 1;
    }
    putchar('\\');
    return s;
}

static void print_form(const struct form *form, const struct subject *s) {
    for (const char *f = form->format; *f;) {
        size_t n;
        char *text;

        if (*f == '\\' && form->escapes) {
            f = put_escape(f + 1);
            continue;
        }
        if (*f != '%' || !f[1]) {
            putchar(*f++);
            continue;
        }
        f++;
        n = strspn(f, "-+ #0'123456789.");
        if (!f[n]) return;
        text = field(s, f[n]);
        put_padded(f, n, text ? text : "?");
        free(text);
        f += n + 1;
    }
    if (!form->escapes) putchar('\n');
}

static void print_whole(const struct subject *s) {
    static const struct form rest = {
        .format = "  Size: %-10s\tBlocks: %-10b IO Block: %-6o %F\n"
                  "Device: %d\tInode: %-11i Links: %h\n"
                  "Access: (%04a/%A)  Uid: (%5u/%8U)   Gid: (%5g/%8G)\n"
                  "Access: %x\nModify: %y\nChange: %z\n Birth: %w",
    };
    char *target = S_ISLNK(s->st.st_mode) ? link_target(s->path) : NULL;

    printf("  File: %s", s->path);
    if (target) printf(" -> %s", target);
    putchar('\n');
    free(target);
    print_form(&rest, s);
}

static const struct longopt longs[] = {{"format", 1, 'c'},      {"printf", 1, 256},     {"dereference", 0, 'L'},
                                       {"terse", 0, 't'},       {"file-system", 0, 'f'}, {"cached", 1, 257},
                                       {NULL, 0, 0}};

int tool_stat(int argc, char **argv) {
    struct opts o = opts_start(argc, argv);
    struct form form = {NULL, false, false};
    int c, status = 0;

    while ((c = opts_next(&o, "c:Ltf", longs)) > 0) {
        if (c == 'c' || c == 256) {
            form.format = o.arg;
            form.escapes = c == 256;
        }
        if (c == 't') form.format = "%n %s %b %f %u %g %D %i %h %t %T %X %Y %Z %W %o";
        form.follow |= c == 'L';
        if (c == 'f') {
            tool_warn("there is no file system to describe in the WASI lane");
            return 1;
        }
    }
    if (c != OPT_END) return opts_status(c);
    if (!o.operands) return usage_error("missing operand");
    for (int i = 1; i <= o.operands; i++) {
        struct subject s = {.path = argv[i]};

        if (form.follow ? stat(argv[i], &s.st) : lstat(argv[i], &s.st)) {
            warn_cannot("statx", argv[i]);
            status = 1;
        } else if (form.format) {
            print_form(&form, &s);
        } else {
            print_whole(&s);
        }
    }
    return status;
}
