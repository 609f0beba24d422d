/* What ls collects (tool_ls.c) and prints (tool_ls_print.c). */
#ifndef MR_TOOL_LS_H
#define MR_TOOL_LS_H
#include "tool_file.h"

enum ls_layout { LS_ONE, LS_LONG, LS_COLUMNS, LS_ACROSS, LS_COMMAS };
enum ls_sort { SORT_NAME, SORT_NONE, SORT_TIME, SORT_SIZE, SORT_EXTENSION, SORT_VERSION };
enum ls_classify { CLASSIFY_NONE, CLASSIFY_DIR, CLASSIFY_TYPE, CLASSIFY_FULL };
enum ls_time { TIME_CHANGED, TIME_STATUS, TIME_READ };

struct ls_style {
    enum ls_layout layout;
    enum ls_sort sort;
    enum ls_classify classify;
    enum ls_time time;
    bool all, almost_all, dir_itself, recursive, reverse, human, si, inode, blocks, numeric;
    bool no_owner, no_group, follow, follow_operands, quote, dirs_first, escape;
    const char *time_format; /* NULL: GNU's two forms by age */
    const char *ignore;
    int width;
    struct timespec now;
};

struct ls_file {
    char *name, *path;
    struct stat st;
    bool has_stat; /* false: only st_mode's type and st_ino are there */
};

struct ls_list {
    struct ls_file *v;
    size_t count, cap;
};

void ls_print(const struct ls_style *s, const struct ls_list *l);
void ls_print_total(const struct ls_style *s, const struct ls_list *l);
struct timespec ls_time_of(const struct ls_style *s, const struct stat *st);
#endif
