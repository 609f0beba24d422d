/* Children: starting them, waiting for them, and what is known of background ones. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host.h"
#include "shell.h"
#include "tool.h"

struct job {
    int pid;
    int number;
    int done;
    int status;
};
static struct job *jobs;
static int job_count;

/* The child enters here, in its own copy of the memory. */
void mr_child(void *arg) {
    struct task *t = arg;
    sh.is_child = 1;
    job_count = 0;
    redirect_forget();
    traps_enter_subshell(t->shows_traps);
    t->run(t);
    shell_exit(sh.status);
}

int task_start(struct task *t, int is_async) {
    fflush(NULL);
    if (!sh.root_pid) sh.root_pid = mr_proc_pid();
    int pid = mr_proc_fork(t);
    if (pid < 0) fail(2, "Cannot fork: %s", strerror(-pid));
    if (is_async) {
        sh.last_async = pid;
        job_add(pid);
    }
    return pid;
}

int open_null(void) { return open("/dev/null", O_RDONLY); }

static int as_status(int raw) {
    int sig = raw >> 8 & 0xff;
    return sig ? 128 + sig : raw & 0xff;
}

/* Tells of a signal that ended a command, but not of those that are everyday. */
static void report_signal(int raw) {
    int sig = raw >> 8 & 0xff;
    if (!sig || signal_is_quiet(sig)) return;
    const char *text = signal_text(sig);
    write_all(2, text, strlen(text));
    write_all(2, "\n", 1);
}

static struct job *find_job(int pid) {
    for (int i = 0; i < job_count; i++) {
        if (jobs[i].pid == pid) return &jobs[i];
    }
    return NULL;
}

static int note_ended(int pid, int raw) {
    struct job *j = find_job(pid);
    if (j) {
        j->done = 1;
        j->status = as_status(raw);
    }
    return as_status(raw);
}

int wait_pid(int pid, int report) {
    int raw = 0, got;
    while ((got = mr_proc_wait(pid, 0, &raw)) == -EINTR) trap_note();
    if (got < 0) return 127;
    if (report) report_signal(raw);
    return note_ended(got, raw);
}

int job_add(int pid) {
    int number = job_count ? jobs[job_count - 1].number + 1 : 1;
    jobs = xrealloc(jobs, (size_t)(job_count + 1) * sizeof *jobs);
    jobs[job_count++] = (struct job){pid, number, 0, 0};
    return number;
}

static void remove_job(struct job *j) {
    int at = (int)(j - jobs);
    memmove(j, j + 1, (size_t)(job_count - at - 1) * sizeof *j);
    job_count--;
}

/* Takes in the status of background processes that ended, so that they are gone. */
void jobs_poll(void) {
    for (int i = 0; i < job_count; i++) {
        int raw = 0;
        if (!jobs[i].done && mr_proc_wait(jobs[i].pid, MR_WNOHANG, &raw) > 0)
            note_ended(jobs[i].pid, raw);
    }
}

int job_pid(int number) {
    for (int i = 0; i < job_count; i++) {
        if (jobs[i].number == number || number <= 0) {
            return number <= 0 ? jobs[job_count - 1].pid : jobs[i].pid;
        }
    }
    return -1;
}

/* wait PID. A trapped signal ends the waiting: -1. */
int wait_job(int pid) {
    struct job *j = find_job(pid);
    if (!j) return 127;
    while (!j->done) {
        int raw = 0;
        int got = mr_proc_wait(pid, 0, &raw);
        if (got == -EINTR) return -1;
        if (got < 0) {
            j->done = 1;
            j->status = 127;
        } else {
            note_ended(got, raw);
        }
    }
    int status = j->status;
    remove_job(j);
    return status;
}

int wait_all(void) {
    for (;;) {
        int raw = 0;
        int got = mr_proc_wait(-1, 0, &raw);
        if (got == -EINTR) return -1;
        if (got < 0) break;
        note_ended(got, raw);
        if (traps_active() && trap_note()) return -1;
    }
    job_count = 0;
    return 0;
}

int jobs_print(int pids_only) {
    jobs_poll();
    for (int i = 0; i < job_count; i++) {
        struct job *j = &jobs[i];
        if (pids_only) {
            printf("%d\n", j->pid);
        } else if (!j->done) {
            printf("[%d] %c Running\n", j->number, i == job_count - 1 ? '+' : ' ');
        } else if (j->status) {
            printf("[%d] %c Done(%d)\n", j->number, i == job_count - 1 ? '+' : ' ', j->status);
        } else {
            printf("[%d] %c Done\n", j->number, i == job_count - 1 ? '+' : ' ');
        }
    }
    return 0;
}
