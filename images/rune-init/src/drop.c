#include "drop.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { OOM_FIRST = 1000, CAPABILITIES = 64, NICE_LAST = 19 };

static const char *set_limits(const struct job *job)
{
    const struct {
        int which;
        int64_t value;
        const char *name;
    } rows[] = {{RLIMIT_CORE, 0, "core"},
                {RLIMIT_MEMLOCK, 0, "memlock"},
                {RLIMIT_MSGQUEUE, 0, "msgqueue"},
                {RLIMIT_NICE, 0, "nice"}, // no way back from NICE_LAST
                {RLIMIT_RTPRIO, 0, "rtprio"},
                {RLIMIT_NOFILE, job->nofile, "nofile"},
                {RLIMIT_NPROC, job->nproc, "nproc"},
                {RLIMIT_FSIZE, job->fsize, "fsize"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rlimit limit = {(rlim_t)rows[i].value, (rlim_t)rows[i].value};
        if (rows[i].value != JOB_UNSET && setrlimit(rows[i].which, &limit))
            return rows[i].name;
    }
    return NULL;
}

// Where memory runs out the kernel then takes the job, not us.
static void offer_to_oom(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        dprintf(fd, "%d", OOM_FIRST);
        close(fd);
    }
}

// Init stays where it is: to watch and to end, it gets a processor before the job, within the
// container's share of them. The machine's own work gets one before the job, too.
static bool stand_back(void)
{
    return setpriority(PRIO_PROCESS, 0, NICE_LAST) == 0;
}

static bool set_ids(const struct job *job)
{
    uid_t uid = (uid_t)job->uid;
    gid_t gid = (gid_t)job->gid;
    bool shared = uid == getuid() && gid == getgid(); // one mapped id: there is no other
    if (!shared && (setgroups(0, NULL) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid)))
        return false;
    return getuid() == uid && geteuid() == uid && getgid() == gid && getegid() == gid;
}

static bool clear_capabilities(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return syscall(SYS_capset, &header, none) == 0;
}

const char *drop(const struct job *job)
{
    offer_to_oom();
    const char *limit = set_limits(job);
    if (limit)
        return limit;
    if (!stand_back())
        return "priority";
    for (int cap = 0; cap < CAPABILITIES; cap++)
        prctl(PR_CAPBSET_DROP, cap, 0, 0, 0); // only with SETPCAP; no_new_privs holds without
    if (!set_ids(job))
        return "ids";
    if (!clear_capabilities())
        return "capabilities";
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return "no_new_privs";
    return NULL;
}
