#include "pair.h"

#include "patience.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FILL_MS = 1000 }; // until our own connection has come through the loopback

static const struct sockaddr_in loopback = {.sin_family = AF_INET,
                                            .sin_addr = {.s_addr = __builtin_bswap32(0x7f000001)}};

static int state_of(int fd)
{
    unsigned char state = 0; // the first byte of struct tcp_info
    socklen_t size = sizeof state;
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &state, &size) ? -1 : state;
}

static int domain_of(int fd)
{
    int domain = -1;
    socklen_t size = sizeof domain;
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) ? -1 : domain;
}

// connect() on the job's socket that hardly waits. The flag belongs to the open file, which the
// job shares: it is put back at once, and the job may have been quicker.
static int connect_now(int fd, const struct sockaddr *name, socklen_t length)
{
    int flags = fcntl(fd, F_GETFL);
    if (!(flags & O_NONBLOCK))
        fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    patience_begin();
    int error = connect(fd, name, length) ? errno : 0;
    patience_end();
    error = error == EINTR ? EINPROGRESS : error;
    if (!(flags & O_NONBLOCK))
        fcntl(fd, F_SETFL, flags);
    return error;
}

static int connect_job(int job, const struct sockaddr_in *to)
{
    if (domain_of(job) != AF_INET6)
        return connect_now(job, (const struct sockaddr *)to, sizeof *to);
    // ::1 is missing where the engine turned IPv6 off; the mapped address never is.
    int off = 0;
    setsockopt(job, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    struct sockaddr_in6 name = {.sin6_family = AF_INET6, .sin6_port = to->sin_port};
    name.sin6_addr.s6_addr[10] = name.sin6_addr.s6_addr[11] = 0xff;
    memcpy(name.sin6_addr.s6_addr + 12, &to->sin_addr, 4);
    return connect_now(job, (const struct sockaddr *)&name, sizeof name);
}

// All share one port, which SO_REUSEPORT gives to sockets of one user only: ours, not the job's.
static int make_end(const struct sockaddr_in *name)
{
    int on = 1;
    uid_t seen_as = (uid_t)setfsuid(geteuid());
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    setfsuid(seen_as);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0 &&
        bind(fd, (const struct sockaddr *)name, sizeof *name) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static int close_with(int fd, int error)
{
    close(fd);
    errno = error;
    return -1;
}

bool hole_open(struct hole *hole)
{
    socklen_t length = sizeof hole->name;
    hole->name = loopback;
    hole->listener = make_end(&hole->name);
    hole->filler = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct pollfd filled = {hole->listener, POLLIN, 0};
    if (hole->listener < 0 || hole->filler < 0 || listen(hole->listener, 0) ||
        getsockname(hole->listener, (struct sockaddr *)&hole->name, &length))
        return false;
    int error = connect_now(hole->filler, (const struct sockaddr *)&hole->name, length);
    if (error && error != EINPROGRESS)
        return false;
    return poll(&filled, 1, FILL_MS) == 1; // one waits, and no more than one may
}

int pair_hold(const struct hole *hole, int job)
{
    int off = 0;
    // With this, connect() would only remember where to, and send nothing.
    setsockopt(job, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &off, sizeof off);
    int error = connect_job(job, &hole->name);
    return error == EINPROGRESS ? 0 : error ? error : EISCONN;
}

static bool name_of_job(int job, struct sockaddr_in *name)
{
    struct sockaddr_storage raw = {0};
    socklen_t length = sizeof raw;
    if (getsockname(job, (struct sockaddr *)&raw, &length))
        return false;
    if (raw.ss_family == AF_INET) {
        memcpy(name, &raw, sizeof *name);
        return true;
    }
    const struct sockaddr_in6 *six = (const void *)&raw;
    if (raw.ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
        return false;
    *name = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = six->sin6_port};
    memcpy(&name->sin_addr, six->sin6_addr.s6_addr + 12, 4);
    return true;
}

int pair_meet(const struct hole *hole, int job)
{
    struct sockaddr_in jobs;
    int far = name_of_job(job, &jobs) ? make_end(&hole->name) : -1;
    if (far < 0 || connect(far, (const struct sockaddr *)&jobs, sizeof jobs) == 0 ||
        errno == EINPROGRESS)
        return far;
    return close_with(far, errno);
}

bool pair_is_met(int far)
{
    // Its peer may have written and shut its side down before we look.
    int state = state_of(far);
    return state == TCP_ESTABLISHED || state == TCP_CLOSE_WAIT;
}

bool pair_is_fresh(int job)
{
    return state_of(job) == TCP_CLOSE;
}

int pair_ask_kernel(int job, bool to_none)
{
    const struct sockaddr none = {.sa_family = AF_UNSPEC};
    const struct sockaddr_in nowhere = {.sin_family = AF_INET, .sin_addr = loopback.sin_addr};
    return to_none ? connect_now(job, &none, sizeof none) : connect_job(job, &nowhere);
}

void pair_break(int job)
{
    shutdown(job, SHUT_RDWR);
}
