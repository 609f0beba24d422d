#include "bpf.h"

#include <linux/seccomp.h>

void bpf_emit(struct filter *filter, int code, uint32_t k, int yes, int no)
{
    filter->code[filter->length++] =
        (struct sock_filter){(uint16_t)code, (uint8_t)yes, (uint8_t)no, k};
}

void bpf_load(struct filter *filter, size_t offset)
{
    bpf_emit(filter, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

void bpf_load_arg(struct filter *filter, int arg)
{
    bpf_load(filter, offsetof(struct seccomp_data, args) + 8 * (size_t)arg); // little-endian
}

void bpf_load_arg_high(struct filter *filter, int arg)
{
    bpf_load(filter, offsetof(struct seccomp_data, args) + 8 * (size_t)arg + 4);
}

void bpf_equal(struct filter *filter, uint32_t value, int yes, int no)
{
    bpf_emit(filter, BPF_JMP | BPF_JEQ | BPF_K, value, yes, no);
}

void bpf_any_bit(struct filter *filter, uint32_t bits, int yes, int no)
{
    bpf_emit(filter, BPF_JMP | BPF_JSET | BPF_K, bits, yes, no);
}

void bpf_give(struct filter *filter, uint32_t action)
{
    bpf_emit(filter, BPF_RET | BPF_K, action, 0, 0);
}

unsigned short bpf_open(struct filter *filter, int call)
{
    bpf_equal(filter, (uint32_t)call, 0, 0);
    return (unsigned short)(filter->length - 1);
}

void bpf_close(struct filter *filter, unsigned short opened)
{
    filter->code[opened].jf = (uint8_t)(filter->length - opened - 1);
}

void bpf_always(struct filter *filter, int call, uint32_t action)
{
    unsigned short opened = bpf_open(filter, call);
    bpf_give(filter, action);
    bpf_close(filter, opened);
}

void bpf_unless(struct filter *filter, int call, int arg, const uint32_t *values, int count,
                bool inverted, uint32_t action)
{
    unsigned short opened = bpf_open(filter, call);
    bpf_load_arg(filter, arg);
    for (int i = 0; i < count; i++)
        bpf_equal(filter, values[i], count - i, 0);
    bpf_give(filter, inverted ? SECCOMP_RET_ALLOW : action);
    bpf_give(filter, inverted ? action : SECCOMP_RET_ALLOW);
    bpf_close(filter, opened);
}

void bpf_bits(struct filter *filter, int call, int arg, uint32_t bits, uint32_t set, uint32_t clear)
{
    unsigned short opened = bpf_open(filter, call);
    bpf_load_arg(filter, arg);
    bpf_any_bit(filter, bits, 1, 0);
    bpf_give(filter, clear);
    bpf_give(filter, set);
    bpf_close(filter, opened);
}
