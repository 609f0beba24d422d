// What goes in and out while the job runs: its standard streams, the host's frames, the events.
#pragma once
#include "run.h"

void streams_read(struct run *run, struct stream *stream);
// What is pending for the job's standard input, as far as it takes it.
void streams_feed(struct run *run);
// What the host has said, until something is pending for standard input.
void streams_take_frames(struct run *run);
// One frame of events, or all that there are; as far as the channel has room.
void streams_send_events(struct run *run, bool all);
// All are dead: what is still in the pipes, and all events.
void streams_drain(struct run *run);
