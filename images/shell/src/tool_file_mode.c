/* Permission bits as text: rwxr-xr-x, and the octal and symbolic forms of chmod. */
#include <stdlib.h>
#include <string.h>

#include "tool_file.h"

static char type_letter(mode_t type) {
    if (S_ISDIR(type))
        return 'd';
    if (S_ISLNK(type))
        return 'l';
    if (S_ISCHR(type))
        return 'c';
    if (S_ISBLK(type))
        return 'b';
    if (S_ISFIFO(type))
        return 'p';
    return S_ISSOCK(type) ? 's' : '-';
}

void mode_text(mode_t type, int mode, char out[11]) {
    static const char bits[] = "rwxrwxrwx";
    int i;

    out[0] = type_letter(type);
    for (i = 0; i < 9; i++)
        out[1 + i] = '-';
    for (i = 0; i < 9; i++)
        if (mode & (0400 >> i))
            out[1 + i] = bits[i];
    if (mode & 04000)
        out[3] = mode & 0100 ? 's' : 'S';
    if (mode & 02000)
        out[6] = mode & 010 ? 's' : 'S';
    if (mode & 01000)
        out[9] = mode & 01 ? 't' : 'T';
    out[10] = '\0';
}

static int who_mask(const char **spec) {
    int mask = 0;

    for (;; (*spec)++) {
        switch (**spec) {
        case 'u': mask |= 04700; break;
        case 'g': mask |= 02070; break;
        case 'o': mask |= 01007; break;
        case 'a': mask |= 07777; break;
        default: return mask;
        }
    }
}

/* The bits that the letters after an operator ask for, for everybody. */
static int asked_bits(const char **spec, int mode, bool is_dir) {
    int bits = 0, copy;

    for (;; (*spec)++) {
        switch (**spec) {
        case 'r': bits |= 0444; break;
        case 'w': bits |= 0222; break;
        case 'x': bits |= 0111; break;
        case 'X': bits |= is_dir || (mode & 0111) ? 0111 : 0; break;
        case 's': bits |= 06000; break;
        case 't': bits |= 01000; break;
        case 'u': copy = mode >> 6 & 7; bits |= copy * 0111; break;
        case 'g': copy = mode >> 3 & 7; bits |= copy * 0111; break;
        case 'o': copy = mode & 7; bits |= copy * 0111; break;
        default: return bits;
        }
    }
}

static int apply_clause(const char **spec, int mode, bool is_dir) {
    int who = who_mask(spec);
    int given = who ? who : 07777 & ~sh_umask();
    int cleared = who ? who : 07777;

    if (!strchr("+-=", **spec) || !**spec)
        return -1;
    while (**spec && strchr("+-=", **spec)) {
        char op = *(*spec)++;
        int bits = asked_bits(spec, mode, is_dir) & given;

        if (op == '+')
            mode |= bits;
        else if (op == '-')
            mode &= ~bits;
        else /* A directory keeps set-id bits that are not named, as GNU's. */
            mode = (mode & ~(cleared & (is_dir ? 01777 : 07777))) | bits;
    }
    return mode;
}

int mode_apply(const char *spec, int mode, bool is_dir) {
    if (*spec >= '0' && *spec <= '7') {
        char *end;
        unsigned long value = strtoul(spec, &end, 8);

        return *end || value > 07777 ? -1 : (int)value;
    }
    for (;;) {
        mode = apply_clause(&spec, mode, is_dir);
        if (mode < 0 || !*spec)
            return mode;
        if (*spec++ != ',')
            return -1;
    }
}
