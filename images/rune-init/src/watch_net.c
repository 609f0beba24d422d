// Sockets. What may pass is decided by the socket itself (asked through a copy of the
// descriptor), never by the address in the job's memory; an INET connect away from the sandbox
// never goes on. What stays within it may: there is no interface by which it could leave.
#include "watch_net.h"

#include "memory.h"
#include "pair.h"
#include "patience.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static int ask(int fd, int option)
{
    int value = -1;
    socklen_t size = sizeof value;
    return getsockopt(fd, SOL_SOCKET, option, &value, &size) ? -1 : value;
}

struct socket_kind socket_of(const struct act *act, int fd)
{
    struct socket_kind kind = {-1, -1, -1, ENOTSOCK};
    kind.copy = act_descriptor(act, fd);
    if (kind.copy < 0) {
        kind.error = errno == EBADF ? EBADF : ENOTSOCK;
        return kind;
    }
    kind.domain = ask(kind.copy, SO_DOMAIN);
    kind.type = ask(kind.copy, SO_TYPE);
    return kind;
}

bool socket_is_inet(const struct socket_kind *socket)
{
    return socket->domain == AF_INET || socket->domain == AF_INET6;
}

void tell_socket(struct watch *watch, const struct act *act, enum event_kind kind, const char *op,
                 const struct socket_kind *socket, const struct address *address)
{
    static struct event event;
    event_begin(&event, kind);
    json_text(&event.json, "op", op);
    address_tell(&event, address);
    if (socket->type >= 0)
        json_text(&event.json, "type",
                  socket->type == SOCK_STREAM  ? "stream"
                  : socket->type == SOCK_DGRAM ? "dgram"
                                               : "other");
    if (kind == EVENT_CONNECT)
        json_text(&event.json, "outcome", "refused");
    watch_event_end(watch, act, &event);
}

// Unix sockets stay within the sandbox. A name like /run/docker.sock is told, though.
void tell_unix(struct watch *watch, const struct act *act, const char *op,
                      const struct address *address)
{
    static struct event event;
    static struct place place;
    const struct sockaddr_un *name = (const void *)&address->raw;
    size_t room = address->length - sizeof(sa_family_t);
    if (!address->readable || address->raw.ss_family != AF_UNIX || room == 0)
        return;
    bool abstract = name->sun_path[0] == 0;
    size_t length = abstract ? room - 1 : strnlen(name->sun_path, room);
    char text[sizeof address->raw + 1];
    snprintf(text, sizeof text, "%s%.*s", abstract ? "@" : "", (int)length,
             name->sun_path + abstract);
    if (!abstract)
        place_resolve(watch, act, AT_FDCWD, text, true, &place);
    bool sensitive = !abstract && place_is_sensitive(watch, &place);
    event_begin(&event, sensitive ? EVENT_SENSITIVE : EVENT_MISC);
    json_text(&event.json, "op", op);
    event_text(&event, sensitive ? "path" : "target", sensitive ? place.resolved : text);
    watch_event_end(watch, act, &event);
}

// A stream socket that wants to leave the sandbox.
static struct answer connect_away(struct watch *watch, const struct act *act,
                                  struct socket_kind *socket, const struct address *address,
                                  const struct destination *to)
{
    bool busy;
    if (!watch->broker) {
        tell_socket(watch, act, EVENT_CONNECT, "connect", socket, address);
        return REFUSE(ECONNREFUSED);
    }
    if (!pair_is_fresh(socket->copy))
        return REFUSE(pair_ask_kernel(socket->copy, false));
    int copy = socket->copy;
    socket->copy = -1; // the broker's now
    struct answer answer = broker_connect(watch->broker, act, copy, to, &busy);
    if (busy)
        tell_socket(watch, act, EVENT_CONNECT, "connect", socket, address);
    return answer;
}

static struct answer connect_inet(struct watch *watch, const struct act *act,
                                  struct socket_kind *socket, const struct address *address)
{
    struct destination to;
    int error;
    if (address->readable && address->raw.ss_family == AF_UNSPEC)
        return REFUSE(pair_ask_kernel(socket->copy, true));
    if (!address_destination(address, socket->domain, &to, &error)) {
        tell_socket(watch, act, EVENT_CONNECT, "connect", socket, address);
        return REFUSE(error);
    }
    bool stream = socket->type == SOCK_STREAM, loopback = destination_is_loopback(&to);
    if (loopback && !(stream && watch->broker && watch->broker->ask_loopback)) {
        tell_socket(watch, act, EVENT_MISC, "connect", socket, address);
        return GO_ON;
    }
    if (stream)
        return connect_away(watch, act, socket, address, &to);
    // Resolvers connect a datagram socket to each address of a granted name, and send nothing:
    // that is how they order them (RFC 6724). What is sent is refused and told as anybody's.
    bool ordering = watch->broker && destination_is_synthetic(&to);
    tell_socket(watch, act, ordering ? EVENT_MISC : EVENT_CONNECT, "connect", socket, address);
    return REFUSE(ECONNREFUSED);
}

struct answer watch_connect(struct watch *watch, const struct act *act)
{
    struct socket_kind socket = socket_of(act, (int)act->args[0]);
    struct address address = address_read(act, act->args[1], act->args[2]);
    struct answer answer = GO_ON;
    if (socket.domain == AF_UNIX)
        tell_unix(watch, act, "connect", &address);
    else if (socket_is_inet(&socket))
        answer = connect_inet(watch, act, &socket, &address);
    else if (socket.domain != AF_NETLINK) // no socket, or one that we could not ask
        answer = REFUSE(socket.domain < 0 ? socket.error : ECONNREFUSED);
    close_shared(socket.copy);
    return answer;
}

struct answer watch_bind(struct watch *watch, const struct act *act)
{
    struct socket_kind socket = socket_of(act, (int)act->args[0]);
    struct address address = address_read(act, act->args[1], act->args[2]);
    if (socket.domain == AF_UNIX)
        tell_unix(watch, act, "bind", &address);
    else if (socket_is_inet(&socket))
        tell_socket(watch, act, EVENT_MISC, "bind", &socket, &address);
    close_shared(socket.copy);
    return GO_ON; // a port of a network that nobody else is in
}

// The kernel's peer of a brokered socket is a far end of ours: what was asked for is told.
struct answer watch_peer(struct watch *watch, const struct act *act)
{
    int copy = act_descriptor(act, (int)act->args[0]);
    const struct destination *to = NULL;
    if (copy >= 0 && watch->broker)
        to = peers_find(&watch->broker->peers, peers_cookie(copy));
    struct sockaddr_storage name;
    socklen_t length = sizeof name;
    bool connected = to && getpeername(copy, (struct sockaddr *)&name, &length) == 0;
    close_shared(copy);
    if (!connected)
        return GO_ON;
    socklen_t room, whole = destination_name(to, &name);
    if (!memory_read(act, act->args[2], &room, sizeof room))
        return REFUSE(EFAULT);
    if ((int)room < 0)
        return REFUSE(EINVAL);
    if (room > whole)
        room = whole;
    if (!memory_write(act, act->args[1], &name, room) ||
        !memory_write(act, act->args[2], &whole, sizeof whole))
        return REFUSE(EFAULT);
    return DONE;
}

struct answer watch_socket(struct watch *watch, const struct act *act)
{
    static struct event event;
    int domain = (int)act->args[0], protocol = (int)act->args[2];
    int type = (int)act->args[1] & 0xf;
    bool inet = domain == AF_INET || domain == AF_INET6;
    // Other protocols (SCTP, UDP-Lite, MPTCP ...) are code of the kernel that no job needs, and
    // asking for one loads it. Programs in Go try MPTCP first, and mean nothing by it.
    // NETLINK_ROUTE: how programs list interfaces. Changing any needs a capability.
    bool fine = (inet && type == SOCK_STREAM && (protocol == 0 || protocol == IPPROTO_TCP)) ||
                (inet && type == SOCK_DGRAM && (protocol == 0 || protocol == IPPROTO_UDP)) ||
                (domain == AF_NETLINK && protocol == 0);
    if (domain == AF_NETLINK && fine)
        return watch_netlink(watch, act);
    bool usual = fine || (inet && type == SOCK_STREAM && protocol == IPPROTO_MPTCP);
    event_begin(&event, usual ? EVENT_MISC : EVENT_DENIED);
    json_text(&event.json, "op", "socket");
    char text[64];
    snprintf(text, sizeof text, "family %d type %d protocol %d", domain, type, protocol);
    json_text(&event.json, "target", text);
    watch_event_end(watch, act, &event);
    if (fine)
        return GO_ON;
    bool known = type == SOCK_STREAM || type == SOCK_DGRAM;
    return REFUSE(!inet ? EAFNOSUPPORT : known ? EPROTONOSUPPORT : EPERM);
}
