// The product plus everything a TLS client and server pull in: an upper bound for the size limits, kept honest from
// the first day on, when the product itself may not link TLS yet. Built and measured; running it does a handshake's
// first flight in memory and prints what happened.
#include <mbedtls/error.h>
#include <mbedtls/pk.h>
#include <mbedtls/platform.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ciphersuites.h>
#include <mbedtls/ssl_ticket.h>
#include <mbedtls/x509_crl.h>
#include <mbedtls/x509_crt.h>
#include <psa/crypto.h>
#include <uv.h>

#include <cstdio>
#include <cstdlib>

// The product's main under another name (the Makefile renames it in a copy of main.o); absent while there is none.
extern "C" __attribute__((weak)) int rivulet_main(int argc, char** argv);

namespace {

int random_bytes(void*, unsigned char* out, size_t size) {
  return psa_generate_random(out, size) == PSA_SUCCESS ? 0 : -1;
}
int send_nothing(void*, const unsigned char*, size_t size) { return static_cast<int>(size); }
int receive_nothing(void*, unsigned char*, size_t) { return MBEDTLS_ERR_SSL_WANT_READ; }

// Sets one side up as platform/tls would, certificates, PSK, ALPN and tickets included, and starts the handshake.
int handshake(int side, const char* name) {
  static mbedtls_ssl_config config;
  static mbedtls_ssl_context tls;
  static mbedtls_x509_crt chain;
  static mbedtls_x509_crl revoked;
  static mbedtls_pk_context key;
  static mbedtls_ssl_ticket_context tickets;
  mbedtls_ssl_config_init(&config);
  mbedtls_ssl_init(&tls);
  mbedtls_x509_crt_init(&chain);
  mbedtls_x509_crl_init(&revoked);
  mbedtls_pk_init(&key);
  mbedtls_ssl_ticket_init(&tickets);
  const unsigned char nothing[] = "";
  int result = mbedtls_ssl_config_defaults(&config, side, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
  mbedtls_ssl_conf_rng(&config, random_bytes, nullptr);
  mbedtls_ssl_conf_min_tls_version(&config, MBEDTLS_SSL_VERSION_TLS1_2);
  mbedtls_ssl_conf_max_tls_version(&config, MBEDTLS_SSL_VERSION_TLS1_3);
  mbedtls_x509_crt_parse(&chain, nothing, sizeof nothing);
  mbedtls_x509_crl_parse(&revoked, nothing, sizeof nothing);
  mbedtls_pk_parse_key(&key, nothing, sizeof nothing, nullptr, 0, random_bytes, nullptr);
  mbedtls_ssl_conf_ca_chain(&config, &chain, &revoked);
  mbedtls_ssl_conf_own_cert(&config, &chain, &key);
  mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_OPTIONAL);
  const unsigned char psk[16] = {1};
  mbedtls_ssl_conf_psk(&config, psk, sizeof psk, psk, sizeof psk);
  mbedtls_ssl_ticket_setup(&tickets, random_bytes, nullptr, MBEDTLS_CIPHER_AES_128_GCM, 3600);
  mbedtls_ssl_conf_session_tickets_cb(&config, mbedtls_ssl_ticket_write, mbedtls_ssl_ticket_parse, &tickets);
  if (result == 0) result = mbedtls_ssl_setup(&tls, &config);
  mbedtls_ssl_set_hostname(&tls, "probe");
  mbedtls_ssl_set_bio(&tls, nullptr, send_nothing, receive_nothing, nullptr);
  if (result == 0) result = mbedtls_ssl_handshake(&tls);
  unsigned char byte = 0;
  if (result == 0) result = mbedtls_ssl_read(&tls, &byte, 1);
  if (result == 0) result = mbedtls_ssl_write(&tls, &byte, 1);
  char text[128];
  mbedtls_strerror(result, text, sizeof text);
  std::printf("%s: %s\n", name, text);
  return result == MBEDTLS_ERR_SSL_WANT_READ ? 0 : 1;
}

// The parts of libuv that a broker uses.
int loop_once() {
  uv_loop_t loop;
  uv_tcp_t server;
  uv_timer_t timer;
  uv_async_t wake;
  uv_signal_t signals;
  uv_work_t work;
  uv_getaddrinfo_t resolve;
  uv_udp_t udp;
  if (uv_loop_init(&loop) != 0) return 1;
  uv_tcp_init(&loop, &server);
  uv_timer_init(&loop, &timer);
  uv_signal_init(&loop, &signals);
  uv_udp_init(&loop, &udp);
  uv_async_init(&loop, &wake, [](uv_async_t* handle) { uv_close(reinterpret_cast<uv_handle_t*>(handle), nullptr); });
  sockaddr_in address;
  uv_ip4_addr("127.0.0.1", 0, &address);
  uv_tcp_bind(&server, reinterpret_cast<const sockaddr*>(&address), 0);
  uv_listen(reinterpret_cast<uv_stream_t*>(&server), 16, [](uv_stream_t*, int) {});
  uv_timer_start(&timer, [](uv_timer_t* handle) { uv_stop(handle->loop); }, 10, 0);
  uv_signal_start(&signals, [](uv_signal_t* handle, int) { uv_stop(handle->loop); }, SIGTERM);
  uv_queue_work(&loop, &work, [](uv_work_t*) {}, [](uv_work_t*, int) {});
  uv_getaddrinfo(&loop, &resolve, [](uv_getaddrinfo_t*, int, addrinfo* found) { uv_freeaddrinfo(found); }, "127.0.0.1",
                 "1", nullptr);
  uv_async_send(&wake);
  uv_run(&loop, UV_RUN_DEFAULT);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && rivulet_main != nullptr) return rivulet_main(argc, argv);
  mbedtls_platform_set_calloc_free(std::calloc, std::free);
  if (psa_crypto_init() != PSA_SUCCESS) return 1;
  return handshake(MBEDTLS_SSL_IS_CLIENT, "client") + handshake(MBEDTLS_SSL_IS_SERVER, "server") + loop_once();
}
