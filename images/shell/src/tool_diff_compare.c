/* diff: the shortest way from one file to the other (Myers 1986, in linear space). */
#include <stdlib.h>
#include <string.h>

#include "tool_diff.h"

/* What is compared: lines whose kind both files have. The others are changed anyway. */
struct side {
    int *kind, *line, count;
    char *changed;
};

struct search {
    struct side side[2];
    int *forward, *backward; /* by diagonal: how far a way with so many changes reaches */
};

struct bounds {
    int first, last[2];
};

struct point {
    int x, y;
};

static int is_equal(const struct diff_file files[2], int i, int j) {
    const struct diff_line *a = &files[0].lines[i], *b = &files[1].lines[j];
    int a_open = files[0].open_end && i == files[0].count - 1;
    int b_open = files[1].open_end && j == files[1].count - 1;
    return a->len == b->len && a_open == b_open && !memcmp(a->text, b->text, (size_t)a->len);
}

static struct bounds find_bounds(const struct diff_file files[2], int context) {
    int n = files[0].count, m = files[1].count, least = n < m ? n : m, first = 0, tail = 0;
    while (first < least && is_equal(files, first, first)) first++;
    first = first > context ? first - context : 0;
    while (tail < least - first && is_equal(files, n - 1 - tail, m - 1 - tail)) tail++;
    tail = tail > context ? tail - context : 0;
    return (struct bounds){first, {n - tail, m - tail}};
}

static void keep_common(struct search *s, const struct diff_file files[2], const struct bounds *at) {
    int kinds = 0;
    for (int f = 0; f < 2; f++)
        for (int i = 0; i < files[f].count; i++)
            if (files[f].lines[i].kind >= kinds) kinds = files[f].lines[i].kind + 1;
    char *has = memset(xmalloc((size_t)kinds + 1), 0, (size_t)kinds + 1);
    for (int f = 0; f < 2; f++)
        for (int i = at->first; i < at->last[f]; i++) has[files[f].lines[i].kind] |= (char)(1 << f);
    for (int f = 0; f < 2; f++) {
        struct side *side = &s->side[f];
        side->kind = xmalloc((size_t)files[f].count * sizeof *side->kind);
        side->line = xmalloc((size_t)files[f].count * sizeof *side->line);
        side->changed = files[f].changed;
        for (int i = at->first; i < at->last[f]; i++) {
            if (has[files[f].lines[i].kind] != 3) {
                side->changed[i] = 1;
                continue;
            }
            side->kind[side->count] = files[f].lines[i].kind;
            side->line[side->count++] = i;
        }
    }
    free(has);
}

/* A point in the middle of a shortest way from (x0, y0) to (x1, y1), which differ at both ends. */
static struct point middle(struct search *s, int x0, int x1, int y0, int y1) {
    const int *a = s->side[0].kind, *b = s->side[1].kind;
    int *fd = s->forward, *bd = s->backward;
    int least = x0 - y1, most = x1 - y0;       /* diagonals in bounds */
    int fmid = x0 - y0, bmid = x1 - y1;
    int fmin = fmid, fmax = fmid, bmin = bmid, bmax = bmid;
    int odd = (fmid - bmid) & 1;
    fd[fmid] = x0;
    bd[bmid] = x1;
    for (;;) {
        fmin > least ? (fd[--fmin - 1] = -1) : ++fmin;
        fmax < most ? (fd[++fmax + 1] = -1) : --fmax;
        for (int d = fmax; d >= fmin; d -= 2) {
            int low = fd[d - 1], high = fd[d + 1];
            int x = low < high ? high : low + 1, y = x - d;
            while (x < x1 && y < y1 && a[x] == b[y]) x++, y++;
            fd[d] = x;
            if (odd && bmin <= d && d <= bmax && bd[d] <= x) return (struct point){x, y};
        }
        bmin > least ? (bd[--bmin - 1] = INT32_MAX) : ++bmin;
        bmax < most ? (bd[++bmax + 1] = INT32_MAX) : --bmax;
        for (int d = bmax; d >= bmin; d -= 2) {
            int low = bd[d - 1], high = bd[d + 1];
            int x = low < high ? low : high - 1, y = x - d;
            while (x > x0 && y > y0 && a[x - 1] == b[y - 1]) x--, y--;
            bd[d] = x;
            if (!odd && fmin <= d && d <= fmax && x <= fd[d]) return (struct point){x, y};
        }
    }
}

static void mark(struct side *side, int from, int to) {
    for (; from < to; from++) side->changed[side->line[from]] = 1;
}

static void compare(struct search *s, int x0, int x1, int y0, int y1) {
    for (;;) {
        const int *a = s->side[0].kind, *b = s->side[1].kind;
        while (x0 < x1 && y0 < y1 && a[x0] == b[y0]) x0++, y0++;
        while (x0 < x1 && y0 < y1 && a[x1 - 1] == b[y1 - 1]) x1--, y1--;
        if (x0 == x1 || y0 == y1) break;
        struct point p = middle(s, x0, x1, y0, y1);
        /* The smaller part here, the larger one in the loop: the depth stays small. */
        if (p.x - x0 + p.y - y0 < x1 - p.x + y1 - p.y) {
            compare(s, x0, p.x, y0, p.y);
            x0 = p.x, y0 = p.y;
        } else {
            compare(s, p.x, x1, p.y, y1);
            x1 = p.x, y1 = p.y;
        }
    }
    mark(&s->side[0], x0, x1);
    mark(&s->side[1], y0, y1);
}

/* A run of changes between equal lines can often lie earlier or later. It is put as late as
 * possible, joined to others it meets, and beside changes of the other file where there are any. */
static void settle(struct diff_file *f, const struct diff_file *other, int first, int last) {
    const struct diff_line *line = f->lines;
    char *changed = f->changed;
    const char *theirs = other->changed;
    for (int i = first, j = first;;) {
        while (i < last && !changed[i]) {
            while (theirs[j]) j++;
            i++, j++;
        }
        if (i == last) return;
        int start = i, beside, length;
        while (changed[i]) i++;
        while (theirs[j]) j++;
        do {
            length = i - start;
            while (start > first && line[start - 1].kind == line[i - 1].kind) {
                changed[--start] = 1;
                changed[--i] = 0;
                while (changed[start - 1]) start--;
                do j--;
                while (theirs[j]);
            }
            beside = theirs[j - 1] ? i : last;
            while (i < last && line[start].kind == line[i].kind) {
                changed[start++] = 0;
                changed[i++] = 1;
                while (changed[i]) i++;
                while (theirs[++j]) beside = i;
            }
        } while (length != i - start);
        while (beside < i) {
            changed[--start] = 1;
            changed[--i] = 0;
            do j--;
            while (theirs[j]);
        }
    }
}

void diff_compare(struct diff_file files[2], int context) {
    struct bounds at = find_bounds(files, context);
    struct search s = {0};
    keep_common(&s, files, &at);
    size_t diagonals = (size_t)s.side[0].count + (size_t)s.side[1].count + 3;
    int *space = xmalloc(2 * diagonals * sizeof *space);
    s.forward = space + s.side[1].count + 1;
    s.backward = s.forward + diagonals;
    compare(&s, 0, s.side[0].count, 0, s.side[1].count);
    free(space);
    for (int f = 0; f < 2; f++) {
        free(s.side[f].kind);
        free(s.side[f].line);
    }
    settle(&files[0], &files[1], at.first, at.last[0]);
    settle(&files[1], &files[0], at.first, at.last[1]);
}
