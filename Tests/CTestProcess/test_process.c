#include <openssl/crypto.h>

// The test runner ends its process in order, while threads of libraries may still be using OpenSSL: what OpenSSL tears
// down then is gone under them. The programs leave by _exit for that reason.
__attribute__((constructor)) static void keep_openssl_at_exit(void) {
    OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
}
