/* xargs. One command at a time whatever -P says: order is then the same in every run. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host.h"
#include "tool_file.h"

enum { BYTES_MAX = 128 * 1024 - 2048, PRIVATE_FD = 10 };
enum { STATUS_FAILED = 123, STATUS_255 = 124, STATUS_SIGNAL = 125, STATUS_UNRUNNABLE = 126, STATUS_MISSING = 127 };

struct xargs {
    FILE *in;
    char **command;
    int words;
    const char *replace, *end_word;
    int delimiter;              /* -1: blanks and newlines, with quotes */
    int64_t per_run, lines, bytes;
    bool skip_empty, trace, strict;
    char **items;
    int count, cap;
    int64_t items_bytes, base_bytes;
    int lines_read;
    bool ran;
    int status;
};

enum token { TOKEN_END, TOKEN_WORD, TOKEN_WORD_LINE /* and its line ends */, TOKEN_STOP };

struct word {
    char *s;
    size_t len, cap;
};

static void word_add(struct word *w, int c) {
    if (w->len + 2 > w->cap) w->s = xrealloc(w->s, w->cap = w->cap * 2 + 64);
    w->s[w->len++] = (char)c;
    w->s[w->len] = '\0';
}

static bool is_blank(int c) { return c == ' ' || c == '\t'; }

/* Up to the delimiter; the last one may lack it. */
static enum token next_delimited(struct xargs *x, struct word *w) {
    int c = getc(x->in);

    if (c == EOF) return TOKEN_END;
    for (; c != EOF && c != x->delimiter; c = getc(x->in)) word_add(w, c);
    return TOKEN_WORD_LINE;
}

static void run_items(struct xargs *x);

static void add_quoted(struct xargs *x, struct word *w, int quote) {
    int c;

    while ((c = getc(x->in)) != quote) {
        if (c == EOF || c == '\n') {
            tool_warn("unmatched %s quote; by default quotes are special to xargs unless you use the -0 option",
                      quote == '"' ? "double" : "single");
            if (x->count) run_items(x);
            exit(1);
        }
        word_add(w, c);
    }
}

/* Blanks after a word: whether the line ends with them (a blank before the newline means
 * that -L's line goes on). */
static bool line_ends(struct xargs *x, int c) {
    bool blank = false;

    while (is_blank(c)) {
        blank = true;
        c = getc(x->in);
    }
    if (c == '\n' || c == EOF) return !blank || c == EOF;
    ungetc(c, x->in);
    return false;
}

static enum token next_quoted(struct xargs *x, struct word *w) {
    int c = getc(x->in);

    while (is_blank(c) || c == '\n') c = getc(x->in);
    if (c == EOF) return TOKEN_END;
    word_add(w, 0);
    w->len = 0;
    for (; c != EOF && c != '\n' && (x->replace || !is_blank(c)); c = getc(x->in)) {
        if (c == '\'' || c == '"') {
            add_quoted(x, w, c);
        } else if (c == '\\') {
            c = getc(x->in);
            if (c == EOF) break;
            word_add(w, c);
        } else {
            word_add(w, c);
        }
    }
    return line_ends(x, c) ? TOKEN_WORD_LINE : TOKEN_WORD;
}

static enum token next_item(struct xargs *x, char **out) {
    struct word w = {NULL, 0, 0};
    enum token t = x->delimiter >= 0 ? next_delimited(x, &w) : next_quoted(x, &w);

    if (t == TOKEN_END) {
        free(w.s);
        return t;
    }
    *out = w.s ? w.s : xstrdup("");
    if (x->end_word && x->delimiter < 0 && !strcmp(*out, x->end_word)) return TOKEN_STOP;
    return t;
}

static void finish(struct xargs *x, int status) {
    exit(status ? status : x->status);
}

static void judge(struct xargs *x, const char *name, int status) {
    int sig = status >> 8 & 0xff, code = status & 0xff;

    if (sig) {
        tool_warn("%s: terminated by signal %d", name, sig);
        finish(x, STATUS_SIGNAL);
    }
    if (code == 255) {
        tool_warn("%s: exited with status 255; aborting", name);
        finish(x, STATUS_255);
    }
    if (code == STATUS_UNRUNNABLE || code == STATUS_MISSING) finish(x, code);
    if (code) x->status = STATUS_FAILED;
}

static void run(struct xargs *x, char **argv) {
    int32_t status = 0, pid, got;

    x->ran = true;
    if (x->trace)
        for (char **a = argv; *a; a++) fprintf(stderr, "%s%c", *a, a[1] ? ' ' : '\n');
    fflush(stdout);
    pid = sh_spawn(argv, NULL);
    if (pid < 0) tool_die(1, "cannot start a process: %s", strerror(-pid));
    do got = mr_proc_wait(pid, 0, &status);
    while (got == -EINTR);
    judge(x, argv[0], status);
}

static void run_items(struct xargs *x) {
    char **argv = xmalloc((size_t)(x->words + x->count + 1) * sizeof *argv);

    memcpy(argv, x->command, (size_t)x->words * sizeof *argv);
    if (x->count) memcpy(argv + x->words, x->items, (size_t)x->count * sizeof *argv);
    argv[x->words + x->count] = NULL;
    run(x, argv);
    free(argv);
    while (x->count) free(x->items[--x->count]);
    x->items_bytes = 0;
    x->lines_read = 0;
}

static char *replaced(const char *word, const char *what, const char *with) {
    struct word w = {NULL, 0, 0};
    size_t n = strlen(what);

    word_add(&w, 0);
    w.len = 0;
    while (*word) {
        if (n && !strncmp(word, what, n)) {
            for (const char *s = with; *s; s++) word_add(&w, *s);
            word += n;
        } else {
            word_add(&w, *word++);
        }
    }
    return w.s;
}

static void run_replaced(struct xargs *x, const char *item) {
    char **argv = xmalloc((size_t)(x->words + 1) * sizeof *argv);
    int64_t bytes = 0;

    for (int i = 0; i < x->words; i++) {
        argv[i] = replaced(x->command[i], x->replace, item);
        bytes += (int64_t)strlen(argv[i]) + 1;
    }
    argv[x->words] = NULL;
    if (bytes > x->bytes) tool_die(1, "argument list too long");
    run(x, argv);
    for (int i = 0; i < x->words; i++) free(argv[i]);
    free(argv);
}

static void add_item(struct xargs *x, char *item) {
    int64_t bytes = (int64_t)strlen(item) + 1;

    if (x->base_bytes + bytes > x->bytes) tool_die(1, "argument line too long");
    if (x->count && x->base_bytes + x->items_bytes + bytes > x->bytes) {
        if (x->strict && (x->per_run || x->lines)) tool_die(1, "argument list too long");
        run_items(x);
    }
    if (x->count == x->cap) x->items = xrealloc(x->items, (size_t)(x->cap = x->cap * 2 + 64) * sizeof *x->items);
    x->items[x->count++] = item;
    x->items_bytes += bytes;
}

static void process(struct xargs *x) {
    enum token t;
    char *item;

    while ((t = next_item(x, &item)) == TOKEN_WORD || t == TOKEN_WORD_LINE) {
        if (x->replace) {
            run_replaced(x, item);
            free(item);
            continue;
        }
        add_item(x, item);
        x->lines_read += t == TOKEN_WORD_LINE;
        if ((x->per_run && x->count >= x->per_run) || (x->lines && x->lines_read >= x->lines)) run_items(x);
    }
    if (ferror(x->in)) tool_die(1, "read error: %s", strerror(errno));
    if (!x->replace && (x->count || (!x->ran && !x->skip_empty))) run_items(x);
}

/* Commands must not eat the list: they read from /dev/null. */
static void open_list(struct xargs *x, const char *file) {
    int fd, empty;

    if (file) {
        x->in = fopen(file, "r");
        if (!x->in) tool_die(1, "Cannot open input file %s: %s", marked(file), strerror(errno));
        return;
    }
    fd = mr_fd_dup(STDIN_FILENO, PRIVATE_FD);
    empty = open("/dev/null", O_RDONLY);
    if (empty >= 0 && fd >= 0) mr_fd_dup2(empty, STDIN_FILENO);
    if (empty > STDERR_FILENO) close(empty);
    x->in = fdopen(fd < 0 ? STDIN_FILENO : fd, "r");
    if (!x->in) tool_die(1, "cannot read the list: %s", strerror(errno));
}

static int delimiter_of(const char *text) {
    static const char from[] = "abfnrtv0\\", to[] = "\a\b\f\n\r\t\v\0\\";
    const char *at;
    char *end;
    long value;

    if (text[0] && !text[1]) return (unsigned char)text[0];
    if (text[0] == '\\' && text[1] && !text[2] && (at = strchr(from, text[1]))) return (unsigned char)to[at - from];
    if (text[0] == '\\' && text[1]) {
        value = text[1] == 'x' ? strtol(text + 2, &end, 16) : strtol(text + 1, &end, 8);
        if (!*end && value >= 0 && value < 256) return (int)value;
    }
    tool_die(1, "Invalid input delimiter specification %s: the delimiter must be either a single character or an "
                "escape sequence starting with \\.", text);
}

static int64_t count_of(const char *text, int opt) {
    int64_t n;

    if (!number_parse(text, &n)) {
        usage_error("invalid number \"%s\" for -%c option", text, opt);
        exit(1);
    }
    if (n < 1 && opt != 'P') {
        usage_error("value %s for -%c option should be >= 1", text, opt);
        exit(1);
    }
    return n;
}

static const struct longopt longs[] = {{"null", 0, '0'},          {"arg-file", 1, 'a'},     {"delimiter", 1, 'd'},
                                       {"eof", 2, 'e'},           {"replace", 2, 'i'},      {"max-lines", 2, 'l'},
                                       {"max-args", 1, 'n'},      {"no-run-if-empty", 0, 'r'}, {"max-chars", 1, 's'},
                                       {"verbose", 0, 't'},       {"exit", 0, 'x'},         {"max-procs", 1, 'P'},
                                       {"interactive", 0, 'p'},   {NULL, 0, 0}};

static void choose(struct xargs *x, int c, const char *arg) {
    switch (c) {
    case '0': x->delimiter = '\0'; break;
    case 'd': x->delimiter = delimiter_of(arg); break;
    case 'e':
    case 'E': x->end_word = arg && *arg ? arg : NULL; break;
    case 'i':
    case 'I': x->replace = arg ? arg : "{}"; x->per_run = x->lines = 0; break;
    case 'l':
    case 'L': x->lines = arg ? count_of(arg, c) : 1; x->per_run = 0; x->replace = NULL; break;
    case 'n':
        x->per_run = count_of(arg, c);
        x->lines = 0;
        if (x->per_run != 1) x->replace = NULL;
        break;
    case 'P': count_of(arg, c); break;
    case 'r': x->skip_empty = true; break;
    case 's': x->bytes = count_of(arg, c); if (x->bytes > BYTES_MAX) x->bytes = BYTES_MAX; break;
    case 't': x->trace = true; break;
    case 'x': x->strict = true; break;
    case 'p': tool_die(1, "failed to open /dev/tty for reading: No such device or address");
    default: break;
    }
}

int tool_xargs(int argc, char **argv) {
    static char *echo[] = {(char *)"echo"};
    struct opts o = opts_start(argc, argv);
    struct xargs x = {.delimiter = -1, .bytes = BYTES_MAX, .command = echo, .words = 1};
    const char *file = NULL;
    int c;

    while ((c = opts_next(&o, "+0a:d:E:e::I:i::L:l::n:prs:tP:x", longs)) > 0) {
        if (c == 'a') file = o.arg;
        choose(&x, c, o.arg);
    }
    if (c != OPT_END) return opts_status(c);
    if (o.operands) {
        x.command = argv + 1;
        x.words = o.operands;
    }
    for (int i = 0; i < x.words; i++) x.base_bytes += (int64_t)strlen(x.command[i]) + 1;
    if (x.base_bytes > x.bytes) tool_die(1, "cannot fit single argument within argument list size limit");
    open_list(&x, file);
    process(&x);
    return x.status;
}
