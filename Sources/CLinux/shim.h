// The calls that glibc declares only under _GNU_SOURCE, which Swift's Glibc module is built without.
#pragma once
#include <endian.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

static inline int lian_pipe2(int ends[2], int flags) { return (int)syscall(SYS_pipe2, ends, flags); }

static inline long lian_allocated_size(void *memory) { return (long)malloc_usable_size(memory); }

// One record of a folder, as the kernel writes it.
struct lian_folder_record {
    unsigned long long file, offset;
    unsigned short size;
    unsigned char type;
    unsigned char name[];
};

static inline const unsigned char *lian_name(const struct lian_folder_record *record) { return record->name; }

static inline long lian_read_folder(int folder, void *records, unsigned long size) {
    return syscall(SYS_getdents64, folder, records, size);
}

// SIG_IGN is a cast, which Swift does not read.
static inline int lian_ignores(const struct sigaction *action) { return action->sa_handler == SIG_IGN; }

static inline int lian_pidfd_open(int pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

static inline long lian_wall_clock_milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline int lian_limit_descriptors(int pid, unsigned long soft, unsigned long hard) {
    unsigned long limit[2] = {soft, hard};
    const int openFiles = 7;  // RLIMIT_NOFILE
    return (int)syscall(SYS_prlimit64, pid, openFiles, limit, 0);
}

// The round trip time of a connection in microseconds, as measured by the kernel; -1 where it has not been measured.
static inline int lian_round_trip(int socket) {
    struct tcp_info info;
    socklen_t size = sizeof info;
    memset(&info, 0, sizeof info);
    if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 || info.tcpi_rtt == 0) return -1;
    return (int)info.tcpi_rtt;
}

static const int lian_spawn_setsid = 0x80;  // POSIX_SPAWN_SETSID

static const int lian_open_path = 010000000;  // O_PATH

static const int lian_poll_peer_closed = 0x2000;  // POLLRDHUP

int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int from);
int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *actions, const char *path);

// struct ucred is declared only under _GNU_SOURCE as well.
static inline int lian_peer(int socket, int *process, unsigned int *user) {
    struct { int pid; unsigned int uid, gid; } peer;
    socklen_t size = sizeof peer;
    int result = getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size);
    if (result == 0) {
        *process = peer.pid;
        *user = peer.uid;
    }
    return result;
}

// The control message macros cannot be imported into Swift.
static inline long lian_send_descriptors(int socket, const int descriptors[2]) {
    char byte = 0;
    struct iovec data = {&byte, 1};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(2 * sizeof(int))];
    } control;
    memset(&control, 0, sizeof control);
    struct msghdr message = {0};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(2 * sizeof(int));
    memcpy(CMSG_DATA(header), descriptors, 2 * sizeof(int));
    return sendmsg(socket, &message, MSG_NOSIGNAL);
}

// Returns how many descriptors came with the one byte that carries them, or -1.
static inline int lian_receive_descriptors(int socket, int descriptors[2]) {
    char byte = 0;
    struct iovec data = {&byte, 1};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(2 * sizeof(int))];
    } control;
    struct msghdr message = {0};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) < 0) return -1;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) return 0;
    int count = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    memcpy(descriptors, CMSG_DATA(header), (unsigned)(count > 2 ? 2 : count) * sizeof(int));
    return count;
}

// Reserves room on the disk, from the file's beginning on; the file's size stays as it is.
static inline int lian_reserve_space(int file, long bytes) {
    const int keepSize = 1;  // FALLOC_FL_KEEP_SIZE
    return (int)syscall(SYS_fallocate, file, keepSize, 0L, bytes);
}

// <linux/btrfs.h> does not go together with <sys/mount.h>.
struct lian_btrfs_name { long long descriptor; char name[4088]; };
struct lian_btrfs_snapshot { long long source; unsigned long long transaction, flags, unused[4]; char name[4040]; };

static inline int lian_btrfs_call(int folder, unsigned long request, const char *name) {
    struct lian_btrfs_name call = {0};
    strncpy(call.name, name, sizeof call.name - 1);
    return ioctl(folder, request, &call);
}

// Makes an empty subvolume of that name in the folder.
static inline int lian_btrfs_make(int folder, const char *name) {
    return lian_btrfs_call(folder, _IOW(0x94, 14, struct lian_btrfs_name), name);  // BTRFS_IOC_SUBVOL_CREATE
}

// Removes the subvolume of that name in the folder; its space becomes free little by little.
static inline int lian_btrfs_remove(int folder, const char *name) {
    return lian_btrfs_call(folder, _IOW(0x94, 15, struct lian_btrfs_name), name);  // BTRFS_IOC_SNAP_DESTROY
}

// Commits what was done so far, and has removed subvolumes cleaned up from now on.
static inline int lian_btrfs_sync(int folder) { return ioctl(folder, _IO(0x94, 8)); }  // BTRFS_IOC_SYNC

// Makes a snapshot of the subvolume `source`, of that name in the folder. It is on the disk when this returns.
static inline int lian_btrfs_snapshot(int folder, const char *name, int source, int isReadOnly) {
    struct lian_btrfs_snapshot call = {0};
    call.source = source;
    call.flags = isReadOnly ? 2 : 0;  // BTRFS_SUBVOL_RDONLY
    strncpy(call.name, name, sizeof call.name - 1);
    return ioctl(folder, _IOW(0x94, 23, struct lian_btrfs_snapshot), &call);  // BTRFS_IOC_SNAP_CREATE_V2
}

struct lian_btrfs_search {
    unsigned long long tree, firstObject, lastObject, firstOffset, lastOffset, firstChange, lastChange;
    unsigned int firstType, lastType, count, unused;
    unsigned long long reserved[4], size;
    unsigned char items[];
};

// What the files of this subvolume take on the disk, as du counts it; -1 with errno. Read from the subvolume's tree, of
// which it takes root: to look at each file takes five times as long. What is not written yet does not count. The folder
// must be the subvolume's own.
static inline long long lian_btrfs_bytes(int subvolume) {
    const unsigned long long room = 1 << 20, block = 4096;
    struct lian_btrfs_search *search = malloc(sizeof *search + room);
    if (!search) return -1;
    long long bytes = 0;
    unsigned long long object = 256, offset = 0;
    unsigned int type = 0;
    while (1) {
        *search = (struct lian_btrfs_search){
            .firstObject = object, .lastObject = -256ULL, .firstType = type, .lastType = 255, .firstOffset = offset,
            .lastOffset = ~0ULL, .lastChange = ~0ULL, .count = ~0U, .size = room};
        if (ioctl(subvolume, _IOWR(0x94, 17, struct lian_btrfs_search), search) != 0) {  // BTRFS_IOC_TREE_SEARCH_V2
            bytes = -1;
            break;
        }
        if (search->count == 0) break;
        const unsigned char *item = search->items;
        for (unsigned int index = 0; index < search->count; index++) {
            struct { unsigned long long change, object, offset; unsigned int type, length; } head;
            memcpy(&head, item, sizeof head);
            item += sizeof head;
            if (head.type == 1 && head.length >= 32) {  // BTRFS_INODE_ITEM_KEY, whose fourth number are its bytes
                unsigned long long taken;
                memcpy(&taken, item + 24, sizeof taken);
                bytes += (long long)((le64toh(taken) + block - 1) / block * block);
            }
            item += head.length;
            object = head.object;
            type = head.type;
            offset = head.offset;
        }
        // On from behind the last one.
        if (++offset == 0 && ++type > 255) {
            type = 0;
            object++;
        }
    }
    free(search);
    return bytes;
}

static inline int lian_is_btrfs(const char *path) {
    struct statfs disk;
    return statfs(path, &disk) == 0 && disk.f_type == 0x9123683e;
}

static inline int lian_sync_file_system(int descriptor) { return (int)syscall(SYS_syncfs, descriptor); }
