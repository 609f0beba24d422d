#include "kill.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
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

static void kill_one_by_one(void)
{
    DIR *directory = opendir("/proc");
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        char path[300];
        struct stat found;
        int pid = atoi(entry->d_name);
        snprintf(path, sizeof path, "/proc/%s/task", entry->d_name);
        if (pid > 1 && pid != getpid() && stat(path, &found) == 0 && found.st_uid == victim)
            kill(pid, SIGKILL);
    }
    if (directory)
        closedir(directory);
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
    else
        kill_one_by_one(); // no process left for us: then none for new ones of the job either
}
