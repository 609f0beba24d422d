// Devices that can be seen, and paths of the kernel that must not say or take anything.
#include "measure.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { DEPTH = 4, DEVICES = 256 };

static void add_device(struct json *json, const char *path, const struct stat *found)
{
    json_open(json, NULL, '{');
    json_text(json, "path", path);
    json_text(json, "type", S_ISCHR(found->st_mode) ? "c" : "b");
    json_int(json, "major", major(found->st_rdev));
    json_int(json, "minor", minor(found->st_rdev));
    json_close(json, '}');
}

static void walk(struct json *json, const char *path, int depth, int *left)
{
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory && (entry = readdir(directory)) && *left > 0;) {
        char below[PATH_BYTES];
        struct stat found;
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        if (snprintf(below, sizeof below, "%s/%s", path, entry->d_name) >= (int)sizeof below ||
            lstat(below, &found))
            continue;
        if (S_ISCHR(found.st_mode) || S_ISBLK(found.st_mode)) {
            add_device(json, below, &found);
            --*left;
        } else if (S_ISDIR(found.st_mode) && depth < DEPTH) {
            walk(json, below, depth + 1, left);
        }
    }
    if (directory)
        closedir(directory);
}

void measure_devices(struct json *json)
{
    int left = DEVICES;
    json_open(json, "devices", '[');
    walk(json, "/dev", 0, &left);
    json_close(json, ']');
}

static const char *directory_state(const char *path)
{
    DIR *directory = opendir(path);
    bool empty = true;
    if (!directory)
        return errno == ENOENT ? "absent" : "refused";
    for (struct dirent *entry; (entry = readdir(directory));)
        empty = empty && (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."));
    closedir(directory);
    return empty ? "empty" : "readable";
}

static const char *state(const char *path)
{
    struct stat found;
    char byte;
    if (stat(path, &found))
        return errno == ENOENT ? "absent" : "refused";
    if (S_ISDIR(found.st_mode))
        return directory_state(path);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? "absent" : "refused";
    ssize_t got = read(fd, &byte, 1);
    close(fd);
    return got > 0 ? "readable" : got == 0 ? "empty" : "refused";
}

static const char *write_state(const char *path)
{
    struct statvfs found;
    if (statvfs(path, &found))
        return errno == ENOENT ? "absent" : "refused";
    return found.f_flag & ST_RDONLY ? "ro" : "rw";
}

void measure_paths(struct json *json)
{
    static const char *const masked[] = {
        "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/kallsyms",
        "/proc/keys", "/proc/key-users", "/proc/kmsg", "/proc/kpagecount", "/proc/kpageflags",
        "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list",
        "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware", "/sys/kernel"};
    static const char *const readonly[] = {"/", "/proc/sys", "/proc/sysrq-trigger", "/proc/irq",
                                           "/proc/bus", "/proc/fs", "/sys", "/sys/fs/cgroup"};
    json_open(json, "paths", '{');
    for (size_t i = 0; i < sizeof masked / sizeof *masked; i++)
        json_text(json, masked[i], state(masked[i]));
    json_close(json, '}');
    json_open(json, "readonly", '{');
    for (size_t i = 0; i < sizeof readonly / sizeof *readonly; i++)
        json_text(json, readonly[i], write_state(readonly[i]));
    json_close(json, '}');
}
