// Reading the memory of a process that waits in a watched call. What is read is evidence,
// never a reason to allow: the job can change it at once.
#pragma once
#include "act.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// All `length` bytes, or false.
bool memory_read(const struct act *act, uint64_t address, void *to, size_t length);
// A string cut to `size` - 1 bytes. False where it cannot be read (then `to` is "").
bool memory_string(const struct act *act, uint64_t address, char *to, size_t size, bool *cut);
// Writes what a call gives back, as the kernel would. (Through /proc: the outer profile keeps
// process_vm_writev from everybody.)
bool memory_write(const struct act *act, uint64_t address, const void *from, size_t length);
