// What the job has used so far.
#pragma once
#include "cgroup.h"
#include "job.h"
#include "json.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

struct fill {
    uint64_t bytes, files; // highest seen
    bool full, no_files;
};

struct usage {
    const struct cgroup *cgroup;
    const struct job *job;
    bool cpu_from_cgroup;
    uint64_t cpu_base_us, own_base_us;
    uint64_t oom_base, pids_base;
    bool has_oom, has_pids;
    struct fill fills[JOB_MOUNTS_MAX];
};

void usage_begin(struct usage *usage, const struct cgroup *cgroup, const struct job *job);
uint64_t usage_cpu_us(const struct usage *usage);
// Looks how full the watched mounts are.
void usage_sample(struct usage *usage);
// The members of the exit report that come from here.
void usage_report(const struct usage *usage, struct json *json);
