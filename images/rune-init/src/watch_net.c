// Sockets. What may pass is decided by the socket itself (asked through a copy of the
// descriptor), never by the address in the job's memory; an INET connect never goes on.
#include "watch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

struct socket_kind {
    int domain, type; // -1: no socket, or it could not be asked
    int error;        // then why
};

struct address {
    struct sockaddr_storage raw;
    size_t length;
    bool readable;
};

static int ask(int fd, int option)
{
    int value = -1;
    socklen_t size = sizeof value;
    return getsockopt(fd, SOL_SOCKET, option, &value, &size) ? -1 : value;
}

static struct socket_kind find_kind(const struct act *act, int fd)
{
    struct socket_kind kind = {-1, -1, ENOTSOCK};
    int process = (int)syscall(SYS_pidfd_open, act_process(act), 0);
    if (process < 0)
        return kind;
    int copy = (int)syscall(SYS_pidfd_getfd, process, fd, 0);
    if (copy < 0)
        kind.error = errno == EBADF ? EBADF : ENOTSOCK;
    close(process);
    if (copy < 0)
        return kind;
    if (act_is_live(act))
        kind = (struct socket_kind){ask(copy, SO_DOMAIN), ask(copy, SO_TYPE), ENOTSOCK};
    close(copy);
    return kind;
}

static struct address read_address(const struct act *act, uint64_t pointer, uint64_t length)
{
    struct address address = {.length = (uint32_t)length};
    if (address.length > sizeof address.raw)
        address.length = sizeof address.raw;
    address.readable = pointer && address.length >= sizeof(sa_family_t) &&
                       memory_read(act, pointer, &address.raw, address.length);
    return address;
}

static void add_address(struct event *event, const struct address *address)
{
    char text[INET6_ADDRSTRLEN] = "";
    const struct sockaddr_in *four = (const void *)&address->raw;
    const struct sockaddr_in6 *six = (const void *)&address->raw;
    int family = address->raw.ss_family;
    if (!address->readable) {
        json_bool(&event->json, "unreadable", true);
    } else if (family == AF_INET && address->length >= sizeof *four) {
        json_text(&event->json, "family", "inet");
        json_text(&event->json, "address", inet_ntop(AF_INET, &four->sin_addr, text, sizeof text));
        json_int(&event->json, "port", ntohs(four->sin_port));
    } else if (family == AF_INET6 && address->length >= 24) {
        json_text(&event->json, "family", "inet6");
        json_text(&event->json, "address", inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof text));
        json_int(&event->json, "port", ntohs(six->sin6_port));
    } else {
        json_int(&event->json, "family", family);
    }
}

static void tell(struct watch *watch, const struct act *act, enum event_kind kind, const char *op,
                 const struct socket_kind *socket, const struct address *address)
{
    static struct event event;
    event_begin(&event, kind);
    json_text(&event.json, "op", op);
    add_address(&event, address);
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
static void tell_unix(struct watch *watch, const struct act *act, const char *op,
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

struct answer watch_connect(struct watch *watch, const struct act *act)
{
    struct socket_kind socket = find_kind(act, (int)act->args[0]);
    struct address address = read_address(act, act->args[1], act->args[2]);
    if (socket.domain == AF_UNIX) {
        tell_unix(watch, act, "connect", &address);
        return GO_ON;
    }
    if (socket.domain == AF_NETLINK)
        return GO_ON;
    if (socket.domain < 0) // no socket, or one that we could not ask: not to be judged
        return REFUSE(socket.error);
    tell(watch, act, EVENT_CONNECT, "connect", &socket, &address);
    return REFUSE(ECONNREFUSED);
}

struct answer watch_bind(struct watch *watch, const struct act *act)
{
    struct socket_kind socket = find_kind(act, (int)act->args[0]);
    struct address address = read_address(act, act->args[1], act->args[2]);
    if (socket.domain == AF_UNIX)
        tell_unix(watch, act, "bind", &address);
    else if (socket.domain == AF_INET || socket.domain == AF_INET6)
        tell(watch, act, EVENT_MISC, "bind", &socket, &address);
    return GO_ON; // a port of a network that nobody else is in
}

// sendto() with an address, sendmsg() and sendmmsg() with whatever they hold.
struct answer watch_send(struct watch *watch, const struct act *act)
{
    struct socket_kind socket = find_kind(act, (int)act->args[0]);
    struct address address = {0};
    uint64_t flags = act->args[act->call == SYS_sendto || act->call == SYS_sendmmsg ? 3 : 2];
    if (act->call == SYS_sendto) {
        address = read_address(act, act->args[4], act->args[5]);
    } else {
        struct msghdr header = {0};
        if (memory_read(act, act->args[1], &header, sizeof header))
            address = read_address(act, (uintptr_t)header.msg_name, header.msg_namelen);
    }
    if (socket.domain == AF_UNIX || socket.domain == AF_NETLINK) {
        if (socket.domain == AF_UNIX && address.readable)
            tell_unix(watch, act, "send", &address);
        return GO_ON;
    }
    if (socket.domain < 0)
        return REFUSE(socket.error);
    // A stream sends to its peer whatever the address says, except with fast open.
    if (socket.type == SOCK_STREAM && act->call != SYS_sendto && !(flags & MSG_FASTOPEN))
        return GO_ON;
    tell(watch, act, EVENT_CONNECT, "send", &socket, &address);
    return REFUSE(ECONNREFUSED);
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
        return GO_ON;
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
