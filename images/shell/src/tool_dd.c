/* dd. The last line of its report has no time and speed: they differ from run to run, and a
 * job's output must not. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_file.h"

enum { BLOCK = 512, BLOCK_MAX = 64 << 20 };
enum { CONV_NOTRUNC = 1, CONV_SYNC = 2, CONV_NOERROR = 4, CONV_UPPER = 8, CONV_LOWER = 16, CONV_SWAB = 32,
       CONV_EXCL = 64, CONV_NOCREAT = 128, CONV_NOTHING = 256 };
enum { FLAG_FULL = 1, FLAG_APPEND = 2, FLAG_SKIP_BYTES = 4, FLAG_COUNT_BYTES = 8, FLAG_SEEK_BYTES = 16,
       FLAG_NOTHING = 32 };
enum status { STATUS_ALL, STATUS_NOXFER, STATUS_NONE };

struct dd {
    const char *in_name, *out_name;
    int in, out;
    int64_t ibs, obs, bs, count, skip, seek; /* count -1: all */
    unsigned conv, in_flags, out_flags;
    enum status report;
    int64_t in_full, in_part, out_full, out_part, bytes;
    char *buf, *gather;
    size_t gathered;
    bool failed;
};

struct named {
    const char *name;
    unsigned bit;
};

static const struct named convs[] = {{"notrunc", CONV_NOTRUNC}, {"sync", CONV_SYNC},       {"noerror", CONV_NOERROR},
                                     {"ucase", CONV_UPPER},     {"lcase", CONV_LOWER},     {"swab", CONV_SWAB},
                                     {"excl", CONV_EXCL},       {"nocreat", CONV_NOCREAT}, {"fsync", CONV_NOTHING},
                                     {"fdatasync", CONV_NOTHING}, {"sparse", CONV_NOTHING}, {NULL, 0}};
static const struct named flags[] = {{"fullblock", FLAG_FULL},         {"append", FLAG_APPEND},
                                     {"skip_bytes", FLAG_SKIP_BYTES},  {"count_bytes", FLAG_COUNT_BYTES},
                                     {"seek_bytes", FLAG_SEEK_BYTES},  {"sync", FLAG_NOTHING},
                                     {"dsync", FLAG_NOTHING},          {"direct", FLAG_NOTHING},
                                     {"nofollow", FLAG_NOTHING},       {NULL, 0}};

static unsigned parse_list(const struct named *table, const char *text, const char *what) {
    unsigned bits = 0;

    while (*text) {
        size_t n = strcspn(text, ",");
        const struct named *t = table;

        while (t->name && (strncmp(t->name, text, n) || t->name[n])) t++;
        if (!t->name) {
            usage_error("invalid %s: %s", what, marked(text));
            exit(1);
        }
        bits |= t->bit;
        text += n + (text[n] == ',');
    }
    return bits;
}

/* 2x1k, 3b, 1w … */
static int64_t parse_number(const char *text) {
    int64_t product = 1, n;
    char part[32];

    for (const char *s = text;; s++) {
        size_t len = strcspn(s, "x");

        if (len >= sizeof part || !len) break;
        memcpy(part, s, len);
        part[len] = '\0';
        if (part[len - 1] == 'c') part[len - 1] = '\0';
        if (part[0] && part[len - 1] == 'w') {
            part[len - 1] = '\0';
            if (__builtin_mul_overflow(product, 2, &product)) break;
        }
        if (size_parse(part, &n) || __builtin_mul_overflow(product, n, &product)) break;
        s += len;
        if (!*s) return product;
    }
    tool_die(1, "invalid number: %s", marked(text));
}

static int64_t parse_block(const char *text) {
    int64_t n = parse_number(text);

    if (n < 1) tool_die(1, "invalid number: %s", marked(text));
    if (n > BLOCK_MAX) tool_die(1, "block of %s bytes is more than the WASI lane's 64 MiB", text);
    return n;
}

static void parse_status(struct dd *d, const char *text) {
    if (!strcmp(text, "none")) d->report = STATUS_NONE;
    else if (!strcmp(text, "noxfer")) d->report = STATUS_NOXFER;
    else if (strcmp(text, "progress")) {
        usage_error("invalid status level: %s", marked(text));
        exit(1);
    }
}

static bool parse_operand(struct dd *d, const char *word) {
    const char *value = strchr(word, '=');
    size_t n = value ? (size_t)(value++ - word) : 0;
    char name[8] = "";

    if (!value || n >= sizeof name) return false;
    memcpy(name, word, n);
    if (!strcmp(name, "if")) d->in_name = value;
    else if (!strcmp(name, "of")) d->out_name = value;
    else if (!strcmp(name, "bs")) d->bs = parse_block(value);
    else if (!strcmp(name, "ibs")) d->ibs = parse_block(value);
    else if (!strcmp(name, "obs")) d->obs = parse_block(value);
    else if (!strcmp(name, "cbs")) parse_block(value);
    else if (!strcmp(name, "skip") || !strcmp(name, "iseek")) d->skip = parse_number(value);
    else if (!strcmp(name, "seek") || !strcmp(name, "oseek")) d->seek = parse_number(value);
    else if (!strcmp(name, "conv")) d->conv |= parse_list(convs, value, "conversion");
    else if (!strcmp(name, "iflag")) d->in_flags |= parse_list(flags, value, "input flag");
    else if (!strcmp(name, "oflag")) d->out_flags |= parse_list(flags, value, "output flag");
    else if (!strcmp(name, "status")) parse_status(d, value);
    else if (!strcmp(name, "count")) {
        size_t len = strlen(value);

        d->count = parse_number(value);
        if (len && value[len - 1] == 'B') d->in_flags |= FLAG_COUNT_BYTES;
    } else
        return false;
    return true;
}

static void open_both(struct dd *d) {
    int how = O_WRONLY;

    d->in = d->in_name ? open(d->in_name, O_RDONLY) : STDIN_FILENO;
    if (d->in < 0) tool_die(1, "failed to open %s: %s", quoted(d->in_name), strerror(errno));
    d->out = STDOUT_FILENO;
    if (!d->out_name) return;
    if (d->conv & CONV_EXCL) how |= O_EXCL;
    if (d->out_flags & FLAG_APPEND) how |= O_APPEND;
    if (!(d->conv & CONV_NOTRUNC) && !d->seek && !(d->out_flags & FLAG_APPEND)) how |= O_TRUNC;
    d->out = d->conv & CONV_NOCREAT ? open(d->out_name, how) : open_creating(d->out_name, how);
    if (d->out < 0) tool_die(1, "failed to open %s: %s", quoted(d->out_name), strerror(errno));
}

static ssize_t read_block(const struct dd *d, char *buf, size_t want, bool full) {
    size_t got = 0;

    while (got < want) {
        ssize_t n = input_read(d->in, buf + got, want - got);

        if (n < 0) return got ? (ssize_t)got : -1;
        got += (size_t)n;
        if (n == 0 || !full) break;
    }
    return (ssize_t)got;
}

static const char *in_title(const struct dd *d) {
    return d->in_name ? d->in_name : "standard input";
}

static void skip_input(struct dd *d) {
    int64_t bytes = d->in_flags & FLAG_SKIP_BYTES ? d->skip : d->skip * d->ibs;
    struct stat st;

    if (!bytes) return;
    if (!fstat(d->in, &st) && S_ISREG(st.st_mode)) {
        off_t at = lseek(d->in, 0, SEEK_CUR);

        if (at >= 0 && lseek(d->in, bytes, SEEK_CUR) >= 0) {
            if (at + bytes > st.st_size) tool_warn("%s: cannot skip to specified offset", in_title(d));
            return;
        }
    }
    while (bytes > 0) {
        ssize_t n = read_block(d, d->buf, (size_t)(bytes < d->ibs ? bytes : d->ibs), true);

        if (n <= 0) {
            tool_warn("%s: cannot skip to specified offset", in_title(d));
            return;
        }
        bytes -= n;
    }
}

static void seek_output(struct dd *d) {
    int64_t bytes = d->out_flags & FLAG_SEEK_BYTES ? d->seek : d->seek * d->obs;
    const char *title = d->out_name ? d->out_name : "standard output";

    if (!bytes) return;
    if (d->out_name && !(d->conv & CONV_NOTRUNC) && ftruncate(d->out, bytes))
        tool_die(1, "failed to truncate to %lld bytes in output file %s: %s", (long long)bytes, quoted(title),
                 strerror(errno));
    if (lseek(d->out, bytes, SEEK_CUR) < 0) tool_die(1, "%s: cannot seek: %s", quoted(title), strerror(errno));
}

static bool write_block(struct dd *d, const char *buf, size_t n) {
    size_t done = 0;

    while (done < n) {
        ssize_t wrote = write(d->out, buf + done, n - done);

        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) break;
        done += (size_t)wrote;
    }
    d->bytes += (int64_t)done;
    if (done == (size_t)d->obs)
        d->out_full++;
    else if (done)
        d->out_part++;
    if (done == n) return true;
    if (errno == EPIPE) exit(141);
    tool_warn("error writing %s: %s", quoted(d->out_name ? d->out_name : "standard output"), strerror(errno));
    d->failed = true;
    return false;
}

static bool put(struct dd *d, const char *buf, size_t n) {
    if (d->bs) return write_block(d, buf, n);
    while (n) {
        size_t room = (size_t)d->obs - d->gathered, take = n < room ? n : room;

        memcpy(d->gather + d->gathered, buf, take);
        d->gathered += take;
        buf += take;
        n -= take;
        if (d->gathered == (size_t)d->obs) {
            d->gathered = 0;
            if (!write_block(d, d->gather, (size_t)d->obs)) return false;
        }
    }
    return true;
}

static void convert(const struct dd *d, char *buf, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (d->conv & CONV_UPPER && buf[i] >= 'a' && buf[i] <= 'z') buf[i] -= 32;
        if (d->conv & CONV_LOWER && buf[i] >= 'A' && buf[i] <= 'Z') buf[i] += 32;
    }
    for (size_t i = 0; d->conv & CONV_SWAB && i + 1 < n; i += 2) {
        char c = buf[i];

        buf[i] = buf[i + 1];
        buf[i + 1] = c;
    }
}

/* How many bytes the next read may take; 0: the count is reached. */
static size_t wanted(const struct dd *d, int64_t taken) {
    if (d->count < 0) return (size_t)d->ibs;
    if (d->in_flags & FLAG_COUNT_BYTES) {
        int64_t left = d->count - taken;

        return (size_t)(left < d->ibs ? left : d->ibs);
    }
    return d->in_full + d->in_part < d->count ? (size_t)d->ibs : 0;
}

static void transfer(struct dd *d) {
    int64_t taken = 0;
    size_t want;

    while ((want = wanted(d, taken))) {
        ssize_t n = read_block(d, d->buf, want, d->in_flags & FLAG_FULL);

        if (n < 0) {
            tool_warn("error reading %s: %s", quoted(in_title(d)), strerror(errno));
            d->failed = true;
        }
        if (n <= 0) break;
        taken += n;
        if (n == d->ibs)
            d->in_full++;
        else
            d->in_part++;
        if (d->conv & CONV_SYNC && n < d->ibs) {
            memset(d->buf + n, 0, (size_t)(d->ibs - n));
            n = (ssize_t)d->ibs;
        }
        convert(d, d->buf, (size_t)n);
        if (!put(d, d->buf, (size_t)n)) return;
    }
    if (d->gathered) write_block(d, d->gather, d->gathered);
}

static void report_human(char *out, size_t cap, int64_t bytes, int64_t base, const char *const *units) {
    double value = (double)bytes;
    int u = 0;

    for (; value >= (double)base && units[u + 1]; u++) value /= (double)base;
    snprintf(out, cap, value < 9.95 ? "%.1f %s" : "%.0f %s", value, units[u]);
}

static void report(const struct dd *d) {
    static const char *const si[] = {"B", "kB", "MB", "GB", "TB", NULL};
    static const char *const iec[] = {"B", "KiB", "MiB", "GiB", "TiB", NULL};
    char a[32], b[32];

    if (d->report == STATUS_NONE) return;
    fprintf(stderr, "%lld+%lld records in\n%lld+%lld records out\n", (long long)d->in_full, (long long)d->in_part,
            (long long)d->out_full, (long long)d->out_part);
    if (d->report == STATUS_NOXFER) return;
    fprintf(stderr, "%lld byte%s", (long long)d->bytes, d->bytes == 1 ? "" : "s");
    report_human(a, sizeof a, d->bytes, 1000, si);
    report_human(b, sizeof b, d->bytes, 1024, iec);
    if (d->bytes >= 1024)
        fprintf(stderr, " (%s, %s)", a, b);
    else if (d->bytes >= 1000)
        fprintf(stderr, " (%s)", a);
    fputs(" copied\n", stderr);
}

int tool_dd(int argc, char **argv) {
    struct dd d = {.ibs = BLOCK, .obs = BLOCK, .count = -1};

    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--")) continue;
        if (!strcmp(argv[i], "--help")) {
            puts("Usage: dd [OPERAND=VALUE]...");
            return 0;
        }
        if (!parse_operand(&d, argv[i])) return usage_error("unrecognized operand %s", marked(argv[i]));
    }
    if (d.bs) d.ibs = d.obs = d.bs;
    if (d.skip > INT64_MAX / BLOCK_MAX || d.seek > INT64_MAX / BLOCK_MAX) tool_die(1, "offset too large");
    open_both(&d);
    d.buf = xmalloc((size_t)d.ibs);
    d.gather = d.bs ? NULL : xmalloc((size_t)d.obs);
    skip_input(&d);
    seek_output(&d);
    transfer(&d);
    report(&d);
    return d.failed;
}
