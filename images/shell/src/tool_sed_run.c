/* The cycle: input across files, addresses, commands. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tool_sed.h"

/* What is written when the cycle ends: text of a, a file of r, a line of R. */
struct append {
    char op;
    const char *text;
    size_t len;
    char *owned;
};
struct run {
    struct sed *sed;
    char **files;
    int n_files, at; /* at: the next to open */
    struct reader in;
    int open, status, quit;
    const char *name;
    int64_t line;
    struct text space, hold, scratch;
    int chomped, hold_chomped; /* the line in the pattern (hold) space had its newline */
    int replaced, skip_read; /* t's flag; D: go on with what is left */
    struct rx *last;
    struct append *appends;
    size_t n_appends;
    struct sed_output *to; /* stdout, or the file edited in place */
    struct sed_output edited;
    struct text edited_text;
};

/* --- output --- */
static void put(struct run *r, struct sed_output *o, const char *p, size_t n, int newline) {
    if (o->missing_newline) {
        out_byte(&o->out, r->sed->delim);
        o->missing_newline = 0;
    }
    out_put(&o->out, p, n);
    if (newline) out_byte(&o->out, r->sed->delim);
    else if (n) o->missing_newline = 1;
    /* Others may read a w file while the script runs. */
    if (r->sed->unbuffered || (o != r->to && o->out.fd != STDOUT_FILENO)) out_flush(&o->out);
}

static void line_complete(struct run *r) {
    if (r->to->missing_newline) out_byte(&r->to->out, r->sed->delim);
    r->to->missing_newline = 0;
}

static void put_text(struct run *r, const char *p, size_t n) { /* complete lines, or a file's contents */
    line_complete(r);
    out_put(&r->to->out, p, n);
}

static void append_add(struct run *r, struct append a) {
    r->appends = xrealloc(r->appends, sizeof *r->appends * (r->n_appends + 1));
    r->appends[r->n_appends++] = a;
}

static void append_file(struct run *r, const char *name) {
    int fd = strcmp(name, "/dev/stdin") ? input_open(name) : STDIN_FILENO;
    char *buf = xmalloc(IO_CHUNK);
    ssize_t n;
    if (fd >= 0) { /* a file that cannot be read counts as empty: POSIX */
        while ((n = input_read(fd, buf, IO_CHUNK)) > 0) put_text(r, buf, (size_t)n);
        input_close(fd);
    }
    free(buf);
}

static void appends_flush(struct run *r) {
    for (size_t i = 0; i < r->n_appends; i++) {
        struct append *a = &r->appends[i];
        line_complete(r);
        if (a->op == 'r') append_file(r, a->text);
        else if (a->op == 'R') put(r, r->to, a->text, a->len, 1);
        else put_text(r, a->text, a->len);
        free(a->owned);
    }
    r->n_appends = 0;
    if (r->sed->unbuffered) out_flush(&r->to->out);
}

/* --- input --- */
static void edited_add(void *text, const char *p, size_t n) { text_add(text, p, n); }

static void edit_start(struct run *r, const char *name) {
    r->edited_text.len = 0;
    r->edited = (struct sed_output){.name = name};
    out_start(&r->edited.out, -1, 1);
    r->edited.out.memory = &r->edited_text;
    r->edited.out.to_memory = edited_add;
    r->to = &r->edited;
}

static int copy_to(const char *name, const char *p, size_t n) {
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0666), status;
    struct out out;
    if (fd < 0) tool_die(4, "couldn't open file %s: %s", name, strerror(errno));
    out_start(&out, fd, 0);
    out_put(&out, p, n);
    status = out_end(&out, 0);
    close(fd);
    return status;
}

static char *backup_name(const char *name, const char *suffix) {
    const char *slash = strrchr(name, '/'), *base = slash && !strchr(suffix, '/') ? slash + 1 : name;
    struct text t = {0};
    text_add(&t, name, (size_t)(base - name));
    if (!strchr(suffix, '*')) text_add(&t, base, strlen(base));
    for (const char *s = suffix; *s; s++) {
        if (*s == '*') text_add(&t, base, strlen(base));
        else text_add(&t, s, 1);
    }
    return t.p;
}

/* The file itself is written anew at the end, so it keeps its mode. */
static void edit_finish(struct run *r) {
    if (r->to != &r->edited) return;
    out_flush(&r->edited.out);
    out_end(&r->edited.out, 0);
    if (r->sed->suffix) {
        char *data, *backup = backup_name(r->edited.name, r->sed->suffix);
        int fd = input_open(r->edited.name);
        ssize_t n = fd < 0 ? -1 : input_slurp(fd, &data);
        if (n < 0) tool_die(4, "cannot rename %s: %s", r->edited.name, strerror(errno));
        input_close(fd);
        if (copy_to(backup, data, (size_t)n)) exit(4);
        free(data);
        free(backup);
    }
    if (copy_to(r->edited.name, r->edited_text.len ? r->edited_text.p : "", r->edited_text.len)) exit(4);
    r->to = r->sed->script.outputs;
}

static void file_close(struct run *r) {
    if (!r->open) return;
    r->open = 0;
    if (r->in.err == EISDIR) r->in.err = 0;
    if (reader_close(&r->in, r->name)) r->status = 4;
    edit_finish(r);
}

static int file_open(struct run *r, const char *name) {
    struct stat st;
    int from_stdin = !strcmp(name, "-") && !r->sed->in_place;
    if (r->sed->in_place && stat(name, &st) == 0 && !S_ISREG(st.st_mode)) {
        tool_warn("couldn't edit %s: not a regular file", name);
        r->status = 4;
        return 0;
    }
    int fd = from_stdin ? STDIN_FILENO : open(name, O_RDONLY);
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        tool_warn("read error on %s: Is a directory", name);
        close(fd);
        r->status = 4;
        return 0;
    }
    if (fd < 0) {
        tool_warn("can't read %s: %s", name, strerror(errno));
        r->status = 2;
        return 0;
    }
    reader_start(&r->in, fd, r->sed->delim);
    r->open = 1;
    r->name = name;
    if (r->sed->separate) r->line = 0;
    if (r->sed->in_place) edit_start(r, name);
    return 1;
}

static int has_line(struct run *r) {
    char *line;
    if (r->in.beg < r->in.end) return 1;
    if (r->in.eof) return 0;
    size_t n = reader_line(&r->in, &line);
    r->in.beg -= n; /* nothing was lost: the line is in the buffer */
    return n > 0;
}

/* No further line: in this file where files are separate, else in any. */
static int at_last(struct run *r) {
    if (r->open && has_line(r)) return 0;
    if (r->sed->separate) {
        if (r->open) return 1;
        return r->at >= r->n_files;
    }
    for (;;) {
        if (r->open && has_line(r)) return 0;
        file_close(r);
        if (r->at >= r->n_files) return 1;
        file_open(r, r->files[r->at++]);
    }
}

static int read_line(struct run *r, struct text *to) {
    for (;;) {
        if (r->open && has_line(r)) break;
        file_close(r);
        if (r->at >= r->n_files) return 0;
        file_open(r, r->files[r->at++]);
    }
    char *line;
    size_t n = reader_line(&r->in, &line);
    r->chomped = line[n - 1] == r->sed->delim;
    text_add(to, line, n - (size_t)r->chomped);
    r->line++;
    return 1;
}

/* --- addresses --- */
static int match_one(struct run *r, const struct address *a) {
    switch (a->kind) {
    case ADDR_NONE: return 1;
    case ADDR_LINE: return r->line == a->n;
    case ADDR_STEP: return r->line >= a->n && (r->line - a->n) % a->step == 0;
    case ADDR_LAST: return at_last(r);
    case ADDR_REGEX: {
        struct rx *rx = a->rx ? a->rx : r->last;
        if (!rx) tool_die(1, "-e expression #1, char 0: no previous regular expression");
        r->last = rx;
        return rx_search(rx, r->space.p, r->space.len, 0, NULL, 0);
    }
    default: return 0;
    }
}

static int range_begin(struct run *r, struct command *c) {
    if (!match_one(r, &c->a1)) return 0;
    switch (c->a2.kind) {
    case ADDR_LINE: c->range_end = c->a2.n; break;
    case ADDR_PLUS: c->range_end = r->line + c->a2.n; break;
    case ADDR_MULTIPLE: c->range_end = c->a2.n > 0 ? (r->line + c->a2.n - 1) / c->a2.n * c->a2.n : r->line; break;
    default: c->state = RANGE_ON; return 1;
    }
    if (c->range_end > r->line) c->state = RANGE_ON;
    return 1;
}

static int match_range(struct run *r, struct command *c) {
    if (c->state != RANGE_ON) return range_begin(r, c);
    if (c->a2.kind == ADDR_REGEX || c->a2.kind == ADDR_LAST) {
        if (match_one(r, &c->a2)) c->state = RANGE_OFF;
        return 1;
    }
    if (r->line >= c->range_end) c->state = RANGE_OFF;
    return r->line <= c->range_end ? 1 : c->a1.kind == ADDR_LINE ? 0 : range_begin(r, c);
}

static int selected(struct run *r, struct command *c) {
    int hit = c->a2.kind == ADDR_NONE ? match_one(r, &c->a1) : match_range(r, c);
    return hit != (c->negate > 0);
}

/* --- commands --- */
static void list_space(struct run *r, int64_t width) {
    static const char from[] = "\\\a\b\f\n\r\t\v", to[] = "\\abfnrtv";
    struct text t = {0};
    int64_t column = 0, most = width > 1 ? width - 1 : 0;
    for (size_t i = 0; i < r->space.len; i++) {
        unsigned char c = (unsigned char)r->space.p[i];
        char text[5] = {(char)c};
        const char *hit = c ? strchr(from, c) : NULL;
        if (hit) text[0] = '\\', text[1] = to[hit - from];
        else if (c < 32 || c > 126) text[0] = '\\', text[1] = (char)('0' + (c >> 6)), text[2] = (char)('0' + (c >> 3 & 7)), text[3] = (char)('0' + (c & 7));
        int64_t n = (int64_t)strlen(text);
        if (most && column + n > most) {
            text_add(&t, "\\\n", 2);
            column = 0;
        }
        text_add(&t, text, (size_t)n);
        column += n;
    }
    text_add(&t, "$", 1);
    put(r, r->to, t.p, t.len, 1);
    free(t.p);
}

static void transliterate(struct run *r, const struct command *c) {
    int utf8 = text_is_utf8();
    r->scratch.len = 0;
    text_add(&r->scratch, "", 0);
    for (size_t at = 0; at < r->space.len;) {
        uint32_t code = (unsigned char)r->space.p[at];
        char bytes[4];
        int len = utf8 ? utf8_decode(r->space.p + at, r->space.len - at, &code) : 1;
        size_t k = 0, n = len ? (size_t)len : 1;
        if (!len) code += 0x110000;
        while (k < c->n_map && c->map[k].from != code) k++;
        if (k == c->n_map) {
            text_add(&r->scratch, r->space.p + at, n);
        } else if (!utf8 || c->map[k].to >= 0x110000) {
            bytes[0] = (char)c->map[k].to;
            text_add(&r->scratch, bytes, 1);
        } else {
            text_add(&r->scratch, bytes, (size_t)utf8_encode(c->map[k].to, bytes));
        }
        at += n;
    }
    struct text swap = r->space;
    r->space = r->scratch;
    r->scratch = swap;
}

static void read_one(struct run *r, struct command *c) { /* R */
    char *line;
    if (!c->lines) {
        int fd = input_open(c->text.p);
        c->lines = xmalloc(sizeof *c->lines);
        reader_start(c->lines, fd, r->sed->delim);
        c->lines->eof = fd < 0;
    }
    size_t n = reader_line(c->lines, &line);
    if (!n) return;
    n -= line[n - 1] == r->sed->delim;
    char *copy = xmalloc(n + 1);
    memcpy(copy, line, n);
    append_add(r, (struct append){'R', copy, n, copy});
}

static void print_space(struct run *r) { put(r, r->to, r->space.p, r->space.len, r->chomped); }

static void substitute(struct run *r, const struct command *c) {
    if (!sed_substitute(c->s, &r->last, &r->space, &r->scratch)) return;
    r->replaced = 1;
    if (c->s->print) print_space(r);
    if (c->s->write) put(r, c->s->write->out.fd == STDOUT_FILENO ? r->sed->script.outputs : c->s->write, r->space.p, r->space.len, r->chomped);
}

static size_t first_line(const struct run *r) {
    const char *hit = r->space.len ? memchr(r->space.p, r->sed->delim, r->space.len) : NULL;
    return hit ? (size_t)(hit - r->space.p) : r->space.len;
}

enum flow { GO_ON, END_CYCLE, DELETE, QUIT };

static enum flow next_line(struct run *r, int add) {
    if (at_last(r)) {
        if (r->sed->posix && add) return DELETE; /* POSIX: N at the end prints nothing */
        if (!r->sed->separate || r->at >= r->n_files) r->quit = 1;
        return END_CYCLE;
    }
    if (add) {
        text_add(&r->space, &r->sed->delim, 1);
    } else {
        if (!r->sed->quiet) print_space(r);
        r->space.len = 0;
    }
    appends_flush(r);
    read_line(r, &r->space);
    return GO_ON;
}

static enum flow change(struct run *r, struct command *c) {
    int in_range = c->a2.kind != ADDR_NONE && !c->negate && c->state == RANGE_ON;
    if (!in_range) put_text(r, c->text.p, c->text.len);
    return DELETE;
}

static enum flow delete_first(struct run *r) { /* D */
    size_t n = first_line(r);
    if (n == r->space.len) return DELETE;
    memmove(r->space.p, r->space.p + n + 1, r->space.len - n - 1);
    r->space.len -= n + 1;
    r->skip_read = 1;
    return DELETE;
}

static enum flow execute(struct run *r, struct command *c, size_t *pc) {
    struct sed *sed = r->sed;
    switch (c->op) {
    case '=': {
        char number[24];
        int n = 0;
        for (int64_t v = r->line; v > 0 || n == 0; v /= 10) number[23 - n++] = (char)('0' + v % 10);
        put_text(r, number + 24 - n, (size_t)n);
        out_byte(&r->to->out, '\n');
        break;
    }
    case 'a': append_add(r, (struct append){'a', c->text.p, c->text.len, NULL}); break;
    case 'i': put_text(r, c->text.p, c->text.len); break;
    case 'c': return change(r, c);
    case 'd': return DELETE;
    case 'D': return delete_first(r);
    case 'F': put(r, r->to, r->name, strlen(r->name), 1); break;
    case 'g':
        r->space.len = 0;
        text_add(&r->space, r->hold.p, r->hold.len);
        r->chomped = r->hold_chomped;
        break;
    case 'G':
        text_add(&r->space, &sed->delim, 1);
        text_add(&r->space, r->hold.p, r->hold.len);
        r->chomped = r->hold_chomped;
        break;
    case 'h':
        r->hold.len = 0;
        text_add(&r->hold, r->space.p, r->space.len);
        r->hold_chomped = r->chomped;
        break;
    case 'H':
        text_add(&r->hold, &sed->delim, 1);
        text_add(&r->hold, r->space.p, r->space.len);
        r->hold_chomped = r->chomped;
        break;
    case 'x': {
        struct text swap = r->space;
        r->space = r->hold;
        r->hold = swap;
        int chomped = r->chomped;
        r->chomped = r->hold_chomped;
        r->hold_chomped = chomped;
        break;
    }
    case 'l': list_space(r, c->number >= 0 ? c->number : sed->line_length); break;
    case 'n': return next_line(r, 0);
    case 'N': return next_line(r, 1);
    case 'p': print_space(r); break;
    case 'P': put(r, r->to, r->space.p, first_line(r), r->chomped || first_line(r) < r->space.len); break;
    case 'q': case 'Q':
        r->status = c->number > 0 ? (int)(c->number & 0xFF) : r->status;
        r->quit = 1;
        return c->op == 'q' ? END_CYCLE : DELETE;
    case 'r': append_add(r, (struct append){'r', c->text.p, c->text.len, NULL}); break;
    case 'R': read_one(r, c); break;
    case 's': substitute(r, c); break;
    case 'y': transliterate(r, c); break;
    case 'w': put(r, c->write->out.fd == STDOUT_FILENO ? sed->script.outputs : c->write, r->space.p, r->space.len, r->chomped); break;
    case 'W': put(r, c->write->out.fd == STDOUT_FILENO ? sed->script.outputs : c->write, r->space.p, first_line(r), r->chomped || first_line(r) < r->space.len); break;
    case 'z': r->space.len = 0; break;
    case 'b': *pc = c->target; break;
    case 't': case 'T':
        if (r->replaced == (c->op == 't')) *pc = c->target;
        r->replaced = 0;
        break;
    default: break; /* { } : v */
    }
    return GO_ON;
}

static void cycle(struct run *r) {
    struct script *s = &r->sed->script;
    enum flow flow = GO_ON;
    r->replaced = 0;
    for (size_t pc = 0; pc < s->n && flow == GO_ON;) {
        struct command *c = &s->v[pc++];
        if (c->op == '}' || c->op == ':') continue;
        if (!selected(r, c)) {
            if (c->op == '{') pc = c->target;
            continue;
        }
        flow = execute(r, c, &pc);
    }
    if (flow != DELETE && !r->sed->quiet) print_space(r);
    appends_flush(r);
}

int sed_run(struct sed *sed, char **files, int n) {
    struct run r = {.sed = sed, .files = files, .n_files = n, .to = sed->script.outputs, .name = "-", .hold_chomped = 1};
    text_add(&r.space, "", 0);
    text_add(&r.hold, "", 0);
    while (!r.quit) {
        if (!r.skip_read) {
            r.space.len = 0;
            if (!read_line(&r, &r.space)) break;
        }
        r.skip_read = 0;
        cycle(&r);
    }
    file_close(&r);
    for (struct sed_output *o = sed->script.outputs; o; o = o->next) {
        int status = out_end(&o->out, 0);
        if (status) r.status = status == 141 ? 141 : 4;
    }
    return r.status;
}
