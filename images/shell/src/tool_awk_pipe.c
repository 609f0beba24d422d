/* awk's commands: a shell in a child, with a pipe to it or from it. */
#include <errno.h>
#include <unistd.h>

#include "host.h"
#include "shell.h"
#include "tool.h"

int pipe_open(const char *command, int writing, int *pid);
int pipe_wait(int pid);
void streams_forget(void);

struct pipe_task {
    struct task task;
    const char *command;
    int32_t ends[2];
    int standard; /* which of its descriptors is our pipe */
};

static void run(struct task *t) {
    struct pipe_task *p = (struct pipe_task *)t;
    char *argv[] = {"sh", "-c", (char *)p->command, NULL};
    mr_fd_dup2(p->ends[p->standard], p->standard);
    close(p->ends[0]);
    close(p->ends[1]);
    streams_forget(); /* or the reader of another pipe of ours would wait for this child too */
    sh_exec(argv, NULL);
}

int pipe_open(const char *command, int writing, int *pid) {
    struct pipe_task p = {.task = {run, 0}, .command = command, .standard = writing ? 0 : 1};
    int32_t got = mr_fd_pipe(p.ends);
    if (got >= 0) {
        got = mr_proc_fork(&p.task);
        close(p.ends[!writing ? 1 : 0]);
        if (got < 0) close(p.ends[writing ? 1 : 0]);
    }
    if (got < 0) {
        errno = -got;
        return -1;
    }
    *pid = got;
    return p.ends[writing ? 1 : 0];
}

int pipe_wait(int pid) { return wait_pid(pid, 0); }
