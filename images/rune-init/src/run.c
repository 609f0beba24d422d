#include "run.h"

#include "end.h"
#include "fail.h"
#include "kill.h"
#include "patience.h"
#include "streams.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum {
    TICK_US = 50000,
    TICK_LEAST_US = 5000,
    EVENTS_US = 20000, // events wait so long for company
    GRACE_US = 2000000 // from SIGKILL to the death of all
};

enum {
    AT_SIGNALS,
    AT_LISTENER,
    AT_STDOUT,
    AT_STDERR,
    AT_HOST,
    AT_HOST_OUT,
    AT_STDIN,
    AT_NEWS,
    AT_BROKER,
    POLLED,
};

int run_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    signal(SIGPIPE, SIG_IGN);
    if (!patience_ready())
        return -1;
    if (sigprocmask(SIG_BLOCK, &set, NULL))
        return -1;
    int low = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    int fd = fcntl(low, F_DUPFD_CLOEXEC, 10);
    close(low);
    return fd;
}

static void read_signals(struct run *run)
{
    struct signalfd_siginfo info;
    while (read(run->signals, &info, sizeof info) == sizeof info)
        // A sender outside our PID namespace has no id: the engine, not the job.
        if (info.ssi_signo == SIGTERM && info.ssi_pid == 0)
            end_order(run, REASON_KILLED);
}

static int tick_us(const struct run *run)
{
    if (!run->job->cpu_ms)
        return TICK_US;
    uint64_t used = usage_cpu_us(run->usage), most = (uint64_t)run->job->cpu_ms * 1000;
    uint64_t left = used < most ? (most - used) / 4 : 0; // more than one may run at a time
    return left < TICK_LEAST_US ? TICK_LEAST_US : left < TICK_US ? (int)left : TICK_US;
}

// Deadlines and samples. The time until the next is due.
static int look_at_clock(struct run *run)
{
    static int tick = TICK_LEAST_US;
    uint64_t now = clock_us();
    if (now - run->sampled_us >= (uint64_t)tick) {
        run->sampled_us = now;
        usage_sample(run->usage);
        if (run->job->cpu_ms && !run->killed_us &&
            usage_cpu_us(run->usage) >= (uint64_t)run->job->cpu_ms * 1000)
            end_order(run, REASON_CPU);
        if (!run->killed_us && watch_has_hoard(run->watch, usage_cpu_us(run->usage)))
            end_order(run, REASON_DENIED);
        tick = tick_us(run);
    }
    if (now >= run->deadline_us && !run->killed_us)
        end_order(run, REASON_WALL);
    struct events *events = &run->watch->events;
    if (events->length > FRAME_OUT_MAX / 2 ||
        (events->length && now - run->flushed_us >= EVENTS_US))
        streams_send_events(run, false);
    uint64_t until = run->sampled_us + (uint64_t)tick;
    if (!run->killed_us && run->deadline_us < until)
        until = run->deadline_us;
    if (events->length && now + EVENTS_US < until)
        until = now + EVENTS_US;
    int patience = run->watch->broker ? broker_patience_ms(run->watch->broker) : -1;
    int wait_ms = until > now ? (int)((until - now) / 1000) + 1 : 0;
    return patience >= 0 && patience < wait_ms ? patience : wait_ms;
}

static void prepare(struct run *run, struct pollfd polled[POLLED])
{
    struct channel *channel = run->channel;
    bool room = channel_has_room(channel, FRAME_OUT_MAX);
    bool watching = run->child->listener >= 0 && !run->watch->lost && !run->killed_us &&
                    events_have_room(&run->watch->events);
    polled[AT_SIGNALS] = (struct pollfd){run->signals, POLLIN, 0};
    polled[AT_LISTENER] = (struct pollfd){watching ? run->child->listener : -1, POLLIN, 0};
    for (int i = 0; i < 2; i++)
        polled[AT_STDOUT + i] = (struct pollfd){room ? run->streams[i].fd : -1, POLLIN, 0};
    short ask = run->pending_length ? POLLRDHUP : POLLIN | POLLRDHUP;
    polled[AT_HOST] = (struct pollfd){channel->in, ask, 0};
    polled[AT_HOST_OUT] = (struct pollfd){channel->queued ? channel->out : -1, POLLOUT, 0};
    polled[AT_STDIN] = (struct pollfd){run->pending_length ? run->child->input : -1, POLLOUT, 0};
    polled[AT_NEWS] = (struct pollfd){run->child->news, POLLIN, 0};
    struct broker *broker = run->watch->broker;
    polled[AT_BROKER] = (struct pollfd){broker ? broker->stream : -1, 0, 0};
    if (broker)
        polled[AT_BROKER].events = broker_events(broker);
}

static void serve_broker(struct run *run)
{
    struct broker *broker = run->watch->broker;
    if (!broker)
        return;
    broker_serve(broker);
    run->watch->lost |= broker->lost;
    if (broker->ended && !run->killed_us)
        end_order(run, REASON_NET);
}

static void serve(struct run *run, const struct pollfd polled[POLLED])
{
    if (polled[AT_HOST].revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL))
        end_abandon();
    if (polled[AT_LISTENER].revents & POLLIN)
        watch_one(run->watch);
    serve_broker(run);
    if (polled[AT_NEWS].revents)
        spawn_news(run->child);
    for (int i = 0; i < 2; i++)
        if (polled[AT_STDOUT + i].revents && channel_has_room(run->channel, FRAME_OUT_MAX))
            streams_read(run, &run->streams[i]);
    if (polled[AT_STDIN].revents)
        streams_feed(run);
    if (polled[AT_HOST].revents & POLLIN)
        channel_receive(run->channel);
    streams_take_frames(run);
    if (polled[AT_SIGNALS].revents)
        read_signals(run);
    if (polled[AT_SIGNALS].revents || run->killed_us)
        end_reap(run);
    channel_flush(run->channel);
    if (run->channel->ended)
        end_abandon();
}

void run_job(struct run *run)
{
    struct pollfd polled[POLLED];
    run->watch->started_us = clock_us();
    run->deadline_us = run->watch->started_us + (uint64_t)run->job->wall_ms * 1000;
    run->streams[0] = (struct stream){run->child->output, 'O', 0, false};
    run->streams[1] = (struct stream){run->child->error, 'E', 0, false};
    see_as_job(run->watch);
    spawn_go(run->child);
    streams_take_frames(run);
    while (!run->all_dead) {
        int wait_ms = look_at_clock(run);
        if (run->killed_us && clock_us() - run->killed_us > GRACE_US) {
            run->survivors = 1;
            break;
        }
        prepare(run, polled);
        if (poll(polled, POLLED, wait_ms) < 0 && errno != EINTR)
            fail("E_SYSTEM", "poll");
        serve(run, polled);
        if (run->killed_us && !run->all_dead)
            kill_all(); // what was being made just then
    }
    if (run->child->news >= 0)
        spawn_news(run->child); // it may have died before we heard why
    if (!run->first_ended)
        run->wall_us = clock_us() - run->watch->started_us;
    usage_sample(run->usage);
    streams_drain(run);
}
