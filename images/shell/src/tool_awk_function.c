/* The functions that awk itself has. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wctype.h>

#include "tool_awk.h"

struct text {
    struct str *s;
};

static void add(struct text *t, const char *p, size_t n) {
    if (t->s->len + n > t->s->cap) {
        size_t cap = (t->s->len + n) * 2;
        t->s = xrealloc(t->s, sizeof *t->s + cap + 1);
        t->s->cap = cap;
    }
    if (n) memcpy(t->s->p + t->s->len, p, n);
    t->s->len += n;
    t->s->p[t->s->len] = '\0';
}

/* --- text --- */
static struct value length(struct node *x) {
    struct node *a = x->a;
    if (a && (a->op == N_GLOBAL || a->op == N_LOCAL)) {
        struct var *v = a->op == N_GLOBAL ? &awk->globals[a->detail] : &awk->frame[a->detail];
        while (v->kind == VAR_REF) v = v->ref;
        if (v->kind == VAR_ARRAY) return v_number((double)v->a->n);
    }
    struct str *s = a ? eval_str(a) : str_ref(record_get());
    double n = (double)char_length(s->p, s->len);
    str_drop(s);
    return v_number(n);
}

static struct value substring(struct node *x) {
    struct str *s = eval_str(x->a);
    double from = eval_number(x->a->next), count = INFINITY;
    if (x->a->next->next) count = eval_number(x->a->next->next);
    from = from >= 1 ? trunc(from) : 1; /* as mawk, gawk and original-awk; POSIX leaves it open */
    double to = from + trunc(count); /* exclusive; characters count from 1 */
    if (!(to > from)) to = from;
    double most = (double)s->len + 1;
    if (from > most) from = to = most;
    if (to > most) to = most;
    size_t start = char_offset(s->p, s->len, (size_t)(from - 1));
    size_t n = char_offset(s->p + start, s->len - start, (size_t)(to - from));
    struct value v = v_text(s->p + start, n);
    str_drop(s);
    return v;
}

static struct value find(struct node *x) { /* index */
    struct str *s = eval_str(x->a), *t = eval_str(x->a->next);
    double at = 0;
    for (size_t i = 0; i + t->len <= s->len; i++) {
        const char *hit = t->len ? memchr(s->p + i, t->p[0], s->len - t->len - i + 1) : s->p;
        if (!hit) break;
        i = (size_t)(hit - s->p);
        if (!memcmp(hit, t->p, t->len)) {
            at = (double)char_length(s->p, i) + 1;
            break;
        }
    }
    str_drop(s);
    str_drop(t);
    return v_number(at);
}

static struct value match(struct node *x) {
    struct str *s = eval_str(x->a);
    struct rx *rx = eval_regex(x->a->next);
    struct rx_span m[10];
    size_t groups = rx_groups(rx) < 9 ? rx_groups(rx) : 9;
    int hit = rx_search(rx, s->p, s->len, 0, m, x->a->next->next ? groups + 1 : 1);
    double start = hit ? (double)char_length(s->p, m[0].from) + 1 : 0;
    assign_special(RSTART, v_number(start));
    assign_special(RLENGTH, v_number(hit ? (double)char_length(s->p + m[0].from, m[0].to - m[0].from) : -1));
    if (x->a->next->next) {
        struct array *a = eval_array(x->a->next->next);
        array_clear(a);
        for (size_t g = 0; hit && g <= groups; g++)
            if (m[g].from != RX_UNSET) array_set_number(a, g, v_input(str_new(s->p + m[g].from, m[g].to - m[g].from)));
    }
    str_drop(s);
    return v_number(start);
}

struct pieces {
    struct array *a;
    size_t n;
};

static void piece_add(void *context, const char *p, size_t n) {
    struct pieces *pieces = context;
    array_set_number(pieces->a, ++pieces->n, v_input(str_new(p, n)));
}

static struct value split(struct node *x) {
    struct str *s = eval_str(x->a), *fs = NULL;
    struct node *separator = x->a->next->next;
    struct rx *rx = separator && separator->op == N_REGEX ? separator->rx : NULL;
    if (separator && !rx) fs = eval_str(separator);
    else if (!rx) fs = str_ref(special_str(FS));
    struct pieces pieces = {.a = eval_array(x->a->next)};
    array_clear(pieces.a);
    split_text(s, fs, rx, !separator && special_str(RS)->len == 0, piece_add, &pieces);
    str_drop(s);
    if (fs) str_drop(fs);
    return v_number((double)pieces.n);
}

static struct value change_case(struct node *x, int upper) {
    struct str *s = eval_str(x->a);
    struct text t = {str_room(s->len)};
    t.s->len = 0;
    for (size_t i = 0; i < s->len;) {
        uint32_t code = (unsigned char)s->p[i];
        char bytes[4];
        int len = awk->utf8 ? utf8_decode(s->p + i, s->len - i, &code) : 1;
        if (!len || (!awk->utf8 && code >= 0x80)) {
            add(&t, s->p + i++, 1);
            continue;
        }
        code = upper ? (uint32_t)towupper((wint_t)code) : (uint32_t)towlower((wint_t)code);
        add(&t, bytes, (size_t)utf8_encode(code, bytes));
        i += (size_t)len;
    }
    str_drop(s);
    return v_string(t.s);
}

/* --- substitution --- */
/* "&" is the match, "\&" an ampersand, "\\" a backslash. For gensub, \0 to \9 are groups. */
static void add_replacement(struct text *t, const struct str *r, const char *s, const struct rx_span *m, int groups) {
    for (size_t i = 0; i < r->len; i++) {
        char c = r->p[i];
        if (c == '\\' && i + 1 < r->len) {
            char d = r->p[i + 1];
            if (d == '&' || d == '\\') {
                add(t, &d, 1);
                i++;
                continue;
            }
            if (groups && d >= '0' && d <= '9') {
                int g = d - '0';
                if (m[g].from != RX_UNSET) add(t, s + m[g].from, m[g].to - m[g].from);
                i++;
                continue;
            }
        }
        if (c == '&') add(t, s + m[0].from, m[0].to - m[0].from);
        else add(t, &c, 1);
    }
}

/* Replaces the nth match (0: all) and counts the replacements. */
static struct str *replace(const struct str *s, struct rx *rx, const struct str *r, int64_t nth, int groups, double *count) {
    struct text t = {str_room(s->len + 16)};
    struct rx_span m[10];
    size_t at = 0, copied = 0, last_end = RX_UNSET;
    int64_t seen = 0;
    t.s->len = 0;
    *count = 0;
    while (at <= s->len && rx_search(rx, s->p, s->len, at, m, groups ? 10 : 1)) {
        int empty = m[0].to == m[0].from;
        if (empty && m[0].from == last_end) { /* not right behind another match */
            at = m[0].from + (m[0].from < s->len ? char_offset(s->p + m[0].from, s->len - m[0].from, 1) : 1);
            last_end = RX_UNSET;
            continue;
        }
        last_end = m[0].to;
        if (nth == 0 || ++seen == nth) {
            add(&t, s->p + copied, m[0].from - copied);
            add_replacement(&t, r, s->p, m, groups);
            copied = m[0].to;
            ++*count;
            if (nth) break;
        }
        at = !empty ? m[0].to : m[0].to + (m[0].to < s->len ? char_offset(s->p + m[0].to, s->len - m[0].to, 1) : 1);
    }
    add(&t, s->p + copied, s->len - copied);
    return t.s;
}

static struct value substitute(struct node *x, int all) {
    static struct node zero = {.op = N_NUMBER}, record = {.op = N_FIELD, .a = &zero};
    struct rx *rx = eval_regex(x->a);
    struct str *r = eval_str(x->a->next);
    struct node *place = x->a->next->next ? x->a->next->next : &record;
    struct str *s = eval_str(place);
    double count = 0;
    if (rx_search(rx, s->p, s->len, 0, NULL, 0)) {
        struct str *done = replace(s, rx, r, all ? 0 : 1, 0, &count);
        while (place->op == N_GROUP) place = place->a;
        if (place->op == N_FIELD || place->op == N_INDEX || place->op == N_GLOBAL || place->op == N_LOCAL) assign(place, v_string(done));
        else str_drop(done);
    }
    str_drop(r);
    str_drop(s);
    return v_number(count);
}

static struct value gensub(struct node *x) {
    struct rx *rx = eval_regex(x->a);
    struct node *how_node = x->a->next->next, *target = how_node->next;
    struct str *r = eval_str(x->a->next);
    struct value how = eval(how_node);
    struct str *how_text = v_str(&how), *s = target ? eval_str(target) : str_ref(record_get());
    double count, nth = v_to_number(&how);
    if (how_text->len && (how_text->p[0] == 'g' || how_text->p[0] == 'G')) nth = 0;
    else if (nth < 1) nth = 1;
    struct str *done = replace(s, rx, r, (int64_t)nth, 1, &count);
    str_drop(r);
    str_drop(s);
    str_drop(how_text);
    v_drop(how);
    return v_string(done);
}

/* --- numbers, time, commands --- */
static struct value random_number(void) {
    awk->random ^= awk->random << 13;
    awk->random ^= awk->random >> 7;
    awk->random ^= awk->random << 17;
    return v_number((double)(awk->random >> 11) / 9007199254740992.0);
}

static struct value seed(struct node *x) {
    double old = awk->seed;
    awk->seed = x->a ? eval_number(x->a) : (double)time(NULL);
    awk->random = ((uint64_t)(int64_t)awk->seed + 1) * 0x9E3779B97F4A7C15u;
    if (!awk->random) awk->random = 1;
    for (int i = 0; i < 8; i++) random_number();
    return v_number(old);
}

static struct value bits(struct node *x) {
    uint64_t v = 0;
    int first = 1;
    for (struct node *a = x->a; a; a = a->next, first = 0) {
        double d = eval_number(a);
        if (d < 0 || d > 9007199254740992.0) awk_die("a bit operation on %g", d);
        uint64_t n = (uint64_t)d;
        if (first) v = n;
        else if (x->detail == F_AND) v &= n;
        else if (x->detail == F_OR) v |= n;
        else if (x->detail == F_XOR) v ^= n;
        else if (x->detail == F_LSHIFT) v = n < 64 ? v << n : 0;
        else v = n < 64 ? v >> n : 0;
    }
    if (x->detail == F_COMPL) v = ~v & 0x1FFFFFFFFFFFFFu;
    return v_number((double)v);
}

static struct value format_time(struct node *x) {
    struct str *format = x->a ? eval_str(x->a) : str_new("%a %b %e %H:%M:%S %Z %Y", 23);
    struct node *when = x->a ? x->a->next : NULL;
    time_t t = when ? (time_t)eval_number(when) : time(NULL);
    int utc = when && when->next && eval_number(when->next) != 0;
    struct tm *tm = utc ? gmtime(&t) : localtime(&t);
    char text[1024];
    size_t n = 0;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    if (tm && format->len) n = strftime(text, sizeof text, format->p, tm);
#pragma GCC diagnostic pop
    str_drop(format);
    return v_text(text, n);
}

static struct value run_command(struct node *x) {
    struct str *command = eval_str(x->a);
    stream_flush(NULL);
    char *argv[] = {"sh", "-c", command->p, NULL};
    int status = sh_run(argv, NULL);
    str_drop(command);
    return v_number(status);
}

static struct value on_name(struct node *x, int (*act)(struct str *)) {
    struct str *name = eval_str(x->a);
    int status = act(name);
    str_drop(name);
    return v_number(status);
}

static struct value formatted(struct node *x) {
    struct value *args = xmalloc(sizeof *args * (size_t)x->num);
    size_t n = 0;
    for (struct node *a = x->a; a; a = a->next) args[n++] = eval(a);
    struct str *s = awk_format(args, n);
    for (size_t i = 0; i < n; i++) v_drop(args[i]);
    free(args);
    return v_string(s);
}

struct value call_builtin(struct node *x) {
    switch ((enum builtin)x->detail) {
    case F_ATAN2: {
        double y = eval_number(x->a);
        return v_number(atan2(y, eval_number(x->a->next)));
    }
    case F_COS: return v_number(cos(eval_number(x->a)));
    case F_EXP: return v_number(exp(eval_number(x->a)));
    case F_INT: return v_number(trunc(eval_number(x->a)));
    case F_LOG: return v_number(log(eval_number(x->a)));
    case F_SIN: return v_number(sin(eval_number(x->a)));
    case F_SQRT: return v_number(sqrt(eval_number(x->a)));
    case F_RAND: return random_number();
    case F_SRAND: return seed(x);
    case F_GSUB: return substitute(x, 1);
    case F_SUB: return substitute(x, 0);
    case F_GENSUB: return gensub(x);
    case F_INDEX: return find(x);
    case F_LENGTH: return length(x);
    case F_MATCH: return match(x);
    case F_SPLIT: return split(x);
    case F_SPRINTF: return formatted(x);
    case F_SUBSTR: return substring(x);
    case F_TOLOWER: return change_case(x, 0);
    case F_TOUPPER: return change_case(x, 1);
    case F_CLOSE: return on_name(x, stream_close);
    case F_FFLUSH: return x->a ? on_name(x, stream_flush) : v_number(stream_flush(NULL));
    case F_SYSTEM: return run_command(x);
    case F_STRFTIME: return format_time(x);
    case F_SYSTIME: return v_number((double)time(NULL));
    default: return bits(x);
    }
}
