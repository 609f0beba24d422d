// The mount table of the sandbox, from the text of /proc/self/mountinfo. Pure.
#pragma once
#include <stdbool.h>
#include <stddef.h>

enum { MOUNTS_MAX = 512 };

struct mount {
    char *root, *path, *options, *type, *source, *super;
    bool writable; // neither the mount nor its file system is read-only
};

struct mounts {
    struct mount list[MOUNTS_MAX];
    size_t count;
};

// Splits `text` in place; the strings point into it. False where it is not as proc(5) says.
bool mounts_parse(char *text, struct mounts *mounts);
// The mount that holds the normal path `path`; of two on one place, the later. NULL if none.
const struct mount *mounts_find(const struct mounts *mounts, const char *path);
// Whether a comma list has `word`.
bool option_given(const char *options, const char *word);
