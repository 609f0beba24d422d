/* Builtins on variables and their attributes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"
#include "shell.h"

static void print_flagged(const struct var *v, void *arg) {
    const char *name = arg;
    unsigned flag = *name == 'e' ? VAR_EXPORT : VAR_READONLY;
    if (!(v->flags & flag)) return;
    printf("%s %s", name, v->name);
    if (v->value) {
        putchar('=');
        print_quoted(v->value);
    }
    putchar('\n');
}

/* Splits x=v. Returns the name (in sh.temp) and where the value is, NULL if there is none. */
static char *split_assignment(const char *s, const char **value) {
    const char *equals = strchr(s, '=');
    *value = equals ? equals + 1 : NULL;
    return arena_copy(&sh.temp, s, equals ? (size_t)(equals - s) : strlen(s));
}

static int bad_name(const char *builtin, const char *name) {
    if (is_name(name)) return 0;
    warn("%s: %s: bad variable name", builtin, name);
    return 1;
}

static int set_flag(int argc, char **argv, unsigned flag) {
    struct options o = {1, 0, NULL};
    int c, print = argc == 1;
    while ((c = option_next(&o, argc, argv, "p")) != -1) {
        if (c == '?') return special_error(2);
        print = 1;
    }
    if (print && o.at >= argc) {
        vars_each(print_flagged, argv[0]);
        return out_finish();
    }
    for (int i = o.at; i < argc; i++) {
        const char *value;
        char *name = split_assignment(argv[i], &value);
        if (bad_name(argv[0], name)) return special_error(2);
        if (value && var_set(name, value) < 0) return special_error(2);
        var_flag(name, flag);
    }
    return 0;
}

int builtin_export(int argc, char **argv) { return set_flag(argc, argv, VAR_EXPORT); }

int builtin_readonly(int argc, char **argv) { return set_flag(argc, argv, VAR_READONLY); }

int builtin_local(int argc, char **argv) {
    if (!sh.calls || !locals_depth()) {
        warn("local: not in a function");
        return 2;
    }
    for (int i = 1; i < argc; i++) {
        const char *value;
        if (strcmp(argv[i], "-") == 0) continue;
        char *name = split_assignment(argv[i], &value);
        if (bad_name(argv[0], name)) return 2;
        if (local_make(name) < 0) return 2;
        if (value && var_set(name, value) < 0) return 2;
    }
    return 0;
}

int builtin_unset(int argc, char **argv) {
    struct options o = {1, 0, NULL};
    int c, functions = 0, variables = 0;
    while ((c = option_next(&o, argc, argv, "fv")) != -1) {
        if (c == '?') return special_error(2);
        functions = c == 'f';
        variables = c == 'v';
    }
    (void)variables;
    for (int i = o.at; i < argc; i++) {
        if (functions) {
            function_unset(argv[i]);
            continue;
        }
        if (bad_name(argv[0], argv[i])) return special_error(2);
        if (var_unset(argv[i]) < 0) return special_error(2);
    }
    return 0;
}

/* Position in a group such as -abc; 1 is its first letter. */
static int group_at = 1;
static int group_owner; /* OPTIND that group_at belongs to */

static int getopts_error(const char *optstring, const char *name, char c, int is_missing) {
    char letter[2] = {c, '\0'};
    int silent = *optstring == ':';
    const char *opterr = var_get("OPTERR");
    if (!silent && !(opterr && strcmp(opterr, "0") == 0)) {
        struct buf b = {0};
        buf_printf(&b, is_missing ? "No arg for -%c option\n" : "Illegal option -%c\n", c);
        write_all(2, b.s, b.len);
        buf_free(&b);
    }
    if (silent) {
        var_set("OPTARG", letter);
    } else {
        var_unset("OPTARG");
    }
    return var_set(name, silent && is_missing ? ":" : "?") < 0 ? 2 : 0;
}

static void store_optind(int optind) {
    char number[12];
    snprintf(number, sizeof number, "%d", optind);
    var_set("OPTIND", number);
    sh.optind_reset = 0;
    group_owner = optind;
}

static int getopts_end(const char *name, int optind) {
    group_at = 1;
    store_optind(optind);
    var_unset("OPTARG");
    var_set(name, "?");
    return 1;
}

static int getopts_step(const char *optstring, const char *name, int argc, char **argv, int optind) {
    const char *s = optind <= argc ? argv[optind - 1] : NULL;
    if (group_at == 1) {
        if (!s || *s != '-' || !s[1]) return getopts_end(name, optind);
        if (strcmp(s, "--") == 0) return getopts_end(name, optind + 1);
    }
    char c = s[group_at++];
    const char *known = c == ':' ? NULL : strchr(*optstring == ':' ? optstring + 1 : optstring, c);
    int ends = s[group_at] == '\0';
    if (ends) {
        optind++;
        group_at = 1;
    }
    if (!known || known[1] != ':') {
        store_optind(optind);
        if (!known) return getopts_error(optstring, name, c, 0);
        var_unset("OPTARG");
    } else {
        const char *value = ends ? (optind <= argc ? argv[optind - 1] : NULL) : s + group_at;
        group_at = 1;
        store_optind(value || ends ? optind + (value != NULL) : optind);
        if (!value) return getopts_error(optstring, name, c, 1);
        var_set("OPTARG", value);
    }
    char letter[2] = {c, '\0'};
    return var_set(name, letter) < 0 ? 2 : 0;
}

int builtin_getopts(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "--") == 0) argc--, argv++;
    if (argc < 3) {
        warn("getopts: usage: getopts optstring var [arg...]");
        return 2;
    }
    if (bad_name("getopts", argv[2])) return 2;
    const char *value = var_get("OPTIND");
    int optind = value ? atoi(value) : 1;
    if (optind < 1) optind = 1;
    char **args = argc > 3 ? argv + 3 : sh.params;
    int count = argc > 3 ? argc - 3 : sh.param_count;
    if (sh.optind_reset || optind != group_owner) group_at = 1;
    int in_range = optind <= count && (size_t)group_at < strlen(args[optind - 1]);
    if (group_at > 1 && !in_range) group_at = 1;
    return getopts_step(argv[1], argv[2], count, args, optind);
}
