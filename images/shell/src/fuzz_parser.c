/* Fuzzing of lexer and parser: any bytes must parse or be refused, without running anything.
 * Native only (native.sh). Under libFuzzer LLVMFuzzerTestOneInput is the entry; else the
 * program makes mutants of the scripts named as arguments: fuzz_parser SEED ROUNDS FILE... */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"
#include "shell.h"
#include "tool.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    struct parser p;
    char *text = xmalloc(size + 1);
    memcpy(text, data, size);
    alias_set("a", 1, "b ");
    alias_set("b", 1, "a x");
    alias_set("c", 1, "c; d\n");
    parser_open_text(&p, text, size, 1);
    for (int at_end = 0; !at_end && !p.failed;) {
        p.arena = arena_new();
        parse_command(&p, &at_end);
        arena_drop(p.arena);
        p.arena = NULL;
    }
    parser_close(&p);
    alias_clear();
    free(text);
    return 0;
}

#ifndef FUZZER
#undef main

static unsigned long state;

static unsigned next(unsigned below) {
    state = state * 6364136223846793005UL + 1442695040888963407UL;
    return (unsigned)(state >> 33) % below;
}

static size_t mutate(unsigned char *text, size_t len, size_t cap) {
    static const char *const pieces[] = {"$(", "`", "\"", "'", "${", "}", ")", "((", "))", "<<E\n", "E\n",
                                         "\\", "\n", ";;", "case x in ", "esac", "if ", "fi", "a ", "b",
                                         "do", "done", "{ ", "&", "|", "#", "${#", "<&", "$((", "c"};
    for (unsigned n = 1 + next(6); n; n--) {
        size_t at = len ? next((unsigned)len) : 0;
        if (next(3) == 0 && len) {
            size_t cut = next(20) < len - at ? next(20) : len - at;
            if (cut > len - at) cut = len - at;
            memmove(text + at, text + at + cut, len - at - cut);
            len -= cut;
        } else {
            const char *piece = pieces[next(sizeof pieces / sizeof *pieces)];
            size_t add = strlen(piece);
            if (len + add > cap) continue;
            memmove(text + at + add, text + at, len - at);
            memcpy(text + at, piece, add);
            len += add;
        }
        if (len && next(4) == 0) text[next((unsigned)len)] = (unsigned char)next(256);
    }
    return len;
}

int main(int argc, char **argv) {
    enum { CAP = 1 << 16 };
    if (argc < 4) return 2;
    state = strtoul(argv[1], NULL, 10) + 1;
    long rounds = strtol(argv[2], NULL, 10);
    unsigned char *text = xmalloc(CAP);
    freopen("/dev/null", "w", stderr);
    for (long i = 0; i < rounds; i++) {
        FILE *f = fopen(argv[3 + next((unsigned)argc - 3)], "rb");
        if (!f) return 2;
        size_t len = fread(text, 1, CAP / 2, f);
        fclose(f);
        /* A part of it, so that mutations are not lost in valid text. */
        size_t start = len ? next((unsigned)len) : 0, take = next(400);
        if (take > len - start) take = len - start;
        memmove(text, text + start, take);
        LLVMFuzzerTestOneInput(text, mutate(text, take, CAP));
    }
    return 0;
}
#endif
