// The control group of the sandbox, as far as it is mounted inside: version 1, 2 or mixed.
#pragma once
#include "mounts.h"
#include "path.h"

#include <stdbool.h>
#include <stdint.h>

enum cgroup_part { CGROUP_MEMORY, CGROUP_PIDS, CGROUP_CPU, CGROUP_CPUACCT, CGROUP_PARTS };

struct cgroup {
    int version[CGROUP_PARTS]; // 0: not to be seen
    char directory[CGROUP_PARTS][PATH_BYTES];
};

// `own` is the text of /proc/self/cgroup (changed).
void cgroup_find(char *own, const struct mounts *mounts, struct cgroup *cgroup);
// The number at the front of the file, or behind `key` at the front of a line. "max" is
// UINT64_MAX. False where the file or the key is not there.
bool cgroup_number(const struct cgroup *cgroup, enum cgroup_part part, const char *file,
                   const char *key, uint64_t *value);
// Microseconds of processor time in each period; no limit is UINT64_MAX.
bool cgroup_cpu_limit(const struct cgroup *cgroup, uint64_t *quota, uint64_t *period);
