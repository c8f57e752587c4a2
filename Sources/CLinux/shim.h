// The calls that glibc declares only under _GNU_SOURCE, which Swift's Glibc module is built without.
#pragma once
#include <spawn.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static inline int lian_pipe2(int ends[2], int flags) { return (int)syscall(SYS_pipe2, ends, flags); }

static inline int lian_pidfd_open(int pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

static inline long lian_wall_clock_milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline int lian_limit_memory(int pid, unsigned long bytes) {
    unsigned long limit[2] = {bytes, bytes};
    const int addressSpace = 9;  // RLIMIT_AS
    return (int)syscall(SYS_prlimit64, pid, addressSpace, limit, 0);
}

static const int lian_spawn_setsid = 0x80;  // POSIX_SPAWN_SETSID

int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int from);
int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *actions, const char *path);
