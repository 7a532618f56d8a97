// mbedTLS 3.6 as rivulet uses it: TLS 1.2 and 1.3, client and server, certificates or pre-shared keys.
// Everything is named here; nothing comes from upstream's default configuration. The linker drops what is unused.
// What is left out on purpose: DTLS, renegotiation, CBC suites, SHA-1 and MD5 signatures, files and sockets
// (platform/ does all I/O), self tests.
#pragma once

// ---- system ----
#define MBEDTLS_HAVE_ASM
#define MBEDTLS_HAVE_TIME
#define MBEDTLS_HAVE_TIME_DATE
#define MBEDTLS_PLATFORM_C
#define MBEDTLS_PLATFORM_MEMORY    // calloc and free go to the size-class pools of platform/tls
#define MBEDTLS_PLATFORM_TIME_ALT  // certificate validity asks our clock, which knows whether it can be trusted
#define MBEDTLS_THREADING_C        // handshakes run as jobs, beside the loop: PSA's key store is shared
#define MBEDTLS_THREADING_PTHREAD
#define MBEDTLS_ERROR_C            // "certificate expired" instead of a number in the log

// ---- random numbers ----
#define MBEDTLS_ENTROPY_C  // getrandom()
#define MBEDTLS_CTR_DRBG_C
#define MBEDTLS_HMAC_DRBG_C

// ---- primitives ----
#define MBEDTLS_AES_C
#if defined(__x86_64__)
#define MBEDTLS_AESNI_C
#elif defined(__aarch64__)
#define MBEDTLS_AESCE_C
#else
#define MBEDTLS_AES_FEWER_TABLES  // 6 KiB less to keep in a small board's cache
#endif
#define MBEDTLS_BLOCK_CIPHER_NO_DECRYPT  // GCM, CCM and CTR_DRBG only ever encrypt blocks
#define MBEDTLS_GCM_C
#define MBEDTLS_CCM_C  // what the smallest sensors' stacks offer with PSK
#define MBEDTLS_CHACHA20_C
#define MBEDTLS_POLY1305_C
#define MBEDTLS_CHACHAPOLY_C  // twice as fast as AES where there are no AES instructions
#define MBEDTLS_CIPHER_C
#define MBEDTLS_MD_C
#define MBEDTLS_SHA256_C
#define MBEDTLS_SHA384_C
#define MBEDTLS_SHA512_C
#define MBEDTLS_HKDF_C
#define MBEDTLS_PKCS5_C  // PBKDF2 for SCRAM

// ---- public keys ----
#define MBEDTLS_BIGNUM_C
#define MBEDTLS_MPI_MAX_SIZE 512  // RSA up to 4096 bits
#define MBEDTLS_ECP_C
#define MBEDTLS_ECP_NIST_OPTIM
#define MBEDTLS_ECP_DP_SECP256R1_ENABLED
#define MBEDTLS_ECP_DP_SECP384R1_ENABLED
#define MBEDTLS_ECP_DP_CURVE25519_ENABLED
#define MBEDTLS_ECDH_C
#define MBEDTLS_ECDSA_C
#define MBEDTLS_ECDSA_DETERMINISTIC
#define MBEDTLS_RSA_C
#define MBEDTLS_PKCS1_V15
#define MBEDTLS_PKCS1_V21
#define MBEDTLS_PK_C
#define MBEDTLS_PK_PARSE_C
#define MBEDTLS_PK_PARSE_EC_EXTENDED
#define MBEDTLS_ASN1_PARSE_C
#define MBEDTLS_ASN1_WRITE_C
#define MBEDTLS_OID_C
#define MBEDTLS_BASE64_C
#define MBEDTLS_PEM_PARSE_C

// ---- PSA: TLS 1.3 is built on it; keys live in memory alone ----
#define MBEDTLS_PSA_CRYPTO_C
#define MBEDTLS_PSA_KEY_STORE_DYNAMIC

// ---- certificates ----
#define MBEDTLS_X509_USE_C
#define MBEDTLS_X509_CRT_PARSE_C
#define MBEDTLS_X509_CRL_PARSE_C
#define MBEDTLS_X509_RSASSA_PSS_SUPPORT

// ---- TLS ----
#define MBEDTLS_SSL_TLS_C
#define MBEDTLS_SSL_CLI_C
#define MBEDTLS_SSL_SRV_C
#define MBEDTLS_SSL_PROTO_TLS1_2
#define MBEDTLS_SSL_PROTO_TLS1_3
#define MBEDTLS_SSL_TLS1_3_COMPATIBILITY_MODE
#define MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK_ENABLED
#define MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL_ENABLED
#define MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK_EPHEMERAL_ENABLED
#define MBEDTLS_KEY_EXCHANGE_ECDHE_ECDSA_ENABLED
#define MBEDTLS_KEY_EXCHANGE_ECDHE_RSA_ENABLED
#define MBEDTLS_KEY_EXCHANGE_PSK_ENABLED
#define MBEDTLS_KEY_EXCHANGE_ECDHE_PSK_ENABLED
#define MBEDTLS_SSL_EXTENDED_MASTER_SECRET
#define MBEDTLS_SSL_KEEP_PEER_CERTIFICATE  // the subject of a client certificate is its principal
#define MBEDTLS_SSL_SERVER_NAME_INDICATION
#define MBEDTLS_SSL_ALPN
#define MBEDTLS_SSL_MAX_FRAGMENT_LENGTH
#define MBEDTLS_SSL_SESSION_TICKETS  // a board that reconnects over bad Wi-Fi skips the public-key work
#define MBEDTLS_SSL_TICKET_C
#define MBEDTLS_SSL_ALL_ALERT_MESSAGES
// A peer may send records of 16 KiB whatever we ask for; what we send is ours to choose. This is what bounds the
// memory of a TLS connection, see the memory budget.
#define MBEDTLS_SSL_IN_CONTENT_LEN 16384
#define MBEDTLS_SSL_OUT_CONTENT_LEN 4096
