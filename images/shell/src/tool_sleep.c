/* sleep, timeout. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "tool_file.h"

int tool_sleep(int argc, char **argv) {
    struct opts o = opts_start(argc, argv);
    struct timespec total = {0, 0}, t;
    int c = opts_next(&o, "", NULL);

    if (c != OPT_END) return opts_status(c);
    if (!o.operands) return usage_error("missing operand");
    for (int i = 1; i <= o.operands; i++) {
        if (!seconds_parse(argv[i], &t)) return usage_error("invalid time interval %s", marked(argv[i]));
        total.tv_sec += t.tv_sec;
        total.tv_nsec += t.tv_nsec;
        if (total.tv_nsec >= 1000000000) {
            total.tv_sec++;
            total.tv_nsec -= 1000000000;
        }
    }
    sleep_for(total);
    return 0;
}

enum { EXIT_TIMED_OUT = 124, EXIT_OURS = 125, EXIT_KILLED = 128 + 9, SIG_KILL = 9, SIG_TERM = 15 };

struct deadline {
    struct timespec after, kill_after;
    int signal;
    bool kills, keep_status, verbose;
};

/* Numbers as on Linux, which the job sees wherever it runs. */
static int signal_named(const char *name) {
    static const char names[][5] = {"EXIT", "HUP",  "INT",  "QUIT", "ILL",  "TRAP", "ABRT", "BUS",
                                    "FPE",  "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM"};
    int64_t number;

    if (number_parse(name, &number)) return number >= 0 && number < 32 ? (int)number : -1;
    if (!strncmp(name, "SIG", 3)) name += 3;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (!strncmp(name, names[i], 5)) return (int)i;
    return -1;
}

static bool is_past(struct timespec begun, struct timespec span) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    now.tv_sec -= begun.tv_sec;
    if ((now.tv_nsec -= begun.tv_nsec) < 0) {
        now.tv_sec--;
        now.tv_nsec += 1000000000;
    }
    return now.tv_sec > span.tv_sec || (now.tv_sec == span.tv_sec && now.tv_nsec >= span.tv_nsec);
}

/* Waits until the child ends (true) or the span is over. There is no waiting for a child
 * with a limit, so it looks again at growing intervals. */
static bool ends_within(int pid, struct timespec span, int *status) {
    struct timespec begun, pause = {0, 500000};
    bool endless = !span.tv_sec && !span.tv_nsec;

    clock_gettime(CLOCK_MONOTONIC, &begun);
    for (;;) {
        int32_t got = mr_proc_wait(pid, endless ? 0 : MR_WNOHANG, status);

        if (got > 0 || (got < 0 && got != -EINTR)) return true;
        if (!endless && is_past(begun, span)) return false;
        sleep_for(pause);
        if (pause.tv_nsec < 20000000) pause.tv_nsec *= 2;
    }
}

static int shell_status(int status) {
    int sig = status >> 8 & 0xff;

    return sig ? 128 + sig : status & 0xff;
}

static void send(const struct deadline *d, int pid, int sig, const char *command) {
    if (d->verbose)
        tool_warn("sending signal %s to command %s", sig == SIG_KILL ? "KILL" : sig == SIG_TERM ? "TERM" : "?",
                  marked(command));
    mr_proc_kill(pid, sig);
}

static int run_until(const struct deadline *d, char **command) {
    int status = 0, pid = sh_spawn(command, NULL), sig = d->signal;

    if (pid < 0) {
        tool_warn("cannot start a process: %s", strerror(-pid));
        return EXIT_OURS;
    }
    if (ends_within(pid, d->after, &status)) return shell_status(status);
    send(d, pid, sig, command[0]);
    if (d->kills && !ends_within(pid, d->kill_after, &status)) send(d, pid, sig = SIG_KILL, command[0]);
    ends_within(pid, (struct timespec){0, 0}, &status);
    if (sig == SIG_KILL) return EXIT_KILLED;
    return d->keep_status ? shell_status(status) : EXIT_TIMED_OUT;
}

static const struct longopt longs[] = {{"signal", 1, 's'},          {"kill-after", 1, 'k'},
                                       {"preserve-status", 0, 256}, {"foreground", 0, 257},
                                       {"verbose", 0, 'v'},         {NULL, 0, 0}};

static int usage(const char *fmt, const char *what) {
    usage_error(fmt, marked(what));
    return EXIT_OURS;
}

int tool_timeout(int argc, char **argv) {
    struct opts o = opts_start(argc, argv);
    struct deadline d = {.signal = SIG_TERM};
    char **words;
    int c;

    while ((c = opts_next(&o, "+s:k:v", longs)) > 0) {
        d.keep_status |= c == 256;
        d.verbose |= c == 'v';
        if (c == 's' && (d.signal = signal_named(o.arg)) < 0) return usage("%s: invalid signal", o.arg);
        if (c == 'k' && !(d.kills = seconds_parse(o.arg, &d.kill_after)))
            return usage("invalid time interval %s", o.arg);
    }
    if (c != OPT_END) return c == OPT_HELP ? 0 : EXIT_OURS;
    if (o.operands < 2) {
        fprintf(stderr, "Try '%s --help' for more information.\n", tool_name);
        return EXIT_OURS;
    }
    if (!seconds_parse(argv[1], &d.after)) return usage("invalid time interval %s", argv[1]);
    words = words_list(argv + 2, o.operands - 1);
    return run_until(&d, words);
}
