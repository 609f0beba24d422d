#include "channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { FIRST_FD = 10 }; // above those that the job's process sets up for itself

static int move_up(int fd)
{
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FD);
    if (moved >= 0)
        fcntl(moved, F_SETFL, fcntl(moved, F_GETFL) | O_NONBLOCK);
    return moved;
}

static int open_socket(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof name.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(name.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&name, sizeof name))
        return -1;
    return fd;
}

// A descriptor that the engine left open for us: fd:N.
static int inherited(const char *name)
{
    char *end = NULL;
    long fd = strncmp(name, "fd:", 3) ? -1 : strtol(name + 3, &end, 10);
    return fd > 2 && !*end ? (int)fd : -1;
}

bool channel_open(struct channel *channel, const char *path)
{
    channel->have = channel->taken = channel->queued = 0;
    channel->ended = false;
    int fd = !path ? 0 : inherited(path) > 0 ? inherited(path) : open_socket(path);
    if (fd < 0)
        return false;
    channel->in = move_up(fd);
    channel->out = path ? channel->in : move_up(1);
    if (path)
        close(fd);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (channel->in < 0 || channel->out < 0 || null < 0)
        return false;
    if (dup2(null, 0) < 0 || dup2(null, 1) < 0)
        return false;
    if (null > 2)
        close(null);
    return true;
}

enum frame_state channel_next(struct channel *channel, struct frame *frame)
{
    if (channel->taken) {
        channel->have -= channel->taken;
        memmove(channel->input, channel->input + channel->taken, channel->have);
        channel->taken = 0;
    }
    enum frame_state state = frame_parse(channel->input, channel->have, frame);
    if (state == FRAME_WHOLE)
        channel->taken = FRAME_HEADER + frame->length;
    return state;
}

void channel_receive(struct channel *channel)
{
    size_t room = sizeof channel->input - 1 - channel->have;
    if (room == 0 || channel->ended)
        return;
    ssize_t got = read(channel->in, channel->input + channel->have, room < 65536 ? room : 65536);
    if (got > 0)
        channel->have += (size_t)got;
    else if (got == 0 || (errno != EAGAIN && errno != EINTR))
        channel->ended = true;
}

void channel_flush(struct channel *channel)
{
    while (channel->queued && !channel->ended) {
        ssize_t sent = write(channel->out, channel->output, channel->queued);
        if (sent < 0) {
            // The sandbox's memory may be exhausted by the job: that passes, a lost host does not.
            if (errno != EAGAIN && errno != EINTR && errno != ENOMEM && errno != ENOBUFS)
                channel->ended = true;
            return;
        }
        channel->queued -= (size_t)sent;
        memmove(channel->output, channel->output + sent, channel->queued);
    }
}

bool channel_has_room(const struct channel *channel, size_t payload)
{
    return CHANNEL_QUEUE - channel->queued >= FRAME_HEADER + payload;
}

void channel_send_parts(struct channel *channel, char type, const void *const parts[],
                        const size_t lengths[], int count)
{
    size_t length = 0;
    for (int i = 0; i < count; i++)
        length += lengths[i];
    if (!channel_has_room(channel, length)) {
        channel->ended = true; // a defect of ours: nothing that follows would make sense
        return;
    }
    unsigned char *to = channel->output + channel->queued;
    frame_header(to, type, (uint32_t)length);
    to += FRAME_HEADER;
    for (int i = 0; i < count; i++) {
        if (lengths[i])
            memcpy(to, parts[i], lengths[i]);
        to += lengths[i];
    }
    channel->queued += FRAME_HEADER + length;
}

void channel_send(struct channel *channel, char type, const void *data, size_t length)
{
    channel_send_parts(channel, type, &data, &length, 1);
}

bool channel_drain(struct channel *channel, size_t payload, int timeout_ms)
{
    for (;;) {
        channel_flush(channel);
        if (channel->ended)
            return false;
        if (payload == SIZE_MAX ? channel->queued == 0 : channel_has_room(channel, payload))
            return true;
        struct pollfd wait = {channel->out, POLLOUT, 0};
        if (poll(&wait, 1, timeout_ms) == 0)
            return false;
    }
}

bool channel_wait(struct channel *channel, int timeout_ms)
{
    struct pollfd wait = {channel->in, POLLIN, 0};
    channel_flush(channel);
    if (poll(&wait, 1, timeout_ms) == 0)
        return false;
    channel_receive(channel);
    return true;
}

bool channel_send_descriptors(struct channel *channel, char type, const int descriptors[],
                              size_t count, int timeout_ms)
{
    enum { MOST = 8 };
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(MOST * sizeof(int))];
    } control = {0};
    unsigned char frame[FRAME_HEADER];
    frame_header(frame, type, 0);
    struct iovec part = {frame, sizeof frame};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = (socklen_t)CMSG_SPACE(count * sizeof(int))};
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = (socklen_t)CMSG_LEN(count * sizeof(int));
    if (count > MOST || !channel_drain(channel, SIZE_MAX, timeout_ms))
        return false;
    memcpy(CMSG_DATA(&control.header), descriptors, count * sizeof(int));
    // The queue is empty, so these few bytes fit: never a part of them.
    return sendmsg(channel->out, &message, MSG_NOSIGNAL) == (ssize_t)sizeof frame;
}
