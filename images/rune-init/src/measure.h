// The controls of the sandbox, read back from the kernel.
#pragma once
#include "cgroup.h"
#include "json.h"
#include "mounts.h"

#include <stdbool.h>
#include <sys/types.h>

// What a process may do (STATUS of ../PROTOCOL.md). False: /proc does not tell.
bool measure_status(struct json *json, const char *key, pid_t pid);
// The container stage, whole.
bool measure_container(struct json *json, const struct mounts *mounts, const struct cgroup *cgroup);

void measure_mounts(struct json *json, const struct mounts *mounts);
void measure_cgroup(struct json *json, const struct cgroup *cgroup);
void measure_network(struct json *json);
void measure_devices(struct json *json);
void measure_paths(struct json *json);
