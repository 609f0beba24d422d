// The two ends of a connection, made of real sockets on this machine's loopback.
#include "check.h"

#include "../src/pair.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static struct hole hole;

static int patiently(int far)
{
    for (int i = 0; i < 1000 && !pair_is_met(far); i++)
        poll(NULL, 0, 1);
    return pair_is_met(far);
}

static void test_meeting(int family, int flags)
{
    char text[3] = "";
    int job = socket(family, SOCK_STREAM | flags, 0);
    CHECK(pair_is_fresh(job));
    CHECK(pair_hold(&hole, job) == 0);
    CHECK(!pair_is_fresh(job));
    CHECK(!(fcntl(job, F_GETFL) & O_NONBLOCK) == !(flags & SOCK_NONBLOCK)); // as it was
    struct pollfd ready = {job, POLLOUT, 0};
    CHECK(poll(&ready, 1, 20) == 0); // in SYN_SENT
    CHECK(pair_ask_kernel(job, false) == EALREADY);
    int far = pair_meet(&hole, job);
    CHECK(far >= 0 && patiently(far));
    CHECK(poll(&ready, 1, 1000) == 1 && ready.revents == POLLOUT);
    CHECK(pair_ask_kernel(job, false) == 0 && pair_ask_kernel(job, false) == EISCONN);
    CHECK(read(far, text, 2) == -1 && errno == EAGAIN);
    ready = (struct pollfd){far, POLLIN, 0};
    CHECK(write(job, "hi", 2) == 2 && poll(&ready, 1, 1000) == 1 && read(far, text, 2) == 2 && !strcmp(text, "hi"));
    CHECK(pair_ask_kernel(job, true) == 0 && pair_is_fresh(job)); // AF_UNSPEC
    close(far);
    close(job);
}

// A job that is quick: it has written and shut its side down before anybody looks at the far end.
static void test_half_closed_at_once(void)
{
    char text[3] = "";
    int job = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CHECK(pair_hold(&hole, job) == 0);
    int far = pair_meet(&hole, job);
    struct pollfd ready = {job, POLLOUT, 0}, ended = {far, POLLRDHUP, 0};
    CHECK(far >= 0 && poll(&ready, 1, 1000) == 1 && ready.revents == POLLOUT);
    CHECK(write(job, "hi", 2) == 2 && shutdown(job, SHUT_WR) == 0);
    CHECK(poll(&ended, 1, 1000) == 1);
    CHECK(pair_is_met(far));
    CHECK(read(far, text, 2) == 2 && !strcmp(text, "hi") && read(far, text, 2) == 0);
    close(far);
    close(job);
}

static void test_nobody_comes(void)
{
    int job = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), error = 0;
    socklen_t size = sizeof error;
    CHECK(pair_hold(&hole, job) == 0);
    pair_break(job);
    CHECK(getsockopt(job, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == ECONNRESET);
    close(job);
}

static void test_spoilt(void)
{
    int listening = socket(AF_INET, SOCK_STREAM, 0), datagrams = socket(AF_INET, SOCK_DGRAM, 0);
    listen(listening, 1);
    CHECK(!pair_is_fresh(listening));
    CHECK(pair_hold(&hole, listening) == EISCONN);
    CHECK(!pair_is_fresh(datagrams)); // no TCP socket at all
    close(listening);
    close(datagrams);
}

void test_pair(void)
{
    CHECK(hole_open(&hole));
    static const int families[] = {AF_INET, AF_INET6};
    for (int i = 0; i < 2; i++) {
        test_meeting(families[i], 0);
        test_meeting(families[i], SOCK_NONBLOCK);
    }
    test_half_closed_at_once();
    test_nobody_comes();
    test_spoilt();
}
