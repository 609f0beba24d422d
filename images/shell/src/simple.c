/* Simple commands: expand, redirect, assign, run. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host.h"
#include "parse.h"
#include "shell.h"
#include "tool.h"

int special_failed;

enum { PIPE_STATUS = 141 }; /* 128 + SIGPIPE, which WASI does not have */

int out_finish(void) {
    int failed = fflush(stdout) != 0;
    int error = errno;
    failed |= ferror(stdout);
    if (!failed) return 0;
    clearerr(stdout);
    if (error == EPIPE && !signal_is_ignored(SIGNAL_PIPE)) _Exit(PIPE_STATUS);
    warn("write error: %s", strerror(error));
    return 1;
}

int special_error(int status) {
    special_failed = 1;
    return status;
}

int run_tool(const struct tool *tool, char **argv) {
    int argc = 0;
    while (argv[argc]) argc++;
    vars_environ();
    tool_name = argv[0];
    int status = tool->run(argc, argv);
    int flushed = out_finish();
    return status ? status : flushed;
}

static int not_found(char **argv) {
    struct buf words = {0};
    for (char **word = argv; *word; word++) buf_add(&words, *word, strlen(*word) + 1);
    /* The host records the attempt; it never finds a name without a slash. */
    mr_proc_exec(argv[0], strlen(argv[0]), words.s, words.len, "", 0, "/", 1);
    buf_free(&words);
    warn("%s: not found", argv[0]);
    return 127;
}

struct command_task {
    struct task task;
    const struct command *command;
    char **argv;
    const struct redirect *redirects;
};

static void run_command_task(struct task *t) {
    struct command_task *c = (struct command_task *)t;
    sh.status = 2;
    if (redirect_apply(c->redirects, NULL) < 0) return;
    sh.status = run_found(c->command, c->argv, RUN_EXIT);
}

static int run_in_child(const struct command *c, char **argv, const struct redirect *r) {
    struct command_task t = {{run_command_task, 0}, c, argv, r};
    return wait_pid(task_start(&t.task, 0), 1);
}

/* Runs what was found, with redirections and assignments in place. */
int run_found(const struct command *c, char **argv, int flags) {
    int argc = 0;
    while (argv[argc]) argc++;
    switch (c->kind) {
    case COMMAND_NONE: return not_found(argv);
    case COMMAND_FUNCTION: return run_function(c->function, argc, argv);
    case COMMAND_SPECIAL:
    case COMMAND_BUILTIN: return c->builtin->run(argc, argv);
    case COMMAND_TOOL:
        if (c->tool->nofork || (flags & RUN_EXIT)) return run_tool(c->tool, argv);
        return run_in_child(c, argv, NULL);
    default:
        if (flags & RUN_EXIT) return command_exec(argv, vars_environ(), c->path);
        return run_in_child(c, argv, NULL);
    }
}

static void add_prompt(struct buf *b) {
    const char *ps4 = var_get("PS4");
    if (!ps4) return;
    struct parser p;
    parser_open_text(&p, "", 0, sh.line);
    p.arena = &sh.temp;
    struct word w = {NULL, parse_text(&p, ps4, strlen(ps4), IN_HEREDOC)};
    unsigned options = sh.options;
    sh.options &= ~(unsigned)OPT_XTRACE;
    buf_str(b, expand_string(&w));
    sh.options = options;
    parser_close(&p);
}

static void trace(const struct assignment *a, char **values, char **argv) {
    if (!(sh.options & OPT_XTRACE)) return;
    struct buf b = {0};
    add_prompt(&b);
    const char *gap = "";
    for (; a; a = a->next) {
        buf_printf(&b, "%s%s=%s", gap, a->name, *values++);
        gap = " ";
    }
    for (; *argv; argv++) {
        buf_str(&b, gap);
        buf_str(&b, *argv);
        gap = " ";
    }
    buf_putc(&b, '\n');
    write_all(2, b.s, b.len);
    buf_free(&b);
}

/* How long an assignment lasts, and whether the command's environment has it. */
enum lasting { FOR_GOOD, FOR_GOOD_EXPORTED, FOR_COMMAND };

static char **assign_all(const struct assignment *first, enum lasting lasting) {
    size_t n = 0;
    for (const struct assignment *a = first; a; a = a->next) n++;
    char **values = arena_alloc(&sh.temp, (n + 1) * sizeof *values);
    n = 0;
    for (const struct assignment *a = first; a; a = a->next) {
        char *value = expand_assigned(&a->value);
        values[n++] = value;
        if (lasting == FOR_COMMAND && local_make(a->name) < 0) shell_exit(2);
        if (var_set(a->name, value) < 0) shell_exit(2);
        if (lasting != FOR_GOOD) var_flag(a->name, VAR_EXPORT);
    }
    return values;
}

/* A command without a name: only redirections and assignments. */
static int run_nameless(const struct node *n, char **argv) {
    struct saved_fds saved;
    if (redirect_apply(n->redirects, &saved) < 0) {
        redirect_restore(&saved);
        return 2;
    }
    char **values = assign_all(n->assignments, FOR_GOOD);
    redirect_restore(&saved);
    trace(n->assignments, values, argv);
    return sh.substituted_status >= 0 ? sh.substituted_status : 0;
}

/* Steps over "command" and its -p. Leaves it in place if it is to print (-v, -V). */
static char **strip_command(char **argv, int *stripped, const char **path) {
    while (argv[0] && strcmp(argv[0], "command") == 0 && !find_function("command")) {
        char **next = argv + 1;
        const char *where = NULL;
        for (; *next && **next == '-' && (*next)[1]; next++) {
            if (strcmp(*next, "--") == 0) {
                next++;
                break;
            }
            if (strspn(*next + 1, "p") != strlen(*next + 1)) return argv;
            where = default_path;
        }
        if (!*next) return argv;
        *stripped = 1;
        if (where) *path = where;
        argv = next;
    }
    return argv;
}

/* An argument like x=$y of export and its kin is an assignment: not split, ~ expanded. */
static int is_assignment_word(const struct word *w) {
    const struct part *p = w->parts;
    if (!p || p->kind != PART_TEXT || p->quoted) return 0;
    size_t n = name_length(p->text, p->len);
    return n && n < p->len && p->text[n] == '=';
}

static char *expand_declared(const struct word *w) {
    struct part rest = *w->parts;
    size_t n = name_length(rest.text, rest.len) + 1;
    struct buf b = {0};
    buf_add(&b, rest.text, n);
    rest.text += n;
    rest.len -= n;
    struct word value = {NULL, rest.len ? &rest : rest.next};
    buf_str(&b, expand_assigned(&value));
    char *result = arena_copy(&sh.temp, b.s, b.len);
    buf_free(&b);
    return result;
}

static void expand_arguments(const struct node *n, struct fields *out) {
    const struct word *w = n->words;
    int declares = 0;
    for (; w; w = w->next) {
        const char *name = plain_text(w->parts);
        expand_word(w, out);
        if (!name || strcmp(name, "command") != 0) {
            const struct builtin *b = name ? builtin_find(name) : NULL;
            declares = b && (b->flags & ASSIGNS);
            w = w->next;
            break;
        }
    }
    for (; w; w = w->next) {
        if (declares && is_assignment_word(w)) {
            field_add(out, expand_declared(w));
        } else {
            expand_word(w, out);
        }
    }
}

/* May the words of the redirections change the shell, so that a child must not expand them? */
static int has_effects(const struct redirect *r) {
    for (; r; r = r->next) {
        for (const struct part *p = r->target.parts; p; p = p->next) {
            if (p->kind == PART_ARITH || (p->kind == PART_PARAM && p->inner)) return 1;
        }
    }
    return 0;
}

static int is_external(const struct command *c) {
    return c->kind == COMMAND_FILE || (c->kind == COMMAND_TOOL && !c->tool->nofork);
}

static void find_again(const struct node *n, struct command *c, char **argv, const char *path) {
    if (c->kind != COMMAND_NONE && c->kind != COMMAND_FILE && c->kind != COMMAND_TOOL) return;
    for (const struct assignment *a = n->assignments; a; a = a->next) {
        if (strcmp(a->name, "PATH") == 0) command_find(argv[0], 0, path, c);
    }
}

/* What stays after the command: special builtins keep assignments, exec its redirections. */
static int run_here(const struct node *n, struct command *c, char **argv, char **traced,
                    int exits, const char *path) {
    struct saved_fds saved;
    if (redirect_apply(n->redirects, &saved) < 0) {
        redirect_restore(&saved);
        if (exits) shell_exit(2);
        return 2;
    }
    int frame = c->kind == COMMAND_FUNCTION || (n->assignments && !exits);
    if (frame) locals_push();
    int keep = c->builtin && c->builtin->run == builtin_exec;
    enum lasting good = keep && argv[1] ? FOR_GOOD_EXPORTED : FOR_GOOD;
    char **values = assign_all(n->assignments, frame ? FOR_COMMAND : good);
    trace(n->assignments, values, traced);
    find_again(n, c, argv, path);
    special_failed = 0;
    int status = run_found(c, argv, 0);
    if (frame) locals_pop();
    if (special_failed && exits) shell_exit(status);
    special_failed = 0;
    if (keep) {
        redirect_keep(&saved);
    } else {
        redirect_restore(&saved);
    }
    return status;
}

static int run_named(const struct node *n, struct fields *all, int flags) {
    int stripped = 0;
    const char *path = NULL;
    char **argv = strip_command(all->v, &stripped, &path);
    struct command c;
    command_find(argv[0], !stripped, path, &c);
    if (!is_external(&c) || (n->assignments && !(flags & RUN_EXIT)) || has_effects(n->redirects))
        return run_here(n, &c, argv, all->v, c.kind == COMMAND_SPECIAL && !stripped, path);
    if (!(flags & RUN_EXIT) || traps_active()) {
        trace(NULL, NULL, all->v);
        return run_in_child(&c, argv, n->redirects);
    }
    if (redirect_apply(n->redirects, NULL) < 0) return 2;
    char **values = assign_all(n->assignments, FOR_GOOD_EXPORTED);
    trace(n->assignments, values, all->v);
    find_again(n, &c, argv, path);
    return run_found(&c, argv, RUN_EXIT);
}

int run_simple(struct node *n, int flags) {
    struct arena_mark mark = arena_tell(&sh.temp);
    struct fields argv = {0};
    sh.line = n->line;
    sh.substituted_status = -1;
    expand_arguments(n, &argv);
    char *none[] = {NULL};
    if (traps_active()) flags &= ~RUN_EXIT;
    int status = argv.count ? run_named(n, &argv, flags) : run_nameless(n, none);
    arena_rewind(&sh.temp, mark);
    check_errexit(status);
    return status;
}
