/* awk: command line, and the main loop. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_awk.h"

extern char **environ;
struct awk *awk;

void awk_die(const char *fmt, ...) {
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    stream_flush(NULL);
    tool_warn("%s", text);
    exit(2);
}

/* name=value, from -v or ARGV: escapes count, and the value may be a number. */
int awk_assign_argument(const char *text) {
    const char *equals = strchr(text, '=');
    char *name = xstrdup(text);
    name[equals - text] = '\0';
    for (size_t i = 0; i < awk->program.n_functions; i++)
        if (!strcmp(awk->program.functions[i].name, name)) awk_die("'%s' is a function, not a variable", name);
    size_t known = awk->program.n_names;
    int which = global_find(&awk->program, name);
    free(name);
    if ((size_t)which == known) { /* the program does not use it */
        free(awk->program.names[--awk->program.n_names]);
        return 1;
    }
    struct str *value = str_new(equals + 1, strlen(equals + 1));
    value->len = awk_unescape(value->p, value->len);
    value->p[value->len] = '\0';
    struct node place = {.op = N_GLOBAL, .detail = which};
    assign(&place, v_input(value));
    return 1;
}

static void set_text(int which, const char *text) { assign_special(which, v_text(text, strlen(text))); }

static void set_element(struct array *a, const char *key, size_t key_len, const char *value) {
    struct str *k = str_new(key, key_len);
    struct elem *e = array_make(a, k);
    str_drop(k);
    v_drop(e->v);
    e->v = v_input(str_new(value, strlen(value)));
}

static void variables_start(int argc, char **argv) {
    awk->globals = xmalloc(sizeof *awk->globals * awk->program.n_names);
    memset(awk->globals, 0, sizeof *awk->globals * awk->program.n_names);
    assign_special(NF, v_number(0));
    assign_special(NR, v_number(0));
    assign_special(FNR, v_number(0));
    assign_special(RSTART, v_number(0));
    assign_special(RLENGTH, v_number(-1));
    set_text(FS, " ");
    set_text(OFS, " ");
    set_text(ORS, "\n");
    set_text(RS, "\n");
    set_text(SUBSEP, "\034");
    set_text(CONVFMT, "%.6g");
    set_text(OFMT, "%.6g");
    set_text(FILENAME, "");
    struct var *env = &awk->globals[ENVIRON], *args = &awk->globals[ARGV];
    *env = (struct var){.kind = VAR_ARRAY, .a = array_new()};
    for (char **e = environ; e && *e; e++) {
        const char *equals = strchr(*e, '=');
        if (equals) set_element(env->a, *e, (size_t)(equals - *e), equals + 1);
    }
    *args = (struct var){.kind = VAR_ARRAY, .a = array_new()};
    for (int i = 0; i < argc; i++) {
        char key[16];
        set_element(args->a, key, (size_t)snprintf(key, sizeof key, "%d", i), argv[i]);
    }
    assign_special(ARGC, v_number(argc));
}

static void run(void) {
    execute_special(awk->program.begin);
    if (awk->program.n_rules || awk->program.end) {
        struct str *record;
        while (next_record(&record)) {
            assign_special(NR, v_number(v_to_number(special(NR)) + 1));
            assign_special(FNR, v_number(v_to_number(special(FNR)) + 1));
            record_set(record);
            execute_rules();
        }
    }
    awk_exit(-1);
}

struct source {
    char *text;
    size_t len;
};

static void source_add(struct source *s, const char *text, size_t n) {
    s->text = xrealloc(s->text, s->len + n + 2);
    memcpy(s->text + s->len, text, n);
    s->len += n;
    s->text[s->len++] = '\n';
}

static void source_read(struct source *s, const char *name) {
    char *data;
    int fd = input_open(name);
    ssize_t n = fd < 0 ? -1 : input_slurp(fd, &data);
    if (n < 0) tool_die(2, "cannot open '%s': %s", name, strerror(errno));
    input_close(fd);
    source_add(s, data, (size_t)n);
    free(data);
}

int tool_awk(int argc, char **argv) {
    static const struct longopt longs[] = {{"field-separator", 1, 'F'}, {"assign", 1, 'v'}, {"file", 1, 'f'},
        {"source", 1, 'e'}, {"posix", 0, 'P'}, {"re-interval", 0, 'P'}, {0}};
    struct opts o = opts_start(argc, argv);
    struct source source = {0};
    const char *fs = NULL, **sets = xmalloc(sizeof *sets * (size_t)argc);
    int c, n_sets = 0;
    while ((c = opts_next(&o, "+F:v:f:e:", longs)) != OPT_END) switch (c) {
        case 'F': fs = o.arg; break;
        case 'v':
            if (!strchr(o.arg, '=') || *o.arg == '=') tool_die(2, "'%s' is no assignment", o.arg);
            sets[n_sets++] = o.arg;
            break;
        case 'f': source_read(&source, o.arg); break;
        case 'e': source_add(&source, o.arg, strlen(o.arg)); break;
        case 'P': break;
        default: return c == OPT_HELP ? 0 : 2;
        }
    char **rest = argv + 1;
    int n = o.operands;
    if (!source.text) {
        if (!n) usage_die(2, "no program given");
        source_add(&source, rest[0], strlen(rest[0]));
        rest++;
        n--;
    }
    char **words = xmalloc(sizeof *words * (size_t)(n + 1));
    words[0] = "awk";
    memcpy(words + 1, rest, sizeof *words * (size_t)n);
    awk = xmalloc(sizeof *awk);
    *awk = (struct awk){.utf8 = text_is_utf8(), .random = 0x9E3779B97F4A7C15u};
    awk_parse(&awk->program, source.text, source.len);
    variables_start(n + 1, words);
    for (int i = 0; i < n_sets; i++) awk_assign_argument(sets[i]);
    if (fs) {
        struct str *s = str_new(fs, strlen(fs));
        s->len = awk_unescape(s->p, s->len);
        s->p[s->len] = '\0';
        if (s->len == 1 && s->p[0] == 't') s->p[0] = '\t'; /* -Ft, as POSIX has it */
        assign_special(FS, v_string(s));
    }
    run();
    return 0;
}
