// The sockets that the executor serves: made here, in the sandbox's network, and handed out.
#pragma once
#include "channel.h"

// Makes the job's name server (127.0.0.53:53, UDP and TCP) and a packet stream for the broker,
// and sends all three with frame B. Our end of the stream. Ends in fail() where any step does
// not work.
int gate_open(struct channel *channel);
