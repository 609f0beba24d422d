#include "end.h"

#include "kill.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

static void set_reason(struct run *run, enum reason reason)
{
    if (run->reason == REASON_NONE)
        run->reason = reason;
    if (!run->killed_us)
        run->killed_us = clock_us();
    kill_all();
}

void end_reap(struct run *run)
{
    struct rusage used;
    int status;
    pid_t pid;
    while ((pid = wait4(-1, &status, WNOHANG | __WALL, &used)) > 0) {
        if (pid != run->child->pid)
            continue;
        run->status = status;
        run->rusage = used;
        run->first_ended = true;
        run->wall_us = clock_us() - run->watch->started_us;
        set_reason(run, REASON_EXITED); // what it left running goes with it
    }
    run->all_dead = pid < 0 && errno == ECHILD;
}

void end_order(struct run *run, enum reason reason)
{
    bool passed = reason == REASON_OUTPUT; // what is in a pipe was written before any exit
    if (run->reason == REASON_NONE && !passed)
        end_reap(run);
    if (run->reason == REASON_NONE) {
        run->ordered = true;
        run->ordered_us = clock_us() - run->watch->started_us;
        run->ordered_cpu_us = usage_cpu_us(run->usage);
    } else if (run->reason == REASON_EXITED && passed) {
        run->reason = reason;
    }
    set_reason(run, reason);
}

void end_abandon(void)
{
    kill_all();
    _exit(125);
}
