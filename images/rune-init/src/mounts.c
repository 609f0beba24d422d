#include "mounts.h"

#include "path.h"

#include <string.h>

// The kernel writes space, tab, newline and backslash as three octal digits.
static void unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from; to++) {
        if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' &&
            from[2] <= '7' && from[3] >= '0' && from[3] <= '7') {
            *to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = 0;
}

bool option_given(const char *options, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = options; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (!strncmp(at, word, length) && (at[length] == ',' || at[length] == 0))
            return true;
    }
    return false;
}

// "36 35 98:0 /root /path options [optional...] - type source super"
static bool read_line(char *line, struct mount *mount)
{
    char *fields[6], *rest = line;
    for (int i = 0; i < 6; i++)
        if (!(fields[i] = strsep(&rest, " ")))
            return false;
    char *field;
    while ((field = strsep(&rest, " ")) && strcmp(field, "-")) {
    }
    char *type = strsep(&rest, " "), *source = strsep(&rest, " "), *super = strsep(&rest, " ");
    if (!field || !type || !source || !super)
        return false;
    *mount = (struct mount){fields[3], fields[4], fields[5], type, source, super, false};
    unescape(mount->root);
    unescape(mount->path);
    unescape(mount->source);
    mount->writable = option_given(mount->options, "rw") && option_given(super, "rw");
    return true;
}

bool mounts_parse(char *text, struct mounts *mounts)
{
    mounts->count = 0;
    for (char *line; (line = strsep(&text, "\n")) && *line;) {
        if (mounts->count == MOUNTS_MAX || !read_line(line, &mounts->list[mounts->count]))
            return false;
        mounts->count++;
    }
    return true;
}

const struct mount *mounts_find(const struct mounts *mounts, const char *path)
{
    const struct mount *best = NULL;
    for (size_t i = 0; i < mounts->count; i++) {
        const struct mount *mount = &mounts->list[i];
        if (path_within(path, mount->path) &&
            (!best || strlen(mount->path) >= strlen(best->path)))
            best = mount;
    }
    return best;
}
