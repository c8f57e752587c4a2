// delay_bridge IFACE IFACE DELAY_US BITS_PER_SECOND: joins two interfaces; each frame arrives on the other side as late
// as it would over a line of that rate and of that one-way delay. For kernels without netem.
//
// Frames are taken with their virtio header, so that what the kernel has not cut into segments yet stays whole. Each
// direction is one thread with its own sockets and its own queue: nothing is shared.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { second = 1000000000, largest_frame = 1 << 17, socket_buffer = 16 << 20, queue_limit = 8 << 20 };

struct frame {
    struct frame *next;
    int64_t due;
    size_t length;
    unsigned char bytes[];
};

struct direction {
    int from, to;
    int64_t delay, bits_per_second;
    // When the line has sent everything that was put on it.
    int64_t line_free;
    struct frame *first, **last;
    size_t queued;
};

static void die(const char *what) {
    perror(what);
    exit(1);
}

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * second + time.tv_nsec;
}

static void set_option(int descriptor, int level, int option, int value) {
    if (setsockopt(descriptor, level, option, &value, sizeof value) < 0) die("setsockopt");
}

static int open_interface(const char *name) {
    struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    address.sll_ifindex = (int)if_nametoindex(name);
    if (address.sll_ifindex == 0) die(name);
    int descriptor = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0);
    if (descriptor < 0) die("socket");
    set_option(descriptor, SOL_PACKET, PACKET_VNET_HDR, 1);
    set_option(descriptor, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
    set_option(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, socket_buffer);
    set_option(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, socket_buffer);
    if (bind(descriptor, (struct sockaddr *)&address, sizeof address) < 0) die("bind");
    return descriptor;
}

// Puts a frame on the line. A full queue loses it, as a router would.
static void put(struct direction *way, const unsigned char *bytes, size_t length) {
    if (way->queued + length > queue_limit) return;
    struct frame *frame = malloc(sizeof *frame + length);
    if (frame == NULL) die("malloc");
    int64_t time = now();
    if (way->line_free < time) way->line_free = time;
    way->line_free += (int64_t)length * 8 * second / way->bits_per_second;
    *frame = (struct frame){.due = way->line_free + way->delay, .length = length};
    memcpy(frame->bytes, bytes, length);
    *way->last = frame;
    way->last = &frame->next;
    way->queued += length;
}

static void take_what_came(struct direction *way) {
    static _Thread_local unsigned char buffer[largest_frame];
    for (;;) {
        ssize_t length = recv(way->from, buffer, sizeof buffer, 0);
        if (length > 0) put(way, buffer, (size_t)length);
        else if (length < 0 && errno == EAGAIN) return;
        else if (length < 0 && errno != EINTR) die("recv");
    }
}

static void send_what_is_due(struct direction *way) {
    while (way->first != NULL && way->first->due <= now()) {
        struct frame *frame = way->first;
        // A send that fails is a lost frame; the ends send it again.
        while (send(way->to, frame->bytes, frame->length, 0) < 0 && errno == EAGAIN) {
            struct pollfd writable = {.fd = way->to, .events = POLLOUT};
            poll(&writable, 1, -1);
        }
        way->first = frame->next;
        if (way->first == NULL) way->last = &way->first;
        way->queued -= frame->length;
        free(frame);
    }
}

static void *carry(void *argument) {
    struct direction *way = argument;
    // Waits end when they should, not up to 50 µs later.
    prctl(PR_SET_TIMERSLACK, 1);
    for (;;) {
        struct pollfd readable = {.fd = way->from, .events = POLLIN};
        int64_t wait = way->first != NULL ? way->first->due - now() : 0;
        if (wait < 0) wait = 0;
        struct timespec limit = {.tv_sec = wait / second, .tv_nsec = wait % second};
        if (ppoll(&readable, 1, way->first != NULL ? &limit : NULL, NULL) < 0 && errno != EINTR) die("ppoll");
        take_what_came(way);
        send_what_is_due(way);
    }
    return NULL;
}

int main(int count, char **arguments) {
    if (count != 5) {
        fprintf(stderr, "delay_bridge IFACE IFACE DELAY_US BITS_PER_SECOND\n");
        return 2;
    }
    int64_t delay = atoll(arguments[3]) * 1000, rate = atoll(arguments[4]);
    if (delay < 0 || rate <= 0) {
        fprintf(stderr, "the delay may not be negative, and the rate must be above zero\n");
        return 2;
    }
    static struct direction ways[2];
    int one = open_interface(arguments[1]), other = open_interface(arguments[2]);
    ways[0] = (struct direction){.from = one, .to = other, .delay = delay, .bits_per_second = rate};
    ways[1] = (struct direction){.from = other, .to = one, .delay = delay, .bits_per_second = rate};
    pthread_t threads[2];
    for (int index = 0; index < 2; index++) {
        ways[index].last = &ways[index].first;
        if (pthread_create(&threads[index], NULL, carry, &ways[index]) != 0) die("pthread_create");
    }
    for (int index = 0; index < 2; index++) pthread_join(threads[index], NULL);
}
