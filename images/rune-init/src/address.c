#include "address.h"

#include "memory.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

enum { SIX_LEAST = 24 }; // SIN6_LEN_RFC2133: without a scope

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

struct address address_read(const struct act *act, uint64_t pointer, uint64_t length)
{
    struct address address = {.length = (uint32_t)length};
    if (address.length > sizeof address.raw)
        address.length = sizeof address.raw;
    address.readable = pointer && address.length >= sizeof(sa_family_t) &&
                       memory_read(act, pointer, &address.raw, address.length);
    return address;
}

void address_tell(struct event *event, const struct address *address)
{
    char text[INET6_ADDRSTRLEN] = "";
    const struct sockaddr_in *four = (const void *)&address->raw;
    const struct sockaddr_in6 *six = (const void *)&address->raw;
    int family = address->raw.ss_family;
    if (!address->readable) {
        json_bool(&event->json, "unreadable", true);
    } else if (family == AF_INET && address->length >= sizeof *four) {
        json_text(&event->json, "family", "inet");
        json_text(&event->json, "address", inet_ntop(AF_INET, &four->sin_addr, text, sizeof text));
        json_int(&event->json, "port", ntohs(four->sin_port));
    } else if (family == AF_INET6 && address->length >= SIX_LEAST) {
        json_text(&event->json, "family", "inet6");
        json_text(&event->json, "address", inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof text));
        json_int(&event->json, "port", ntohs(six->sin6_port));
    } else {
        json_int(&event->json, "family", family);
    }
}

bool address_destination(const struct address *address, int domain, struct destination *to,
                         int *error)
{
    const struct sockaddr_in *four = (const void *)&address->raw;
    const struct sockaddr_in6 *six = (const void *)&address->raw;
    memset(to, 0, sizeof *to);
    *error = EINVAL;
    if (!address->readable) {
        *error = EFAULT;
        return false;
    }
    if (address->length < (domain == AF_INET ? sizeof *four : (size_t)SIX_LEAST))
        return false;
    if (address->raw.ss_family != domain) {
        *error = EAFNOSUPPORT;
        return false;
    }
    if (domain == AF_INET) {
        to->family = 4;
        memcpy(to->address, &four->sin_addr, 4);
        to->port = ntohs(four->sin_port);
    } else {
        to->family = 6;
        memcpy(to->address, &six->sin6_addr, 16);
        to->port = ntohs(six->sin6_port);
    }
    return true;
}

static bool is_loopback4(const uint8_t *bytes)
{
    static const uint8_t any[4];
    return bytes[0] == 127 || !memcmp(bytes, any, 4);
}

bool destination_is_loopback(const struct destination *to)
{
    if (to->family == 4)
        return is_loopback4(to->address);
    if (!memcmp(to->address, mapped, sizeof mapped))
        return is_loopback4(to->address + 12);
    return !memcmp(to->address, &in6addr_loopback, 16) || !memcmp(to->address, &in6addr_any, 16);
}

bool destination_is_synthetic(const struct destination *to)
{
    static const uint8_t prefix[] = {0xfd, 0xff, 0x6d, 0x61, 0x67, 0x69, 0x00, 0x63};
    if (to->family == 4)
        return to->address[0] == 198 && (to->address[1] & 0xfe) == 18;
    return !memcmp(to->address, prefix, sizeof prefix);
}

socklen_t destination_name(const struct destination *to, struct sockaddr_storage *name)
{
    memset(name, 0, sizeof *name);
    if (to->family == 4) {
        struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(to->port)};
        memcpy(&four.sin_addr, to->address, 4);
        memcpy(name, &four, sizeof four);
        return sizeof four;
    }
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(to->port)};
    memcpy(&six.sin6_addr, to->address, 16);
    memcpy(name, &six, sizeof six);
    return sizeof six;
}
