/* Between grep's two files. */
#ifndef MR_TOOL_GREP_H
#define MR_TOOL_GREP_H
#include "tool_regex.h"
#include "tool_text.h"

enum { LIST_NONE, LIST_WITH, LIST_WITHOUT };
enum { BINARY_SAY, BINARY_TEXT, BINARY_SKIP };
enum { FILTER_INCLUDE, FILTER_EXCLUDE, FILTER_EXCLUDE_DIR };
struct filter {
    int kind;
    const char *glob;
};
struct grep {
    struct rx *rx; /* NULL: nothing matches */
    int flags, given;
    int invert, only, count, quiet, list, numbers, offsets, no_messages, initial_tab, name_nul, line_buffered;
    int names;     /* 1 show, -1 hide */
    int recursive; /* 2: follows symbolic links too */
    int skip_dirs, implicit_dir, binary;
    int before, after, both;
    int grouped; /* a context was asked for, of 0 lines even */
    int64_t max;
    char delim;
    const char *label, *separator;
    struct filter *filters;
    int n_filters;
    int matched, failed, stop, printed;
    struct out out;
};
/* Searches a file, or a directory's files if asked to. */
void grep_path(struct grep *g, const char *path, int on_command_line);
#endif
