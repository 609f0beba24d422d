#include "job.h"

#include "path.h"

#include <stdio.h>
#include <string.h>

struct number_key {
    const char *name;
    size_t offset;
    int64_t low, high, fallback;
    bool required;
};

#define NUMBER(field, low, high, fallback, required)                                               \
    {#field, offsetof(struct job, field), low, high, fallback, required}

static const struct number_key numbers[] = {
    NUMBER(uid, 0, 4294967294, JOB_UNSET, true),
    NUMBER(gid, 0, 4294967294, JOB_UNSET, true),
    NUMBER(wall_ms, 1, 3600000, JOB_UNSET, true),
    NUMBER(cpu_ms, 0, 3600000, 0, false),
    NUMBER(output_bytes, 1, INT64_C(1) << 40, JOB_UNSET, true),
    NUMBER(nofile, 3, 1 << 20, JOB_UNSET, false),
    NUMBER(nproc, 1, 1 << 22, JOB_UNSET, false),
    NUMBER(fsize, 0, INT64_C(1) << 50, JOB_UNSET, false),
    NUMBER(artifact_bytes, 0, INT64_C(1) << 40, 0, false),
    NUMBER(artifact_files, 0, 100000, 1000, false),
    NUMBER(artifact_depth, 0, 32, 16, false),
    NUMBER(watch, 0, 1, 1, false),
    NUMBER(net, 0, 1, 0, false),
    NUMBER(net_loopback, 0, 1, 0, false),
};
enum { NUMBERS = sizeof numbers / sizeof *numbers };

static bool fail(char why[128], const char *key, const char *what)
{
    snprintf(why, 128, "%.60s: %s", key, what);
    return false;
}

static bool read_number(const char *text, int64_t *value)
{
    size_t digits = strlen(text);
    if (digits == 0 || digits > 15)
        return false;
    *value = 0;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        *value = *value * 10 + (*text - '0');
    }
    return true;
}

static bool take_number(struct job *job, const struct number_key *key, uint32_t *seen,
                        const char *value, char why[128])
{
    uint32_t bit = UINT32_C(1) << (key - numbers);
    int64_t number;
    if (*seen & bit)
        return fail(why, key->name, "given twice");
    *seen |= bit;
    if (!read_number(value, &number) || number < key->low || number > key->high)
        return fail(why, key->name, "not a number in range");
    memcpy((char *)job + key->offset, &number, sizeof number);
    return true;
}

static bool take_word(char **list, size_t *count, size_t most, char *value, const char *key,
                      char why[128])
{
    if (*count >= most)
        return fail(why, key, "too many");
    if (strlen(value) > JOB_WORD_BYTES)
        return fail(why, key, "longer than the kernel takes");
    list[(*count)++] = value;
    return true;
}

static bool take_path(char **field, char *value, const char *key, char why[128])
{
    if (*field)
        return fail(why, key, "given twice");
    if (!path_is_normal(value))
        return fail(why, key, "not an absolute normal path");
    *field = value;
    return true;
}

static bool take(struct job *job, uint32_t *seen, const char *key, char *value, char why[128])
{
    if (!strcmp(key, "arg"))
        return take_word(job->argv, &job->args, JOB_WORDS_MAX, value, key, why);
    if (!strcmp(key, "env")) {
        char *equals = strchr(value, '=');
        if (!equals || equals == value)
            return fail(why, key, "not NAME=VALUE");
        return take_word(job->env, &job->envs, JOB_WORDS_MAX, value, key, why);
    }
    if (!strcmp(key, "sensitive"))
        return *value == '/'
                   ? take_word(job->sensitive, &job->globs, JOB_GLOBS_MAX, value, key, why)
                   : fail(why, key, "not absolute");
    if (!strcmp(key, "tmp"))
        return path_is_normal(value)
                   ? take_word(job->tmp, &job->mounts, JOB_MOUNTS_MAX, value, key, why)
                   : fail(why, key, "not an absolute normal path");
    if (!strcmp(key, "cwd"))
        return take_path(&job->cwd, value, key, why);
    if (!strcmp(key, "artifact_dir"))
        return take_path(&job->artifact_dir, value, key, why);
    for (size_t i = 0; i < NUMBERS; i++)
        if (!strcmp(key, numbers[i].name))
            return take_number(job, &numbers[i], seen, value, why);
    return fail(why, key, "unknown key");
}

bool job_parse(char *record, size_t length, struct job *job, char why[128])
{
    uint32_t seen = 0;
    memset(job, 0, sizeof *job);
    for (size_t i = 0; i < NUMBERS; i++)
        memcpy((char *)job + numbers[i].offset, &numbers[i].fallback, sizeof(int64_t));
    if (length == 0 || record[length - 1] != 0)
        return fail(why, "record", "does not end with NUL");
    for (char *at = record; at < record + length;) {
        char *next = at + strlen(at) + 1;
        char *equals = strchr(at, '=');
        if (!equals)
            return fail(why, "record", "entry without =");
        *equals = 0;
        if (!take(job, &seen, at, equals + 1, why))
            return false;
        at = next;
    }
    for (size_t i = 0; i < NUMBERS; i++)
        if (numbers[i].required && !(seen & UINT32_C(1) << i))
            return fail(why, numbers[i].name, "missing");
    if (!job->args || !*job->argv[0])
        return fail(why, "arg", "missing");
    if (!job->cwd)
        return fail(why, "cwd", "missing");
    if (job->net && !job->watch)
        return fail(why, "net", "not without the watch");
    if (job->net_loopback && !job->net)
        return fail(why, "net_loopback", "not without net");
    return true;
}
