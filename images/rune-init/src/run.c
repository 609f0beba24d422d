#include "run.h"

#include "fail.h"
#include "kill.h"
#include "patience.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    TICK_US = 50000,
    TICK_LEAST_US = 5000,
    EVENTS_US = 20000,       // events wait so long for company
    GRACE_US = 2000000,      // from SIGKILL to the death of all
    HOST_PATIENCE_MS = 30000 // for what is left to say when all is dead
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

// Kills all; the first reason given is the reason.
static void end(struct run *run, enum reason reason)
{
    if (run->reason == REASON_NONE)
        run->reason = reason;
    if (!run->killed_us)
        run->killed_us = clock_us();
    kill_all();
}

static void read_signals(struct run *run)
{
    struct signalfd_siginfo info;
    while (read(run->signals, &info, sizeof info) == sizeof info)
        // A sender outside our PID namespace has no id: the engine, not the job.
        if (info.ssi_signo == SIGTERM && info.ssi_pid == 0)
            end(run, REASON_KILLED);
}

static void reap(struct run *run)
{
    struct rusage used;
    int status;
    pid_t pid;
    while ((pid = wait4(-1, &status, WNOHANG | __WALL, &used)) > 0) {
        if (pid != run->child->pid)
            continue;
        run->status = status;
        run->rusage = used;
        run->first_ended = true;
        run->wall_us = clock_us() - run->watch->started_us;
        end(run, REASON_EXITED); // what it left running goes with it
    }
    run->all_dead = pid < 0 && errno == ECHILD;
}

static void read_stream(struct run *run, struct stream *stream)
{
    static char bytes[FRAME_OUT_MAX];
    ssize_t got = read(stream->fd, bytes, sizeof bytes);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        close(stream->fd);
        stream->fd = -1;
        return;
    }
    uint64_t room = (uint64_t)run->job->output_bytes - run->delivered;
    size_t take = (uint64_t)got < room ? (size_t)got : (size_t)room;
    stream->written += (uint64_t)got;
    run->delivered += take;
    if (take)
        channel_send(run->channel, stream->type, bytes, take);
    if (take < (size_t)got) {
        stream->cut = true;
        end(run, REASON_OUTPUT);
    }
}

static void close_input(struct run *run)
{
    if (run->child->input >= 0)
        close(run->child->input);
    run->child->input = -1;
    run->pending_length = 0;
}

static void feed(struct run *run)
{
    if (!run->pending_length || run->child->input < 0)
        return;
    ssize_t wrote = write(run->child->input, run->pending, run->pending_length);
    if (wrote > 0) {
        run->pending += wrote;
        run->pending_length -= (size_t)wrote;
    } else if (errno != EAGAIN && errno != EINTR) {
        close_input(run); // the job wants no more
    }
}

static void take_frames(struct run *run)
{
    struct frame frame;
    while (!run->pending_length) {
        switch (channel_next(run->channel, &frame)) {
        case FRAME_PARTIAL:
            return;
        case FRAME_BAD:
            errno = EPROTO;
            fail("E_FRAME", "unknown type or too long");
        case FRAME_WHOLE:
            break;
        }
        if (frame.type == 'K') {
            end(run, REASON_KILLED);
        } else if (frame.type == 'Z') {
            close_input(run);
        } else if (frame.type == 'I') {
            if (run->child->input >= 0) {
                run->pending = frame.data;
                run->pending_length = frame.length;
                feed(run);
            }
        } else {
            errno = EPROTO;
            fail("E_STATE", "frame %c while the job runs", frame.type);
        }
    }
}

static void send_events(struct run *run, bool all)
{
    struct events *events = &run->watch->events;
    while (events->length && channel_has_room(run->channel, FRAME_OUT_MAX)) {
        size_t part = events_ready(events, FRAME_OUT_MAX);
        channel_send(run->channel, 'L', events->lines, part);
        events_drop(events, part);
        run->flushed_us = clock_us();
        if (!all)
            return;
    }
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
            end(run, REASON_CPU);
        tick = tick_us(run);
    }
    if (now >= run->deadline_us && !run->killed_us)
        end(run, REASON_WALL);
    struct events *events = &run->watch->events;
    if (events->length > FRAME_OUT_MAX / 2 ||
        (events->length && now - run->flushed_us >= EVENTS_US))
        send_events(run, false);
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
        end(run, REASON_NET);
}

// The host has gone: nobody wants to know any more.
__attribute__((noreturn)) static void abandon(void)
{
    kill_all();
    _exit(125);
}

static void serve(struct run *run, const struct pollfd polled[POLLED])
{
    if (polled[AT_HOST].revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL))
        abandon();
    if (polled[AT_LISTENER].revents & POLLIN)
        watch_one(run->watch);
    serve_broker(run);
    if (polled[AT_NEWS].revents)
        spawn_news(run->child);
    for (int i = 0; i < 2; i++)
        if (polled[AT_STDOUT + i].revents && channel_has_room(run->channel, FRAME_OUT_MAX))
            read_stream(run, &run->streams[i]);
    if (polled[AT_STDIN].revents)
        feed(run);
    if (polled[AT_HOST].revents & POLLIN)
        channel_receive(run->channel);
    take_frames(run);
    if (polled[AT_SIGNALS].revents)
        read_signals(run);
    if (polled[AT_SIGNALS].revents || run->killed_us)
        reap(run);
    channel_flush(run->channel);
    if (run->channel->ended)
        abandon();
}

// All are dead: what is still in the pipes. A descriptor that is on its way through a socket
// may keep a pipe open, so its end is not waited for.
static void drain(struct run *run)
{
    for (int i = 0; i < 2; i++) {
        struct stream *stream = &run->streams[i];
        struct pollfd more = {stream->fd, POLLIN, 0};
        while (stream->fd >= 0 && poll(&more, 1, 0) > 0) {
            if (!channel_drain(run->channel, FRAME_OUT_MAX, HOST_PATIENCE_MS))
                abandon();
            read_stream(run, stream);
        }
    }
    while (run->watch->events.length) {
        if (!channel_drain(run->channel, FRAME_OUT_MAX, HOST_PATIENCE_MS))
            abandon();
        send_events(run, true);
    }
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
    take_frames(run);
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
    drain(run);
}
