/* date. The clock is UTC and cannot be set. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool_file.h"

static const struct longopt longs[] = {{"date", 1, 'd'},      {"utc", 0, 'u'},       {"universal", 0, 'u'},
                                       {"iso-8601", 2, 'I'},  {"rfc-3339", 1, 256},  {"rfc-email", 0, 'R'},
                                       {"rfc-2822", 0, 'R'},  {"reference", 1, 'r'}, {"set", 1, 's'},
                                       {"file", 1, 'f'},      {NULL, 0, 0}};

/* The format for -I and --rfc-3339; `names` is date, [hours, minutes,] seconds, ns. */
static const char *named_format(const char *name, bool rfc) {
    static const struct {
        const char *name, *iso, *rfc;
    } table[] = {{"date", "%Y-%m-%d", "%Y-%m-%d"},
                 {"seconds", "%Y-%m-%dT%H:%M:%S%:z", "%Y-%m-%d %H:%M:%S%:z"},
                 {"ns", "%Y-%m-%dT%H:%M:%S,%N%:z", "%Y-%m-%d %H:%M:%S.%N%:z"},
                 {"hours", "%Y-%m-%dT%H%:z", NULL},
                 {"minutes", "%Y-%m-%dT%H:%M%:z", NULL}};
    size_t n = name ? strlen(name) : 0;

    if (!name) return table[0].iso;
    for (size_t i = 0; n && i < COUNT_OF(table); i++)
        if (!strncmp(table[i].name, name, n)) return rfc ? table[i].rfc : table[i].iso;
    return NULL;
}

static bool print_date(const char *format, struct timespec at) {
    char *text = date_format(format, at);

    if (!text) {
        tool_warn("time %lld is out of range", (long long)at.tv_sec);
        return false;
    }
    puts(text);
    free(text);
    return true;
}

struct choice {
    const char *format, *text, *file;
};

static bool choose_format(struct choice *ch, int c, const char *arg) {
    const char *format = c == 'R' ? "%a, %d %b %Y %H:%M:%S %z" : named_format(arg, c == 256);

    if (format && ch->format)
        tool_warn("multiple output formats specified");
    else if (!format)
        usage_error("invalid argument %s for %s", marked(arg), marked(c == 'I' ? "--iso-8601" : "--rfc-3339"));
    if (!format || ch->format) return false;
    ch->format = format;
    return true;
}

/* The moment to print; false after a message. */
static bool find_time(const struct choice *ch, struct timespec *at) {
    struct stat st;

    *at = time_now();
    if (ch->file) {
        if (stat(ch->file, &st)) {
            tool_warn_errno(ch->file);
            return false;
        }
        *at = st.st_mtim;
    }
    if (ch->text && !date_parse(ch->text, *at, at)) {
        tool_warn("invalid date %s", marked(ch->text));
        return false;
    }
    return true;
}

int tool_date(int argc, char **argv) {
    struct opts o = opts_start(argc, argv);
    struct choice ch = {NULL, NULL, NULL};
    struct timespec at;
    int c;

    while ((c = opts_next(&o, "ud:I::Rr:s:f:", longs)) > 0) {
        if (c == 'd') ch.text = o.arg;
        if (c == 'r') ch.file = o.arg;
        if ((c == 'I' || c == 'R' || c == 256) && !choose_format(&ch, c, o.arg)) return 1;
        if (c == 's') {
            tool_warn("cannot set date: Operation not permitted");
            return 1;
        }
        if (c == 'f') {
            tool_warn("-f is not supported in the WASI lane");
            return 1;
        }
    }
    if (c != OPT_END) return opts_status(c);
    if (o.operands > 1) return usage_error("extra operand %s", marked(argv[2]));
    if (o.operands && argv[1][0] != '+') {
        tool_warn("invalid date %s", marked(argv[1]));
        return 1;
    }
    if (o.operands && ch.format) {
        tool_warn("multiple output formats specified");
        return 1;
    }
    if (o.operands) ch.format = argv[1] + 1;
    return !find_time(&ch, &at) || !print_date(ch.format ? ch.format : "%a %b %e %H:%M:%S %Z %Y", at);
}
