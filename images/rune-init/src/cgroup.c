#include "cgroup.h"

#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[CGROUP_PARTS] = {"memory", "pids", "cpu", "cpuacct"};

// Where `group` (a path of the hierarchy) lies below a mount that shows the hierarchy from
// `mount->root` on. Without a cgroup namespace both are the long way round.
static bool place(const struct mount *mount, const char *group, char *directory)
{
    const char *rest = group;
    if (strcmp(mount->root, "/")) {
        if (!path_within(group, mount->root))
            return false;
        rest = group + strlen(mount->root);
    } else if (!strcmp(group, "/")) {
        rest = "";
    }
    return snprintf(directory, PATH_BYTES, "%s%s", mount->path, rest) < PATH_BYTES;
}

static void take_line(char *line, const struct mounts *mounts, struct cgroup *cgroup)
{
    strsep(&line, ":");
    char *controllers = strsep(&line, ":"), *group = line;
    if (!controllers || !group)
        return;
    bool unified = !*controllers;
    for (size_t i = 0; i < mounts->count; i++) {
        const struct mount *mount = &mounts->list[i];
        if (strcmp(mount->type, unified ? "cgroup2" : "cgroup"))
            continue;
        for (int part = 0; part < CGROUP_PARTS; part++) {
            if (cgroup->version[part] == 1) // in a mixed setup version 1 has the controller
                continue;
            if (!unified && (!option_given(controllers, names[part]) ||
                             !option_given(mount->super, names[part])))
                continue;
            if (place(mount, group, cgroup->directory[part]))
                cgroup->version[part] = unified ? 2 : 1;
        }
    }
}

void cgroup_find(char *own, const struct mounts *mounts, struct cgroup *cgroup)
{
    memset(cgroup, 0, sizeof *cgroup);
    for (char *line; (line = strsep(&own, "\n")) && *line;)
        take_line(line, mounts, cgroup);
}

static bool read_file(const struct cgroup *cgroup, enum cgroup_part part, const char *file,
                      char *text, size_t size)
{
    char path[PATH_BYTES + 64];
    if (!cgroup->version[part])
        return false;
    snprintf(path, sizeof path, "%s/%s", cgroup->directory[part], file);
    return text_read(path, text, size);
}

static bool read_number(const char *at, uint64_t *value)
{
    char *end;
    if (!strncmp(at, "max", 3) || !strncmp(at, "-1", 2)) {
        *value = UINT64_MAX;
        return true;
    }
    *value = strtoull(at, &end, 10);
    return end != at;
}

bool cgroup_number(const struct cgroup *cgroup, enum cgroup_part part, const char *file,
                   const char *key, uint64_t *value)
{
    char text[4096];
    if (!read_file(cgroup, part, file, text, sizeof text))
        return false;
    const char *at = key ? text_find(text, key) : text;
    return at && read_number(at, value);
}

bool cgroup_cpu_limit(const struct cgroup *cgroup, uint64_t *quota, uint64_t *period)
{
    char text[256];
    if (cgroup->version[CGROUP_CPU] == 1)
        return cgroup_number(cgroup, CGROUP_CPU, "cpu.cfs_quota_us", NULL, quota) &&
               cgroup_number(cgroup, CGROUP_CPU, "cpu.cfs_period_us", NULL, period);
    if (!read_file(cgroup, CGROUP_CPU, "cpu.max", text, sizeof text)) // "QUOTA PERIOD"
        return false;
    const char *second = strchr(text, ' ');
    return second && read_number(text, quota) && read_number(second + 1, period);
}
