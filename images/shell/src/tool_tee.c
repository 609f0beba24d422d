#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_text.h"

struct sink {
    int fd;
    const char *name;
};

/* Writes all; on failure says so and closes the sink. 141 when stdout's reader has gone. */
static int sink_put(struct sink *s, const char *p, size_t n) {
    while (n > 0 && s->fd >= 0) {
        ssize_t done = write(s->fd, p, n);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) {
            if (errno == EPIPE && s->fd == STDOUT_FILENO) return 141;
            tool_warn_errno(s->name);
            s->fd = -1;
            return 1;
        }
        p += done;
        n -= (size_t)done;
    }
    return 0;
}

int tool_tee(int argc, char **argv) {
    static const struct longopt longs[] = {{"append", 0, 'a'}, {"ignore-interrupts", 0, 'i'},
        {"output-error", 2, 'p'}, {0}};
    struct opts o = opts_start(argc, argv);
    int c, status = 0, how = O_TRUNC;
    while ((c = opts_next(&o, "aip", longs)) != OPT_END) {
        if (c < 0) return c == OPT_HELP ? 0 : 1;
        if (c == 'a') how = O_APPEND;
    }
    struct sink *sinks = xmalloc(sizeof *sinks * ((size_t)o.operands + 1));
    sinks[0] = (struct sink){STDOUT_FILENO, "standard output"};
    for (int i = 1; i <= o.operands; i++) {
        sinks[i] = (struct sink){open(argv[i], O_WRONLY | O_CREAT | how, 0666), argv[i]};
        if (sinks[i].fd < 0) {
            tool_warn_errno(argv[i]);
            status = 1;
        }
    }
    char *buf = xmalloc(IO_CHUNK);
    ssize_t n;
    while ((n = input_read(STDIN_FILENO, buf, IO_CHUNK)) > 0)
        for (int i = 0; i <= o.operands; i++) {
            int bad = sink_put(&sinks[i], buf, (size_t)n);
            if (bad == 141) return 141;
            status |= bad;
        }
    if (n < 0) {
        tool_warn("read error: %s", strerror(errno));
        status = 1;
    }
    return status;
}
