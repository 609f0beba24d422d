/* Shared by the file and system tools (tool_file_*.c). Pure of tool-specific policy. */
#ifndef MR_TOOL_FILE_H
#define MR_TOOL_FILE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include "tool_text.h"

/* The job's one user, and its machine's name: as in every other lane. */
#define USER_NAME "nobody"
#define GROUP_NAME "nogroup"
#define USER_ID_TEXT "65534"
#define HOST_NAME "magicrune"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

/* What a tool returns when opts_next() ended early: after --help 0, after a bad option 1. */
static inline int opts_status(int c) { return c == OPT_HELP ? 0 : 1; }
/* Reports "name: message", then the --help hint. Returns 1. */
int usage_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A name in shell quotes, for messages: 'x' (quoted) and ‘x’ (marked), as GNU's. The
 * result lives until four more calls have been made; long names are cut. */
const char *quoted(const char *name);
const char *marked(const char *name);
/* "name: cannot ACT 'path': reason" from errno. */
void warn_cannot(const char *act, const char *path);
/* Asks on stderr, reads a line from stdin; true for an answer that starts with y or Y. */
bool ask(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
bool ask_answer(void);                                /* the reading alone */

char *path_join(const char *dir, const char *name);
const char *path_base(const char *path);              /* last component, slashes kept */
char *path_absolute(const char *path);                /* not normalised */
size_t path_trim(const char *path);                   /* length without trailing slashes */
bool path_is_dot(const char *path);                   /* last component is . or .. */
enum { CANON_EXISTING, CANON_PARENT, CANON_MISSING };
/* Every link resolved; what may be missing is the mode's business. NULL sets errno. */
char *path_canonical(const char *path, int mode);
char *link_target(const char *path);                  /* NULL sets errno */

/* Permission bits of path, links followed; -1 sets errno. */
int path_mode(const char *path);
int path_chmod(const char *path, int mode);
/* 07777 bits of an entry that stat or lstat described (links: 0777). */
int entry_mode(const char *path, const struct stat *st);
void mode_text(mode_t type, int mode, char out[11]);  /* drwxr-xr-x */
/* Applies "755" or "u+x,go=" to mode; -1 when spec is not one. */
int mode_apply(const char *spec, int mode, bool is_dir);
/* open(path, flags | O_CREAT, 0666) that minds the umask. */
int open_creating(const char *path, int flags);
/* mkdir(path, 0777), likewise. */
int make_directory(const char *path);

int64_t stat_blocks(const struct stat *st);           /* of 512 bytes */
int64_t stat_size(const struct stat *st);             /* bytes; a directory is one block */
char *size_human(int64_t bytes, char out[16]);        /* 1.5K, as ls -h */
bool seconds_parse(const char *text, struct timespec *out); /* 1.5m */
int sleep_for(struct timespec t);                     /* -1: a caught signal came */
bool number_parse(const char *text, int64_t *out);    /* decimal digits, optional sign */

/* strftime with GNU's flags, widths, %N, %s, %:z. UTC only. NULL: out of range. */
char *date_format(const char *format, struct timespec t);
/* What `date -d` and `touch -d` take. False when it is not a date. */
bool date_parse(const char *text, struct timespec now, struct timespec *out);
struct timespec time_now(void);

/* Directory trees, without recursion and with one directory open at a time. Entries of
 * a directory come sorted by name. A directory is given before its entries (WALK_DIR)
 * and after them (WALK_DIR_END), or once more as WALK_UNREADABLE if it cannot be read. */
enum walk_kind { WALK_FILE, WALK_DIR, WALK_DIR_END, WALK_UNREADABLE, WALK_MISSING, WALK_LOOP };
enum { WALK_FOLLOW_ROOT = 1, WALK_FOLLOW = 2 };
struct walk_entry {
    enum walk_kind kind;
    const char *path;
    const char *name;
    size_t root_len;                                  /* path + root_len: below the root */
    int depth;
    int error;
    unsigned char type;                               /* DT_*, of the target if followed */
};
struct walk;
struct walk *walk_open(const char *root, int flags);
struct walk_entry *walk_next(struct walk *w);
void walk_skip(struct walk *w);                       /* do not enter the WALK_DIR just given */
const struct stat *walk_stat(struct walk *w);         /* NULL sets errno */
void walk_close(struct walk *w);

/* Copying (cp, and mv across file systems). */
struct copy {
    bool recursive, force, interactive, no_clobber, update, verbose;
    bool keep_mode, keep_times, keep_links, follow_all, follow_root;
    bool make_links, make_symlinks, no_target_dir, remove_destination;
};
bool copy_path(const struct copy *c, const char *from, const char *to);

struct removal {
    bool recursive, force, interactive, verbose, dirs;
};
bool remove_path(const struct removal *r, const char *path);

/* A NULL-ended list of the same strings, for what runs commands. */
char **words_list(char **words, int count);

/* Splits "-t DIR", "-T", "SRC... DIR", "SRC DST" for cp, mv and ln. */
struct targets {
    char **sources;
    int count;
    const char *dir;     /* NULL: one source, to `file` */
    const char *file;
};
bool targets_find(struct targets *t, char **operands, int count, const char *dir, bool no_dir);
#endif
