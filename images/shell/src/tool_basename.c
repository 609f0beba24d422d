/* basename, dirname: the last component of a path, and what is before it. */
#include <stdio.h>
#include <string.h>

#include "tool_file.h"

static void print_base(const char *path, const char *suffix, char end) {
    const char *base = path_base(path);
    size_t n = path_trim(base), s = suffix ? strlen(suffix) : 0;

    if (s && n > s && !memcmp(base + n - s, suffix, s))
        n -= s;
    fwrite(base, 1, n, stdout);
    putchar(end);
}

int tool_basename(int argc, char **argv) {
    static const struct longopt longs[] = {{"multiple", 0, 'a'},
                                          {"suffix", 1, 's'},
                                          {"zero", 0, 'z'},
                                          {NULL, 0, 0}};
    struct opts o = opts_start(argc, argv);
    const char *suffix = NULL;
    bool many = false;
    char end = '\n';
    int c;

    while ((c = opts_next(&o, "+as:z", longs)) > 0) {
        if (c == 's')
            suffix = o.arg;
        if (c == 'z')
            end = '\0';
        else
            many = true;
    }
    if (c != OPT_END)
        return opts_status(c);
    if (!o.operands)
        return usage_error("missing operand");
    if (many) {
        for (int i = 1; i <= o.operands; i++)
            print_base(argv[i], suffix, end);
        return 0;
    }
    if (o.operands > 2)
        return usage_error("extra operand %s", marked(argv[3]));
    print_base(argv[1], o.operands == 2 ? argv[2] : NULL, end);
    return 0;
}

static void print_dir(const char *path, char end) {
    size_t n = (size_t)(path_base(path) - path);

    if (n == 0 && path[0] == '/')
        n = 1;
    while (n > 1 && path[n - 1] == '/')
        n--;
    if (n)
        fwrite(path, 1, n, stdout);
    else
        putchar('.');
    putchar(end);
}

int tool_dirname(int argc, char **argv) {
    static const struct longopt longs[] = {{"zero", 0, 'z'}, {NULL, 0, 0}};
    struct opts o = opts_start(argc, argv);
    char end = '\n';
    int c;

    while ((c = opts_next(&o, "+z", longs)) > 0)
        end = '\0';
    if (c != OPT_END)
        return opts_status(c);
    if (!o.operands)
        return usage_error("missing operand");
    for (int i = 1; i <= o.operands; i++)
        print_dir(argv[i], end);
    return 0;
}
