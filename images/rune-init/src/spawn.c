#include "spawn.h"

#include "drop.h"
#include "fail.h"
#include "filter.h"
#include "path.h"
#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif
#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

enum { NEWS_FD = 3, GO_FD = 4, FIRST_OTHER_FD = 5, START_MS = 10000 };

// What the child says over the news pipe.
struct message {
    int kind; // 'L' listener, 'P' probed, 'H' held, '!' a step failed, 'X' exec failed
    int value;
    char step[24];
    struct probed seen;
};

static int news_fd; // in the child

static void say(int kind, int value, const char *step)
{
    struct message message = {.kind = kind, .value = value};
    strncpy(message.step, step, sizeof message.step - 1);
    ssize_t wrote = write(news_fd, &message, sizeof message);
    (void)wrote;
}

static void say_probed(void)
{
    struct message message = {.kind = 'P', .seen = probe_watched()};
    ssize_t wrote = write(news_fd, &message, sizeof message);
    (void)wrote;
}

__attribute__((noreturn)) static void give_up(const char *step)
{
    say('!', errno, step);
    _exit(125);
}

static int install(const struct filter *filter, bool watched)
{
    struct sock_fprog program = {filter->length, (struct sock_filter *)filter->code};
    unsigned long flags = watched ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0;
    if (!watched)
        return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
    // Then signals do not interrupt a call that is being looked at (kernel 5.19).
    int fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                          flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &program);
    if (fd < 0 && errno == EINVAL)
        fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
    return fd;
}

// From the probe on, a watched call would wait for ever: nobody answers yet. So only calls
// that the filter does not know come between here and exec.
static void own_descriptors(int input, int output, int error, int news, int go)
{
    // The table is shared with init until here (see spawn_held).
    if (syscall(SYS_close_range, ~0u - 1, ~0u, CLOSE_RANGE_UNSHARE))
        give_up("close_range");
    if (dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(error, 2) < 0 || dup2(news, NEWS_FD) < 0)
        give_up("dup2");
    news_fd = NEWS_FD;
    if (dup2(go, GO_FD) < 0 || fcntl(NEWS_FD, F_SETFD, FD_CLOEXEC) || fcntl(GO_FD, F_SETFD,
        FD_CLOEXEC))
        give_up("dup2");
    if (syscall(SYS_close_range, FIRST_OTHER_FD, ~0u, 0))
        give_up("close_range");
}

static void reset_signals(void)
{
    sigset_t none;
    for (int number = 1; number < _NSIG; number++)
        signal(number, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

struct ends {
    int input[2], output[2], error[2], news[2], go[2];
};

__attribute__((noreturn)) static void become_job(const struct job *job, const struct filter *filter,
                                                 const char *program, const struct ends *ends)
{
    char byte;
    news_fd = ends->news[1];
    reset_signals();
    setsid();
    umask(022);
    const char *step = drop(job);
    if (step)
        give_up(step);
    int listener = install(filter, job->watch);
    if (listener < 0)
        give_up("seccomp");
    if (job->watch) {
        say('L', listener, "");
        say_probed();
    }
    own_descriptors(ends->input[0], ends->output[1], ends->error[1], ends->news[1], ends->go[0]);
    say('H', 0, "");
    if (read(GO_FD, &byte, 1) != 1)
        _exit(125);
    if (chdir(job->cwd))
        give_up("cwd");
    execve(program, job->argv, job->env);
    say('X', errno, "");
    _exit(126);
}

// As execvp() would, but before anything is watched: the search is ours, not the job's.
static const char *find_program(const struct job *job)
{
    static char found[PATH_BYTES];
    const char *list = "/usr/local/bin:/usr/bin:/bin";
    if (strchr(job->argv[0], '/'))
        return job->argv[0];
    for (size_t i = 0; i < job->envs; i++)
        if (!strncmp(job->env[i], "PATH=", 5))
            list = job->env[i] + 5;
    for (const char *at = list; *at;) {
        size_t length = strcspn(at, ":");
        int fits = snprintf(found, sizeof found, "%.*s/%s", (int)length, at, job->argv[0]);
        if (length && fits < (int)sizeof found && access(found, X_OK) == 0)
            return found;
        at += length + (at[length] == ':');
    }
    errno = ENOENT;
    fail("E_EXEC", "%.200s: not found in PATH", job->argv[0]);
}

// Owned by the job: it may open its own /dev/stdout.
static void make_pipe(const struct job *job, int ends[2])
{
    int low[2];
    setfsgid((gid_t)job->gid);
    setfsuid((uid_t)job->uid);
    int failed = pipe2(low, O_CLOEXEC);
    setfsuid(geteuid());
    setfsgid(getegid());
    if (failed)
        fail("E_SPAWN", "pipe");
    for (int i = 0; i < 2; i++) { // above all numbers that the child sets up for itself
        ends[i] = fcntl(low[i], F_DUPFD_CLOEXEC, 10);
        close(low[i]);
        if (ends[i] < 0)
            fail("E_SPAWN", "descriptors");
    }
}

// A refused call that the child tries: it is to see that the call came to us.
static void answer_probe(int listener)
{
    static union { // the kernel may know longer structures than our headers
        struct seccomp_notif notif;
        char room[512];
    } in;
    memset(&in, 0, sizeof in);
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &in.notif) == 0)
        act_answer(listener, in.notif.id, REFUSE(PROBE_ERRNO));
}

static struct message hear(const struct child *child)
{
    struct message message;
    struct pollfd wait[] = {{child->news, POLLIN, 0}, {child->listener, POLLIN, 0}};
    for (uint64_t end = clock_us() + START_MS * 1000; clock_us() < end;) {
        int status, ready = poll(wait, 2, 100);
        if (ready > 0 && wait[1].revents & POLLIN) {
            answer_probe(child->listener);
            continue;
        }
        if (ready > 0 && read(child->news, &message, sizeof message) == sizeof message)
            return message;
        // The table is shared: its death is no end of file here.
        if (waitpid(child->pid, &status, WNOHANG) == child->pid) {
            errno = ECHILD;
            fail("E_SPAWN", "the process died before it was ready, status %#x", (unsigned)status);
        }
    }
    errno = ETIMEDOUT;
    fail("E_SPAWN", "the process did not get ready");
}

static void check(const struct message *message)
{
    if (message->kind != '!')
        return;
    errno = message->value;
    fail(strcmp(message->step, "seccomp") ? "E_SPAWN" : "E_FILTER", "%.24s", message->step);
}

void spawn_held(const struct job *job, struct child *child)
{
    static struct filter filter;
    struct ends ends;
    make_pipe(job, ends.input);
    make_pipe(job, ends.output);
    make_pipe(job, ends.error);
    make_pipe(job, ends.news);
    make_pipe(job, ends.go);
    const char *program = find_program(job);
    filter_build(&filter, getpid(), job->watch, job->net);
    // The listener that the child is given must come to us: it shares our table of descriptors
    // until it has one. Nothing that could send it over a socket would pass its filter.
    child->pid = (pid_t)syscall(SYS_clone, (long)(CLONE_FILES | SIGCHLD), 0, 0, 0, 0);
    if (child->pid < 0)
        fail("E_SPAWN", "clone");
    if (child->pid == 0)
        become_job(job, &filter, program, &ends);
    *child = (struct child){child->pid, ends.input[1], ends.output[0], ends.error[0], -1,
                            ends.news[0], ends.go[1], filter.length * sizeof *filter.code, {{0}}};
    struct message message = hear(child);
    check(&message);
    if (message.kind == 'L') {
        child->listener = message.value;
        fcntl(child->listener, F_SETFD, FD_CLOEXEC);
        // Only for speed, from kernel 6.6 on: the one that waits runs where the other ran.
        ioctl(child->listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
        message = hear(child);
        check(&message);
        child->seen = message.seen;
        message = hear(child);
        check(&message);
    }
    close(ends.input[0]);
    close(ends.output[1]);
    close(ends.error[1]);
    close(ends.news[1]);
    close(ends.go[0]);
    fcntl(child->input, F_SETFL, O_NONBLOCK);
    fcntl(child->output, F_SETFL, O_NONBLOCK);
    fcntl(child->error, F_SETFL, O_NONBLOCK);
    fcntl(child->news, F_SETFL, O_NONBLOCK);
}

void spawn_go(struct child *child)
{
    if (write(child->go, "G", 1) != 1)
        fail("E_SPAWN", "the held process is gone");
    close(child->go);
    child->go = -1;
}

void spawn_news(struct child *child)
{
    struct message message;
    ssize_t got = read(child->news, &message, sizeof message);
    close(child->news);
    child->news = -1;
    if (got != sizeof message)
        return; // closed by exec, or killed: then it has a status
    check(&message);
    errno = message.value;
    fail("E_EXEC", "the program could not be executed");
}
