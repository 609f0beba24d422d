/* The table of tools. tools_file.def and tools_text.def list them as TOOL(name, fn, nofork). */
#include <stddef.h>
#include <string.h>

#include "tool.h"

#define TOOL(name, fn, nofork) tool_fn fn;
#include "tools_file.def"
#include "tools_text.def"
#undef TOOL

const struct tool tools[] = {
#define TOOL(name, fn, nofork) {name, fn, nofork},
#include "tools_file.def"
#include "tools_text.def"
#undef TOOL
    {NULL, NULL, 0},
};

/* About a hundred names: comparing first letters is less work than one host call. */
const struct tool *tool_find(const char *name) {
    for (const struct tool *t = tools; t->name; t++)
        if (t->name[0] == name[0] && !strcmp(t->name, name)) return t;
    return NULL;
}
