#include "frame.h"

#include <string.h>

uint32_t read_u32(const unsigned char *from)
{
    return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 |
           (uint32_t)from[3] << 24;
}

enum frame_state frame_parse(const unsigned char *bytes, size_t have, struct frame *out)
{
    if (have < 1)
        return FRAME_PARTIAL;
    if (bytes[0] == 0 || !memchr("MDWAJGIZK", bytes[0], 9))
        return FRAME_BAD;
    if (have < FRAME_HEADER)
        return FRAME_PARTIAL;
    uint32_t length = read_u32(bytes + 1);
    if (length > FRAME_IN_MAX)
        return FRAME_BAD;
    if (have - FRAME_HEADER < length)
        return FRAME_PARTIAL;
    *out = (struct frame){(char)bytes[0], bytes + FRAME_HEADER, length};
    return FRAME_WHOLE;
}

void frame_header(unsigned char header[FRAME_HEADER], char type, uint32_t length)
{
    header[0] = (unsigned char)type;
    for (int i = 0; i < 4; i++)
        header[1 + i] = (unsigned char)(length >> (8 * i));
}
