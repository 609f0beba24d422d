/* The builtins by name, and their option parser. */
#include <stdlib.h>
#include <string.h>

#include "shell.h"

static const struct builtin builtins[] = {
    {".", builtin_dot, SPECIAL},
    {":", builtin_colon, SPECIAL},
    {"[", builtin_test, 0},
    {"alias", builtin_alias, 0},
    {"bg", builtin_bg, 0},
    {"break", builtin_break, SPECIAL},
    {"cd", builtin_cd, 0},
    {"command", builtin_command, 0},
    {"continue", builtin_continue, SPECIAL},
    {"echo", builtin_echo, 0},
    {"eval", builtin_eval, SPECIAL},
    {"exec", builtin_exec, SPECIAL},
    {"exit", builtin_exit, SPECIAL},
    {"export", builtin_export, SPECIAL | ASSIGNS},
    {"false", builtin_false, 0},
    {"fg", builtin_fg, 0},
    {"getopts", builtin_getopts, 0},
    {"hash", builtin_hash, 0},
    {"jobs", builtin_jobs, 0},
    {"kill", builtin_kill, 0},
    {"local", builtin_local, ASSIGNS},
    {"printf", builtin_printf, 0},
    {"pwd", builtin_pwd, 0},
    {"read", builtin_read, 0},
    {"readonly", builtin_readonly, SPECIAL | ASSIGNS},
    {"return", builtin_return, SPECIAL},
    {"set", builtin_set, SPECIAL},
    {"shift", builtin_shift, SPECIAL},
    {"test", builtin_test, 0},
    {"times", builtin_times, SPECIAL},
    {"trap", builtin_trap, SPECIAL},
    {"true", builtin_true, 0},
    {"type", builtin_type, 0},
    {"ulimit", builtin_ulimit, 0},
    {"umask", builtin_umask, 0},
    {"unalias", builtin_unalias, 0},
    {"unset", builtin_unset, SPECIAL},
    {"wait", builtin_wait, 0},
};

static int by_name(const void *key, const void *entry) {
    return strcmp(key, ((const struct builtin *)entry)->name);
}

const struct builtin *builtin_find(const char *name) {
    return bsearch(name, builtins, sizeof builtins / sizeof *builtins, sizeof *builtins, by_name);
}

int option_next(struct options *o, int argc, char **argv, const char *letters) {
    const char *s = o->at < argc ? argv[o->at] : "";
    if (o->in == 0) {
        if (*s != '-' || !s[1]) return -1;
        if (strcmp(s, "--") == 0) {
            o->at++;
            return -1;
        }
        o->in = 1;
    }
    char c = s[o->in++];
    const char *known = c == ':' ? NULL : strchr(letters, c);
    if (!known) {
        warn("%s: Illegal option -%c", argv[0], c);
        return '?';
    }
    if (known[1] == ':') {
        o->value = s[o->in] ? argv[o->at] + o->in : argv[++o->at];
        o->in = 0;
        if (o->at >= argc) {
            warn("%s: No arg for -%c option", argv[0], c);
            return '?';
        }
        o->at++;
        return c;
    }
    if (!s[o->in]) {
        o->in = 0;
        o->at++;
    }
    return c;
}
