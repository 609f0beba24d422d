/* Builtins on processes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "shell.h"

static int no_job_control(const char *name) {
    warn("%s: job control is not available in the WASI lane", name);
    return 2;
}

int builtin_bg(int argc, char **argv) {
    (void)argc;
    return no_job_control(argv[0]);
}

int builtin_fg(int argc, char **argv) {
    (void)argc;
    return no_job_control(argv[0]);
}

int builtin_jobs(int argc, char **argv) {
    struct options o = {1, 0, NULL};
    int pids_only = 0, c;
    while ((c = option_next(&o, argc, argv, "lp")) != -1) {
        if (c == '?') return 2;
        pids_only = c == 'p';
    }
    jobs_print(pids_only);
    return out_finish();
}

/* A process id, or %n for a background job; -1 after a message. */
static int process_argument(const char *builtin, const char *s) {
    if (*s == '%') {
        int n = s[1] >= '0' && s[1] <= '9' ? atoi(s + 1) : 0;
        int pid = job_pid(n);
        if (pid < 0) warn("%s: No such job: %s", builtin, s);
        return pid;
    }
    int64_t pid;
    if (parse_integer(s, &pid) == 0 && pid > -100000 && pid < 0x7fffffff) return (int)pid;
    warn("%s: Illegal number: %s", builtin, s);
    return -1;
}

int builtin_wait(int argc, char **argv) {
    int at = argc > 1 && strcmp(argv[1], "--") == 0 ? 2 : 1;
    int status = 0;
    if (at >= argc) {
        status = wait_all();
        return status < 0 ? 128 + trap_note() : status;
    }
    for (; at < argc; at++) {
        int pid = process_argument("wait", argv[at]);
        if (pid < 0) return argv[at][0] == '%' ? 127 : 2;
        status = wait_job(pid);
        if (status < 0) return 128 + trap_note();
    }
    return status;
}

static int list_signals(int argc, char **argv, int at) {
    if (at >= argc) {
        for (int sig = 1; sig < SIGNAL_MAX; sig++) printf("%s\n", signal_name(sig));
        return out_finish();
    }
    for (; at < argc; at++) {
        int64_t n;
        if (parse_integer(argv[at], &n) == 0) {
            const char *name = signal_name((int)(n > 128 ? n - 128 : n));
            if (name) {
                printf("%s\n", name);
                continue;
            }
        } else if (signal_number(argv[at]) > 0) {
            printf("%d\n", signal_number(argv[at]));
            continue;
        }
        warn("kill: invalid signal number or exit status: %s", argv[at]);
        return 2;
    }
    return out_finish();
}

static int bad_signal(const char *s) {
    warn("kill: invalid signal number or name: %s", s);
    return 2;
}

int builtin_kill(int argc, char **argv) {
    int sig = 15, at = 1;
    if (at < argc && argv[at][0] == '-' && argv[at][1]) {
        const char *s = argv[at] + 1;
        if (strcmp(s, "l") == 0) return list_signals(argc, argv, at + 1);
        if (*s == 's') {
            s = s[1] ? s + 1 : argv[++at];
            if (at >= argc) return bad_signal("-s");
        }
        if (strcmp(s, "-") != 0) {
            sig = signal_number(s);
            if (sig < 0) return bad_signal(s);
        }
        at++;
    }
    if (at < argc && strcmp(argv[at], "--") == 0) at++;
    if (at >= argc) {
        warn("kill: usage: kill [-s sigspec | -signum | -sigspec] pid...");
        return 2;
    }
    int status = 0;
    jobs_poll();
    for (; at < argc; at++) {
        int pid = process_argument("kill", argv[at]);
        if (pid == -1 && strcmp(argv[at], "-1") != 0) {
            status = 2;
            continue;
        }
        int error = mr_proc_kill(pid, sig);
        if (error >= 0) continue;
        warn("kill: %s: %s", argv[at], strerror(-error));
        status = 1;
    }
    return status;
}

static void print_ms(int ms) { printf("%dm%d.%06ds", ms / 60000, ms / 1000 % 60, ms % 1000 * 1000); }

/* The host counts CPU time as one: all of it is shown as user time. */
int builtin_times(int argc, char **argv) {
    (void)argc, (void)argv;
    for (int whose = 0; whose < 2; whose++) {
        int ms = mr_proc_cpu_ms(whose);
        print_ms(ms < 0 ? 0 : ms);
        putchar(' ');
        print_ms(0);
        putchar('\n');
    }
    return out_finish();
}
