// One call of the job that the filter handed over, and what it is answered.
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct act {
    uint64_t id;
    pid_t tid;
    int call;
    int listener;
    uint64_t args[6];
};

// What the caller gets: `go_on` lets the kernel do the call; else it returns `value`, or
// fails with `error` (positive errno). `wait`: the answer comes later, by act_answer().
struct answer {
    bool go_on, wait;
    int error;
    int64_t value;
};

#define GO_ON ((struct answer){.go_on = true})
#define WAIT ((struct answer){.wait = true})
#define DONE ((struct answer){0})
#define REFUSE(number) ((struct answer){.error = (number)})

// Whether the caller still waits: else its id may be another process's by now, and all that
// was read or looked up through it is void.
bool act_is_live(const struct act *act);
// The process that the calling thread belongs to.
pid_t act_process(const struct act *act);
// A copy of one of the caller's descriptors; -1 with errno. It is the same open file whatever
// the caller does with the number meanwhile.
int act_descriptor(const struct act *act, int fd);
// False where the listener is broken; a caller that has died meanwhile is none.
bool act_answer(int listener, uint64_t id, struct answer answer);
