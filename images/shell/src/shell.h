/* The shell's state and what its modules offer each other. */
#ifndef MR_SHELL_H
#define MR_SHELL_H
#include <stddef.h>
#include <stdint.h>

#include "ast.h"
#include "memory.h"

enum option {
    OPT_ALLEXPORT = 1 << 0,
    OPT_NOTIFY = 1 << 1,
    OPT_NOCLOBBER = 1 << 2,
    OPT_ERREXIT = 1 << 3,
    OPT_NOGLOB = 1 << 4,
    OPT_HASHALL = 1 << 5,
    OPT_INTERACTIVE = 1 << 6,
    OPT_MONITOR = 1 << 7,
    OPT_NOEXEC = 1 << 8,
    OPT_STDIN = 1 << 9,
    OPT_NOUNSET = 1 << 10,
    OPT_VERBOSE = 1 << 11,
    OPT_XTRACE = 1 << 12,
    OPT_IGNOREEOF = 1 << 13,
    OPT_NOLOG = 1 << 14,
    OPT_VI = 1 << 15,
    OPT_EMACS = 1 << 16,
    OPT_PIPEFAIL = 1 << 17,
};

/* A pending jump. exit needs none: a subshell is a process, so it really exits. */
enum flow { FLOW_NONE, FLOW_BREAK, FLOW_CONTINUE, FLOW_RETURN };

struct shell {
    const char *name; /* $0 */
    char **params;    /* $1 ... */
    int param_count;
    int params_owned;
    unsigned options;
    int status;             /* $? */
    int substituted_status; /* of the last command substitution, -1: there was none */
    int line;               /* $LINENO */
    enum flow flow;
    int flow_levels; /* loops still to leave */
    int loops;       /* loops around the running command */
    int calls;       /* functions and dot scripts around it */
    int tested;      /* > 0: a failure is being looked at, so -e is off */
    int depth;       /* of nested commands, to fail before the stack does */
    int root_pid;
    int parent_pid;
    int last_async; /* $! */
    int is_child;
    int in_trap;
    int trap_calls; /* sh.calls when it began */
    int trap_status; /* $? when the running trap began: what a bare exit there gives back */
    int optind_reset;
    unsigned umask;
    struct arena *running; /* tree of the running command, for functions to hold */
    struct arena temp; /* results of expansion */
};
extern struct shell sh;

/* main.c */
struct parser;
int run_parser(struct parser *p, int flags); /* status; 2 after a syntax error */
int run_text(const char *text, int line, int flags, int *syntax_failed);
int read_file(int fd, struct buf *out); /* all of it; -1: errno */
/* A unit of depth takes at most 0.5 KB of wasmtime's stack (measured), of which there is 1 MB. */
enum { DEPTH_MAX = 1700 };
#ifdef __wasi__
enum { STACK_MAX = 400 * 1024 }; /* of 512 KB; the rest is for one command's own work */
#else
enum { STACK_MAX = 6 * 1024 * 1024 };
#endif
_Noreturn void shell_exit(int status);         /* runs the EXIT trap */
void warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void fail(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void write_all(int fd, const char *s, size_t n);

/* vars.c */
enum { VAR_EXPORT = 1, VAR_READONLY = 2 };
struct var {
    struct var *next;
    char *value; /* NULL: unset but with attributes */
    unsigned flags;
    char name[];
};
const char *var_get(const char *name); /* NULL: unset */
struct var *var_find(const char *name, size_t len);
int var_set(const char *name, const char *value);  /* -1 after a message: read only */
int var_set_n(const char *name, size_t len, const char *value);
int var_flag(const char *name, unsigned flags); /* creates it unset if need be */
int var_unset(const char *name);
void vars_init(void);
void vars_each(void (*see)(const struct var *, void *), void *arg); /* sorted by name */
void vars_forget_exports(void);
char **vars_environ(void);    /* made anew only when something changed */
void locals_push(void);
void locals_pop(void);
int local_make(const char *name); /* keeps value and flags until locals_pop */
int locals_depth(void);
const char *ifs_get(void);
int is_name(const char *s);
void print_quoted(const char *s); /* to stdout, so that the shell can read it back */
void quote_to(struct buf *b, const char *s);

/* functions and aliases: names.c */
struct function {
    struct function *next;
    struct arena *arena;
    struct node *body;
    char name[];
};
struct function *find_function(const char *name);
void function_set(const char *name, struct arena *arena, struct node *body);
int function_unset(const char *name);
struct alias {
    struct alias *next;
    char *value;
    int in_use;
    char name[];
};
struct alias *alias_find(const char *name);
void alias_set(const char *name, size_t len, const char *value);
int alias_unset(const char *name);
void alias_clear(void);
void alias_each(void (*see)(const struct alias *));

/* expand.c: all results live in sh.temp */
struct fields {
    char **v; /* NULL-ended */
    int count, cap;
};
void field_add(struct fields *f, char *s);
void expand_word(const struct word *w, struct fields *out); /* splits and globs */
char *expand_string(const struct word *w);                  /* neither; quotes removed */
char *expand_assigned(const struct word *w);                /* with ~ after each : too */
char *expand_pattern(const struct part *parts);             /* quoted specials get a \ */
char *expand_arith(const struct part *parts);
char *expand_heredoc(const struct part *parts, size_t *len);

/* The buffer behind them: bytes with one attribute byte each. */
enum { ATTR_QUOTED = 1, ATTR_SPLIT = 2, ATTR_BREAK = 4, ATTR_NULL = 8 };
struct marked {
    struct buf text, attr;
};
void marked_add(struct marked *m, const char *s, size_t n, int attr);
void marked_free(struct marked *m);
/* What to keep of how the parts will be used. */
enum { EXPAND_SPLIT = 1, EXPAND_ASSIGN = 2, EXPAND_OPERAND = 4, EXPAND_NO_TILDE = 8 };
void expand_parts(const struct part *parts, struct marked *m, int flags);
void expand_param(const struct part *p, struct marked *m, int flags); /* param.c */
const char *param_get(const char *name, size_t len, char number[24]);
/* field.c */
void split_fields(struct marked *m, struct fields *out);
char *marked_pattern(struct marked *m, size_t from, size_t to);
/* substitute.c */
void substitute_command(const struct part *p, struct marked *m);

/* arith.c */
int64_t arith_eval(const char *expression);
int parse_integer(const char *s, int64_t *out); /* 0 if s is one integer constant */

/* pattern.c, glob.c */
int pattern_match(const char *pattern, const char *s, size_t len);
int pattern_has_special(const char *pattern);
void pattern_unescape(char *s);
int glob_expand(const char *pattern, struct fields *out); /* number of matches */

/* redirect.c */
enum { PRIVATE_FD = 900, ROOT_FD = 1000 };
struct saved_fds {
    struct saved_fds *below;
    struct saved_fd {
        int fd, copy; /* copy -1: it was closed */
    } * v;
    int count;
};
int redirect_apply(const struct redirect *r, struct saved_fds *saved); /* NULL: for good */
void redirect_restore(struct saved_fds *saved);
void redirect_keep(struct saved_fds *saved); /* exec: forget the old ones */
void redirect_unwind(void);                  /* all of them, before an exit */
void redirect_forget(void);                  /* in a child: none will be restored */
int absolute_path(const char *path, struct buf *out);

/* path.c */
int resolve_links(const char *path, struct buf *out);

/* exec.c */
enum { RUN_EXIT = 1 }; /* this process ends with this command */
int run_node(struct node *n, int flags);
int run_function(struct function *f, int argc, char **argv);
int run_list(struct node *first, int flags);
void check_errexit(int status);

/* simple.c, command.c */
int run_simple(struct node *n, int flags);
enum command_kind {
    COMMAND_NONE,
    COMMAND_FUNCTION,
    COMMAND_SPECIAL,
    COMMAND_BUILTIN,
    COMMAND_TOOL,
    COMMAND_FILE,
};
struct builtin;
struct tool;
struct command {
    enum command_kind kind;
    struct function *function;
    const struct builtin *builtin;
    const struct tool *tool;
    const char *path; /* COMMAND_FILE: in sh.temp */
};
void command_find(const char *name, int functions, const char *path, struct command *out);
int command_exec(char **argv, char **envp, const char *path); /* returns only on failure */
int run_found(const struct command *c, char **argv, int flags);
int run_tool(const struct tool *tool, char **argv);
extern const char default_path[];

/* process.c */
struct task {
    void (*run)(struct task *);
    int shows_traps; /* "trap" tells of the parent's traps */
};
int task_start(struct task *t, int is_async); /* pid; exits the shell when it cannot */
int wait_pid(int pid, int report);            /* status as of $? */
int job_add(int pid);
void jobs_poll(void);
int wait_job(int pid);
int wait_all(void);
int job_pid(int number); /* %n; 0: the current one; -1: none */
int open_null(void);
int jobs_print(int pids_only);

/* trap.c */
enum { SIGNAL_PIPE = 13, SIGNAL_MAX = 32 };
int signal_is_ignored(int sig);
int signal_number(const char *name); /* also a number; 0: EXIT; -1: none */
const char *signal_name(int sig);
void traps_enter_subshell(int show_old);
int traps_run(void);       /* those of signals that came; 0 or the jump made */
void run_exit_trap(int status);
int trap_note(void);       /* takes in caught signals; number of one that waits for its trap */
const char *signal_text(int sig);
int signal_is_quiet(int sig); /* its death goes unreported */
void ignore_keyboard_signals(void);
int traps_active(void); /* is there any but ignored ones? */

/* options.c */
int option_letter(char c, int on);
int option_name(const char *name, int on);
void options_print(int as_commands);
void options_letters(char out[32]);
int options_parse(int argc, char **argv, int *at, int is_set);
void params_set(int count, char **v);

/* builtins */
typedef int builtin_fn(int argc, char **argv);
enum { SPECIAL = 1, ASSIGNS = 2 }; /* ASSIGNS: x=~ among the arguments is expanded so */
struct builtin {
    const char *name;
    builtin_fn *run;
    int flags;
};
const struct builtin *builtin_find(const char *name);
/* A message, then the status of a special builtin that failed (the shell may exit). */
int special_error(int status);
extern int special_failed;
/* getopt for builtins; -1 at the end, '?' after a message. */
struct options {
    int at, in;
    char *value;
};
int option_next(struct options *o, int argc, char **argv, const char *letters);
int out_finish(void); /* flush stdout; 1 after a message when that failed */

builtin_fn builtin_colon, builtin_dot, builtin_break, builtin_continue, builtin_eval,
    builtin_exec, builtin_exit, builtin_export, builtin_readonly, builtin_return, builtin_set,
    builtin_shift, builtin_times, builtin_trap, builtin_unset, builtin_local;
builtin_fn builtin_alias, builtin_unalias, builtin_cd, builtin_pwd, builtin_command,
    builtin_echo, builtin_printf, builtin_test, builtin_read, builtin_getopts, builtin_hash,
    builtin_type, builtin_umask, builtin_ulimit, builtin_wait, builtin_kill, builtin_jobs,
    builtin_bg, builtin_fg, builtin_true, builtin_false;

/* builtin_io.c */
enum escape_style { ESCAPE_ECHO, ESCAPE_B, ESCAPE_FORMAT }; /* which octal forms, and \c */
const char *put_escape(const char *s, struct buf *out, enum escape_style style);

/* Too deep for the stack? Exits the shell with a message. */
void depth_enter(void);
static inline void depth_leave(void) { sh.depth--; }
#endif
