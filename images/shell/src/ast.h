/* The syntax tree: what the parser makes and the executor walks. Every piece lives in
 * the arena of the complete command it belongs to. */
#ifndef MR_AST_H
#define MR_AST_H
#include <stddef.h>

enum part_kind { PART_TEXT, PART_PARAM, PART_COMMAND, PART_ARITH };

enum param_op {
    OP_NONE,
    OP_LENGTH,
    OP_DEFAULT,   /* ${x-w} */
    OP_ASSIGN,    /* ${x=w} */
    OP_REQUIRE,   /* ${x?w} */
    OP_ALTERNATE, /* ${x+w} */
    OP_PREFIX,    /* ${x#w} */
    OP_PREFIX_LONG,
    OP_SUFFIX, /* ${x%w} */
    OP_SUFFIX_LONG,
    OP_BAD, /* reported only if it is expanded, as POSIX asks */
};

/* A piece of a word. Quoted text is never split, never a pattern. */
struct part {
    struct part *next;
    unsigned char kind;
    unsigned char quoted;
    unsigned char op;    /* PART_PARAM */
    unsigned char colon; /* PART_PARAM: ${x:-w} and its kin */
    int line;
    size_t len;
    const char *text;   /* PART_TEXT; name of PART_PARAM */
    struct part *inner; /* operand of PART_PARAM; expression of PART_ARITH */
    struct node *body;  /* PART_COMMAND */
};

struct word {
    struct word *next;
    struct part *parts;
};

enum redirect_kind {
    REDIR_IN,
    REDIR_OUT,
    REDIR_CLOBBER,
    REDIR_APPEND,
    REDIR_BOTH, /* <> */
    REDIR_DUP_IN,
    REDIR_DUP_OUT,
    REDIR_HERE,
};

struct redirect {
    struct redirect *next;
    enum redirect_kind kind;
    int fd;
    struct word target; /* for REDIR_HERE the document */
    /* While parsing a here-document only: */
    const char *delimiter;
    int strip_tabs;
    int raw;
};

struct assignment {
    struct assignment *next;
    const char *name;
    struct word value;
};

enum node_kind {
    NODE_SIMPLE,
    NODE_PIPELINE,
    NODE_NOT,
    NODE_AND_OR, /* its first command, then second: a list of the two kinds below */
    NODE_AND,
    NODE_OR,
    NODE_SEQUENCE,
    NODE_ASYNC,
    NODE_SUBSHELL,
    NODE_GROUP,
    NODE_IF,
    NODE_WHILE,
    NODE_UNTIL,
    NODE_FOR,
    NODE_CASE,
    NODE_FUNCTION,
};

struct case_item {
    struct case_item *next;
    struct word *patterns;
    struct node *body;
    int fall; /* ends with ;& */
};

/* One shape for all kinds; which fields count is said beside them. */
struct node {
    enum node_kind kind;
    int line;
    struct node *next;              /* in a pipeline or sequence */
    struct redirect *redirects;     /* simple and compound commands */
    struct word *words;             /* simple: arguments; for: list; case: subject */
    struct assignment *assignments; /* simple */
    const char *name;               /* for: variable; function: name */
    int has_list;                   /* for: "in" was given */
    struct case_item *items;        /* case */
    struct node *first;             /* condition, left side, first of a list, body */
    struct node *second;            /* then/do part, right side */
    struct node *third;             /* else part */
};
#endif
