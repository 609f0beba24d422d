/* What find does with an entry. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_find.h"

/* As xargs: well below what the host takes for one command. */
enum { BATCH_BYTES = 100000 };

static void replace_all(const char *word, const char *with, char **out) {
    size_t n = strlen(with), cap = strlen(word) + 1, used = 0;
    const char *at;

    for (at = word; (at = strstr(at, "{}")); at += 2) cap += n;
    *out = xmalloc(cap);
    while ((at = strstr(word, "{}"))) {
        memcpy(*out + used, word, (size_t)(at - word));
        used += (size_t)(at - word);
        memcpy(*out + used, with, n);
        used += n;
        word = at + 2;
    }
    strcpy(*out + used, word);
}

/* Runs in `dir` if given, and comes back. */
static int run_in(const char *dir, char **command) {
    char *here = dir ? path_absolute(".") : NULL;
    int status;

    if (dir && chdir(dir)) {
        tool_warn("%s: %s", marked(dir), strerror(errno));
        free(here);
        return 1;
    }
    status = sh_run(command, NULL);
    if (here && chdir(here)) tool_die(1, "cannot return to %s: %s", marked(here), strerror(errno));
    free(here);
    return status;
}

static char *dir_part(const char *path) {
    const char *base = path_base(path);
    char *dir = xstrdup(path);

    dir[base - path] = '\0';
    if (!*dir) {
        free(dir);
        return xstrdup(".");
    }
    return dir;
}

/* How the command sees the entry: its path, or ./name for -execdir. */
static char *shown_path(const struct find_node *n, const char *path) {
    const char *base = path_base(path);

    if (!n->in_dir) return xstrdup(path);
    return *base == '/' ? xstrdup(base) : path_join(".", base);
}

static void run_batch(struct find *f, struct find_node *n) {
    char **command;

    if (!n->batched_count) return;
    command = xmalloc((size_t)(n->words + n->batched_count + 1) * sizeof *command);
    memcpy(command, n->command, (size_t)n->words * sizeof *command);
    memcpy(command + n->words, n->batched, (size_t)n->batched_count * sizeof *command);
    command[n->words + n->batched_count] = NULL;
    if (run_in(n->batched_dir, command)) f->failed = true;
    free(command);
    while (n->batched_count) free(n->batched[--n->batched_count]);
    n->batched_bytes = 0;
    free(n->batched_dir);
    n->batched_dir = NULL;
}

static bool add_to_batch(struct find *f, struct find_node *n) {
    char *shown = shown_path(n, f->entry->path), *dir = n->in_dir ? dir_part(f->entry->path) : NULL;
    size_t bytes = strlen(shown) + 1;

    if (n->batched_bytes + bytes > BATCH_BYTES || (dir && n->batched_dir && strcmp(dir, n->batched_dir)))
        run_batch(f, n);
    n->batched = xrealloc(n->batched, (size_t)(n->batched_count + 1) * sizeof *n->batched);
    n->batched[n->batched_count++] = shown;
    n->batched_bytes += bytes;
    free(n->batched_dir);
    n->batched_dir = dir;
    return true;
}

static bool run_one(struct find *f, struct find_node *n) {
    char **command = xmalloc((size_t)(n->words + 1) * sizeof *command);
    char *shown = shown_path(n, f->entry->path), *dir = n->in_dir ? dir_part(f->entry->path) : NULL;
    bool wanted = true;
    int status = 1;

    for (int i = 0; i < n->words; i++) replace_all(n->command[i], shown, &command[i]);
    command[n->words] = NULL;
    fflush(stdout);
    if (n->asks) {
        fprintf(stderr, "< %s ... %s > ? ", n->command[0], f->entry->path);
        wanted = ask_answer();
    }
    if (wanted) status = run_in(dir, command);
    for (int i = 0; i < n->words; i++) free(command[i]);
    free(command);
    free(shown);
    free(dir);
    return status == 0;
}

static bool delete_entry(struct find *f) {
    const char *path = f->entry->path;

    if (!strcmp(path, ".")) return true;
    if (!(f->entry->type == DT_DIR ? rmdir(path) : unlink(path))) return true;
    tool_warn("cannot delete %s: %s", marked(path), strerror(errno));
    f->failed = true;
    return false;
}

static void list_entry(struct find *f) {
    /* find -ls is fixed by GNU: inode, half-K blocks as K, mode, links, owner, group, size. */
    find_printf(f, "%9i %6k %M %3n %-8u %-8g %8s %Tb %Te %TH:%TM %p");
    const struct stat *st = walk_stat(f->walk);
    char *target = st && S_ISLNK(st->st_mode) ? link_target(f->entry->path) : NULL;

    if (target) printf(" -> %s", target);
    free(target);
    putchar('\n');
}

bool find_act(struct find *f, struct find_node *n) {
    switch (n->kind) {
    case FIND_PRINT:
        fputs(f->entry->path, stdout);
        putchar(n->end);
        return true;
    case FIND_PRINTF: find_printf(f, n->text); return true;
    case FIND_LS: list_entry(f); return true;
    case FIND_PRUNE: f->prune = true; return true;
    case FIND_QUIT: return f->quit = true;
    case FIND_DELETE: return delete_entry(f);
    default: return n->batch ? add_to_batch(f, n) : run_one(f, n);
    }
}

void find_flush(struct find *f, struct find_node *n) {
    for (; n; n = n->right) {
        if (n->kind == FIND_EXEC && n->batch) {
            fflush(stdout);
            run_batch(f, n);
        }
        find_flush(f, n->left);
    }
}
