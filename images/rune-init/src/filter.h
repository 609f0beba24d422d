// The inner seccomp filter: what the job may never do, and what is handed to the watch.
#pragma once
#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/types.h>

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452 // newer than some headers
#endif

enum { FILTER_MAX = 1024 };

struct filter {
    struct sock_filter code[FILTER_MAX];
    unsigned short length;
};

// `init` is our own process id (1 in its own PID namespace). Unwatched, all that can be decided
// from registers is refused without a word, INET sockets included. `brokered`: its connections
// are, so their peers are told by the watch.
void filter_build(struct filter *filter, pid_t init, bool watched, bool brokered);

// Calls that are always refused: name, and the errno it gets. NULL if `call` is not one.
struct denied_call {
    int call;
    const char *name;
    int error;
};
const struct denied_call *denied_find(int call);
// The table of them, for those who want to try each; NULL past its end.
const struct denied_call *denied_at(size_t index);
