/* tar -x and -t. An archive is hostile: nothing in it is believed before it is checked. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_tar.h"

enum { EXTRA_MAX = 1 << 20 }; /* of a long name or a pax header */

struct member {
    char *name, *link;
    char type;
    int mode;
    int64_t size, mtime;
    char user[33], group[33];
};

struct late {
    struct late *next;
    char *path;
    int mode;
    int64_t mtime;
};

struct extraction {
    struct tar *t;
    char *long_name, *long_link; /* for the next member */
    int64_t pax_size, pax_mtime; /* -1: none */
    struct late *dirs;
    int owner_width;
    int64_t taken; /* bytes of the archive so far */
};

static bool get(struct extraction *x, void *data, size_t n) {
    size_t got = fread(data, 1, n, x->t->file);

    x->taken += (int64_t)got;
    return got == n;
}

static _Noreturn void cut_short(void) {
    tool_warn("Unexpected EOF in archive");
    tool_die(2, "Error is not recoverable: exiting now");
}

static void skip(struct extraction *x, int64_t n) {
    char *buf = xmalloc(IO_CHUNK);

    for (n = (n + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK; n > 0; n -= IO_CHUNK)
        if (!get(x, buf, n < IO_CHUNK ? (size_t)n : IO_CHUNK)) cut_short();
    free(buf);
}

/* Octal, or base 256 where the top bit is set. -1: neither. */
static int64_t number(const char *field, size_t width) {
    int64_t value = 0;
    size_t i = 0;

    if ((unsigned char)field[0] == 0x80) {
        for (i = 1; i < width; i++)
            if (__builtin_mul_overflow(value, 256, &value) || __builtin_add_overflow(value, (unsigned char)field[i], &value))
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

static char *get_extra(struct extraction *x, int64_t size) {
    size_t padded = (size_t)(size + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
    char *text;

    if (size > EXTRA_MAX) tool_die(2, "a header of %lld bytes is too long", (long long)size);
    text = xmalloc(padded + 1);
    if (!get(x, text, padded)) cut_short();
    text[size] = '\0';
    return text;
}

/* Records "LENGTH KEY=VALUE\n". */
static void take_pax(struct extraction *x, char *text, int64_t size) {
    char *at = text, *end = text + size;

    while (at < end) {
        char *key, *value, *stop;
        unsigned long n = strtoul(at, &key, 10);

        if (*key != ' ' || n < 5 || n > (unsigned long)(end - at) || at[n - 1] != '\n') {
            tar_trouble(x->t, "Malformed extended header");
            return;
        }
        stop = at + n - 1;
        *stop = '\0';
        value = strchr(++key, '=');
        if (value) {
            *value++ = '\0';
            if (!strcmp(key, "path")) {
                free(x->long_name);
                x->long_name = xstrdup(value);
            } else if (!strcmp(key, "linkpath")) {
                free(x->long_link);
                x->long_link = xstrdup(value);
            } else if (!strcmp(key, "size")) {
                x->pax_size = strtoll(value, NULL, 10);
                if (x->pax_size < 0) tool_die(2, "a member of %s bytes cannot be", value);
            } else if (!strcmp(key, "mtime")) {
                x->pax_mtime = strtoll(value, NULL, 10);
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

static void check_header(struct extraction *x, const struct tar_header *h, bool first) {
    if (number(h->sum, sizeof h->sum) == (int64_t)tar_sum(h)) return;
    if (first && !memcmp(h->name, "\037\213", 2)) {
        tool_warn("the archive is compressed, and there is no decompression in the WASI lane");
        tool_die(2, "Error is not recoverable: exiting now");
    }
    tar_trouble(x->t, first ? "This does not look like a tar archive" : "Skipping to next header");
    if (first) {
        tool_warn("Exiting with failure status due to previous errors");
        exit(2);
    }
}

static void fill_member(struct extraction *x, const struct tar_header *h, struct member *m) {
    m->name = x->long_name ? x->long_name : header_name(h);
    m->link = x->long_link ? x->long_link : field_text(h->link, sizeof h->link);
    x->long_name = x->long_link = NULL;
    m->type = h->type ? h->type : '0';
    m->mode = (int)number(h->mode, sizeof h->mode) & 07777;
    m->size = x->pax_size >= 0 ? x->pax_size : number(h->size, sizeof h->size);
    m->mtime = x->pax_mtime >= 0 ? x->pax_mtime : number(h->mtime, sizeof h->mtime);
    x->pax_size = x->pax_mtime = -1;
    snprintf(m->user, sizeof m->user, "%.32s", h->user);
    snprintf(m->group, sizeof m->group, "%.32s", h->group);
    if (!*m->user || x->t->numeric) snprintf(m->user, sizeof m->user, "%lld", (long long)number(h->uid, sizeof h->uid));
    if (!*m->group || x->t->numeric) snprintf(m->group, sizeof m->group, "%lld", (long long)number(h->gid, sizeof h->gid));
    if (m->size < 0) tool_die(2, "%s: a member's size is not a number", m->name);
    /* Old archives mark a directory by its name alone. */
    if (m->type == '0' && *m->name && m->name[strlen(m->name) - 1] == '/') m->type = '5';
    if (m->type != '0' && m->type != '7') m->size = m->type == '5' ? 0 : m->size;
}

/* The next member; its content is what is to be read next. */
static bool next_member(struct extraction *x, struct member *m) {
    struct tar_header h;
    bool first = !x->taken;

    for (;; first = false) {
        size_t n = fread(&h, 1, sizeof h, x->t->file);
        int64_t size;

        x->taken += (int64_t)n;
        if (n == 0 && !first) return false;
        if (n != sizeof h && first) {
            memset((char *)&h + n, 1, sizeof h - n);
            check_header(x, &h, true);
        }
        if (n != sizeof h) cut_short();
        if (is_zero(&h)) return false;
        check_header(x, &h, first);
        size = number(h.size, sizeof h.size);
        if (size < 0) tool_die(2, "a header's size is not a number");
        if (h.type == 'L' || h.type == 'K') {
            char **to = h.type == 'L' ? &x->long_name : &x->long_link;

            free(*to);
            *to = get_extra(x, size);
        } else if (h.type == 'x') {
            char *text = get_extra(x, size);

            take_pax(x, text, size);
            free(text);
        } else if (h.type == 'g') {
            skip(x, size);
        } else {
            fill_member(x, &h, m);
            return true;
        }
    }
}

static bool is_wanted(struct tar *t, const char *name) {
    bool wanted = t->name_count == 0;

    for (int i = 0; i < t->name_count; i++) {
        size_t n = path_trim(t->names[i]);

        if (strncmp(name, t->names[i], n) || (name[n] && name[n] != '/')) continue;
        t->found[i] = wanted = true;
    }
    return wanted && !tar_excluded(t, name);
}

static void print_long(struct extraction *x, const struct member *m) {
    mode_t type = m->type == '5' ? S_IFDIR : m->type == '2' ? S_IFLNK : S_IFREG;
    char mode[11], size[24], *when = date_format("%Y-%m-%d %H:%M", (struct timespec){(time_t)m->mtime, 0});
    int width;

    mode_text(type, m->mode, mode);
    if (m->type == '1') mode[0] = 'h';
    snprintf(size, sizeof size, "%lld", (long long)m->size);
    width = (int)(strlen(m->user) + strlen(m->group) + strlen(size)) + 2;
    if (width > x->owner_width) x->owner_width = width;
    printf("%s %s/%s %*s %s %s", mode, m->user, m->group, x->owner_width - width + (int)strlen(size), size,
           when ? when : "?", m->name);
    if (m->type == '2') printf(" -> %s", m->link);
    if (m->type == '1') printf(" link to %s", m->link);
    putchar('\n');
    free(when);
}

static void make_parents(const char *path) {
    char *part = xstrdup(path);

    for (char *at = strchr(part + 1, '/'); at; at = strchr(at + 1, '/')) {
        *at = '\0';
        mkdir(part, 0777); /* What matters is whether the member can be made. */
        *at = '/';
    }
    free(part);
}

static bool climbs(const char *name) {
    for (const char *at = name; *at;) {
        size_t n = strcspn(at, "/");

        if (n == 2 && at[0] == '.' && at[1] == '.') return true;
        at += n + (at[n] != '\0');
    }
    return false;
}

static const char *stripped(const char *name, int count) {
    for (; count && *name; count--) {
        name += strcspn(name, "/");
        name += strspn(name, "/");
    }
    return name;
}

static bool copy_out(struct extraction *x, const struct member *m, int fd) {
    char *buf = xmalloc(IO_CHUNK);
    bool ok = true;

    for (int64_t left = m->size; left > 0;) {
        size_t n = left < IO_CHUNK ? (size_t)left : IO_CHUNK, done = 0;

        if (!get(x, buf, n)) cut_short();
        while (ok && done < n) {
            ssize_t wrote = write(fd, buf + done, n - done);

            if (wrote < 0 && errno == EINTR) continue;
            if (wrote < 0 && errno == EPIPE && x->t->to_stdout) exit(141);
            ok = wrote > 0;
            done += ok ? (size_t)wrote : 0;
        }
        left -= (int64_t)n;
    }
    if (!ok) tar_trouble(x->t, "%s: Cannot write: %s", m->name, strerror(errno));
    free(buf);
    if (m->size % TAR_BLOCK) {
        char rest[TAR_BLOCK];

        if (!get(x, rest, TAR_BLOCK - (size_t)(m->size % TAR_BLOCK))) cut_short();
    }
    return ok;
}

static void set_attributes(struct tar *t, const char *path, int mode, int64_t mtime, int made_with) {
    struct timespec times[2] = {time_now(), {(time_t)mtime, 0}};

    if (!t->keep_mode) mode = mode & ~DEFAULT_UMASK & 0777;
    if (mode != made_with && path_chmod(path, mode))
        tar_trouble(t, "%s: Cannot change mode: %s", path, strerror(errno));
    if (!t->no_times && mtime >= 0 && utimensat(AT_FDCWD, path, times, 0))
        tar_trouble(t, "%s: Cannot utime: %s", path, strerror(errno));
}

static void extract_file(struct extraction *x, const struct member *m, const char *path) {
    struct stat st;
    int fd;

    if (!lstat(path, &st) && !S_ISDIR(st.st_mode) && !x->t->keep_old) unlink(path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
    if (fd < 0) {
        tar_trouble(x->t, "%s: Cannot open: %s", path, strerror(errno));
        skip(x, m->size);
        return;
    }
    copy_out(x, m, fd);
    if (close(fd)) tar_trouble(x->t, "%s: Cannot close: %s", path, strerror(errno));
    set_attributes(x->t, path, m->mode, m->mtime, 0644);
}

/* A directory's time and mode come last, after what is put into it. */
static void extract_dir(struct extraction *x, const struct member *m, const char *path) {
    struct late *l;
    struct stat st;

    if (mkdir(path, 0777) && (stat(path, &st) || !S_ISDIR(st.st_mode))) {
        tar_trouble(x->t, "%s: Cannot mkdir: %s", path, strerror(EEXIST));
        return;
    }
    l = xmalloc(sizeof *l);
    *l = (struct late){x->dirs, xstrdup(path), m->mode, m->mtime};
    x->dirs = l;
}

static void extract_link(struct extraction *x, const struct member *m, const char *path) {
    struct stat st;
    int result;

    if (!lstat(path, &st) && !S_ISDIR(st.st_mode) && !x->t->keep_old) unlink(path);
    if (m->type == '2') {
        result = symlink(m->link, path);
    } else if (climbs(m->link)) {
        tar_trouble(x->t, "%s: Link target contains '..'", m->link);
        return;
    } else {
        result = link(stripped(tar_relative(x->t, m->link), x->t->strip), path);
    }
    if (result)
        tar_trouble(x->t, "%s: Cannot create %s to %s: %s", path, m->type == '2' ? "symlink" : "hard link", quoted(m->link),
                    strerror(errno));
}

static void extract(struct extraction *x, const struct member *m) {
    const char *path;
    bool is_file = m->type == '0' || m->type == '7';

    if (!x->t->absolute && climbs(m->name)) {
        tar_trouble(x->t, "%s: Member name contains '..'", m->name);
        skip(x, m->size);
        return;
    }
    path = stripped(tar_relative(x->t, m->name), x->t->strip);
    if (!*path || (!is_file && x->t->to_stdout)) {
        skip(x, m->size);
        return;
    }
    if (x->t->to_stdout) {
        fflush(stdout);
        copy_out(x, m, STDOUT_FILENO);
        return;
    }
    make_parents(path);
    if (is_file)
        extract_file(x, m, path);
    else if (m->type == '5')
        extract_dir(x, m, path);
    else if (m->type == '1' || m->type == '2')
        extract_link(x, m, path);
    else
        tar_trouble(x->t, "%s: Unknown file type '%c', not extracted", m->name, m->type);
    if (!is_file) skip(x, m->size);
}

static void finish_dirs(struct extraction *x) {
    while (x->dirs) {
        struct late *l = x->dirs;

        x->dirs = l->next;
        set_attributes(x->t, l->path, l->mode, l->mtime, 0755);
        free(l->path);
        free(l);
    }
}

/* The rest of the last record, so that who writes it into a pipe can. */
static void drain(struct extraction *x) {
    char block[TAR_BLOCK];

    while (x->taken % TAR_RECORD && get(x, block, TAR_BLOCK)) {}
}

void tar_read(struct tar *t) {
    struct extraction x = {.t = t, .pax_size = -1, .pax_mtime = -1, .owner_width = 19};
    struct member m;
    bool lists = t->mode == 't';

    while (next_member(&x, &m)) {
        if (!is_wanted(t, m.name)) {
            skip(&x, m.size);
        } else {
            if (lists ? t->verbose : t->verbose > 1)
                print_long(&x, &m);
            else if (lists || t->verbose)
                printf("%s\n", m.name);
            if (lists)
                skip(&x, m.size);
            else
                extract(&x, &m);
        }
        free(m.name);
        free(m.link);
    }
    finish_dirs(&x);
    drain(&x);
    for (int i = 0; i < t->name_count; i++)
        if (!t->found[i]) tar_trouble(t, "%s: Not found in archive", t->names[i]);
    free(x.long_name);
    free(x.long_link);
}
