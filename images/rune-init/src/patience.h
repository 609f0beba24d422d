// A call on a file that the job shares can wait as long as the job likes: for what lingers in a
// socket (SO_LINGER) that we are the last to close, or for a connection once the job has made it
// blocking again. Between these two no call waits for longer than some milliseconds.
#pragma once
#include <stdbool.h>

// Once, before the others. False with errno.
bool patience_ready(void);
void patience_begin(void);
// Keeps errno: EINTR where a call was cut short.
void patience_end(void);
// close() of a copy of the job's descriptor; -1 is none.
void close_shared(int fd);
