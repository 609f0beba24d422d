/* Values of expressions. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool_awk.h"

#define DEPTH_MAX 4000
#define STACK_SPARE 98304 /* of 512 KB: for what a function of awk itself needs (printf: 8 KB) */

enum flow awk_pending;

/* --- variables --- */
static struct var *var_of(const struct node *x) { return x->op == N_GLOBAL ? &awk->globals[x->detail] : &awk->frame[x->detail]; }

static const char *name_of(const struct node *x) { return x->op == N_GLOBAL ? awk->program.names[x->detail] : "a parameter"; }

struct array *eval_array(struct node *x) {
    struct var *v = var_of(x), *root = v;
    while (root->kind == VAR_REF) root = root->ref;
    if (root->kind == VAR_UNSET) {
        root->kind = VAR_ARRAY;
        root->a = array_new();
    }
    if (root->kind != VAR_ARRAY) awk_die("%s is used as an array, and is none", name_of(x));
    return root->a;
}

static struct value var_get(const struct node *x) {
    struct var *v = var_of(x);
    if (x->op == N_GLOBAL && x->detail == NF) fields_need();
    if (v->kind == VAR_REF) {
        for (v = v->ref; v->kind == VAR_REF;) v = v->ref;
        if (v->kind == VAR_SCALAR) return (struct value){.type = V_UNSET};
    }
    if (v->kind == VAR_ARRAY) awk_die("%s is an array, and is used as a value", name_of(x));
    return v->kind == VAR_SCALAR ? v_copy(v->v) : (struct value){.type = V_UNSET};
}

struct value *special(int which) {
    struct var *v = &awk->globals[which];
    if (v->kind != VAR_SCALAR) *v = (struct var){.kind = VAR_SCALAR};
    return &v->v;
}

struct str *special_str(int which) {
    struct value *v = special(which);
    if (!v->s) { /* kept as text from now on: it is asked for often */
        struct str *s = v->type == V_NUMBER && which != CONVFMT ? v_str(v) : str_new("", 0);
        *v = v->type == V_NUMBER ? (struct value){V_STRNUM, v->num, s} : v_string(s);
    }
    return v->s;
}

void assign_special(int which, struct value v) {
    struct value *at = special(which);
    v_drop(*at);
    *at = v;
}

void special_changed(int which) {
    if (which == NF) fields_resize((int64_t)v_to_number(special(NF)));
}

struct str *awk_subscript(struct node *list) {
    struct str *s = eval_str(list);
    for (list = list->next; list; list = list->next) {
        struct str *sep = special_str(SUBSEP), *more = eval_str(list);
        struct str *both = str_room(s->len + sep->len + more->len);
        memcpy(both->p, s->p, s->len);
        memcpy(both->p + s->len, sep->p, sep->len);
        memcpy(both->p + s->len + sep->len, more->p, more->len);
        str_drop(s);
        str_drop(more);
        s = both;
    }
    return s;
}

static struct value *element(struct node *x) {
    struct str *key = awk_subscript(x->b);
    struct elem *e = array_make(eval_array(x->a), key);
    str_drop(key);
    return &e->v;
}

void assign(struct node *place, struct value v) {
    if (place->op == N_FIELD) {
        double i = eval_number(place->a);
        if (!(i >= 0 && i < 1e9)) awk_die("attempt to access field %g", i);
        field_set((int64_t)i, v);
    } else if (place->op == N_INDEX) {
        struct value *at = element(place);
        v_drop(*at);
        *at = v;
    } else {
        struct var *at = var_of(place);
        if (at->kind == VAR_ARRAY) awk_die("%s is an array, and is used as a value", name_of(place));
        if (place->op == N_GLOBAL && (place->detail == FS || place->detail == RS)) fields_need(); /* they split the next record */
        if (at->kind == VAR_SCALAR) v_drop(at->v);
        at->kind = VAR_SCALAR;
        at->v = v;
        if (place->op == N_GLOBAL && place->detail < SPECIALS) special_changed(place->detail);
    }
}

/* --- regular expressions made at run time --- */
struct rx *regex_cached(struct str *s) {
    enum { SLOTS = 64 };
    static struct {
        struct str *text;
        struct rx *rx;
    } *cache;
    uint32_t h = 2166136261u;
    const char *error;
    for (size_t i = 0; i < s->len; i++) h = (h ^ (unsigned char)s->p[i]) * 16777619u;
    h = (h ^ h >> 13) % SLOTS;
    if (!cache) {
        cache = xmalloc(sizeof *cache * SLOTS);
        memset(cache, 0, sizeof *cache * SLOTS);
    }
    if (cache[h].text && cache[h].text->len == s->len && !memcmp(cache[h].text->p, s->p, s->len)) return cache[h].rx;
    struct rx *rx = rx_compile(s->p, s->len, RX_ERE | RX_AWK, &error);
    if (!rx) awk_die("/%s/: %s", s->p, error);
    if (cache[h].text) {
        str_drop(cache[h].text);
        rx_free(cache[h].rx);
    }
    cache[h].text = str_new(s->p, s->len);
    return cache[h].rx = rx;
}

struct rx *eval_regex(struct node *x) {
    if (x->op == N_REGEX) return x->rx;
    struct str *s = eval_str(x);
    struct rx *rx = regex_cached(s);
    str_drop(s);
    return rx;
}

/* --- operators --- */
double eval_number(struct node *x) {
    struct value v = eval(x);
    double d = v_to_number(&v);
    v_drop(v);
    return d;
}

struct str *eval_str(struct node *x) {
    struct value v = eval(x);
    if (v.s) return v.s; /* its reference is ours */
    return v_str(&v);
}

static int eval_true(struct node *x) {
    struct value v = eval(x);
    int yes = v_is_true(&v);
    v_drop(v);
    return yes;
}

static double arithmetic(int op, double a, double b) {
    switch (op) {
    case '+': return a + b;
    case '-': return a - b;
    case '*': return a * b;
    case '/':
        if (b == 0) awk_die("division by zero");
        return a / b;
    case '%':
        if (b == 0) awk_die("division by zero in %%");
        return fmod(a, b);
    default:
        if (b == floor(b) && fabs(b) <= 1024) { /* exact where pow need not be */
            double v = 1, base = a;
            for (int n = (int)fabs(b); n > 0; n >>= 1, base *= base)
                if (n & 1) v *= base;
            return b < 0 ? 1 / v : v;
        }
        return pow(a, b);
    }
}

static struct value eval_compare(struct node *x) {
    struct value a = eval(x->a), b = eval(x->b);
    int d = v_compare(&a, &b), yes;
    switch (x->detail) {
    case '=': yes = d == 0; break;
    case '!': yes = d != 0; break;
    case '<': yes = d < 0; break;
    case '>': yes = d > 0; break;
    case 'l': yes = d <= 0; break;
    default: yes = d >= 0;
    }
    v_drop(a);
    v_drop(b);
    return v_number(yes);
}

static struct value concat(struct str *a, struct str *b) {
    if (a->refs == 1) { /* a chain of them grows in place */
        if (a->cap < a->len + b->len) {
            size_t cap = (a->len + b->len) * 2;
            a = xrealloc(a, sizeof *a + cap + 1);
            a->cap = cap;
        }
        memcpy(a->p + a->len, b->p, b->len);
        a->len += b->len;
        a->p[a->len] = '\0';
        str_drop(b);
        return v_string(a);
    }
    struct str *s = str_room(a->len + b->len);
    memcpy(s->p, a->p, a->len);
    memcpy(s->p + a->len, b->p, b->len);
    str_drop(a);
    str_drop(b);
    return v_string(s);
}

static struct value eval_concat(struct node *x) {
    struct str *a = eval_str(x->a), *b = eval_str(x->b);
    return concat(a, b);
}

/* v = v x: the variable lets go of its text first, so that it can grow in place. */
static int appends_to_itself(const struct node *x) {
    const struct node *v = x->a, *sum = x->b;
    return x->detail == '=' && sum->op == N_CONCAT && (v->op == N_GLOBAL || v->op == N_LOCAL) && sum->a->op == v->op &&
           sum->a->detail == v->detail && (v->op == N_LOCAL || v->detail >= SPECIALS);
}

static struct value eval_assign(struct node *x) {
    struct value v;
    if (appends_to_itself(x)) {
        struct str *more = eval_str(x->b->b);
        struct var *var = var_of(x->a);
        struct str *old = var->kind == VAR_SCALAR && var->v.s ? var->v.s : NULL;
        if (old) *var = (struct var){.kind = VAR_UNSET};
        else old = eval_str(x->a);
        v = concat(old, more);
    } else if (x->detail == '=') {
        v = eval(x->b);
    } else {
        double b = eval_number(x->b), a = eval_number(x->a);
        v = v_number(arithmetic(x->detail, a, b));
    }
    assign(x->a, v_copy(v));
    return v;
}

static struct value eval_step(struct node *x) {
    double old = eval_number(x->a), now = old + (x->detail > 0 ? 1 : -1);
    assign(x->a, v_number(now));
    return v_number(x->detail == 1 || x->detail == -1 ? now : old);
}

static struct value eval_field(struct node *x) {
    double i = eval_number(x->a);
    if (!(i >= 0 && i < 1e9)) awk_die("attempt to access field %g", i);
    return field_get((int64_t)i);
}

static struct value eval_in(struct node *x) {
    struct str *key = awk_subscript(x->a);
    int found = array_find(eval_array(x->b), key) != NULL;
    str_drop(key);
    return v_number(found);
}

static struct value eval_match(struct node *x) {
    struct str *s = eval_str(x->a);
    int hit = rx_search(eval_regex(x->b), s->p, s->len, 0, NULL, 0);
    str_drop(s);
    return v_number(hit != x->detail);
}

static void count_record(void) {
    assign_special(NR, v_number(v_to_number(special(NR)) + 1));
    assign_special(FNR, v_number(v_to_number(special(FNR)) + 1));
}

static struct value eval_getline(struct node *x) {
    struct str *record;
    int got;
    if (x->detail == GETLINE_PLAIN) {
        got = next_record(&record);
    } else {
        struct str *name = eval_str(x->b);
        struct stream *in = input_stream(name, x->detail == GETLINE_COMMAND);
        str_drop(name);
        got = in ? read_record(in, &record) : -1;
    }
    if (got <= 0) return v_number(got);
    if (x->detail != GETLINE_FILE) {
        if (x->detail == GETLINE_PLAIN) count_record();
        else assign_special(NR, v_number(v_to_number(special(NR)) + 1));
    }
    if (x->a) assign(x->a, v_input(record));
    else record_set(record);
    return v_number(1);
}

static void argument_pass(struct var *to, struct node *x) {
    if (x->op != N_GLOBAL && x->op != N_LOCAL) {
        *to = (struct var){.kind = VAR_SCALAR, .v = eval(x)};
        return;
    }
    struct var *v = var_of(x), *root = v;
    while (root->kind == VAR_REF) root = root->ref;
    if (root->kind == VAR_ARRAY) *to = (struct var){.kind = VAR_ARRAY, .borrowed = 1, .a = root->a};
    else if (root->kind == VAR_UNSET && !(x->op == N_GLOBAL && x->detail < SPECIALS)) *to = (struct var){.kind = VAR_REF, .ref = root};
    else *to = (struct var){.kind = VAR_SCALAR, .v = var_get(x)};
}

static struct value eval_call(struct node *x) {
    const struct function *f = &awk->program.functions[x->detail];
    struct var *frame = xmalloc(sizeof *frame * (size_t)(f->params + 1)), *saved = awk->frame;
    int n = 0;
    for (struct node *a = x->a; a; a = a->next) argument_pass(&frame[n++], a);
    for (; n < f->params; n++) frame[n] = (struct var){.kind = VAR_UNSET};
    awk->frame = frame;
    awk->result = (struct value){.type = V_UNSET};
    enum flow flow = execute(f->body);
    if (flow == FLOW_NEXT || flow == FLOW_NEXTFILE) awk_pending = flow;
    awk->frame = saved;
    for (int i = 0; i < f->params; i++) {
        if (frame[i].kind == VAR_SCALAR) v_drop(frame[i].v);
        if (frame[i].kind == VAR_ARRAY && !frame[i].borrowed) {
            array_clear(frame[i].a);
            free(frame[i].a);
        }
    }
    free(frame);
    struct value result = awk->result;
    awk->result = (struct value){.type = V_UNSET};
    return result;
}

static struct value eval_group(struct node *x) {
    if (x->a->next) awk_die("line %d: a list in parentheses stands where a value should", x->line);
    return eval(x->a);
}

static struct value eval_any(struct node *x) {
    switch (x->op) {
    case N_NUMBER: return v_number(x->num);
    case N_STRING: return v_string(str_ref(x->s));
    case N_REGEX: {
        struct str *s = record_get();
        return v_number(rx_search(x->rx, s->p, s->len, 0, NULL, 0));
    }
    case N_GLOBAL: case N_LOCAL: return var_get(x);
    case N_INDEX: return v_copy(*element(x));
    case N_FIELD: return eval_field(x);
    case N_ASSIGN: return eval_assign(x);
    case N_COND: return eval(eval_true(x->a) ? x->b : x->c);
    case N_OR: return v_number(eval_true(x->a) || eval_true(x->b));
    case N_AND: return v_number(eval_true(x->a) && eval_true(x->b));
    case N_IN: return eval_in(x);
    case N_MATCH: return eval_match(x);
    case N_COMPARE: return eval_compare(x);
    case N_CONCAT: return eval_concat(x);
    case N_BINARY: {
        double a = eval_number(x->a), b = eval_number(x->b);
        return v_number(arithmetic(x->detail, a, b));
    }
    case N_MINUS: return v_number(-eval_number(x->a));
    case N_PLUS: return v_number(eval_number(x->a));
    case N_NOT: return v_number(!eval_true(x->a));
    case N_STEP: return eval_step(x);
    case N_CALL: return eval_call(x);
    case N_BUILTIN: return call_builtin(x);
    case N_GETLINE: return eval_getline(x);
    case N_GROUP: return eval_group(x);
    default: awk_die("line %d: a statement stands where a value should", x->line);
    }
}

void awk_depth_enter(const struct node *x) {
    int full = ++awk->depth > DEPTH_MAX;
#ifdef __wasm__
    volatile char here = 0; /* the stack grows down to address 0 */
    full |= (uintptr_t)&here < STACK_SPARE + (uintptr_t)here;
#endif
    if (full) awk_die("line %d: functions, expressions or statements are nested too deeply", x->line);
}

struct value eval(struct node *x) {
    if (x->op <= N_STRING) return x->op == N_NUMBER ? v_number(x->num) : v_string(str_ref(x->s));
    awk_depth_enter(x);
    struct value v = eval_any(x);
    awk->depth--;
    return v;
}
