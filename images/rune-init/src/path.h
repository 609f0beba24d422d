// Spellings of paths. Pure.
#pragma once
#include <stdbool.h>
#include <stddef.h>

enum { PATH_BYTES = 4096 }; // PATH_MAX of Linux, with NUL

// Absolute, no empty, "." or ".." name, no trailing slash, fits PATH_BYTES.
bool path_is_normal(const char *path);
// The path `base`/`path` (or `path`, if absolute) with ".", ".." and "//" taken out as text.
// False, and `out` cut, where it does not fit.
bool path_join(const char *base, const char *path, char *out, size_t size);
// Whether `path` is `tree` or lies below it.
bool path_within(const char *path, const char *tree);
