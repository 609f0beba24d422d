/* true, false, yes */
#include <string.h>
#include <unistd.h>

#include "tool_text.h"

int tool_true(int argc, char **argv) {
    (void)argc, (void)argv;
    return 0;
}

int tool_false(int argc, char **argv) {
    (void)argc, (void)argv;
    return 1;
}

int tool_yes(int argc, char **argv) {
    struct out o;
    out_start(&o, STDOUT_FILENO, 1);
    int first = argc > 1 && !strcmp(argv[1], "--") ? 2 : 1;
    for (;;) {
        if (first >= argc) out_byte(&o, 'y');
        for (int i = first; i < argc; i++) {
            if (i > first) out_byte(&o, ' ');
            out_text(&o, argv[i]);
        }
        out_byte(&o, '\n');
    }
}
