// A socket address that the job named.
#pragma once
#include "act.h"
#include "events.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct address {
    struct sockaddr_storage raw;
    size_t length;
    bool readable;
};

// An INET destination, in one form for both families.
struct destination {
    uint8_t family; // 4 or 6, as asked
    uint8_t address[16];
    uint16_t port;
};

struct address address_read(const struct act *act, uint64_t pointer, uint64_t length);
// Its members of an event.
void address_tell(struct event *event, const struct address *address);
// False where it is no destination of a socket of `domain`; then `error` says what the kernel
// would.
bool address_destination(const struct address *address, int domain, struct destination *to,
                         int *error);
// The sandbox's own: loopback, and the address that Linux takes for it (0.0.0.0, ::).
bool destination_is_loopback(const struct destination *to);
// What stands for a granted name: 198.18.0.0/15, fdff:6d61:6769:63::/64 (magicrune/special.py).
bool destination_is_synthetic(const struct destination *to);
// As getpeername() tells it; the length.
socklen_t destination_name(const struct destination *to, struct sockaddr_storage *name);
