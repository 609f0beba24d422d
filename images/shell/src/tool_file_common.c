/* Options, names in messages, and small path work for the file tools. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_file.h"

enum { QUOTE_ROOM = 1024, QUOTE_SLOTS = 4 };

int usage_error(const char *fmt, ...) {
    va_list ap;

    fprintf(stderr, "%s: ", tool_name);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\nTry '%s --help' for more information.\n", tool_name);
    return 1;
}

static char *quote_slot(void) {
    static char *slots[QUOTE_SLOTS];
    static int next;

    next = (next + 1) % QUOTE_SLOTS;
    if (!slots[next])
        slots[next] = xmalloc(QUOTE_ROOM + 16);
    return slots[next];
}

static size_t quote_control(char *out, unsigned char c) {
    static const char from[] = "\n\t\r\a\b\f\v", to[] = "ntrabfv";
    const char *at = c ? strchr(from, c) : NULL;

    if (at)
        return (size_t)sprintf(out, "'$'\\%c''", to[at - from]);
    return (size_t)sprintf(out, "'$'\\%03o''", c);
}

const char *quoted(const char *name) {
    char *out = quote_slot();
    size_t n = 0;

    if (strchr(name, '\'') && !strpbrk(name, "\"$`\\!\n\t\r\a\b\f\v\033")) {
        snprintf(out, QUOTE_ROOM, "\"%s\"", name);
        return out;
    }
    out[n++] = '\'';
    for (; *name && n < QUOTE_ROOM - 16; name++) {
        unsigned char c = (unsigned char)*name;

        if (c == '\'')
            n += (size_t)sprintf(out + n, "'\\''");
        else if (c < 32 || c == 127)
            n += quote_control(out + n, c);
        else
            out[n++] = *name;
    }
    out[n++] = '\'';
    out[n] = '\0';
    return out;
}

const char *marked(const char *name) {
    char *out = quote_slot();

    snprintf(out, QUOTE_ROOM, "\342\200\230%.*s\342\200\231", QUOTE_ROOM - 16, name);
    return out;
}

void warn_cannot(const char *act, const char *path) {
    tool_warn("cannot %s %s: %s", act, quoted(path), strerror(errno));
}

bool ask_answer(void) {
    char c, first = 0;

    /* Byte by byte: the rest of stdin may be meant for somebody else. */
    while (read(STDIN_FILENO, &c, 1) == 1 && c != '\n')
        if (!first) first = c;
    return first == 'y' || first == 'Y';
}

bool ask(const char *fmt, ...) {
    va_list ap;

    fflush(stdout);
    fprintf(stderr, "%s: ", tool_name);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    return ask_answer();
}

bool targets_find(struct targets *t, char **operands, int count, const char *dir, bool no_dir) {
    struct stat st;
    const char *last = count ? operands[count - 1] : NULL;

    *t = (struct targets){.sources = operands, .count = count, .dir = dir};
    if (!count)
        return usage_error("missing file operand"), false;
    if (dir)
        return true;
    if (count == 1)
        return usage_error("missing destination file operand after %s", quoted(operands[0])), false;
    t->count = count - 1;
    if (no_dir && count > 2)
        return usage_error("extra operand %s", quoted(operands[2])), false;
    if (!no_dir && !stat(last, &st) && S_ISDIR(st.st_mode)) {
        t->dir = last;
        return true;
    }
    t->file = last;
    if (count == 2)
        return true;
    if (stat(last, &st))
        tool_warn("target %s: %s", quoted(last), strerror(errno));
    else
        tool_warn("target %s: Not a directory", quoted(last));
    return false;
}

char **words_list(char **words, int count) {
    char **list = xmalloc(((size_t)count + 1) * sizeof *list);

    memcpy(list, words, (size_t)count * sizeof *list);
    list[count] = NULL;
    return list;
}
