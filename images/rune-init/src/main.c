// PID 1 of a sandbox: one job in, what it did out. See ../PROTOCOL.md.
#include "artifacts.h"
#include "channel.h"
#include "fail.h"
#include "files.h"
#include "gate.h"
#include "kill.h"
#include "measure.h"
#include "report.h"
#include "run.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define VERSION "1.0.0"

enum { SETUP_MS = 60000, HELD_MS = 30000, LAST_MS = 30000, REPORT_MAX = 61440 };

static struct channel channel;
static struct mounts mounts;
static struct cgroup cgroup;
static struct job job;
static struct child child;
static struct watch watch;
static struct broker broker;
static struct usage usage;
static char mount_text[1 << 17], record[FRAME_IN_MAX];

static void send_json(char type, const struct json *json)
{
    if (json->full) {
        errno = EOVERFLOW;
        fail("E_SYSTEM", "report too long");
    }
    if (!channel_drain(&channel, json->length, LAST_MS))
        exit(125);
    channel_send(&channel, type, json->text, json->length);
    channel_flush(&channel);
}

static void say_ready(void)
{
    char text[128];
    struct json json;
    json_begin(&json, text, sizeof text);
    json_open(&json, NULL, '{');
    json_int(&json, "protocol", 1);
    json_text(&json, "version", VERSION);
#ifdef __x86_64__
    json_text(&json, "arch", "x86_64");
#else
    json_text(&json, "arch", "aarch64");
#endif
    json_close(&json, '}');
    send_json('R', &json);
}

static void look_around(void)
{
    static char own[8192];
    if (!text_read("/proc/self/mountinfo", mount_text, sizeof mount_text) ||
        !mounts_parse(mount_text, &mounts))
        fail("E_MEASURE", "mountinfo");
    if (!text_read("/proc/self/cgroup", own, sizeof own))
        own[0] = 0; // a kernel without control groups: measured as null
    cgroup_find(own, &mounts, &cgroup);
}

static void measure(void)
{
    static char text[FRAME_CONTROLS_MAX];
    struct json json;
    look_around();
    json_begin(&json, text, sizeof text);
    if (!measure_container(&json, &mounts, &cgroup))
        fail("E_MEASURE", "the kernel does not tell the controls");
    send_json('C', &json);
}

static struct frame next_frame(int patience_ms)
{
    struct frame frame;
    for (;;) {
        enum frame_state state = channel_next(&channel, &frame);
        if (state == FRAME_WHOLE)
            return frame;
        if (state == FRAME_BAD) {
            errno = EPROTO;
            fail("E_FRAME", "unknown type or too long");
        }
        if (channel.ended) {
            kill_all();
            exit(0);
        }
        if (!channel_wait(&channel, patience_ms)) {
            errno = ETIMEDOUT;
            fail("E_STATE", "the host says nothing");
        }
    }
}

static void put(const struct frame *frame)
{
    struct entry entry = {0};
    if (frame->type == 'A') {
        if (!file_append((const char *)frame->data, frame->length))
            fail("E_FILE", "append");
        return;
    }
    errno = EINVAL;
    if (!entry_parse((char *)(uintptr_t)frame->data, frame->length, &entry))
        fail("E_FILE", "not MODE UID GID PATH");
    if (!(frame->type == 'D' ? directory_make(&entry) : file_make(&entry)))
        fail("E_FILE", "%.300s", entry.path);
}

static void set_up(void)
{
    for (bool measured = false;;) {
        struct frame frame = next_frame(SETUP_MS);
        switch (frame.type) {
        case 'M':
            measure();
            measured = true;
            break;
        case 'D':
        case 'W':
        case 'A':
            put(&frame);
            break;
        case 'K':
            exit(0);
        case 'J':
            errno = EPROTO;
            if (!measured)
                fail("E_STATE", "J before M");
            memcpy(record, frame.data, frame.length);
            char why[128];
            errno = EINVAL;
            if (!job_parse(record, frame.length, &job, why))
                fail("E_JOB", "%s", why);
            file_close();
            return;
        default:
            errno = EPROTO;
            fail("E_STATE", "frame %c before the job", frame.type);
        }
    }
}

static bool choose_scope(void)
{
    bool own = getpid() == 1;
    if (!own && ((uid_t)job.uid == getuid() || getuid() != 0)) {
        errno = EPERM;
        fail("E_ISOLATION", "not PID 1, and no user of its own for the job");
    }
    if (!own && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
        fail("E_SYSTEM", "subreaper");
    kill_scope(own, (uid_t)job.uid);
    return own;
}

static void hold(bool own_namespace)
{
    static char text[REPORT_MAX];
    struct json json;
    spawn_held(&job, &child);
    json_begin(&json, text, sizeof text);
    json_open(&json, NULL, '{');
    json_text(&json, "stage", "job");
    if (!measure_status(&json, "job", child.pid))
        fail("E_MEASURE", "the kernel does not tell what the process may do");
    json_uint(&json, "filter_bytes", child.filter_bytes);
    json_bool(&json, "watched", child.listener >= 0);
    probe_report(&json, &child.seen);
    json_text(&json, "kill_scope", own_namespace ? "pid_namespace" : "uid");
    json_close(&json, '}');
    send_json('C', &json);
    for (;;) {
        struct frame frame = next_frame(HELD_MS);
        if (frame.type == 'G')
            return;
        kill_all();
        if (frame.type == 'K')
            exit(0);
        errno = EPROTO;
        fail("E_STATE", "frame %c before G", frame.type);
    }
}

static void begin_watch(void)
{
    uint64_t key[2];
    if (getrandom(key, sizeof key, 0) != sizeof key)
        fail("E_SYSTEM", "getrandom");
    watch = (struct watch){.listener = -1, .self = getpid(), .job = &job, .mounts = &mounts};
    events_begin(&watch.events, key);
    if (!job.net)
        return;
    if (!broker_begin(&broker, gate_open(&channel), job.net_loopback))
        fail("E_NET", "loopback");
    watch.broker = &broker;
}

int main(void)
{
    static char text[REPORT_MAX];
    struct artifacts artifacts;
    struct json json;
    struct run run = {
        .channel = &channel, .job = &job, .child = &child, .watch = &watch, .usage = &usage};
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    umask(022);
    run.signals = run_signals();
    if (run.signals < 0 || !channel_open(&channel, getenv("RUNE_SOCK"))) {
        dprintf(2, "rune-init: no channel: %s\n", strerror(errno));
        return 125;
    }
    fail_to(&channel);
    say_ready();
    set_up();
    bool own_namespace = choose_scope();
    look_around(); // the mounts as the job will find them
    usage_begin(&usage, &cgroup, &job);
    begin_watch();
    hold(own_namespace);
    watch.listener = broker.listener = child.listener;
    run_job(&run);
    artifacts_send(&channel, &job, &artifacts);
    json_begin(&json, text, sizeof text);
    report_write(&json, &run, &artifacts);
    send_json('X', &json);
    return channel_drain(&channel, SIZE_MAX, LAST_MS) ? 0 : 125;
}
