// The job record, and the entries of D and W frames.
#include "check.h"

#include "../src/files.h"
#include "../src/job.h"

#include <stdlib.h>

static char why[128];

// `text` with its blanks as NULs, and a NUL at the end.
static bool parse(const char *text, struct job *job)
{
    static char record[4096];
    size_t length = strlen(text) + 1;
    memcpy(record, text, length);
    for (size_t i = 0; i < length; i++)
        if (record[i] == ' ')
            record[i] = 0;
    return job_parse(record, length, job, why);
}

#define LEAST "arg=sh uid=1 gid=2 wall_ms=10 output_bytes=5 cwd=/w"

static void test_good(void)
{
    static struct job job;
    CHECK(parse(LEAST, &job));
    CHECK(job.args == 1 && !strcmp(job.argv[0], "sh") && !job.argv[1] && job.envs == 0);
    CHECK(job.uid == 1 && job.gid == 2 && job.wall_ms == 10 && job.cpu_ms == 0 && job.watch == 1);
    CHECK(job.nofile == JOB_UNSET && job.artifact_files == 1000 && !job.artifact_dir);
    CHECK(parse(LEAST " arg= arg=x=y env=A= env=B=c=d watch=0 cpu_ms=7 artifact_dir=/w/o "
                      "sensitive=/**/x tmp=/tmp tmp=/w nofile=64 fsize=0",
                &job));
    CHECK(job.args == 3 && !strcmp(job.argv[1], "") && !strcmp(job.argv[2], "x=y"));
    CHECK(job.envs == 2 && !strcmp(job.env[1], "B=c=d") && job.watch == 0 && job.cpu_ms == 7);
    CHECK(job.mounts == 2 && job.globs == 1 && job.nofile == 64 && job.fsize == 0);
}

static void test_bad(void)
{
    static const struct {
        const char *record, *why;
    } rows[] = {
        {LEAST " nonsense=1", "nonsense: unknown key"},
        {LEAST " uid=1", "uid: given twice"},
        {LEAST " cwd=/x", "cwd: given twice"},
        {LEAST " env==x", "env: not NAME=VALUE"},
        {LEAST " env=x", "env: not NAME=VALUE"},
        {LEAST " cpu_ms=-1", "cpu_ms: not a number in range"},
        {LEAST " cpu_ms=", "cpu_ms: not a number in range"},
        {LEAST " cpu_ms=0x1", "cpu_ms: not a number in range"},
        {LEAST " cpu_ms=99999999999999999999", "cpu_ms: not a number in range"},
        {LEAST " watch=2", "watch: not a number in range"},
        {LEAST " sensitive=x", "sensitive: not absolute"},
        {LEAST " tmp=/a/../b", "tmp: not an absolute normal path"},
        {LEAST " artifact_dir=out", "artifact_dir: not an absolute normal path"},
        {LEAST " plain", "record: entry without ="},
        {"arg=sh uid=1 gid=2 wall_ms=10 output_bytes=5", "cwd: missing"},
        {"uid=1 gid=2 wall_ms=10 output_bytes=5 cwd=/w", "arg: missing"},
        {"arg= uid=1 gid=2 wall_ms=10 output_bytes=5 cwd=/w", "arg: missing"},
        {"arg=sh gid=2 wall_ms=10 output_bytes=5 cwd=/w", "uid: missing"},
        {"arg=sh uid=4294967295 gid=2 wall_ms=10 output_bytes=5 cwd=/w",
            "uid: not a number in range"},
        {"arg=sh uid=1 gid=2 wall_ms=0 output_bytes=5 cwd=/w", "wall_ms: not a number in range"}};
    static struct job job;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CHECK(!parse(rows[i].record, &job));
        CHECK_TEXT(why, rows[i].why);
    }
    char open_end[] = "arg=sh";
    CHECK(!job_parse(open_end, 6, &job, why) && !job_parse(open_end, 0, &job, why));
}

static void test_many(void)
{
    static struct job job;
    size_t front = strlen(LEAST), length = front + 1;
    char *record = malloc(front + 1 + 6 * 1100 + JOB_WORD_BYTES + 16);
    memcpy(record, LEAST, front + 1);
    for (size_t i = 0; i < front; i++)
        if (record[i] == ' ')
            record[i] = 0;
    for (int i = 0; i < 1024; i++, length += 6)
        memcpy(record + length, "arg=x", 6);
    CHECK(!job_parse(record, length, &job, why));
    CHECK_TEXT(why, "arg: too many");
    memcpy(record, LEAST, front + 1);
    for (size_t i = 0; i < front; i++)
        if (record[i] == ' ')
            record[i] = 0;
    for (size_t over = 0; over < 2; over++) {
        length = front + 1;
        memcpy(record + length, "arg=", 4);
        memset(record + length + 4, 'a', JOB_WORD_BYTES + over);
        record[length + 4 + JOB_WORD_BYTES + over] = 0;
        length += 4 + JOB_WORD_BYTES + over + 1;
        memcpy(record, LEAST, front + 1);
        for (size_t i = 0; i < front; i++)
            if (record[i] == ' ')
                record[i] = 0;
        CHECK(job_parse(record, length, &job, why) == (over == 0));
    }
    free(record);
}

static void test_entries(void)
{
    struct entry entry;
    char good[] = "755 65534 0 /tmp/x\0data";
    CHECK(entry_parse(good, sizeof good - 1, &entry));
    CHECK(entry.mode == 0755 && entry.uid == 65534 && entry.gid == 0 && entry.length == 4);
    CHECK(!strcmp(entry.path, "/tmp/x") && !memcmp(entry.data, "data", 4));
    static const char *const bad[] = {"", "755", "755 0 0", "755 0 0 ", "755 0 0 x", "4755 0 0 /x",
                                      "2755 0 0 /x", "758 0 0 /x", "10000 0 0 /x", "755  0 0 /x",
                                      "755 -1 0 /x", "755 4294967295 0 /x", "755 0 99999999999 /x",
                                      "755 0 0 /a/../b", "755 0 0 /a/", " 755 0 0 /x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[64];
        memcpy(text, bad[i], strlen(bad[i]) + 1);
        CHECK(!entry_parse(text, strlen(text) + 1, &entry));
    }
    char open_end[] = {'7', ' ', '0', ' ', '0', ' ', '/', 'x'};
    CHECK(!entry_parse(open_end, sizeof open_end, &entry));
}

void test_job(void)
{
    test_good();
    test_bad();
    test_many();
    test_entries();
}
