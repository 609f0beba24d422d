/* cp. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool_file.h"

enum { L_PARENTS = 256, L_PRESERVE, L_NO_PRESERVE, L_REMOVE, L_NOTHING, L_ATTRIBUTES_ONLY };

static const struct longopt longs[] = {{"archive", 0, 'a'},
                                       {"force", 0, 'f'},
                                       {"interactive", 0, 'i'},
                                       {"link", 0, 'l'},
                                       {"dereference", 0, 'L'},
                                       {"no-dereference", 0, 'P'},
                                       {"no-clobber", 0, 'n'},
                                       {"recursive", 0, 'r'},
                                       {"symbolic-link", 0, 's'},
                                       {"target-directory", 1, 't'},
                                       {"no-target-directory", 0, 'T'},
                                       {"update", 0, 'u'},
                                       {"verbose", 0, 'v'},
                                       {"parents", 0, L_PARENTS},
                                       {"preserve", 2, L_PRESERVE},
                                       {"no-preserve", 1, L_NO_PRESERVE},
                                       {"remove-destination", 0, L_REMOVE},
                                       {"sparse", 1, L_NOTHING},
                                       {"reflink", 2, L_NOTHING},
                                       {"one-file-system", 0, L_NOTHING},
                                       {NULL, 0, 0}};

/* Attributes of --preserve=LIST. There are no owners and no extended ones here. */
static bool preserve(struct copy *c, const char *list, bool on) {
    while (*list) {
        size_t n = strcspn(list, ",");
        bool all = n == 3 && !memcmp(list, "all", n);

        if (all || (n == 4 && !memcmp(list, "mode", n))) c->keep_mode = on;
        else if (!(n == 10 && !memcmp(list, "timestamps", n)) && !(n == 9 && !memcmp(list, "ownership", n))
                 && !(n == 5 && !memcmp(list, "links", n)) && !(n == 7 && !memcmp(list, "context", n))
                 && !(n == 5 && !memcmp(list, "xattr", n)))
            return false;
        if (all || (n == 10 && !memcmp(list, "timestamps", n))) c->keep_times = on;
        list += n + (list[n] == ',');
    }
    return true;
}

static bool choose(struct copy *c, int opt, const char *arg) {
    switch (opt) {
    case 'a': c->recursive = c->keep_links = c->keep_mode = c->keep_times = true; break;
    case 'd':
    case 'P': c->keep_links = true; c->follow_all = c->follow_root = false; break;
    case 'L': c->follow_all = true; c->keep_links = false; break;
    case 'H': c->follow_root = true; break;
    case 'R':
    case 'r': c->recursive = true; break;
    case 'f': c->force = true; break;
    case 'i': c->interactive = true; c->no_clobber = false; break;
    case 'n': c->no_clobber = true; c->interactive = false; break;
    case 'p': c->keep_mode = c->keep_times = true; break;
    case 'l': c->make_links = true; break;
    case 's': c->make_symlinks = true; break;
    case 'T': c->no_target_dir = true; break;
    case 'u': c->update = true; break;
    case 'v': c->verbose = true; break;
    case L_REMOVE: c->remove_destination = true; break;
    case L_PRESERVE: return preserve(c, arg ? arg : "mode,timestamps", true);
    case L_NO_PRESERVE: return preserve(c, arg, false);
    default: break;
    }
    return true;
}

/* With --parents: makes the directories of `path` below dir. */
static bool make_parents(const char *dir, const char *path) {
    bool ok = true;

    for (size_t i = strspn(path, "/"); ok && path[i += strcspn(path + i, "/")]; i += strspn(path + i, "/")) {
        char *part = xstrdup(path), *full;
        struct stat st;

        part[i] = '\0';
        full = path_join(dir, part + strspn(part, "/"));
        ok = !make_directory(full) || (!stat(full, &st) && S_ISDIR(st.st_mode));
        if (!ok) tool_warn("cannot make directory %s: %s", quoted(full), strerror(errno));
        free(full);
        free(part);
    }
    return ok;
}

static bool copy_into(const struct copy *c, const char *from, const char *dir, bool parents) {
    char *trimmed = xstrdup(from), *to;
    const char *name;
    bool ok;

    trimmed[path_trim(trimmed)] = '\0';
    name = parents ? trimmed + strspn(trimmed, "/") : path_base(trimmed);
    /* "cp -r d/.. x" must not climb out of x. */
    to = !strcmp(name, "..") || !strcmp(name, "/") ? xstrdup(dir) : path_join(dir, name);
    ok = (!parents || make_parents(dir, trimmed)) && copy_path(c, from, to);
    free(to);
    free(trimmed);
    return ok;
}

int tool_cp(int argc, char **argv) {
    struct opts o = opts_start(argc, argv);
    struct copy cp = {0};
    const char *dir = NULL;
    bool parents = false;
    struct targets t;
    int c, status = 0;

    while ((c = opts_next(&o, "adfHilLnPprRst:Tuvx", longs)) > 0) {
        if (c == 't') dir = o.arg;
        parents |= c == L_PARENTS;
        if (!choose(&cp, c, o.arg)) return usage_error("invalid argument %s", marked(o.arg));
    }
    if (c != OPT_END) return opts_status(c);
    if (!targets_find(&t, argv + 1, o.operands, dir, cp.no_target_dir)) return 1;
    if (parents && !t.dir) return usage_error("with --parents, the destination must be a directory");
    if (!t.dir) return !copy_path(&cp, t.sources[0], t.file);
    for (int i = 0; i < t.count; i++)
        if (!copy_into(&cp, t.sources[i], t.dir, parents)) status = 1;
    return status;
}
