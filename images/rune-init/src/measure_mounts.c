#include "measure.h"

#include <string.h>

static void add_options(struct json *json, const char *key, const char *options)
{
    json_open(json, key, '[');
    for (const char *at = options; *at;) {
        size_t length = strcspn(at, ",");
        json_bytes(json, NULL, at, length);
        at += length + (at[length] == ',');
    }
    json_close(json, ']');
}

void measure_mounts(struct json *json, const struct mounts *mounts)
{
    json_open(json, "mounts", '[');
    for (size_t i = 0; i < mounts->count; i++) {
        const struct mount *mount = &mounts->list[i];
        json_open(json, NULL, '{');
        json_text(json, "path", mount->path);
        json_text(json, "root", mount->root);
        json_text(json, "type", mount->type);
        json_text(json, "source", mount->source);
        add_options(json, "options", mount->options);
        // Overlay names every layer of the image here: long, and of no use to the host.
        bool layers = !strcmp(mount->type, "overlay");
        add_options(json, "super",
                    !layers                                ? mount->super
                    : option_given(mount->super, "ro") ? "ro"
                                                           : "rw");
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void add_limit(struct json *json, const char *key, bool known, uint64_t value)
{
    // Version 1 says "no limit" as the largest multiple of a page below 2^63.
    if (!known)
        json_null(json, key);
    else if (value >= UINT64_C(0x7ffffffffff00000))
        json_text(json, key, "max");
    else
        json_uint(json, key, value);
}

void measure_cgroup(struct json *json, const struct cgroup *cgroup)
{
    int version = cgroup->version[CGROUP_MEMORY];
    uint64_t value = 0;
    bool known;
    json_open(json, "cgroup", '{');
    if (version)
        json_int(json, "version", version);
    else
        json_null(json, "version");
    known = cgroup_number(cgroup, CGROUP_MEMORY,
                          version == 2 ? "memory.max" : "memory.limit_in_bytes", NULL, &value);
    add_limit(json, "memory_max", known, value);
    known = version == 2 && cgroup_number(cgroup, CGROUP_MEMORY, "memory.swap.max", NULL, &value);
    add_limit(json, "swap_max", known, value);
    known = version == 1 &&
            cgroup_number(cgroup, CGROUP_MEMORY, "memory.memsw.limit_in_bytes", NULL, &value);
    add_limit(json, "memsw_max", known, value);
    known = cgroup_number(cgroup, CGROUP_PIDS, "pids.max", NULL, &value);
    add_limit(json, "pids_max", known, value);
    // Of version 1: buffers of TCP and UDP sockets, which are no part of its memory limit.
    known = version == 1 &&
            cgroup_number(cgroup, CGROUP_MEMORY, "memory.kmem.tcp.limit_in_bytes", NULL, &value);
    add_limit(json, "tcp_max", known, value);
    uint64_t quota = 0, period = 0;
    known = cgroup_cpu_limit(cgroup, &quota, &period);
    add_limit(json, "cpu_quota_us", known, quota);
    add_limit(json, "cpu_period_us", known, period);
    json_close(json, '}');
}
