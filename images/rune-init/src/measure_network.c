#include "measure.h"

#include "text.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 65536, ROUTES_MAX = 200 };

static void add_addresses(struct json *json, const struct ifaddrs *all, const char *name)
{
    char text[INET6_ADDRSTRLEN];
    json_open(json, "addresses", '[');
    for (const struct ifaddrs *at = all; at; at = at->ifa_next) {
        if (!at->ifa_addr || strcmp(at->ifa_name, name))
            continue;
        const struct sockaddr_in *four = (const void *)at->ifa_addr;
        const struct sockaddr_in6 *six = (const void *)at->ifa_addr;
        int family = at->ifa_addr->sa_family;
        const void *raw = family == AF_INET ? (const void *)&four->sin_addr
                          : family == AF_INET6 ? (const void *)&six->sin6_addr : NULL;
        if (raw && inet_ntop(family, raw, text, sizeof text))
            json_text(json, NULL, text);
    }
    json_close(json, ']');
}

static bool is_first(const struct ifaddrs *all, const struct ifaddrs *one)
{
    for (; all != one; all = all->ifa_next)
        if (!strcmp(all->ifa_name, one->ifa_name))
            return false;
    return true;
}

// Unknown counts as up.
static bool is_up(const char *name)
{
    char path[64], text[32];
    snprintf(path, sizeof path, "/sys/class/net/%s/flags", name);
    return !text_read(path, text, sizeof text) || strtoul(text, NULL, 16) & IFF_UP;
}

// Where the profile allows no netlink socket: names from /proc, addresses of IPv6 alone.
static void add_known_interfaces(struct json *json)
{
    static char names[FILE_MAX], six[FILE_MAX];
    char target[40], owner[32], name[32];
    if (!text_read("/proc/self/net/dev", names, sizeof names)) {
        json_null(json, "interfaces");
        return;
    }
    if (!text_read("/proc/self/net/if_inet6", six, sizeof six)) // not there: no IPv6
        six[0] = 0;
    json_open(json, "interfaces", '[');
    for (char *rest = names, *line; (line = strsep(&rest, "\n"));) {
        if (!strchr(line, ':') || sscanf(line, " %31[^:]", name) != 1)
            continue; // the heading
        json_open(json, NULL, '{');
        json_text(json, "name", name);
        json_bool(json, "up", is_up(name));
        json_open(json, "addresses", '[');
        for (const char *at = six; at && *at; at = strchr(at, '\n'), at += at != NULL)
            if (sscanf(at, "%39s %*x %*x %*x %*x %31s", target, owner) == 2 &&
                !strcmp(owner, name))
                json_text(json, NULL, target);
        json_close(json, ']');
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void add_interfaces(struct json *json)
{
    struct ifaddrs *all = NULL;
    if (getifaddrs(&all)) {
        add_known_interfaces(json);
        return;
    }
    json_open(json, "interfaces", '[');
    for (const struct ifaddrs *at = all; at; at = at->ifa_next) {
        if (!is_first(all, at))
            continue;
        json_open(json, NULL, '{');
        json_text(json, "name", at->ifa_name);
        json_bool(json, "up", at->ifa_flags & IFF_UP);
        add_addresses(json, all, at->ifa_name);
        json_close(json, '}');
    }
    json_close(json, ']');
    freeifaddrs(all);
}

static void add_routes4(struct json *json, char *text)
{
    char name[32];
    unsigned target, mask;
    char *line = strsep(&text, "\n"); // the heading
    for (int i = 0; i < ROUTES_MAX && (line = strsep(&text, "\n")) && *line; i++) {
        char route[96];
        if (sscanf(line, "%31s %x %*x %*x %*d %*d %*d %x", name, &target, &mask) != 3)
            continue;
        struct in_addr address = {target}; // printed by the kernel in the order of memory
        snprintf(route, sizeof route, "%s %s/%d", name, inet_ntoa(address),
                 __builtin_popcount(mask));
        json_text(json, NULL, route);
    }
}

static void add_routes6(struct json *json, char *text)
{
    char target[40], name[32], *line;
    unsigned length, flags;
    for (int i = 0; i < ROUTES_MAX && (line = strsep(&text, "\n")) && *line; i++) {
        char route[128];
        if (sscanf(line, "%39s %x %*s %*x %*s %*x %*x %*x %x %31s", target, &length, &flags,
            name) != 4)
            continue;
        if (flags & 0x200) // RTF_REJECT: the kernel's own "unreachable"
            continue;
        snprintf(route, sizeof route, "%s %s/%u", name, target, length);
        json_text(json, NULL, route);
    }
}

void measure_network(struct json *json)
{
    static char text[FILE_MAX];
    add_interfaces(json);
    if (!text_read("/proc/self/net/route", text, sizeof text)) {
        json_null(json, "routes");
        return;
    }
    json_open(json, "routes", '[');
    add_routes4(json, text);
    if (text_read("/proc/self/net/ipv6_route", text, sizeof text)) // not there: no IPv6
        add_routes6(json, text);
    json_close(json, ']');
}
