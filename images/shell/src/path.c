/* Physical paths. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shell.h"

enum { LINKS_MAX = 40, LINK_BYTES = 4096 };

/* The absolute path without symbolic links in out; 0 if it leads nowhere. */
int resolve_links(const char *path, struct buf *out) {
    struct buf rest = {0};
    char target[LINK_BYTES];
    int links = 0;
    buf_str(&rest, path);
    out->len = 0;
    while (rest.len) {
        const char *s = buf_text(&rest);
        size_t skip = strspn(s, "/"), n = strcspn(s + skip, "/");
        size_t before = out->len;
        if (n == 2 && memcmp(s + skip, "..", 2) == 0) {
            while (out->len && out->s[--out->len] != '/') continue;
        } else if (n && !(n == 1 && s[skip] == '.')) {
            buf_putc(out, '/');
            buf_add(out, s + skip, n);
        }
        memmove(rest.s, rest.s + skip + n, rest.len - skip - n);
        rest.len -= skip + n;
        ssize_t len = out->len > before ? readlink(buf_text(out), target, sizeof target) : -1;
        if (len <= 0) continue;
        if (++links > LINKS_MAX) break;
        out->len = target[0] == '/' ? 0 : before;
        struct buf next = {0};
        buf_add(&next, target, (size_t)len);
        buf_add(&next, rest.s, rest.len);
        buf_free(&rest);
        rest = next;
    }
    buf_free(&rest);
    if (!out->len) buf_putc(out, '/');
    struct stat st;
    return links <= LINKS_MAX && stat(buf_text(out), &st) == 0;
}
