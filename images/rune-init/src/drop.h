// Giving up all that the job must not have, in the process that becomes it.
#pragma once
#include "job.h"

// Resource limits, groups, ids, capabilities, no_new_privs. NULL, or the step that failed (errno).
const char *drop(const struct job *job);
