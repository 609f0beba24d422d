#include "peers.h"

#include <sys/socket.h>

uint64_t peers_cookie(int fd)
{
    uint64_t cookie = 0;
    socklen_t size = sizeof cookie;
    return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) ? 0 : cookie;
}

void peers_add(struct peers *peers, uint64_t cookie, const struct destination *to)
{
    unsigned at = peers->next++ % PEERS;
    peers->known[at].cookie = cookie;
    peers->known[at].to = *to;
}

const struct destination *peers_find(const struct peers *peers, uint64_t cookie)
{
    for (unsigned back = 1; cookie && back <= PEERS; back++) { // the newest first: it may be twice
        unsigned at = (peers->next - back) % PEERS;
        if (peers->known[at].cookie == cookie)
            return &peers->known[at].to;
    }
    return NULL;
}
