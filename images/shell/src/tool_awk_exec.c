/* Statements, and the rules over the input. */
#include <stdlib.h>
#include <string.h>

#include "tool_awk.h"

static int is_true(struct node *x) {
    struct value v = eval(x);
    int yes = v_is_true(&v);
    v_drop(v);
    return yes;
}

static void put_value(struct out *out, struct node *x) {
    struct value v = eval(x);
    struct str *s = v_to_str(&v, v.type == V_NUMBER ? special_str(OFMT) : NULL);
    if (!awk_pending) out_put(out, s->p, s->len);
    str_drop(s);
    v_drop(v);
}

static struct out *target(const struct node *x) {
    struct str *name = x->detail ? eval_str(x->b) : NULL;
    struct out *out = output_stream(name, x->detail);
    if (name) str_drop(name);
    return out;
}

static void sent(struct out *out) {
    if (out->fd == 2) out_flush(out);
}

/* All arguments are evaluated before anything is written: they may print themselves. */
static void print(struct node *x) {
    struct str *few[16], **parts = few, *sep, *end;
    size_t n = 0;
    if (!x->a) {
        few[n++] = str_ref(record_get());
    } else if (!x->a->next && !x->detail && x->a->op == N_STRING) {
        put_value(target(x), x->a);
    } else {
        for (struct node *a = x->a; a; a = a->next) n++;
        if (n > 16) parts = xmalloc(sizeof *parts * n);
        n = 0;
        for (struct node *a = x->a; a; a = a->next) {
            struct value v = eval(a);
            parts[n++] = v_to_str(&v, v.type == V_NUMBER ? special_str(OFMT) : NULL);
            v_drop(v);
        }
    }
    struct out *out = target(x);
    sep = special_str(OFS);
    end = special_str(ORS);
    for (size_t i = 0; i < n; i++) {
        if (i && !awk_pending) out_put(out, sep->p, sep->len);
        if (!awk_pending) out_put(out, parts[i]->p, parts[i]->len);
        str_drop(parts[i]);
    }
    if (!awk_pending) out_put(out, end->p, end->len);
    if (parts != few) free(parts);
    sent(out);
}

static void print_formatted(struct node *x) {
    size_t n = 0;
    for (struct node *a = x->a; a; a = a->next) n++;
    struct value *args = xmalloc(sizeof *args * n);
    n = 0;
    for (struct node *a = x->a; a; a = a->next) args[n++] = eval(a);
    struct str *s = awk_format(args, n);
    struct out *out = target(x);
    if (!awk_pending) out_put(out, s->p, s->len);
    str_drop(s);
    for (size_t i = 0; i < n; i++) v_drop(args[i]);
    free(args);
    sent(out);
}

static void delete(struct node *x) {
    if (x->a->op != N_INDEX) {
        array_clear(eval_array(x->a));
        return;
    }
    struct array *a = eval_array(x->a->a);
    struct str *key = awk_subscript(x->a->b);
    array_delete(a, key);
    str_drop(key);
}

static enum flow loop_flow(enum flow f) { return f == FLOW_BREAK || f == FLOW_CONTINUE ? GO_ON : f; }

static enum flow while_loop(struct node *x) {
    while (is_true(x->a)) {
        enum flow f = execute(x->b);
        if (f != GO_ON && f != FLOW_CONTINUE) return loop_flow(f);
        if (awk_pending) return awk_pending;
    }
    return awk_pending;
}

static enum flow do_loop(struct node *x) {
    do {
        enum flow f = execute(x->b);
        if (f != GO_ON && f != FLOW_CONTINUE) return loop_flow(f);
        if (awk_pending) return awk_pending;
    } while (is_true(x->a));
    return awk_pending;
}

static enum flow for_loop(struct node *x) {
    if (x->a) execute(x->a);
    while (!x->b || is_true(x->b)) {
        enum flow f = execute(x->d);
        if (f != GO_ON && f != FLOW_CONTINUE) return loop_flow(f);
        if (awk_pending) return awk_pending;
        if (x->c) execute(x->c);
    }
    return awk_pending;
}

/* Over the subscripts that are there at the beginning. */
static enum flow for_in_loop(struct node *x) {
    struct array *a = eval_array(x->b);
    size_t n = 0, at = 0;
    struct str **keys = xmalloc(sizeof *keys * (a->n + 1));
    enum flow f = GO_ON;
    for (struct elem *e = a->first; e; e = e->after) keys[n++] = str_ref(e->key);
    for (; at < n && (f == GO_ON || f == FLOW_CONTINUE); at++) {
        assign(x->a, v_input(keys[at]));
        f = execute(x->d);
    }
    for (; at < n; at++) str_drop(keys[at]);
    free(keys);
    return loop_flow(f);
}

static enum flow block(struct node *x) {
    for (x = x->a; x; x = x->next) {
        enum flow f = execute(x);
        if (f != GO_ON) return f;
    }
    return GO_ON;
}

static enum flow statement(struct node *x) {
    switch (x->op) {
    case S_BLOCK: return block(x);
    case S_EXPR: v_drop(eval(x->a)); break;
    case S_PRINT: print(x); break;
    case S_PRINTF: print_formatted(x); break;
    case S_IF:
        if (is_true(x->a)) return awk_pending ? awk_pending : execute(x->b);
        if (x->c) return awk_pending ? awk_pending : execute(x->c);
        break;
    case S_WHILE: return while_loop(x);
    case S_DO: return do_loop(x);
    case S_FOR: return for_loop(x);
    case S_FOR_IN: return for_in_loop(x);
    case S_BREAK: return FLOW_BREAK;
    case S_CONTINUE: return FLOW_CONTINUE;
    case S_NEXT: return FLOW_NEXT;
    case S_NEXTFILE: return FLOW_NEXTFILE;
    case S_EXIT: awk_exit(x->a ? (int)eval_number(x->a) & 0xFF : -1);
    case S_RETURN:
        if (x->a) {
            struct value v = eval(x->a);
            awk->result = v;
        }
        return FLOW_RETURN;
    default: delete(x);
    }
    return awk_pending;
}

enum flow execute(struct node *x) {
    awk_depth_enter(x);
    enum flow f = statement(x);
    awk->depth--;
    return f;
}

static int selected(struct rule *r) {
    if (!r->pattern) return 1;
    if (!r->until) return is_true(r->pattern);
    if (!r->in_range && !is_true(r->pattern)) return 0;
    r->in_range = !is_true(r->until);
    return 1;
}

static enum flow rule_run(struct rule *r) {
    if (!selected(r)) return awk_pending;
    if (r->body) return execute(r->body);
    struct node print_record = {.op = S_PRINT};
    return execute(&print_record);
}

enum flow execute_rules(void) {
    for (size_t i = 0; i < awk->program.n_rules; i++) {
        enum flow f = rule_run(&awk->program.rules[i]);
        awk_pending = GO_ON;
        if (f == FLOW_NEXTFILE) next_file();
        if (f == FLOW_NEXT || f == FLOW_NEXTFILE) return f;
    }
    return GO_ON;
}

void execute_special(struct node *blocks) {
    for (; blocks; blocks = blocks->next)
        if (execute(blocks) != GO_ON || awk_pending) awk_die("next in a function that BEGIN or END called");
}

void awk_exit(int code) {
    if (code >= 0) awk->exit_code = code;
    if (!awk->in_end) {
        awk->in_end = 1;
        execute_special(awk->program.end);
    }
    int status = streams_close_all();
    exit(status ? status : awk->exit_code);
}
