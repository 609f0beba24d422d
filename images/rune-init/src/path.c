#include "path.h"

#include <string.h>

static bool is_dots(const char *name, size_t length)
{
    return (length == 1 && name[0] == '.') || (length == 2 && name[0] == '.' && name[1] == '.');
}

bool path_is_normal(const char *path)
{
    if (path[0] != '/' || strlen(path) >= PATH_BYTES)
        return false;
    if (!path[1])
        return true;
    for (const char *name = path + 1;;) {
        size_t length = strcspn(name, "/");
        if (length == 0 || is_dots(name, length))
            return false;
        if (!name[length])
            return true;
        name += length + 1;
    }
}

static bool append(char *out, size_t size, size_t *used, const char *path)
{
    for (const char *name = path; *name;) {
        size_t length = strcspn(name, "/");
        if (length == 2 && is_dots(name, length)) {
            while (*used > 0 && out[--*used] != '/') {
            }
        } else if (length > 0 && !is_dots(name, length)) {
            if (*used + 1 + length >= size)
                return false;
            out[(*used)++] = '/';
            memcpy(out + *used, name, length);
            *used += length;
        }
        name += length + (name[length] == '/');
    }
    return true;
}

bool path_join(const char *base, const char *path, char *out, size_t size)
{
    size_t used = 0;
    bool fits = (*path == '/' || append(out, size, &used, base)) && append(out, size, &used, path);
    if (used == 0 && size > 1)
        out[used++] = '/';
    out[used] = 0;
    return fits;
}

bool path_within(const char *path, const char *tree)
{
    size_t length = strlen(tree);
    if (length == 1)
        return true;
    return !strncmp(path, tree, length) && (path[length] == 0 || path[length] == '/');
}
