#include "hash.h"

#include <string.h>

static uint64_t turn(uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = turn(v[1], 13) ^ v[0];
    v[0] = turn(v[0], 32);
    v[2] += v[3];
    v[3] = turn(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = turn(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = turn(v[1], 17) ^ v[2];
    v[2] = turn(v[2], 32);
}

uint64_t hash_keyed(const uint64_t key[2], unsigned kind, const char *text, size_t length)
{
    uint64_t v[4] = {key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
                     key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573)};
    for (size_t at = 0; at <= length; at += 8) {
        size_t part = length - at < 8 ? length - at : 8;
        uint64_t word = 0;
        memcpy(&word, text + at, part);
        if (part < 8)
            word |= ((uint64_t)length << 4 | kind) << 56;
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    v[2] ^= 0xff + kind;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return (v[0] ^ v[1] ^ v[2] ^ v[3]) | 1; // 0 is an empty slot
}
