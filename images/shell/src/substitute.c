/* Command substitution: a child writes, and its output less the last newlines is the value. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host.h"
#include "shell.h"

struct capture_task {
    struct task task;
    const struct part *part;
    int fds[2];
};

static void run_captured(struct task *t) {
    struct capture_task *c = (struct capture_task *)t;
    close(c->fds[0]);
    if (c->fds[1] != 1) {
        mr_fd_dup2(c->fds[1], 1);
        close(c->fds[1]);
    }
    sh.tested = 0;
    sh.status = run_node(c->part->body, RUN_EXIT);
}

static void read_captured(int fd, struct buf *out) {
    for (;;) {
        buf_reserve(out, 512);
        ssize_t n = read(fd, out->s + out->len, out->cap - out->len);
        if (n < 0 && errno == EINTR) {
            trap_note();
            continue;
        }
        if (n <= 0) return;
        out->len += (size_t)n;
    }
}

/* NUL bytes cannot be in a value: they are dropped. */
static void drop_nuls(struct buf *b) {
    size_t n = 0;
    for (size_t i = 0; i < b->len; i++) {
        if (b->s[i]) b->s[n++] = b->s[i];
    }
    b->len = n;
}

void substitute_command(const struct part *p, struct marked *m) {
    struct buf out = {0};
    if (p->body) {
        struct capture_task c = {.task = {run_captured, 1}, .part = p};
        int error = mr_fd_pipe(c.fds);
        if (error < 0) fail(2, "cannot make a pipe: %s", strerror(-error));
        int pid = task_start(&c.task, 0);
        close(c.fds[1]);
        read_captured(c.fds[0], &out);
        close(c.fds[0]);
        sh.substituted_status = wait_pid(pid, 1);
    } else {
        sh.substituted_status = 0;
    }
    if (out.len && memchr(out.s, '\0', out.len)) drop_nuls(&out);
    while (out.len && out.s[out.len - 1] == '\n') out.len--;
    if (out.len) {
        marked_add(m, out.s, out.len, p->quoted ? ATTR_QUOTED : ATTR_SPLIT);
    } else if (p->quoted) {
        marked_add(m, "", 1, ATTR_NULL);
    }
    buf_free(&out);
}
