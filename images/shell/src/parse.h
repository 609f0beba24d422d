/* Input, lexer and parser of one script (or string). */
#ifndef MR_PARSE_H
#define MR_PARSE_H
#include "ast.h"
#include "memory.h"

enum { CHAR_END = -1 };

struct alias;
/* Where characters come from: a stack, an alias or re-read text lying on the script. */
struct source {
    struct source *below;
    const char *start, *p, *end;
    struct alias *alias; /* whose value this is, marked in use until it is read up */
    char *owned;         /* freed with the source */
    int fd;              /* script read line by line from here; -1: text only */
    int counts_lines;
    int at_end;
    const char *to_show; /* of a script file: what set -v has still to show; NULL: nothing */
};

enum token {
    TOK_END,
    TOK_NEWLINE,
    TOK_WORD,
    TOK_IO_NUMBER,
    TOK_AND_IF,
    TOK_OR_IF,
    TOK_DSEMI,
    TOK_SEMI_AND,
    TOK_SEMI,
    TOK_AMP,
    TOK_PIPE,
    TOK_LPAREN,
    TOK_RPAREN,
    TOK_LESS,
    TOK_GREAT,
    TOK_DLESS,
    TOK_DLESSDASH,
    TOK_DGREAT,
    TOK_LESSAND,
    TOK_GREATAND,
    TOK_LESSGREAT,
    TOK_CLOBBER,
};

struct parser {
    struct arena *arena; /* of the command being parsed */
    struct source *source;
    struct source base;
    int line;
    int failed; /* a syntax error was reported; all characters read as the end */
    int depth;
    /* the token that was read ahead */
    int have_token;
    enum token token;
    struct part *parts; /* of TOK_WORD */
    int number;         /* TOK_IO_NUMBER */
    int replaced;       /* what is read next is the value of the alias just read */
    struct source *ended; /* texts read up inside the last token: still in use */
    int alias_next;     /* an alias value ended in a blank: look at the next word too */
    struct redirect **heredocs; /* whose documents begin after the next newline */
    int heredoc_count, heredoc_cap;
    int closes_at_end; /* the text of `...`: its end takes the place of the parenthesis */
};

/* input.c */
void parser_open_text(struct parser *p, const char *text, size_t len, int line);
void parser_open_fd(struct parser *p, int fd);
void parser_close(struct parser *p);
int read_char(struct parser *p);  /* with backslash-newline removed */
int read_raw(struct parser *p);   /* as it stands */
void unread_char(struct parser *p, int c);
int peek_char(struct parser *p);
void release_ended(struct source *ended);
void push_text(struct parser *p, char *owned, size_t len, struct alias *alias);
void syntax_error(struct parser *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* lexer.c */
enum token next_token(struct parser *p);
const char *token_text(enum token t);
void queue_heredoc(struct parser *p, struct redirect *r);
int read_delimiter(struct parser *p, struct redirect *r); /* 0: there is none */
void free_heredocs(struct parser *p);

/* word.c */
enum word_context {
    IN_WORD,        /* ends at a blank or operator */
    IN_BRACE,       /* operand of ${...}: ends at } */
    IN_BRACE_QUOTED, /* the same inside double quotes or a here-document */
    IN_HEREDOC,     /* ends with the text */
    IN_ARITH,       /* ends with the text */
};
struct part *parse_parts(struct parser *p, enum word_context ctx);
struct part *parse_text(struct parser *p, const char *s, size_t n, enum word_context ctx);

/* parser.c */
struct node *parse_command(struct parser *p, int *at_end);
int parser_is_empty(struct parser *p); /* nothing but blanks follows */
struct node *parse_substitution(struct parser *p);
/* The word's text if it is one piece of unquoted text, else NULL. */
const char *plain_text(const struct part *parts);
size_t name_length(const char *s, size_t n);
#endif
