// The job's connections: put to the executor (the broker stream of ../PROTOCOL.md), and carried
// out as it says. An INET connect() away from the sandbox never goes on in the kernel.
#pragma once
#include "act.h"
#include "address.h"
#include "pair.h"
#include "peers.h"

enum { WISHES = 256 }; // under way at a time; each has up to two descriptors of ours

enum wish_state { WISH_FREE, WISH_ASKED, WISH_HELD, WISH_MEETING, WISH_LEAVING };

struct wish {
    enum wish_state state;
    bool unsent;      // what the state has to tell could not be sent yet
    bool waiting;     // its connect() waits for our answer
    bool non_blocking, loopback;
    uint32_t id;
    pid_t tid;
    uint64_t call, cookie, since_us;
    int job, far;
    struct destination to;
};

struct broker {
    int stream;   // -1: none, all is refused
    int listener; // of the job's filter
    bool lost;    // the listener does not take our answers
    bool ask_loopback;
    bool ended; // the executor wants the job to end
    uint32_t next_id;
    struct hole hole;
    struct wish wishes[WISHES];
    struct peers peers;
};

// False with errno.
bool broker_begin(struct broker *broker, int stream, bool ask_loopback);
// Asks for a connection of the stream socket `job` (taken over, closed when it is done with).
// `busy`: too many are under way.
struct answer broker_connect(struct broker *broker, const struct act *act, int job,
                             const struct destination *to, bool *busy);
// What to poll the stream for.
short broker_events(const struct broker *broker);
// Milliseconds until broker_serve() is due whatever the stream says; -1: never.
int broker_patience_ms(const struct broker *broker);
void broker_serve(struct broker *broker);
