/* Numbers and sizes as the file tools read and write them. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool_file.h"

/* WASI has no block count: as on a file system with blocks of 4 KB. */
enum { BLOCK = 4096, SECTOR = 512 };

int64_t stat_blocks(const struct stat *st) {
    if (S_ISDIR(st->st_mode)) return BLOCK / SECTOR;
    if (!S_ISREG(st->st_mode)) return 0;
    return ((int64_t)st->st_size + BLOCK - 1) / BLOCK * (BLOCK / SECTOR);
}

int64_t stat_size(const struct stat *st) {
    return S_ISDIR(st->st_mode) ? BLOCK : (int64_t)st->st_size;
}

char *size_human(int64_t bytes, char out[16]) {
    static const char units[] = "KMGTPE";
    int64_t unit = 1;
    int u = -1;

    while (bytes / unit >= 1024 && units[u + 1]) {
        unit *= 1024;
        u++;
    }
    if (u < 0) {
        snprintf(out, 16, "%d", (int)bytes);
        return out;
    }
    /* Rounded up, one digit after the point below 10. */
    uint64_t whole = (uint64_t)(bytes / unit);
    uint64_t tenths = ((uint64_t)(bytes % unit) * 10 + (uint64_t)unit - 1) / (uint64_t)unit;
    if (tenths == 10) {
        whole++;
        tenths = 0;
    }
    if (whole < 10) {
        snprintf(out, 16, "%d.%d%c", (int)whole, (int)tenths, units[u]);
        return out;
    }
    whole += tenths > 0;
    if (whole == 1024 && units[u + 1])
        snprintf(out, 16, "1.0%c", units[u + 1]);
    else
        snprintf(out, 16, "%d%c", (int)whole, units[u]);
    return out;
}

bool number_parse(const char *text, int64_t *out) {
    char *end;
    long long value;

    errno = 0;
    value = strtoll(text, &end, 10);
    if (end == text || *end || errno || *text == ' ') return false;
    *out = value;
    return true;
}

bool seconds_parse(const char *text, struct timespec *out) {
    static const char units[] = "smhd";
    static const int seconds[] = {1, 60, 3600, 86400};
    const double most = 1e15;
    char *end;
    double value = strtod(text, &end);

    if (end == text || !(value >= 0)) return false;
    if (*end) {
        const char *unit = strchr(units, *end);

        if (!unit || end[1]) return false;
        value *= seconds[unit - units];
    }
    if (value > most) value = most;
    out->tv_sec = (time_t)value;
    /* Upwards: never shorter than asked. */
    out->tv_nsec = (long)ceil((value - (double)out->tv_sec) * 1e9);
    if (out->tv_nsec >= 1000000000) {
        out->tv_sec++;
        out->tv_nsec = 0;
    }
    return true;
}

struct timespec time_now(void) {
    struct timespec t = {0, 0};

    clock_gettime(CLOCK_REALTIME, &t);
    return t;
}

int sleep_for(struct timespec t) {
    return nanosleep(&t, NULL);
}
