// Reaching a place without ever following a symlink.
#pragma once
#include <stdbool.h>

// Opens (O_PATH) the directory that holds the last name of the normal path `path`; `make`
// makes missing ones, 0755. `last` points into `path`. -1 with errno.
int descend(char *path, bool make, char **last);
