/* Parameter expansion: ${...} in all its forms. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "shell.h"

static const char *decimal(char out[24], int n) {
    snprintf(out, 24, "%d", n);
    return out;
}

static const char *special_get(char c, char number[24]) {
    switch (c) {
    case '#': return decimal(number, sh.param_count);
    case '?': return decimal(number, sh.status);
    case '$':
        if (!sh.root_pid) sh.root_pid = mr_proc_pid();
        return decimal(number, sh.root_pid);
    case '!': return sh.last_async ? decimal(number, sh.last_async) : NULL;
    case '-': {
        char letters[32];
        options_letters(letters);
        memcpy(number, letters, 23);
        number[23] = '\0';
        return number;
    }
    default: return NULL;
    }
}

/* The value of any parameter but $@ and $*; NULL if it is unset. */
const char *param_get(const char *name, size_t len, char number[24]) {
    if (isdigit((unsigned char)name[0])) {
        if (len > 9) return NULL;
        int n = atoi(name);
        if (n == 0) return sh.name;
        return n <= sh.param_count ? sh.params[n - 1] : NULL;
    }
    if (len == 1 && strchr("#?$!-", name[0])) return special_get(name[0], number);
    return var_get(name);
}

static int is_list(const struct part *p) {
    return p->len == 1 && (p->text[0] == '@' || p->text[0] == '*');
}

static int list_has_text(void) {
    if (sh.param_count > 1 && *ifs_get()) return 1;
    for (int i = 0; i < sh.param_count; i++) {
        if (*sh.params[i]) return 1;
    }
    return 0;
}

/* $@ and $*: whether the parameters stay apart depends on quotes and on the context. */
static void add_list(const struct part *p, struct marked *m, int flags) {
    int star = p->text[0] == '*';
    int attr = p->quoted ? ATTR_QUOTED : ATTR_SPLIT;
    int apart = (flags & EXPAND_SPLIT) && !(star && p->quoted);
    const char *ifs = ifs_get();
    for (int i = 0; i < sh.param_count; i++) {
        if (i && apart) {
            marked_add(m, " ", 1, ATTR_BREAK);
        } else if (i && *ifs) {
            marked_add(m, ifs, 1, attr);
        }
        size_t n = strlen(sh.params[i]);
        marked_add(m, sh.params[i], n, attr);
        if (!n && p->quoted) marked_add(m, "", 1, ATTR_NULL);
    }
    if (!sh.param_count && p->quoted && star) marked_add(m, "", 1, ATTR_NULL);
}

static void add_value(const struct part *p, const char *s, size_t n, struct marked *m) {
    if (n) {
        marked_add(m, s, n, p->quoted ? ATTR_QUOTED : ATTR_SPLIT);
    } else if (p->quoted) {
        marked_add(m, "", 1, ATTR_NULL);
    }
}

static _Noreturn void unset_error(const struct part *p) {
    fail(2, "%.*s: parameter not set", (int)p->len, p->text);
}

static _Noreturn void require_failed(const struct part *p) {
    if (!p->inner) {
        fail(2, p->colon ? "%.*s: parameter not set or null" : "%.*s: parameter not set",
             (int)p->len, p->text);
    }
    struct word w = {NULL, p->inner};
    fail(2, "%.*s: %s", (int)p->len, p->text, expand_string(&w));
}

static void assign_default(const struct part *p, struct marked *m) {
    if (!isalpha((unsigned char)p->text[0]) && p->text[0] != '_') {
        fail(2, "%.*s: bad variable name", (int)p->len, p->text);
    }
    struct word w = {NULL, p->inner};
    char *value = expand_string(&w);
    if (var_set(p->text, value) < 0) shell_exit(2);
    add_value(p, value, strlen(value), m);
}

/* Cuts what the pattern matches off the start or the end. */
static void trim(const struct part *p, const char **s, size_t *n) {
    const char *pattern = expand_pattern(p->inner);
    size_t len = *n;
    int suffix = p->op == OP_SUFFIX || p->op == OP_SUFFIX_LONG;
    int longest = p->op == OP_PREFIX_LONG || p->op == OP_SUFFIX_LONG;
    for (size_t i = 0; i <= len; i++) {
        size_t cut = longest ? len - i : i;
        const char *at = suffix ? *s + (len - cut) : *s;
        if (!pattern_match(pattern, at, cut)) continue;
        if (!suffix) *s += cut;
        *n -= cut;
        return;
    }
}

static void add_length(const struct part *p, struct marked *m) {
    char number[24];
    size_t n;
    if (is_list(p)) {
        n = (size_t)sh.param_count;
    } else {
        const char *s = param_get(p->text, p->len, number);
        if (!s && (sh.options & OPT_NOUNSET)) unset_error(p);
        n = s ? strlen(s) : 0;
    }
    char text[24];
    snprintf(text, sizeof text, "%zu", n);
    add_value(p, text, strlen(text), m);
}

/* ${x-w} and its kin. Returns 1 if the operand took the value's place. */
static int use_operand(const struct part *p, int is_set, struct marked *m, int flags) {
    int use = p->op == OP_ALTERNATE ? is_set : !is_set;
    if (!use) {
        if (p->op == OP_ALTERNATE && p->quoted) marked_add(m, "", 1, ATTR_NULL);
        return p->op == OP_ALTERNATE;
    }
    switch (p->op) {
    case OP_DEFAULT:
    case OP_ALTERNATE:
        if (p->inner) expand_parts(p->inner, m, (flags & ~EXPAND_ASSIGN) | EXPAND_OPERAND);
        /* A field even where the operand is $@ and there are no parameters. */
        if (p->quoted) marked_add(m, "", 1, ATTR_NULL);
        return 1;
    case OP_ASSIGN: assign_default(p, m); return 1;
    default: require_failed(p);
    }
}

void expand_param(const struct part *p, struct marked *m, int flags) {
    char number[24];
    if (p->op == OP_BAD) {
        sh.line = p->line;
        fail(2, "Bad substitution");
    }
    if (p->op == OP_LENGTH) {
        add_length(p, m);
        return;
    }
    const char *s;
    int is_set;
    if (is_list(p)) {
        s = NULL;
        is_set = sh.param_count > 0;
        if (is_set && p->colon) is_set = list_has_text();
    } else {
        s = param_get(p->text, p->len, number);
        is_set = s && !(p->colon && !*s);
    }
    if (p->op >= OP_DEFAULT && p->op <= OP_ALTERNATE && use_operand(p, is_set, m, flags)) return;
    if (is_list(p)) {
        if (p->op < OP_PREFIX) {
            add_list(p, m, flags);
            return;
        }
        struct marked joined = {0};
        add_list(p, &joined, flags & ~EXPAND_SPLIT);
        s = arena_copy(&sh.temp, joined.text.s, joined.text.len);
        marked_free(&joined);
    }
    if (!s && (sh.options & OPT_NOUNSET)) unset_error(p);
    if (!s) s = "";
    s = arena_copy(&sh.temp, s, strlen(s)); /* the pattern may assign to it */
    size_t n = strlen(s);
    if (p->op >= OP_PREFIX) trim(p, &s, &n);
    add_value(p, s, n, m);
}
