// Paths as the kernel resolves them for the job, with no room for a name that only reads alike.
#pragma once
#include "memory.h"
#include "path.h"

#include <stdbool.h>

// What a path leads to. Of a last name that is not there, its directory counts.
struct resolved {
    char path[PATH_BYTES]; // empty: it has no name (a pipe), or one that is too long
    bool exists;
    bool writable; // its mount is
};

// A descriptor of what `dirfd` is to the job (AT_FDCWD: its working directory), or -1.
int resolve_base(const struct act *act, int dirfd);
// The name of an open descriptor. False: it has none that begins with "/", or it is too long.
bool resolve_name(int fd, char path[PATH_BYTES]);
// `base` is for a relative `path`; `follow`: whether the last name, if a symlink, is followed.
// False, with errno: it leads nowhere.
bool resolve_path(const struct act *act, int base, const char *path, bool follow,
                  struct resolved *found);
