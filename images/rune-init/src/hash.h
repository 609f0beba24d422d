// SipHash-1-3: keyed, because what it tells apart is the job's own text.
#pragma once
#include <stddef.h>
#include <stdint.h>

// Never 0. `kind` keeps texts of different uses apart.
uint64_t hash_keyed(const uint64_t key[2], unsigned kind, const char *text, size_t length);
