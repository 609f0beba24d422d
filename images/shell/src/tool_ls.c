/* ls. Never on a terminal here, so one name a line and no colours unless asked otherwise. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool_ls.h"

enum { STATUS_MINOR = 1, STATUS_SERIOUS = 2, WIDTH = 80 };

struct pending {
    struct pending *next;
    char *path;
};

/* Of the running ls; set anew by each. */
static struct ls_style style;
static int status, out_failed;
static bool printed, headers;

static void trouble(int how_bad) {
    if (status < how_bad) status = how_bad;
}

static struct ls_file *list_add(struct ls_list *l, const char *name, char *path) {
    struct ls_file *f;

    if (l->count == l->cap) l->v = xrealloc(l->v, (l->cap = l->cap * 2 + 16) * sizeof *l->v);
    f = &l->v[l->count++];
    memset(f, 0, sizeof *f);
    f->name = xstrdup(name);
    f->path = path;
    return f;
}

static void list_free(struct ls_list *l) {
    for (size_t i = 0; i < l->count; i++) {
        free(l->v[i].name);
        free(l->v[i].path);
    }
    free(l->v);
}

static int time_order(struct timespec a, struct timespec b) {
    if (a.tv_sec != b.tv_sec) return a.tv_sec < b.tv_sec ? 1 : -1;
    return (a.tv_nsec < b.tv_nsec) - (a.tv_nsec > b.tv_nsec);
}

static const char *extension(const char *name) {
    const char *dot = strrchr(name, '.');

    return dot ? dot : "";
}

static int order(const void *left, const void *right) {
    const struct ls_file *a = left, *b = right;
    int by = 0;

    if (style.dirs_first && S_ISDIR(a->st.st_mode) != S_ISDIR(b->st.st_mode))
        return S_ISDIR(a->st.st_mode) ? -1 : 1;
    switch (style.sort) {
    case SORT_TIME: by = time_order(ls_time_of(&style, &a->st), ls_time_of(&style, &b->st)); break;
    case SORT_SIZE: by = (stat_size(&a->st) < stat_size(&b->st)) - (stat_size(&a->st) > stat_size(&b->st)); break;
    case SORT_EXTENSION: by = strcmp(extension(a->name), extension(b->name)); break;
    case SORT_VERSION: by = strverscmp(a->name, b->name); break;
    default: break;
    }
    if (!by) by = strcmp(a->name, b->name);
    return style.reverse ? -by : by;
}

static void sort_list(struct ls_list *l) {
    if (style.sort != SORT_NONE && l->count) qsort(l->v, l->count, sizeof *l->v, order);
}

static bool wanted(const char *name) {
    if (style.ignore && !fnmatch(style.ignore, name, FNM_PERIOD)) return false;
    if (name[0] != '.' || style.all) return true;
    return style.almost_all && strcmp(name, ".") && strcmp(name, "..");
}

static bool needs_stat(void) {
    return style.layout == LS_LONG || style.sort == SORT_TIME || style.sort == SORT_SIZE || style.blocks
        || style.follow;
}

static const mode_t unknown_type = 0;

static mode_t mode_of_type(unsigned char type) {
    switch (type) {
    case DT_DIR: return S_IFDIR;
    case DT_REG: return S_IFREG;
    case DT_LNK: return S_IFLNK;
    case DT_CHR: return S_IFCHR;
    case DT_FIFO: return S_IFIFO;
    default: return unknown_type;
    }
}

static void add_entry(struct ls_list *l, const char *dir, const struct dirent *d) {
    struct ls_file *f = list_add(l, d->d_name, path_join(dir, d->d_name));

    f->st.st_ino = d->d_ino;
    f->st.st_mode = mode_of_type(d->d_type);
    if (!needs_stat() && f->st.st_mode != unknown_type) return;
    f->has_stat = (style.follow && !stat(f->path, &f->st)) || !lstat(f->path, &f->st);
    if (!f->has_stat) {
        warn_cannot("access", f->path);
        trouble(STATUS_MINOR);
    }
}

static bool read_dir(struct ls_list *l, const char *path) {
    DIR *dir = opendir(path);
    struct dirent *d;
    int error;

    if (!dir) {
        warn_cannot("open directory", path);
        return false;
    }
    while ((errno = 0, d = readdir(dir)))
        if (wanted(d->d_name)) add_entry(l, path, d);
    error = errno;
    closedir(dir);
    if (error) tool_warn("reading directory %s: %s", quoted(path), strerror(error));
    return !error;
}

/* Puts the subdirectories of a list before what is pending, in their order. */
static void push_subdirs(const struct ls_list *l, struct pending **todo) {
    for (size_t i = 0; i < l->count; i++) {
        const char *name = l->v[i].name;
        struct pending *p;

        if (!S_ISDIR(l->v[i].st.st_mode) || !strcmp(name, ".") || !strcmp(name, "..")) continue;
        p = xmalloc(sizeof *p);
        p->path = xstrdup(l->v[i].path);
        p->next = *todo;
        *todo = p;
        todo = &p->next;
    }
}

static void list_dir(const char *path, struct pending **todo, int how_bad) {
    struct ls_list l = {0};

    if (!read_dir(&l, path)) trouble(how_bad);
    sort_list(&l);
    if (printed) putchar('\n');
    if (headers) printf("%s:\n", path);
    printed = true;
    if (style.layout == LS_LONG || style.blocks) ls_print_total(&style, &l);
    ls_print(&style, &l);
    if (style.recursive) push_subdirs(&l, todo);
    list_free(&l);
    if (style.recursive) out_failed = out_check(0);
}

static void take_operand(const char *path, struct ls_list *files, struct ls_list *dirs) {
    bool plain_link = style.dir_itself || style.layout == LS_LONG || style.classify == CLASSIFY_FULL;
    struct ls_file f = {.has_stat = true};
    struct ls_file *added;

    if ((style.follow || style.follow_operands || !plain_link ? stat(path, &f.st) && lstat(path, &f.st)
                                                               : lstat(path, &f.st))) {
        warn_cannot("access", path);
        trouble(STATUS_SERIOUS);
        return;
    }
    added = list_add(S_ISDIR(f.st.st_mode) && !style.dir_itself ? dirs : files, path, xstrdup(path));
    added->st = f.st;
    added->has_stat = true;
}

/* A reader that has gone ends a long listing. */
static void list_pending(struct pending **todo) {
    while (*todo) {
        struct pending *p = *todo;

        *todo = p->next;
        if (!out_failed) list_dir(p->path, todo, STATUS_MINOR);
        free(p->path);
        free(p);
    }
}

static void list_operands(char **paths, int count) {
    struct ls_list files = {0}, dirs = {0};
    struct pending *todo = NULL;

    for (int i = 0; i < count; i++) take_operand(paths[i], &files, &dirs);
    sort_list(&files);
    sort_list(&dirs);
    headers = style.recursive || count > 1;
    ls_print(&style, &files);
    printed = files.count > 0;
    for (size_t i = 0; i < dirs.count && !out_failed; i++) {
        list_dir(dirs.v[i].path, &todo, STATUS_SERIOUS);
        list_pending(&todo);
    }
    list_free(&files);
    list_free(&dirs);
}

enum { L_FULL_TIME = 256, L_TIME_STYLE, L_COLOR, L_DIRS_FIRST, L_SORT, L_TIME, L_FILE_TYPE, L_NOTHING };

static const struct longopt longs[] = {{"all", 0, 'a'},
                                       {"almost-all", 0, 'A'},
                                       {"classify", 2, 'F'},
                                       {"color", 2, L_COLOR},
                                       {"dereference", 0, 'L'},
                                       {"dereference-command-line", 0, 'H'},
                                       {"directory", 0, 'd'},
                                       {"escape", 0, 'b'},
                                       {"file-type", 0, L_FILE_TYPE},
                                       {"full-time", 0, L_FULL_TIME},
                                       {"group-directories-first", 0, L_DIRS_FIRST},
                                       {"human-readable", 0, 'h'},
                                       {"ignore", 1, 'I'},
                                       {"inode", 0, 'i'},
                                       {"literal", 0, 'N'},
                                       {"no-group", 0, 'G'},
                                       {"numeric-uid-gid", 0, 'n'},
                                       {"quote-name", 0, 'Q'},
                                       {"recursive", 0, 'R'},
                                       {"reverse", 0, 'r'},
                                       {"show-control-chars", 0, L_NOTHING},
                                       {"size", 0, 's'},
                                       {"sort", 1, L_SORT},
                                       {"time", 1, L_TIME},
                                       {"time-style", 1, L_TIME_STYLE},
                                       {"width", 1, 'w'},
                                       {NULL, 0, 0}};

static bool choose_time_style(const char *name) {
    static const char *const styles[][2] = {{"full-iso", "%Y-%m-%d %H:%M:%S.%N %z"},
                                            {"long-iso", "%Y-%m-%d %H:%M"},
                                            {"iso", "%m-%d %H:%M"},
                                            {"locale", NULL}};

    if (*name == '+') {
        style.time_format = name + 1;
        return true;
    }
    for (size_t i = 0; i < COUNT_OF(styles); i++)
        if (!strcmp(name, styles[i][0])) {
            style.time_format = styles[i][1];
            return true;
        }
    return false;
}

static bool choose_sort(const char *name) {
    static const char *const names[] = {"name", "none", "time", "size", "extension", "version"};

    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (!strcmp(name, names[i])) {
            style.sort = (enum ls_sort)i;
            return true;
        }
    return false;
}

static bool choose_time(const char *name) {
    if (!strcmp(name, "atime") || !strcmp(name, "access") || !strcmp(name, "use"))
        style.time = TIME_READ;
    else if (!strcmp(name, "ctime") || !strcmp(name, "status"))
        style.time = TIME_STATUS;
    else
        return !strcmp(name, "mtime") || !strcmp(name, "modification");
    return true;
}

static void choose_long(int c) {
    style.layout = LS_LONG;
    style.numeric |= c == 'n';
    style.no_owner |= c == 'g';
    style.no_group |= c == 'o';
    if (c == L_FULL_TIME) choose_time_style("full-iso");
}

static bool choose(int c, const char *arg) {
    int64_t n;

    switch (c) {
    case 'a': style.all = true; break;
    case 'A': style.almost_all = true; break;
    case 'b': style.escape = true; break;
    case 'd': style.dir_itself = true; break;
    case 'R': style.recursive = true; break;
    case 'r': style.reverse = true; break;
    case 'h': style.human = true; break;
    case 'i': style.inode = true; break;
    case 's': style.blocks = true; break;
    case 'G': style.no_group = true; break;
    case 'L': style.follow = true; break;
    case 'H': style.follow_operands = true; break;
    case 'Q': style.quote = true; break;
    case 'I': style.ignore = arg; break;
    case 'F': style.classify = CLASSIFY_FULL; break;
    case 'p': style.classify = CLASSIFY_DIR; break;
    case L_FILE_TYPE: style.classify = CLASSIFY_TYPE; break;
    case L_DIRS_FIRST: style.dirs_first = true; break;
    case 'l':
    case 'n':
    case 'g':
    case 'o':
    case L_FULL_TIME: choose_long(c); break;
    case '1':
        if (style.layout != LS_LONG) style.layout = LS_ONE;
        break;
    case 'C': style.layout = LS_COLUMNS; break;
    case 'x': style.layout = LS_ACROSS; break;
    case 'm': style.layout = LS_COMMAS; break;
    case 't': style.sort = SORT_TIME; break;
    case 'S': style.sort = SORT_SIZE; break;
    case 'X': style.sort = SORT_EXTENSION; break;
    case 'v': style.sort = SORT_VERSION; break;
    case 'U': style.sort = SORT_NONE; break;
    case 'f': style.sort = SORT_NONE; style.all = true; break;
    case 'u': style.time = TIME_READ; break;
    case 'c': style.time = TIME_STATUS; break;
    case 'w':
        if (!number_parse(arg, &n) || n < 0) return false;
        style.width = n && n < 100000 ? (int)n : 100000;
        break;
    case L_TIME_STYLE: return choose_time_style(arg);
    case L_SORT: return choose_sort(arg);
    case L_TIME: return choose_time(arg);
    default: break; /* -k -N -q --color: already so */
    }
    return true;
}

int tool_ls(int argc, char **argv) {
    static char *here[] = {(char *)"."};
    struct opts o = opts_start(argc, argv);
    int c;

    style = (struct ls_style){.width = WIDTH, .now = time_now()};
    status = out_failed = 0;
    printed = headers = false;
    while ((c = opts_next(&o, "aAbcCdfFgGhHiI:klLmnNopqQrRsStuUvw:xX1", longs)) > 0)
        if (!choose(c, o.arg)) {
            usage_error("invalid argument %s", marked(o.arg));
            return STATUS_SERIOUS;
        }
    if (c != OPT_END) return c == OPT_HELP ? 0 : STATUS_SERIOUS;
    /* -u and -c also choose the order, unless -l shows the time. */
    if (style.time != TIME_CHANGED && style.layout != LS_LONG && style.sort == SORT_NAME) style.sort = SORT_TIME;
    if (o.operands)
        list_operands(argv + 1, o.operands);
    else
        list_operands(here, 1);
    return out_failed ? out_failed : status;
}
