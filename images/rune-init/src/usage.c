#include "usage.h"

#include "text.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

static uint64_t microseconds(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_usec;
}

static uint64_t own_cpu_us(int who)
{
    struct rusage used;
    return getrusage(who, &used) ? 0 : microseconds(used.ru_utime) + microseconds(used.ru_stime);
}

static bool read_cgroup_cpu(const struct cgroup *cgroup, uint64_t *us)
{
    uint64_t value;
    if (cgroup_number(cgroup, CGROUP_CPUACCT, "cpuacct.usage", NULL, &value)) {
        *us = value / 1000;
        return true;
    }
    return cgroup_number(cgroup, CGROUP_CPU, "cpu.stat", "usage_usec", us);
}

static bool read_oom(const struct cgroup *cgroup, uint64_t *count)
{
    return cgroup_number(cgroup, CGROUP_MEMORY, "memory.events", "oom_kill ", count) ||
           cgroup_number(cgroup, CGROUP_MEMORY, "memory.oom_control", "oom_kill ", count);
}

static bool read_pids(const struct cgroup *cgroup, uint64_t *count)
{
    return cgroup_number(cgroup, CGROUP_PIDS, "pids.events", "max ", count);
}

// utime and stime of a live process, and those of children that it has waited for.
static uint64_t process_cpu_us(const char *pid)
{
    char path[300], text[1024];
    unsigned long ticks[4];
    snprintf(path, sizeof path, "/proc/%s/stat", pid);
    if (!text_read(path, text, sizeof text))
        return 0;
    const char *end = strrchr(text, ')'); // the name before it is the job's to choose
    if (!end || sscanf(end + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %lu %lu",
                       &ticks[0], &ticks[1], &ticks[2], &ticks[3]) != 4)
        return 0;
    uint64_t sum = (uint64_t)ticks[0] + ticks[1] + ticks[2] + ticks[3];
    return sum * 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

// Without a control group: all that lives, and all that has been waited for.
static uint64_t scan_processes(void)
{
    uint64_t sum = own_cpu_us(RUSAGE_CHILDREN);
    DIR *directory = opendir("/proc");
    for (struct dirent *entry; directory && (entry = readdir(directory));)
        if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9' && atoi(entry->d_name) != getpid())
            sum += process_cpu_us(entry->d_name);
    if (directory)
        closedir(directory);
    return sum;
}

void usage_begin(struct usage *usage, const struct cgroup *cgroup, const struct job *job)
{
    memset(usage, 0, sizeof *usage);
    usage->cgroup = cgroup;
    usage->job = job;
    usage->cpu_from_cgroup = read_cgroup_cpu(cgroup, &usage->cpu_base_us);
    usage->own_base_us = own_cpu_us(RUSAGE_SELF);
    usage->has_oom = read_oom(cgroup, &usage->oom_base);
    usage->has_pids = read_pids(cgroup, &usage->pids_base);
}

uint64_t usage_cpu_us(const struct usage *usage)
{
    uint64_t now, own = own_cpu_us(RUSAGE_SELF) - usage->own_base_us;
    if (!usage->cpu_from_cgroup)
        return scan_processes();
    if (!read_cgroup_cpu(usage->cgroup, &now) || now < usage->cpu_base_us + own)
        return 0;
    return now - usage->cpu_base_us - own;
}

void usage_sample(struct usage *usage)
{
    struct statvfs found;
    for (size_t i = 0; i < usage->job->mounts; i++) {
        struct fill *fill = &usage->fills[i];
        if (statvfs(usage->job->tmp[i], &found))
            continue;
        uint64_t bytes = (uint64_t)(found.f_blocks - found.f_bfree) * found.f_frsize;
        uint64_t files = found.f_files - found.f_ffree;
        fill->bytes = bytes > fill->bytes ? bytes : fill->bytes;
        fill->files = files > fill->files ? files : fill->files;
        fill->full = fill->full || (found.f_blocks && found.f_bavail == 0);
        fill->no_files = fill->no_files || (found.f_files && found.f_favail == 0);
    }
}

static void add_since(struct json *json, const char *key, bool known, uint64_t base, uint64_t now)
{
    if (known && now >= base)
        json_uint(json, key, now - base);
    else
        json_null(json, key);
}

void usage_report(const struct usage *usage, struct json *json)
{
    uint64_t value = 0;
    json_uint(json, "cpu_us", usage_cpu_us(usage));
    json_text(json, "cpu_source", usage->cpu_from_cgroup ? "cgroup" : "proc");
    if (cgroup_number(usage->cgroup, CGROUP_MEMORY, "memory.peak", NULL, &value) ||
        cgroup_number(usage->cgroup, CGROUP_MEMORY, "memory.max_usage_in_bytes", NULL, &value))
        json_uint(json, "memory_peak_bytes", value);
    else
        json_null(json, "memory_peak_bytes");
    bool known = usage->has_oom && read_oom(usage->cgroup, &value);
    add_since(json, "oom_kills", known, usage->oom_base, value);
    known = usage->has_pids && read_pids(usage->cgroup, &value);
    add_since(json, "pids_hits", known, usage->pids_base, value);
    json_open(json, "tmp", '[');
    for (size_t i = 0; i < usage->job->mounts; i++) {
        const struct fill *fill = &usage->fills[i];
        json_open(json, NULL, '{');
        json_text(json, "path", usage->job->tmp[i]);
        json_uint(json, "bytes", fill->bytes);
        json_uint(json, "files", fill->files);
        json_bool(json, "full", fill->full);
        json_bool(json, "no_files", fill->no_files);
        json_close(json, '}');
    }
    json_close(json, ']');
}
