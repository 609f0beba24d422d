/* From a command's name to what runs it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host.h"
#include "shell.h"
#include "tool.h"

const char default_path[] = "/usr/local/bin:/usr/bin:/bin";

static int is_executable_file(struct buf *path) {
    struct stat st;
    if (stat(buf_text(path), &st) < 0 || !S_ISREG(st.st_mode)) return 0;
    struct buf full = {0};
    int mode = absolute_path(path->s, &full) < 0 ? -1 : mr_path_mode(full.s, full.len);
    buf_free(&full);
    return mode >= 0 && (mode & 0111);
}

static int is_tool_directory(const char *dir, size_t n) {
    return (n == 4 && memcmp(dir, "/bin", 4) == 0) || (n == 8 && memcmp(dir, "/usr/bin", 8) == 0);
}

/* /bin/cat is the tool, /bin/echo the builtin; other paths are files. */
static void find_at(const char *path, struct command *out) {
    const char *slash = strrchr(path, '/');
    out->path = path;
    out->kind = COMMAND_FILE;
    if (!is_tool_directory(path, (size_t)(slash - path))) return;
    out->tool = tool_find(slash + 1);
    if (out->tool) out->kind = COMMAND_TOOL;
    const struct builtin *b = out->tool ? NULL : builtin_find(slash + 1);
    if (!b || (b->flags & SPECIAL)) return;
    out->builtin = b;
    out->kind = COMMAND_BUILTIN;
}

static void search_path(const char *name, const char *path, struct command *out) {
    struct buf b = {0};
    while (path) {
        size_t n = strcspn(path, ":");
        const struct tool *tool = is_tool_directory(path, n) ? tool_find(name) : NULL;
        b.len = 0;
        buf_add(&b, path, n);
        if (n) buf_putc(&b, '/');
        buf_str(&b, name);
        if (tool || is_executable_file(&b)) {
            out->kind = tool ? COMMAND_TOOL : COMMAND_FILE;
            out->tool = tool;
            out->path = arena_copy(&sh.temp, b.s, b.len);
            break;
        }
        path = path[n] ? path + n + 1 : NULL;
    }
    buf_free(&b);
}

/* path NULL: the variable PATH. */
void command_find(const char *name, int functions, const char *path, struct command *out) {
    memset(out, 0, sizeof *out);
    if (strchr(name, '/')) {
        find_at(name, out);
        return;
    }
    out->builtin = builtin_find(name);
    if (out->builtin && (out->builtin->flags & SPECIAL)) {
        out->kind = COMMAND_SPECIAL;
        return;
    }
    if (functions && (out->function = find_function(name))) {
        out->kind = COMMAND_FUNCTION;
        return;
    }
    if (out->builtin) {
        out->kind = COMMAND_BUILTIN;
        return;
    }
    if (*name) search_path(name, path ? path : var_get("PATH"), out);
}

static void add_strings(struct buf *b, char **v) {
    for (; *v; v++) buf_add(b, *v, strlen(*v) + 1);
}

/* Gives the process to another program; comes back with -errno. */
static int replace_process(const char *path, char **argv, char **envp) {
    struct buf args = {0}, env = {0};
    char cwd[4096];
    if (!getcwd(cwd, sizeof cwd)) strcpy(cwd, "/");
    add_strings(&args, argv);
    add_strings(&env, envp);
    struct buf full = {0};
    if (strchr(path, '/')) {
        absolute_path(path, &full);
    } else {
        buf_str(&full, path);
    }
    int error = mr_proc_exec(full.s, full.len, args.s, args.len, env.s, env.len, cwd, strlen(cwd));
    buf_free(&args);
    buf_free(&env);
    buf_free(&full);
    return error;
}

enum { INTERPRETER_LINE = 256 };

/* Reads the start of a file. -1: unreadable; 0: binary; 1: no #! line; 2: its words. */
static int read_interpreter(const char *path, char line[INTERPRETER_LINE]) {
    int fd = open(path, O_RDONLY);
    if (fd < 0) return -1;
    ssize_t n = read(fd, line, INTERPRETER_LINE - 1);
    close(fd);
    if (n < 0) return -1;
    line[n] = '\0';
    char *newline = strchr(line, '\n');
    size_t first_line = newline ? (size_t)(newline - line) : (size_t)n;
    if (memchr(line, '\0', first_line)) return 0;
    line[first_line] = '\0';
    return line[0] == '#' && line[1] == '!' ? 2 : 1;
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Shells go by many names; all of them are this one. */
static const char *interpreter_path(const char *program) {
    static const char *const shells[] = {"sh", "bash", "dash", "ash", "ksh", "zsh"};
    const char *base = base_name(program);
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++) {
        if (strcmp(base, shells[i]) == 0) return "/bin/sh";
    }
    if (strncmp(base, "python", 6) == 0) return "/usr/bin/python3";
    return program;
}

/* Runs a script: argv becomes [interpreter, its argument, path, arguments...]. */
static int run_script(const char *path, char **argv, char **envp) {
    char line[INTERPRETER_LINE];
    int kind = read_interpreter(path, line);
    if (kind < 0) return -errno;
    if (kind == 0) return -ENOEXEC;
    size_t argc = 0;
    while (argv[argc]) argc++;
    char **full = xmalloc((argc + 4) * sizeof *full);
    size_t n = 0;
    char *program = NULL, *argument = NULL;
    if (kind == 2) {
        program = strtok(line + 2, " \t\r");
        argument = program ? strtok(NULL, "\r") : NULL;
        if (program && argument && strcmp(base_name(program), "env") == 0) {
            program = strtok(argument, " \t\r");
            argument = strtok(NULL, "\r");
        }
    }
    if (!program) program = (char *)"sh";
    full[n++] = program;
    if (argument) full[n++] = argument;
    full[n++] = (char *)path;
    memcpy(full + n, argv + 1, argc * sizeof *full);
    const struct tool *tool = tool_find(base_name(program));
    if (tool) exit(tool->run((int)(n + argc - 1), full));
    int error = replace_process(interpreter_path(program), full, envp);
    free(full);
    return error == -ENOEXEC ? -EACCES : error;
}

static int report_exec(const char *name, int error) {
    switch (-error) {
    case ENOENT: warn("%s: not found", name); return 127;
    case ENOTSUP:
        warn("%s: not available: install the extra magicrune[python]", name);
        return 127;
    case ENOEXEC: warn("%s: Exec format error", name); return 126;
    case EACCES: warn("%s: Permission denied", name); return 126;
    default: warn("%s: %s", name, strerror(-error)); return 126;
    }
}

/* Becomes the file; or returns the status of a process that could not. */
int command_exec(char **argv, char **envp, const char *path) {
    fflush(NULL);
    int error = replace_process(path, argv, envp);
    if (error == -ENOEXEC) error = run_script(path, argv, envp);
    return report_exec(argv[0], error);
}

static void use_environ(char *const *envp) {
    vars_forget_exports();
    for (; *envp; envp++) {
        const char *equals = strchr(*envp, '=');
        char *name = equals ? arena_copy(&sh.temp, *envp, (size_t)(equals - *envp)) : NULL;
        if (!name || !is_name(name)) continue;
        var_flag(name, VAR_EXPORT);
        var_set(name, equals + 1);
    }
}

/* env -C and find -execdir have moved: PWD follows, or the command's pwd would be wrong. */
static void follow_directory(void) {
    const char *pwd = var_get("PWD");
    char cwd[4096];
    struct stat here, there;
    struct buf clean = {0};
    if (pwd && stat(".", &here) == 0 && stat(pwd, &there) == 0 && here.st_ino == there.st_ino) return;
    if (getcwd(cwd, sizeof cwd) && resolve_links(cwd, &clean)) var_set("PWD", buf_text(&clean));
    buf_free(&clean);
}

_Noreturn void sh_exec(char *const argv[], char *const envp[]) {
    follow_directory();
    if (envp) use_environ(envp);
    struct command c;
    command_find(argv[0], 0, NULL, &c);
    if (c.kind == COMMAND_SPECIAL) c.kind = COMMAND_NONE;
    shell_exit(run_found(&c, (char **)argv, RUN_EXIT));
}

struct argv_task {
    struct task task;
    char *const *argv, *const *envp;
};

static void run_argv(struct task *t) {
    struct argv_task *a = (struct argv_task *)t;
    sh_exec(a->argv, a->envp);
}

int sh_spawn(char *const argv[], char *const envp[]) {
    struct argv_task a = {{run_argv, 0}, argv, envp};
    fflush(NULL);
    return mr_proc_fork(&a.task);
}

int sh_run(char *const argv[], char *const envp[]) {
    struct argv_task a = {{run_argv, 0}, argv, envp};
    return wait_pid(task_start(&a.task, 0), 0);
}
