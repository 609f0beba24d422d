/* tar -x and -t. What a member asks for is checked before it is done. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_tar.h"

struct late {
    struct late *next;
    char *path;
    int mode;
    int64_t mtime;
};

struct extraction {
    struct tar *t;
    struct tar_reader reader;
    struct late *dirs;
    int owner_width;
};

static bool is_wanted(struct tar *t, const char *name) {
    bool wanted = t->name_count == 0;

    for (int i = 0; i < t->name_count; i++) {
        size_t n = path_trim(t->names[i]);

        if (strncmp(name, t->names[i], n) || (name[n] && name[n] != '/')) continue;
        t->found[i] = wanted = true;
    }
    return wanted && !tar_excluded(t, name);
}

static void print_long(struct extraction *x, const struct tar_member *m) {
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
        make_directory(part); /* What matters is whether the member can be made. */
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

static bool copy_out(struct extraction *x, const struct tar_member *m, int fd) {
    char *buf = xmalloc(IO_CHUNK);
    bool ok = true;

    for (int64_t left = m->size; left > 0;) {
        size_t n = left < IO_CHUNK ? (size_t)left : IO_CHUNK, done = 0;

        if (!tar_get(&x->reader, buf, n)) tar_cut_short();
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

        if (!tar_get(&x->reader, rest, TAR_BLOCK - (size_t)(m->size % TAR_BLOCK))) tar_cut_short();
    }
    return ok;
}

static void set_attributes(struct tar *t, const char *path, int mode, int64_t mtime, int made_with) {
    struct timespec times[2] = {time_now(), {(time_t)mtime, 0}};

    if (!t->keep_mode) mode = mode & ~sh_umask() & 0777;
    if (mode != made_with && path_chmod(path, mode))
        tar_trouble(t, "%s: Cannot change mode: %s", path, strerror(errno));
    if (!t->no_times && mtime >= 0 && utimensat(AT_FDCWD, path, times, 0))
        tar_trouble(t, "%s: Cannot utime: %s", path, strerror(errno));
}

static void extract_file(struct extraction *x, const struct tar_member *m, const char *path) {
    struct stat st;
    int fd;

    if (!lstat(path, &st) && !S_ISDIR(st.st_mode) && !x->t->keep_old) unlink(path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
    if (fd < 0) {
        tar_trouble(x->t, "%s: Cannot open: %s", path, strerror(errno));
        tar_skip(&x->reader, m->size);
        return;
    }
    copy_out(x, m, fd);
    if (close(fd)) tar_trouble(x->t, "%s: Cannot close: %s", path, strerror(errno));
    set_attributes(x->t, path, m->mode, m->mtime, 0644);
}

/* A directory's time and mode come last, after what is put into it. */
static void extract_dir(struct extraction *x, const struct tar_member *m, const char *path) {
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

static void extract_link(struct extraction *x, const struct tar_member *m, const char *path) {
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
        tar_trouble(x->t, "%s: Cannot create %s to %s: %s", path, m->type == '2' ? "symlink" : "hard link",
                    quoted(m->link), strerror(errno));
}

static void extract(struct extraction *x, const struct tar_member *m) {
    const char *path;
    bool is_file = m->type == '0' || m->type == '7';

    if (!x->t->absolute && climbs(m->name)) {
        tar_trouble(x->t, "%s: Member name contains '..'", m->name);
        tar_skip(&x->reader, m->size);
        return;
    }
    path = stripped(tar_relative(x->t, m->name), x->t->strip);
    if (!*path || (!is_file && x->t->to_stdout)) {
        tar_skip(&x->reader, m->size);
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
    if (!is_file) tar_skip(&x->reader, m->size);
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

    while (x->reader.taken % TAR_RECORD && tar_get(&x->reader, block, TAR_BLOCK)) {}
}

void tar_read(struct tar *t) {
    struct extraction x = {.t = t, .reader = {.t = t, .pax_size = -1, .pax_mtime = -1}, .owner_width = 19};
    struct tar_member m;
    bool lists = t->mode == 't';

    while (tar_next(&x.reader, &m)) {
        if (!is_wanted(t, m.name)) {
            tar_skip(&x.reader, m.size);
        } else {
            if (lists ? t->verbose : t->verbose > 1)
                print_long(&x, &m);
            else if (lists || t->verbose)
                printf("%s\n", m.name);
            if (lists)
                tar_skip(&x.reader, m.size);
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
    free(x.reader.long_name);
    free(x.reader.long_link);
}
