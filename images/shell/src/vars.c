/* Variables: their values, attributes, function locals, and the environment. */
#include "shell.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host.h"
#include "tool.h"

extern char **environ;

enum { BUCKETS = 61 };
static struct var *table[BUCKETS];
static int environ_stale = 1;
static int line_is_plain; /* LINENO was unset or assigned: it is a variable like others */

static unsigned hash(const char *name, size_t len) {
    unsigned h = 0;
    for (size_t i = 0; i < len; i++) h = h * 31 + (unsigned char)name[i];
    return h % BUCKETS;
}

int is_name(const char *s) {
    if (*s != '_' && !isalpha((unsigned char)*s)) return 0;
    while (*s == '_' || isalnum((unsigned char)*s)) s++;
    return *s == '\0';
}

struct var *var_find(const char *name, size_t len) {
    for (struct var *v = table[hash(name, len)]; v; v = v->next) {
        if (strncmp(v->name, name, len) == 0 && v->name[len] == '\0') return v;
    }
    return NULL;
}

static struct var *var_make(const char *name, size_t len) {
    struct var *v = var_find(name, len);
    if (v) return v;
    v = xmalloc(sizeof *v + len + 1);
    v->value = NULL;
    v->flags = 0;
    memcpy(v->name, name, len);
    v->name[len] = '\0';
    struct var **bucket = &table[hash(name, len)];
    v->next = *bucket;
    *bucket = v;
    return v;
}

const char *var_get(const char *name) {
    if (strcmp(name, "LINENO") == 0 && !line_is_plain) {
        static char line[12];
        snprintf(line, sizeof line, "%d", sh.line);
        return line;
    }
    struct var *v = var_find(name, strlen(name));
    return v ? v->value : NULL;
}

static void noticed(const struct var *v) {
    if (v->flags & VAR_EXPORT) environ_stale = 1;
    if (v->name[0] == 'L' && strcmp(v->name, "LINENO") == 0) line_is_plain = 1;
    if (v->name[0] == 'O' && strcmp(v->name, "OPTIND") == 0) sh.optind_reset = 1;
}

static int refuse_readonly(const struct var *v) {
    if (!(v->flags & VAR_READONLY)) return 0;
    warn("%s: is read only", v->name);
    return -1;
}

int var_set_n(const char *name, size_t len, const char *value) {
    struct var *v = var_make(name, len);
    if (refuse_readonly(v)) return -1;
    char *copy = xstrdup(value);
    free(v->value);
    v->value = copy;
    if (sh.options & OPT_ALLEXPORT) v->flags |= VAR_EXPORT;
    noticed(v);
    return 0;
}

int var_set(const char *name, const char *value) { return var_set_n(name, strlen(name), value); }

int var_flag(const char *name, unsigned flags) {
    struct var *v = var_make(name, strlen(name));
    v->flags |= flags;
    noticed(v);
    return 0;
}

int var_unset(const char *name) {
    if (strcmp(name, "LINENO") == 0) line_is_plain = 1;
    struct var *v = var_find(name, strlen(name));
    if (!v) return 0;
    if (refuse_readonly(v)) return -1;
    noticed(v);
    free(v->value);
    v->value = NULL;
    v->flags = 0;
    return 0;
}

const char *ifs_get(void) {
    const char *ifs = var_get("IFS");
    return ifs ? ifs : " \t\n";
}

static int by_name(const void *a, const void *b) {
    return strcmp((*(struct var *const *)a)->name, (*(struct var *const *)b)->name);
}

void vars_each(void (*see)(const struct var *, void *), void *arg) {
    size_t n = 0;
    for (int i = 0; i < BUCKETS; i++) {
        for (struct var *v = table[i]; v; v = v->next) n++;
    }
    struct var **all = xmalloc((n + 1) * sizeof *all);
    n = 0;
    for (int i = 0; i < BUCKETS; i++) {
        for (struct var *v = table[i]; v; v = v->next) {
            if (v->value || v->flags) all[n++] = v;
        }
    }
    qsort(all, n, sizeof *all, by_name);
    for (size_t i = 0; i < n; i++) see(all[i], arg);
    free(all);
}

void vars_forget_exports(void) {
    for (int i = 0; i < BUCKETS; i++) {
        for (struct var *v = table[i]; v; v = v->next) v->flags &= ~(unsigned)VAR_EXPORT;
    }
    environ_stale = 1;
}

char **vars_environ(void) {
    static char **list;
    if (!environ_stale) return list;
    if (list) {
        for (char **e = list; *e; e++) free(*e);
        free(list);
    }
    size_t n = 0;
    list = NULL;
    for (int i = 0; i < BUCKETS; i++) {
        for (struct var *v = table[i]; v; v = v->next) {
            if (!(v->flags & VAR_EXPORT) || !v->value) continue;
            list = xrealloc(list, (n + 2) * sizeof *list);
            size_t name = strlen(v->name), value = strlen(v->value);
            char *e = xmalloc(name + value + 2);
            memcpy(e, v->name, name);
            e[name] = '=';
            memcpy(e + name + 1, v->value, value + 1);
            list[n++] = e;
        }
    }
    if (!list) list = xmalloc(sizeof *list);
    list[n] = NULL;
    environ_stale = 0;
    environ = list; /* for getenv in the tools */
    return list;
}

/* One frame for each running function; a saved value goes back when it ends. */
struct saved_var {
    struct saved_var *next;
    struct var *var;
    char *value;
    unsigned flags;
};
struct frame {
    struct frame *below;
    struct saved_var *saved;
};
static struct frame *frames;
static int frame_count;

void locals_push(void) {
    struct frame *f = xmalloc(sizeof *f);
    f->below = frames;
    f->saved = NULL;
    frames = f;
    frame_count++;
}

void locals_pop(void) {
    struct frame *f = frames;
    while (f->saved) {
        struct saved_var *s = f->saved;
        f->saved = s->next;
        noticed(s->var);
        free(s->var->value);
        s->var->value = s->value;
        s->var->flags = s->flags;
        noticed(s->var);
        free(s);
    }
    frames = f->below;
    frame_count--;
    free(f);
}

int locals_depth(void) { return frame_count; }

int local_make(const char *name) {
    struct var *v = var_make(name, strlen(name));
    if (refuse_readonly(v)) return -1;
    for (struct saved_var *s = frames->saved; s; s = s->next) {
        if (s->var == v) return 0;
    }
    struct saved_var *s = xmalloc(sizeof *s);
    s->next = frames->saved;
    s->var = v;
    s->value = v->value ? xstrdup(v->value) : NULL;
    s->flags = v->flags;
    frames->saved = s;
    return 0;
}

static void import_environ(void) {
    for (char **e = environ; e && *e; e++) {
        char *equals = strchr(*e, '=');
        if (!equals) continue;
        size_t len = (size_t)(equals - *e);
        struct var *v = NULL;
        char *name = arena_copy(&sh.temp, *e, len);
        if (!is_name(name)) continue;
        v = var_make(name, len);
        free(v->value);
        v->value = xstrdup(equals + 1);
        v->flags |= VAR_EXPORT;
    }
}

void vars_init(void) {
    import_environ();
    if (!var_get("PATH")) var_set("PATH", default_path);
    var_unset("IFS");
    var_set("IFS", " \t\n");
    var_set("OPTIND", "1");
    var_set("PS1", "$ ");
    var_set("PS2", "> ");
    if (!var_get("PS4")) var_set("PS4", "+ ");
    char number[12];
    snprintf(number, sizeof number, "%d", sh.parent_pid);
    var_set("PPID", number);
}
