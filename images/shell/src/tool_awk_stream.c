/* Files and pipes, read by record and written to. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tool_awk.h"
#include "tool_file.h"

struct stream {
    struct stream *next;
    struct str *name;
    int how; /* REDIRECT_*; input: -1 a file, -2 a command */
    int fd, pid, eof, err;
    char *buf;
    size_t beg, end, cap;
    struct out out;
};
enum { INPUT_FILE = -1, INPUT_COMMAND = -2 };
static struct stream *streams, *standard_input;
static struct out standard_output;
static int standard_output_open;

static struct out *standard(void) {
    if (!standard_output_open) {
        standard_output_open = 1;
        out_start(&standard_output, STDOUT_FILENO, 1);
    }
    return &standard_output;
}

static struct stream *stream_new(struct str *name, int how, int fd) {
    struct stream *s = xmalloc(sizeof *s);
    *s = (struct stream){.name = name ? str_ref(name) : NULL, .how = how, .fd = fd};
    return s;
}

static struct stream *stream_find(const struct str *name, int how) {
    struct stream *s = streams;
    while (s && !(s->how == how && s->name->len == name->len && !memcmp(s->name->p, name->p, name->len))) s = s->next;
    return s;
}

static int is_named(const struct str *s, const char *name) { return s->len == strlen(name) && !memcmp(s->p, name, s->len); }

int stream_flush(struct str *name) {
    int status = 0;
    if (!name && standard_output_open) status |= out_flush(&standard_output);
    for (struct stream *s = streams; s; s = s->next)
        if (s->how > 0 && (!name || (s->name->len == name->len && !memcmp(s->name->p, name->p, name->len)))) status |= out_flush(&s->out);
    return status;
}

/* --- input --- */
/* More bytes behind those in the buffer; 0 at the end. */
static int fill(struct stream *s) {
    if (s->eof) return 0;
    if (s->beg > 0) {
        memmove(s->buf, s->buf + s->beg, s->end - s->beg);
        s->end -= s->beg;
        s->beg = 0;
    }
    if (s->cap - s->end < IO_CHUNK / 2) s->buf = xrealloc(s->buf, s->cap = s->cap ? s->cap * 2 : IO_CHUNK);
    ssize_t n = input_read(s->fd, s->buf + s->end, s->cap - s->end);
    if (n < 0) s->err = errno;
    if (n <= 0) s->eof = 1;
    else s->end += (size_t)n;
    return n > 0;
}

/* The end of the record at s->beg: where it stops, and in *next where the next one starts. */
static int char_end(struct stream *s, int c, size_t *stop, size_t *next) {
    for (size_t seen = 0;;) {
        char *hit = s->end > s->beg + seen ? memchr(s->buf + s->beg + seen, c, s->end - s->beg - seen) : NULL;
        if (hit) {
            *stop = (size_t)(hit - s->buf);
            *next = *stop + 1;
            return 1;
        }
        seen = s->end - s->beg;
        if (!fill(s)) return 0;
    }
}

static int regex_end(struct stream *s, struct rx *rx, size_t *stop, size_t *next) {
    for (;;) {
        struct rx_span m = {0, 0};
        size_t n = s->end - s->beg, at = 0;
        int hit = 0;
        while (at <= n && (hit = n > 0 && rx_search(rx, s->buf + s->beg, n, at, &m, 1)) && m.from == m.to) at = m.to + 1;
        /* A match that touches the end of the buffer might grow. */
        if (hit && m.to > m.from && (m.to < n || s->eof)) {
            *stop = s->beg + m.from;
            *next = s->beg + m.to;
            return 1;
        }
        if (!fill(s)) {
            if (!hit || m.to == m.from) return 0;
            *stop = s->beg + m.from;
            *next = s->beg + m.to;
            return 1;
        }
    }
}

/* RS = "": records are separated by blank lines. */
static int paragraph_end(struct stream *s, size_t *stop, size_t *next) {
    for (;;) {
        while (s->beg < s->end && s->buf[s->beg] == '\n') s->beg++;
        if (s->beg < s->end || !fill(s)) break;
    }
    for (size_t at = 0;;) {
        char *hit = s->end > s->beg + at ? memchr(s->buf + s->beg + at, '\n', s->end - s->beg - at) : NULL;
        if (!hit) {
            at = s->end - s->beg;
            if (!fill(s)) return 0;
            continue;
        }
        size_t here = (size_t)(hit - s->buf) - s->beg;
        if (s->beg + here + 1 == s->end && fill(s)) {
            at = here;
            continue;
        }
        if (s->beg + here + 1 == s->end || s->buf[s->beg + here + 1] == '\n') {
            *stop = *next = s->beg + here;
            return 1;
        }
        at = here + 1;
    }
}

int read_record(struct stream *s, struct str **record) {
    struct str *rs = special_str(RS);
    size_t stop, next;
    int ended = rs->len == 0 ? paragraph_end(s, &stop, &next) : rs->len == 1 ? char_end(s, (unsigned char)rs->p[0], &stop, &next)
                : regex_end(s, regex_cached(rs), &stop, &next);
    if (!ended) {
        if (s->err) return -1;
        if (s->beg == s->end) return 0;
        stop = next = s->end;
    }
    *record = str_new(s->buf + s->beg, stop - s->beg);
    s->beg = next;
    return 1;
}

struct stream *main_input(int fd) {
    if (fd != STDIN_FILENO) return stream_new(NULL, INPUT_FILE, fd);
    if (!standard_input) standard_input = stream_new(NULL, INPUT_FILE, fd);
    return standard_input;
}

void stream_end(struct stream *s) {
    if (s == standard_input) return;
    close(s->fd);
    free(s->buf);
    free(s);
}

struct stream *input_stream(struct str *name, int command) {
    int how = command ? INPUT_COMMAND : INPUT_FILE, pid = 0, fd;
    struct stream *s = stream_find(name, how);
    if (s) return s;
    if (!command && (is_named(name, "-") || is_named(name, "/dev/stdin"))) return main_input(STDIN_FILENO);
    if (command) stream_flush(NULL);
    fd = command ? pipe_open(name->p, 0, &pid) : input_open(name->p);
    if (fd < 0) return NULL;
    s = stream_new(name, how, fd);
    s->pid = pid;
    s->next = streams;
    return streams = s;
}

/* --- output --- */
struct out *output_stream(struct str *name, int how) {
    if (how == REDIRECT_NONE || is_named(name, "/dev/stdout") || (how != REDIRECT_PIPE && is_named(name, "-"))) return standard();
    int kind = how == REDIRECT_APPEND ? REDIRECT_FILE : how, pid = 0, fd;
    struct stream *s = stream_find(name, kind);
    if (s) return &s->out;
    if (how == REDIRECT_PIPE) {
        stream_flush(NULL);
        fd = pipe_open(name->p, 1, &pid);
    } else if (is_named(name, "/dev/stderr")) {
        fd = STDERR_FILENO;
    } else {
        fd = open_creating(name->p, O_WRONLY | (how == REDIRECT_APPEND ? O_APPEND : O_TRUNC));
    }
    if (fd < 0) awk_die("cannot %s '%s': %s", how == REDIRECT_PIPE ? "run" : "write to", name->p, strerror(errno));
    s = stream_new(name, kind, fd);
    s->pid = pid;
    out_start(&s->out, fd, 0);
    s->next = streams;
    streams = s;
    return &s->out;
}

static int stream_finish(struct stream *s) {
    int status = 0;
    if (s->how > 0) {
        out_flush(&s->out);
        if (s->out.err && s->out.err != EPIPE) status = -1;
        if (s->fd == STDERR_FILENO) {
            s->out.err = 0;
            return 0;
        }
        free(s->out.buf);
    }
    close(s->fd);
    if (s->pid) status = pipe_wait(s->pid);
    free(s->buf);
    str_drop(s->name);
    free(s);
    return status;
}

int stream_close(struct str *name) {
    int status = -1;
    for (struct stream **s = &streams; *s;) {
        struct stream *old = *s;
        if (old->name->len != name->len || memcmp(old->name->p, name->p, name->len)) {
            s = &old->next;
            continue;
        }
        *s = old->next;
        if (old->pid) stream_flush(NULL);
        status = stream_finish(old);
    }
    return status;
}

int streams_close_all(void) {
    int status = standard_output_open ? out_end(&standard_output, 0) : 0;
    if (status) return status == 141 ? 141 : 2;
    standard_output_open = 0;
    for (struct stream *s = streams, *next; s; s = next) {
        next = s->next;
        if (s->how != REDIRECT_PIPE && s->how > 0 && stream_finish(s) < 0) status = 2;
        else if (s->how == REDIRECT_PIPE) stream_finish(s);
    }
    return status;
}

void streams_forget(void) {
    for (struct stream *s = streams; s; s = s->next)
        if (s->fd > STDERR_FILENO) close(s->fd);
}

/* --- the files of ARGV --- */
static struct {
    struct stream *stream;
    int64_t at; /* in ARGV; the next is at + 1 */
    int any, ended;
} input;

static int assignment_of(struct str *s) {
    const char *p = s->p, *equals = memchr(p, '=', s->len);
    if (!equals || equals == p || !((*p | 32) >= 'a' && (*p | 32) <= 'z') == (*p != '_')) return 0;
    for (; p < equals; p++)
        if (*p != '_' && !((*p | 32) >= 'a' && (*p | 32) <= 'z') && !(*p >= '0' && *p <= '9' && p > s->p)) return 0;
    return awk_assign_argument(s->p);
}

static struct str *argument(int64_t i) {
    struct var *argv = &awk->globals[ARGV];
    struct value key = v_number((double)i);
    struct str *k = v_str(&key);
    struct elem *e = argv->kind == VAR_ARRAY ? array_find(argv->a, k) : NULL;
    str_drop(k);
    return e ? v_str(&e->v) : NULL;
}

static int open_file(struct str *name) {
    int fd = is_named(name, "/dev/stdin") ? STDIN_FILENO : input_open(name->p);
    if (fd < 0) {
        if (errno == EISDIR) tool_warn("warning: '%s' is a directory: skipped", name->p);
        else tool_warn("cannot open '%s': %s", name->p, strerror(errno));
        if (errno != EISDIR) awk->exit_code = 2;
        return 0;
    }
    input.stream = main_input(fd);
    return 1;
}

static int open_next(void) {
    while (!input.ended) {
        if (++input.at >= (int64_t)v_to_number(special(ARGC))) {
            input.ended = 1;
            if (input.any) return 0;
            input.stream = main_input(STDIN_FILENO);
            break;
        }
        struct str *name = argument(input.at);
        if (!name) continue;
        if (name->len == 0 || assignment_of(name)) {
            str_drop(name);
            continue;
        }
        input.any = 1;
        int opened = open_file(name);
        if (opened) assign_special(FILENAME, v_string(str_ref(name)));
        str_drop(name);
        if (opened) break;
    }
    if (!input.stream) return 0;
    assign_special(FNR, v_number(0));
    return 1;
}

void next_file(void) {
    if (input.stream) stream_end(input.stream);
    input.stream = NULL;
}

int next_record(struct str **record) {
    for (;;) {
        if (!input.stream && !open_next()) return 0;
        int got = read_record(input.stream, record);
        if (got > 0) return 1;
        if (got < 0) {
            tool_warn("read error: %s", strerror(input.stream->err));
            awk->exit_code = 2;
        }
        next_file();
    }
}
