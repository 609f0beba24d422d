/* The shell's options: set -e, set -o errexit, $-. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shell.h"
#include "tool.h"

static const struct {
    enum option option;
    char letter; /* 0: none */
    const char *name;
} options[] = {
    {OPT_ERREXIT, 'e', "errexit"},     {OPT_NOGLOB, 'f', "noglob"},
    {OPT_IGNOREEOF, 'I', "ignoreeof"}, {OPT_INTERACTIVE, 'i', "interactive"},
    {OPT_MONITOR, 'm', "monitor"},     {OPT_NOEXEC, 'n', "noexec"},
    {OPT_STDIN, 's', "stdin"},         {OPT_XTRACE, 'x', "xtrace"},
    {OPT_VERBOSE, 'v', "verbose"},     {OPT_VI, 'V', "vi"},
    {OPT_EMACS, 'E', "emacs"},         {OPT_NOCLOBBER, 'C', "noclobber"},
    {OPT_ALLEXPORT, 'a', "allexport"}, {OPT_NOTIFY, 'b', "notify"},
    {OPT_NOUNSET, 'u', "nounset"},     {OPT_HASHALL, 'h', "hashall"},
    {OPT_NOLOG, 0, "nolog"},           {OPT_PIPEFAIL, 0, "pipefail"},
};
enum { OPTIONS = sizeof options / sizeof *options };

static int change(int i, int on) {
    if (on && options[i].option == OPT_MONITOR) {
        warn("job control is not available in the WASI lane");
        return 0;
    }
    if (on) {
        sh.options |= options[i].option;
    } else {
        sh.options &= ~(unsigned)options[i].option;
    }
    return 0;
}

int option_letter(char c, int on) {
    for (int i = 0; i < OPTIONS; i++) {
        if (options[i].letter == c && c) return change(i, on);
    }
    return -1;
}

int option_name(const char *name, int on) {
    for (int i = 0; i < OPTIONS; i++) {
        if (strcmp(options[i].name, name) == 0) return change(i, on);
    }
    return -1;
}

void options_print(int as_commands) {
    if (!as_commands) puts("Current option settings");
    for (int i = 0; i < OPTIONS; i++) {
        int on = (sh.options & options[i].option) != 0;
        if (as_commands) {
            printf("set %co %s\n", on ? '-' : '+', options[i].name);
        } else {
            printf("%-15s %s\n", options[i].name, on ? "on" : "off");
        }
    }
}

void options_letters(char out[32]) {
    int n = 0;
    for (int i = 0; i < OPTIONS; i++) {
        if (options[i].letter && (sh.options & options[i].option)) out[n++] = options[i].letter;
    }
    out[n] = '\0';
}

void params_set(int count, char **v) {
    char **copy = xmalloc((size_t)(count + 1) * sizeof *copy);
    for (int i = 0; i < count; i++) copy[i] = xstrdup(v[i]);
    copy[count] = NULL;
    if (sh.params_owned) {
        for (int i = 0; i < sh.param_count; i++) free(sh.params[i]);
        free(sh.params);
    }
    sh.params = copy;
    sh.param_count = count;
    sh.params_owned = 1;
}

static int parse_named(int argc, char **argv, int *at, int on, int is_set) {
    if (*at + 1 >= argc) {
        if (is_set) options_print(!on);
        return 0;
    }
    const char *name = argv[++*at];
    if (option_name(name, on) == 0) return 0;
    warn(is_set ? "set: Illegal option -o %s" : "Illegal option -o %s", name);
    return -1;
}

/* Reads option arguments. At the start of the shell c asks for its command string: 'c' is
 * returned then; -1 after a message. With is_set, -- and - end the options too. */
int options_parse(int argc, char **argv, int *at, int is_set) {
    int command = 0;
    for (; *at < argc; ++*at) {
        const char *s = argv[*at];
        if ((*s != '-' && *s != '+') || (!s[1] && *s == '+')) break;
        int on = *s == '-';
        if (on && (!s[1] || strcmp(s, "--") == 0)) {
            ++*at;
            if (is_set && !s[1]) sh.options &= ~(unsigned)(OPT_XTRACE | OPT_VERBOSE);
            return is_set && s[1] ? 1 : command;
        }
        while (*++s) {
            if (*s == 'o') {
                if (parse_named(argc, argv, at, on, is_set) < 0) return -1;
            } else if (*s == 'c' && !is_set && on) {
                command = 'c';
            } else if (*s == 'l' && !is_set) {
                continue; /* a login shell has no profile here */
            } else if (option_letter(*s, on) < 0) {
                warn(is_set ? "set: Illegal option %c%c" : "Illegal option %c%c", on ? '-' : '+', *s);
                return -1;
            }
        }
    }
    return command;
}

static void print_var(const struct var *v, void *arg) {
    (void)arg;
    if (!v->value) return;
    printf("%s=", v->name);
    print_quoted(v->value);
    putchar('\n');
}

int builtin_set(int argc, char **argv) {
    if (argc == 1) {
        vars_each(print_var, NULL);
        return out_finish();
    }
    int at = 1;
    int ended = options_parse(argc, argv, &at, 1);
    if (ended < 0) return special_error(2);
    if (at < argc || ended == 1) params_set(argc - at, argv + at);
    return out_finish();
}

int builtin_shift(int argc, char **argv) {
    int64_t n = 1;
    if (argc > 1 && (parse_integer(argv[1], &n) < 0 || n < 0)) {
        warn("shift: Illegal number: %s", argv[1]);
        return special_error(2);
    }
    if (n > sh.param_count) {
        warn("shift: can't shift that many");
        return special_error(2);
    }
    char **rest = sh.params + n;
    int count = sh.param_count - (int)n;
    if (n == 0) return 0;
    if (!sh.params_owned) {
        sh.params = rest;
    } else {
        for (int i = 0; i < n; i++) free(sh.params[i]);
        memmove(sh.params, rest, (size_t)(count + 1) * sizeof *rest);
    }
    sh.param_count = count;
    sh.optind_reset = 1;
    return 0;
}
