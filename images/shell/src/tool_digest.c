/* md5sum, sha1sum, sha224sum, sha256sum, sha384sum, sha512sum */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "digest.h"
#include "tool_text.h"

struct sums {
    enum digest_kind kind;
    int check, binary, tag, quiet, status_only, warn, strict, ignore_missing, zero;
    struct out out;
};
static const char *const labels[] = {"MD5", "SHA1", "SHA224", "SHA256", "SHA384", "SHA512"};

/* The sum as hex, or -1 with errno. */
static int file_sum(const struct sums *s, const char *name, char *hex) {
    struct digest d;
    uint8_t raw[64];
    int fd = input_open(name);
    if (fd < 0) return -1;
    char *buf = xmalloc(IO_CHUNK);
    ssize_t n;
    digest_start(&d, s->kind);
    while ((n = input_read(fd, buf, IO_CHUNK)) > 0) digest_add(&d, buf, (size_t)n);
    int err = errno;
    input_close(fd);
    free(buf);
    errno = err;
    if (n < 0) return -1;
    digest_end(&d, raw);
    size_t size = digest_size(s->kind);
    for (size_t i = 0; i < size; i++) {
        hex[2 * i] = "0123456789abcdef"[raw[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[raw[i] & 15];
    }
    hex[2 * size] = '\0';
    return 0;
}

static void put_name(struct sums *s, const char *name, int escaped) {
    for (; *name; name++) {
        if (escaped && *name == '\n') out_text(&s->out, "\\n");
        else if (escaped && *name == '\r') out_text(&s->out, "\\r");
        else if (escaped && *name == '\\') out_text(&s->out, "\\\\");
        else out_byte(&s->out, *name);
    }
}

static void put_sum(struct sums *s, const char *hex, const char *name) {
    int escaped = !s->zero && strpbrk(name, "\\\n\r") != NULL;
    if (escaped) out_byte(&s->out, '\\');
    if (s->tag) out_format(&s->out, "%s (", labels[s->kind]);
    else out_format(&s->out, "%s %c", hex, s->binary ? '*' : ' ');
    put_name(s, name, escaped);
    if (s->tag) out_format(&s->out, ") = %s", hex);
    out_byte(&s->out, s->zero ? 0 : '\n');
}

static void unescape(char *s) {
    char *to = s;
    for (; *s; s++) {
        if (*s == '\\' && (s[1] == 'n' || s[1] == 'r' || s[1] == '\\')) {
            s++;
            *to++ = *s == 'n' ? '\n' : *s == 'r' ? '\r' : '\\';
        } else {
            *to++ = *s;
        }
    }
    *to = '\0';
}

/* Cuts "hex  name", "hex *name" or "SHA256 (name) = hex" apart. */
static int line_parse(const struct sums *s, char *line, char **hex, char **name) {
    size_t want = digest_size(s->kind) * 2, label = strlen(labels[s->kind]);
    int escaped = *line == '\\';
    line += escaped;
    if (!strncmp(line, labels[s->kind], label) && !strncmp(line + label, " (", 2)) {
        char *end = NULL;
        for (char *p = line; (p = strstr(p, ") = ")); p++) end = p;
        if (!end) return -1;
        *name = line + label + 2;
        *end = '\0';
        *hex = end + 4;
    } else {
        size_t n = strspn(line, "0123456789abcdefABCDEF");
        if (n != want || line[n] != ' ' || (line[n + 1] != ' ' && line[n + 1] != '*')) return -1;
        *hex = line;
        line[n] = '\0';
        *name = line + n + 2;
    }
    if (strspn(*hex, "0123456789abcdefABCDEF") != want || (*hex)[want] || !**name) return -1;
    if (escaped) unescape(*name);
    return 0;
}

struct tally {
    long good, bad, unreadable, malformed, missing;
};

static void line_check(struct sums *s, char *hex, const char *name, struct tally *t) {
    char actual[129];
    for (char *p = hex; *p; p++)
        if (*p >= 'A' && *p <= 'F') *p += 32;
    if (file_sum(s, name, actual)) {
        if (s->ignore_missing && errno == ENOENT) {
            t->missing++;
            return;
        }
        tool_warn_errno(name);
        t->unreadable++;
        if (!s->status_only) out_format(&s->out, "%s: FAILED open or read\n", name);
        return;
    }
    int same = !strcmp(hex, actual);
    if (same) t->good++;
    else t->bad++;
    if (!s->status_only && !(same && s->quiet)) out_format(&s->out, "%s: %s\n", name, same ? "OK" : "FAILED");
}

static void warn_count(long n, const char *one, const char *many) {
    if (n) tool_warn("WARNING: %ld %s", n, n == 1 ? one : many);
}

static int check_file(struct sums *s, const char *list) {
    struct reader r;
    struct tally t = {0};
    char *line;
    size_t n;
    long number = 0;
    const char *label = strcmp(list, "-") ? list : "'standard input'";
    if (reader_open(&r, list, '\n')) return 1;
    while ((n = reader_line(&r, &line)) > 0) {
        char *hex, *name;
        number++;
        if (line[n - 1] == '\n') n--;
        if (n > 0 && line[n - 1] == '\r') n--;
        if (n == 0 || *line == '#') continue;
        char *copy = xmalloc(n + 1);
        memcpy(copy, line, n);
        copy[n] = '\0';
        if (strlen(copy) != n || line_parse(s, copy, &hex, &name)) {
            t.malformed++;
            if (s->warn) tool_warn("%s: %ld: improperly formatted %s checksum line", label, number, labels[s->kind]);
        } else {
            line_check(s, hex, name, &t);
        }
        free(copy);
    }
    if (reader_close(&r, list)) return 1;
    if (!t.good && !t.bad && !t.unreadable && !t.missing) {
        tool_warn("%s: no properly formatted checksum lines found", label);
        return 1;
    }
    if (!s->status_only) {
        warn_count(t.malformed, "line is improperly formatted", "lines are improperly formatted");
        warn_count(t.unreadable, "listed file could not be read", "listed files could not be read");
        warn_count(t.bad, "computed checksum did NOT match", "computed checksums did NOT match");
        if (s->ignore_missing && !t.good && !t.bad) tool_warn("%s: no file was verified", label);
    }
    return t.bad || t.unreadable || (s->strict && t.malformed) || (s->ignore_missing && !t.good);
}

static int sums_main(enum digest_kind kind, int argc, char **argv) {
    static const struct longopt longs[] = {{"check", 0, 'c'}, {"binary", 0, 'b'}, {"text", 0, 't'}, {"tag", 0, 'T'},
        {"quiet", 0, 'q'}, {"status", 0, 's'}, {"warn", 0, 'w'}, {"strict", 0, 'S'}, {"ignore-missing", 0, 'i'},
        {"zero", 0, 'z'}, {0}};
    struct sums s = {.kind = kind};
    struct opts o = opts_start(argc, argv);
    int c, status = 0;
    while ((c = opts_next(&o, "cbtwz", longs)) != OPT_END) switch (c) {
        case 'c': s.check = 1; break;
        case 'b': s.binary = 1; break;
        case 't': s.binary = 0; break;
        case 'T': s.tag = 1; break;
        case 'q': s.quiet = 1; break;
        case 's': s.status_only = 1; break;
        case 'w': s.warn = 1; break;
        case 'S': s.strict = 1; break;
        case 'i': s.ignore_missing = 1; break;
        case 'z': s.zero = 1; break;
        default: return c == OPT_HELP ? 0 : 1;
        }
    out_start(&s.out, STDOUT_FILENO, 1);
    for (int i = 1; i <= o.operands || (i == 1 && !o.operands); i++) {
        const char *name = o.operands ? argv[i] : "-";
        char hex[129];
        if (s.check) {
            status |= check_file(&s, name);
        } else if (file_sum(&s, name, hex)) {
            tool_warn_errno(name);
            status = 1;
        } else {
            put_sum(&s, hex, name);
        }
    }
    return out_end(&s.out, status);
}

int tool_md5sum(int argc, char **argv) { return sums_main(DIGEST_MD5, argc, argv); }
int tool_sha1sum(int argc, char **argv) { return sums_main(DIGEST_SHA1, argc, argv); }
int tool_sha224sum(int argc, char **argv) { return sums_main(DIGEST_SHA224, argc, argv); }
int tool_sha256sum(int argc, char **argv) { return sums_main(DIGEST_SHA256, argc, argv); }
int tool_sha384sum(int argc, char **argv) { return sums_main(DIGEST_SHA384, argc, argv); }
int tool_sha512sum(int argc, char **argv) { return sums_main(DIGEST_SHA512, argc, argv); }
