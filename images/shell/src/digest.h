/* Message digests: MD5 (RFC 1321), SHA-1 and SHA-2 (FIPS 180-4). */
#ifndef MR_DIGEST_H
#define MR_DIGEST_H
#include <stddef.h>
#include <stdint.h>

enum digest_kind { DIGEST_MD5, DIGEST_SHA1, DIGEST_SHA224, DIGEST_SHA256, DIGEST_SHA384, DIGEST_SHA512 };
struct digest {
    enum digest_kind kind;
    uint64_t length; /* bytes so far */
    union {
        uint32_t w[8];
        uint64_t x[8];
    } h;
    uint8_t block[128];
};
size_t digest_size(enum digest_kind kind);
void digest_start(struct digest *d, enum digest_kind kind);
void digest_add(struct digest *d, const void *data, size_t n);
/* Writes digest_size() bytes. */
void digest_end(struct digest *d, uint8_t *result);
#endif
