#include "measure.h"

#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { FILE_MAX = 16384, GROUPS_LINE = 32 };

static bool add_ids(struct json *json, const char *key, const char *text, const char *label,
                    int most)
{
    const char *at = text_find(text, label);
    json_open(json, key, '[');
    for (int i = 0; at && i < most && *at >= '0' && *at <= '9'; i++) {
        char *end;
        json_uint(json, NULL, strtoull(at, &end, 10));
        at = end + strspn(end, " \t");
    }
    json_close(json, ']');
    return at;
}

static bool add_caps(struct json *json, const char *text)
{
    static const char *const rows[][2] = {
        {"inh", "CapInh:"}, {"prm", "CapPrm:"}, {"eff", "CapEff:"},
        {"bnd", "CapBnd:"}, {"amb", "CapAmb:"}};
    bool found = true;
    json_open(json, "caps", '{');
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *at = text_find(text, rows[i][1]);
        found = found && at;
        if (at)
            json_hex64(json, rows[i][0], strtoull(at, NULL, 16));
    }
    json_close(json, '}');
    return found;
}

static void add_number(struct json *json, const char *key, const char *text, const char *label)
{
    const char *at = text_find(text, label);
    if (at)
        json_int(json, key, strtoll(at, NULL, 10));
    else
        json_null(json, key);
}

static void add_limit(struct json *json, const char *word)
{
    if (!strncmp(word, "unlimited", 9))
        json_text(json, NULL, "max");
    else
        json_uint(json, NULL, strtoull(word, NULL, 10));
}

// /proc/PID/limits: columns of 26, 21 and 21 characters.
static bool add_limits(struct json *json, pid_t pid)
{
    static const char *const rows[][2] = {
        {"cpu", "Max cpu time"},          {"fsize", "Max file size"},
        {"data", "Max data size"},        {"stack", "Max stack size"},
        {"core", "Max core file size"},   {"rss", "Max resident set"},
        {"nproc", "Max processes"},       {"nofile", "Max open files"},
        {"memlock", "Max locked memory"}, {"as", "Max address space"},
        {"locks", "Max file locks"},      {"sigpending", "Max pending signals"},
        {"msgqueue", "Max msgqueue size"}, {"nice", "Max nice priority"},
        {"rtprio", "Max realtime priority"}, {"rttime", "Max realtime timeout"}};
    static char text[FILE_MAX];
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/limits", pid);
    if (!text_read(path, text, sizeof text))
        return false;
    bool found = true;
    json_open(json, "rlimits", '{');
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *at = text_find(text, rows[i][1]);
        found = found && at;
        if (!at)
            continue;
        json_open(json, rows[i][0], '[');
        add_limit(json, at);
        at += strcspn(at, " ");
        add_limit(json, at + strspn(at, " "));
        json_close(json, ']');
    }
    json_close(json, '}');
    return found;
}

bool measure_status(struct json *json, const char *key, pid_t pid)
{
    static char text[FILE_MAX];
    char path[64], score[32];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    if (!text_read(path, text, sizeof text))
        return false;
    json_open(json, key, '{');
    json_int(json, "pid", pid);
    bool found = add_ids(json, "uid", text, "Uid:", 4);
    found = add_ids(json, "gid", text, "Gid:", 4) && found;
    found = add_ids(json, "groups", text, "Groups:", GROUPS_LINE) && found;
    found = add_caps(json, text) && found;
    add_number(json, "seccomp", text, "Seccomp:");
    add_number(json, "seccomp_filters", text, "Seccomp_filters:");
    add_number(json, "no_new_privs", text, "NoNewPrivs:");
    snprintf(path, sizeof path, "/proc/%d/oom_score_adj", pid);
    if (text_read(path, score, sizeof score))
        json_int(json, "oom_score_adj", atoi(score));
    else
        json_null(json, "oom_score_adj");
    errno = 0;
    int nice = getpriority(PRIO_PROCESS, (id_t)pid);
    if (errno)
        json_null(json, "nice");
    else
        json_int(json, "nice", nice);
    found = add_limits(json, pid) && found;
    json_close(json, '}');
    return found;
}
