// The few instructions that our seccomp filter is made of.
#pragma once
#include "filter.h"

#include <stdbool.h>
#include <stdint.h>

void bpf_emit(struct filter *filter, int code, uint32_t k, int yes, int no);
void bpf_load(struct filter *filter, size_t offset);
// The low half of an argument, which is all that the kernel looks at where it is an int.
void bpf_load_arg(struct filter *filter, int arg);
void bpf_load_arg_high(struct filter *filter, int arg);
// `yes`, `no`: how many instructions to jump over.
void bpf_equal(struct filter *filter, uint32_t value, int yes, int no);
void bpf_any_bit(struct filter *filter, uint32_t bits, int yes, int no);
void bpf_give(struct filter *filter, uint32_t action);

// A block for one call: bpf_open() ... bpf_close() with every path in between ended by
// bpf_give(), because the call's number is no longer in the accumulator.
unsigned short bpf_open(struct filter *filter, int call);
void bpf_close(struct filter *filter, unsigned short opened);

// Blocks of their own.
void bpf_always(struct filter *filter, int call, uint32_t action);
// `action` where the low half of an argument is none of `values`, or one of them (`inverted`);
// else allowed.
void bpf_unless(struct filter *filter, int call, int arg, const uint32_t *values, int count,
                bool inverted, uint32_t action);
// `set` where any of `bits` is in the low half of an argument, else `clear`.
void bpf_bits(struct filter *filter, int call, int arg, uint32_t bits, uint32_t set, uint32_t clear);
