// Sockets of the job, as the watch sees them.
#pragma once
#include "address.h"
#include "watch.h"

#include <sys/socket.h>

struct socket_kind {
    int copy;         // of the job's descriptor, ours to close; -1: none
    int domain, type; // -1: no socket, or it could not be asked
    int error;        // then why
};

struct socket_kind socket_of(const struct act *act, int fd);
bool socket_is_inet(const struct socket_kind *socket);
void tell_socket(struct watch *watch, const struct act *act, enum event_kind kind, const char *op,
                 const struct socket_kind *socket, const struct address *address);
// Unix sockets stay within the sandbox. A name like /run/docker.sock is told, though.
void tell_unix(struct watch *watch, const struct act *act, const char *op,
               const struct address *address);
