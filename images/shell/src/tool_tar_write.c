/* tar -c. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_tar.h"

struct link_seen {
    dev_t dev;
    ino_t ino;
    char *name;
};

struct writer {
    struct tar *t;
    struct link_seen *links;
    size_t link_count;
    struct stat archive;
    bool has_archive;
    int64_t written;
};

static _Noreturn void cannot_write(const struct tar *t) {
    if (errno == EPIPE) _exit(141);
    tool_warn("%s: Cannot write: %s", t->archive ? t->archive : "-", strerror(errno));
    _exit(2); /* What is still buffered would fail once more. */
}

static void put(struct writer *w, const void *data, size_t n) {
    w->written += (int64_t)n;
    if (fwrite(data, 1, n, w->t->file) != n) cannot_write(w->t);
}

static void put_padding(struct writer *w, int64_t to) {
    static const char zeros[TAR_BLOCK];

    while (w->written % to) {
        int64_t n = to - w->written % to;

        put(w, zeros, n < TAR_BLOCK ? (size_t)n : TAR_BLOCK);
    }
}

static void put_octal(char *field, size_t width, uint64_t value) {
    /* Too big for octal: GNU's base 256, marked by the top bit. */
    if (value >> (3 * (width - 1))) {
        for (size_t i = width; i--; value >>= 8) field[i] = (char)value;
        field[0] = (char)0x80;
        return;
    }
    snprintf(field, width, "%0*llo", (int)width - 1, (unsigned long long)value);
}

static void put_header(struct writer *w, struct tar_header *h) {
    snprintf(h->sum, sizeof h->sum, "%06o", tar_sum(h));
    h->sum[7] = ' ';
    put(w, h, sizeof *h);
}

/* A name that has no room in the header goes before it, as content of its own entry. */
static void put_name(struct writer *w, char *field, size_t room, const char *name, char type) {
    struct tar_header h;
    size_t n = strlen(name);

    if (n <= room) {
        memcpy(field, name, n);
        return;
    }
    memset(&h, 0, sizeof h);
    strcpy(h.name, "././@LongLink");
    put_octal(h.mode, sizeof h.mode, 0644);
    put_octal(h.uid, sizeof h.uid, 0);
    put_octal(h.gid, sizeof h.gid, 0);
    put_octal(h.size, sizeof h.size, n + 1);
    put_octal(h.mtime, sizeof h.mtime, 0);
    h.type = type;
    memcpy(h.magic, "ustar  ", 8);
    put_header(w, &h);
    put(w, name, n + 1);
    put_padding(w, TAR_BLOCK);
    memcpy(field, name, room);
}

/* "name", "name:id", "id" or "+id" of --owner and --group. */
static void put_owner(char *id_field, char *name_field, const char *given, const char *name) {
    const char *colon = given ? strchr(given, ':') : NULL, *digits = colon ? colon + 1 : given;
    int64_t id = atoi(USER_ID_TEXT);

    if (digits && *digits == '+') digits++;
    if (digits && number_parse(digits, &id))
        name = colon ? given : "";
    else if (given)
        name = given;
    if (given && !strcmp(given, "root")) id = 0;
    put_octal(id_field, 8, (uint64_t)id);
    memcpy(name_field, name, strcspn(name, ":") < 31 ? strcspn(name, ":") : 31);
}

static const char *first_name(struct writer *w, const struct stat *st, const char *name) {
    if (st->st_nlink < 2 || S_ISDIR(st->st_mode)) return NULL;
    for (size_t i = 0; i < w->link_count; i++)
        if (w->links[i].ino == st->st_ino && w->links[i].dev == st->st_dev) return w->links[i].name;
    w->links = xrealloc(w->links, (w->link_count + 1) * sizeof *w->links);
    w->links[w->link_count++] = (struct link_seen){st->st_dev, st->st_ino, xstrdup(name)};
    return NULL;
}

static void put_content(struct writer *w, const char *path, int fd, int64_t size) {
    char *buf = xmalloc(IO_CHUNK);
    int64_t left = size;

    while (left > 0) {
        ssize_t n = input_read(fd, buf, left < IO_CHUNK ? (size_t)left : IO_CHUNK);

        if (n <= 0) {
            if (n < 0)
                tar_trouble(w->t, "%s: Cannot read: %s", path, strerror(errno));
            else
                tar_trouble(w->t, "%s: File shrank by %lld bytes; padding with zeros", path, (long long)left);
            memset(buf, 0, IO_CHUNK);
            for (; left > 0; left -= n) {
                n = left < IO_CHUNK ? (ssize_t)left : IO_CHUNK;
                put(w, buf, (size_t)n);
            }
            break;
        }
        put(w, buf, (size_t)n);
        left -= n;
    }
    free(buf);
    put_padding(w, TAR_BLOCK);
}

/* The member's name: relative, a directory's with a slash. */
static char *member_name(struct writer *w, const char *path, bool is_dir) {
    const char *relative = tar_relative(w->t, path);
    size_t n = strlen(relative);
    char *name = xmalloc(n + 2);

    memcpy(name, relative, n + 1);
    if (is_dir && name[n - 1] != '/') strcpy(name + n, "/");
    return name;
}

static void put_entry(struct writer *w, const char *path, const struct stat *st) {
    struct tar *t = w->t;
    char *name = member_name(w, path, S_ISDIR(st->st_mode)), *target = NULL;
    const char *first = first_name(w, st, name);
    bool has_content = S_ISREG(st->st_mode) && !first;
    int fd = has_content ? open(path, O_RDONLY) : -1;
    struct tar_header h;
    int64_t when = t->has_mtime ? t->mtime.tv_sec : (int64_t)st->st_mtim.tv_sec;

    memset(&h, 0, sizeof h);
    if (has_content && fd < 0) {
        tar_trouble(t, "%s: Cannot open: %s", path, strerror(errno));
        free(name);
        return;
    }
    if (S_ISLNK(st->st_mode) && !first) first = target = link_target(path);
    h.type = target ? '2' : first ? '1' : S_ISDIR(st->st_mode) ? '5' : '0';
    if (first) put_name(w, h.link, sizeof h.link, first, 'K');
    put_name(w, h.name, sizeof h.name, name, 'L');
    put_octal(h.mode, sizeof h.mode, (uint64_t)entry_mode(path, st) & 07777);
    put_owner(h.uid, h.user, t->owner, USER_NAME);
    put_owner(h.gid, h.group, t->group, GROUP_NAME);
    if (t->numeric) memset(h.user, 0, sizeof h.user + sizeof h.group);
    put_octal(h.size, sizeof h.size, has_content ? (uint64_t)st->st_size : 0);
    put_octal(h.mtime, sizeof h.mtime, when < 0 ? 0 : (uint64_t)when);
    memcpy(h.magic, "ustar  ", 8);
    put_header(w, &h);
    if (t->verbose) fprintf(t->names_out, "%s\n", name);
    if (has_content) {
        put_content(w, path, fd, st->st_size);
        close(fd);
    }
    free(target);
    free(name);
}

static bool is_archive(const struct writer *w, const struct stat *st) {
    return w->has_archive && st->st_ino == w->archive.st_ino && st->st_dev == w->archive.st_dev;
}

static void visit(struct writer *w, struct walk *walk, const struct walk_entry *e) {
    const struct stat *st;

    if (e->kind == WALK_DIR_END) return;
    if (e->kind == WALK_UNREADABLE || e->kind == WALK_MISSING || e->kind == WALK_LOOP) {
        tar_trouble(w->t, e->kind == WALK_MISSING ? "%s: Cannot stat: %s" : "%s: Cannot open: %s", e->path,
                    e->kind == WALK_LOOP ? strerror(ELOOP) : strerror(e->error));
        return;
    }
    if (tar_excluded(w->t, e->path)) {
        walk_skip(walk);
        return;
    }
    st = walk_stat(walk);
    if (!st) {
        tar_trouble(w->t, "%s: Cannot stat: %s", e->path, strerror(errno));
    } else if (is_archive(w, st)) {
        tool_warn("%s: file is the archive; not dumped", e->path);
    } else if (S_ISDIR(st->st_mode) || S_ISREG(st->st_mode) || S_ISLNK(st->st_mode)) {
        put_entry(w, e->path, st);
    } else {
        tool_warn("%s: special file ignored", e->path);
    }
}

static void put_tree(struct writer *w, const char *path) {
    char *trimmed = xstrdup(path);
    struct walk *walk;
    struct walk_entry *e;

    trimmed[path_trim(trimmed)] = '\0';
    walk = walk_open(trimmed, w->t->follow ? WALK_FOLLOW : 0);
    while ((e = walk_next(walk))) visit(w, walk, e);
    walk_close(walk);
    free(trimmed);
}

void tar_write(struct tar *t, char **words, int count) {
    struct writer w = {.t = t};

    w.has_archive = t->archive && !fstat(fileno(t->file), &w.archive);
    for (int i = 0; i < count; i++) {
        if (strcmp(words[i], "-C") || i + 1 == count) {
            put_tree(&w, words[i]);
        } else if (chdir(words[++i])) {
            tool_warn("%s: Cannot open: %s", words[i], strerror(errno));
            tool_die(2, "Error is not recoverable: exiting now");
        }
    }
    for (int i = 0; i < 2; i++) {
        put(&w, (char[TAR_BLOCK]){0}, TAR_BLOCK);
    }
    put_padding(&w, TAR_RECORD);
    if (t->archive ? fclose(t->file) : fflush(t->file)) cannot_write(t);
}
