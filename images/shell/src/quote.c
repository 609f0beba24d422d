/* Values written so that the shell reads them back as they were. */
#include <stdio.h>
#include <string.h>

#include "shell.h"

/* 'it'"'"'s': single quotes around all but single quotes. */
void quote_to(struct buf *b, const char *s) {
    do {
        size_t plain = strcspn(s, "'");
        if (plain || !*s) {
            buf_putc(b, '\'');
            buf_add(b, s, plain);
            buf_putc(b, '\'');
            s += plain;
        }
        size_t quotes = strspn(s, "'");
        if (quotes) {
            buf_putc(b, '"');
            buf_add(b, s, quotes);
            buf_putc(b, '"');
            s += quotes;
        }
    } while (*s);
}

void print_quoted(const char *s) {
    struct buf b = {0};
    quote_to(&b, s);
    fwrite(b.s, 1, b.len, stdout);
    buf_free(&b);
}
