/* The seam between the shell (shell core) and its everyday tools (tool_*.c). */
#ifndef MR_TOOL_H
#define MR_TOOL_H
#include <stddef.h>

/* A tool is main() under another name. It normally runs in a process of its own (a
 * fork of the shell), so it may exit(), leak and use statics, and its stdio is flushed
 * for it when it returns. Only one marked NOFORK runs inside the shell itself: it must
 * not exit, leak, or keep static state, and must not change the working directory. */
typedef int tool_fn(int argc, char **argv);
struct tool {
    const char *name;
    tool_fn *run;
    int nofork;
};

/* The last entry's name is NULL. Defined in tools.c from tools_file.def and tools_text.def. */
extern const struct tool tools[];
const struct tool *tool_find(const char *name);

/* Given by the shell core to tools that start commands (env, xargs, find -exec).
 * Runs argv (NULL-ended; a builtin, function-less tool, or external program) in a child
 * with the given environment (NULL: the current one) and returns its exit status
 * (126/127 with a message on stderr where it cannot be run). */
int sh_run(char *const argv[], char *const envp[]);
/* Only starts it: the child's pid, for mr_proc_wait and mr_proc_kill, or -errno. */
int sh_spawn(char *const argv[], char *const envp[]);
/* The same without coming back: for env, at the end of its process. */
_Noreturn void sh_exec(char *const argv[], char *const envp[]);

/* The shell's umask. The host knows of none: it makes files 0644 and directories 0755. */
int sh_umask(void);

/* Shared by tools (tool_common.c). Messages have the form "cat: FILE: No such file or directory". */
extern const char *tool_name;                       /* argv[0] of the running tool */
void tool_warn(const char *fmt, ...);               /* "name: message" */
void tool_warn_errno(const char *what);             /* "name: what: strerror" */
_Noreturn void tool_die(int status, const char *fmt, ...);
void *xmalloc(size_t n);                            /* exits 1 "out of memory" */
void *xrealloc(void *p, size_t n);
char *xstrdup(const char *s);
/* Last call of a tool that writes with stdio: flushes stdout and returns `status`, or 1 with a
 * message if output was lost, or 141 in silence if the reader of a pipe has gone. */
int out_check(int status);
#endif
