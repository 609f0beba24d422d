#include "patience.h"

#include <errno.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

enum { PATIENCE_US = 10000 };

static void wake(int number)
{
    (void)number;
}

bool patience_ready(void)
{
    // Without SA_RESTART: the signal is there to end what waits.
    const struct sigaction action = {.sa_handler = wake};
    return sigaction(SIGALRM, &action, NULL) == 0;
}

// Again and again, in case it comes just before the call begins to wait.
static void set(long us)
{
    const struct itimerval timer = {{0, us}, {0, us}};
    setitimer(ITIMER_REAL, &timer, NULL);
}

void patience_begin(void)
{
    set(PATIENCE_US);
}

void patience_end(void)
{
    int kept = errno;
    set(0);
    errno = kept;
}

void close_shared(int fd)
{
    if (fd < 0)
        return;
    patience_begin();
    close(fd);
    patience_end();
}
