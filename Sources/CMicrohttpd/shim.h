#pragma once
// The library speaks TLS by GnuTLS, and Debian's package for one brings the other.
#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <microhttpd.h>

// A global variable of GnuTLS holds the function, which Swift takes for one that may change.
static inline void lian_gnutls_free(void *memory) { gnutls_free(memory); }

// MHD_start_daemon takes its options as variable arguments, which Swift cannot pass. Each thread serves its share of the
// connections; a request whose answer takes longer is suspended meanwhile. TLS is spoken where `certificates` is given.
static inline struct MHD_Daemon *lian_http_start(
    int listening_socket, unsigned int threads, unsigned int connection_limit, size_t stack_bytes,
    gnutls_certificate_retrieve_function2 *certificates, const char *priorities, void *context,
    void *(*uri)(void *, const char *, struct MHD_Connection *), MHD_AccessHandlerCallback handler,
    MHD_RequestCompletedCallback completed, MHD_NotifyConnectionCallback connection) {
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)certificates},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)priorities},
        {MHD_OPTION_END, 0, NULL},
    };
    struct MHD_OptionItem plain[] = {{MHD_OPTION_END, 0, NULL}};
    return MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | (certificates ? MHD_USE_TLS : 0), 0, NULL, NULL,
        handler, context, MHD_OPTION_LISTEN_SOCKET, listening_socket, MHD_OPTION_THREAD_POOL_SIZE, threads,
        MHD_OPTION_CONNECTION_LIMIT, connection_limit, MHD_OPTION_THREAD_STACK_SIZE, stack_bytes,
        MHD_OPTION_URI_LOG_CALLBACK, uri, context, MHD_OPTION_NOTIFY_COMPLETED, completed, context,
        MHD_OPTION_NOTIFY_CONNECTION, connection, context, MHD_OPTION_ARRAY, certificates ? tls : plain,
        MHD_OPTION_END);
}

static inline int lian_http_socket(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info ? info->connect_fd : -1;
}

// What the notification of the connection's start has left with the connection.
static inline void *lian_http_connection_context(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

// The same by the TLS session: the library makes the connection the session's pointer.
static inline void *lian_http_session_context(gnutls_session_t session) {
    struct MHD_Connection *connection = (struct MHD_Connection *)gnutls_session_get_ptr(session);
    return connection ? lian_http_connection_context(connection) : NULL;
}
