/* Prints the last line of what http://NAME/ answers and who answered: for a static musl program. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int fetch(const char *name, const struct addrinfo *to)
{
    char text[4096], peer[INET6_ADDRSTRLEN] = "?";
    struct sockaddr_storage who;
    socklen_t size = sizeof who;
    int fd = socket(to->ai_family, to->ai_socktype, to->ai_protocol), length;
    if (fd < 0 || connect(fd, to->ai_addr, to->ai_addrlen)) {
        perror("connect");
        return 1;
    }
    const void *address = to->ai_family == AF_INET
        ? (const void *)&((struct sockaddr_in *)&who)->sin_addr
        : (const void *)&((struct sockaddr_in6 *)&who)->sin6_addr;
    if (getpeername(fd, (struct sockaddr *)&who, &size)) {
        perror("getpeername");
        return 1;
    }
    inet_ntop(to->ai_family, address, peer, sizeof peer);
    length = snprintf(text, sizeof text, "GET / HTTP/1.0\r\nHost: %s\r\n\r\n", name);
    if (write(fd, text, length) != length)
        return 1;
    for (length = 0; length < (int)sizeof text - 1;) {
        int got = read(fd, text + length, sizeof text - 1 - length);
        if (got <= 0)
            break;
        length += got;
    }
    text[length] = 0;
    char *body = strstr(text, "\r\n\r\n");
    printf("%d %s %s", to->ai_family == AF_INET ? 4 : 6, peer, body ? body + 4 : "no answer\n");
    close(fd);
    return !body;
}

int main(int argc, char **argv)
{
    int failed = 0;
    for (int i = 1; i < argc; i++) {
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
        int error = getaddrinfo(argv[i], "80", &hints, &found);
        if (error) {
            printf("%s: %s\n", argv[i], gai_strerror(error));
            failed = 1;
            continue;
        }
        for (struct addrinfo *each = found; each; each = each->ai_next)
            failed |= fetch(argv[i], each);
        freeaddrinfo(found);
    }
    return failed;
}
