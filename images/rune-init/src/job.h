// The job record: what to run, as whom, within which limits.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    JOB_WORDS_MAX = 1024,
    JOB_WORD_BYTES = 131071, // MAX_ARG_STRLEN of the kernel, without its NUL
    JOB_GLOBS_MAX = 1200, // a policy has 1000, and there are the usual ones
    JOB_MOUNTS_MAX = 100,
    JOB_UNSET = -1,
};

struct job {
    char *argv[JOB_WORDS_MAX + 1], *env[JOB_WORDS_MAX + 1];
    char *sensitive[JOB_GLOBS_MAX], *tmp[JOB_MOUNTS_MAX];
    size_t args, envs, globs, mounts;
    char *cwd, *artifact_dir;
    int64_t uid, gid, wall_ms, cpu_ms, output_bytes;
    int64_t nofile, nproc, fsize; // JOB_UNSET: as inherited
    int64_t artifact_bytes, artifact_files, artifact_depth;
    int64_t watch;
    int64_t net, net_loopback; // brokered; connections to the loopback, too
};

// Reads `record`, which must outlive the job (its strings point into it). On failure false,
// and `why` names the key.
bool job_parse(char *record, size_t length, struct job *job, char why[128]);
