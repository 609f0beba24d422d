/* diff: its lines, and where two files differ. */
#ifndef MR_TOOL_DIFF_H
#define MR_TOOL_DIFF_H
#include <stdint.h>
#include <time.h>

#include "tool_text.h"

struct diff_line {
    const char *text;
    int len; /* without its newline */
    int kind; /* lines of both files that count as the same have the same number */
};

struct diff_file {
    const char *name;
    char *data;
    int64_t size;
    struct diff_line *lines;
    int count, open_end; /* the last line has no newline */
    char *changed;       /* for each line; one more on each side that is never set */
    struct timespec time;
};

struct diff_ways {
    int ignore_case, ignore_blanks, squeeze_blanks, ignore_cr;
};

/* Lines, and their kinds by the ways in which they may differ. */
void diff_split(struct diff_file files[2], const struct diff_ways *ways);
/* Marks the lines that a shortest way from one file to the other takes out and puts in. Changes
 * do not move into equal beginnings and ends further than `context` lines. */
void diff_compare(struct diff_file files[2], int context);
#endif
