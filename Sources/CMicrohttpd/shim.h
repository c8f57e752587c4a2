#pragma once
#include <microhttpd.h>

// MHD_start_daemon takes its options as variable arguments, which Swift cannot pass. Each thread serves its share of the
// connections; a request whose answer takes longer is suspended meanwhile.
static inline struct MHD_Daemon *lian_http_start(
    int listening_socket, unsigned int threads, unsigned int connection_limit, size_t stack_bytes,
    void *context, void *(*uri)(void *, const char *, struct MHD_Connection *),
    MHD_AccessHandlerCallback handler, MHD_RequestCompletedCallback completed,
    MHD_NotifyConnectionCallback connection) {
    return MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, handler, context,
        MHD_OPTION_LISTEN_SOCKET, listening_socket, MHD_OPTION_THREAD_POOL_SIZE, threads, MHD_OPTION_CONNECTION_LIMIT,
        connection_limit, MHD_OPTION_THREAD_STACK_SIZE, stack_bytes, MHD_OPTION_URI_LOG_CALLBACK, uri, context,
        MHD_OPTION_NOTIFY_COMPLETED, completed, context, MHD_OPTION_NOTIFY_CONNECTION, connection, context,
        MHD_OPTION_END);
}

static inline int lian_http_socket(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info ? info->connect_fd : -1;
}
