// Who ended a job: itself, or init's order. With a real child process; nothing is killed here,
// since kill_scope() was never called.
#include "check.h"

#include "../src/end.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

uint64_t clock_us(void) // that of watch.c, without all the watch
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static struct watch watch;

// The job has ended with status 3 (as far as the kernel knows; init has not looked), or it waits.
static void order(struct run *run, bool has_ended, enum reason reason)
{
    static struct cgroup cgroup;
    static struct job job;
    static struct usage usage = {.cgroup = &cgroup, .job = &job};
    static struct child child;
    siginfo_t info;
    *run = (struct run){.child = &child, .watch = &watch, .usage = &usage, .job = &job};
    child.pid = fork();
    if (child.pid == 0) {
        if (!has_ended)
            pause();
        _exit(3);
    }
    if (has_ended)
        waitid(P_PID, (id_t)child.pid, &info, WEXITED | WNOWAIT);
    end_order(run, reason);
    if (!has_ended) {
        kill(child.pid, SIGKILL);
        waitid(P_PID, (id_t)child.pid, &info, WEXITED | WNOWAIT);
        end_reap(run);
    }
    CHECK(run->all_dead);
    CHECK(run->killed_us);
}

static void test_before(void)
{
    static const enum reason limits[] = {REASON_WALL, REASON_CPU, REASON_NET, REASON_KILLED};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct run run;
        order(&run, true, limits[i]);
        CHECK(run.reason == REASON_EXITED && !run.ordered);
        CHECK(WIFEXITED(run.status) && WEXITSTATUS(run.status) == 3);
        order(&run, false, limits[i]);
        CHECK(run.reason == limits[i] && run.ordered && run.ordered_us);
        CHECK(run.ordered_us <= run.wall_us);
    }
}

static void test_first_order_counts(void)
{
    struct run run;
    order(&run, false, REASON_CPU);
    uint64_t when = run.ordered_us;
    end_order(&run, REASON_WALL);
    end_order(&run, REASON_OUTPUT);
    CHECK(run.reason == REASON_CPU && run.ordered_us == when);
}

static void test_output_comes_before_the_exit(void)
{
    struct run run;
    order(&run, true, REASON_NET);
    end_order(&run, REASON_OUTPUT);
    CHECK(run.reason == REASON_OUTPUT && !run.ordered && run.first_ended);
}

void test_end(void)
{
    test_before();
    test_first_order_counts();
    test_output_comes_before_the_exit();
}
