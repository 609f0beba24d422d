/* touch. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tool_file.h"

struct touching {
    bool no_create, no_deref;
    struct timespec times[2]; /* read, changed; UTIME_OMIT: leave */
};

static bool digits_pair(const char **at, int *out) {
    const char *s = *at;

    if (s[0] < '0' || s[0] > '9' || s[1] < '0' || s[1] > '9') return false;
    *out = (s[0] - '0') * 10 + s[1] - '0';
    *at += 2;
    return true;
}

/* [[CC]YY]MMDDhhmm[.ss] */
static bool stamp_parse(const char *text, struct timespec now, struct timespec *out) {
    size_t n = strcspn(text, ".");
    int century = -1, year, month, day, hour, minute, second = 0;
    char iso[32];
    struct tm tm;

    gmtime_r(&now.tv_sec, &tm);
    year = tm.tm_year + 1900;
    if (n != 8 && n != 10 && n != 12) return false;
    if (n == 12 && !digits_pair(&text, &century)) return false;
    if (n >= 10) {
        if (!digits_pair(&text, &year)) return false;
        year += century >= 0 ? century * 100 : year < 69 ? 2000 : 1900;
    }
    if (!digits_pair(&text, &month) || !digits_pair(&text, &day) || !digits_pair(&text, &hour)
        || !digits_pair(&text, &minute))
        return false;
    if (*text == '.') {
        text++;
        if (!digits_pair(&text, &second)) return false;
    }
    if (*text) return false;
    snprintf(iso, sizeof iso, "%04d-%02d-%02d %02d:%02d:%02d", year, month, day, hour, minute, second);
    return date_parse(iso, now, out);
}

static bool touch_one(const struct touching *t, const char *path) {
    int flags = t->no_deref ? AT_SYMLINK_NOFOLLOW : 0, fd;

    if (!utimensat(AT_FDCWD, path, t->times, flags)) return true;
    if (errno == ENOENT && (t->no_create || t->no_deref)) {
        if (t->no_create) return true;
    } else if (errno == ENOENT) {
        fd = open_creating(path, O_WRONLY);
        if (fd >= 0) {
            close(fd);
            if (!utimensat(AT_FDCWD, path, t->times, flags)) return true;
        }
    }
    if (t->no_deref)
        tool_warn("setting times of %s: %s", quoted(path), strerror(errno));
    else
        warn_cannot("touch", path);
    return false;
}

static bool reference_times(struct touching *t, const char *path) {
    struct stat st;

    if (t->no_deref ? lstat(path, &st) : stat(path, &st)) {
        tool_warn("failed to get attributes of %s: %s", quoted(path), strerror(errno));
        return false;
    }
    t->times[0] = st.st_atim;
    t->times[1] = st.st_mtim;
    return true;
}

static const struct longopt longs[] = {{"no-create", 0, 'c'},      {"date", 1, 'd'},
                                       {"reference", 1, 'r'},      {"time", 1, 256},
                                       {"no-dereference", 0, 'h'}, {NULL, 0, 0}};

/* Which of the two times --time names: 'a', 'm', or 0 when it names none. */
static int time_kind(const char *name) {
    static const char *const access[] = {"access", "atime", "use"};

    for (size_t i = 0; i < COUNT_OF(access); i++)
        if (!strcmp(name, access[i])) return 'a';
    return !strcmp(name, "modify") || !strcmp(name, "mtime") ? 'm' : 0;
}

int tool_touch(int argc, char **argv) {
    struct opts o = opts_start(argc, argv);
    struct timespec now = time_now();
    struct touching t = {.times = {now, now}};
    bool read_time = false, change_time = false, ok;
    int c, status = 0;

    while ((c = opts_next(&o, "acd:r:t:mfh", longs)) > 0) {
        ok = true;
        if (c == 256) ok = (c = time_kind(o.arg)) != 0;
        read_time |= c == 'a';
        change_time |= c == 'm';
        t.no_create |= c == 'c';
        t.no_deref |= c == 'h';
        if (c == 'r' && !reference_times(&t, o.arg)) return 1;
        if (c == 'd') ok = date_parse(o.arg, now, &t.times[0]);
        if (c == 't') ok = stamp_parse(o.arg, now, &t.times[0]);
        if (c == 'd' || c == 't') t.times[1] = t.times[0];
        if (!ok) {
            tool_warn("invalid date format %s", marked(o.arg));
            return 1;
        }
    }
    if (c != OPT_END) return opts_status(c);
    if (!o.operands) return usage_error("missing file operand");
    if (change_time && !read_time) t.times[0].tv_nsec = UTIME_OMIT;
    if (read_time && !change_time) t.times[1].tv_nsec = UTIME_OMIT;
    for (int i = 1; i <= o.operands; i++)
        if (!touch_one(&t, argv[i])) status = 1;
    return status;
}
