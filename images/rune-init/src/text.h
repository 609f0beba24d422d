// Small kernel files as text.
#pragma once
#include <stdbool.h>
#include <stddef.h>

// Reads all of a file of at most `size` - 1 bytes. False with errno (EFBIG: longer).
bool text_read(const char *path, char *text, size_t size);
// What follows `key` (with its blanks skipped) at the front of a line, or NULL.
const char *text_find(const char *text, const char *key);
