// Two ends of one TCP connection, made on the sandbox's loopback: the job's own socket, and a
// far end of ours. Between hold and meet the job's socket is in SYN_SENT, as one is whose
// destination has not answered yet: on its way to a port where nobody takes anything.
//
// The far end opens from its side, too (simultaneous open, RFC 9293 3.5), out of that port: so
// nothing of ours ever accepts, and the job can reach neither by itself.
#pragma once
#include <netinet/in.h>
#include <stdbool.h>

// A listener whose queue is full for good: the kernel drops what knocks. (A socket filter that
// drops all would do, but some kernels keep that from those without capabilities.)
struct hole {
    int listener, filler;
    struct sockaddr_in name;
};

// False with errno.
bool hole_open(struct hole *hole);
// Sets `job` on its way; 0 or errno. Waits for milliseconds at most, whatever the job does with
// its socket (patience.h).
int pair_hold(const struct hole *hole, int job);
// The far end of `job`, which is held; -1 with errno. Ask pair_is_met() whether it is there yet.
int pair_meet(const struct hole *hole, int job);
bool pair_is_met(int far);
// Whether connect() would begin something on it; else it is under way, done, or listening.
bool pair_is_fresh(int job);
// What connect() says to a socket that is not fresh, or (`to_none`) that is to forget its peer:
// 0 or errno.
int pair_ask_kernel(int job, bool to_none);
// Ends what is held, from outside: the job's poll() sees an error.
void pair_break(int job);
