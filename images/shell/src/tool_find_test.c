/* The tests of find. */
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "tool_find.h"

#ifndef FNM_CASEFOLD /* A GNU name that not every libc shows without being asked. */
#define FNM_CASEFOLD 0x10
#endif

static const struct stat *entry_stat(struct find *f) {
    const struct stat *st = walk_stat(f->walk);

    if (!st) {
        tool_warn("%s: %s", marked(f->entry->path), strerror(errno));
        f->failed = true;
    }
    return st;
}

static bool matches(const struct find_node *n, const char *text) {
    return !fnmatch(n->text, text, n->fold ? FNM_CASEFOLD : 0);
}

/* The last component, without slashes after it ("a/b/" as an operand). */
static bool name_matches(struct find *f, const struct find_node *n) {
    const char *base = path_base(f->entry->path);
    size_t len = path_trim(base);
    char *name;
    bool yes;

    if (!base[len]) return matches(n, base);
    name = xstrdup(base);
    name[len] = '\0';
    yes = matches(n, name);
    free(name);
    return yes;
}

static bool target_matches(struct find *f, const struct find_node *n) {
    char *target = f->entry->type == DT_LNK ? link_target(f->entry->path) : NULL;
    bool yes = target && matches(n, target);

    free(target);
    return yes;
}

static char type_letter(unsigned char type) {
    switch (type) {
    case DT_DIR: return 'd';
    case DT_REG: return 'f';
    case DT_LNK: return 'l';
    case DT_CHR: return 'c';
    case DT_BLK: return 'b';
    case DT_FIFO: return 'p';
    default: return 's';
    }
}

static bool compare(const struct find_node *n, int64_t value) {
    if (n->sign == '+') return value > n->number;
    if (n->sign == '-') return value < n->number;
    return value == n->number;
}

static bool size_matches(struct find *f, const struct find_node *n) {
    const struct stat *st = entry_stat(f);

    return st && compare(n, (stat_size(st) + n->unit - 1) / n->unit);
}

static struct timespec time_of(const struct stat *st, char field) {
    return field == 'a' ? st->st_atim : field == 'c' ? st->st_ctim : st->st_mtim;
}

static bool is_newer(struct find *f, const struct find_node *n) {
    const struct stat *st = entry_stat(f);
    struct timespec t;

    if (!st) return false;
    t = time_of(st, n->field ? n->field : 'm');
    if (t.tv_sec != n->time.tv_sec) return t.tv_sec > n->time.tv_sec;
    return t.tv_nsec > n->time.tv_nsec;
}

/* Whole units of age: "-mtime 0" is less than a day, "-mtime +0" a day and more. Minutes are
 * compared as they are for + and -, as GNU does. */
static bool age_matches(struct find *f, const struct find_node *n) {
    const struct stat *st = entry_stat(f);
    struct timespec t;
    int64_t age, base = f->now.tv_sec;

    if (!st) return false;
    t = time_of(st, n->field);
    if (f->day_start) base = base - base % 86400 + 86400;
    age = base - t.tv_sec - (t.tv_nsec > (f->day_start ? 0 : f->now.tv_nsec));
    if (n->unit == 60 && n->sign == '-') return age < n->number * 60;
    if (n->unit == 60 && n->sign == '+') return age >= n->number * 60;
    if (n->unit == 60) return age >= (n->number - 1) * 60 && age < n->number * 60;
    return compare(n, age >= 0 ? age / n->unit : -1);
}

static bool perm_matches(struct find *f, const struct find_node *n) {
    const struct stat *st = entry_stat(f);
    int mode;

    if (!st) return false;
    mode = entry_mode(f->entry->path, st);
    if (n->sign == '-') return (mode & n->number) == n->number;
    if (n->sign == '/') return !n->number || mode & n->number;
    return mode == n->number;
}

static bool is_empty(struct find *f) {
    const struct stat *st;
    struct dirent *d;
    DIR *dir;
    bool empty = true;

    if (f->entry->type == DT_REG) {
        st = entry_stat(f);
        return st && st->st_size == 0;
    }
    if (f->entry->type != DT_DIR) return false;
    dir = opendir(f->entry->path);
    if (!dir) {
        tool_warn("%s: %s", marked(f->entry->path), strerror(errno));
        f->failed = true;
        return false;
    }
    while (empty && (d = readdir(dir))) empty = !strcmp(d->d_name, ".") || !strcmp(d->d_name, "..");
    closedir(dir);
    return empty;
}

static bool may(struct find *f, char access) {
    int mode = path_mode(f->entry->path), bit = access == 'r' ? 0400 : access == 'w' ? 0200 : 0100;

    return mode >= 0 && mode & bit;
}

bool find_test(struct find *f, struct find_node *n) {
    const struct stat *st;

    switch (n->kind) {
    case FIND_TRUE: return true;
    case FIND_NAME: return name_matches(f, n);
    case FIND_PATH: return matches(n, f->entry->path);
    case FIND_LNAME: return target_matches(f, n);
    case FIND_REGEX: return !regexec(&n->regex, f->entry->path, 0, NULL, 0);
    case FIND_TYPE: return strchr(n->text, type_letter(f->entry->type)) != NULL;
    case FIND_SIZE: return size_matches(f, n);
    case FIND_NEWER: return is_newer(f, n);
    case FIND_AGE: return age_matches(f, n);
    case FIND_PERM: return perm_matches(f, n);
    case FIND_EMPTY: return is_empty(f);
    case FIND_LINKS: return (st = entry_stat(f)) && compare(n, (int64_t)st->st_nlink);
    case FIND_INUM: return (st = entry_stat(f)) && compare(n, (int64_t)st->st_ino);
    case FIND_USER: return n->field == 'n' ? compare(n, atoi(USER_ID_TEXT)) : n->number;
    case FIND_ACCESS: return may(f, n->field);
    case FIND_SAMEFILE:
        return (st = entry_stat(f)) && st->st_ino == n->st.st_ino && st->st_dev == n->st.st_dev;
    default: return false;
    }
}
