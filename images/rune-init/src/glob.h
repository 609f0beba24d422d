// Path globs with the meaning of magicrune/pathrule.py: *, ?, [a-z], [!a-z] within a name,
// ** any number of whole names. Characters are UTF-8; a byte that is none counts as one.
#pragma once
#include <stdbool.h>

bool glob_match(const char *glob, const char *path);
