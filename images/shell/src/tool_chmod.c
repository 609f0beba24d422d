/* chmod. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tool_file.h"

struct change {
    const char *spec;
    int reference;              /* bits of --reference, or -1 */
    bool recursive, verbose, changes, quiet;
};

static void tell(const struct change *ch, const char *path, int before, int after, mode_t type) {
    char old_text[11], new_text[11];

    if (!ch->verbose && !(ch->changes && before != after))
        return;
    mode_text(type, before, old_text);
    mode_text(type, after, new_text);
    if (before == after)
        printf("mode of %s retained as %04o (%s)\n", quoted(path), after, new_text + 1);
    else
        printf("mode of %s changed from %04o (%s) to %04o (%s)\n", quoted(path), before,
               old_text + 1, after, new_text + 1);
}

static void say_missing(const char *path) {
    int error = errno;
    struct stat st;

    if (!lstat(path, &st) && S_ISLNK(st.st_mode)) {
        tool_warn("cannot operate on dangling symlink %s", quoted(path));
        return;
    }
    errno = error;
    warn_cannot("access", path);
}

static bool change_one(const struct change *ch, const char *path, bool is_dir) {
    int before = path_mode(path), after;

    if (before < 0) {
        if (!ch->quiet)
            say_missing(path);
        return false;
    }
    after = ch->reference >= 0 ? ch->reference : mode_apply(ch->spec, before, is_dir);
    if (path_chmod(path, after)) {
        if (!ch->quiet)
            tool_warn("changing permissions of %s: %s", quoted(path), strerror(errno));
        return false;
    }
    tell(ch, path, before, after, is_dir ? S_IFDIR : S_IFREG);
    return true;
}

static bool change_tree(const struct change *ch, const char *path) {
    struct walk *w = walk_open(path, WALK_FOLLOW_ROOT);
    struct walk_entry *e;
    bool ok = true;

    while ((e = walk_next(w))) {
        /* A link found on the way is left alone, its target being elsewhere. */
        if (e->kind == WALK_DIR_END || (e->type == DT_LNK && e->depth))
            continue;
        if (e->kind == WALK_FILE || e->kind == WALK_DIR) {
            ok &= change_one(ch, e->path, e->kind == WALK_DIR);
        } else {
            errno = e->error;
            if (!ch->quiet)
                tool_warn("cannot %s %s: %s", e->kind == WALK_UNREADABLE ? "read directory" : "access",
                          quoted(e->path), strerror(errno));
            ok = false;
        }
        if (e->kind == WALK_DIR && !ch->recursive)
            walk_skip(w);
    }
    walk_close(w);
    return ok;
}

/* "chmod -x f": a mode that looks like an option. Moves it out of getopt's sight. */
static char *take_dashed_mode(int *argc, char **argv) {
    int i;

    for (i = 1; i < *argc && strcmp(argv[i], "--"); i++) {
        char *word = argv[i];

        if (word[0] == '-' && word[1] && strchr("rwxXstugo,+=", word[1])
            && !word[1 + strspn(word + 1, "rwxXstugoa,+-=")]) {
            memmove(argv + i, argv + i + 1, (size_t)(*argc - i) * sizeof argv[i]);
            --*argc;
            return word;
        }
    }
    return NULL;
}

static const struct longopt longs[] = {{"recursive", 0, 'R'}, {"verbose", 0, 'v'},
                                      {"changes", 0, 'c'},   {"quiet", 0, 'f'},
                                      {"silent", 0, 'f'},    {"reference", 1, 256},
                                      {NULL, 0, 0}};

int tool_chmod(int argc, char **argv) {
    struct change ch = {.spec = take_dashed_mode(&argc, argv), .reference = -1};
    struct opts o = opts_start(argc, argv);
    int c, first = 1, status = 0;

    while ((c = opts_next(&o, "Rvcf", longs)) > 0) {
        ch.recursive |= c == 'R';
        ch.verbose |= c == 'v';
        ch.changes |= c == 'c';
        ch.quiet |= c == 'f';
        if (c == 256 && (ch.reference = path_mode(o.arg)) < 0) {
            tool_warn("failed to get attributes of %s: %s", quoted(o.arg), strerror(errno));
            return 1;
        }
    }
    if (c != OPT_END)
        return opts_status(c);
    if (!ch.spec && ch.reference < 0) {
        if (!o.operands)
            return usage_error("missing operand");
        ch.spec = argv[first++];
    }
    if (ch.reference < 0 && mode_apply(ch.spec, 0, false) < 0)
        return usage_error("invalid mode: %s", marked(ch.spec));
    if (first > o.operands)
        return ch.spec ? usage_error("missing operand after %s", marked(ch.spec))
                       : usage_error("missing operand");
    for (int i = first; i <= o.operands; i++)
        if (!change_tree(&ch, argv[i]))
            status = 1;
    return status;
}
