#include "streams.h"

#include "end.h"
#include "fail.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

enum { HOST_PATIENCE_MS = 30000 }; // for what is left to say when all is dead

void streams_read(struct run *run, struct stream *stream)
{
    static char bytes[FRAME_OUT_MAX];
    ssize_t got = read(stream->fd, bytes, sizeof bytes);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        close(stream->fd);
        stream->fd = -1;
        return;
    }
    uint64_t room = (uint64_t)run->job->output_bytes - run->delivered;
    size_t take = (uint64_t)got < room ? (size_t)got : (size_t)room;
    stream->written += (uint64_t)got;
    run->delivered += take;
    if (take)
        channel_send(run->channel, stream->type, bytes, take);
    if (take < (size_t)got) {
        stream->cut = true;
        end_order(run, REASON_OUTPUT);
    }
}

static void close_input(struct run *run)
{
    if (run->child->input >= 0)
        close(run->child->input);
    run->child->input = -1;
    run->pending_length = 0;
}

void streams_feed(struct run *run)
{
    if (!run->pending_length || run->child->input < 0)
        return;
    ssize_t wrote = write(run->child->input, run->pending, run->pending_length);
    if (wrote > 0) {
        run->pending += wrote;
        run->pending_length -= (size_t)wrote;
    } else if (errno != EAGAIN && errno != EINTR) {
        close_input(run); // the job wants no more
    }
}

void streams_take_frames(struct run *run)
{
    struct frame frame;
    while (!run->pending_length) {
        switch (channel_next(run->channel, &frame)) {
        case FRAME_PARTIAL:
            return;
        case FRAME_BAD:
            errno = EPROTO;
            fail("E_FRAME", "unknown type or too long");
        case FRAME_WHOLE:
            break;
        }
        if (frame.type == 'K') {
            end_order(run, REASON_KILLED);
        } else if (frame.type == 'Z') {
            close_input(run);
        } else if (frame.type == 'I') {
            if (run->child->input >= 0) {
                run->pending = frame.data;
                run->pending_length = frame.length;
                streams_feed(run);
            }
        } else {
            errno = EPROTO;
            fail("E_STATE", "frame %c while the job runs", frame.type);
        }
    }
}

void streams_send_events(struct run *run, bool all)
{
    struct events *events = &run->watch->events;
    while (events->length && channel_has_room(run->channel, FRAME_OUT_MAX)) {
        size_t part = events_ready(events, FRAME_OUT_MAX);
        channel_send(run->channel, 'L', events->lines, part);
        events_drop(events, part);
        run->flushed_us = clock_us();
        if (!all)
            return;
    }
}

// A descriptor that is on its way through a socket
// may keep a pipe open, so its end is not waited for.
void streams_drain(struct run *run)
{
    for (int i = 0; i < 2; i++) {
        struct stream *stream = &run->streams[i];
        struct pollfd more = {stream->fd, POLLIN, 0};
        while (stream->fd >= 0 && poll(&more, 1, 0) > 0) {
            if (!channel_drain(run->channel, FRAME_OUT_MAX, HOST_PATIENCE_MS))
                end_abandon();
            streams_read(run, stream);
        }
    }
    while (run->watch->events.length) {
        if (!channel_drain(run->channel, FRAME_OUT_MAX, HOST_PATIENCE_MS))
            end_abandon();
        streams_send_events(run, true);
    }
}
