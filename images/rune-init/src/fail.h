// Our own failures: one `!` frame, then the end of everything.
#pragma once

struct channel;

// Who is told. Before this, or where the channel is broken, fd 2 gets the line.
void fail_to(struct channel *channel);
// Kills the job, sends `!` with the current errno, exits 125.
__attribute__((noreturn, format(printf, 2, 3))) void fail(const char *code, const char *text, ...);
