/* Redirections: open, move into place, and later put back. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host.h"
#include "shell.h"
#include "tool.h"

static struct saved_fds *innermost;

int absolute_path(const char *path, struct buf *out) {
    if (*path != '/') {
        char cwd[4096];
        if (!getcwd(cwd, sizeof cwd)) return -1;
        buf_str(out, cwd);
        buf_putc(out, '/');
    }
    buf_str(out, path);
    return 0;
}

static void apply_umask(const char *path) {
    struct buf full = {0};
    if (absolute_path(path, &full) == 0)
        mr_path_chmod(full.s, full.len, 0666 & ~(int)sh.umask);
    buf_free(&full);
}

/* The host creates files with mode 0644, which is what the usual mask 022 leaves. */
static int open_created(const char *path, int flags) {
    if (sh.umask == 022) return open(path, flags | O_CREAT, 0666);
    int fd = open(path, flags & ~O_EXCL);
    if (fd >= 0 && (flags & O_EXCL)) {
        close(fd);
        errno = EEXIST;
        return -1;
    }
    if (fd >= 0 || errno != ENOENT) return fd;
    fd = open(path, flags | O_CREAT, 0666);
    if (fd >= 0) apply_umask(path);
    return fd;
}

/* set -C: an existing regular file is not overwritten, a device may be written to. */
static int open_no_clobber(const char *path) {
    struct stat st;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) return open(path, O_WRONLY);
    return open_created(path, O_WRONLY | O_EXCL);
}

static const char *reason(int is_create) {
    if (errno == ENOENT) return is_create ? "Directory nonexistent" : "No such file";
    return strerror(errno);
}

static int open_target(const struct redirect *r, const char *path) {
    int fd;
    int creates = r->kind != REDIR_IN && r->kind != REDIR_BOTH;
    switch (r->kind) {
    case REDIR_IN: fd = open(path, O_RDONLY); break;
    case REDIR_BOTH: fd = open_created(path, O_RDWR); break;
    case REDIR_APPEND: fd = open_created(path, O_WRONLY | O_APPEND); break;
    case REDIR_OUT:
        if (sh.options & OPT_NOCLOBBER) {
            fd = open_no_clobber(path);
            break;
        }
        /* fall through */
    default: fd = open_created(path, O_WRONLY | O_TRUNC);
    }
    if (fd < 0) warn("cannot %s %s: %s", creates ? "create" : "open", path, reason(creates));
    return fd;
}

struct heredoc_task {
    struct task task;
    int read_end, write_end;
    const char *text;
    size_t len;
};

static void write_heredoc(struct task *t) {
    struct heredoc_task *h = (struct heredoc_task *)t;
    close(h->read_end);
    write_all(h->write_end, h->text, h->len);
    sh.status = 0;
}

enum { PIPE_HOLDS = 60 * 1024 }; /* a little less than the host's 64 KiB */

/* A document is a pipe; one that does not fit is fed by a process of its own. */
static int open_heredoc(const struct redirect *r) {
    struct heredoc_task h = {.task = {write_heredoc, 0}};
    int fds[2];
    int error = mr_fd_pipe(fds);
    if (error < 0) {
        warn("cannot make a pipe: %s", strerror(-error));
        return -1;
    }
    h.read_end = fds[0];
    h.write_end = fds[1];
    h.text = expand_heredoc(r->target.parts, &h.len);
    if (h.len <= PIPE_HOLDS) {
        write_all(fds[1], h.text, h.len);
    } else {
        task_start(&h.task, 0);
    }
    close(fds[1]);
    return fds[0];
}

static void save_fd(struct saved_fds *saved, int fd) {
    for (int i = 0; i < saved->count; i++) {
        if (saved->v[i].fd == fd) return;
    }
    saved->v = xrealloc(saved->v, (size_t)(saved->count + 1) * sizeof *saved->v);
    int copy = mr_fd_dup(fd, PRIVATE_FD);
    saved->v[saved->count].fd = fd;
    saved->v[saved->count].copy = copy < 0 ? -1 : copy;
    saved->count++;
}

/* n>&word: a number, or - to close. Returns the descriptor, -1 closed, -2 an error. */
static int dup_source(const char *word) {
    if (strcmp(word, "-") == 0) return -1;
    size_t digits = strspn(word, "0123456789");
    if (!digits || word[digits] || digits > 6) {
        warn("%s: bad file descriptor", word);
        return -2;
    }
    int fd = atoi(word);
    if (fd < PRIVATE_FD) return fd;
    warn("%s: Bad file descriptor", word);
    return -2;
}

static int apply_dup(const struct redirect *r, struct saved_fds *saved) {
    int from = dup_source(expand_string(&r->target));
    if (from == -2) return -1;
    if (saved) save_fd(saved, r->fd);
    if (from == -1) {
        close(r->fd);
        return 0;
    }
    int error = from == r->fd ? (fcntl(from, F_GETFD) < 0 ? -errno : 0) : mr_fd_dup2(from, r->fd);
    if (error >= 0) return 0;
    warn("%d: %s", from, strerror(-error));
    return -1;
}

static int apply_one(const struct redirect *r, struct saved_fds *saved) {
    if (r->fd >= PRIVATE_FD) {
        warn("%d: Bad file descriptor", r->fd);
        return -1;
    }
    if (r->kind == REDIR_DUP_IN || r->kind == REDIR_DUP_OUT) return apply_dup(r, saved);
    int fd = r->kind == REDIR_HERE ? open_heredoc(r) : open_target(r, expand_string(&r->target));
    if (fd < 0) return -1;
    if (fd == r->fd) {
        /* It was closed before, so to restore it is to close it. */
        if (!saved) return 0;
        saved->v = xrealloc(saved->v, (size_t)(saved->count + 1) * sizeof *saved->v);
        saved->v[saved->count].fd = fd;
        saved->v[saved->count++].copy = -1;
        return 0;
    }
    if (saved) save_fd(saved, r->fd);
    int error = mr_fd_dup2(fd, r->fd);
    close(fd);
    if (error >= 0) return 0;
    warn("%d: %s", r->fd, strerror(-error));
    return -1;
}

/* Leaves it to the caller to restore, after an error as well. */
int redirect_apply(const struct redirect *r, struct saved_fds *saved) {
    if (saved) {
        saved->v = NULL;
        saved->count = 0;
        saved->below = innermost;
        innermost = saved;
    }
    for (; r; r = r->next) {
        if (apply_one(r, saved) < 0) return -1;
    }
    return 0;
}

void redirect_restore(struct saved_fds *saved) {
    for (int i = saved->count - 1; i >= 0; i--) {
        struct saved_fd *s = &saved->v[i];
        if (s->copy < 0) {
            close(s->fd);
        } else {
            mr_fd_dup2(s->copy, s->fd);
            close(s->copy);
        }
    }
    free(saved->v);
    saved->v = NULL;
    saved->count = 0;
    innermost = saved->below;
}

void redirect_keep(struct saved_fds *saved) {
    for (int i = 0; i < saved->count; i++) {
        if (saved->v[i].copy >= 0) close(saved->v[i].copy);
    }
    saved->count = 0;
    redirect_restore(saved);
}

void redirect_unwind(void) {
    while (innermost) redirect_restore(innermost);
}

void redirect_forget(void) {
    for (struct saved_fds *s = innermost; s; s = s->below) {
        for (int i = 0; i < s->count; i++) {
            if (s->v[i].copy >= 0) close(s->v[i].copy);
        }
        s->count = 0;
    }
    innermost = NULL;
}
