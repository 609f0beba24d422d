/* tar: options and the format (tool_tar.c), members read (tool_tar_member.c) and
 * extracted (tool_tar_read.c), writing (tool_tar_write.c). */
#ifndef MR_TOOL_TAR_H
#define MR_TOOL_TAR_H
#include <stdio.h>

#include "tool_file.h"

enum { TAR_BLOCK = 512, TAR_RECORD = 20 * TAR_BLOCK };

struct tar_header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type;
    char link[100], magic[8], user[32], group[32], major[8], minor[8], prefix[155], pad[12];
};

struct tar {
    char mode;                    /* c x t */
    const char *archive;          /* NULL or "-": stdin or stdout */
    FILE *file;
    int verbose;
    bool to_stdout, keep_old, no_times, keep_mode, follow, absolute, numeric;
    int strip;
    char **names;                 /* to extract or list; all when there are none */
    bool *found;
    int name_count;
    char **excludes;
    int exclude_count;
    const char *owner, *group;    /* --owner, --group; NULL: the sandbox's */
    bool has_mtime;
    struct timespec mtime;
    bool told_slash, failed;
    FILE *names_out;              /* where -v goes */
};

/* One file in an archive that is being read. */
struct tar_member {
    char *name, *link;
    char type;
    int mode;
    int64_t size, mtime;
    char user[33], group[33];
};

struct tar_reader {
    struct tar *t;
    char *long_name, *long_link; /* for the next member */
    int64_t pax_size, pax_mtime; /* -1: none */
    int64_t taken;               /* bytes of the archive so far */
};

bool tar_get(struct tar_reader *r, void *data, size_t n);
void tar_skip(struct tar_reader *r, int64_t n); /* content of n bytes and its padding */
bool tar_next(struct tar_reader *r, struct tar_member *m); /* false at the end */
_Noreturn void tar_cut_short(void);

void tar_trouble(struct tar *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
unsigned tar_sum(const struct tar_header *h);
bool tar_excluded(const struct tar *t, const char *name);
const char *tar_relative(struct tar *t, const char *name); /* leading slashes off, told once */
void tar_read(struct tar *t);
void tar_write(struct tar *t, char **words, int count);    /* words may hold -C DIR */
#endif
