/* find. Entries of a directory are visited in the order of their names. */
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool_find.h"

_Noreturn void find_die(const char *fmt, ...) {
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    tool_die(1, "%s", text);
}

bool find_eval(struct find *f, struct find_node *n) {
    while (n->kind == FIND_AND || n->kind == FIND_OR || n->kind == FIND_COMMA) {
        bool yes = find_eval(f, n->left);

        if (n->kind != FIND_COMMA && yes == (n->kind == FIND_OR)) return yes;
        if (f->quit) return false;
        n = n->right;
    }
    switch (n->kind) {
    case FIND_NOT: return !find_eval(f, n->left);
    case FIND_PRINT:
    case FIND_PRINTF:
    case FIND_LS:
    case FIND_PRUNE:
    case FIND_QUIT:
    case FIND_DELETE:
    case FIND_EXEC: return find_act(f, n);
    default: return find_test(f, n);
    }
}

static void trouble(struct find *f, const char *path, int error) {
    tool_warn("%s: %s", marked(path), strerror(error));
    f->failed = true;
}

static void visit(struct find *f, struct walk_entry *e) {
    bool too_deep = f->max_depth >= 0 && e->depth >= f->max_depth;

    switch (e->kind) {
    case WALK_MISSING: trouble(f, e->path, e->error); return;
    case WALK_LOOP: trouble(f, e->path, ELOOP); return;
    case WALK_UNREADABLE:
        trouble(f, e->path, e->error);
        if (!f->depth_first) return;
        break;
    case WALK_DIR:
        if (too_deep) walk_skip(f->walk);
        if (f->depth_first && !too_deep) return;
        break;
    case WALK_DIR_END:
        if (!f->depth_first) return;
        break;
    case WALK_FILE: break;
    }
    if (e->depth < f->min_depth) return;
    f->prune = false;
    find_eval(f, f->expression);
    if (f->prune && e->kind == WALK_DIR) walk_skip(f->walk);
}

static void search(struct find *f, const char *root) {
    int flags = f->follow ? WALK_FOLLOW : f->follow_operands ? WALK_FOLLOW_ROOT : 0;

    f->walk = walk_open(root, flags);
    while (!f->quit && (f->entry = walk_next(f->walk))) visit(f, f->entry);
    walk_close(f->walk);
}

static int take_flags(struct find *f, int argc, char **argv) {
    int i = 1;

    for (; i < argc; i++) {
        if (!strcmp(argv[i], "-L")) f->follow = true;
        else if (!strcmp(argv[i], "-H")) f->follow_operands = true;
        else if (!strcmp(argv[i], "-P")) f->follow = f->follow_operands = false;
        else if (strncmp(argv[i], "-O", 2) || !argv[i][2]) break;
    }
    return i;
}

static bool begins_expression(const char *word) {
    return (word[0] == '-' && word[1]) || !strcmp(word, "(") || !strcmp(word, "!");
}

int tool_find_main(int argc, char **argv) {
    struct find f = {.max_depth = -1, .now = time_now()};
    int roots, i;

    if (argc == 2 && !strcmp(argv[1], "--help")) {
        puts("Usage: find [-H] [-L] [-P] [PATH...] [EXPRESSION]");
        return 0;
    }
    i = roots = take_flags(&f, argc, argv);
    while (i < argc && !begins_expression(argv[i])) i++;
    find_parse(&f, argv + i, argc - i);
    if (i == roots) search(&f, ".");
    for (; roots < i && !f.quit; roots++) search(&f, argv[roots]);
    find_flush(&f, f.expression);
    return f.failed;
}
