// Reading the memory of a process that waits in a watched call. What is read is evidence,
// never a reason to allow: the job can change it at once.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// One watched call.
struct act {
    uint64_t id;
    pid_t tid;
    int call;
    int listener;
    uint64_t args[6];
};

// Whether the caller still waits: else its id may be another process's by now, and all that
// was read or looked up through it is void.
bool act_is_live(const struct act *act);
// The process that the calling thread belongs to.
pid_t act_process(const struct act *act);
// All `length` bytes, or false.
bool memory_read(const struct act *act, uint64_t address, void *to, size_t length);
// A string cut to `size` - 1 bytes. False where it cannot be read (then `to` is "").
bool memory_string(const struct act *act, uint64_t address, char *to, size_t size, bool *cut);
