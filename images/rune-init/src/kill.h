// The end of every process of the job.
#pragma once
#include <stdbool.h>
#include <sys/types.h>

// `own_namespace`: we are PID 1. Else processes are found by their user id, which must be the
// job's alone. Before kill_scope() nothing is killed.
void kill_scope(bool own_namespace, uid_t uid);
void kill_all(void);
