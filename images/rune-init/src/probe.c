#include "probe.h"

#include "filter.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

// Every argument is -1: a bad pointer, descriptor, process, flag. These two would act all the
// same where privileges and profile were missing.
static bool is_safe(int call)
{
    return call != SYS_vhangup && call != SYS_reboot;
}

// More that the profiles refuse, which the job's own filter does not know; they tell the
// profiles apart, and from none.
static const struct {
    int call;
    const char *name;
} others[] = {{SYS_vmsplice, "vmsplice"}, {SYS_splice, "splice"}, {SYS_mincore, "mincore"},
              {SYS_inotify_init1, "inotify_init1"}, {SYS_shmget, "shmget"}, {SYS_clone3, "clone3"},
              {SYS_mq_open, "mq_open"}, {SYS_io_setup, "io_setup"}, {SYS_mlockall, "mlockall"},
              {SYS_landlock_create_ruleset, "landlock_create_ruleset"}, {SYS_mbind, "mbind"},
              {SYS_adjtimex, "adjtimex"}, {SYS_io_uring_enter, "io_uring_enter"},
              {SYS_pkey_alloc, "pkey_alloc"}, {SYS_setuid, "setuid"}, {SYS_setxattr, "setxattr"}};

static int try(int call)
{
    return syscall(call, -1L, -1L, -1L, -1L, -1L, -1L) < 0 ? errno : 0;
}

void probe_refusals(struct json *json)
{
    const struct denied_call *denied;
    json_open(json, "refusals", '{');
    for (size_t i = 0; (denied = denied_at(i)); i++)
        if (is_safe(denied->call))
            json_int(json, denied->name, try(denied->call));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        json_int(json, others[i].name, try(others[i].call));
    json_close(json, '}');
}

// Not refused, but never done without us: without them nothing would be recorded, and no
// connection judged.
static const struct denied_call watched[] = {
    {SYS_connect, "connect", 0},   {SYS_bind, "bind", 0},       {SYS_sendto, "sendto", 0},
    {SYS_sendmsg, "sendmsg", 0},   {SYS_sendmmsg, "sendmmsg", 0}, {SYS_execve, "execve", 0},
    {SYS_execveat, "execveat", 0}, {SYS_openat, "openat", 0},   {SYS_openat2, "openat2", 0}};

// All that come to the listener: the table of refused calls, then these. NULL past the end.
static const struct denied_call *watched_at(size_t index)
{
    size_t refused = 0;
    while (denied_at(refused))
        refused++;
    if (index < refused)
        return denied_at(index);
    return index - refused < sizeof watched / sizeof *watched ? &watched[index - refused] : NULL;
}

struct probed probe_watched(void)
{
    const struct denied_call *call;
    struct probed seen = {{0}};
    for (size_t i = 0; (call = watched_at(i)) && i < 64 * PROBE_WORDS; i++)
        if (is_safe(call->call) && try(call->call) == PROBE_ERRNO)
            seen.bits[i / 64] |= UINT64_C(1) << i % 64;
    return seen;
}

void probe_report(struct json *json, const struct probed *seen)
{
    const struct denied_call *call;
    int tried = 0;
    json_open(json, "unseen", '[');
    for (size_t i = 0; (call = watched_at(i)); i++) {
        if (!is_safe(call->call))
            continue;
        tried++;
        if (i >= 64 * PROBE_WORDS || !(seen->bits[i / 64] >> i % 64 & 1))
            json_text(json, NULL, call->name);
    }
    json_close(json, ']');
    json_int(json, "tried", tried);
}
