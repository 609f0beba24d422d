/* Inside the regular expressions: syntax tree -> program -> DFA, captures. */
#ifndef MR_TOOL_REGEX_INNER_H
#define MR_TOOL_REGEX_INNER_H
#include <stdint.h>

#include "tool_regex.h"

/* --- syntax tree (tool_regex_parse.c) --- */
enum node_kind { N_EMPTY, N_CHARS, N_CAT, N_ALT, N_REPEAT, N_GROUP, N_BACKREF, N_ASSERT };
enum assertion { A_BOL, A_EOL, A_START, A_END, A_WORD_EDGE, A_NO_EDGE, A_WORD_START, A_WORD_END, A_NO_WORD_BEFORE, A_NO_WORD_AFTER };
struct char_range {
    uint32_t lo, hi;
};
struct char_set {
    uint32_t bytes[8];         /* single bytes: ASCII, or all 256 outside UTF-8 */
    struct char_range *ranges; /* code points from 0x80, sorted, disjoint */
    size_t n, cap;
};
#define REPEAT_MAX 0x7FFF
struct node {
    enum node_kind kind;
    struct node *first, *next; /* children; siblings in a CAT or ALT */
    int min, max;              /* REPEAT; max -1: no end */
    int number;                /* GROUP, BACKREF, ASSERT; REPEAT: its mark, from 0 */
    struct char_set *set;
};
struct arena;
struct tree {
    struct node *root;
    int groups, marks, has_alt, has_backref, has_raw; /* raw: bytes that are no UTF-8 */
    uint64_t iterated; /* bit g: group g lies within a loop; so do all beyond 63 */
    struct arena *arena;
};
/* 0, or -1 with *error. */
int tree_parse(struct tree *t, const char *pattern, size_t n, int flags, int utf8, const char **error);
void tree_free(struct tree *t);
int node_nullable(const struct node *x);
static inline int set_has(const uint32_t *bytes, unsigned c) { return bytes[c >> 5] >> (c & 31) & 1; }
static inline void set_put(uint32_t *bytes, unsigned c) { bytes[c >> 5] |= 1u << (c & 31); }

/* --- program (tool_regex_program.c) --- */
enum op { I_BYTE, I_SET, I_SPLIT, I_JUMP, I_SAVE, I_MARK, I_PROGRESS, I_ASSERT, I_BACKREF, I_MATCH };
struct inst {
    uint8_t op, lo, hi; /* BYTE: a range */
    uint32_t x, y; /* next; SPLIT and PROGRESS prefer x. SET: y is the set; SAVE, MARK: y the slot */
    uint32_t mark; /* PROGRESS: without progress since this slot was set, only y */
};
#define PROGRAM_MAX 150000
struct dfa;
struct rx {
    int flags, utf8, groups, slots;
    int has_alt, has_backref, has_assert, only_at_start, nullable;
    int whole_chars; /* no match starts within a character */
    uint64_t iterated;
    struct inst *prog;
    uint32_t n, cap;
    uint32_t (*sets)[8];
    uint32_t n_sets;
    uint8_t byte_class[256];
    int n_classes;
    uint8_t first[256]; /* bytes a match can begin with, where not nullable */
    int only_first;     /* the single such byte, or -1 */
    char *literal;      /* the whole expression is these bytes */
    size_t literal_len;
    struct dfa *search, *longest, *search_lines;
};
int program_build(struct rx *rx, const struct tree *t);

/* --- context of a position --- */
enum { AT_START = 1, AFTER_NEWLINE = 2, AFTER_WORD = 4 };
enum { BEFORE_END = 8, BEFORE_NEWLINE = 16, BEFORE_WORD = 32 };
static inline int is_word(const struct rx *rx, unsigned c) {
    return (c | 32) - 'a' < 26 || c - '0' < 10 || c == '_' || (rx->utf8 && c >= 0x80);
}
static inline int within_char(const struct rx *rx, unsigned c) { return rx->whole_chars && (c & 0xC0) == 0x80; }
int context_before(const struct rx *rx, const char *text, size_t at);
int context_after(const struct rx *rx, const char *text, size_t n, size_t at);
int assert_holds(int assertion, int context, int lines);

/* --- matching --- */
struct dfa *dfa_make(struct rx *rx, int unanchored);
void dfa_free(struct dfa *d);
/* Unanchored: where the first match (by its end) ends; anchored: where the longest match that
 * starts at `from` ends. -1: none. */
ptrdiff_t dfa_run(struct dfa *d, const char *text, size_t n, size_t from);
/* Captures within a match known to be text[from..to). slots has rx->slots entries. */
int captures_find(const struct rx *rx, const char *text, size_t n, size_t from, size_t to, size_t *slots);
/* With back-references: the longest match that starts at `from`; its end or -1. */
ptrdiff_t backref_match(const struct rx *rx, const char *text, size_t n, size_t from, size_t *slots);
#endif
