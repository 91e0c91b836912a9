/*
 * The yardstick: an echo server as one writes it by hand in C, on edge-triggered epoll.
 *
 * Every socket is registered once for everything and never changed again. Reads go into one buffer
 * that all clients share, whole chunks go back, and only what the kernel would not take is kept. A
 * read that comes back short has emptied the socket, so the read that would say EAGAIN is saved,
 * unless the end was announced.
 *
 * Usage: epoll_echo --listen 127.0.0.1:PORT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    MAX_DESCRIPTORS = 65536, /* untouched pages of the table cost nothing */
    READ_SIZE = 64 * 1024,
    BATCH = 1024,
    LIFETIME_SECONDS = 1800, /* a server that a broken bench forgot ends by itself */
};

struct client {
    char *unsent;    /* what the kernel would not take yet, or NULL */
    size_t offset;   /* how much of it has gone since */
    size_t length;
    bool readable;   /* the socket may hold bytes we have not seen */
    bool ended;      /* the peer has closed its side, or the socket failed: read on to the end */
};

static struct client clients[MAX_DESCRIPTORS];
static char shared_buffer[READ_SIZE];

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void close_client(int fd) {
    free(clients[fd].unsent);
    clients[fd] = (struct client){0};
    close(fd);
}

/* Sends what is owed. True when nothing is left of it. */
static bool flush_client(int fd) {
    struct client *client = &clients[fd];
    while (client->offset < client->length) {
        const char *rest = client->unsent + client->offset;
        ssize_t sent = send(fd, rest, client->length - client->offset, MSG_NOSIGNAL);
        if (sent < 0)
            return false;
        client->offset += (size_t)sent;
    }
    free(client->unsent);
    client->unsent = NULL;
    client->offset = client->length = 0;
    return true;
}

/* Sends a chunk back and keeps what does not fit. False when the socket is dead. */
static bool echo(int fd, const char *bytes, size_t length) {
    ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN)
            return false;
        sent = 0;
    }
    if ((size_t)sent == length)
        return true;
    struct client *client = &clients[fd];
    client->length = length - (size_t)sent;
    client->unsent = malloc(client->length);
    if (client->unsent == NULL)
        return false;
    memcpy(client->unsent, bytes + sent, client->length);
    return true;
}

static void serve(int fd, uint32_t events) {
    struct client *client = &clients[fd];
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        client->readable = true;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        client->ended = true;
    if (client->unsent && !flush_client(fd)) {
        if (errno != EAGAIN)
            close_client(fd);
        return;
    }
    while (client->readable && !client->unsent) {
        ssize_t got = recv(fd, shared_buffer, READ_SIZE, 0);
        if (got < 0 && errno == EAGAIN) {
            client->readable = false;
            return;
        }
        if (got <= 0 || !echo(fd, shared_buffer, (size_t)got)) {
            close_client(fd);
            return;
        }
        if (got < READ_SIZE && !client->ended)
            client->readable = false;
    }
}

static void accept_all(int epoll, int listener) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        if (fd >= MAX_DESCRIPTORS) {
            close(fd);
            continue;
        }
        struct epoll_event event = {0};
        event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
        event.data.fd = fd;
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
            close(fd);
    }
}

static int listen_on(const char *address) {
    char host[INET_ADDRSTRLEN];
    unsigned short port;
    struct sockaddr_in name = {.sin_family = AF_INET};
    if (sscanf(address, "%15[0-9.]:%hu", host, &port) != 2 ||
        inet_pton(AF_INET, host, &name.sin_addr) != 1) {
        fprintf(stderr, "epoll_echo: `%s` is no address; try 127.0.0.1:7007\n", address);
        exit(2);
    }
    name.sin_port = htons(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    if (fd < 0)
        fail("socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* accepted sockets inherit it */
    if (bind(fd, (struct sockaddr *)&name, sizeof name) < 0)
        fail(address);
    if (listen(fd, 4096) < 0)
        fail("listen");
    socklen_t length = sizeof name;
    getsockname(fd, (struct sockaddr *)&name, &length);
    printf("listening on %s:%d\n", host, ntohs(name.sin_port));
    fflush(stdout);
    return fd;
}

int main(int count, char **arguments) {
    if (count != 3 || strcmp(arguments[1], "--listen") != 0) {
        fprintf(stderr, "usage: epoll_echo --listen 127.0.0.1:PORT\n");
        return 2;
    }
    alarm(LIFETIME_SECONDS);
    int listener = listen_on(arguments[2]);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        fail("epoll_create1");
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0)
        fail("epoll_ctl");
    static struct epoll_event batch[BATCH];
    for (;;) {
        int ready = epoll_wait(epoll, batch, BATCH, -1);
        for (int i = 0; i < ready; i++) {
            if (batch[i].data.fd == listener)
                accept_all(epoll, listener);
            else
                serve(batch[i].data.fd, batch[i].events);
        }
    }
}
