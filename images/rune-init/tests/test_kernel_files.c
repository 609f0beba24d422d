// Texts of the kernel: mounts and control groups.
#include "check.h"

#include "../src/cgroup.h"
#include "../src/mounts.h"
#include "../src/text.h"

#include <stdlib.h>
#include <unistd.h>

static struct mounts mounts;
static char text[8192];

static void read_mounts(const char *from)
{
    snprintf(text, sizeof text, "%s", from);
    CHECK(mounts_parse(text, &mounts));
}

static void test_mounts(void)
{
    read_mounts("1 0 8:1 / / ro,relatime - ext4 /dev/vda rw\n"
                "2 1 0:5 / /proc rw,nosuid shared:7 master:1 - proc proc rw\n"
                "3 1 0:6 / /tmp rw,nosuid - tmpfs tmpfs rw,size=64k\n"
                "4 3 0:7 /sub /tmp/with\\040space ro - tmpfs some\\134thing rw\n"
                "5 2 0:5 /sys /proc/sys ro - proc proc rw\n"
                "6 1 0:8 / /data rw - ext4 /dev/vdb ro\n"
                "7 6 0:9 / /data rw - tmpfs none rw\n");
    CHECK(mounts.count == 7);
    CHECK_TEXT(mounts.list[3].path, "/tmp/with space");
    CHECK_TEXT(mounts.list[3].source, "some\\thing");
    CHECK_TEXT(mounts.list[1].super, "rw");
    CHECK(!mounts_find(&mounts, "/etc/passwd")->writable);
    CHECK(mounts_find(&mounts, "/tmp/x")->writable && mounts_find(&mounts, "/tmp")->writable);
    CHECK(!mounts_find(&mounts, "/tmp/with space/x")->writable);
    CHECK(!mounts_find(&mounts, "/tmpx")->writable);
    CHECK(!mounts_find(&mounts, "/proc/sys/kernel")->writable);
    CHECK(!mounts.list[5].writable && mounts_find(&mounts, "/data/x")->writable); // the upper one
    CHECK(option_given("a,ro,b", "ro") && option_given("ro", "ro") && !option_given("roo,xro",
          "ro"));
    static const char *const bad[] = {"1 0 8:1 / /", "1 0 8:1 / / ro - ext4 x", "nonsense\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, "%s", bad[i]);
        CHECK(!mounts_parse(text, &mounts));
    }
    text[0] = 0;
    CHECK(mounts_parse(text, &mounts) && mounts.count == 0 && !mounts_find(&mounts, "/"));
}

static void find(const char *own, struct cgroup *cgroup)
{
    char copy[512];
    snprintf(copy, sizeof copy, "%s", own);
    cgroup_find(copy, &mounts, cgroup);
}

static void test_cgroups(void)
{
    static struct cgroup cgroup;
    read_mounts("1 0 0:1 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
    find("0::/\n", &cgroup);
    CHECK(cgroup.version[CGROUP_MEMORY] == 2 && cgroup.version[CGROUP_CPU] == 2);
    CHECK_TEXT(cgroup.directory[CGROUP_MEMORY], "/sys/fs/cgroup");
    find("0::/box/one\n", &cgroup);
    CHECK_TEXT(cgroup.directory[CGROUP_PIDS], "/sys/fs/cgroup/box/one");
    // Version 1 without a cgroup namespace, and one controller missing; version 2 beside it.
    read_mounts("1 0 0:1 /docker/x /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
                "2 0 0:2 /docker/x /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n"
                "3 0 0:3 / /sys/fs/cgroup/unified ro - cgroup2 cgroup rw\n");
    find("9:memory:/docker/x\n2:cpu,cpuacct:/docker/x/below\n8:pids:/docker/x\n0::/\n", &cgroup);
    CHECK(cgroup.version[CGROUP_MEMORY] == 1 && cgroup.version[CGROUP_CPUACCT] == 1);
    CHECK(cgroup.version[CGROUP_PIDS] == 2);
    CHECK_TEXT(cgroup.directory[CGROUP_MEMORY], "/sys/fs/cgroup/memory");
    CHECK_TEXT(cgroup.directory[CGROUP_CPU], "/sys/fs/cgroup/cpu,cpuacct/below");
    read_mounts("1 0 0:1 /elsewhere /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
    find("0::/docker/x\n", &cgroup);
    CHECK(cgroup.version[CGROUP_MEMORY] == 0);
    uint64_t value;
    CHECK(!cgroup_number(&cgroup, CGROUP_MEMORY, "memory.max", NULL, &value));
}

static void write_file(const char *directory, const char *name, const char *content)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    CHECK(file != NULL);
    if (file) {
        fputs(content, file);
        fclose(file);
    }
}

static void test_numbers(void)
{
    static struct cgroup cgroup = {.version = {2, 2, 2, 2}};
    char directory[] = "/tmp/rune-init-test-XXXXXX", command[128];
    uint64_t value = 0, period = 0;
    CHECK(mkdtemp(directory) != NULL);
    for (int part = 0; part < CGROUP_PARTS; part++)
        snprintf(cgroup.directory[part], PATH_BYTES, "%s", directory);
    write_file(directory, "memory.max", "max\n");
    write_file(directory, "memory.events", "low 0\nmax 12\noom 3\noom_kill 2\n");
    write_file(directory, "cpu.max", "50000 100000\n");
    write_file(directory, "nonsense", "hello\n");
    CHECK(cgroup_number(&cgroup, CGROUP_MEMORY, "memory.max", NULL, &value) && value == UINT64_MAX);
    CHECK(cgroup_number(&cgroup, CGROUP_MEMORY, "memory.events", "oom_kill ", &value) &&
          value == 2);
    CHECK(cgroup_cpu_limit(&cgroup, &value, &period) && value == 50000 && period == 100000);
    write_file(directory, "cpu.max", "max 100000\n");
    CHECK(cgroup_cpu_limit(&cgroup, &value, &period) && value == UINT64_MAX && period == 100000);
    CHECK(!cgroup_number(&cgroup, CGROUP_MEMORY, "nonsense", NULL, &value));
    CHECK(!cgroup_number(&cgroup, CGROUP_MEMORY, "memory.events", "absent ", &value));
    CHECK(!cgroup_number(&cgroup, CGROUP_MEMORY, "absent", NULL, &value));
    char path[600], small[4];
    snprintf(path, sizeof path, "%s/nonsense", directory);
    CHECK(!text_read(path, small, sizeof small) && text_read(path, command, sizeof command));
    snprintf(command, sizeof command, "rm -r %s", directory);
    CHECK(system(command) == 0);
}

void test_kernel_files(void)
{
    test_mounts();
    test_cgroups();
    test_numbers();
}
