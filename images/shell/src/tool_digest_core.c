/* The digests' arithmetic. The SHA-2 and MD5 constants are the first bits of roots and sines, as
 * the standards define them; here they are written out, floating point being no place to start. */
#include <string.h>

#include "digest.h"

static const uint32_t md5_k[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};
static const uint64_t sha512_k[80] = {
    0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc,
    0x3956c25bf348b538, 0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118,
    0xd807aa98a3030242, 0x12835b0145706fbe, 0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2,
    0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235, 0xc19bf174cf692694,
    0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
    0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5,
    0x983e5152ee66dfab, 0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4,
    0xc6e00bf33da88fc2, 0xd5a79147930aa725, 0x06ca6351e003826f, 0x142929670a0e6e70,
    0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed, 0x53380d139d95b3df,
    0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
    0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30,
    0xd192e819d6ef5218, 0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8,
    0x19a4c116b8d2d0c8, 0x1e376c085141ab53, 0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8,
    0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373, 0x682e6ff3d6b2b8a3,
    0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
    0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b,
    0xca273eceea26619c, 0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178,
    0x06f067aa72176fba, 0x0a637dc5a2c898a6, 0x113f9804bef90dae, 0x1b710b35131c471b,
    0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc, 0x431d67c49c100d4c,
    0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817,
};

static uint32_t rol(uint32_t v, int n) { return v << n | v >> (32 - n); }
static uint32_t ror(uint32_t v, int n) { return v >> n | v << (32 - n); }
static uint64_t ror64(uint64_t v, int n) { return v >> n | v << (64 - n); }

static uint32_t be32(const uint8_t *p) { return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]; }
static uint32_t le32(const uint8_t *p) { return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0]; }
static uint64_t be64(const uint8_t *p) { return (uint64_t)be32(p) << 32 | be32(p + 4); }

static void md5_block(uint32_t *h, const uint8_t *p) {
    static const uint8_t turns[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
    uint32_t a = h[0], b = h[1], c = h[2], d = h[3];
    for (int i = 0; i < 64; i++) {
        uint32_t f;
        int at;
        if (i < 16) f = (b & c) | (~b & d), at = i;
        else if (i < 32) f = (d & b) | (~d & c), at = (5 * i + 1) & 15;
        else if (i < 48) f = b ^ c ^ d, at = (3 * i + 5) & 15;
        else f = c ^ (b | ~d), at = (7 * i) & 15;
        uint32_t next = b + rol(a + f + md5_k[i] + le32(p + at * 4), turns[i / 16][i & 3]);
        a = d, d = c, c = b, b = next;
    }
    h[0] += a, h[1] += b, h[2] += c, h[3] += d;
}

static void sha1_block(uint32_t *h, const uint8_t *p) {
    uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (int i = 0; i < 16; i++) w[i] = be32(p + i * 4);
    for (int i = 16; i < 80; i++) w[i] = rol(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    for (int i = 0; i < 80; i++) {
        uint32_t f = i < 20 ? ((b & c) | (~b & d)) + 0x5A827999 : i < 40 ? (b ^ c ^ d) + 0x6ED9EBA1
                   : i < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8F1BBCDC : (b ^ c ^ d) + 0xCA62C1D6;
        uint32_t next = rol(a, 5) + f + e + w[i];
        e = d, d = c, c = rol(b, 30), b = a, a = next;
    }
    h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
}

/* SHA-256's constants are the upper halves of SHA-512's first 64. */
static void sha256_block(uint32_t *h, const uint8_t *p) {
    uint32_t w[64], s[8];
    memcpy(s, h, sizeof s);
    for (int i = 0; i < 16; i++) w[i] = be32(p + i * 4);
    for (int i = 16; i < 64; i++)
        w[i] = w[i - 16] + w[i - 7] + (ror(w[i - 15], 7) ^ ror(w[i - 15], 18) ^ w[i - 15] >> 3) +
               (ror(w[i - 2], 17) ^ ror(w[i - 2], 19) ^ w[i - 2] >> 10);
    for (int i = 0; i < 64; i++) {
        uint32_t t = s[7] + (ror(s[4], 6) ^ ror(s[4], 11) ^ ror(s[4], 25)) + ((s[4] & s[5]) ^ (~s[4] & s[6])) +
                     (uint32_t)(sha512_k[i] >> 32) + w[i];
        uint32_t u = (ror(s[0], 2) ^ ror(s[0], 13) ^ ror(s[0], 22)) + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, sizeof *s * 7);
        s[4] += t;
        s[0] = t + u;
    }
    for (int i = 0; i < 8; i++) h[i] += s[i];
}

static void sha512_block(uint64_t *h, const uint8_t *p) {
    uint64_t w[80], s[8];
    memcpy(s, h, sizeof s);
    for (int i = 0; i < 16; i++) w[i] = be64(p + i * 8);
    for (int i = 16; i < 80; i++)
        w[i] = w[i - 16] + w[i - 7] + (ror64(w[i - 15], 1) ^ ror64(w[i - 15], 8) ^ w[i - 15] >> 7) +
               (ror64(w[i - 2], 19) ^ ror64(w[i - 2], 61) ^ w[i - 2] >> 6);
    for (int i = 0; i < 80; i++) {
        uint64_t t = s[7] + (ror64(s[4], 14) ^ ror64(s[4], 18) ^ ror64(s[4], 41)) + ((s[4] & s[5]) ^ (~s[4] & s[6])) +
                     sha512_k[i] + w[i];
        uint64_t u = (ror64(s[0], 28) ^ ror64(s[0], 34) ^ ror64(s[0], 39)) +
                     ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, sizeof *s * 7);
        s[4] += t;
        s[0] = t + u;
    }
    for (int i = 0; i < 8; i++) h[i] += s[i];
}

static int wide(enum digest_kind k) { return k >= DIGEST_SHA384; }

size_t digest_size(enum digest_kind kind) {
    static const uint8_t sizes[] = {16, 20, 28, 32, 48, 64};
    return sizes[kind];
}

void digest_start(struct digest *d, enum digest_kind kind) {
    static const uint32_t h1[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    static const uint64_t h384[8] = {0xcbbb9d5dc1059ed8, 0x629a292a367cd507, 0x9159015a3070dd17, 0x152fecd8f70e5939,
                                     0x67332667ffc00b31, 0x8eb44a8768581511, 0xdb0c2e0d64f98fa7, 0x47b5481dbefa4fa4};
    static const uint64_t h512[8] = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
                                     0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};
    d->kind = kind;
    d->length = 0;
    if (kind <= DIGEST_SHA1) memcpy(d->h.w, h1, sizeof h1);
    else if (wide(kind)) memcpy(d->h.x, kind == DIGEST_SHA384 ? h384 : h512, sizeof h384);
    else
        for (int i = 0; i < 8; i++) /* SHA-224 starts from the lower halves of SHA-384's */
            d->h.w[i] = kind == DIGEST_SHA224 ? (uint32_t)h384[i] : (uint32_t)(h512[i] >> 32);
}

static void block_add(struct digest *d, const uint8_t *p) {
    if (d->kind == DIGEST_MD5) md5_block(d->h.w, p);
    else if (d->kind == DIGEST_SHA1) sha1_block(d->h.w, p);
    else if (wide(d->kind)) sha512_block(d->h.x, p);
    else sha256_block(d->h.w, p);
}

void digest_add(struct digest *d, const void *data, size_t n) {
    const uint8_t *p = data;
    size_t size = wide(d->kind) ? 128 : 64, at = d->length % size;
    d->length += n;
    if (at) {
        size_t take = n < size - at ? n : size - at;
        memcpy(d->block + at, p, take);
        p += take, n -= take;
        if (at + take < size) return;
        block_add(d, d->block);
    }
    for (; n >= size; p += size, n -= size) block_add(d, p);
    memcpy(d->block, p, n);
}

void digest_end(struct digest *d, uint8_t *result) {
    size_t size = wide(d->kind) ? 128 : 64, tail = wide(d->kind) ? 16 : 8, at = d->length % size;
    uint64_t bits = d->length * 8;
    d->block[at++] = 0x80;
    if (at > size - tail) {
        memset(d->block + at, 0, size - at);
        block_add(d, d->block);
        at = 0;
    }
    memset(d->block + at, 0, size - at);
    for (size_t i = 0; i < 8; i++) {
        if (d->kind == DIGEST_MD5) d->block[56 + i] = (uint8_t)(bits >> 8 * i);
        else d->block[size - 1 - i] = (uint8_t)(bits >> 8 * i);
    }
    block_add(d, d->block);
    for (size_t i = 0; i < digest_size(d->kind); i++)
        result[i] = d->kind == DIGEST_MD5 ? (uint8_t)(d->h.w[i / 4] >> 8 * (i % 4))
                  : wide(d->kind) ? (uint8_t)(d->h.x[i / 8] >> 8 * (7 - i % 8)) : (uint8_t)(d->h.w[i / 4] >> 8 * (3 - i % 4));
}
