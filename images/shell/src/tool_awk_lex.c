#include <stdlib.h>
#include <string.h>

#include "tool_awk.h"

static const struct {
    const char *word;
    enum token token;
    int detail;
} words[] = {
    {"BEGIN", T_BEGIN, 0}, {"END", T_END_RULE, 0}, {"function", T_FUNCTION, 0}, {"func", T_FUNCTION, 0}, {"if", T_IF, 0},
    {"else", T_ELSE, 0}, {"while", T_WHILE, 0}, {"for", T_FOR, 0}, {"do", T_DO, 0}, {"break", T_BREAK, 0},
    {"continue", T_CONTINUE, 0}, {"next", T_NEXT, 0}, {"nextfile", T_NEXTFILE, 0}, {"exit", T_EXIT, 0},
    {"return", T_RETURN, 0}, {"delete", T_DELETE, 0}, {"in", T_IN, 0}, {"getline", T_GETLINE, 0}, {"print", T_PRINT, 0},
    {"printf", T_PRINTF, 0}, {"atan2", T_BUILTIN, F_ATAN2}, {"cos", T_BUILTIN, F_COS}, {"exp", T_BUILTIN, F_EXP},
    {"int", T_BUILTIN, F_INT}, {"log", T_BUILTIN, F_LOG}, {"rand", T_BUILTIN, F_RAND}, {"sin", T_BUILTIN, F_SIN},
    {"sqrt", T_BUILTIN, F_SQRT}, {"srand", T_BUILTIN, F_SRAND}, {"gsub", T_BUILTIN, F_GSUB}, {"index", T_BUILTIN, F_INDEX},
    {"length", T_BUILTIN, F_LENGTH}, {"match", T_BUILTIN, F_MATCH}, {"split", T_BUILTIN, F_SPLIT},
    {"sprintf", T_BUILTIN, F_SPRINTF}, {"sub", T_BUILTIN, F_SUB}, {"substr", T_BUILTIN, F_SUBSTR},
    {"tolower", T_BUILTIN, F_TOLOWER}, {"toupper", T_BUILTIN, F_TOUPPER}, {"close", T_BUILTIN, F_CLOSE},
    {"fflush", T_BUILTIN, F_FFLUSH}, {"system", T_BUILTIN, F_SYSTEM}, {"gensub", T_BUILTIN, F_GENSUB},
    {"strftime", T_BUILTIN, F_STRFTIME}, {"systime", T_BUILTIN, F_SYSTIME}, {"and", T_BUILTIN, F_AND},
    {"or", T_BUILTIN, F_OR}, {"xor", T_BUILTIN, F_XOR}, {"lshift", T_BUILTIN, F_LSHIFT}, {"rshift", T_BUILTIN, F_RSHIFT},
    {"compl", T_BUILTIN, F_COMPL}};

void awk_syntax(const struct lexer *l, const char *what) {
    if (what) tool_die(2, "line %d: %s", l->line, what);
    if (l->token == T_END) tool_die(2, "line %d: syntax error at the end of the program", l->line);
    if (l->token == T_NEWLINE) tool_die(2, "line %d: syntax error at the end of the line", l->line - 1);
    int n = (int)(l->p - l->start);
    tool_die(2, "line %d: syntax error at or near %.*s", l->line, n > 40 ? 40 : n, l->start);
}

static int hex(int c) { return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1; }

size_t awk_unescape(char *s, size_t n) {
    static const char from[] = "ntrabfv\\/\"", to[] = "\n\t\r\a\b\f\v\\/\"";
    char *out = s, *end = s + n;
    for (char *p = s; p < end;) {
        if (*p != '\\' || p + 1 == end) {
            *out++ = *p++;
            continue;
        }
        const char *hit = p[1] ? strchr(from, p[1]) : NULL;
        p++;
        if (hit) {
            *out++ = to[hit - from];
            p++;
        } else if (*p >= '0' && *p <= '7') {
            int v = 0;
            for (int i = 0; i < 3 && p < end && *p >= '0' && *p <= '7'; i++) v = v * 8 + (*p++ - '0');
            *out++ = (char)v;
        } else if (*p == 'x' && p + 1 < end && hex((unsigned char)p[1]) >= 0) {
            int v = 0;
            p++;
            for (int i = 0; i < 2 && p < end && hex((unsigned char)*p) >= 0; i++) v = v * 16 + hex((unsigned char)*p++);
            *out++ = (char)v;
        } else if (*p == '\n') {
            p++;
        } else { /* stays, for a regular expression to read */
            *out++ = '\\';
            *out++ = *p++;
        }
    }
    return (size_t)(out - s);
}

static void lex_string(struct lexer *l) {
    const char *start = l->p;
    for (; l->p < l->end && *l->p != '"'; l->p++) {
        if (*l->p == '\n') awk_syntax(l, "a string does not end in its line");
        if (*l->p == '\\' && l->p + 1 < l->end) {
            l->p++;
            if (*l->p == '\n') l->line++;
        }
    }
    if (l->p >= l->end) awk_syntax(l, "a string does not end");
    l->text = str_new(start, (size_t)(l->p - start));
    l->text->len = awk_unescape(l->text->p, l->text->len);
    l->text->p[l->text->len] = '\0';
    l->p++;
    l->token = T_STRING;
}

struct str *lex_regex(struct lexer *l) {
    const char *start = l->start + 1;
    int in_bracket = 0;
    for (l->p = start; l->p < l->end && *l->p != '\n'; l->p++) {
        if (*l->p == '/' && !in_bracket) break;
        if (*l->p == '\\' && l->p + 1 < l->end) {
            l->p++;
        } else if (*l->p == '[' && !in_bracket) {
            in_bracket = 1;
            if (l->p + 1 < l->end && l->p[1] == '^') l->p++;
            if (l->p + 1 < l->end && l->p[1] == ']') l->p++;
        } else if (*l->p == '[' && l->p + 1 < l->end && l->p[1] == ':') {
            const char *close = l->p + 2;
            while (close + 1 < l->end && *close != '\n' && !(close[0] == ':' && close[1] == ']')) close++;
            if (close + 1 < l->end && *close == ':') l->p = close + 1;
        } else if (*l->p == ']') {
            in_bracket = 0;
        }
    }
    if (l->p >= l->end || *l->p != '/') awk_syntax(l, "a regular expression does not end in its line");
    struct str *s = str_new(start, (size_t)(l->p - start));
    l->p++;
    lex_next(l);
    return s;
}

static void lex_word(struct lexer *l) {
    const char *start = l->p;
    while (l->p < l->end && (*l->p == '_' || ((*l->p | 32) >= 'a' && (*l->p | 32) <= 'z') || (*l->p >= '0' && *l->p <= '9'))) l->p++;
    size_t n = (size_t)(l->p - start);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i].word) == n && !memcmp(words[i].word, start, n)) {
            l->token = words[i].token;
            l->detail = words[i].detail;
            return;
        }
    l->text = str_new(start, n);
    l->token = l->p < l->end && *l->p == '(' ? T_CALL_NAME : T_NAME;
}

static void skip_blanks(struct lexer *l) {
    for (; l->p < l->end; l->p++) {
        if (*l->p == '#') {
            while (l->p < l->end && *l->p != '\n') l->p++;
            if (l->p >= l->end) return;
        }
        if (*l->p == '\\' && l->p + 1 < l->end && l->p[1] == '\n') l->p++, l->line++;
        else if (*l->p == '\\' && l->p + 2 < l->end && l->p[1] == '\r' && l->p[2] == '\n') l->p += 2, l->line++;
        else if (*l->p != ' ' && *l->p != '\t' && *l->p != '\r') return;
    }
}

static int lex_operator(struct lexer *l) {
    static const struct {
        const char *text;
        enum token token;
        int detail;
    } operators[] = {{"**=", T_ASSIGN_OP, '^'}, {"**", T_POWER, 0}, {"+=", T_ASSIGN_OP, '+'}, {"-=", T_ASSIGN_OP, '-'},
                     {"*=", T_ASSIGN_OP, '*'}, {"/=", T_ASSIGN_OP, '/'}, {"%=", T_ASSIGN_OP, '%'}, {"^=", T_ASSIGN_OP, '^'},
                     {"==", T_EQ, 0}, {"!=", T_NE, 0}, {"<=", T_LE, 0}, {">=", T_GE, 0}, {"&&", T_AND, 0}, {"||", T_OR, 0},
                     {"!~", T_NO_MATCH, 0}, {"++", T_INCREMENT, 0}, {"--", T_DECREMENT, 0}, {">>", T_APPEND, 0},
                     {"^", T_POWER, 0}, {"=", T_ASSIGN_OP, '='}};
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        size_t n = strlen(operators[i].text);
        if ((size_t)(l->end - l->p) < n || memcmp(l->p, operators[i].text, n)) continue;
        l->p += n;
        l->token = operators[i].token;
        l->detail = operators[i].detail;
        return 1;
    }
    return 0;
}

void lex_next(struct lexer *l) {
    l->last = l->token;
    skip_blanks(l);
    l->start = l->p;
    if (l->p >= l->end) {
        l->token = T_END;
        return;
    }
    int c = (unsigned char)*l->p;
    if (c == '\n') {
        l->p++;
        l->line++;
        l->token = T_NEWLINE;
    } else if (c == '"') {
        l->p++;
        lex_string(l);
    } else if ((c >= '0' && c <= '9') || (c == '.' && l->p + 1 < l->end && l->p[1] >= '0' && l->p[1] <= '9')) {
        size_t used;
        l->num = number_read(l->p, (size_t)(l->end - l->p), &used);
        l->p += used;
        l->token = T_NUMBER;
    } else if (c == '_' || ((c | 32) >= 'a' && (c | 32) <= 'z')) {
        lex_word(l);
    } else if (!lex_operator(l)) {
        if (!strchr("{}()[];,+-*/%!<>|?:~$", c) || !c) awk_syntax(l, "a character that means nothing here");
        l->p++;
        l->token = T_CHAR;
        l->detail = c;
    }
}
