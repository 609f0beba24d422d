// Frames, JSON, paths, globs, SHA-256.
#include "check.h"

#include "../src/frame.h"
#include "../src/glob.h"
#include "../src/json.h"
#include "../src/path.h"
#include "../src/sha256.h"

#include <stdint.h>

static void test_frames(void)
{
    unsigned char bytes[FRAME_HEADER + 3] = "I\3\0\0\0abc";
    struct frame frame;
    for (size_t have = 0; have < sizeof bytes; have++)
        CHECK(frame_parse(bytes, have, &frame) == FRAME_PARTIAL);
    CHECK(frame_parse(bytes, sizeof bytes, &frame) == FRAME_WHOLE);
    CHECK(frame.type == 'I' && frame.length == 3 && !memcmp(frame.data, "abc", 3));
    CHECK(frame_parse((const unsigned char *)"Q", 1, &frame) == FRAME_BAD);
    CHECK(frame_parse((const unsigned char *)"\0", 1, &frame) == FRAME_BAD);
    CHECK(frame_parse((const unsigned char *)"X\0\0\0\0", 5, &frame) == FRAME_BAD); // one of ours
    CHECK(frame_parse((const unsigned char *)"W\0\0\20\0", 5, &frame) == FRAME_PARTIAL); // 1 MiB
    CHECK(frame_parse((const unsigned char *)"W\1\0\20\0", 5, &frame) == FRAME_BAD);
    CHECK(frame_parse((const unsigned char *)"W\377\377\377\377", 5, &frame) == FRAME_BAD);
    frame_header(bytes, 'O', 0x01020304);
    CHECK(!memcmp(bytes, "O\4\3\2\1", 5) && read_u32(bytes + 1) == 0x01020304);
}

static void test_json(void)
{
    char text[256];
    struct json json;
    json_begin(&json, text, sizeof text);
    json_open(&json, NULL, '{');
    json_text(&json, "a", "q\"b\\c\n\x7f");
    json_bytes(&json, "b", "\0\xff", 2);
    json_open(&json, "c", '[');
    json_int(&json, NULL, -1);
    json_uint(&json, NULL, UINT64_MAX);
    json_bool(&json, NULL, true);
    json_null(&json, NULL);
    json_close(&json, ']');
    json_open(&json, "d", '{');
    json_close(&json, '}');
    json_hex64(&json, "e", 0xabc);
    json_close(&json, '}');
    CHECK_TEXT(text, "{\"a\":\"q\\\"b\\\\c\\u000a\\u007f\",\"b\":\"\\u0000\\u00ff\","
                     "\"c\":[-1,18446744073709551615,true,null],\"d\":{},"
                     "\"e\":\"0000000000000abc\"}");
    for (size_t size = 1; size < 40; size++) {
        char small[40];
        memset(small, 'x', sizeof small);
        json_begin(&json, small, size);
        json_text(&json, "key", "some \x01\x02 long text");
        CHECK(json.full == (strlen("\"key\":\"some \\u0001\\u0002 long text\"") >= size));
        CHECK(strlen(small) < size && (size == sizeof small || small[size] == 'x'));
    }
}

static void test_paths(void)
{
    static const char *const normal[] = {"/", "/a", "/a/b.c", "/...", "/a/..b"};
    static const char *const other[] = {"", "a", "//", "/a/", "/a//b", "/.", "/..", "/a/../b",
        "/a/."};
    char out[PATH_BYTES], small[8];
    for (size_t i = 0; i < sizeof normal / sizeof *normal; i++)
        CHECK(path_is_normal(normal[i]));
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        CHECK(!path_is_normal(other[i]));
    CHECK(path_join("/a/b", "../c/./d//e/", out, sizeof out));
    CHECK_TEXT(out, "/a/c/d/e");
    path_join("/a", "../../../..", out, sizeof out);
    CHECK_TEXT(out, "/");
    path_join("/a", "/x/../y", out, sizeof out);
    CHECK_TEXT(out, "/y");
    path_join("/a", "", out, sizeof out);
    CHECK_TEXT(out, "/a");
    CHECK(!path_join("/abc", "defgh", small, sizeof small));
    CHECK(strlen(small) < sizeof small);
    CHECK(path_within("/a/b", "/a") && path_within("/a", "/a") && path_within("/a", "/"));
    CHECK(!path_within("/ab", "/a") && !path_within("/", "/a"));
}

// The same rows as tests/unit/test_pathrule.py means them.
static void test_globs(void)
{
    static const struct {
        const char *glob, *path;
        bool fits;
    } rows[] = {
        {"/a/**", "/a", true}, {"/a/**", "/a/b/c", true}, {"/a/**", "/ab", false},
        {"/**/.ssh/**", "/home/u/.ssh/id", true}, {"/**/.ssh/**", "/.ssh", true},
        {"/**/.ssh/**", "/home/.sshx/a", false}, {"/**", "/", true}, {"/", "/", true}, {"/",
            "/a", false},
        {"/**/id_rsa", "/x/y/id_rsa", true}, {"/**/id_rsa", "/x/id_rsa/y", false},
        {"/**/a/**/b", "/a/x/a/y/b", true}, {"/**/a/**/b", "/x/b", false},
        {"/etc/ssh/ssh_host_*", "/etc/ssh/ssh_host_key", true},
        {"/etc/ssh/ssh_host_*", "/etc/ssh/ssh_host_k/x", false},
        {"/proc/*/environ", "/proc/12/environ", true}, {"/proc/*/environ", "/proc/1/2/environ",
            false},
        {"/a?c", "/abc", true}, {"/a?c", "/a\xc3\xa9" "c", true}, {"/a?c", "/a\xff" "c", true},
        {"/a??c", "/a\xc3\xa9" "c", false}, {"/[a-c]x", "/bx", true}, {"/[a-c]x", "/dx", false},
        {"/[!a-c]x", "/dx", true}, {"/[!a-c]x", "/ax", false}, {"/[]a]", "/]", true},
        {"/[]a]", "/a", true}, {"/[a-]", "/-", true}, {"/[!]]", "/]", false}, {"/[!]]", "/x", true},
        {"/*.py", "/.py", true}, {"/a*b*c", "/aXbYbZc", true}, {"/a*b*c", "/aXbYbZ", false},
        {"/*a*a*a*a*a*b", "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false}, {"/a", "/A", false},
        {"/[\xc3\xa0-\xc3\xaf]", "/\xc3\xa9", true}, {"/\xc3\xa9", "/\xc3\xa9", true}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CHECK(glob_match(rows[i].glob, rows[i].path) == rows[i].fits);
        if (glob_match(rows[i].glob, rows[i].path) != rows[i].fits)
            printf("  row %s on %s\n", rows[i].glob, rows[i].path);
    }
}

static void hex_of(const char *text, size_t repeat, char hex[65])
{
    struct sha256 hash;
    unsigned char digest[32];
    sha256_begin(&hash);
    for (size_t i = 0; i < repeat; i++)
        sha256_add(&hash, (const unsigned char *)text, strlen(text));
    sha256_end(&hash, digest);
    for (int i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

static void test_sha256(void)
{
    // FIPS 180-4's own examples, and one million times "a".
    char hex[65];
    hex_of("abc", 1, hex);
    CHECK_TEXT(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    hex_of("", 1, hex);
    CHECK_TEXT(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    hex_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1, hex);
    CHECK_TEXT(hex, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    hex_of("aaaaaaaaaa", 100000, hex);
    CHECK_TEXT(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

void test_text(void)
{
    test_frames();
    test_json();
    test_paths();
    test_globs();
    test_sha256();
}
