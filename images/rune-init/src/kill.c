#include "kill.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static bool known, whole_namespace;
static uid_t victim;

void kill_scope(bool own_namespace, uid_t uid)
{
    whole_namespace = own_namespace;
    victim = uid;
    known = true;
}

void kill_all(void)
{
    if (!known)
        return;
    if (whole_namespace) {
        kill(-1, SIGKILL); // never reaches PID 1 itself; no fork can slip through
        return;
    }
    pid_t child = fork();
    if (child == 0) {
        if (setresuid(victim, victim, victim) == 0 && getuid() == victim)
            kill(-1, SIGKILL); // all that this user may signal, but not this process
        _exit(0);
    }
    if (child > 0)
        waitpid(child, NULL, 0);
}
