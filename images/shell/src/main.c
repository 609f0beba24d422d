/* The shell's start and end, and its messages. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host.h"
#include "parse.h"
#include "shell.h"
#include "tool.h"

#ifdef __wasi__
#include <wasi/libc.h>
#endif

struct shell sh = {.name = "sh", .umask = 022, .options = 0};

void write_all(int fd, const char *s, size_t n) {
    while (n) {
        ssize_t done = write(fd, s, n);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return;
        s += done;
        n -= (size_t)done;
    }
}

static void say(const char *fmt, va_list ap) {
    char text[1024];
    int n = vsnprintf(text, sizeof text, fmt, ap);
    struct buf b = {0};
    buf_printf(&b, "%s: %d: ", sh.name, sh.line);
    buf_add(&b, text, n < (int)sizeof text ? (size_t)n : sizeof text - 1);
    buf_putc(&b, '\n');
    fflush(stdout);
    write_all(2, b.s, b.len);
    buf_free(&b);
}

void warn(const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    say(fmt, ap);
    va_end(ap);
}

_Noreturn void fail(int status, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    say(fmt, ap);
    va_end(ap);
    shell_exit(status);
}

_Noreturn void shell_exit(int status) {
    redirect_unwind();
    run_exit_trap(status);
    fflush(NULL);
    _Exit(status & 0xff);
}

/* Commands nest on the C stack, which WASI gives us once and for all. */
void depth_enter(void) {
    char here;
    static const char *top;
    if (!top) top = &here;
    if (++sh.depth > DEPTH_MAX || top - &here > STACK_MAX) {
        sh.depth = 0;
        top = &here;
        fail(2, "commands nested too deeply");
    }
}

int read_file(int fd, struct buf *out) {
    for (;;) {
        buf_reserve(out, 4096);
        ssize_t n = read(fd, out->s + out->len, out->cap - out->len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        if (n == 0) return 0;
        out->len += (size_t)n;
    }
}

/* Runs commands until the input ends or one of them jumps out. */
int run_parser(struct parser *p, int flags) {
    struct arena *running = sh.running;
    int status = 0;
    depth_enter();
    depth_enter(); /* the parser's part */
    for (;;) {
        int at_end = 0;
        p->arena = arena_new();
        struct node *n = parse_command(p, &at_end);
        if (n) {
            sh.running = p->arena;
            int last = (flags & RUN_EXIT) && parser_is_empty(p);
            status = run_node(n, last ? RUN_EXIT : 0);
            sh.running = running;
        }
        arena_drop(p->arena);
        p->arena = NULL;
        if (p->failed) status = 2;
        if (p->failed || at_end || sh.flow) break;
    }
    depth_leave();
    depth_leave();
    return status;
}

int run_text(const char *text, int line, int flags, int *syntax_failed) {
    struct parser p;
    parser_open_text(&p, text, strlen(text), line);
    int status = run_parser(&p, flags);
    *syntax_failed = p.failed;
    parser_close(&p);
    return status;
}

/* The root directory is descriptor 3 at the start; scripts may want that number. */
static void move_root(void) {
#ifdef __wasi__
    struct stat st;
    if (fstat(ROOT_FD, &st) < 0) {
        mr_fd_dup(3, ROOT_FD);
        close(3);
    }
    __wasilibc_register_preopened_fd(ROOT_FD, "/");
#endif
}

/* PWD from the environment counts if it is where the program was started. */
static void find_directory(void) {
    char cwd[4096];
    int n = mr_proc_cwd(cwd, sizeof cwd - 1);
    if (n <= 0) {
        strcpy(cwd, "/");
    } else {
        cwd[n] = '\0';
    }
#ifdef __wasi__
    if (chdir(cwd) < 0) strcpy(cwd, "/");
#endif
    const char *pwd = var_get("PWD");
    if (!pwd || strcmp(pwd, cwd) != 0) var_set("PWD", cwd);
}

static int run_file(const char *path) {
    int fd = open(path, O_RDONLY);
    if (fd < 0) fail(errno == ENOENT ? 127 : 126, "cannot open %s: %s", path,
                     errno == ENOENT ? "No such file" : strerror(errno));
    struct buf text = {0};
    if (read_file(fd, &text) < 0) fail(126, "cannot read %s: %s", path, strerror(errno));
    close(fd);
    struct parser p;
    parser_open_text(&p, text.s, text.len, 1);
    p.base.to_show = p.base.p;
    sh.name = path;
    return run_parser(&p, RUN_EXIT);
}

static int run_stdin(void) {
    struct parser p;
    sh.options |= OPT_STDIN;
    parser_open_fd(&p, 0);
    return run_parser(&p, 0);
}

static int run_shell(int argc, char **argv) {
    int at = 1, failed = 0;
    int command = options_parse(argc, argv, &at, 0);
    if (command < 0) return 2;
    argv += at;
    argc -= at;
    if (command) {
        if (!argc) fail(2, "-c requires an argument");
        if (argc > 1) sh.name = argv[1];
        params_set(argc > 2 ? argc - 2 : 0, argc > 2 ? argv + 2 : argv + argc);
        return run_text(argv[0], 1, RUN_EXIT, &failed);
    }
    if (argc && !(sh.options & OPT_STDIN)) {
        params_set(argc - 1, argv + 1);
        return run_file(argv[0]);
    }
    params_set(argc, argv);
    return run_stdin();
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

int main(int argc, char **argv) {
    static char out[4096];
    setvbuf(stdout, out, _IOFBF, sizeof out);
    move_root();
    sh.parent_pid = mr_proc_ppid();
    vars_init();
    find_directory();
    char *fallback[] = {(char *)"sh", NULL};
    if (argc < 1) argc = 1, argv = fallback;
    const char *name = base_name(argv[0]);
    const struct tool *tool = tool_find(name);
    sh.line = 1;
    if (tool) {
        tool_name = name;
        shell_exit(run_tool(tool, argv));
    }
    sh.name = argv[0];
    int status = run_shell(argc, argv);
    shell_exit(sh.flow == FLOW_RETURN ? sh.status : status);
}
