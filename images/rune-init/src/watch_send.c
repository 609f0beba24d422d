// Datagrams and messages that name where they go: sendto(), sendmsg(), sendmmsg().
#include "memory.h"
#include "patience.h"
#include "watch_net.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    MESSAGES = 1024, // UIO_MAXIOV: the kernel takes no more of one sendmmsg()
    NAME_SERVER = 53,
};

static struct address header_address(const struct act *act, uint64_t at, bool *named)
{
    struct msghdr header = {0};
    struct address address = {0};
    *named = false;
    if (!memory_read(act, at, &header, sizeof header))
        return address;
    *named = header.msg_name && header.msg_namelen;
    return *named ? address_read(act, (uintptr_t)header.msg_name, header.msg_namelen) : address;
}

// Without a name it goes to the peer, whom connect() found good. Where it may not go to, there
// is no way either (no interface): this only makes the refusal quick, and tells it.
static bool may_go(struct watch *watch, const struct act *act, const struct socket_kind *socket,
                   const struct address *address, bool named)
{
    struct destination to;
    int error;
    if (!named)
        return true;
    if (address_destination(address, socket->domain, &to, &error) &&
        destination_is_loopback(&to)) {
        if (to.port == NAME_SERVER) // a question after a name is a wish to leave
            tell_socket(watch, act, EVENT_MISC, "send", socket, address);
        return true;
    }
    tell_socket(watch, act, EVENT_CONNECT, "send", socket, address);
    return false;
}

// How many messages the call has: those beyond are not sent.
static uint32_t messages(const struct act *act)
{
    uint32_t count = act->call == SYS_sendmmsg ? (uint32_t)act->args[2] : 1;
    return count < MESSAGES ? count : MESSAGES;
}

// Where message `at` of the call is to go.
static struct address address_of(const struct act *act, uint32_t at, bool *named)
{
    if (act->call != SYS_sendto)
        return header_address(act, act->args[1] + at * sizeof(struct mmsghdr), named);
    *named = act->args[4] != 0;
    return address_read(act, act->args[4], act->args[5]);
}

// All are looked at, so that none is kept from the record by one that is refused before it.
static bool may_all_go(struct watch *watch, const struct act *act,
                       const struct socket_kind *socket)
{
    bool named, good = true;
    for (uint32_t i = 0; i < messages(act); i++) {
        struct address address = address_of(act, i, &named);
        good &= may_go(watch, act, socket, &address, named);
    }
    return good;
}

static struct answer send_unix(struct watch *watch, const struct act *act)
{
    bool named;
    for (uint32_t i = 0; i < messages(act); i++) {
        struct address address = address_of(act, i, &named);
        if (named && address.readable)
            tell_unix(watch, act, "send", &address);
    }
    return GO_ON;
}

static struct answer send_inet(struct watch *watch, const struct act *act,
                               const struct socket_kind *socket)
{
    uint64_t flags = act->args[act->call == SYS_sendto || act->call == SYS_sendmmsg ? 3 : 2];
    if (socket->type != SOCK_STREAM)
        return may_all_go(watch, act, socket) ? GO_ON : REFUSE(ECONNREFUSED);
    if (!(flags & MSG_FASTOPEN))
        return GO_ON; // a stream sends to its peer whatever the address says
    bool named;
    struct address address = address_of(act, 0, &named);
    tell_socket(watch, act, EVENT_CONNECT, "send", socket, &address);
    return REFUSE(EOPNOTSUPP); // as where net.ipv4.tcp_fastopen is off: programs connect() then
}

struct answer watch_send(struct watch *watch, const struct act *act)
{
    struct socket_kind socket = socket_of(act, (int)act->args[0]);
    struct answer answer = GO_ON;
    if (socket.domain == AF_UNIX)
        answer = send_unix(watch, act);
    else if (socket_is_inet(&socket))
        answer = send_inet(watch, act, &socket);
    else if (socket.domain != AF_NETLINK)
        answer = REFUSE(socket.domain < 0 ? socket.error : ECONNREFUSED);
    close_shared(socket.copy);
    return answer;
}
