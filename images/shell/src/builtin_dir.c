/* cd, pwd, umask, ulimit. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shell.h"
#include "tool.h"

/* Takes "." and ".." out of an absolute path by name alone. Where .. leaves a component
 * that is no directory, the path means nothing: -1. */
static int normalise(const char *path, struct buf *out) {
    buf_putc(out, '/');
    while (*path) {
        size_t n = strcspn(path, "/");
        if (n == 2 && path[0] == '.' && path[1] == '.') {
            struct stat st;
            if (stat(buf_text(out), &st) < 0 || !S_ISDIR(st.st_mode)) return -1;
            while (out->len > 1 && out->s[out->len - 1] != '/') out->len--;
            if (out->len > 1) out->len--;
        } else if (n && !(n == 1 && path[0] == '.')) {
            if (out->len > 1) buf_putc(out, '/');
            buf_add(out, path, n);
        }
        path += n + (path[n] == '/');
    }
    return 0;
}

static int enter(const char *path, int physical) {
    struct buf full = {0}, clean = {0};
    if (*path != '/' && !physical) {
        const char *pwd = var_get("PWD");
        buf_str(&full, pwd ? pwd : "/");
        buf_putc(&full, '/');
        buf_str(&full, path);
    } else {
        absolute_path(path, &full);
    }
    int failed = physical ? !resolve_links(buf_text(&full), &clean)
                          : normalise(buf_text(&full), &clean) < 0;
    struct stat st;
    failed = failed || stat(buf_text(&clean), &st) < 0 || !S_ISDIR(st.st_mode) || chdir(clean.s) < 0;
    if (!failed) {
        const char *old = var_get("PWD");
        var_set("OLDPWD", old ? old : "");
        var_set("PWD", clean.s);
    }
    buf_free(&full);
    buf_free(&clean);
    return failed ? -1 : 0;
}

/* Tries the directories of CDPATH; 1: entered one that has to be shown. */
static int enter_from_cdpath(const char *dir, int physical) {
    const char *path = var_get("CDPATH");
    size_t dots = strspn(dir, ".");
    int relative = dots && dots <= 2 && (dir[dots] == '/' || !dir[dots]);
    if (!path || *dir == '/' || relative) return enter(dir, physical);
    struct buf b = {0};
    int result = -1;
    for (; path && result < 0; ) {
        size_t n = strcspn(path, ":");
        b.len = 0;
        buf_add(&b, path, n);
        if (n && path[n - 1] != '/') buf_putc(&b, '/');
        buf_str(&b, dir);
        if (enter(buf_text(&b), physical) == 0) result = n > 0;
        path = path[n] ? path + n + 1 : NULL;
    }
    buf_free(&b);
    return result < 0 ? enter(dir, physical) : result;
}

/* -L and -P, the last one counts. Returns 1 for -P, -1 after a message. */
static int link_option(struct options *o, int argc, char **argv) {
    int physical = 0, c;
    while ((c = option_next(o, argc, argv, "LP")) != -1) {
        if (c == '?') return -1;
        physical = c == 'P';
    }
    return physical;
}

int builtin_cd(int argc, char **argv) {
    struct options o = {1, 0, NULL};
    int physical = link_option(&o, argc, argv);
    if (physical < 0) return 2;
    const char *dir = o.at < argc ? argv[o.at] : var_get("HOME");
    int show = 0;
    if (!dir || (!*dir && o.at >= argc)) {
        warn("cd: HOME not set");
        return 2;
    }
    if (strcmp(dir, "-") == 0) {
        dir = var_get("OLDPWD");
        show = 1;
        if (!dir) {
            warn("cd: OLDPWD not set");
            return 2;
        }
    }
    char *target = arena_copy(&sh.temp, dir, strlen(dir));
    int entered = *target ? enter_from_cdpath(target, physical) : 0;
    if (entered < 0) {
        warn("cd: can't cd to %s", target);
        return 2;
    }
    if (show || entered) puts(var_get("PWD"));
    return out_finish();
}

int builtin_pwd(int argc, char **argv) {
    struct options o = {1, 0, NULL};
    int physical = link_option(&o, argc, argv);
    if (physical < 0) return 2;
    struct buf clean = {0};
    const char *pwd = var_get("PWD");
    char cwd[4096];
    if (!pwd || physical) pwd = getcwd(cwd, sizeof cwd) ? cwd : "/";
    if (physical && resolve_links(pwd, &clean)) pwd = buf_text(&clean);
    puts(pwd);
    buf_free(&clean);
    return out_finish();
}

int sh_umask(void) { return (int)sh.umask; }

static void print_umask(int symbolic) {
    if (!symbolic) {
        printf("%04o\n", sh.umask);
        return;
    }
    unsigned allowed = ~sh.umask;
    for (int shift = 6; shift >= 0; shift -= 3) {
        unsigned bits = allowed >> shift & 7;
        printf("%c=%s%s%s%c", "ogu"[shift / 3], bits & 4 ? "r" : "", bits & 2 ? "w" : "",
               bits & 1 ? "x" : "", shift ? ',' : '\n');
    }
}

static unsigned spread(unsigned bits, unsigned who) {
    unsigned mask = 0;
    for (int shift = 0; shift <= 6; shift += 3) {
        if (who >> shift & 1) mask |= bits << shift;
    }
    return mask;
}

/* u=rwx,g-w,... ; who has bit 0 for others, 3 for the group, 6 for the user. */
static int symbolic_umask(const char *s, unsigned *umask) {
    unsigned allowed = ~*umask & 0777;
    for (;;) {
        unsigned who = 0;
        for (; *s && strchr("ugoa", *s); s++)
            who |= *s == 'u' ? 0100 : *s == 'g' ? 010 : *s == 'o' ? 1 : 0111;
        if (!who) who = 0111;
        if (!*s || !strchr("+-=", *s)) return -1;
        while (*s && strchr("+-=", *s)) {
            char op = *s++;
            unsigned bits = 0;
            for (; *s && strchr("rwxXst", *s); s++)
                bits |= *s == 'r' ? 4 : *s == 'w' ? 2 : *s == 'x' || *s == 'X' ? 1 : 0;
            if (*s && strchr("ugo", *s)) {
                int shift = *s == 'u' ? 6 : *s == 'g' ? 3 : 0;
                bits |= allowed >> shift & 7;
                s++;
            }
            if (op == '=') allowed &= ~spread(7, who);
            if (op == '-') {
                allowed &= ~spread(bits, who);
            } else {
                allowed |= spread(bits, who);
            }
        }
        if (!*s) break;
        if (*s++ != ',') return -1;
    }
    *umask = ~allowed & 0777;
    return 0;
}

int builtin_umask(int argc, char **argv) {
    struct options o = {1, 0, NULL};
    int symbolic = 0, c;
    while ((c = option_next(&o, argc, argv, "S")) != -1) {
        if (c == '?') return 2;
        symbolic = 1;
    }
    if (o.at >= argc) {
        print_umask(symbolic);
        return out_finish();
    }
    const char *s = argv[o.at];
    if (*s >= '0' && *s <= '9') {
        unsigned mask = 0;
        const char *digit = s;
        for (; *digit >= '0' && *digit <= '7' && mask <= 0777; digit++)
            mask = mask * 8 + (unsigned)(*digit - '0');
        if (*digit || mask > 0777) {
            warn("umask: Illegal number: %s", s);
            return 2;
        }
        sh.umask = mask;
    } else if (symbolic_umask(s, &sh.umask) < 0) {
        warn("umask: Illegal mode: %s", s);
        return 2;
    }
    return 0;
}

/* The limits are the policy's: they can be neither seen nor changed from inside. */
int builtin_ulimit(int argc, char **argv) {
    (void)argc, (void)argv;
    warn("ulimit: limits are set by the policy in the WASI lane");
    return 2;
}
