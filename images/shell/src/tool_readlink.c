/* readlink, realpath. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool_file.h"

static const struct longopt longs[] = {{"canonicalize", 0, 'f'},
                                      {"canonicalize-existing", 0, 'e'},
                                      {"canonicalize-missing", 0, 'm'},
                                      {"no-newline", 0, 'n'},
                                      {"quiet", 0, 'q'},
                                      {"silent", 0, 's'},
                                      {"verbose", 0, 'v'},
                                      {"zero", 0, 'z'},
                                      {NULL, 0, 0}};

int tool_readlink(int argc, char **argv) {
    struct opts o = opts_start(argc, argv);
    int c, mode = -1, status = 0;
    bool verbose = false, bare = false;
    char end = '\n';

    while ((c = opts_next(&o, "femnqsvz", longs)) > 0) {
        switch (c) {
        case 'f': mode = CANON_PARENT; break;
        case 'e': mode = CANON_EXISTING; break;
        case 'm': mode = CANON_MISSING; break;
        case 'n': bare = true; break;
        case 'z': end = '\0'; break;
        default: verbose = c == 'v';
        }
    }
    if (c != OPT_END)
        return opts_status(c);
    if (!o.operands)
        return usage_error("missing operand");
    for (int i = 1; i <= o.operands; i++) {
        char *text = mode < 0 ? link_target(argv[i]) : path_canonical(argv[i], mode);

        if (!text) {
            if (verbose)
                tool_warn_errno(argv[i]);
            status = 1;
            continue;
        }
        fputs(text, stdout);
        if (!bare || o.operands > 1)
            putchar(end);
        free(text);
    }
    return status;
}

int tool_realpath(int argc, char **argv) {
    struct opts o = opts_start(argc, argv);
    int c, mode = CANON_PARENT, status = 0;
    bool quiet = false;
    char end = '\n';

    while ((c = opts_next(&o, "emqzPL", longs)) > 0) {
        switch (c) {
        case 'e': mode = CANON_EXISTING; break;
        case 'm': mode = CANON_MISSING; break;
        case 'z': end = '\0'; break;
        case 'q': quiet = true; break;
        default: break;
        }
    }
    if (c != OPT_END)
        return opts_status(c);
    if (!o.operands)
        return usage_error("missing operand");
    for (int i = 1; i <= o.operands; i++) {
        char *text = path_canonical(argv[i], mode);

        if (text)
            printf("%s%c", text, end);
        else if (!quiet)
            tool_warn_errno(*argv[i] ? argv[i] : "''");
        if (!text)
            status = 1;
        free(text);
    }
    return status;
}
