/* Text as dates, for `date -d` and `touch -d`: ISO 8601, @SECONDS, "1 Jan 2024 10:00", week
 * days, and relative words ("2 days ago", "next month", "yesterday"). Zones: Z, UTC, GMT, +HH:MM. */
#include <stdlib.h>
#include <string.h>

#include "tool_file.h"

struct reading {
    const char *s;
    struct tm tm;
    long nsec;
    bool has_date, has_year, has_time, has_zone, has_day, has_epoch;
    int weekday, weekday_step;
    int64_t epoch, zone_seconds;
    int64_t rel_months, rel_days, rel_seconds;
    bool rel_any;
    long rel_nsec;
};

static const char month_names[] = "janfebmaraprmayjunjulaugsepoctnovdec";
static const char day_names[] = "sunmontuewedthufrisat";
enum { NUMBER_MAX = 1000000000 };

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_sign(char c) { return c == '+' || c == '-'; }
static bool is_letter(char c) { return (c | 32) >= 'a' && (c | 32) <= 'z'; }

/* Reads up to `most` digits; their count, 0 if there is none. */
static int digits(struct reading *r, int most, int64_t *out) {
    int n = 0;

    for (*out = 0; n < most && is_digit(r->s[n]); n++) *out = *out * 10 + r->s[n] - '0';
    r->s += n;
    return n;
}

static void skip_blanks(struct reading *r) {
    while (*r->s == ' ' || *r->s == '\t' || *r->s == '\n' || *r->s == ',') r->s++;
}

/* The next word in small letters; false, with nothing consumed, if there is none. */
static bool word(struct reading *r, char out[16]) {
    size_t n = 0;

    skip_blanks(r);
    while (is_letter(r->s[n])) {
        if (n == 15) return false;
        out[n] = (char)(r->s[n] | 32);
        n++;
    }
    out[n] = '\0';
    r->s += n;
    if (n && *r->s == '.') r->s++;
    return n > 0;
}

/* Index of a name of which the word is a beginning of 3 letters or more. */
static int name_index(const char *list, const char *w, const char *const *full) {
    size_t n = strlen(w);

    for (int i = 0; n >= 3 && list[i * 3]; i++)
        if (!memcmp(list + i * 3, w, 3)) return !strncmp(full[i], w + 3, n - 3) ? i : -1;
    return -1;
}

static int month_index(const char *w) {
    static const char *const rest[] = {"uary", "ruary", "ch",       "il",    "",      "e",
                                       "y",    "ust",   "tember", "ober", "ember", "ember"};
    return name_index(month_names, w, rest);
}

static int day_index(const char *w) {
    static const char *const rest[] = {"day", "day", "sday", "nesday", "rsday", "day", "urday"};
    return name_index(day_names, w, rest);
}

static bool set_date(struct reading *r, int64_t year, int64_t month, int64_t day) {
    static const int length[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 || year % 400 == 0);

    if (r->has_date || month < 1 || month > 12 || day < 1) return false;
    if (day > length[month - 1] + (month == 2 && leap)) return false;
    r->tm.tm_year = (int)year - 1900;
    r->tm.tm_mon = (int)month - 1;
    r->tm.tm_mday = (int)day;
    return r->has_date = true;
}

static int64_t year_of(int64_t value, int count) {
    if (count > 2) return value;
    return value + (value < 69 ? 2000 : 1900);
}

static bool read_fraction(struct reading *r, long *nsec) {
    long unit = 100000000;

    if ((*r->s != '.' && *r->s != ',') || !is_digit(r->s[1])) return false;
    for (r->s++; is_digit(*r->s); r->s++, unit /= 10) *nsec += (*r->s - '0') * unit;
    return true;
}

/* A sign after a time is always a zone's, as in GNU's: "10:00 +2 hours" is 10:00 in zone +02,
 * and an hour. */
static bool read_zone(struct reading *r) {
    int sign = *r->s == '-' ? -1 : 1, count;
    int64_t hours, minutes = 0;

    for (r->s++; *r->s == ' '; r->s++) {}
    count = digits(r, 4, &hours);
    if (count > 2) {
        minutes = hours % 100;
        hours /= 100;
    } else if (count && *r->s == ':') {
        r->s++;
        if (digits(r, 2, &minutes) != 2) return false;
    }
    if (!count || hours > 24 || minutes > 59 || r->has_zone) return false;
    r->zone_seconds = sign * (hours * 3600 + minutes * 60);
    return r->has_zone = true;
}

static bool apply_meridian(struct reading *r) {
    bool is_pm = (r->s[0] | 32) == 'p';

    if (r->tm.tm_hour < 1 || r->tm.tm_hour > 12) return false;
    r->tm.tm_hour = r->tm.tm_hour % 12 + (is_pm ? 12 : 0);
    r->s += 2;
    return true;
}

static bool is_meridian(const char *s) {
    return ((s[0] | 32) == 'a' || (s[0] | 32) == 'p') && (s[1] | 32) == 'm' && !is_letter(s[2]);
}

static bool set_time(struct reading *r, int64_t hour) {
    int64_t minute = 0, second = 0;

    if (r->has_time) return false;
    if (*r->s == ':') {
        r->s++;
        if (!digits(r, 2, &minute)) return false;
        if (*r->s == ':') {
            r->s++;
            if (!digits(r, 2, &second)) return false;
            read_fraction(r, &r->nsec);
        }
    }
    if (hour > 24 || (hour == 24 && (minute || second)) || minute > 59 || second > 60) return false;
    r->tm.tm_hour = (int)hour;
    r->tm.tm_min = (int)minute;
    r->tm.tm_sec = (int)second;
    r->has_time = true;
    skip_blanks(r);
    if (is_meridian(r->s)) return apply_meridian(r);
    return !is_sign(*r->s) || read_zone(r);
}

static bool add_relative(struct reading *r, int64_t n, const char *unit) {
    static const struct {
        const char *name;
        int months, days, seconds;
    } units[] = {{"year", 12, 0, 0},   {"month", 1, 0, 0},   {"fortnight", 0, 14, 0}, {"week", 0, 7, 0},
                 {"day", 0, 1, 0},     {"hour", 0, 0, 3600}, {"minute", 0, 0, 60},    {"min", 0, 0, 60},
                 {"second", 0, 0, 1},  {"sec", 0, 0, 1}};
    size_t len = strlen(unit);

    if (len > 1 && unit[len - 1] == 's') len--;
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (strlen(units[i].name) != len || memcmp(units[i].name, unit, len)) continue;
        r->rel_months += n * units[i].months;
        r->rel_days += n * units[i].days;
        r->rel_seconds += n * units[i].seconds;
        return r->rel_any = true;
    }
    return false;
}

static void negate_relative(struct reading *r) {
    r->rel_months = -r->rel_months;
    r->rel_days = -r->rel_days;
    r->rel_seconds = -r->rel_seconds;
}

/* "3 days [ago]", with the sign already read. */
static bool read_relative(struct reading *r, int64_t n, const char *unit) {
    struct reading only = {.s = r->s};
    char w[16];

    if (!add_relative(&only, n, unit)) return false;
    if (word(&only, w) && !strcmp(w, "ago"))
        negate_relative(&only);
    else
        only.s = r->s;
    r->s = only.s;
    r->rel_months += only.rel_months;
    r->rel_days += only.rel_days;
    r->rel_seconds += only.rel_seconds;
    return r->rel_any = true;
}

static bool read_signed(struct reading *r) {
    int64_t sign = 1, n;
    char w[16];

    for (; *r->s == '+' || *r->s == '-' || *r->s == ' '; r->s++)
        if (*r->s == '-') sign = -sign;
    if (!digits(r, 9, &n)) return false;
    return word(r, w) && read_relative(r, sign * n, w);
}

/* "Jan 2[,] [2024]" with the month read; "2 Jan [2024]" with both. */
static bool read_year(struct reading *r, int month, int64_t day) {
    const char *before;
    int64_t year;
    int count;

    skip_blanks(r);
    if (*r->s == '-') r->s++;
    before = r->s;
    count = digits(r, 9, &year);
    if (count != 4 || *r->s == ':') {
        r->s = before;
        year = r->tm.tm_year + 1900;
    } else {
        r->has_year = true;
    }
    return set_date(r, year, month + 1, day);
}

static bool read_slashes(struct reading *r, int64_t first, int count) {
    int64_t second, third = r->tm.tm_year + 1900;

    r->has_year = true;
    r->s++;
    if (!digits(r, 2, &second)) return false;
    if (*r->s == '/') {
        int n;

        r->s++;
        n = digits(r, 4, &third);
        if (!n) return false;
        if (count == 4) return set_date(r, first, second, third);
        third = year_of(third, n);
    }
    return count != 4 && set_date(r, third, first, second);
}

static bool read_dashes(struct reading *r, int64_t year, int count) {
    int64_t month, day;

    r->has_year = true;
    r->s++;
    if (!digits(r, 2, &month) || *r->s != '-') return false;
    r->s++;
    if (!digits(r, 2, &day) || !set_date(r, year_of(year, count), month, day)) return false;
    if ((*r->s | 32) == 't' && is_digit(r->s[1])) r->s++;
    return true;
}

static bool read_after_number(struct reading *r, int64_t n) {
    char w[16];
    int month;

    if (*r->s == '-') r->s++;
    if (!word(r, w)) return false;
    month = month_index(w);
    if (month >= 0) return read_year(r, month, n);
    return read_relative(r, n, w);
}

static bool read_number(struct reading *r) {
    int64_t n;
    int count = digits(r, 9, &n);

    if (*r->s == ':') return count <= 2 && set_time(r, n);
    if (*r->s == '-' && is_digit(r->s[1])) return read_dashes(r, n, count);
    if (*r->s == '/') return read_slashes(r, n, count);
    if (count == 8 && !r->has_date) {
        r->has_year = true;
        if ((*r->s | 32) == 't' && is_digit(r->s[1])) r->s++;
        return set_date(r, n / 10000, n / 100 % 100, n % 100);
    }
    if (is_meridian(r->s)) return set_time(r, n);
    if (is_letter(*r->s) || (*r->s == '-' && is_letter(r->s[1]))) return read_after_number(r, n);
    skip_blanks(r);
    if (is_meridian(r->s)) return set_time(r, n);
    if (is_letter(*r->s)) return read_after_number(r, n);
    if (r->has_date && !r->has_year && count > 2) {
        r->tm.tm_year = (int)n - 1900;
        return r->has_year = true;
    }
    if (r->has_date && !r->has_time && count <= 2) return set_time(r, n);
    if (!r->has_time && count == 4 && n % 100 < 60) {
        if (!set_time(r, n / 100)) return false;
        r->tm.tm_min = (int)(n % 100);
        return true;
    }
    return !r->has_time && count <= 2 && set_time(r, n);
}

static bool read_epoch(struct reading *r) {
    bool minus = *++r->s == '-';
    int64_t n;

    if (minus || *r->s == '+') r->s++;
    if (!digits(r, 18, &n) || is_digit(*r->s)) return false;
    read_fraction(r, &r->nsec);
    r->epoch = minus ? -n : n;
    if (minus && r->nsec) {
        r->epoch--;
        r->nsec = 1000000000 - r->nsec;
    }
    return r->has_epoch = true;
}

static bool read_step(struct reading *r, int step) {
    char w[16];
    int day;

    if (!word(r, w)) return false;
    day = day_index(w);
    if (day < 0) return read_relative(r, step, w);
    r->weekday = day;
    r->weekday_step = step;
    return r->has_day = true;
}

static bool read_word(struct reading *r) {
    char w[16];
    int at;

    if (!word(r, w)) return false;
    if (!strcmp(w, "now") || !strcmp(w, "today")) return r->rel_any = true;
    if (!strcmp(w, "yesterday")) return add_relative(r, -1, "day");
    if (!strcmp(w, "tomorrow")) return add_relative(r, 1, "day");
    if (!strcmp(w, "next")) return read_step(r, 1);
    if (!strcmp(w, "last")) return read_step(r, -1);
    if (!strcmp(w, "this")) return read_step(r, 0);
    if (!strcmp(w, "z") || !strcmp(w, "utc") || !strcmp(w, "gmt")) {
        if (r->has_zone) return false;
        return r->has_zone = true;
    }
    if ((at = month_index(w)) >= 0) {
        int64_t day;

        skip_blanks(r);
        if (*r->s == '-') r->s++;
        return digits(r, 2, &day) && !is_digit(*r->s) && read_year(r, at, day);
    }
    if ((at = day_index(w)) >= 0) {
        r->weekday = at;
        return r->has_day = true;
    }
    return read_relative(r, 1, w);
}

static bool read_item(struct reading *r) {
    if (*r->s == '@') return !r->has_epoch && read_epoch(r);
    if (is_digit(*r->s)) return read_number(r);
    if (is_sign(*r->s)) return read_signed(r);
    return is_letter(*r->s) && read_word(r);
}

static bool finish(struct reading *r, struct timespec *out) {
    int64_t t;

    if (r->has_epoch && (r->has_date || r->has_time || r->has_day || r->rel_any)) return false;
    if (r->rel_months > NUMBER_MAX / 100 || r->rel_months < -NUMBER_MAX / 100) return false;
    r->tm.tm_mon += (int)r->rel_months;
    t = r->has_epoch ? r->epoch : (int64_t)timegm(&r->tm);
    if (r->has_day && !r->has_date) {
        int ahead = (r->weekday - r->tm.tm_wday + 7) % 7;

        t += (int64_t)86400 * (ahead + 7 * (r->weekday_step - (r->weekday_step > 0 && ahead)));
    }
    if (__builtin_mul_overflow(r->rel_days, (int64_t)86400, &r->rel_days)) return false;
    if (__builtin_add_overflow(t, r->rel_days + r->rel_seconds - r->zone_seconds, &t)) return false;
    out->tv_sec = (time_t)t;
    out->tv_nsec = r->nsec;
    return true;
}

bool date_parse(const char *text, struct timespec now, struct timespec *out) {
    struct reading r = {.s = text};

    gmtime_r(&now.tv_sec, &r.tm);
    for (skip_blanks(&r); *r.s; skip_blanks(&r))
        if (!read_item(&r)) return false;
    if (!r.has_time && (r.has_date || r.has_day || !r.rel_any)) {
        r.tm.tm_hour = r.tm.tm_min = r.tm.tm_sec = 0;
    } else if (!r.has_time && !r.has_epoch) {
        r.nsec = now.tv_nsec;
    }
    return finish(&r, out);
}
