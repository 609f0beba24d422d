/* find's words to its expression tree. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool_find.h"

enum { DEPTH_MAX = 200, DAY = 86400 };

struct words {
    struct find *f;
    char **v;
    int count, at;
    int depth;
    bool acts, deletes, prunes;
};

static struct find_node *new_node(enum find_kind kind) {
    struct find_node *n = xmalloc(sizeof *n);

    memset(n, 0, sizeof *n);
    n->kind = kind;
    return n;
}

static const char *peek(const struct words *w) {
    return w->at < w->count ? w->v[w->at] : NULL;
}

static bool accept(struct words *w, const char *a, const char *b) {
    const char *word = peek(w);

    if (!word || (strcmp(word, a) && (!b || strcmp(word, b)))) return false;
    w->at++;
    return true;
}

static const char *argument(struct words *w, const char *name) {
    const char *word = peek(w);

    if (!word) find_die("missing argument to `%s'", name);
    w->at++;
    return word;
}

/* [+-]N, the rest of the word in *end. */
static void parse_count(struct find_node *n, const char *text, const char *name, const char **end) {
    const char *s = text;
    char *after;

    if (*s == '+' || *s == '-') n->sign = *s++;
    errno = 0;
    n->number = strtoll(s, &after, 10);
    if (*s < '0' || *s > '9' || errno || (*after && !end)) find_die("invalid argument `%s' to `%s'", text, name);
    if (end) *end = after;
}

static void parse_size(struct find_node *n, const char *text) {
    static const char units[] = "bcwkMG";
    static const int64_t bytes[] = {512, 1, 2, 1024, 1024 * 1024, 1024 * 1024 * 1024};
    const char *digits = text + (*text == '+' || *text == '-'), *unit, *at;

    if (*digits < '0' || *digits > '9') find_die("invalid -size type `%s'", text);
    parse_count(n, text, "-size", &unit);
    at = *unit ? strchr(units, *unit) : units;
    if (!at || (*unit && unit[1])) find_die("invalid -size type `%s'", unit);
    n->unit = bytes[at - units];
}

static void parse_perm(struct find_node *n, const char *text) {
    if (*text == '-' || *text == '/') n->sign = *text++;
    /* A symbolic mode starts from nothing; without a class it is for all. */
    n->number = mode_apply(text, 0, false);
    if (n->number < 0 && n->sign != '/') find_die("invalid mode %s", marked(text - (n->sign != 0)));
    if (n->number < 0) find_die("invalid mode %s", marked(text - 1));
}

static void parse_types(struct find_node *n, const char *text) {
    n->text = text;
    for (const char *s = text;; s += 2) {
        if (!*s || !strchr("bcdpfls", *s)) find_die("Unknown argument to -type: %c", *s);
        if (!s[1]) return;
        if (s[1] != ',') find_die("Must separate multiple arguments to -type using: ','");
    }
}

static void reference(struct find_node *n, const char *path, char field) {
    if (stat(path, &n->st)) find_die("%s: %s", marked(path), strerror(errno));
    n->time = field == 'a' ? n->st.st_atim : field == 'c' ? n->st.st_ctim : n->st.st_mtim;
}

/* -newerXY: X of the entry is newer than Y of the reference (t: a date). */
static void parse_newer(struct words *w, struct find_node *n, const char *name) {
    const char *arg;

    n->field = 'm';
    if (!name[6]) {
        reference(n, argument(w, name), 'm');
        return;
    }
    if (!strchr("amc", name[6]) || !name[7] || !strchr("amct", name[7]) || name[8])
        find_die("unknown predicate `%s'", name);
    arg = argument(w, name);
    n->field = name[6];
    if (name[7] != 't')
        reference(n, arg, name[7]);
    else if (!date_parse(arg, w->f->now, &n->time))
        find_die("I cannot figure out how to interpret %s as a date or time", marked(arg));
}

static void parse_exec(struct words *w, struct find_node *n, const char *name) {
    int begin = w->at;

    n->in_dir = strstr(name, "dir") != NULL;
    n->asks = name[1] == 'o';
    for (;; w->at++) {
        const char *word = peek(w);

        if (!word) find_die("missing argument to `%s'", name);
        if (!strcmp(word, ";")) break;
        if (!strcmp(word, "+") && !n->asks && w->at > begin && !strcmp(w->v[w->at - 1], "{}")) {
            n->batch = true;
            break;
        }
    }
    n->words = w->at++ - begin - n->batch;
    if (n->words == 0) find_die("missing argument to `%s'", name);
    n->command = words_list(w->v + begin, n->words);
    for (int i = 0; n->batch && i < n->words; i++)
        if (strstr(n->command[i], "{}"))
            find_die("Only one instance of {} is supported with %s ... +", name);
}

static void parse_regex(struct find_node *n, const char *text) {
    char *anchored = xmalloc(strlen(text) + 8);

    sprintf(anchored, "^\\(%s\\)$", text);
    if (regcomp(&n->regex, anchored, n->fold ? REG_ICASE | REG_NOSUB : REG_NOSUB))
        find_die("invalid regular expression %s", marked(text));
    free(anchored);
}

static void parse_user(struct find_node *n, const char *text, bool group) {
    bool known = !strcmp(text, USER_ID_TEXT) || !strcmp(text, group ? GROUP_NAME : USER_NAME);

    if (!known && strspn(text, "0123456789") != strlen(text) && strcmp(text, "root"))
        find_die("%s is not the name of a known %s", marked(text), group ? "group" : "user");
    n->number = known;
}

struct form {
    const char *name;
    enum find_kind kind;
    char field;
    bool fold;
};

/* Tests whose argument, if any, is told by their kind. */
static const struct form forms[] = {
    {"-true", FIND_TRUE, 0, 0},         {"-false", FIND_FALSE, 0, 0},      {"-name", FIND_NAME, 0, 0},
    {"-iname", FIND_NAME, 0, 1},        {"-path", FIND_PATH, 0, 0},        {"-wholename", FIND_PATH, 0, 0},
    {"-ipath", FIND_PATH, 0, 1},        {"-iwholename", FIND_PATH, 0, 1},  {"-lname", FIND_LNAME, 0, 0},
    {"-ilname", FIND_LNAME, 0, 1},      {"-regex", FIND_REGEX, 0, 0},      {"-iregex", FIND_REGEX, 0, 1},
    {"-type", FIND_TYPE, 0, 0},         {"-size", FIND_SIZE, 0, 0},        {"-perm", FIND_PERM, 0, 0},
    {"-empty", FIND_EMPTY, 0, 0},       {"-links", FIND_LINKS, 0, 0},      {"-inum", FIND_INUM, 0, 0},
    {"-mtime", FIND_AGE, 'm', 0},       {"-atime", FIND_AGE, 'a', 0},      {"-ctime", FIND_AGE, 'c', 0},
    {"-mmin", FIND_AGE, 'm', 1},        {"-amin", FIND_AGE, 'a', 1},       {"-cmin", FIND_AGE, 'c', 1},
    {"-anewer", FIND_NEWER, 'a', 0},    {"-cnewer", FIND_NEWER, 'c', 0},   {"-user", FIND_USER, 'u', 0},
    {"-group", FIND_USER, 'g', 0},      {"-uid", FIND_USER, 'n', 0},       {"-gid", FIND_USER, 'n', 0},
    {"-nouser", FIND_FALSE, 0, 0},      {"-nogroup", FIND_FALSE, 0, 0},    {"-readable", FIND_ACCESS, 'r', 0},
    {"-writable", FIND_ACCESS, 'w', 0}, {"-executable", FIND_ACCESS, 'x', 0}, {"-samefile", FIND_SAMEFILE, 0, 0},
};

static struct find_node *parse_test(struct words *w, const struct form *form) {
    struct find_node *n = new_node(form->kind);

    n->field = form->field;
    n->fold = form->fold;
    switch (form->kind) {
    case FIND_NAME:
    case FIND_PATH:
    case FIND_LNAME: n->text = argument(w, form->name); break;
    case FIND_REGEX: parse_regex(n, argument(w, form->name)); break;
    case FIND_TYPE: parse_types(n, argument(w, form->name)); break;
    case FIND_SIZE: parse_size(n, argument(w, form->name)); break;
    case FIND_PERM: parse_perm(n, argument(w, form->name)); break;
    case FIND_LINKS:
    case FIND_INUM: parse_count(n, argument(w, form->name), form->name, NULL); break;
    case FIND_AGE:
        n->unit = form->fold ? 60 : DAY;
        parse_count(n, argument(w, form->name), form->name, NULL);
        break;
    case FIND_NEWER:
    case FIND_SAMEFILE: reference(n, argument(w, form->name), 'm'); break;
    case FIND_USER:
        if (form->field != 'n') {
            parse_user(n, argument(w, form->name), form->field == 'g');
            break;
        }
        parse_count(n, argument(w, form->name), form->name, NULL);
        break;
    default: break;
    }
    return n;
}

static struct find_node *parse_action(struct words *w, const char *word) {
    struct find_node *n = new_node(FIND_PRINT);

    w->acts = true;
    n->end = '\n';
    if (!strcmp(word, "-print")) return n;
    if (!strcmp(word, "-print0")) n->end = '\0';
    else if (!strcmp(word, "-printf")) {
        n->kind = FIND_PRINTF;
        n->text = argument(w, word);
        find_printf_check(n->text);
    } else if (!strcmp(word, "-ls")) n->kind = FIND_LS;
    else if (!strcmp(word, "-delete")) {
        n->kind = FIND_DELETE;
        w->deletes = w->f->depth_first = true;
    } else if (!strcmp(word, "-exec") || !strcmp(word, "-execdir") || !strcmp(word, "-ok") || !strcmp(word, "-okdir")) {
        n->kind = FIND_EXEC;
        parse_exec(w, n, word);
    } else {
        w->acts = false;
        n->kind = FIND_TRUE;
        return NULL;
    }
    return n;
}

static int parse_depth(struct words *w, const char *name) {
    const char *text = argument(w, name);
    int64_t n;

    if (*text < '0' || *text > '9' || !number_parse(text, &n) || n > 1000000)
        find_die("Expected a positive decimal integer argument to %s, but got %s", name, marked(text));
    return (int)n;
}

/* Words that are about the whole search; true as tests. */
static bool parse_global(struct words *w, const char *word) {
    if (!strcmp(word, "-maxdepth")) w->f->max_depth = parse_depth(w, word);
    else if (!strcmp(word, "-mindepth")) w->f->min_depth = parse_depth(w, word);
    else if (!strcmp(word, "-depth") || !strcmp(word, "-d")) w->f->depth_first = true;
    else if (!strcmp(word, "-follow")) w->f->follow = true;
    else if (!strcmp(word, "-daystart")) w->f->day_start = true;
    else if (!strcmp(word, "-regextype")) {
        const char *type = argument(w, word);

        if (strcmp(type, "posix-basic") && strcmp(type, "ed") && strcmp(type, "sed") && strcmp(type, "grep"))
            find_die("-regextype %s is not supported in the WASI lane", type);
    } else
        return !strcmp(word, "-xdev") || !strcmp(word, "-mount") || !strcmp(word, "-noleaf") || !strcmp(word, "-warn")
            || !strcmp(word, "-nowarn") || !strcmp(word, "-ignore_readdir_race");
    return true;
}

static struct find_node *parse_list(struct words *w);

static struct find_node *parse_group(struct words *w) {
    struct find_node *n;

    if (++w->depth > DEPTH_MAX) find_die("expression nested too deeply");
    if (accept(w, ")", NULL)) find_die("invalid expression; empty parentheses are not allowed.");
    n = parse_list(w);
    if (!accept(w, ")", NULL))
        find_die("invalid expression; I was expecting to find a ')' somewhere but did not see one.");
    w->depth--;
    return n;
}

static struct find_node *parse_primary(struct words *w, const char *after) {
    const char *word = peek(w);
    struct find_node *n;

    if (!word) find_die("expected an expression after '%s'", after);
    w->at++;
    if (!strcmp(word, "!") || !strcmp(word, "-not")) {
        if (++w->depth > DEPTH_MAX) find_die("expression nested too deeply");
        n = new_node(FIND_NOT);
        n->left = parse_primary(w, word);
        w->depth--;
        return n;
    }
    if (!strcmp(word, "(")) return parse_group(w);
    if (!strcmp(word, "-prune")) return new_node(FIND_PRUNE);
    if (!strcmp(word, "-quit")) return new_node(FIND_QUIT);
    if ((n = parse_action(w, word))) return n;
    if (parse_global(w, word)) return new_node(FIND_TRUE);
    if (!strncmp(word, "-newer", 6)) {
        n = new_node(FIND_NEWER);
        parse_newer(w, n, word);
        return n;
    }
    for (size_t i = 0; i < COUNT_OF(forms); i++)
        if (!strcmp(word, forms[i].name)) return parse_test(w, &forms[i]);
    if (!strcmp(word, ")")) find_die("invalid expression; you have too many ')'");
    if (!strcmp(word, "-o") || !strcmp(word, "-or") || !strcmp(word, "-a") || !strcmp(word, "-and")
        || !strcmp(word, ","))
        find_die("invalid expression; you have used a binary operator '%s' with nothing before it.", word);
    if (word[0] == '-') find_die("unknown predicate `%s'", word);
    find_die("paths must precede expression: `%s'", word);
}

static struct find_node *join(enum find_kind kind, struct find_node *left, struct find_node *right) {
    struct find_node *n = new_node(kind);

    n->left = left;
    n->right = right;
    return n;
}

/* Puts one more operand at the end of a chain that leans to the right, so that a long one
 * is followed by a loop and not by the stack. Returns where the next one goes. */
static struct find_node **chain(enum find_kind kind, struct find_node **last, struct find_node *next) {
    *last = join(kind, *last, next);
    return &(*last)->right;
}

static struct find_node *parse_and(struct words *w, const char *after) {
    struct find_node *n = parse_primary(w, after), **last = &n;

    for (;;) {
        const char *word = peek(w);

        if (!word || !strcmp(word, ")") || !strcmp(word, "-o") || !strcmp(word, "-or") || !strcmp(word, ",")) return n;
        accept(w, "-a", "-and");
        last = chain(FIND_AND, last, parse_primary(w, "-a"));
    }
}

static struct find_node *parse_or(struct words *w, const char *after) {
    struct find_node *n = parse_and(w, after), **last = &n;

    while (accept(w, "-o", "-or")) last = chain(FIND_OR, last, parse_and(w, "-o"));
    return n;
}

static struct find_node *parse_list(struct words *w) {
    struct find_node *n = parse_or(w, "("), **last = &n;

    while (accept(w, ",", NULL)) last = chain(FIND_COMMA, last, parse_or(w, ","));
    return n;
}

void find_parse(struct find *f, char **argv, int count) {
    struct words w = {.f = f, .v = argv, .count = count};
    struct find_node *print = new_node(FIND_PRINT);

    print->end = '\n';
    f->expression = print;
    if (!count) return;
    f->expression = parse_list(&w);
    if (w.at < count) find_die("invalid expression; you have too many ')'");
    if (!w.acts) f->expression = join(FIND_AND, f->expression, print);
}
