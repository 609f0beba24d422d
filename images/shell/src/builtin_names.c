/* Builtins that tell what a name stands for: alias, command, type, hash. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "host.h"
#include "shell.h"
#include "tool.h"

static void print_alias(const struct alias *a) {
    printf("%s=", a->name);
    print_quoted(a->value);
    putchar('\n');
}

int builtin_alias(int argc, char **argv) {
    int at = argc > 1 && strcmp(argv[1], "--") == 0 ? 2 : 1, status = 0;
    if (at >= argc) alias_each(print_alias);
    for (; at < argc; at++) {
        const char *equals = *argv[at] ? strchr(argv[at] + 1, '=') : NULL;
        const struct alias *a = equals ? NULL : alias_find(argv[at]);
        if (equals) {
            alias_set(argv[at], (size_t)(equals - argv[at]), equals + 1);
        } else if (a) {
            print_alias(a);
        } else {
            warn("alias: %s not found", argv[at]);
            status = 1;
        }
    }
    return out_finish() | status;
}

int builtin_unalias(int argc, char **argv) {
    struct options o = {1, 0, NULL};
    int c, status = 0;
    while ((c = option_next(&o, argc, argv, "a")) != -1) {
        if (c == '?') return 2;
        alias_clear();
    }
    for (int i = o.at; i < argc; i++) {
        if (alias_unset(argv[i])) continue;
        warn("unalias: %s not found", argv[i]);
        status = 1;
    }
    return status;
}

static int is_reserved_word(const char *s) {
    static const char *const words[] = {"!",  "{",  "}",   "case", "do", "done", "elif",  "else",
                                        "esac", "fi", "for", "if", "in", "then", "until", "while"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(s, words[i]) == 0) return 1;
    }
    return 0;
}

static int file_exists(const char *path) {
    struct buf full = {0};
    struct stat st;
    int found = stat(path, &st) == 0 && absolute_path(path, &full) == 0 &&
                !S_ISDIR(st.st_mode) && (mr_path_mode(full.s, full.len) & 0111);
    buf_free(&full);
    return found;
}

static int print_alias_meaning(const struct alias *a, int verbose) {
    if (verbose) {
        printf("%s is an alias for %s\n", a->name, a->value);
    } else {
        fputs("alias ", stdout);
        print_alias(a);
    }
    return 0;
}

static void print_path(const char *name, const char *path, int verbose) {
    struct buf full = {0};
    absolute_path(path, &full);
    printf(verbose ? "%s is %s\n" : "%.0s%s\n", name, buf_text(&full));
    buf_free(&full);
}

/* Says what name is; 127 if nothing. */
static int describe(const char *name, int verbose, const char *path) {
    if (is_reserved_word(name)) {
        printf(verbose ? "%s is a shell keyword\n" : "%s\n", name);
        return 0;
    }
    const struct alias *a = alias_find(name);
    if (a) return print_alias_meaning(a, verbose);
    struct command c;
    command_find(name, 1, path, &c);
    static const char *const kinds[] = {
        [COMMAND_FUNCTION] = "a shell function",
        [COMMAND_SPECIAL] = "a special shell builtin",
        [COMMAND_BUILTIN] = "a shell builtin",
    };
    int is_path = strchr(name, '/') != NULL;
    if (c.kind == COMMAND_TOOL || (c.kind == COMMAND_BUILTIN && is_path) ||
        (c.kind == COMMAND_FILE && (!is_path || file_exists(name)))) {
        print_path(name, c.path, verbose);
        return 0;
    }
    if (c.kind == COMMAND_NONE || c.kind == COMMAND_FILE) {
        if (verbose) printf("%s: not found\n", name); /* part of the answer, as in dash */
        return 127;
    }
    if (verbose) {
        printf("%s is %s\n", name, kinds[c.kind]);
    } else {
        puts(name);
    }
    return 0;
}

/* Only -v and -V come here: a command to run was taken out before. */
int builtin_command(int argc, char **argv) {
    struct options o = {1, 0, NULL};
    int c, verbose = 0;
    const char *path = NULL;
    while ((c = option_next(&o, argc, argv, "pvV")) != -1) {
        if (c == '?') return 2;
        if (c == 'p') {
            path = default_path;
        } else {
            verbose = c == 'V';
        }
    }
    int status = 0;
    for (int i = o.at; i < argc; i++) status |= describe(argv[i], verbose, path);
    return out_finish() | status;
}

int builtin_type(int argc, char **argv) {
    int status = 0;
    for (int i = 1; i < argc; i++) status |= describe(argv[i], 1, NULL);
    return out_finish() | status;
}

/* Nothing is remembered: a search costs less than to keep the memory right. */
int builtin_hash(int argc, char **argv) {
    struct options o = {1, 0, NULL};
    int c, status = 0;
    while ((c = option_next(&o, argc, argv, "r")) != -1) {
        if (c == '?') return 2;
    }
    for (int i = o.at; i < argc; i++) {
        struct command found;
        command_find(argv[i], 1, NULL, &found);
        if (found.kind != COMMAND_NONE) continue;
        warn("hash: %s: not found", argv[i]);
        status = 1;
    }
    return status;
}
