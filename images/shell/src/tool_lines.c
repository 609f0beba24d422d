/* Input by line and checked output for the text tools, in chunks of 64 KB. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tool_text.h"

int input_open(const char *name) {
    if (!strcmp(name, "-")) return STDIN_FILENO;
    int fd = open(name, O_RDONLY);
    struct stat st;
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        close(fd);
        errno = EISDIR;
        return -1;
    }
    return fd;
}

void input_close(int fd) {
    if (fd != STDIN_FILENO) close(fd);
}

ssize_t input_read(int fd, void *buf, size_t n) {
    ssize_t got;
    do got = read(fd, buf, n);
    while (got < 0 && errno == EINTR);
    return got;
}

ssize_t input_slurp(int fd, char **data) {
    size_t cap = IO_CHUNK, len = 0;
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 && st.st_size < (1 << 30))
        cap = (size_t)st.st_size + 2;
    char *buf = xmalloc(cap);
    for (;;) {
        if (cap - len < 2) buf = xrealloc(buf, cap *= 2);
        ssize_t n = input_read(fd, buf + len, cap - len - 1);
        if (n < 0) {
            free(buf);
            return -1;
        }
        if (n == 0) break;
        len += (size_t)n;
    }
    *data = buf;
    return (ssize_t)len;
}

void reader_start(struct reader *r, int fd, char delim) {
    *r = (struct reader){.fd = fd, .delim = delim, .cap = IO_CHUNK};
    r->buf = xmalloc(r->cap + 1);
}

int reader_open(struct reader *r, const char *name, char delim) {
    int fd = input_open(name);
    if (fd < 0) {
        tool_warn_errno(name);
        return -1;
    }
    reader_start(r, fd, delim);
    return 0;
}

size_t reader_line(struct reader *r, char **line) {
    size_t seen = r->beg;
    for (;;) {
        char *hit = memchr(r->buf + seen, r->delim, r->end - seen);
        if (hit || r->eof) {
            *line = r->buf + r->beg;
            size_t n = hit ? (size_t)(hit + 1 - *line) : r->end - r->beg;
            r->beg += n;
            return n;
        }
        if (r->beg > 0) {
            memmove(r->buf, r->buf + r->beg, r->end - r->beg);
            r->end -= r->beg;
            r->beg = 0;
        }
        if (r->end == r->cap) r->buf = xrealloc(r->buf, (r->cap *= 2) + 1);
        seen = r->end;
        ssize_t n = input_read(r->fd, r->buf + r->end, r->cap - r->end);
        if (n < 0) r->err = errno;
        if (n <= 0) r->eof = 1;
        else r->end += (size_t)n;
    }
}

int reader_close(struct reader *r, const char *name) {
    if (r->fd == STDIN_FILENO && r->beg < r->end)
        lseek(r->fd, -(off_t)(r->end - r->beg), SEEK_CUR);
    input_close(r->fd);
    free(r->buf);
    r->buf = NULL;
    if (!r->err) return 0;
    errno = r->err;
    tool_warn_errno(name);
    return -1;
}

int lines_each(const struct opts *o, line_fn *put, void *context) {
    int status = 0;
    for (int i = 1; i <= o->operands || (i == 1 && !o->operands); i++) {
        const char *name = o->operands ? o->argv[i] : "-";
        struct reader r;
        char *line;
        size_t n;
        if (reader_open(&r, name, '\n')) {
            status = 1;
            continue;
        }
        while ((n = reader_line(&r, &line)) > 0) {
            int ended = line[n - 1] == '\n';
            put(context, line, n - (size_t)ended, ended);
        }
        if (reader_close(&r, name)) status = 1;
    }
    return status;
}

static struct out *live; /* the one on stdout, while it is open */

void out_flush_live(void) {
    if (live && live->len) out_flush(live);
}

void out_start(struct out *o, int fd, int exits) {
    *o = (struct out){.fd = fd, .exits = exits, .buf = xmalloc(IO_CHUNK)};
    if (fd == STDOUT_FILENO) live = o;
}

static int out_report(int err, int status) {
    if (err == EPIPE) return 141;
    tool_warn("write error: %s", strerror(err));
    return status ? status : 1;
}

static void out_write(struct out *o, const char *p, size_t n) {
    if (o->to_memory) {
        o->to_memory(o->memory, p, n);
        return;
    }
    while (n > 0 && !o->err) {
        ssize_t done = write(o->fd, p, n);
        if (done < 0) {
            if (errno == EINTR) continue;
            o->err = errno;
            if (o->exits) exit(out_report(o->err, 0));
            return;
        }
        p += done;
        n -= (size_t)done;
    }
}

int out_flush(struct out *o) {
    size_t n = o->len;
    o->len = 0;
    out_write(o, o->buf, n);
    return o->err ? -1 : 0;
}

void out_put(struct out *o, const void *p, size_t n) {
    if (n == 0) return;
    if (n > IO_CHUNK - o->len) {
        out_flush(o);
        if (n >= IO_CHUNK) {
            out_write(o, p, n);
            return;
        }
    }
    memcpy(o->buf + o->len, p, n);
    o->len += n;
}

void out_text(struct out *o, const char *s) { out_put(o, s, strlen(s)); }

void out_format(struct out *o, const char *fmt, ...) {
    char small[256];
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(small, sizeof small, fmt, ap);
    if (n >= (int)sizeof small) {
        char *big = xmalloc((size_t)n + 1);
        vsnprintf(big, (size_t)n + 1, fmt, again);
        out_put(o, big, (size_t)n);
        free(big);
    } else if (n > 0) {
        out_put(o, small, (size_t)n);
    }
    va_end(again);
    va_end(ap);
}

int out_end(struct out *o, int status) {
    out_flush(o);
    if (live == o) live = NULL;
    free(o->buf);
    o->buf = NULL;
    return o->err ? out_report(o->err, status) : status;
}

int text_is_utf8(void) {
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (int i = 0; i < 3; i++) {
        const char *v = getenv(names[i]);
        if (v && *v)
            return strstr(v, "UTF-8") || strstr(v, "utf8") || strstr(v, "utf-8") || strstr(v, "UTF8");
    }
    return 0;
}

int utf8_decode(const char *text, size_t n, uint32_t *code) {
    const unsigned char *s = (const unsigned char *)text;
    uint32_t c = s[0];
    int len = c < 0x80 ? 1 : c >= 0xC2 && c < 0xE0 ? 2 : (c & 0xF0) == 0xE0 ? 3 : c >= 0xF0 && c < 0xF5 ? 4 : 0;
    if (len == 0 || (size_t)len > n) return 0;
    if (len > 1) c &= 0x7Fu >> len;
    for (int i = 1; i < len; i++) {
        if ((s[i] & 0xC0) != 0x80) return 0;
        c = c << 6 | (s[i] & 0x3Fu);
    }
    if ((len == 3 && (c < 0x800 || (c >= 0xD800 && c < 0xE000))) || (len == 4 && (c < 0x10000 || c > 0x10FFFF)))
        return 0;
    *code = c;
    return len;
}

int utf8_encode(uint32_t c, char *s) {
    if (c < 0x80) {
        s[0] = (char)c;
        return 1;
    }
    int len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (int i = len - 1; i > 0; i--, c >>= 6) s[i] = (char)(0x80 | (c & 0x3F));
    s[0] = (char)((0xF00 >> len) | c);
    return len;
}
