/* Signals and traps. The numbers are Linux's, whatever wasi-libc calls them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "host.h"
#include "shell.h"
#include "tool.h"

enum { SIGNAL_INT = 2, SIGNAL_QUIT = 3 };

static const struct {
    const char *name, *text;
} signals[SIGNAL_MAX] = {
    {"EXIT", ""},
    {"HUP", "Hangup"},
    {"INT", "Interrupt"},
    {"QUIT", "Quit"},
    {"ILL", "Illegal instruction"},
    {"TRAP", "Trace/breakpoint trap"},
    {"ABRT", "Aborted"},
    {"BUS", "Bus error"},
    {"FPE", "Floating point exception"},
    {"KILL", "Killed"},
    {"USR1", "User defined signal 1"},
    {"SEGV", "Segmentation fault"},
    {"USR2", "User defined signal 2"},
    {"PIPE", "Broken pipe"},
    {"ALRM", "Alarm clock"},
    {"TERM", "Terminated"},
    {"STKFLT", "Stack fault"},
    {"CHLD", "Child exited"},
    {"CONT", "Continued"},
    {"STOP", "Stopped (signal)"},
    {"TSTP", "Stopped"},
    {"TTIN", "Stopped (tty input)"},
    {"TTOU", "Stopped (tty output)"},
    {"URG", "Urgent I/O condition"},
    {"XCPU", "CPU time limit exceeded"},
    {"XFSZ", "File size limit exceeded"},
    {"VTALRM", "Virtual timer expired"},
    {"PROF", "Profiling timer expired"},
    {"WINCH", "Window changed"},
    {"IO", "I/O possible"},
    {"PWR", "Power failure"},
    {"SYS", "Bad system call"},
};

/* NULL: default; "": ignored; else the action. [0] is EXIT. */
static char *actions[SIGNAL_MAX];
/* In a command substitution the traps of its parent are gone, but "trap" still shows them
 * until the first change, so that saved=$(trap) works. */
static char **inherited;
static unsigned char came[SIGNAL_MAX];
static unsigned char hard_ignored[SIGNAL_MAX], asked[SIGNAL_MAX];
static int caught_count, came_count;
static int ever_used; /* else there is nothing to reset in a subshell */

int signal_number(const char *name) {
    if (*name >= '0' && *name <= '9') {
        int n = atoi(name);
        return name[strspn(name, "0123456789")] || n >= SIGNAL_MAX ? -1 : n;
    }
    if (strncasecmp(name, "SIG", 3) == 0) name += 3;
    for (int i = 0; i < SIGNAL_MAX; i++) {
        if (strcasecmp(signals[i].name, name) == 0) return i;
    }
    if (strcasecmp(name, "CLD") == 0) return signal_number("CHLD");
    if (strcasecmp(name, "POLL") == 0) return signal_number("IO");
    return -1;
}

const char *signal_name(int sig) { return sig > 0 && sig < SIGNAL_MAX ? signals[sig].name : NULL; }

const char *signal_text(int sig) {
    return sig > 0 && sig < SIGNAL_MAX ? signals[sig].text : "Unknown signal";
}

int signal_is_quiet(int sig) { return sig == SIGNAL_INT || sig == SIGNAL_PIPE; }

int signal_is_ignored(int sig) { return actions[sig] && !*actions[sig]; }

int traps_active(void) { return caught_count > 0; }

/* A signal that was ignored when the shell was started stays so: POSIX 2.11. */
static int stays_ignored(int sig) {
    if (sig == 0 || hard_ignored[sig] || asked[sig]) return hard_ignored[sig];
    asked[sig] = 1;
    int before = mr_sig_action(sig, MR_SIG_IGN);
    if (before == MR_SIG_IGN) hard_ignored[sig] = 1;
    return hard_ignored[sig];
}

static void set_action(int sig, char *action) {
    if (actions[sig] && *actions[sig]) caught_count--;
    free(actions[sig]);
    actions[sig] = action;
    ever_used = 1;
    if (action && *action) caught_count++;
    if (sig == 0) return;
    mr_sig_action(sig, !action ? MR_SIG_DFL : *action ? MR_SIG_CATCH : MR_SIG_IGN);
}

static void forget_inherited(void) {
    if (!inherited) return;
    for (int i = 0; i < SIGNAL_MAX; i++) free(inherited[i]);
    free(inherited);
    inherited = NULL;
}

void traps_enter_subshell(int show_old) {
    if (!ever_used) return;
    forget_inherited();
    if (show_old) inherited = xmalloc(sizeof actions);
    for (int i = 0; i < SIGNAL_MAX; i++) {
        if (show_old) inherited[i] = actions[i] ? xstrdup(actions[i]) : NULL;
        if (actions[i] && *actions[i]) set_action(i, NULL);
    }
    memset(came, 0, sizeof came);
    came_count = 0;
    sh.in_trap = 0;
}

/* An asynchronous list ignores what the keyboard would send. */
void ignore_keyboard_signals(void) {
    for (int sig = SIGNAL_INT; sig <= SIGNAL_QUIT; sig++) {
        if (!actions[sig]) mr_sig_action(sig, MR_SIG_IGN);
        hard_ignored[sig] = 1;
    }
}

int trap_note(void) {
    if (!caught_count) return 0;
    for (int sig = mr_sig_take(); sig > 0 && sig < SIGNAL_MAX; sig = mr_sig_take()) {
        if (!came[sig]) came_count++;
        came[sig] = 1;
    }
    for (int sig = 1; came_count && sig < SIGNAL_MAX; sig++) {
        if (came[sig]) return sig;
    }
    return 0;
}

/* Runs an action; $? after it is what it was before, unless it returns or exits. */
static int run_action(const char *action) {
    int status = sh.status, outer = sh.trap_status, was_in_trap = sh.in_trap, failed = 0;
    int outer_calls = sh.trap_calls;
    enum flow flow = sh.flow;
    int levels = sh.flow_levels;
    sh.flow = FLOW_NONE;
    sh.in_trap = 1;
    sh.trap_status = status;
    sh.trap_calls = sh.calls;
    char *copy = xstrdup(action);
    run_text(copy, sh.line, 0, &failed);
    free(copy);
    sh.in_trap = was_in_trap;
    sh.trap_status = outer;
    sh.trap_calls = outer_calls;
    if (sh.flow) return 1;
    sh.flow = flow;
    sh.flow_levels = levels;
    sh.status = status;
    return 0;
}

int traps_run(void) {
    for (int sig = trap_note(); sig; sig = trap_note()) {
        came[sig] = 0;
        came_count--;
        if (!actions[sig] || !*actions[sig]) continue;
        if (run_action(actions[sig])) return 1;
    }
    return 0;
}

void run_exit_trap(int status) {
    char *action = actions[0];
    if (!action) return;
    actions[0] = NULL;
    if (*action) caught_count--;
    sh.status = status;
    sh.tested = 0;
    sh.flow = FLOW_NONE;
    sh.in_trap = 1;
    sh.trap_status = status;
    sh.trap_calls = sh.calls;
    int failed;
    if (*action) run_text(action, sh.line, 0, &failed);
}

static int print_traps(int argc, char **argv, int all) {
    char **shown = inherited ? inherited : actions;
    int status = 0;
    for (int i = 0; i < SIGNAL_MAX; i++) {
        int named = argc == 0;
        for (int k = 0; k < argc; k++) named |= signal_number(argv[k]) == i;
        if (!named || (!shown[i] && !all)) continue;
        fputs("trap -- ", stdout);
        if (shown[i]) {
            print_quoted(shown[i]);
        } else {
            putchar('-');
        }
        printf(" %s\n", signals[i].name);
    }
    for (int k = 0; k < argc; k++) {
        if (signal_number(argv[k]) >= 0) continue;
        warn("trap: %s: bad trap", argv[k]);
        status = 1;
    }
    return out_finish() | status;
}

int builtin_trap(int argc, char **argv) {
    struct options o = {1, 0, NULL};
    int print = 0, c;
    while ((c = option_next(&o, argc, argv, "p")) != -1) {
        if (c == '?') return special_error(2);
        print = 1;
    }
    argv += o.at;
    argc -= o.at;
    if (print || argc == 0) return print_traps(argc, argv, print);
    const char *action = NULL;
    int is_number = argv[0][strspn(argv[0], "0123456789")] == '\0' && *argv[0];
    if (argc > 1 && !is_number) {
        if (strcmp(argv[0], "-") != 0) action = argv[0];
        argv++;
        argc--;
    } else if (argc == 1 && strcmp(argv[0], "-") == 0) {
        return 0;
    }
    forget_inherited();
    int status = 0;
    for (; argc > 0; argv++, argc--) {
        int sig = signal_number(*argv);
        if (sig < 0) {
            warn("trap: %s: bad trap", *argv);
            status = 1;
        } else if (!stays_ignored(sig)) {
            set_action(sig, action ? xstrdup(action) : NULL);
        }
    }
    return status;
}
