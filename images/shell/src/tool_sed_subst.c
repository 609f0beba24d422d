/* s and y: parsing, and the substitution itself. */
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

#include "tool_sed.h"

static void piece_add(struct substitution *s, struct piece p) {
    s->pieces = xrealloc(s->pieces, sizeof *s->pieces * (s->n_pieces + 1));
    s->pieces[s->n_pieces++] = p;
}

static void text_flush(struct substitution *s, struct text *t) {
    if (t->len) piece_add(s, (struct piece){PIECE_TEXT, 0, t->p, t->len});
    *t = (struct text){0};
}

static void parse_replacement(struct substitution *s, const struct text *from) {
    struct text t = {0};
    const char *p = from->p, *end = p + from->len;
    while (p < end) {
        char c = *p++;
        if (c == '&' || (c == '\\' && p < end && *p >= '0' && *p <= '9')) {
            int group = c == '&' ? 0 : *p++ - '0';
            text_flush(s, &t);
            piece_add(s, (struct piece){PIECE_GROUP, group, NULL, 0});
            if (group > s->max_group) s->max_group = group;
        } else if (c == '\\' && p < end && strchr("EULul", *p)) {
            text_flush(s, &t);
            piece_add(s, (struct piece){PIECE_CASE, *p++, NULL, 0});
        } else if (c == '\\' && p < end) {
            int v = sed_escape(&p, end);
            char byte = v >= 0 ? (char)v : *p++;
            text_add(&t, &byte, 1);
        } else {
            text_add(&t, &c, 1);
        }
    }
    text_flush(s, &t);
}

static int parse_flags(struct sed_parser *ps, struct substitution *s) {
    int flags = 0;
    for (; ps->p < ps->end; ps->p++) switch (*ps->p) {
        case 'g':
            if (s->global++) {
                ps->p++;
                sed_bad(ps, "multiple `g' options to `s' command");
            }
            break;
        case 'p':
            if (s->print++) {
                ps->p++;
                sed_bad(ps, "multiple `p' options to `s' command");
            }
            break;
        case 'i': case 'I': flags |= RX_ICASE; break;
        case 'm': case 'M': flags |= RX_LINES; break;
        case 'e': sed_bad(ps, "the e option is not available in the WASI lane");
        case 'w':
            ps->p++;
            s->write = sed_output_find(ps->sed, sed_filename(ps));
            return flags;
        case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9': {
            if (s->nth) {
                ps->p++;
                sed_bad(ps, "multiple number options to `s' command");
            }
            while (ps->p < ps->end && *ps->p >= '0' && *ps->p <= '9') {
                if (s->nth < 1000000000) s->nth = s->nth * 10 + (*ps->p - '0');
                ps->p++;
            }
            if (!s->nth) sed_bad(ps, "number option to `s' command may not be zero");
            ps->p--;
            break;
        }
        case ' ': case '\t': case '\n': case ';': case '}': case '#': return flags;
        default:
            ps->p++;
            sed_bad(ps, "unknown option to `s'");
        }
    return flags;
}

void sed_parse_s(struct sed_parser *ps, struct command *c) {
    struct text regex, replacement;
    struct substitution *s = c->s = xmalloc(sizeof *s);
    *s = (struct substitution){0};
    if (ps->p >= ps->end || *ps->p == '\n' || *ps->p == '\\') sed_bad(ps, "unterminated `s' command");
    char delim = *ps->p++;
    if (!sed_delimited(ps, delim, 1, &regex)) sed_bad(ps, "unterminated `s' command");
    if (!sed_delimited(ps, delim, 0, &replacement)) sed_bad(ps, "unterminated `s' command");
    parse_replacement(s, &replacement);
    int flags = parse_flags(ps, s);
    s->rx = sed_regex(ps, &regex, flags);
    if (s->rx && (size_t)s->max_group > rx_groups(s->rx))
        sed_bad(ps, "invalid reference \\%d on `s' command's RHS", s->max_group);
    free(regex.p);
    free(replacement.p);
}

/* --- y --- */
static uint32_t next_code(const char **p, const char *end, int utf8) {
    uint32_t code = (unsigned char)**p;
    int len = utf8 ? utf8_decode(*p, (size_t)(end - *p), &code) : 1;
    *p += len ? len : 1;
    return len ? code : 0x110000u + (unsigned char)(*p)[-1]; /* a stray byte is its own kind */
}

static size_t codes_read(struct sed_parser *ps, const struct text *t, uint32_t *codes) {
    const char *p = t->p, *end = p + t->len;
    int utf8 = text_is_utf8();
    size_t n = 0;
    while (p < end) {
        if (*p == '\\' && p + 1 < end) {
            p++;
            if (*p == '\\') {
                codes[n++] = '\\';
                p++;
                continue;
            }
            int v = sed_escape(&p, end);
            if (v < 0) sed_bad(ps, "`y' command strings have trailing or unknown escapes");
            codes[n++] = (uint32_t)v;
            continue;
        }
        codes[n++] = next_code(&p, end, utf8);
    }
    return n;
}

void sed_parse_y(struct sed_parser *ps, struct command *c) {
    struct text from, to;
    if (ps->p >= ps->end) sed_bad(ps, "unterminated `y' command");
    char delim = *ps->p++;
    if (!sed_delimited(ps, delim, 0, &from) || !sed_delimited(ps, delim, 0, &to)) sed_bad(ps, "unterminated `y' command");
    uint32_t *a = xmalloc(sizeof *a * (from.len + 1)), *b = xmalloc(sizeof *b * (to.len + 1));
    size_t n = codes_read(ps, &from, a), m = codes_read(ps, &to, b);
    if (n != m) sed_bad(ps, "strings for `y' command are different lengths");
    c->map = xmalloc(sizeof *c->map * (n + 1));
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < c->n_map && c->map[k].from != a[i]) k++;
        if (k == c->n_map) c->map[c->n_map++] = (struct mapping){a[i], b[i]};
    }
    free(a);
    free(b);
    free(from.p);
    free(to.p);
}

/* --- replacing --- */
struct cased {
    struct text *to;
    int mode, once; /* CASE_* or 0 */
    int utf8;
};

static void put_cased(struct cased *k, const char *p, size_t n) {
    const char *end = p + n;
    if (!k->mode && !k->once) {
        text_add(k->to, p, n);
        return;
    }
    while (p < end) {
        uint32_t code;
        char bytes[4];
        int len = k->utf8 ? utf8_decode(p, (size_t)(end - p), &code) : 0;
        if (!len) code = (unsigned char)*p;
        int how = k->once ? k->once : k->mode;
        uint32_t to = code;
        if (code < 0x80 || len) {
            if (how == CASE_UPPER || how == CASE_NEXT_UPPER) to = (uint32_t)towupper((wint_t)code);
            else if (how) to = (uint32_t)towlower((wint_t)code);
        }
        if (to == code) text_add(k->to, p, len ? (size_t)len : 1);
        else text_add(k->to, bytes, (size_t)utf8_encode(to, bytes));
        p += len ? len : 1;
        k->once = 0;
    }
}

static void put_replacement(const struct substitution *s, struct cased *k, const char *text, const struct rx_span *m) {
    k->mode = k->once = 0;
    for (size_t i = 0; i < s->n_pieces; i++) {
        const struct piece *p = &s->pieces[i];
        if (p->kind == PIECE_TEXT) {
            put_cased(k, p->text, p->len);
        } else if (p->kind == PIECE_GROUP) {
            if (m[p->value].from != RX_UNSET) put_cased(k, text + m[p->value].from, m[p->value].to - m[p->value].from);
        } else if (p->value == CASE_NEXT_UPPER || p->value == CASE_NEXT_LOWER) {
            k->once = p->value;
        } else {
            k->mode = p->value == CASE_END ? 0 : p->value;
            if (p->value == CASE_END) k->once = 0;
        }
    }
}

static size_t next_char(const struct text *t, size_t at, int utf8) {
    uint32_t code;
    int len = utf8 && at < t->len ? utf8_decode(t->p + at, t->len - at, &code) : 1;
    return at + (len ? (size_t)len : 1);
}

int sed_substitute(const struct substitution *s, struct rx **last, struct text *space, struct text *scratch) {
    struct rx *rx = s->rx ? s->rx : *last;
    struct rx_span m[10];
    if (!rx) tool_die(1, "-e expression #1, char 0: no previous regular expression");
    *last = rx;
    if ((size_t)s->max_group > rx_groups(rx)) tool_die(1, "invalid reference \\%d on `s' command's RHS", s->max_group);
    size_t at = 0, copied = 0, last_end = RX_UNSET;
    int64_t count = 0;
    int done = 0;
    struct cased k = {.to = scratch, .utf8 = text_is_utf8()};
    scratch->len = 0;
    while (at <= space->len && rx_search(rx, space->p, space->len, at, m, (size_t)s->max_group + 1)) {
        if (m[0].to == m[0].from && m[0].from == last_end) { /* no empty match right behind another */
            at = next_char(space, at, k.utf8);
            last_end = RX_UNSET;
            continue;
        }
        last_end = m[0].to;
        if (++count >= s->nth) {
            text_add(scratch, space->p + copied, m[0].from - copied);
            put_replacement(s, &k, space->p, m);
            copied = m[0].to;
            done = 1;
            if (!s->global) break;
        }
        at = m[0].to > m[0].from ? m[0].to : next_char(space, m[0].to, k.utf8);
    }
    if (!done) return 0;
    text_add(scratch, space->p + copied, space->len - copied);
    struct text swap = *space;
    *space = *scratch;
    *scratch = swap;
    return 1;
}
