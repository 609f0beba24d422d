/* Builtins that decide what runs next. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "parse.h"
#include "shell.h"

int builtin_colon(int argc, char **argv) {
    (void)argc, (void)argv;
    return 0;
}

int builtin_true(int argc, char **argv) { return builtin_colon(argc, argv); }

int builtin_false(int argc, char **argv) {
    (void)argc, (void)argv;
    return 1;
}

/* The optional number of exit, return, break and continue; -1 after a message. */
static int number_argument(int argc, char **argv, int otherwise, int least) {
    int at = argc > 1 && strcmp(argv[1], "--") == 0 ? 2 : 1;
    if (at >= argc) return otherwise;
    size_t digits = strspn(argv[at], "0123456789");
    long n = digits && digits < 11 ? strtol(argv[at], NULL, 10) : 0x7fffffff;
    if (!digits || argv[at][digits] || n < least) {
        warn("%s: Illegal number: %s", argv[0], argv[at]);
        return -1;
    }
    return n > 0x7fffffff ? 0x7fffffff : (int)n;
}

static int jump(int argc, char **argv, enum flow flow) {
    int levels = number_argument(argc, argv, 1, 1);
    if (levels < 0) return special_error(2);
    if (sh.loops == 0) return 0;
    sh.flow = flow;
    sh.flow_levels = levels < sh.loops ? levels : sh.loops;
    return 0;
}

int builtin_break(int argc, char **argv) { return jump(argc, argv, FLOW_BREAK); }

int builtin_continue(int argc, char **argv) { return jump(argc, argv, FLOW_CONTINUE); }

/* A bare exit or return in a trap goes by what was before the trap. */
static int leaving_status(void) {
    return sh.in_trap && sh.calls == sh.trap_calls ? sh.trap_status : sh.status;
}

int builtin_return(int argc, char **argv) {
    int status = number_argument(argc, argv, leaving_status(), 0);
    if (status < 0) return special_error(2);
    sh.flow = FLOW_RETURN;
    sh.status = status;
    return status;
}

int builtin_exit(int argc, char **argv) {
    int status = number_argument(argc, argv, leaving_status(), 0);
    if (status < 0) return special_error(2);
    shell_exit(status);
}

int builtin_eval(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "--") == 0) argc--, argv++;
    struct buf text = {0};
    for (int i = 1; i < argc; i++) {
        if (i > 1) buf_putc(&text, ' ');
        buf_str(&text, argv[i]);
    }
    int failed;
    int status = run_text(buf_text(&text), sh.line, 0, &failed);
    buf_free(&text);
    if (failed) return special_error(status);
    return sh.flow == FLOW_RETURN ? sh.status : status;
}

/* The file of ".": found in PATH, where it need not be executable. */
static int open_dot(const char *name) {
    if (strchr(name, '/')) return open(name, O_RDONLY);
    const char *path = var_get("PATH");
    struct buf b = {0};
    int fd = -1;
    while (path && fd < 0) {
        size_t n = strcspn(path, ":");
        b.len = 0;
        buf_add(&b, path, n);
        if (n) buf_putc(&b, '/');
        buf_str(&b, name);
        struct stat st;
        if (stat(buf_text(&b), &st) == 0 && S_ISREG(st.st_mode)) fd = open(b.s, O_RDONLY);
        path = path[n] ? path + n + 1 : NULL;
    }
    buf_free(&b);
    return fd;
}

int builtin_dot(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "--") == 0) argc--, argv++;
    if (argc < 2) {
        warn(".: filename argument required");
        return special_error(2);
    }
    struct buf text = {0};
    int fd = open_dot(argv[1]);
    if (fd < 0 || read_file(fd, &text) < 0) {
        if (fd >= 0) close(fd);
        warn(strchr(argv[1], '/') ? ".: cannot open %s: No such file" : ".: %s: not found", argv[1]);
        return special_error(strchr(argv[1], '/') ? 2 : 127);
    }
    close(fd);
    struct parser p;
    int loops = sh.loops, line = sh.line;
    sh.loops = 0;
    sh.calls++;
    parser_open_text(&p, text.s, text.len, 1);
    int status = run_parser(&p, 0);
    parser_close(&p);
    buf_free(&text);
    sh.calls--;
    sh.loops = loops;
    sh.line = line;
    if (p.failed) return special_error(status);
    if (sh.flow == FLOW_RETURN) {
        sh.flow = FLOW_NONE;
        status = sh.status;
    }
    return status;
}

int builtin_exec(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "--") == 0) argc--, argv++;
    if (argc < 2) return 0;
    struct command c;
    command_find(argv[1], 0, NULL, &c);
    /* exec starts a program, and the special builtins are none. */
    if (c.kind == COMMAND_SPECIAL) c.kind = COMMAND_NONE;
    int status = run_found(&c, argv + 1, RUN_EXIT);
    if (c.kind == COMMAND_FILE || c.kind == COMMAND_NONE) return special_error(status);
    fflush(NULL);
    _Exit(status);
}
