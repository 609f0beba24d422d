/* What every tool shares: messages, memory that cannot fail quietly, checked stdout. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_text.h"

const char *tool_name = "sh";

/* One write() per message: stderr is unbuffered, and each host call costs. */
static void warn_text(const char *fmt, va_list ap) {
    char small[512], *text = small;
    va_list again;
    va_copy(again, ap);
    size_t head = (size_t)snprintf(small, sizeof small, "%s: ", tool_name);
    if (head > sizeof small / 2) head = 0;
    int body = vsnprintf(small + head, sizeof small - head, fmt, ap);
    size_t total = head + (body < 0 ? 0 : (size_t)body) + 1;
    if (total + 1 > sizeof small) {
        text = xmalloc(total + 1);
        memcpy(text, small, head);
        vsnprintf(text + head, total + 1 - head, fmt, again);
    }
    va_end(again);
    text[total - 1] = '\n';
    fflush(stdout); /* so that `2>&1` keeps the order */
    out_flush_live();
    for (size_t done = 0; done < total;) {
        ssize_t n = write(STDERR_FILENO, text + done, total - done);
        if (n <= 0) break;
        done += (size_t)n;
    }
    if (text != small) free(text);
}

void tool_warn(const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    warn_text(fmt, ap);
    va_end(ap);
}

void tool_warn_errno(const char *what) {
    int err = errno;
    tool_warn("%s: %s", what, strerror(err));
}

_Noreturn void tool_die(int status, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    warn_text(fmt, ap);
    va_end(ap);
    exit(status);
}

void *xrealloc(void *p, size_t n) {
    void *got = realloc(p, n ? n : 1);
    if (!got) {
        static const char message[] = ": out of memory\n";
        if (write(STDERR_FILENO, tool_name, strlen(tool_name)) >= 0)
            (void)!write(STDERR_FILENO, message, sizeof message - 1);
        _exit(1);
    }
    return got;
}

void *xmalloc(size_t n) { return xrealloc(NULL, n); }

char *xstrdup(const char *s) {
    size_t n = strlen(s) + 1;
    return memcpy(xmalloc(n), s, n);
}

int out_check(int status) {
    errno = 0;
    int failed = fflush(stdout) != 0;
    int err = errno;
    if (!failed && !ferror(stdout)) return status;
    clearerr(stdout);
    if (err == EPIPE) return 141;
    tool_warn("write error%s%s", err ? ": " : "", err ? strerror(err) : "");
    return status ? status : 1;
}
