#include "fail.h"

#include "channel.h"
#include "json.h"
#include "kill.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum { LAST_WORDS_MS = 5000 };

static struct channel *host;

void fail_to(struct channel *channel)
{
    host = channel;
}

void fail(const char *code, const char *text, ...)
{
    int number = errno;
    char line[512], report[4096];
    struct json json;
    va_list list;
    kill_all();
    va_start(list, text);
    vsnprintf(line, sizeof line, text, list);
    va_end(list);
    json_begin(&json, report, sizeof report);
    json_open(&json, NULL, '{');
    json_text(&json, "code", code);
    json_text(&json, "text", line);
    json_int(&json, "errno", number);
    json_close(&json, '}');
    if (host && channel_drain(host, json.length, LAST_WORDS_MS)) {
        channel_send(host, '!', report, json.length);
        if (channel_drain(host, SIZE_MAX, LAST_WORDS_MS))
            _exit(125);
    }
    dprintf(2, "rune-init: %s\n", report);
    _exit(125);
}
