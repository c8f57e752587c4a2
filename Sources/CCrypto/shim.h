#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

/// Swift does not see a macro that is made of others.
static const int lian_whole_key = EVP_PKEY_KEYPAIR;
