/* What the text tools share besides tool.h: options, input by line, checked output.
 *
 * Text is bytes. A character is a UTF-8 sequence only where the locale says so
 * (text_is_utf8: LC_ALL, LC_CTYPE, LANG in that order; the job's default is C.UTF-8) and the
 * tool says "characters": regular expressions, wc -m, rev, expr length/substr/index, awk.
 * cut -c, tr and fold count bytes, as GNU coreutils 9.1 does. Order is always that of the
 * bytes, which is also the order of the code points. NUL is a byte like any other.
 */
#ifndef MR_TOOL_TEXT_H
#define MR_TOOL_TEXT_H
#include <stdint.h>
#include <sys/types.h>

#include "tool.h"

#define IO_CHUNK 65536

/* --- options: as getopt_long, but without global state and with GNU's messages --- */
struct longopt {
    const char *name;
    int arg;  /* 0 none, 1 required, 2 optional */
    int code; /* what opts_next returns */
};
struct opts {
    char **argv; /* reordered: the operands are argv[1..operands] in the end */
    int argc, at, operands;
    const char *cluster; /* rest of "-abc" */
    const char *arg;     /* the argument of the option just returned, or NULL */
};
enum { OPT_END = -1, OPT_BAD = -2, OPT_HELP = -3 };
struct opts opts_start(int argc, char **argv);
/* The next option's letter or code; OPT_BAD after a message; OPT_HELP after --help or --version
 * was answered (end with status 0). `shorts` is getopt's; a leading '+' stops at the first operand. */
int opts_next(struct opts *o, const char *shorts, const struct longopt *longs);
/* tool_die followed by GNU's "Try 'NAME --help'" line, for a wrong command line. */
_Noreturn void usage_die(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A number with GNU's size suffix (b, kB, K, KiB, M ...); 0 if it is one, -1 if not. */
int size_parse(const char *s, int64_t *value);

/* --- input --- */
/* Opens for reading; "-" is stdin. -1 with errno set (a directory is EISDIR). */
int input_open(const char *name);
/* Closes; what a reader took too much from a seekable stdin goes back. */
void input_close(int fd);
/* read() that does not stop at a caught signal. */
ssize_t input_read(int fd, void *buf, size_t n);
/* Everything that is left; *data is malloc'ed, with one spare byte behind it. -1: errno. */
ssize_t input_slurp(int fd, char **data);

struct reader {
    int fd, eof, err; /* err: errno of the read that failed */
    char delim;
    char *buf;
    size_t cap, beg, end;
};
void reader_start(struct reader *r, int fd, char delim);
/* 0, or -1 with a message "NAME: FILE: why". */
int reader_open(struct reader *r, const char *name, char delim);
/* Length of the next line with its delimiter (the last one may lack it), 0 at the end.
 * *line stays valid until the next call; the byte behind the line may be overwritten. */
size_t reader_line(struct reader *r, char **line);
/* Frees, and closes the descriptor. Returns -1, with a message, if a read had failed. */
int reader_close(struct reader *r, const char *name);
/* Gives put() each line of the operands (of stdin where there are none), without its newline;
 * `ended` tells whether it had one. 0, or 1 after a message where a file could not be read. */
typedef void line_fn(void *context, const char *line, size_t n, int ended);
int lines_each(const struct opts *o, line_fn *put, void *context);

/* --- output --- */
struct out {
    int fd, err; /* err: errno of the first write that failed; later output is dropped */
    int exits;   /* leave the process at that moment (a tool that runs in its own) */
    size_t len;
    char *buf;
    void *memory; /* fd -1: takes the bytes instead, through to_memory(memory, ...) */
    void (*to_memory)(void *memory, const char *p, size_t n);
};
void out_start(struct out *o, int fd, int exits);
int out_flush(struct out *o);
void out_put(struct out *o, const void *p, size_t n);
void out_text(struct out *o, const char *s);
void out_format(struct out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline void out_byte(struct out *o, int c) {
    if (o->len == IO_CHUNK) out_flush(o);
    o->buf[o->len++] = (char)c;
}
/* Flushes the output on stdout that is being written, if any: messages keep their place. */
void out_flush_live(void);
/* Flushes and frees; returns status, or 141 / 1 with a message as out_check does. */
int out_end(struct out *o, int status);

/* --- characters --- */
int text_is_utf8(void);
/* Length (1-4) of the valid UTF-8 sequence at s, 0 if there is none; n > 0 bytes are there. */
int utf8_decode(const char *s, size_t n, uint32_t *code);
int utf8_encode(uint32_t code, char *s);
#endif
