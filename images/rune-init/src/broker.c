#include "broker.h"

#include "patience.h"
#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    NON_BLOCKING = 1,
    LOOPBACK = 2,
    OWN_LOOPBACK = -1, // a verdict: the kernel does it
    PACKETS = 64,      // taken at a time
    MEET_US = 1000000, // a far end is there at once unless the job has spoilt its socket
    MEET_MS = 1,
};

struct __attribute__((packed)) ask_packet {
    char type;
    uint8_t family, flags, zero;
    uint32_t id, tid;
    uint16_t port;
    uint8_t address[16];
};

struct __attribute__((packed)) packet {
    char type;
    uint8_t zero[3];
    uint32_t id;
    int32_t error; // of V alone
};

enum { SHORT_PACKET = 8, VERDICT_PACKET = sizeof(struct packet) };

bool broker_begin(struct broker *broker, int stream, bool ask_loopback)
{
    broker->stream = stream;
    broker->listener = -1;
    broker->ask_loopback = ask_loopback;
    for (int i = 0; i < WISHES; i++)
        broker->wishes[i].job = broker->wishes[i].far = -1;
    return hole_open(&broker->hole);
}

static void shut(int *fd)
{
    close_shared(*fd);
    *fd = -1;
}

static void forget(struct wish *wish)
{
    shut(&wish->job);
    shut(&wish->far);
    wish->state = WISH_FREE;
    wish->unsent = false;
}

static void answer(struct broker *broker, struct wish *wish, struct answer what)
{
    if (wish->waiting && !act_answer(broker->listener, wish->call, what))
        broker->lost = true;
    wish->waiting = false;
}

// Tells the caller, who may have been told "in progress" and then hears of it otherwise.
static void refuse(struct broker *broker, struct wish *wish, int error)
{
    if (wish->waiting)
        answer(broker, wish, REFUSE(error));
    else if (wish->job >= 0)
        pair_break(wish->job);
}

static bool send_packet(int stream, const void *packet, size_t length, int descriptor)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec part = {(void *)(uintptr_t)packet, length};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (descriptor >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof control.room;
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.header), &descriptor, sizeof descriptor);
    }
    return sendmsg(stream, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)length;
}

static bool send_ask(const struct broker *broker, const struct wish *wish)
{
    struct ask_packet packet = {
        .type = 'C',
        .family = wish->to.family,
        .flags = (uint8_t)((wish->non_blocking ? NON_BLOCKING : 0) |
                           (wish->loopback ? LOOPBACK : 0)),
        .id = wish->id,
        .tid = (uint32_t)wish->tid,
        .port = wish->to.port,
    };
    memcpy(packet.address, wish->to.address, sizeof packet.address);
    return send_packet(broker->stream, &packet, sizeof packet, -1);
}

// What the wish's state has to tell; later, where the executor is behind.
static void tell(struct broker *broker, struct wish *wish)
{
    struct packet packet = {.type = wish->state == WISH_MEETING ? 'S' : 'D', .id = wish->id};
    wish->unsent = broker->stream >= 0 &&
                   !(wish->state == WISH_ASKED
                         ? send_ask(broker, wish)
                         : send_packet(broker->stream, &packet, SHORT_PACKET, wish->far));
    if (!wish->unsent && wish->state != WISH_ASKED)
        forget(wish);
}

// The executor has begun or made a connection that nobody needs any more.
static void leave(struct broker *broker, struct wish *wish)
{
    forget(wish);
    wish->state = WISH_LEAVING;
    tell(broker, wish);
}

static void hold(struct broker *broker, struct wish *wish)
{
    int error = pair_hold(&broker->hole, wish->job);
    if (!error)
        return;
    answer(broker, wish, REFUSE(error));
    leave(broker, wish);
}

// The executor is dialling: a caller that does not want to wait is told so.
static void go_ahead(struct broker *broker, struct wish *wish)
{
    if (wish->state != WISH_ASKED || !wish->non_blocking)
        return;
    hold(broker, wish);
    if (wish->state != WISH_ASKED)
        return;
    answer(broker, wish, REFUSE(EINPROGRESS));
    wish->state = WISH_HELD;
}

static void check_met(struct broker *broker, struct wish *wish)
{
    if (wish->unsent)
        return;
    if (pair_is_met(wish->far)) {
        peers_add(&broker->peers, wish->cookie, &wish->to);
        if (wish->waiting)
            pair_ask_kernel(wish->job, false); // so that a second connect() gets EISCONN
        answer(broker, wish, DONE);
        shut(&wish->job);
        tell(broker, wish);
    } else if (clock_us() - wish->since_us > MEET_US) {
        refuse(broker, wish, ETIMEDOUT);
        leave(broker, wish);
    }
}

static void carry_out(struct broker *broker, struct wish *wish)
{
    if (wish->state == WISH_ASKED)
        hold(broker, wish);
    if (wish->state != WISH_ASKED && wish->state != WISH_HELD)
        return;
    wish->far = pair_meet(&broker->hole, wish->job);
    if (wish->far < 0) {
        refuse(broker, wish, errno);
        leave(broker, wish);
        return;
    }
    wish->state = WISH_MEETING;
    wish->since_us = clock_us();
    check_met(broker, wish);
}

static void obey(struct broker *broker, struct wish *wish, int error)
{
    if (wish->state != WISH_ASKED && wish->state != WISH_HELD)
        return;
    if (error == 0) {
        carry_out(broker, wish);
    } else if (error == OWN_LOOPBACK && wish->loopback && wish->state == WISH_ASKED) {
        answer(broker, wish, GO_ON);
        forget(wish);
    } else {
        refuse(broker, wish, error > 0 ? error : ECONNREFUSED);
        forget(wish);
    }
}

static struct wish *find(struct broker *broker, uint32_t id)
{
    for (int i = 0; i < WISHES; i++)
        if (broker->wishes[i].state != WISH_FREE && broker->wishes[i].id == id)
            return &broker->wishes[i];
    return NULL;
}

// The executor's end is closed: nothing can be asked any more.
static void lose_stream(struct broker *broker)
{
    shut(&broker->stream);
    for (int i = 0; i < WISHES; i++) {
        struct wish *wish = &broker->wishes[i];
        if (wish->state == WISH_FREE)
            continue;
        refuse(broker, wish, ECONNREFUSED);
        forget(wish);
    }
}

static void receive(struct broker *broker)
{
    for (int i = 0; i < PACKETS && broker->stream >= 0; i++) {
        struct packet packet = {0};
        ssize_t got = recv(broker->stream, &packet, sizeof packet, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        struct wish *wish = got >= SHORT_PACKET ? find(broker, packet.id) : NULL;
        if (got <= 0)
            lose_stream(broker);
        else if (packet.type == 'K')
            broker->ended = true;
        else if (packet.type == 'W' && wish)
            go_ahead(broker, wish);
        else if (packet.type == 'V' && wish && got == VERDICT_PACKET)
            obey(broker, wish, packet.error);
    }
}

void broker_serve(struct broker *broker)
{
    receive(broker);
    for (int i = 0; i < WISHES && broker->stream >= 0; i++) {
        struct wish *wish = &broker->wishes[i];
        if (wish->state != WISH_FREE && wish->unsent)
            tell(broker, wish);
        else if (wish->state == WISH_MEETING)
            check_met(broker, wish);
    }
}

short broker_events(const struct broker *broker)
{
    short wanted = POLLIN;
    for (int i = 0; i < WISHES; i++)
        if (broker->wishes[i].state != WISH_FREE && broker->wishes[i].unsent)
            wanted |= POLLOUT;
    return wanted;
}

int broker_patience_ms(const struct broker *broker)
{
    for (int i = 0; i < WISHES; i++)
        if (broker->wishes[i].state == WISH_MEETING && !broker->wishes[i].unsent)
            return MEET_MS;
    return -1;
}

struct answer broker_connect(struct broker *broker, const struct act *act, int job,
                             const struct destination *to, bool *busy)
{
    struct wish *wish = NULL;
    *busy = false;
    for (int i = 0; i < WISHES && !wish; i++)
        if (broker->wishes[i].state == WISH_FREE)
            wish = &broker->wishes[i];
    *busy = !wish && broker->stream >= 0;
    if (!wish || broker->stream < 0) {
        close_shared(job);
        return REFUSE(*busy ? EAGAIN : ECONNREFUSED);
    }
    *wish = (struct wish){
        .state = WISH_ASKED,
        .waiting = true,
        .non_blocking = fcntl(job, F_GETFL) & O_NONBLOCK,
        .loopback = destination_is_loopback(to),
        .id = broker->next_id++,
        .tid = act->tid,
        .call = act->id,
        .cookie = peers_cookie(job),
        .job = job,
        .far = -1,
        .to = *to,
    };
    tell(broker, wish);
    return WAIT;
}
