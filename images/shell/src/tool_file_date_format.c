/* Dates as text: strftime's conversions with GNU's flags and widths. Always UTC and the C
 * locale, which is all that a job has. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool_file.h"

struct text {
    char *s;
    size_t len, cap;
};

struct spec {
    char pad;   /* '0', '_', '-', or 0: the conversion's own */
    bool upper, swap;
    int width, colons;
};

static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                   "Thursday", "Friday", "Saturday"};
static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                     "July",    "August",   "September", "October", "November", "December"};

static void text_add(struct text *t, const char *s, size_t n) {
    if (t->len + n + 1 > t->cap) t->s = xrealloc(t->s, t->cap = (t->len + n + 1) * 2);
    memcpy(t->s + t->len, s, n);
    t->s[t->len += n] = '\0';
}

static void add_padding(struct text *t, const struct spec *sp, size_t n, char own) {
    char pad = sp->pad == '_' ? ' ' : sp->pad == '0' ? '0' : own;

    for (; sp->pad != '-' && (int)n < sp->width; n++) text_add(t, &pad, 1);
}

static void add_word(struct text *t, const struct spec *sp, const char *word, size_t n) {
    add_padding(t, sp, n, ' ');
    for (; n; n--, word++) {
        char c = *word;

        if (sp->upper && c >= 'a' && c <= 'z') c -= 'a' - 'A';
        text_add(t, &c, 1);
    }
}

static void add_number(struct text *t, const struct spec *sp, long long value, int digits, char own) {
    char buf[24], pad = sp->pad ? sp->pad : own;
    int n = snprintf(buf, sizeof buf, "%lld", value < 0 ? -value : value);
    int width = sp->width > digits ? sp->width : digits;

    if (pad == '-') width = 0;
    if (value < 0 && pad == '0') text_add(t, "-", 1);
    for (int i = n + (value < 0); i < width; i++) text_add(t, pad == '_' || pad == ' ' ? " " : "0", 1);
    if (value < 0 && pad != '0') text_add(t, "-", 1);
    text_add(t, buf, (size_t)n);
}

static void add_nanoseconds(struct text *t, const struct spec *sp, long ns) {
    char buf[24];
    int n = sp->width > 0 && sp->width < 9 ? sp->width : 9;

    snprintf(buf, sizeof buf, "%09ld", ns);
    text_add(t, buf, (size_t)n);
    for (; n < sp->width; n++) text_add(t, "0", 1);
}

static bool is_leap(int year) {
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* ISO 8601 week and its year. */
static int iso_week(const struct tm *tm, int *year) {
    int monday_based = (tm->tm_wday + 6) % 7;
    int week = (tm->tm_yday - monday_based + 10) / 7;
    int last_thursday, length;

    *year = tm->tm_year + 1900;
    if (week < 1) {
        --*year;
        length = is_leap(*year) ? 366 : 365;
        return (tm->tm_yday + length - monday_based + 10) / 7;
    }
    length = is_leap(*year) ? 366 : 365;
    last_thursday = tm->tm_yday - monday_based + 3;
    if (last_thursday >= length) {
        ++*year;
        return 1;
    }
    return week;
}

static void add_zone(struct text *t, const struct spec *sp) {
    static const char *const forms[] = {"+0000", "+00:00", "+00:00:00", "+00"};

    add_word(t, sp, forms[sp->colons & 3], strlen(forms[sp->colons & 3]));
}

static void add_format(struct text *t, const char *format, const struct tm *tm, struct timespec at);

static void add_composite(struct text *t, const struct spec *sp, const char *format, const struct tm *tm,
                          struct timespec at) {
    struct text part = {NULL, 0, 0};

    add_format(&part, format, tm, at);
    add_word(t, sp, part.s, part.len);
    free(part.s);
}

static bool add_text_conversion(struct text *t, struct spec *sp, char c, const struct tm *tm,
                                struct timespec at) {
    const char *word = NULL;
    size_t n = 3;

    sp->upper |= sp->swap && c != 'p' && c != 'Z';
    switch (c) {
    case 'a': word = days[tm->tm_wday]; break;
    case 'A': word = days[tm->tm_wday]; n = strlen(word); break;
    case 'b':
    case 'h': word = months[tm->tm_mon]; break;
    case 'B': word = months[tm->tm_mon]; n = strlen(word); break;
    case 'p': word = tm->tm_hour < 12 ? (sp->swap ? "am" : "AM") : sp->swap ? "pm" : "PM"; n = 2; break;
    case 'P': word = tm->tm_hour < 12 ? "am" : "pm"; n = 2; break;
    case 'Z': word = sp->swap ? "utc" : "UTC"; break;
    case 'z': add_zone(t, sp); return true;
    case '%': word = "%"; n = 1; break;
    case 'n': word = "\n"; n = 1; break;
    case 't': word = "\t"; n = 1; break;
    case 'c': add_composite(t, sp, "%a %b %e %H:%M:%S %Y", tm, at); return true;
    case 'D':
    case 'x': add_composite(t, sp, "%m/%d/%y", tm, at); return true;
    case 'F': add_composite(t, sp, "%Y-%m-%d", tm, at); return true;
    case 'r': add_composite(t, sp, "%I:%M:%S %p", tm, at); return true;
    case 'R': add_composite(t, sp, "%H:%M", tm, at); return true;
    case 'T':
    case 'X': add_composite(t, sp, "%H:%M:%S", tm, at); return true;
    default: return false;
    }
    add_word(t, sp, word, n);
    return true;
}

static bool add_number_conversion(struct text *t, const struct spec *sp, char c, const struct tm *tm,
                                  struct timespec at) {
    int year = tm->tm_year + 1900, iso_year, week = iso_week(tm, &iso_year);
    int hour = tm->tm_hour % 12 ? tm->tm_hour % 12 : 12;

    switch (c) {
    case 'C': add_number(t, sp, year / 100, 2, '0'); return true;
    case 'd': add_number(t, sp, tm->tm_mday, 2, '0'); return true;
    case 'e': add_number(t, sp, tm->tm_mday, 2, ' '); return true;
    case 'g': add_number(t, sp, iso_year % 100, 2, '0'); return true;
    case 'G': add_number(t, sp, iso_year, 4, '0'); return true;
    case 'H': add_number(t, sp, tm->tm_hour, 2, '0'); return true;
    case 'I': add_number(t, sp, hour, 2, '0'); return true;
    case 'j': add_number(t, sp, tm->tm_yday + 1, 3, '0'); return true;
    case 'k': add_number(t, sp, tm->tm_hour, 2, ' '); return true;
    case 'l': add_number(t, sp, hour, 2, ' '); return true;
    case 'm': add_number(t, sp, tm->tm_mon + 1, 2, '0'); return true;
    case 'M': add_number(t, sp, tm->tm_min, 2, '0'); return true;
    case 'N': add_nanoseconds(t, sp, at.tv_nsec); return true;
    case 'q': add_number(t, sp, tm->tm_mon / 3 + 1, 1, '0'); return true;
    case 's': add_number(t, sp, at.tv_sec, 1, '0'); return true;
    case 'S': add_number(t, sp, tm->tm_sec, 2, '0'); return true;
    case 'u': add_number(t, sp, (tm->tm_wday + 6) % 7 + 1, 1, '0'); return true;
    case 'U': add_number(t, sp, (tm->tm_yday + 7 - tm->tm_wday) / 7, 2, '0'); return true;
    case 'V': add_number(t, sp, week, 2, '0'); return true;
    case 'w': add_number(t, sp, tm->tm_wday, 1, '0'); return true;
    case 'W': add_number(t, sp, (tm->tm_yday + 7 - (tm->tm_wday + 6) % 7) / 7, 2, '0'); return true;
    case 'y': add_number(t, sp, year % 100, 2, '0'); return true;
    case 'Y': add_number(t, sp, year, 4, '0'); return true;
    default: return false;
    }
}

/* Reads flags, width and modifier; returns where the conversion's letter is. */
static const char *spec_read(const char *s, struct spec *sp) {
    const int most = 1000;

    *sp = (struct spec){0};
    for (; *s && strchr("-_0^#+", *s); s++) {
        if (*s == '^')
            sp->upper = true;
        else if (*s == '#')
            sp->swap = true;
        else if (*s != '+')
            sp->pad = *s;
    }
    for (; *s >= '0' && *s <= '9'; s++)
        if (sp->width < most) sp->width = sp->width * 10 + *s - '0';
    for (; *s == ':'; s++) sp->colons++;
    if (*s == 'E' || *s == 'O') s++;
    return s;
}

static void add_format(struct text *t, const char *format, const struct tm *tm, struct timespec at) {
    struct spec sp;

    text_add(t, "", 0);
    while (*format) {
        size_t n = strcspn(format, "%");
        const char *letter;

        text_add(t, format, n);
        format += n;
        if (!*format) break;
        letter = spec_read(format + 1, &sp);
        if (*letter && (sp.colons == 0 || (*letter == 'z' && sp.colons < 4))
            && (add_text_conversion(t, &sp, *letter, tm, at) || add_number_conversion(t, &sp, *letter, tm, at))) {
            format = letter + 1;
            continue;
        }
        n = (size_t)(letter - format) + (*letter != '\0');
        text_add(t, format, n);
        format += n;
    }
}

char *date_format(const char *format, struct timespec at) {
    struct text t = {NULL, 0, 0};
    struct tm tm;

    if (!gmtime_r(&at.tv_sec, &tm)) return NULL;
    add_format(&t, format, &tm, at);
    return t.s;
}
