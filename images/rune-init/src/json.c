#include "json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void json_begin(struct json *json, char *text, size_t size)
{
    *json = (struct json){.text = text, .size = size};
    if (size)
        text[0] = 0;
}

static void put(struct json *json, const char *bytes, size_t length)
{
    if (json->full || length >= json->size - json->length) {
        json->full = true;
        return;
    }
    memcpy(json->text + json->length, bytes, length);
    json->length += length;
    json->text[json->length] = 0;
}

static void put_key(struct json *json, const char *key)
{
    if (json->comma)
        put(json, ",", 1);
    json->comma = true;
    if (!key)
        return;
    put(json, "\"", 1);
    put(json, key, strlen(key));
    put(json, "\":", 2);
}

void json_open(struct json *json, const char *key, char bracket)
{
    put_key(json, key);
    put(json, &bracket, 1);
    json->comma = false;
}

void json_close(struct json *json, char bracket)
{
    put(json, &bracket, 1);
    json->comma = true;
}

void json_text(struct json *json, const char *key, const char *text)
{
    json_bytes(json, key, text, strlen(text));
}

void json_bytes(struct json *json, const char *key, const char *bytes, size_t length)
{
    put_key(json, key);
    put(json, "\"", 1);
    for (size_t i = 0; i < length && !json->full; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        char escape[8];
        if (byte == '"' || byte == '\\') {
            escape[0] = '\\';
            escape[1] = (char)byte;
            put(json, escape, 2);
        } else if (byte < 32 || byte > 126) {
            snprintf(escape, sizeof escape, "\\u%04x", byte);
            put(json, escape, 6);
        } else {
            put(json, bytes + i, 1);
        }
    }
    put(json, "\"", 1);
}

static void put_number(struct json *json, const char *key, const char *digits)
{
    put_key(json, key);
    put(json, digits, strlen(digits));
}

void json_int(struct json *json, const char *key, int64_t value)
{
    char digits[32];
    snprintf(digits, sizeof digits, "%" PRId64, value);
    put_number(json, key, digits);
}

void json_uint(struct json *json, const char *key, uint64_t value)
{
    char digits[32];
    snprintf(digits, sizeof digits, "%" PRIu64, value);
    put_number(json, key, digits);
}

void json_bool(struct json *json, const char *key, bool value)
{
    put_number(json, key, value ? "true" : "false");
}

void json_null(struct json *json, const char *key)
{
    put_number(json, key, "null");
}

void json_hex64(struct json *json, const char *key, uint64_t value)
{
    char digits[24];
    snprintf(digits, sizeof digits, "\"%016" PRIx64 "\"", value);
    put_number(json, key, digits);
}
