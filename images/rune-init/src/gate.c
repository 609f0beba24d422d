#include "gate.h"

#include "fail.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

// Where /etc/resolv.conf of a job with a network points: not 127.0.0.1, which is the job's own.
#define GATE_ADDRESS "127.0.0.53"
enum { GATE_PORT = 53, BACKLOG = 64, FIRST_FD = 10, STREAM_BYTES = 1 << 20, SEND_MS = 10000 };

static int name_server(int type)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(GATE_PORT)};
    inet_pton(AF_INET, GATE_ADDRESS, &name.sin_addr);
    int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&name, sizeof name))
        fail("E_NET", "%s:%d", GATE_ADDRESS, GATE_PORT);
    if (type == SOCK_STREAM && listen(fd, BACKLOG))
        fail("E_NET", "listen");
    return fd;
}

int gate_open(struct channel *channel)
{
    int ends[2], bytes = STREAM_BYTES;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends))
        fail("E_NET", "socketpair");
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes); // the kernel's most at least
    int sent[] = {ends[1], name_server(SOCK_DGRAM), name_server(SOCK_STREAM)};
    if (!channel_send_descriptors(channel, 'B', sent, sizeof sent / sizeof *sent, SEND_MS))
        fail("E_NET", "the channel takes no descriptors");
    for (size_t i = 0; i < sizeof sent / sizeof *sent; i++)
        close(sent[i]);
    int stream = fcntl(ends[0], F_DUPFD_CLOEXEC, FIRST_FD);
    close(ends[0]);
    if (stream < 0)
        fail("E_NET", "descriptors");
    return stream;
}
