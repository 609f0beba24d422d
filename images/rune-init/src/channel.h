// The connection to the host: whole frames in, a bounded queue of frames out. Never blocks
// but in the functions that say so.
#pragma once
#include "frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CHANNEL_QUEUE = 3 * FRAME_OUT_MAX + FRAME_CONTROLS_MAX };

struct channel {
    int in, out;
    bool ended;    // the host has gone
    size_t have;   // bytes in `input`
    size_t taken;  // of them, those of the frame handed out last
    size_t queued; // bytes in `output`
    unsigned char input[FRAME_HEADER + FRAME_IN_MAX + 1];
    unsigned char output[CHANNEL_QUEUE];
};

// Connects to `path`, or takes that descriptor (fd:N), or fds 0 and 1 (NULL). False with errno.
bool channel_open(struct channel *channel, const char *path);
// The next whole frame if there is one; it is valid until the next call. FRAME_BAD: give up.
enum frame_state channel_next(struct channel *channel, struct frame *frame);
// Reads what has come. Sets `ended`.
void channel_receive(struct channel *channel);
// Writes what the host takes. Sets `ended`.
void channel_flush(struct channel *channel);
bool channel_has_room(const struct channel *channel, size_t payload);
// Queues a frame of up to three parts; there must be room.
void channel_send(struct channel *channel, char type, const void *data, size_t length);
void channel_send_parts(struct channel *channel, char type, const void *const parts[],
                        const size_t lengths[], int count);
// Blocks until there is room, or everything is written (`payload` SIZE_MAX). False: host gone.
bool channel_drain(struct channel *channel, size_t payload, int timeout_ms);
// Blocks until something has come, at most so long. False on time-out.
bool channel_wait(struct channel *channel, int timeout_ms);
// Writes everything, then an empty frame with descriptors; blocks. False: the host has gone, or
// the channel is no socket.
bool channel_send_descriptors(struct channel *channel, char type, const int descriptors[],
                              size_t count, int timeout_ms);
