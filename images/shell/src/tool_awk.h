/* awk: POSIX, with the additions of gawk that scripts use every day (gensub, strftime, systime,
 * length(array), delete array, nextfile, RS as a regular expression, **, and/or/xor/lshift/rshift).
 *
 * lexer -> syntax tree -> walk over the tree. Strings are counted references to bytes; a value
 * remembers whether it is a number, a string, or input that may look like a number. */
#ifndef MR_TOOL_AWK_H
#define MR_TOOL_AWK_H
#include "tool_regex.h"
#include "tool_text.h"

/* --- values (tool_awk_value.c) --- */
struct str {
    int refs;
    size_t len, cap; /* room for cap bytes and a NUL */
    char p[];
};
enum value_type { V_UNSET, V_NUMBER, V_STRING, V_INPUT, V_STRNUM };
struct value {
    enum value_type type; /* INPUT: not looked at yet; STRNUM: input that is a number */
    double num;           /* NUMBER, STRNUM */
    struct str *s;        /* STRING, INPUT, STRNUM */
};
struct str *str_new(const char *p, size_t n);
struct str *str_room(size_t n); /* len n, bytes to be filled in */
static inline struct str *str_ref(struct str *s) {
    s->refs++;
    return s;
}
void str_drop(struct str *s);
static inline struct value v_number(double d) { return (struct value){.type = V_NUMBER, .num = d}; }
static inline struct value v_string(struct str *s) { return (struct value){.type = V_STRING, .s = s}; }
static inline struct value v_input(struct str *s) { return (struct value){.type = V_INPUT, .s = s}; }
struct value v_text(const char *p, size_t n);
static inline struct value v_copy(struct value v) {
    if (v.s) v.s->refs++;
    return v;
}
static inline void v_drop(struct value v) {
    if (v.s) str_drop(v.s);
}
double v_to_number(struct value *v);
int v_is_true(struct value *v);
/* A new reference; `format` is CONVFMT or OFMT. */
struct str *v_to_str(const struct value *v, const struct str *format);
struct str *v_str(const struct value *v); /* with CONVFMT */
int v_compare(struct value *a, struct value *b);
/* The leading number of a text; *used is its length, 0 if there is none. */
double number_read(const char *p, size_t n, size_t *used);

/* --- arrays --- */
struct elem {
    struct elem *hash_next, *before, *after; /* in the order of their making */
    struct str *key;
    struct value v;
    uint32_t hash;
};
struct array {
    struct elem **table, *first, *last;
    size_t size, n;
};
struct array *array_new(void);
void array_clear(struct array *a);
struct elem *array_find(struct array *a, const struct str *key); /* or NULL */
struct elem *array_make(struct array *a, struct str *key);
void array_delete(struct array *a, const struct str *key);
void array_set_number(struct array *a, size_t index, struct value v); /* takes v */

/* --- variables --- */
enum var_kind { VAR_UNSET, VAR_SCALAR, VAR_ARRAY, VAR_REF };
struct var {
    enum var_kind kind;
    int borrowed; /* an array of the caller's */
    struct value v;
    struct array *a;
    struct var *ref; /* a parameter that the caller has not used yet: may become an array there */
};
enum special { NF, NR, FNR, FS, OFS, ORS, RS, SUBSEP, CONVFMT, OFMT, RSTART, RLENGTH, FILENAME, ENVIRON, ARGC, ARGV, SPECIALS };

/* --- syntax --- */
enum op {
    /* expressions */
    N_NUMBER, N_STRING, N_REGEX, N_GLOBAL, N_LOCAL, N_INDEX, N_FIELD, N_ASSIGN, N_COND, N_OR, N_AND, N_IN, N_MATCH,
    N_COMPARE, N_CONCAT, N_BINARY, N_MINUS, N_PLUS, N_NOT, N_STEP, N_CALL, N_BUILTIN, N_GETLINE, N_GROUP,
    /* statements */
    S_BLOCK, S_EXPR, S_PRINT, S_PRINTF, S_IF, S_WHILE, S_DO, S_FOR, S_FOR_IN, S_BREAK, S_CONTINUE, S_NEXT, S_NEXTFILE,
    S_EXIT, S_RETURN, S_DELETE,
};
struct node {
    enum op op;
    int detail; /* variable's or function's number; operator; STEP: +-1 before, +-2 behind; redirection */
    int line;
    struct node *a, *b, *c, *d; /* operands */
    struct node *next;          /* in a list */
    double num;
    struct str *s;
    struct rx *rx;
};
enum { REDIRECT_NONE, REDIRECT_FILE, REDIRECT_APPEND, REDIRECT_PIPE };
enum { GETLINE_PLAIN, GETLINE_FILE, GETLINE_COMMAND };
struct rule {
    struct node *pattern, *until, *body; /* until: of a range */
    int in_range;
};
struct function {
    char *name;
    int params, defined, line;
    struct node *body;
};
struct program {
    struct node *begin, *end; /* lists of blocks */
    struct node **begin_tail, **end_tail;
    struct rule *rules;
    size_t n_rules;
    struct function *functions;
    size_t n_functions;
    struct node **calls; /* all of them */
    size_t n_calls;
    char **names; /* of the globals, the special ones first */
    size_t n_names;
};

/* --- lexer and parser --- */
enum token {
    T_END, T_NEWLINE, T_NUMBER, T_STRING, T_NAME, T_CALL_NAME, T_BUILTIN,
    T_BEGIN, T_END_RULE, T_FUNCTION, T_IF, T_ELSE, T_WHILE, T_FOR, T_DO, T_BREAK, T_CONTINUE, T_NEXT, T_NEXTFILE, T_EXIT,
    T_RETURN, T_DELETE, T_IN, T_GETLINE, T_PRINT, T_PRINTF,
    T_ASSIGN_OP, T_EQ, T_NE, T_LE, T_GE, T_AND, T_OR, T_NO_MATCH, T_INCREMENT, T_DECREMENT, T_APPEND, T_POWER,
    T_CHAR, /* anything of one character: detail */
};
struct lexer {
    const char *p, *end;
    int line;
    enum token token, last;
    int detail; /* CHAR; ASSIGN_OP: its operator; BUILTIN: which */
    double num;
    struct str *text; /* STRING, NAME, CALL_NAME */
    const char *start;
};
void lex_next(struct lexer *l);
struct str *lex_regex(struct lexer *l); /* the current token was '/' or '/=' */
/* Replaces the escapes of a string in place and returns the new length. */
size_t awk_unescape(char *s, size_t n);
enum builtin {
    F_ATAN2, F_COS, F_EXP, F_INT, F_LOG, F_RAND, F_SIN, F_SQRT, F_SRAND, F_GSUB, F_INDEX, F_LENGTH, F_MATCH, F_SPLIT,
    F_SPRINTF, F_SUB, F_SUBSTR, F_TOLOWER, F_TOUPPER, F_CLOSE, F_FFLUSH, F_SYSTEM, F_GENSUB, F_STRFTIME, F_SYSTIME,
    F_AND, F_OR, F_XOR, F_LSHIFT, F_RSHIFT, F_COMPL, BUILTINS,
};
struct parser {
    struct lexer l;
    struct program *program;
    char **params; /* of the function being read */
    int n_params, in_function, in_loop, in_special, depth; /* special: BEGIN or END */
    int no_greater, no_in; /* print a > b; for (a in b) */
};
_Noreturn void awk_syntax(const struct lexer *l, const char *what);
struct node *node_make(struct parser *p, enum op op);
int is_char(const struct parser *p, int c);
void awk_skip_newlines(struct parser *p);
void expect_char(struct parser *p, int c);
struct node *parse_expression(struct parser *p);
struct node *parse_concatenation(struct parser *p); /* for print > EXPRESSION */
struct node *awk_parse_list(struct parser *p, int closing); /* comma-separated, perhaps empty */
int global_find(struct program *g, const char *name);
int awk_function_find(struct program *g, const char *name);
void awk_parse(struct program *g, const char *text, size_t n);

/* --- running --- */
struct awk {
    struct program program;
    struct var *globals;
    struct var *frame; /* of the running function */
    int depth, utf8;
    struct value result; /* of return */
    int in_end, exit_code;
    uint64_t random;
    double seed;
};
extern struct awk *awk;
_Noreturn void awk_die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
enum flow { GO_ON, FLOW_BREAK, FLOW_CONTINUE, FLOW_NEXT, FLOW_NEXTFILE, FLOW_RETURN };
struct value eval(struct node *x);
enum flow execute(struct node *x);
enum flow execute_rules(void);
void awk_depth_enter(const struct node *x); /* dies before the stack does; leave with awk->depth-- */
void execute_special(struct node *blocks); /* of BEGIN or END */
_Noreturn void awk_exit(int code); /* runs END unless it already does */
extern enum flow awk_pending;      /* next within a function: to be acted on by the statement */
struct array *eval_array(struct node *x);
struct str *eval_str(struct node *x);
double eval_number(struct node *x);
void assign(struct node *place, struct value v); /* takes v */
struct rx *eval_regex(struct node *x);
struct rx *regex_cached(struct str *s);
void special_changed(int which);
void assign_special(int which, struct value v); /* takes v */
struct str *awk_subscript(struct node *list);
int awk_assign_argument(const char *text);    /* name=value; 1 */
struct value *special(int which); /* its value as a scalar */
struct str *special_str(int which); /* as text; borrowed until it changes */

/* --- records and fields (tool_awk_record.c) --- */
void record_set(struct str *s); /* takes s */
struct str *record_get(void);   /* borrowed */
struct value field_get(int64_t i);
void field_set(int64_t i, struct value v); /* takes v */
void fields_need(void); /* NF is about to be looked at */
void fields_resize(int64_t n);
/* Calls put(context, text, length) for each piece; rx (or NULL) goes before fs. */
void split_text(const struct str *s, struct str *fs, struct rx *rx, int newline_too,
                void (*put)(void *, const char *, size_t), void *context);
size_t char_length(const char *p, size_t n);               /* characters */
size_t char_offset(const char *p, size_t n, size_t chars); /* bytes of the first `chars` */

/* --- streams (tool_awk_stream.c) --- */
struct stream;
int read_record(struct stream *in, struct str **record); /* 1; 0 at the end; -1 on error */
struct stream *input_stream(struct str *name, int command); /* NULL: cannot be opened */
struct stream *main_input(int fd);
void stream_end(struct stream *s);
struct out *output_stream(struct str *name, int how); /* REDIRECT_* */
int stream_close(struct str *name);
int stream_flush(struct str *name); /* NULL: all */
int streams_close_all(void);
/* Children with a pipe (tool_awk_pipe.c). */
int pipe_open(const char *command, int writing, int *pid); /* our end, or -1 */
int pipe_wait(int pid);
void streams_forget(void); /* in a child: closes what it has of ours */
/* The next record of the files in ARGV: 0 when there is none left. */
int next_record(struct str **record);
void next_file(void);

/* --- functions --- */
struct value call_builtin(struct node *x);
struct str *awk_format(struct value *args, size_t n); /* args[0] is the format */
#endif
