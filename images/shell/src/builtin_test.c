/* test and [. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host.h"
#include "shell.h"

struct test_state {
    char **at, **end;
    int failed;
};

static int complain(struct test_state *t, const char *what, const char *arg) {
    if (!t->failed) warn(arg ? "test: %s: %s" : "test: %s%s", arg ? arg : what, arg ? what : "");
    t->failed = 1;
    return 0;
}

static int64_t number(struct test_state *t, const char *s) {
    int64_t n = 0;
    const char *digits = s + strspn(s, " \t\n");
    if (*digits == '-' || *digits == '+') digits++;
    int negative = digits > s && digits[-1] == '-';
    size_t len = strspn(digits, "0123456789");
    const char *rest = digits + len;
    if (!len || rest[strspn(rest, " \t\n")]) return complain(t, "Illegal number", s);
    for (size_t i = 0; i < len; i++) {
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, digits[i] - '0', &n))
            return complain(t, "Illegal number", s);
    }
    return negative ? -n : n;
}

/* Permission bits of the owner, which every user of the sandbox is. */
static int has_mode(const char *path, int bit) {
    struct buf full = {0};
    int mode = *path && absolute_path(path, &full) == 0 ? mr_path_mode(full.s, full.len) : -1;
    buf_free(&full);
    return mode >= 0 && (mode & bit);
}

static int test_type(char op, const char *path) {
    struct stat st;
    int found = op == 'h' || op == 'L' ? lstat(path, &st) == 0 : stat(path, &st) == 0;
    if (!found) return 0;
    switch (op) {
    case 'b': return S_ISBLK(st.st_mode);
    case 'c': return S_ISCHR(st.st_mode);
    case 'd': return S_ISDIR(st.st_mode);
    case 'f': return S_ISREG(st.st_mode);
    case 'p': return S_ISFIFO(st.st_mode);
    case 'S': return S_ISSOCK(st.st_mode);
    case 'h':
    case 'L': return S_ISLNK(st.st_mode);
    case 's': return st.st_size > 0;
    case 'g': return has_mode(path, 02000);
    case 'u': return has_mode(path, 04000);
    case 'k': return has_mode(path, 01000);
    default: return 1;
    }
}

static int test_unary(struct test_state *t, char op, const char *arg) {
    switch (op) {
    case 'n': return *arg != '\0';
    case 'z': return *arg == '\0';
    case 't': {
        int64_t fd = number(t, arg);
        return !t->failed && isatty((int)fd);
    }
    case 'r': return has_mode(arg, 0400);
    case 'w': return has_mode(arg, 0200);
    case 'x': return has_mode(arg, 0100);
    default: return test_type(op, arg);
    }
}

static int newer(const char *a, const char *b) {
    struct stat x, y;
    if (stat(a, &x) < 0) return 0;
    if (stat(b, &y) < 0) return 1;
    if (x.st_mtim.tv_sec != y.st_mtim.tv_sec) return x.st_mtim.tv_sec > y.st_mtim.tv_sec;
    return x.st_mtim.tv_nsec > y.st_mtim.tv_nsec;
}

static int same_file(const char *a, const char *b) {
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static const char *const binaries[] = {"=",   "==",  "!=",  "<",   ">",   "-eq", "-ne", "-lt",
                                       "-le", "-gt", "-ge", "-nt", "-ot", "-ef", NULL};

static int binary_index(const char *s) {
    for (int i = 0; binaries[i]; i++) {
        if (strcmp(binaries[i], s) == 0) return i;
    }
    return -1;
}

static int test_binary(struct test_state *t, const char *a, int op, const char *b) {
    if (op < 5) {
        int order = strcmp(a, b);
        return op < 2 ? order == 0 : op == 2 ? order != 0 : op == 3 ? order < 0 : order > 0;
    }
    if (op >= 11) return op == 11 ? newer(a, b) : op == 12 ? newer(b, a) : same_file(a, b);
    int64_t x = number(t, a), y = number(t, b);
    switch (op) {
    case 5: return x == y;
    case 6: return x != y;
    case 7: return x < y;
    case 8: return x <= y;
    case 9: return x > y;
    default: return x >= y;
    }
}

static int is_unary(const char *s) {
    return s[0] == '-' && s[1] && !s[2] && strchr("nztrwxbcdfgheLpSsuk", s[1]);
}

static int test_or(struct test_state *t);

static int test_primary(struct test_state *t) {
    if (t->at >= t->end) return complain(t, "argument expected", NULL);
    char **a = t->at;
    long left = t->end - a;
    int op = left >= 3 ? binary_index(a[1]) : -1;
    if (op >= 0) {
        t->at += 3;
        return test_binary(t, a[0], op, a[2]);
    }
    if (left >= 2 && strcmp(a[0], "!") == 0) {
        t->at++;
        return !test_primary(t);
    }
    if (left >= 2 && strcmp(a[0], "(") == 0) {
        t->at++;
        depth_enter();
        int result = test_or(t);
        depth_leave();
        if (t->at >= t->end || strcmp(*t->at, ")") != 0) return complain(t, "closing paren expected", NULL);
        t->at++;
        return result;
    }
    if (left >= 2 && is_unary(a[0])) {
        t->at += 2;
        return test_unary(t, a[0][1], a[1]);
    }
    t->at++;
    return **a != '\0';
}

static int test_and(struct test_state *t) {
    int result = test_primary(t);
    while (!t->failed && t->at < t->end && strcmp(*t->at, "-a") == 0) {
        t->at++;
        result &= test_primary(t);
    }
    return result;
}

static int test_or(struct test_state *t) {
    int result = test_and(t);
    while (!t->failed && t->at < t->end && strcmp(*t->at, "-o") == 0) {
        t->at++;
        result |= test_and(t);
    }
    return result;
}

/* POSIX decides by the number of arguments, up to four of them. */
static int test_counted(struct test_state *t) {
    char **a = t->at;
    int n = (int)(t->end - a);
    if (n == 0) return 0;
    if (n == 1) {
        t->at = t->end;
        return **a != '\0';
    }
    if ((n == 2 || n == 4 || (n == 3 && binary_index(a[1]) < 0 && strcmp(a[1], "-a") != 0 &&
                              strcmp(a[1], "-o") != 0)) &&
        strcmp(a[0], "!") == 0) {
        t->at++;
        return !test_counted(t);
    }
    if (n == 3 && (strcmp(a[1], "-a") == 0 || strcmp(a[1], "-o") == 0)) {
        t->at = t->end;
        int x = *a[0] != '\0', y = *a[2] != '\0';
        return a[1][1] == 'a' ? x && y : x || y;
    }
    if ((n == 3 || n == 4) && strcmp(a[0], "(") == 0 && strcmp(a[n - 1], ")") == 0 &&
        binary_index(a[1]) < 0) {
        t->at++;
        t->end--;
        int result = test_counted(t);
        t->at = ++t->end;
        return result;
    }
    if (n == 2 && !is_unary(a[0])) {
        complain(t, "unexpected operator", a[0]);
        return 0;
    }
    return test_or(t);
}

int builtin_test(int argc, char **argv) {
    if (strcmp(argv[0], "[") == 0 && (argc < 2 || strcmp(argv[--argc], "]") != 0)) {
        warn("[: missing ]");
        return 2;
    }
    struct test_state t = {argv + 1, argv + argc, 0};
    int result = test_counted(&t);
    if (!t.failed && t.at < t.end) complain(&t, "unexpected operator", *t.at);
    return t.failed ? 2 : !result;
}
