// Files and directories that the host puts into the sandbox before the job exists.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct entry {
    mode_t mode;
    uid_t uid;
    gid_t gid;
    char *path;
    const char *data;
    size_t length;
};

// Reads "MODE UID GID PATH\0data"; the strings point into `payload`, which must be followed
// by one more byte that may be overwritten.
bool entry_parse(char *payload, size_t length, struct entry *entry);
// All three false with errno. file_make() leaves the file open for file_append().
bool directory_make(const struct entry *entry);
bool file_make(const struct entry *entry);
bool file_append(const char *data, size_t length);
void file_close(void);
