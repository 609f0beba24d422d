/* The members of a tar archive. It is hostile: nothing in it is believed before it is checked. */
#include <stdlib.h>
#include <string.h>

#include "tool_tar.h"

enum { EXTRA_MAX = 1 << 20 };                  /* of a long name or a pax header */
static const int64_t SIZE_LIMIT = INT64_C(1) << 60; /* so that rounding up does not overflow */

bool tar_get(struct tar_reader *r, void *data, size_t n) {
    size_t got = fread(data, 1, n, r->t->file);

    r->taken += (int64_t)got;
    return got == n;
}

_Noreturn void tar_cut_short(void) {
    tool_warn("Unexpected EOF in archive");
    tool_die(2, "Error is not recoverable: exiting now");
}

void tar_skip(struct tar_reader *r, int64_t n) {
    char *buf = xmalloc(IO_CHUNK);

    for (n = (n + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK; n > 0; n -= IO_CHUNK)
        if (!tar_get(r, buf, n < IO_CHUNK ? (size_t)n : IO_CHUNK)) tar_cut_short();
    free(buf);
}

/* Octal, or base 256 where the top bit is set. -1: neither. */
static int64_t number(const char *field, size_t width) {
    int64_t value = 0;
    size_t i = 0;

    if ((unsigned char)field[0] == 0x80) {
        for (i = 1; i < width; i++)
            if (__builtin_mul_overflow(value, 256, &value)
                || __builtin_add_overflow(value, (unsigned char)field[i], &value))
                return -1;
        return value;
    }
    while (i < width && field[i] == ' ') i++;
    for (; i < width && field[i] >= '0' && field[i] <= '7'; i++) value = value * 8 + field[i] - '0';
    return i == width || field[i] == '\0' || field[i] == ' ' ? value : -1;
}

static char *field_text(const char *field, size_t width) {
    size_t n = strnlen(field, width);
    char *text = xmalloc(n + 1);

    memcpy(text, field, n);
    text[n] = '\0';
    return text;
}

static char *get_extra(struct tar_reader *r, int64_t size) {
    size_t padded = (size_t)(size + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
    char *text;

    if (size > EXTRA_MAX) tool_die(2, "a header of %lld bytes is too long", (long long)size);
    text = xmalloc(padded + 1);
    if (!tar_get(r, text, padded)) tar_cut_short();
    text[size] = '\0';
    return text;
}

/* Records "LENGTH KEY=VALUE\n". */
static void take_pax(struct tar_reader *r, char *text, int64_t size) {
    char *at = text, *end = text + size;

    while (at < end) {
        char *key, *value, *stop;
        unsigned long n = strtoul(at, &key, 10);

        if (*key != ' ' || n < 5 || n > (unsigned long)(end - at) || at[n - 1] != '\n') {
            tar_trouble(r->t, "Malformed extended header");
            return;
        }
        stop = at + n - 1;
        *stop = '\0';
        value = strchr(++key, '=');
        if (value) {
            *value++ = '\0';
            if (!strcmp(key, "path")) {
                free(r->long_name);
                r->long_name = xstrdup(value);
            } else if (!strcmp(key, "linkpath")) {
                free(r->long_link);
                r->long_link = xstrdup(value);
            } else if (!strcmp(key, "size")) {
                r->pax_size = strtoll(value, NULL, 10);
                if (r->pax_size < 0) tool_die(2, "a member of %s bytes cannot be", value);
            } else if (!strcmp(key, "mtime")) {
                r->pax_mtime = strtoll(value, NULL, 10);
            }
        }
        at = stop + 1;
    }
}

static char *header_name(const struct tar_header *h) {
    char *name = field_text(h->name, sizeof h->name), *prefix, *full;

    if (memcmp(h->magic, "ustar", 6) || !h->prefix[0]) return name;
    prefix = field_text(h->prefix, sizeof h->prefix);
    full = path_join(prefix, name);
    free(prefix);
    free(name);
    return full;
}

static bool is_zero(const struct tar_header *h) {
    const char *b = (const char *)h;

    for (size_t i = 0; i < sizeof *h; i++)
        if (b[i]) return false;
    return true;
}

static void check_header(struct tar_reader *r, const struct tar_header *h, bool first) {
    if (number(h->sum, sizeof h->sum) == (int64_t)tar_sum(h)) return;
    if (first && !memcmp(h->name, "\037\213", 2)) {
        tool_warn("the archive is compressed, and there is no decompression in the WASI lane");
        tool_die(2, "Error is not recoverable: exiting now");
    }
    tar_trouble(r->t, first ? "This does not look like a tar archive" : "Skipping to next header");
    if (first) {
        tool_warn("Exiting with failure status due to previous errors");
        exit(2);
    }
}

static void check_size(int64_t size) {
    if (size < 0 || size > SIZE_LIMIT) tool_die(2, "a member's size is not a number that can be");
}

static void fill_member(struct tar_reader *r, const struct tar_header *h, struct tar_member *m) {
    m->name = r->long_name ? r->long_name : header_name(h);
    m->link = r->long_link ? r->long_link : field_text(h->link, sizeof h->link);
    r->long_name = r->long_link = NULL;
    m->type = h->type ? h->type : '0';
    m->mode = (int)number(h->mode, sizeof h->mode) & 07777;
    m->size = r->pax_size >= 0 ? r->pax_size : number(h->size, sizeof h->size);
    m->mtime = r->pax_mtime >= 0 ? r->pax_mtime : number(h->mtime, sizeof h->mtime);
    r->pax_size = r->pax_mtime = -1;
    snprintf(m->user, sizeof m->user, "%.32s", h->user);
    snprintf(m->group, sizeof m->group, "%.32s", h->group);
    if (!*m->user || r->t->numeric)
        snprintf(m->user, sizeof m->user, "%lld", (long long)number(h->uid, sizeof h->uid));
    if (!*m->group || r->t->numeric)
        snprintf(m->group, sizeof m->group, "%lld", (long long)number(h->gid, sizeof h->gid));
    check_size(m->size);
    /* Old archives mark a directory by its name alone. */
    if (m->type == '0' && *m->name && m->name[strlen(m->name) - 1] == '/') m->type = '5';
    if (m->type != '0' && m->type != '7') m->size = m->type == '5' ? 0 : m->size;
}

/* The next member; its content is what is to be read next. */
bool tar_next(struct tar_reader *r, struct tar_member *m) {
    struct tar_header h;
    bool first = !r->taken;

    for (;; first = false) {
        size_t n = fread(&h, 1, sizeof h, r->t->file);
        int64_t size;

        r->taken += (int64_t)n;
        if (n == 0 && !first) return false;
        if (n != sizeof h && first) {
            memset((char *)&h + n, 1, sizeof h - n);
            check_header(r, &h, true);
        }
        if (n != sizeof h) tar_cut_short();
        if (is_zero(&h)) return false;
        check_header(r, &h, first);
        size = number(h.size, sizeof h.size);
        check_size(size);
        if (h.type == 'L' || h.type == 'K') {
            char **to = h.type == 'L' ? &r->long_name : &r->long_link;

            free(*to);
            *to = get_extra(r, size);
        } else if (h.type == 'x') {
            char *text = get_extra(r, size);

            take_pax(r, text, size);
            free(text);
        } else if (h.type == 'g') {
            tar_skip(r, size);
        } else {
            fill_member(r, &h, m);
            return true;
        }
    }
}
