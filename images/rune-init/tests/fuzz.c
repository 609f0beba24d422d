// Hostile bytes for everything that reads them. With clang it is a libFuzzer target; without,
// main() below changes good inputs at random (the same each time) for a given number of rounds.
#include "../src/files.h"
#include "../src/frame.h"
#include "../src/glob.h"
#include "../src/job.h"
#include "../src/json.h"
#include "../src/mounts.h"
#include "../src/path.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(bool held, const char *what)
{
    if (!held) {
        printf("broken: %s\n", what);
        abort();
    }
}

// A heap copy of just the size, so that the sanitizer sees one byte too many.
static char *copy(const uint8_t *data, size_t size, bool terminate)
{
    char *to = malloc(size + 1);
    memcpy(to, data, size);
    if (!terminate)
        to = realloc(to, size ? size : 1);
    else
        to[size] = 0;
    return to;
}

static void fuzz_frames(const uint8_t *data, size_t size)
{
    struct frame frame;
    unsigned char *bytes = (unsigned char *)copy(data, size, false);
    size_t at = 0;
    while (frame_parse(bytes + at, size - at, &frame) == FRAME_WHOLE) {
        must(frame.data >= bytes && frame.data + frame.length <= bytes + size, "frame in bounds");
        at += FRAME_HEADER + frame.length;
    }
    free(bytes);
}

static void fuzz_job(const uint8_t *data, size_t size)
{
    static struct job job;
    char why[128], *record = copy(data, size, false);
    if (job_parse(record, size, &job, why)) {
        must(job.args > 0 && job.args <= JOB_WORDS_MAX && !job.argv[job.args], "argv ends");
        must(!job.env[job.envs] && path_is_normal(job.cwd) && job.wall_ms > 0, "job is sound");
        must(job.uid >= 0 && job.gid >= 0 && job.output_bytes > 0, "ids and limits are there");
    } else {
        must(memchr(why, 0, sizeof why) != NULL, "reason ends");
    }
    free(record);
}

static void fuzz_entry(const uint8_t *data, size_t size)
{
    struct entry entry;
    char *payload = copy(data, size, false);
    if (entry_parse(payload, size, &entry)) {
        must(path_is_normal(entry.path) && !(entry.mode & 06000), "entry is sound");
        must(entry.data + entry.length == payload + size, "data is the rest");
    }
    free(payload);
}

static void fuzz_text(const uint8_t *data, size_t size)
{
    static struct mounts mounts;
    char out[64], line[200], *text = copy(data, size, true), *split = strchr(text, '\n');
    struct json json;
    json_begin(&json, line, sizeof line);
    json_bytes(&json, "k", (const char *)data, size);
    must(strlen(line) == json.length && json.length < sizeof line, "json in bounds");
    for (const char *at = line; *at; at++)
        must(*at >= 32 && *at < 127, "json is printable");
    path_join("/base", text, out, sizeof out);
    must(path_is_normal(out), "joined path is normal");
    if (split) {
        *split = 0;
        glob_match(text, split + 1);
        *split = '\n';
    }
    if (mounts_parse(text, &mounts))
        mounts_find(&mounts, "/some/path");
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_frames(data, size);
    fuzz_job(data, size);
    fuzz_entry(data, size);
    fuzz_text(data, size);
    return 0;
}

#ifndef LIBFUZZER
static uint64_t state = 88172645463325252u;

static size_t below(size_t most)
{
    state ^= state << 13; // xorshift64
    state ^= state >> 7;
    state ^= state << 17;
    return most ? (size_t)(state % most) : 0;
}

#define SEED(text) {(const uint8_t *)text, sizeof text - 1}

static const struct {
    const uint8_t *data;
    size_t size;
} seeds[] = {
    SEED("W\22\0\0\0" "755 0 0 /tmp/x\0abcM\0\0\0\0I\1\0\0\0xZ\0\0\0\0"),
    SEED("arg=sh\0arg=-c\0env=A=b\0uid=65534\0gid=65534\0wall_ms=1000\0output_bytes=100\0cwd=/w\0"
         "sensitive=/**/x\0tmp=/tmp\0nofile=64\0artifact_dir=/w/out\0"),
    SEED("755 65534 65534 /workspace/in/file\0contents of the file"),
    SEED("36 35 98:0 /root /path\\040x rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n"),
    SEED("/**/[!a-z]?*/\xc3\xa9/**\n/home/user/\xc3\xa9/x"),
};
static const char *const words[] = {"arg=", "uid=", "env=", "=", "/..", "/", "\0", "755 ", " - ",
                                    "**", "[", "]", "!", "\xff\xff\xff\xff", "4294967295", "\\134"};

static size_t mutate(uint8_t *data, size_t size, size_t room)
{
    for (size_t times = 1 + below(6); times; times--) {
        size_t at = below(size), length = below(9);
        switch (below(5)) {
        case 0:
            if (size)
                data[at] = (uint8_t)below(256);
            break;
        case 1:
            if (size)
                data[at] ^= (uint8_t)(1u << below(8));
            break;
        case 2: // take out
            if (at + length <= size) {
                memmove(data + at, data + at + length, size - at - length);
                size -= length;
            }
            break;
        case 3: // repeat
            if (at + length <= size && size + length <= room) {
                memmove(data + at + length, data + at, size - at);
                size += length;
            }
            break;
        default: { // put in a word that means something
            const char *word = words[below(sizeof words / sizeof *words)];
            length = *word ? strlen(word) : 1;
            if (size + length <= room) {
                memmove(data + at + length, data + at, size - at);
                memcpy(data + at, word, length);
                size += length;
            }
        }
        }
    }
    return size;
}

int main(int argc, char **argv)
{
    long rounds = argc > 1 ? atol(argv[1]) : 100000;
    static uint8_t data[4096];
    for (long round = 0; round < rounds; round++) {
        size_t seed = below(sizeof seeds / sizeof *seeds), size = seeds[seed].size;
        memcpy(data, seeds[seed].data, size);
        LLVMFuzzerTestOneInput(data, mutate(data, size, sizeof data));
    }
    printf("%ld rounds\n", rounds);
    return 0;
}
#endif
