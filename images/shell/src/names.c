/* Functions and aliases by name. */
#include <stdlib.h>
#include <string.h>

#include "shell.h"
#include "tool.h"

static struct function *functions;
static struct alias *aliases;

struct function *find_function(const char *name) {
    for (struct function *f = functions; f; f = f->next) {
        if (strcmp(f->name, name) == 0) return f;
    }
    return NULL;
}

void function_set(const char *name, struct arena *arena, struct node *body) {
    struct function *f = find_function(name);
    arena->references++;
    if (f) {
        arena_drop(f->arena);
    } else {
        size_t len = strlen(name);
        f = xmalloc(sizeof *f + len + 1);
        memcpy(f->name, name, len + 1);
        f->next = functions;
        functions = f;
    }
    f->arena = arena;
    f->body = body;
}

int function_unset(const char *name) {
    for (struct function **at = &functions; *at; at = &(*at)->next) {
        struct function *f = *at;
        if (strcmp(f->name, name) != 0) continue;
        *at = f->next;
        arena_drop(f->arena);
        free(f);
        return 1;
    }
    return 0;
}

struct alias *alias_find(const char *name) {
    struct alias *a = aliases;
    while (a && strcmp(a->name, name) != 0) a = a->next;
    return a;
}

void alias_set(const char *name, size_t len, const char *value) {
    struct alias **at = &aliases;
    int order = -1;
    for (; *at; at = &(*at)->next) {
        order = strncmp((*at)->name, name, len);
        if (order == 0) order = (unsigned char)(*at)->name[len];
        if (order >= 0) break;
    }
    struct alias *a = *at;
    if (!a || order != 0) {
        a = xmalloc(sizeof *a + len + 1);
        memcpy(a->name, name, len);
        a->name[len] = '\0';
        a->in_use = 0;
        a->value = NULL;
        a->next = *at;
        *at = a;
    }
    free(a->value);
    a->value = xstrdup(value);
}

/* One that is being read now is only forgotten: the reader still holds it. */
static void forget(struct alias *a) {
    if (a->in_use) return;
    free(a->value);
    free(a);
}

int alias_unset(const char *name) {
    for (struct alias **at = &aliases; *at; at = &(*at)->next) {
        struct alias *a = *at;
        if (strcmp(a->name, name) != 0) continue;
        *at = a->next;
        forget(a);
        return 1;
    }
    return 0;
}

void alias_clear(void) {
    while (aliases) {
        struct alias *a = aliases;
        aliases = a->next;
        forget(a);
    }
}

void alias_each(void (*see)(const struct alias *)) {
    for (const struct alias *a = aliases; a; a = a->next) see(a);
}
