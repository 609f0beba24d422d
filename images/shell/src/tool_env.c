/* env, printenv. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_file.h"

extern char **environ;

enum { EXIT_OURS = 125 };

struct list {
    char **v; /* NULL-ended */
    int count;
};

static void list_add(struct list *l, char *s) {
    l->v = xrealloc(l->v, ((size_t)l->count + 2) * sizeof *l->v);
    l->v[l->count++] = s;
    l->v[l->count] = NULL;
}

static bool same_name(const char *entry, const char *name, size_t n) {
    return !strncmp(entry, name, n) && entry[n] == '=';
}

static void env_remove(struct list *env, const char *name, size_t n) {
    int kept = 0;

    for (int i = 0; i < env->count; i++)
        if (!same_name(env->v[i], name, n)) env->v[kept++] = env->v[i];
    env->count = kept;
    if (env->v) env->v[kept] = NULL;
}

static void env_set(struct list *env, char *assignment) {
    size_t n = strcspn(assignment, "=");

    for (int i = 0; i < env->count; i++)
        if (same_name(env->v[i], assignment, n)) {
            env->v[i] = assignment;
            return;
        }
    list_add(env, assignment);
}

/* One word of -S text: blanks part words, quotes and \ protect. False at the end. */
static bool split_word(const char **at, struct list *out) {
    const char *s = *at + strspn(*at, " \t\n");
    char *word = xmalloc(strlen(s) + 1), quote = 0;
    size_t n = 0;

    if (!*s) return false;
    for (; *s && (quote || !strchr(" \t\n", *s)); s++) {
        if (quote ? *s == quote : *s == '\'' || *s == '"') {
            quote = quote ? 0 : *s;
            continue;
        }
        if (*s == '\\' && s[1] && quote != '\'') s++;
        word[n++] = *s;
    }
    word[n] = '\0';
    if (quote) tool_die(EXIT_OURS, "no terminating quote in -S string");
    list_add(out, word);
    *at = s;
    return true;
}

/* Puts the words of -S in the place of the option and parses them again. */
static char **split_args(char **argv, int *argc, int at, const char *text) {
    struct list all = {NULL, 0};

    list_add(&all, argv[0]);
    while (split_word(&text, &all)) {}
    for (; at < *argc; at++) list_add(&all, argv[at]);
    *argc = all.count;
    return all.v;
}

static void print_all(const struct list *env, char end) {
    for (int i = 0; i < env->count; i++) printf("%s%c", env->v[i], end);
}

static const struct longopt longs[] = {{"ignore-environment", 0, 'i'},
                                       {"unset", 1, 'u'},
                                       {"null", 0, '0'},
                                       {"chdir", 1, 'C'},
                                       {"split-string", 1, 'S'},
                                       {NULL, 0, 0}};

static void enter(const char *dir) {
    if (chdir(dir)) tool_die(EXIT_OURS, "cannot change directory to %s: %s", quoted(dir), strerror(errno));
}

int tool_env(int argc, char **argv) {
    struct opts o = opts_start(argc, argv);
    struct list env = {NULL, 0};
    const char *dir = NULL;
    char end = '\n';
    int c, i;

    for (char **e = environ; e && *e; e++) list_add(&env, *e);
    while ((c = opts_next(&o, "+iu:0C:S:", longs)) > 0) {
        if (c == 'i') env.count = 0;
        if (c == 'u') env_remove(&env, o.arg, strlen(o.arg));
        if (c == '0') end = '\0';
        if (c == 'C') dir = o.arg;
        if (c == 'S') {
            argv = split_args(argv, &argc, o.at, o.arg);
            o = opts_start(argc, argv);
        }
    }
    if (c != OPT_END) return c == OPT_HELP ? 0 : EXIT_OURS;
    i = 1;
    if (o.operands && !strcmp(argv[i], "-")) {
        env.count = 0;
        i++;
    }
    for (; i <= o.operands && strchr(argv[i], '='); i++) env_set(&env, argv[i]);
    if (dir && i > o.operands) {
        usage_error("must specify command with --chdir (-C)");
        return EXIT_OURS;
    }
    if (dir) enter(dir);
    if (i > o.operands) {
        print_all(&env, end);
        return 0;
    }
    if (!env.v) env.v = xmalloc(sizeof *env.v);
    env.v[env.count] = NULL;
    sh_exec(words_list(argv + i, o.operands - i + 1), env.v);
}

int tool_printenv(int argc, char **argv) {
    static const struct longopt null_long[] = {{"null", 0, '0'}, {NULL, 0, 0}};
    struct opts o = opts_start(argc, argv);
    int c, status = 0;
    char end = '\n';

    while ((c = opts_next(&o, "+0", null_long)) > 0) end = '\0';
    if (c != OPT_END) return c == OPT_HELP ? 0 : 2;
    for (char **e = environ; !o.operands && e && *e; e++) printf("%s%c", *e, end);
    for (int i = 1; i <= o.operands; i++) {
        const char *value = getenv(argv[i]);

        if (value)
            printf("%s%c", value, end);
        else
            status = 1;
    }
    return status;
}
