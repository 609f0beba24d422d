/* The expression of find: parsed by tool_find_parse.c, applied by tool_find_test.c and
 * tool_find_action.c, walked by tool_find.c. */
#ifndef MR_TOOL_FIND_H
#define MR_TOOL_FIND_H
#include <regex.h>

#include "tool_file.h"

enum find_kind {
    FIND_AND, FIND_OR, FIND_COMMA, FIND_NOT,
    FIND_TRUE, FIND_FALSE, FIND_NAME, FIND_PATH, FIND_LNAME, FIND_REGEX, FIND_TYPE, FIND_SIZE, FIND_NEWER,
    FIND_AGE, FIND_PERM, FIND_EMPTY, FIND_LINKS, FIND_INUM, FIND_USER, FIND_ACCESS, FIND_SAMEFILE,
    FIND_PRINT, FIND_PRINTF, FIND_LS, FIND_PRUNE, FIND_QUIT, FIND_DELETE, FIND_EXEC,
};

struct find_node {
    enum find_kind kind;
    struct find_node *left, *right; /* FIND_NOT: left */
    const char *text;               /* a pattern, types, a -printf format */
    bool fold;                      /* -iname … */
    char sign;                      /* '+', '-', or 0 before the number; '/' too for -perm */
    int64_t number, unit;
    char end;                       /* FIND_PRINT */
    char field;                     /* which time: 'm' 'a' 'c'; FIND_ACCESS: 'r' 'w' 'x' */
    struct timespec time;
    struct stat st;                 /* -samefile */
    regex_t regex;
    char **command;                 /* FIND_EXEC: NULL-ended */
    int words;
    bool batch, in_dir, asks;
    char **batched;                 /* what "+" has gathered, and where */
    int batched_count;
    size_t batched_bytes;
    char *batched_dir;
};

struct find {
    struct find_node *expression;
    int min_depth, max_depth;       /* max_depth -1: none */
    bool depth_first, follow, follow_operands, day_start;
    struct timespec now;
    struct walk *walk;
    struct walk_entry *entry;
    bool prune, quit, failed;
};

/* Parses argv[0..]; exits with a message when it is no expression. */
void find_parse(struct find *f, char **argv, int count);
bool find_eval(struct find *f, struct find_node *n);
bool find_test(struct find *f, struct find_node *n);
bool find_act(struct find *f, struct find_node *n);
void find_printf(struct find *f, const char *format);
void find_printf_check(const char *format);
void find_flush(struct find *f, struct find_node *n); /* commands of "-exec … +" still to run */
_Noreturn void find_die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
#endif
