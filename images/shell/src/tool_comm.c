#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_text.h"

struct side {
    struct reader r;
    const char *name;
    char *line, *last;
    size_t n, last_n, last_cap;
    int disorder;
};
struct comm {
    int hide[3], total, check; /* check: 0 only where lines pair up badly, 1 always, -1 never */
    char end;
    const char *gap;
    struct side side[2];
    int64_t count[3];
    int unpaired;
    struct out out;
};

static int compare(const char *a, size_t na, const char *b, size_t nb) {
    int d = memcmp(a, b, na < nb ? na : nb);
    return d ? d : (na > nb) - (na < nb);
}

/* Next line of a side, its delimiter cut off; line is NULL at the end. */
static void advance(struct comm *c, int which) {
    struct side *s = &c->side[which];
    if (s->line) {
        if (s->n > s->last_cap) s->last = xrealloc(s->last, s->last_cap = s->n * 2);
        if (s->n) memcpy(s->last, s->line, s->n);
        s->last_n = s->n;
    }
    int had = s->line != NULL;
    size_t n = reader_line(&s->r, &s->line);
    if (n == 0) {
        s->line = NULL;
        return;
    }
    s->n = n - (s->line[n - 1] == c->end);
    if (had && c->check >= 0 && !s->disorder && compare(s->last, s->last_n, s->line, s->n) > 0 && (c->check || c->unpaired)) {
        s->disorder = 1;
        tool_warn("file %d is not in sorted order", which + 1);
        if (c->check) {
            out_end(&c->out, 1);
            exit(1);
        }
    }
}

static void put_column(struct comm *c, int column, const char *line, size_t n) {
    c->count[column]++;
    if (c->hide[column]) return;
    for (int i = 0; i < column; i++)
        if (!c->hide[i]) out_text(&c->out, c->gap);
    out_put(&c->out, line, n);
    out_byte(&c->out, c->end);
}

int tool_comm(int argc, char **argv) {
    static const struct longopt longs[] = {{"check-order", 0, 'k'}, {"nocheck-order", 0, 'K'}, {"output-delimiter", 1, 'o'},
        {"total", 0, 't'}, {"zero-terminated", 0, 'z'}, {0}};
    static struct comm comm;
    struct opts o = opts_start(argc, argv);
    int c, status = 0;
    comm = (struct comm){.end = '\n', .gap = "\t"};
    while ((c = opts_next(&o, "123z", longs)) != OPT_END) switch (c) {
        case '1': case '2': case '3': comm.hide[c - '1'] = 1; break;
        case 'k': comm.check = 1; break;
        case 'K': comm.check = -1; break;
        case 'o': comm.gap = o.arg; break;
        case 't': comm.total = 1; break;
        case 'z': comm.end = '\0'; break;
        default: return c == OPT_HELP ? 0 : 1;
        }
    if (o.operands < 2) {
        if (o.operands) usage_die(1, "missing operand after '%s'", argv[1]);
        usage_die(1, "missing operand");
    }
    if (o.operands > 2) usage_die(1, "extra operand '%s'", argv[3]);
    out_start(&comm.out, STDOUT_FILENO, 1);
    for (int i = 0; i < 2; i++) {
        comm.side[i].name = argv[i + 1];
        if (reader_open(&comm.side[i].r, argv[i + 1], comm.end)) return 1;
    }
    struct side *a = &comm.side[0], *b = &comm.side[1];
    advance(&comm, 0);
    advance(&comm, 1);
    while (a->line || b->line) {
        int d = !a->line ? 1 : !b->line ? -1 : compare(a->line, a->n, b->line, b->n);
        if (d) comm.unpaired = 1;
        if (d < 0) put_column(&comm, 0, a->line, a->n);
        else if (d > 0) put_column(&comm, 1, b->line, b->n);
        else put_column(&comm, 2, a->line, a->n);
        if (d <= 0) advance(&comm, 0);
        if (d >= 0) advance(&comm, 1);
    }
    if (comm.total)
        out_format(&comm.out, "%lld%s%lld%s%lld%stotal%c", (long long)comm.count[0], comm.gap, (long long)comm.count[1],
                   comm.gap, (long long)comm.count[2], comm.gap, comm.end);
    for (int i = 0; i < 2; i++)
        if (reader_close(&comm.side[i].r, comm.side[i].name)) status = 1;
    if (a->disorder || b->disorder) {
        tool_warn("input is not in sorted order");
        status = 1;
    }
    return out_end(&comm.out, status);
}
