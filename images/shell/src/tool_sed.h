/* Between sed's files: the script as parsed, and its outputs. */
#ifndef MR_TOOL_SED_H
#define MR_TOOL_SED_H
#include "tool_regex.h"
#include "tool_text.h"

struct text {
    char *p;
    size_t len, cap;
};
void text_add(struct text *t, const char *p, size_t n);

/* An output file; all commands that name it share it. */
struct sed_output {
    struct sed_output *next;
    const char *name;
    struct out out;
    int missing_newline; /* the last line written had none: one is due before the next */
};

enum address_kind { ADDR_NONE, ADDR_LINE, ADDR_STEP, ADDR_LAST, ADDR_REGEX, ADDR_PLUS, ADDR_MULTIPLE, ADDR_ZERO };
struct address {
    enum address_kind kind;
    int64_t n, step;
    struct rx *rx; /* REGEX; NULL: the one used last */
};

enum piece_kind { PIECE_TEXT, PIECE_GROUP, PIECE_CASE };
enum { CASE_END = 'E', CASE_UPPER = 'U', CASE_LOWER = 'L', CASE_NEXT_UPPER = 'u', CASE_NEXT_LOWER = 'l' };
struct piece {
    enum piece_kind kind;
    int value;        /* GROUP: its number; CASE: one of the letters */
    const char *text; /* TEXT */
    size_t len;
};
struct substitution {
    struct rx *rx; /* NULL: the one used last */
    struct piece *pieces;
    size_t n_pieces;
    int max_group, global, print;
    int64_t nth;
    struct sed_output *write;
};
struct mapping { /* y */
    uint32_t from, to;
};
enum range_state { RANGE_OFF, RANGE_ON, RANGE_OVER };
struct command {
    struct address a1, a2;
    int negate;
    enum range_state state;
    int64_t range_end;
    char op;
    size_t target;    /* {: behind the matching }; b t T: where to go */
    struct text text; /* a i c: the text; r R: the file's name; labels */
    int64_t number;   /* q Q l; -1 none */
    struct substitution *s;
    struct mapping *map;
    size_t n_map;
    struct sed_output *write;   /* w W */
    struct reader *lines;       /* R */
};
struct script {
    struct command *v;
    size_t n, cap;
    struct sed_output *outputs; /* stdout first */
};
struct sed {
    struct script script;
    int quiet, separate, in_place, ere, unbuffered, posix;
    const char *suffix;
    int64_t line_length;
    char delim;
};

/* A piece of script: from -e (file NULL) or -f. */
struct fragment {
    const char *file;
    int number; /* of the -e expression, from 1 */
    const char *text;
    size_t len;
};
/* Exits with status 1 and a message on a faulty script. */
void sed_parse(struct sed *sed, const struct fragment *fragments, size_t n);
struct sed_output *sed_output_find(struct sed *sed, const char *name);

/* Within tool_sed_parse*.c. */
struct sed_parser {
    struct sed *sed;
    const char *p, *end;
    const struct fragment *fragments;
    size_t n_fragments;
    const char **starts; /* of each fragment in the joined text */
};
_Noreturn void sed_bad(const struct sed_parser *ps, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Text up to the next unescaped `delim`, which is passed over; 0 if there is none. */
int sed_delimited(struct sed_parser *ps, char delim, int is_regex, struct text *t);
struct rx *sed_regex(struct sed_parser *ps, const struct text *t, int flags);
void sed_parse_s(struct sed_parser *ps, struct command *c);
void sed_parse_y(struct sed_parser *ps, struct command *c);
/* Removes \t, \n, \xHH and the like in place where they need no further meaning. */
int sed_escape(const char **p, const char *end);
char *sed_filename(struct sed_parser *ps);

/* Applies s to the pattern space; 1 if something was replaced. *last is the regex used last. */
int sed_substitute(const struct substitution *s, struct rx **last, struct text *space, struct text *scratch);
int sed_run(struct sed *sed, char **files, int n);
#endif
