#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_text.h"

struct edge {
    struct edge *next;
    struct node *to;
};
struct node {
    struct node *hash_next, *queue_next;
    const char *name;
    size_t len;
    struct edge *out;
    int before; /* how many must come first */
    int done, mark;
};
static struct node **table, **nodes;
static size_t n_nodes, table_size;

static size_t hash(const char *s, size_t n) {
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)s[i]) * 16777619u;
    return h;
}

static void table_grow(void) {
    table_size = table_size ? table_size * 2 : 256;
    table = xrealloc(table, sizeof *table * table_size);
    nodes = xrealloc(nodes, sizeof *nodes * table_size);
    memset(table, 0, sizeof *table * table_size);
    for (size_t i = 0; i < n_nodes; i++) {
        struct node **slot = &table[hash(nodes[i]->name, nodes[i]->len) % table_size];
        nodes[i]->hash_next = *slot;
        *slot = nodes[i];
    }
}

static struct node *intern(const char *s, size_t n) {
    if (n_nodes == table_size) table_grow();
    struct node **slot = &table[hash(s, n) % table_size];
    for (struct node *x = *slot; x; x = x->hash_next)
        if (x->len == n && !memcmp(x->name, s, n)) return x;
    struct node *x = xmalloc(sizeof *x);
    *x = (struct node){.hash_next = *slot, .name = s, .len = n};
    return nodes[n_nodes++] = *slot = x;
}

static int by_name(const void *a, const void *b) {
    const struct node *x = *(struct node *const *)a, *y = *(struct node *const *)b;
    int d = memcmp(x->name, y->name, x->len < y->len ? x->len : y->len);
    return d ? d : (x->len > y->len) - (x->len < y->len);
}

/* Names a loop on stderr and removes one of its edges. */
static void loop_break(const char *file) {
    struct node *x = NULL;
    for (size_t i = 0; i < n_nodes && !x; i++)
        if (!nodes[i]->done) x = nodes[i];
    for (size_t i = 0; i < n_nodes; i++) nodes[i]->mark = 0;
    /* Every node left is waited for by one that is left, so walking backwards meets itself. */
    struct node **path = xmalloc(sizeof *path * (n_nodes + 1));
    size_t len = 0;
    while (!x->mark) { /* at least two nodes: a pair of equal names makes no edge */
        x->mark = (int)(len + 1);
        path[len++] = x;
        struct node *pred = NULL;
        for (size_t i = 0; i < n_nodes && !pred; i++) {
            if (nodes[i]->done) continue;
            for (struct edge *e = nodes[i]->out; e; e = e->next)
                if (e->to == x) pred = nodes[i];
        }
        if (!pred) break;
        x = pred;
    }
    tool_warn("%s: input contains a loop:", file);
    for (size_t i = len; i-- > (size_t)(x->mark - 1);) tool_warn("%.*s", (int)path[i]->len, path[i]->name);
    /* path[k] is preceded by path[k + 1]: cut the edge into x. */
    for (struct edge **e = &path[x->mark]->out; *e; e = &(*e)->next)
        if ((*e)->to == x) {
            *e = (*e)->next;
            x->before--;
            break;
        }
    free(path);
}

int tool_tsort(int argc, char **argv) {
    struct opts o = opts_start(argc, argv);
    int c, status = 0;
    while ((c = opts_next(&o, "", NULL)) != OPT_END) return c == OPT_HELP ? 0 : 1;
    if (o.operands > 1) usage_die(1, "extra operand '%s'", argv[2]);
    const char *name = o.operands ? argv[1] : "-";
    char *data;
    int fd = input_open(name);
    ssize_t n = fd < 0 ? -1 : input_slurp(fd, &data);
    if (n < 0) tool_die(1, "%s: %s", name, strerror(errno));
    struct node *first = NULL;
    for (char *p = data, *end = data + n; p < end;) {
        while (p < end && (*p == ' ' || *p == '\t' || *p == '\n')) p++;
        char *start = p;
        while (p < end && *p != ' ' && *p != '\t' && *p != '\n') p++;
        if (p == start) break;
        struct node *x = intern(start, (size_t)(p - start));
        if (!first) {
            first = x;
            continue;
        }
        if (x != first) {
            struct edge *e = xmalloc(sizeof *e);
            *e = (struct edge){first->out, x};
            first->out = e;
            x->before++;
        }
        first = NULL;
    }
    if (first) tool_die(1, "%s: input contains an odd number of tokens", name);
    if (n_nodes) qsort(nodes, n_nodes, sizeof *nodes, by_name);
    struct out out;
    out_start(&out, STDOUT_FILENO, 1);
    for (size_t left = n_nodes; left > 0;) {
        struct node *head = NULL, **tail = &head;
        for (size_t i = 0; i < n_nodes; i++)
            if (!nodes[i]->done && nodes[i]->before == 0) {
                nodes[i]->queue_next = NULL;
                *tail = nodes[i];
                tail = &nodes[i]->queue_next;
            }
        for (; head; head = head->queue_next) {
            out_put(&out, head->name, head->len);
            out_byte(&out, '\n');
            head->done = 1;
            left--;
            for (struct edge *e = head->out; e; e = e->next)
                if (--e->to->before == 0) {
                    e->to->queue_next = NULL;
                    *tail = e->to;
                    tail = &e->to->queue_next;
                }
        }
        if (left) {
            status = 1;
            loop_break(name);
        }
    }
    return out_end(&out, status);
}
