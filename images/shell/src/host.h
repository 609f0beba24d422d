/* What the shell asks of its host beyond WASI preview 1: processes, pipes,
 * descriptors and file modes. The other side is magicrune/backends/wasi/.
 *
 * Every call returns >= 0 on success and -errno (wasi-libc's numbers) on failure.
 * A string is passed as pointer and length, without its NUL. A list of strings
 * (argv, env) is passed as one buffer in which each string ends with a NUL.
 *
 * Processes: the host runs one process of a job at a time and switches when it
 * blocks (or has used a long time slice), so the order of output is the same in
 * every run of the same script.
 */
#ifndef MR_HOST_H
#define MR_HOST_H
#include <stddef.h>
#include <stdint.h>

#define MR_IMPORT(name) __attribute__((import_module("magicrune"), import_name(#name)))

/* A copy of this process (whole memory, all descriptors) that calls the exported
 * function mr_child(arg) and ends with status 0 if that returns. The caller goes on
 * and gets the child's pid; -EAGAIN when the job's process limit is reached.
 * Nothing of the caller's C stack is unwound in the child: its locals are valid. */
MR_IMPORT(proc_fork) int32_t mr_proc_fork(void *arg);

/* Replaces this process. Returns only on failure, each attempt being recorded:
 *   -ENOENT   no such program (also any name without '/': never found, only recorded)
 *   -EACCES   a directory, or no execute permission
 *   -ENOEXEC  neither a WASI module nor a virtual program: the caller looks for "#!"
 *   -ENOTSUP  python3, and the extra magicrune[python] is not installed
 *   -E2BIG, -ENOMEM
 * The new program keeps descriptors 0, 1 and 2 (a virtual /bin/sh keeps all). */
MR_IMPORT(proc_exec)
int32_t mr_proc_exec(const char *path, size_t path_len, const char *argv, size_t argv_len,
                     const char *env, size_t env_len, const char *cwd, size_t cwd_len);

/* Waits for a child: pid > 0 that one, -1 any. MR_WNOHANG: 0 when none has ended.
 * Status: exit code in bits 0-7, signal that ended it in bits 8-15 (0: none).
 * -ECHILD: no such child. -EINTR: a caught signal came. */
#define MR_WNOHANG 1
MR_IMPORT(proc_wait) int32_t mr_proc_wait(int32_t pid, int32_t flags, int32_t *status);

/* sig 0 only asks whether the process is there (-ESRCH: it is not). */
MR_IMPORT(proc_kill) int32_t mr_proc_kill(int32_t pid, int32_t sig);
MR_IMPORT(proc_pid) int32_t mr_proc_pid(void);
MR_IMPORT(proc_ppid) int32_t mr_proc_ppid(void);
/* The directory this program was started in; returns its length, -ERANGE if too long. */
MR_IMPORT(proc_cwd) int32_t mr_proc_cwd(char *buf, size_t cap);
/* CPU time in ms used by this process (0) or by its ended children (1). */
MR_IMPORT(proc_cpu_ms) int32_t mr_proc_cpu_ms(int32_t whose);

/* MR_SIG_DFL ends the process, MR_SIG_IGN drops the signal, MR_SIG_CATCH makes it
 * pending: blocking calls then return EINTR and sig_take() hands it over (0: none).
 * Inherited by a fork (caught ones stay caught; the shell resets them itself).
 * sig_action returns the action that was set before. */
enum { MR_SIG_DFL, MR_SIG_IGN, MR_SIG_CATCH };
MR_IMPORT(sig_action) int32_t mr_sig_action(int32_t sig, int32_t action);
MR_IMPORT(sig_take) int32_t mr_sig_take(void);

MR_IMPORT(fd_pipe) int32_t mr_fd_pipe(int32_t fds[2]);           /* [0] read, [1] write */
MR_IMPORT(fd_dup) int32_t mr_fd_dup(int32_t fd, int32_t lowest); /* as F_DUPFD */
MR_IMPORT(fd_dup2) int32_t mr_fd_dup2(int32_t fd, int32_t onto); /* keeps fd open */

/* Permission bits (07777) of an absolute path; chmod follows symlinks. */
MR_IMPORT(path_mode) int32_t mr_path_mode(const char *path, size_t len);
MR_IMPORT(path_chmod) int32_t mr_path_chmod(const char *path, size_t len, int32_t mode);

#endif
