/* Pattern matching (XCU 2.13), byte by byte. */
#include <ctype.h>
#include <string.h>

#include "shell.h"

static int in_class(const char *name, size_t n, int c) {
    static const struct {
        const char *name;
        int (*test)(int);
    } classes[] = {
        {"alnum", isalnum}, {"alpha", isalpha}, {"blank", isblank}, {"cntrl", iscntrl},
        {"digit", isdigit}, {"graph", isgraph}, {"lower", islower}, {"print", isprint},
        {"punct", ispunct}, {"space", isspace}, {"upper", isupper}, {"xdigit", isxdigit},
    };
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        if (strlen(classes[i].name) == n && memcmp(classes[i].name, name, n) == 0)
            return classes[i].test(c) != 0;
    }
    return 0;
}

/* One element of a bracket expression at *p; its character, or -1 for a class. */
static int bracket_item(const char **p, int c, int *matched) {
    const char *s = *p;
    if (*s == '[' && (s[1] == ':' || s[1] == '.' || s[1] == '=')) {
        char close[3] = {s[1], ']', '\0'};
        const char *end = strstr(s + 2, close);
        if (end) {
            *p = end + 2;
            if (s[1] == ':') {
                if (in_class(s + 2, (size_t)(end - s - 2), c)) *matched = 1;
                return -1;
            }
            return end == s + 3 ? (unsigned char)s[2] : -1;
        }
    }
    if (*s == '\\' && s[1]) s++;
    *p = s + 1;
    return (unsigned char)*s;
}

/* [...] at p. Returns what follows it, or NULL if it has no end and [ is itself. */
static const char *bracket(const char *p, int c, int *matched) {
    int negated = p[1] == '!';
    const char *s = p + 1 + negated;
    const char *first = s;
    *matched = 0;
    while (*s && (*s != ']' || s == first)) {
        int low = bracket_item(&s, c, matched);
        if (low < 0) continue;
        int high = low;
        if (*s == '-' && s[1] && s[1] != ']') {
            s++;
            high = bracket_item(&s, c, matched);
            if (high < 0) continue;
        }
        if (low <= c && c <= high) *matched = 1;
    }
    if (*s != ']') return NULL;
    if (negated) *matched = !*matched;
    return s + 1;
}

/* Matches one character; returns the rest of the pattern, or NULL. */
static const char *match_one(const char *p, int c) {
    if (*p == '?') return p + 1;
    if (*p == '[') {
        int matched;
        const char *rest = bracket(p, c, &matched);
        if (rest) return matched ? rest : NULL;
    }
    if (*p == '\\' && p[1]) p++;
    return (unsigned char)*p == c ? p + 1 : NULL;
}

int pattern_match(const char *pattern, const char *s, size_t len) {
    const char *end = s + len;
    const char *star = NULL, *retry = NULL; /* the last * and where it stopped eating */
    while (s < end || *pattern == '*') {
        if (*pattern == '*') {
            star = ++pattern;
            retry = s;
            if (!*pattern) return 1;
            continue;
        }
        const char *rest = *pattern ? match_one(pattern, (unsigned char)*s) : NULL;
        if (rest) {
            pattern = rest;
            s++;
            continue;
        }
        if (!star || retry >= end) return 0;
        pattern = star;
        s = ++retry;
    }
    return *pattern == '\0';
}

int pattern_has_special(const char *p) {
    for (; *p; p++) {
        if (*p == '*' || *p == '?') return 1;
        if (*p == '[' && strchr(p + 1, ']')) return 1;
        if (*p == '\\' && p[1]) p++;
    }
    return 0;
}

void pattern_unescape(char *s) {
    char *to = s;
    for (; *s; s++) {
        if (*s == '\\' && s[1]) s++;
        *to++ = *s;
    }
    *to = '\0';
}
