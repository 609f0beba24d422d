// Frames of the channel: u8 type, u32 little-endian length, payload. See ../PROTOCOL.md.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum {
    FRAME_HEADER = 5,
    FRAME_IN_MAX = 1 << 20,
    FRAME_OUT_MAX = 1 << 16,
    FRAME_CONTROLS_MAX = 1 << 18,
};

enum frame_state { FRAME_PARTIAL, FRAME_WHOLE, FRAME_BAD };

struct frame {
    char type;
    const unsigned char *data;
    uint32_t length;
};

// Looks at the `have` bytes received so far. FRAME_WHOLE fills `out` (which points into
// `bytes`); FRAME_BAD is an unknown type or a length over FRAME_IN_MAX, told from the header
// alone so that nothing is waited for.
enum frame_state frame_parse(const unsigned char *bytes, size_t have, struct frame *out);
void frame_header(unsigned char header[FRAME_HEADER], char type, uint32_t length);
uint32_t read_u32(const unsigned char *from);
