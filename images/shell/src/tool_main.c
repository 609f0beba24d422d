/* Native only (see images/shell/README.md): the text tools as one program for sanitizers,
 * fuzzing and comparison with other systems' tools. Called by link name or as first argument. */
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

#define TOOL(name, fn, nofork) int fn(int argc, char **argv);
#include "tools_text.def"
#undef TOOL

static const struct tool text_tools[] = {
#define TOOL(name, fn, nofork) {name, fn, nofork},
#include "tools_text.def"
#undef TOOL
    {NULL, NULL, 0},
};

int main(int argc, char **argv) {
    setlocale(LC_CTYPE, "C.UTF-8"); /* musl's towupper needs no telling */
    signal(SIGPIPE, SIG_IGN);
    for (int skip = 0; skip < 2 && skip < argc; skip++) {
        const char *base = strrchr(argv[skip], '/');
        base = base ? base + 1 : argv[skip];
        for (const struct tool *t = text_tools; t->name; t++) {
            if (strcmp(base, t->name)) continue;
            tool_name = t->name;
            int status = t->run(argc - skip, argv + skip);
            fflush(stdout);
            return status;
        }
    }
    fprintf(stderr, "usage: %s TOOL [ARGUMENT]...\n", argv[0]);
    return 2;
}
