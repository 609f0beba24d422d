/* The host calls of host.h on a POSIX system: the shell as an ordinary program, for
 * sanitizers, fuzzing and tests beside other shells. Never part of sh.wasm. */
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

void mr_child(void *arg);

static int result(int n) { return n < 0 ? -errno : n; }

int32_t mr_proc_fork(void *arg) {
    int pid = fork();
    if (pid == 0) {
        mr_child(arg);
        _exit(0);
    }
    return result(pid);
}

static char **split(const char *s, size_t len) {
    size_t n = 0;
    for (size_t i = 0; i < len; i++) n += s[i] == '\0';
    char **v = malloc((n + 1) * sizeof *v);
    n = 0;
    for (size_t i = 0; i < len; i += strlen(s + i) + 1) v[n++] = strdup(s + i);
    v[n] = NULL;
    return v;
}

int32_t mr_proc_exec(const char *path, size_t path_len, const char *argv, size_t argv_len,
                     const char *env, size_t env_len, const char *cwd, size_t cwd_len) {
    (void)cwd, (void)cwd_len;
    char *p = strndup(path, path_len);
    if (!strchr(p, '/')) {
        free(p);
        return -ENOENT;
    }
    const char *program = strcmp(p, "/bin/sh") == 0 ? "/proc/self/exe" : p;
    execve(program, split(argv, argv_len), split(env, env_len));
    return -errno;
}

int32_t mr_proc_wait(int32_t pid, int32_t flags, int32_t *status) {
    int raw = 0;
    int got = waitpid(pid, &raw, flags & MR_WNOHANG ? WNOHANG : 0);
    *status = WIFSIGNALED(raw) ? WTERMSIG(raw) << 8 : WEXITSTATUS(raw);
    return result(got);
}

int32_t mr_proc_kill(int32_t pid, int32_t sig) { return result(kill(pid, sig)); }
int32_t mr_proc_pid(void) { return getpid(); }
int32_t mr_proc_ppid(void) { return getppid(); }

int32_t mr_proc_cwd(char *buf, size_t cap) {
    return getcwd(buf, cap) ? (int32_t)strlen(buf) : -errno;
}

int32_t mr_proc_cpu_ms(int32_t whose) {
    struct rusage u;
    getrusage(whose ? RUSAGE_CHILDREN : RUSAGE_SELF, &u);
    return (int32_t)((u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 +
                     (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000);
}

static volatile sig_atomic_t came[64];

static void note(int sig) { came[sig] = 1; }

int32_t mr_sig_action(int32_t sig, int32_t action) {
    struct sigaction a = {0}, before = {0};
    a.sa_handler = action == MR_SIG_DFL ? SIG_DFL : action == MR_SIG_IGN ? SIG_IGN : note;
    if (sigaction(sig, &a, &before) < 0) return -errno;
    if (before.sa_handler == note) return MR_SIG_CATCH;
    return before.sa_handler == SIG_IGN ? MR_SIG_IGN : MR_SIG_DFL;
}

int32_t mr_sig_take(void) {
    for (int sig = 1; sig < 64; sig++) {
        if (!came[sig]) continue;
        came[sig] = 0;
        return sig;
    }
    return 0;
}

int32_t mr_fd_pipe(int32_t fds[2]) { return result(pipe(fds)); }
int32_t mr_fd_dup(int32_t fd, int32_t lowest) { return result(fcntl(fd, F_DUPFD_CLOEXEC, lowest)); }
int32_t mr_fd_dup2(int32_t fd, int32_t onto) { return result(dup2(fd, onto)); }

int32_t mr_path_mode(const char *path, size_t len) {
    char *p = strndup(path, len);
    struct stat st;
    int failed = stat(p, &st) < 0;
    free(p);
    return failed ? -errno : (int32_t)(st.st_mode & 07777);
}

int32_t mr_path_chmod(const char *path, size_t len, int32_t mode) {
    char *p = strndup(path, len);
    int done = chmod(p, (mode_t)mode);
    free(p);
    return result(done);
}
