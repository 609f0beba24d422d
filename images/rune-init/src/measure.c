#include "measure.h"

#include "probe.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

static void add_map(struct json *json, const char *key, const char *path)
{
    char text[8192];
    if (!text_read(path, text, sizeof text)) {
        json_null(json, key);
        return;
    }
    json_open(json, key, '[');
    for (char *rest = text, *line; (line = strsep(&rest, "\n")) && *line;) {
        json_open(json, NULL, '[');
        for (int i = 0; i < 3; i++)
            json_uint(json, NULL, strtoull(line, &line, 10));
        json_close(json, ']');
    }
    json_close(json, ']');
}

static void add_namespaces(struct json *json)
{
    static const char *const names[] = {"pid", "mnt", "net", "ipc", "uts", "user", "cgroup"};
    json_open(json, "namespaces", '{');
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[64], link[64];
        snprintf(path, sizeof path, "/proc/self/ns/%s", names[i]);
        ssize_t got = readlink(path, link, sizeof link - 1);
        link[got > 0 ? got : 0] = 0;
        char *number = strchr(link, '['), *end = strchr(link, ']');
        if (number && end)
            json_bytes(json, names[i], number + 1, (size_t)(end - number - 1));
        else
            json_null(json, names[i]);
    }
    json_close(json, '}');
}

// By word of the kernel, and by trying.
static bool rootfs_is_readonly(void)
{
    static const char probe[] = "/.rune-init-probe";
    struct statvfs found;
    if (statvfs("/", &found) || !(found.f_flag & ST_RDONLY))
        return false;
    int fd = open(probe, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EROFS || errno == EACCES;
    close(fd);
    unlink(probe);
    return false;
}

static void add_system(struct json *json)
{
    struct utsname system;
    char text[16];
    bool known = uname(&system) == 0;
    json_bool(json, "pid1", getpid() == 1);
    json_int(json, "dumpable", prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
    json_text(json, "hostname", known ? system.nodename : "");
    json_text(json, "kernel", known ? system.release : "");
    json_text(json, "arch", known ? system.machine : "");
    add_map(json, "uid_map", "/proc/self/uid_map");
    add_map(json, "gid_map", "/proc/self/gid_map");
    if (text_read("/proc/self/setgroups", text, sizeof text))
        json_bytes(json, "setgroups", text, strcspn(text, "\n"));
    else
        json_null(json, "setgroups");
}

bool measure_container(struct json *json, const struct mounts *mounts, const struct cgroup *cgroup)
{
    json_open(json, NULL, '{');
    json_text(json, "stage", "container");
    measure_status(json, "init", getpid()); // what is missing is judged by the host: not held
    add_system(json);
    add_namespaces(json);
    json_bool(json, "rootfs_readonly", rootfs_is_readonly());
    measure_mounts(json, mounts);
    measure_cgroup(json, cgroup);
    measure_network(json);
    measure_devices(json);
    measure_paths(json);
    probe_refusals(json);
    json_close(json, '}');
    return !json->full;
}
