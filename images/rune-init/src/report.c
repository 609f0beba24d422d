#include "report.h"

#include <sys/wait.h>

static const char *const reasons[] = {"exited", "exited", "wall", "cpu", "output", "killed", "net", "denied"};

static void add_status(struct json *json, const struct run *run)
{
    bool exited = run->first_ended && WIFEXITED(run->status);
    bool signalled = run->first_ended && WIFSIGNALED(run->status);
    json_text(json, "reason", reasons[run->reason]);
    if (exited)
        json_int(json, "exit", WEXITSTATUS(run->status));
    else
        json_null(json, "exit");
    if (signalled)
        json_int(json, "signal", WTERMSIG(run->status));
    else
        json_null(json, "signal");
}

static void add_times(struct json *json, const struct run *run)
{
    const struct rusage *used = &run->rusage;
    json_uint(json, "wall_us", run->wall_us);
    if (run->ordered) {
        json_uint(json, "ordered_us", run->ordered_us);
        json_uint(json, "ordered_cpu_us", run->ordered_cpu_us);
    } else {
        json_null(json, "ordered_us");
        json_null(json, "ordered_cpu_us");
    }
    json_int(json, "user_us", (int64_t)used->ru_utime.tv_sec * 1000000 + used->ru_utime.tv_usec);
    json_int(json, "system_us", (int64_t)used->ru_stime.tv_sec * 1000000 + used->ru_stime.tv_usec);
    json_int(json, "maxrss_bytes", (int64_t)used->ru_maxrss * 1024);
}

static void add_streams(struct json *json, const struct run *run)
{
    json_uint(json, "stdout_bytes", run->streams[0].written);
    json_uint(json, "stderr_bytes", run->streams[1].written);
    json_bool(json, "stdout_cut", run->streams[0].cut);
    json_bool(json, "stderr_cut", run->streams[1].cut);
}

static void add_counts(struct json *json, const char *key, const uint64_t counts[EVENT_KINDS])
{
    json_open(json, key, '{');
    for (int kind = 0; kind < EVENT_KINDS; kind++)
        json_uint(json, event_names[kind], counts[kind]);
    json_close(json, '}');
}

static void add_watch(struct json *json, const struct run *run)
{
    const struct watch *watch = run->watch;
    if (run->job->watch)
        json_uint(json, "processes", watch->processes + 1);
    else
        json_null(json, "processes");
    json_bool(json, "watched", run->job->watch);
    json_bool(json, "watch_lost", watch->lost);
    json_uint(json, "notifications", watch->notifications);
    add_counts(json, "events", watch->events.count);
    add_counts(json, "dropped", watch->events.dropped);
    add_counts(json, "unlisted", watch->events.unlisted);
}

void report_write(struct json *json, const struct run *run, const struct artifacts *artifacts)
{
    json_open(json, NULL, '{');
    add_status(json, run);
    add_times(json, run);
    usage_report(run->usage, json);
    add_streams(json, run);
    add_watch(json, run);
    json_uint(json, "survivors", run->survivors);
    json_open(json, "artifacts", '{');
    json_uint(json, "sent", artifacts->sent);
    json_uint(json, "named", artifacts->named);
    json_uint(json, "skipped", artifacts->skipped);
    json_bool(json, "incomplete", artifacts->incomplete);
    json_close(json, '}');
    json_close(json, '}');
}
