/* POSIX CRC: polynomial 0x04C11DB7 over the bytes and then over the length. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_text.h"

static void table_fill(uint32_t *table) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t v = i << 24;
        for (int bit = 0; bit < 8; bit++) v = v << 1 ^ (v & 0x80000000u ? 0x04C11DB7u : 0);
        table[i] = v;
    }
}

int tool_cksum(int argc, char **argv) {
    struct opts o = opts_start(argc, argv);
    struct out out;
    uint32_t table[256];
    int c, status = 0;
    while ((c = opts_next(&o, "", NULL)) != OPT_END) return c == OPT_HELP ? 0 : 1;
    table_fill(table);
    unsigned char *buf = xmalloc(IO_CHUNK);
    out_start(&out, STDOUT_FILENO, 1);
    for (int i = 1; i <= o.operands || (i == 1 && !o.operands); i++) {
        const char *name = o.operands ? argv[i] : "-";
        int fd = input_open(name);
        uint32_t crc = 0;
        uint64_t size = 0;
        ssize_t n = fd < 0 ? -1 : 0;
        while (fd >= 0 && (n = input_read(fd, buf, IO_CHUNK)) > 0) {
            for (ssize_t at = 0; at < n; at++) crc = crc << 8 ^ table[(crc >> 24 ^ buf[at]) & 0xFF];
            size += (uint64_t)n;
        }
        if (n < 0) {
            tool_warn_errno(name);
            status = 1;
            continue;
        }
        input_close(fd);
        for (uint64_t rest = size; rest > 0; rest >>= 8) crc = crc << 8 ^ table[(crc >> 24 ^ rest) & 0xFF];
        out_format(&out, "%lu %llu", (unsigned long)(~crc & 0xFFFFFFFFu), (unsigned long long)size);
        if (o.operands) out_format(&out, " %s", name);
        out_byte(&out, '\n');
    }
    return out_end(&out, status);
}
