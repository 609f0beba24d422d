/* Who and where the job is: id whoami hostname uname nproc tty getconf which. The sandbox has
 * one user, one name and one processor, whatever the machine. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_file.h"

static int take_options(int argc, char **argv, const char *shorts, const struct longopt *longs, char *given) {
    struct opts o = opts_start(argc, argv);
    int c;
    size_t n = 0;

    while ((c = opts_next(&o, shorts, longs)) > 0)
        if (n < 31) given[n++] = (char)c;
    given[n] = '\0';
    return c == OPT_END ? o.operands : c;
}

static int extra_operand(const char *word) {
    return usage_error("extra operand %s", marked(word));
}

static bool is_us(const char *user) {
    return !strcmp(user, USER_NAME) || !strcmp(user, USER_ID_TEXT);
}

int tool_id(int argc, char **argv) {
    static const struct longopt longs[] = {{"user", 0, 'u'},   {"group", 0, 'g'}, {"groups", 0, 'G'},
                                           {"name", 0, 'n'},   {"real", 0, 'r'},  {"zero", 0, 'z'},
                                           {NULL, 0, 0}};
    char given[32];
    int n = take_options(argc, argv, "ugGnrz", longs, given);
    bool user = strchr(given, 'u'), group = strchr(given, 'g') || strchr(given, 'G');

    if (n < 0) return opts_status(n);
    if (n && !is_us(argv[1])) {
        tool_warn("%s: no such user", marked(argv[1]));
        return 1;
    }
    if (user && group) {
        tool_warn("cannot print \"only\" of more than one choice");
        return 1;
    }
    if (!user && !group && strpbrk(given, "nr")) {
        tool_warn("cannot print only names or real IDs in default format");
        return 1;
    }
    if (!user && !group)
        puts("uid=" USER_ID_TEXT "(" USER_NAME ") gid=" USER_ID_TEXT "(" GROUP_NAME
             ") groups=" USER_ID_TEXT "(" GROUP_NAME ")");
    else
        printf("%s%c", !strchr(given, 'n') ? USER_ID_TEXT : user ? USER_NAME : GROUP_NAME,
               strchr(given, 'z') ? '\0' : '\n');
    return 0;
}

int tool_whoami(int argc, char **argv) {
    char given[32];
    int n = take_options(argc, argv, "", NULL, given);

    if (n < 0) return opts_status(n);
    if (n) return extra_operand(argv[1]);
    puts(USER_NAME);
    return 0;
}

int tool_hostname(int argc, char **argv) {
    static const struct longopt longs[] = {{"short", 0, 's'}, {"fqdn", 0, 'f'}, {"long", 0, 'f'}, {NULL, 0, 0}};
    char given[32];
    int n = take_options(argc, argv, "sf", longs, given);

    if (n < 0) return opts_status(n);
    if (n) {
        tool_warn("the host name of a sandbox cannot be changed");
        return 1;
    }
    puts(HOST_NAME);
    return 0;
}

int tool_uname(int argc, char **argv) {
    static const struct longopt longs[] = {
        {"all", 0, 'a'},     {"kernel-name", 0, 's'}, {"nodename", 0, 'n'},         {"kernel-release", 0, 'r'},
        {"machine", 0, 'm'}, {"processor", 0, 'p'},   {"hardware-platform", 0, 'i'}, {"kernel-version", 0, 'v'},
        {"operating-system", 0, 'o'}, {NULL, 0, 0}};
    static const char order[] = "snrvmo";
    static const char *const value[] = {"MagicRune", HOST_NAME, "preview1", "1", "wasm32", "WASI"};
    char given[32];
    const char *gap = "";
    int n = take_options(argc, argv, "asnrvmpio", longs, given);

    if (n < 0) return opts_status(n);
    if (n) return extra_operand(argv[1]);
    if (strchr(given, 'a')) {
        puts("MagicRune WASI");
        return 0;
    }
    if (!*given) strcpy(given, "s");
    for (size_t i = 0; order[i]; i++)
        if (strchr(given, order[i]) || (order[i] == 'm' && strpbrk(given, "pi"))) {
            printf("%s%s", gap, value[i]);
            gap = " ";
        }
    putchar('\n');
    return 0;
}

int tool_nproc(int argc, char **argv) {
    static const struct longopt longs[] = {{"all", 0, 'a'}, {"ignore", 1, 'i'}, {NULL, 0, 0}};
    char given[32];
    int n = take_options(argc, argv, "", longs, given);

    if (n < 0) return opts_status(n);
    if (n) return extra_operand(argv[1]);
    puts("1");
    return 0;
}

int tool_tty(int argc, char **argv) {
    static const struct longopt longs[] = {{"silent", 0, 's'}, {"quiet", 0, 's'}, {NULL, 0, 0}};
    char given[32];
    int n = take_options(argc, argv, "s", longs, given);

    if (n < 0) return n == OPT_HELP ? 0 : 2;
    if (n) {
        extra_operand(argv[1]);
        return 2;
    }
    if (!*given) puts("not a tty");
    return 1;
}

int tool_getconf(int argc, char **argv) {
    static const struct {
        const char *name, *value;
    } known[] = {{"ARG_MAX", "131072"},
                 {"CHAR_BIT", "8"},
                 {"INT_MAX", "2147483647"},
                 {"LONG_BIT", "32"},
                 {"NAME_MAX", "255"},
                 {"OPEN_MAX", "1024"},
                 {"PAGESIZE", "65536"},
                 {"PAGE_SIZE", "65536"},
                 {"PATH", "/usr/local/bin:/usr/bin:/bin"},
                 {"PATH_MAX", "4096"},
                 {"PIPE_BUF", "4096"},
                 {"_NPROCESSORS_CONF", "1"},
                 {"_NPROCESSORS_ONLN", "1"},
                 {"_POSIX_VERSION", "200809"}};

    if (argc < 2) {
        fputs("usage: getconf VARIABLE [PATH]\n", stderr);
        return 2;
    }
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (!strcmp(argv[1], known[i].name)) {
            puts(known[i].value);
            return 0;
        }
    tool_warn("Unrecognized variable `%s'", argv[1]);
    return 2;
}

static bool is_program(const char *path) {
    struct stat st;
    int mode;

    if (stat(path, &st) || !S_ISREG(st.st_mode)) return false;
    mode = path_mode(path);
    return mode > 0 && mode & 0111;
}

static bool print_program(const char *name, bool all) {
    const char *at = getenv("PATH");
    bool found = false, more = true;

    if (strchr(name, '/')) {
        found = is_program(name);
        if (found) puts(name);
        return found;
    }
    for (at = at ? at : "/usr/local/bin:/usr/bin:/bin"; more && (all || !found); at++) {
        size_t n = strcspn(at, ":");
        char *dir = xmalloc(n + 2), *path;

        memcpy(dir, n ? at : ".", n ? n : 1);
        dir[n ? n : 1] = '\0';
        path = path_join(dir, name);
        if (is_program(path)) {
            puts(path);
            found = true;
        }
        free(path);
        free(dir);
        at += n;
        more = *at != '\0';
    }
    return found;
}

int tool_which(int argc, char **argv) {
    char given[32];
    int n = take_options(argc, argv, "as", NULL, given), status = n == 0;

    if (n < 0) return n == OPT_HELP ? 0 : 2;
    for (int i = 1; i <= n; i++)
        if (!print_program(argv[i], strchr(given, 'a') != NULL)) status = 1;
    return status;
}
