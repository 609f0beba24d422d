// What a brokered socket is connected to in the job's eyes. Its kernel peer is on loopback.
#pragma once
#include "address.h"

enum { PEERS = 4096 }; // the oldest are forgotten first: then getpeername() tells the kernel's

struct peers {
    struct {
        uint64_t cookie; // 0: none
        struct destination to;
    } known[PEERS];
    unsigned next;
};

// The kernel's number of a socket: never given twice. 0 where it tells none.
uint64_t peers_cookie(int fd);
void peers_add(struct peers *peers, uint64_t cookie, const struct destination *to);
const struct destination *peers_find(const struct peers *peers, uint64_t cookie);
