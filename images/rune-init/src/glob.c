#include "glob.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct text {
    const unsigned char *at, *end;
};

// One UTF-8 character (or one stray byte, told apart from U+0080..U+00FF).
static uint32_t next_char(struct text *text)
{
    unsigned char first = *text->at++;
    int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc2 ? 1 : 0;
    if (first < 0x80)
        return first;
    if (more == 0 || first > 0xf4 || text->end - text->at < more)
        return 0xdc00u + first;
    uint32_t value = first & (0x3fu >> more);
    for (int i = 0; i < more; i++) {
        if ((text->at[i] & 0xc0) != 0x80)
            return 0xdc00u + first;
        value = value << 6 | (text->at[i] & 0x3fu);
    }
    text->at += more;
    return value;
}

// The set that begins behind "["; a "]" that comes first is a member.
static bool match_set(struct text *glob, uint32_t wanted)
{
    bool negated = glob->at < glob->end && *glob->at == '!', found = false, first = true;
    glob->at += negated;
    while (glob->at < glob->end && (first || *glob->at != ']')) {
        first = false;
        uint32_t low = next_char(glob), high = low;
        if (glob->end - glob->at >= 2 && glob->at[0] == '-' && glob->at[1] != ']') {
            glob->at++;
            high = next_char(glob);
        }
        found = found || (low <= wanted && wanted <= high);
    }
    glob->at += glob->at < glob->end;
    return found != negated;
}

// Only the last "*" is ever tried again: linear in practice, quadratic at worst.
static bool match_name(struct text glob, struct text name)
{
    struct text retry_glob = {0}, retry_name = {0};
    while (name.at < name.end) {
        struct text name_was = name;
        if (glob.at < glob.end && *glob.at == '*') {
            glob.at++;
            retry_glob = glob;
            retry_name = name_was;
            continue;
        }
        uint32_t wanted = next_char(&name);
        bool fits = false;
        if (glob.at < glob.end) {
            uint32_t test = next_char(&glob);
            fits = test == '?' || (test == '[' ? match_set(&glob, wanted) : test == wanted);
        }
        if (fits)
            continue;
        if (!retry_glob.at)
            return false;
        name = retry_name;
        next_char(&name);
        retry_name = name;
        glob = retry_glob;
    }
    while (glob.at < glob.end && *glob.at == '*')
        glob.at++;
    return glob.at == glob.end;
}

// Takes the name at the front of `rest` ("/a/b" -> "a", rest "/b").
static bool next_name(const char **rest, struct text *name)
{
    if (**rest != '/' || !(*rest)[1])
        return false;
    const char *begin = *rest + 1;
    size_t length = strcspn(begin, "/");
    *name = (struct text){(const unsigned char *)begin, (const unsigned char *)begin + length};
    *rest = begin + length;
    return true;
}

static bool is_double_star(struct text name)
{
    return name.end - name.at == 2 && name.at[0] == '*' && name.at[1] == '*';
}

bool glob_match(const char *glob, const char *path)
{
    const char *retry_glob = NULL, *retry_path = NULL;
    struct text test, name;
    while (*path == '/' && path[1]) {
        const char *glob_next = glob, *path_next = path;
        bool more = next_name(&glob_next, &test);
        if (more && is_double_star(test)) {
            glob = retry_glob = glob_next;
            retry_path = path;
            continue;
        }
        next_name(&path_next, &name);
        if (more && match_name(test, name)) {
            glob = glob_next;
            path = path_next;
            continue;
        }
        if (!retry_glob)
            return false;
        next_name(&retry_path, &name);
        path = retry_path;
        glob = retry_glob;
    }
    while (next_name(&glob, &test))
        if (!is_double_star(test))
            return false;
    return true;
}
