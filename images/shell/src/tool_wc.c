#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#include "tool_text.h"

enum { LINES, WORDS, CHARS, BYTES, WIDEST, KINDS };
struct wc {
    int show[KINDS], width, utf8;
    int64_t total[KINDS];
    struct out out;
};

static void count_lines(const char *p, size_t n, int64_t *v) {
    for (const char *end = p + n; p < end && (p = memchr(p, '\n', (size_t)(end - p))); p++) v[LINES]++;
}

struct scan {
    int in_word;
    int64_t column;
};

static int char_width(const struct wc *wc, const char *p, size_t n) {
    uint32_t code = (unsigned char)*p;
    if (code >= 0x80 && (!wc->utf8 || !utf8_decode(p, n, &code))) return 0;
    int w = wcwidth((wchar_t)code);
    return w > 0 ? w : 0;
}

static void count_all(const struct wc *wc, struct scan *s, const char *p, size_t n, int64_t *v) {
    for (const char *end = p + n; p < end; p++) {
        unsigned char c = (unsigned char)*p;
        int continuation = wc->utf8 && (c & 0xC0) == 0x80;
        if (!continuation) v[CHARS]++;
        if (c == ' ' || (c >= '\t' && c <= '\r')) {
            v[WORDS] += s->in_word;
            s->in_word = 0;
            if (c == '\n') v[LINES]++;
            if (c == '\n' || c == '\r' || c == '\f') {
                if (s->column > v[WIDEST]) v[WIDEST] = s->column;
                s->column = 0;
            } else if (c == '\t') {
                s->column += 8 - s->column % 8;
            } else {
                s->column += c == ' ';
            }
        } else if (c >= 0x20 && c != 0x7F) {
            s->in_word = 1;
            if (wc->show[WIDEST]) s->column += char_width(wc, p, (size_t)(end - p));
        }
    }
}

static void put_counts(struct wc *wc, const int64_t *v, const char *name) {
    const char *gap = "";
    for (int k = 0; k < KINDS; k++) {
        if (!wc->show[k]) continue;
        out_format(&wc->out, "%s%*lld", gap, wc->width, (long long)v[k]);
        gap = " ";
    }
    if (name) out_format(&wc->out, " %s", name);
    out_byte(&wc->out, '\n');
}

static int wc_file(struct wc *wc, const char *name, const char *label, char *buf) {
    int64_t v[KINDS] = {0};
    struct scan s = {0};
    int fd = input_open(name), status = 0;
    if (fd < 0) {
        tool_warn_errno(name);
        return 1;
    }
    int simple = !wc->show[WORDS] && !wc->show[CHARS] && !wc->show[WIDEST];
    ssize_t n;
    size_t kept = 0;
    while ((n = input_read(fd, buf + kept, IO_CHUNK - kept)) > 0) {
        size_t have = (size_t)n + kept, use = have;
        v[BYTES] += n;
        /* A character must not be cut in two where its width matters. */
        kept = 0;
        if (wc->show[WIDEST] && wc->utf8)
            for (size_t back = 1; back <= 3 && back <= have; back++)
                if ((unsigned char)buf[have - back] >= 0xC0) {
                    kept = back;
                    break;
                }
        use -= kept;
        if (simple && wc->show[LINES]) count_lines(buf, use, v);
        else if (!simple) count_all(wc, &s, buf, use, v);
        memmove(buf, buf + use, kept);
    }
    if (n < 0) {
        tool_warn_errno(label ? label : name);
        status = 1;
    }
    if (!simple) count_all(wc, &s, buf, kept, v);
    v[WORDS] += s.in_word;
    if (s.column > v[WIDEST]) v[WIDEST] = s.column;
    input_close(fd);
    put_counts(wc, v, label);
    for (int k = 0; k < WIDEST; k++) wc->total[k] += v[k];
    if (v[WIDEST] > wc->total[WIDEST]) wc->total[WIDEST] = v[WIDEST];
    return status;
}

/* GNU's rule: as wide as the sum of the sizes; 7 if some input is not a file. */
static int number_width(int files, char **names, int kinds) {
    int64_t sum = 0;
    int width = 1, floor = 1;
    if (files <= 1 && kinds == 1) return 1;
    for (int i = 0; i < (files ? files : 1); i++) {
        struct stat st;
        int from_stdin = !files || !strcmp(names[i], "-");
        if (from_stdin ? fstat(STDIN_FILENO, &st) : stat(names[i], &st)) continue;
        if (S_ISREG(st.st_mode)) sum += st.st_size;
        else floor = 7;
    }
    for (; sum >= 10; sum /= 10) width++;
    return width > floor ? width : floor;
}

int tool_wc(int argc, char **argv) {
    static const struct longopt longs[] = {{"lines", 0, 'l'}, {"words", 0, 'w'}, {"chars", 0, 'm'},
        {"bytes", 0, 'c'}, {"max-line-length", 0, 'L'}, {0}};
    static const char letters[] = "lwmcL";
    struct wc wc = {.utf8 = text_is_utf8()};
    struct opts o = opts_start(argc, argv);
    int c, status = 0, kinds = 0;
    while ((c = opts_next(&o, letters, longs)) != OPT_END) {
        if (c < 0) return c == OPT_HELP ? 0 : 1;
        wc.show[strchr(letters, c) - letters] = 1;
    }
    for (int k = 0; k < KINDS; k++) kinds += wc.show[k];
    if (!kinds) wc.show[LINES] = wc.show[WORDS] = wc.show[BYTES] = kinds = 3;
    wc.width = number_width(o.operands, argv + 1, kinds);
    char *buf = xmalloc(IO_CHUNK);
    out_start(&wc.out, STDOUT_FILENO, 0);
    for (int i = 1; i <= o.operands || (i == 1 && !o.operands); i++)
        status |= wc_file(&wc, o.operands ? argv[i] : "-", o.operands ? argv[i] : NULL, buf);
    if (o.operands > 1) put_counts(&wc, wc.total, "total");
    free(buf);
    return out_end(&wc.out, status);
}
