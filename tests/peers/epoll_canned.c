/*
 * The floor of an HTTP server: hand-written C on edge-triggered epoll that looks at no request and
 * has one answer for all of them. Nothing that reads what it is asked can be cheaper.
 *
 * A request is over when a read ends in an empty line, which is so for clients that send one at a
 * time. An answer that the kernel does not take whole costs its client the connection.
 *
 * Usage: epoll_canned --listen 127.0.0.1:PORT [--body BYTES]
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
    READ_SIZE = 64 * 1024,
    BATCH = 1024,
    LIFETIME_SECONDS = 1800, /* a server that a broken bench forgot ends by itself */
};

/* The fields of ours that are in every answer, and a body of dots. */
static char *answer;
static size_t answer_length;
static char shared_buffer[READ_SIZE];

static void fail(const char *what) {
    perror(what);
    exit(1);
}

/* False when the client has gone or does not take its answer. */
static bool answer_read(int fd, size_t length) {
    if (length < 4 || memcmp(shared_buffer + length - 4, "\r\n\r\n", 4) != 0)
        return true;
    return send(fd, answer, answer_length, MSG_NOSIGNAL) == (ssize_t)answer_length;
}

static void serve(int fd, uint32_t events) {
    bool ended = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
    for (;;) {
        ssize_t got = recv(fd, shared_buffer, READ_SIZE, 0);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0 || !answer_read(fd, (size_t)got)) {
            close(fd);
            return;
        }
        if (got < READ_SIZE && !ended)
            return;
    }
}

static void accept_all(int epoll, int listener) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        struct epoll_event event = {0};
        event.events = EPOLLIN | EPOLLRDHUP | EPOLLET;
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
        fprintf(stderr, "epoll_canned: `%s` is no address; try 127.0.0.1:7007\n", address);
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

static void prepare_answer(size_t body) {
    char head[256];
    int length = snprintf(head, sizeof head,
                          "HTTP/1.1 200 OK\r\n"
                          "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                          "Content-Type: text/plain\r\n"
                          "Content-Length: %zu\r\n"
                          "\r\n",
                          body);
    answer_length = (size_t)length + body;
    answer = malloc(answer_length);
    if (!answer)
        fail("malloc");
    memcpy(answer, head, (size_t)length);
    memset(answer + length, '.', body);
}

int main(int count, char **arguments) {
    bool has_body = count == 5 && strcmp(arguments[3], "--body") == 0;
    if ((count != 3 && !has_body) || strcmp(arguments[1], "--listen") != 0) {
        fprintf(stderr, "usage: epoll_canned --listen 127.0.0.1:PORT [--body BYTES]\n");
        return 2;
    }
    prepare_answer(has_body ? strtoul(arguments[4], NULL, 10) : 0);
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
