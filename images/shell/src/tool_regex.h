/* Regular expressions for grep, sed, expr, awk and nl: POSIX BRE and ERE, leftmost and longest,
 * with GNU's additions (\+ \? \| \w \W \s \S \b \B \< \> \` \', back-references in ERE too).
 *
 * Text is any bytes, NUL included. Where text_is_utf8(), '.', brackets and case work on UTF-8
 * characters, and an invalid byte matches only itself. Matching takes linear time in practice
 * (a DFA made as it is needed), except for back-references.
 */
#ifndef MR_TOOL_REGEX_H
#define MR_TOOL_REGEX_H
#include <stddef.h>

enum {
    RX_ERE = 1,
    RX_ICASE = 2,
    RX_LINES = 4,      /* ^ and $ match around each newline (sed's M) */
    RX_ESCAPES = 8,    /* \n \t \xHH \oNNN \dNNN ... (sed) */
    RX_AWK = 16,       /* awk's escapes, also within brackets; \y; a stray { is plain */
    RX_LOOSE = 32,     /* a repetition sign with nothing to repeat is ignored (grep -E) */
    RX_LITERAL = 64,   /* no character is special */
    RX_ALTERNATIVES = 128, /* each line of the pattern is a pattern (grep) */
    RX_WORD = 256,     /* no word character before or behind the match (grep -w) */
    RX_BY_LINE = 2048,     /* for rx_find_line: a newline ends a text, and is in none */
    RX_AT_START = 1024,    /* the match starts where the text does (expr) */
    RX_WHOLE = 512,    /* the match is the whole text (grep -x) */
};
struct rx;
struct rx_span {
    size_t from, to; /* RX_UNSET both, for a group that took no part */
};
#define RX_UNSET ((size_t)-1)

/* NULL with *error set to glibc's words, e.g. "Unmatched ( or \\(". */
struct rx *rx_compile(const char *pattern, size_t n, int flags, const char **error);
void rx_free(struct rx *rx);
size_t rx_groups(const struct rx *rx);
/* The leftmost longest match that starts at or after `from`; text before it is still looked at
 * (for ^ and \<). Fills spans[0 .. n_spans), the whole match first; with n_spans 0 it only says
 * whether there is one, which is faster. */
int rx_search(struct rx *rx, const char *text, size_t n, size_t from, struct rx_span *spans, size_t n_spans);
/* For a pattern compiled with RX_BY_LINE: a place in the first line of the text (a line's
 * newline belongs to it) that matches or, with back-references, may match; -1: there is none. */
ptrdiff_t rx_find_line(struct rx *rx, const char *text, size_t n);
#endif
