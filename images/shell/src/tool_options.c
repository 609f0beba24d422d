/* Option parsing with GNU's rules and messages, without getopt's global state, so that a tool
 * run inside the shell leaves nothing behind. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>

#include "tool_text.h"

struct opts opts_start(int argc, char **argv) {
    return (struct opts){.argv = argv, .argc = argc, .at = 1};
}

static void bad_usage(void) {
    fprintf(stderr, "Try '%s --help' for more information.\n", tool_name);
}

_Noreturn void usage_die(int status, const char *fmt, ...) {
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    tool_warn("%s", text);
    bad_usage();
    exit(status);
}

static int about(const char *what) {
    if (!strcmp(what, "version"))
        printf("%s (MagicRune WASI tools)\n", tool_name);
    else
        printf("Usage: %s [OPTION]... [ARGUMENT]...\nA tool of MagicRune's WASI shell; it follows POSIX and "
               "the common GNU options.\n", tool_name);
    return OPT_HELP;
}

static int long_option(struct opts *o, const char *text, const struct longopt *longs) {
    size_t n = strcspn(text, "=");
    const struct longopt *hit = NULL;
    int hits = 0;
    for (const struct longopt *l = longs; l && l->name; l++) {
        if (strncmp(l->name, text, n)) continue;
        if (!l->name[n]) {
            hit = l;
            hits = 1;
            break;
        }
        if (!hit || hit->code != l->code) hits++;
        hit = l;
    }
    if (!hit && n >= 4 && (!strncmp("help", text, n) || !strncmp("version", text, n)))
        return about(*text == 'v' ? "version" : "help");
    if (hits != 1) {
        tool_warn(hits ? "option '--%s' is ambiguous" : "unrecognized option '--%s'", text);
        bad_usage();
        return OPT_BAD;
    }
    o->arg = text[n] ? text + n + 1 : NULL;
    if (o->arg && hit->arg == 0) {
        tool_warn("option '--%s' doesn't allow an argument", hit->name);
        bad_usage();
        return OPT_BAD;
    }
    if (!o->arg && hit->arg == 1) {
        if (o->at >= o->argc) {
            tool_warn("option '--%s' requires an argument", hit->name);
            bad_usage();
            return OPT_BAD;
        }
        o->arg = o->argv[o->at++];
    }
    return hit->code;
}

static int short_option(struct opts *o, const char *shorts) {
    int c = (unsigned char)*o->cluster++;
    const char *spec = c == ':' || c == '+' ? NULL : strchr(shorts, c);
    o->arg = NULL;
    if (!spec) {
        tool_warn("invalid option -- '%c'", c);
        bad_usage();
        return OPT_BAD;
    }
    if (spec[1] == ':') {
        if (*o->cluster) {
            o->arg = o->cluster;
        } else if (spec[2] != ':') {
            if (o->at >= o->argc) {
                tool_warn("option requires an argument -- '%c'", c);
                bad_usage();
                return OPT_BAD;
            }
            o->arg = o->argv[o->at++];
        }
        o->cluster = NULL;
    }
    return c;
}

/* Moves argv[at - 1] to the other operands; argv keeps the same strings, as its owner expects. */
static void take_operand(struct opts *o) {
    char *a = o->argv[o->at - 1];
    int to = ++o->operands;
    memmove(o->argv + to + 1, o->argv + to, sizeof *o->argv * (size_t)(o->at - 1 - to));
    o->argv[to] = a;
}

int opts_next(struct opts *o, const char *shorts, const struct longopt *longs) {
    if (o->cluster && *o->cluster) return short_option(o, shorts);
    while (o->at < o->argc) {
        char *a = o->argv[o->at++];
        if (a[0] == '-' && a[1] == '-') {
            if (a[2]) return long_option(o, a + 2, longs);
            break;
        }
        if (a[0] == '-' && a[1]) {
            o->cluster = a + 1;
            return short_option(o, shorts);
        }
        take_operand(o);
        if (*shorts == '+') break;
    }
    for (; o->at < o->argc; take_operand(o)) o->at++;
    return OPT_END;
}

int size_parse(const char *s, int64_t *value) {
    static const char units[] = "kmgtpe";
    int64_t v = 0;
    if (*s < '0' || *s > '9') return -1;
    for (; *s >= '0' && *s <= '9'; s++)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *s - '0', &v)) v = INT64_MAX;
    if (*s == 'b' && !s[1]) {
        if (__builtin_mul_overflow(v, 512, &v)) v = INT64_MAX;
        s++;
    } else if (*s) {
        const char *u = strchr(units, *s | 0x20);
        if (!u) return -1;
        s++;
        int64_t base = 1024;
        if (s[0] == 'B' && !s[1]) base = 1000, s++;
        else if (s[0] == 'i' && s[1] == 'B' && !s[2]) s += 2;
        for (const char *p = units; p <= u; p++)
            if (__builtin_mul_overflow(v, base, &v)) v = INT64_MAX;
    }
    *value = v;
    return *s ? -1 : 0;
}
