// Writes JSON into a fixed buffer. What does not fit sets `full`, never overruns.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json {
    char *text;
    size_t size, length;
    bool full;
    bool comma; // a member stands before the next one
};

void json_begin(struct json *json, char *text, size_t size);
// `key` is NULL within arrays. Keys are our own literals and are not escaped.
void json_open(struct json *json, const char *key, char bracket);
void json_close(struct json *json, char bracket);
void json_text(struct json *json, const char *key, const char *text);
// Bytes outside printable ASCII become \u00XX of the byte.
void json_bytes(struct json *json, const char *key, const char *bytes, size_t length);
void json_int(struct json *json, const char *key, int64_t value);
void json_uint(struct json *json, const char *key, uint64_t value);
void json_bool(struct json *json, const char *key, bool value);
void json_null(struct json *json, const char *key);
void json_hex64(struct json *json, const char *key, uint64_t value);
