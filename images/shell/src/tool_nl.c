#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_regex.h"
#include "tool_text.h"

enum { HEADER, BODY, FOOTER };
struct nl {
    struct {
        char style; /* a t n p */
        struct rx *rx;
    } section[3];
    int now, width, join_blank, blank_run, keep_numbers;
    int64_t number, start, step;
    char format; /* l: ln, r: rn, z: rz */
    const char *separator;
    char delim[2];
    struct out out;
};

static void style_parse(struct nl *nl, int section, const char *s) {
    const char *error;
    if (!strchr("atnp", *s) || !*s || (*s != 'p' && s[1])) tool_die(1, "invalid %s numbering style: '%s'",
        section == BODY ? "body" : section == HEADER ? "header" : "footer", s);
    nl->section[section].style = *s;
    if (*s == 'p' && !(nl->section[section].rx = rx_compile(s + 1, strlen(s + 1), 0, &error))) tool_die(1, "%s", error);
}

/* "\:\:\:" begins a header, "\:\:" a body, "\:" a footer. */
static int section_start(const struct nl *nl, const char *line, size_t n) {
    size_t pairs = n / 2;
    if (n == 0 || n % 2 || pairs > 3) return -1;
    for (size_t i = 0; i < pairs; i++)
        if (memcmp(line + 2 * i, nl->delim, 2)) return -1;
    return pairs == 3 ? HEADER : pairs == 2 ? BODY : FOOTER;
}

static int numbered(struct nl *nl, const char *line, size_t n) {
    switch (nl->section[nl->now].style) {
    case 'a':
        if (n > 0 || nl->join_blank < 2) break;
        if (++nl->blank_run < nl->join_blank) return 0;
        break;
    case 't': return n > 0;
    case 'n': return 0;
    default: return rx_search(nl->section[nl->now].rx, line, n, 0, NULL, 0);
    }
    nl->blank_run = 0;
    return 1;
}

static void put_line(void *context, const char *line, size_t n, int ended) {
    struct nl *nl = context;
    (void)ended; /* a last line without one gets its newline, as GNU nl does */
    int section = section_start(nl, line, n);
    if (section >= 0) {
        nl->now = section;
        if (!nl->keep_numbers) nl->number = nl->start;
        out_byte(&nl->out, '\n');
        return;
    }
    if (numbered(nl, line, n)) {
        out_format(&nl->out, nl->format == 'l' ? "%-*lld" : nl->format == 'z' ? "%0*lld" : "%*lld", nl->width, (long long)nl->number);
        out_text(&nl->out, nl->separator);
        nl->number += nl->step;
    } else {
        out_format(&nl->out, "%*s", nl->width + (int)strlen(nl->separator), "");
    }
    out_put(&nl->out, line, n);
    out_byte(&nl->out, '\n');
}

int tool_nl(int argc, char **argv) {
    static const struct longopt longs[] = {{"body-numbering", 1, 'b'}, {"section-delimiter", 1, 'd'},
        {"footer-numbering", 1, 'f'}, {"header-numbering", 1, 'h'}, {"line-increment", 1, 'i'}, {"join-blank-lines", 1, 'l'},
        {"number-format", 1, 'n'}, {"no-renumber", 0, 'p'}, {"number-separator", 1, 's'}, {"starting-line-number", 1, 'v'},
        {"number-width", 1, 'w'}, {0}};
    struct nl nl = {.section = {{'n', NULL}, {'t', NULL}, {'n', NULL}}, .now = BODY, .width = 6, .join_blank = 1, .start = 1,
                    .step = 1, .format = 'r', .separator = "\t", .delim = {'\\', ':'}};
    struct opts o = opts_start(argc, argv);
    int c;
    while ((c = opts_next(&o, "b:d:f:h:i:l:n:ps:v:w:", longs)) != OPT_END) switch (c) {
        case 'b': style_parse(&nl, BODY, o.arg); break;
        case 'h': style_parse(&nl, HEADER, o.arg); break;
        case 'f': style_parse(&nl, FOOTER, o.arg); break;
        case 'd': nl.delim[0] = o.arg[0], nl.delim[1] = o.arg[0] && o.arg[1] ? o.arg[1] : ':'; break;
        case 'i': nl.step = strtoll(o.arg, NULL, 10); break;
        case 'l': nl.join_blank = atoi(o.arg); break;
        case 'n':
            if (strcmp(o.arg, "ln") && strcmp(o.arg, "rn") && strcmp(o.arg, "rz")) tool_die(1, "invalid line numbering format: '%s'", o.arg);
            nl.format = o.arg[1] == 'z' ? 'z' : o.arg[0];
            break;
        case 'p': nl.keep_numbers = 1; break;
        case 's': nl.separator = o.arg; break;
        case 'v': nl.start = strtoll(o.arg, NULL, 10); break;
        case 'w':
            nl.width = atoi(o.arg);
            if (nl.width < 1 || nl.width > 1000) tool_die(1, "invalid line number field width: '%s'", o.arg);
            break;
        default: return c == OPT_HELP ? 0 : 1;
        }
    nl.number = nl.start;
    out_start(&nl.out, STDOUT_FILENO, 1);
    return out_end(&nl.out, lines_each(&o, put_line, &nl));
}
