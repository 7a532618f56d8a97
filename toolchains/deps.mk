# Third-party sources: what is pinned, and how we build it. Upstream tarballs as Debian 13's source packages carry
# them, without Debian's patches, with our options, once per toolchain and build kind.
# One line each: NAME:DEBIAN PACKAGE:VERSION:SERIES THAT MAY REPLACE IT:SHA256 OF THE TARBALL (fetch-deps.sh has the rule)
pins := \
  mbedtls:mbedtls:3.6.6:3.6.*:8fb65fae8dcae5840f793c0a334860a411f884cc537ea290ce1c52bb64ca007a \
  libuv:libuv1:1.50.0:1.*:ec9de6ecf2a780fd2afb3b007947d2cd57c3bb17f3b9e721a66774980d35cd4d \
  inih:libinih:59:*:062279922805f5e9a369551a08d5ddb506140fe50774183ffdbb7c22bb97e3f4 \
  zlib:zlib:1.3.dfsg+really1.3.1:1.3.*:60dd315c07f616887caa029408308a018ace66e3d142726a97db164b3b8f69fb \
  zstd:libzstd:1.5.7+dfsg:1.5.*:0c092ef267edce57ba7f3f2645c861f72eaf5e76273c6c3632869423464b90a5

cache := build/cache
deps_src := $(cache)/src
deps_stamp := $(cache)/sources.mk

# The list of mbedTLS's files comes from the unpacked tree, because a newer patch release may add one; being an included
# makefile, it is fetched before anything else is looked at.
export DEPS_DIR
$(deps_stamp): toolchains/deps.mk toolchains/fetch-deps.sh | deps-build
	@toolchains/fetch-deps.sh $(cache) $(foreach p,$(pins),'$p')
	@echo "mbedtls_c := $$(cd $(deps_src)/mbedtls && echo library/*.c)" >$@
ifeq ($(filter clean distclean help deps-build deps-test,$(MAKECMDGOALS)),)
include $(deps_stamp)
endif

# ---- what our own sources see of them (by -isystem: their warnings are not ours) ----
uv_flags := -isystem $(deps_src)/libuv/include
mbedtls_flags := -isystem $(deps_src)/mbedtls/include -I. -DMBEDTLS_CONFIG_FILE='"toolchains/mbedtls_config.h"'
# LINENO changes the type of the handler, so src/config needs the same options as ini.c.
inih_flags := -isystem $(deps_src)/inih -DINI_HANDLER_LINENO=1 -DINI_CALL_HANDLER_ON_NEW_SECTION=1 \
  -DINI_ALLOW_MULTILINE=0 -DINI_ALLOW_INLINE_COMMENTS=0 -DINI_MAX_LINE=1024 -DINI_STOP_ON_FIRST_ERROR=0 -DINI_USE_STACK=1
# For src/record/decompress.cpp alone. Z_SOLO: without stdio and malloc.
zlib_flags := -isystem $(deps_src)/zlib -DZ_SOLO
zstd_flags := -isystem $(deps_src)/zstd/lib -DZSTD_STATIC_LINKING_ONLY

# ---- libuv: the Linux sources ----
libuv_c := $(addprefix src/,fs-poll.c idna.c inet.c random.c strscpy.c strtok.c thread-common.c threadpool.c timer.c \
  uv-common.c uv-data-getter-setters.c version.c) \
  $(addprefix src/unix/,async.c core.c dl.c fs.c getaddrinfo.c getnameinfo.c linux.c loop-watcher.c loop.c pipe.c \
  poll.c process.c procfs-exepath.c proctitle.c random-devurandom.c random-getrandom.c random-sysctl-linux.c \
  signal.c stream.c tcp.c thread.c tty.c udp.c)
libuv_build := -I$(deps_src)/libuv/include -I$(deps_src)/libuv/src -D_GNU_SOURCE -D_POSIX_C_SOURCE=200112 \
  -D_FILE_OFFSET_BITS=64 -D_LARGEFILE_SOURCE

# ---- mbedTLS: all of library/; toolchains/mbedtls_config.h decides what is in it ----
mbedtls_build := -I$(deps_src)/mbedtls/include -I$(deps_src)/mbedtls/library $(mbedtls_flags)
# All but what computes: messages, certificates, keys' formats and the layers between them.
mbedtls_for_size := $(addprefix library/,asn1% cipher% error% oid% pem% pk% psa_% ssl_% x509%)
# All but the loop itself and its sockets.
libuv_for_size := $(filter-out $(addprefix src/unix/,core linux loop stream tcp),$(libuv_c:.c=))

inih_c := ini.c
inih_build := $(inih_flags)

# ---- zlib: inflate, with the small one of its CRC tables (Z_TESTW=0) ----
zlib_c := adler32.c crc32.c inffast.c inflate.c inftrees.c zutil.c
zlib_build := -I$(deps_src)/zlib -DZ_SOLO -DZ_TESTW=0 -Os $(small_flags)

# ---- zstd: decompression in its smallest form; assembly and BMI2 variants are left out ----
zstd_c := $(addprefix lib/,$(addprefix common/,entropy_common.c error_private.c fse_decompress.c xxhash.c zstd_common.c) \
  $(addprefix decompress/,huf_decompress.c zstd_ddict.c zstd_decompress.c zstd_decompress_block.c))
zstd_build := -I$(deps_src)/zstd/lib -DZSTD_LEGACY_SUPPORT=0 -DHUF_FORCE_DECOMPRESS_X1 -DZSTD_FORCE_DECOMPRESS_SEQUENCES_SHORT -DZSTD_NO_INLINE \
  -DZSTD_STRIP_ERROR_STRINGS -DZSTD_NO_TRACE -DZSTD_DISABLE_ASM -DDYNAMIC_BMI2=0 -DDEBUGLEVEL=0 -DXXH_NAMESPACE=ZSTD_ -Os $(small_flags)

# ---- one rule and one archive per library ----
# $(call library,NAME): $(out)/deps/NAME.a out of NAME_c with NAME_build; what NAME_for_size names is built with -Os.
define library
$1_objects := $$(addprefix $$(out)/deps/$1/,$$($1_c:.c=.o))
$$($1_objects): $$(out)/deps/$1/%.o: $$(deps_stamp) $$(out)/deps/flags toolchains/mbedtls_config.h
	@mkdir -p $$(@D)
	$$(say) CC $1/$$*.c
	$$(Q)$$(CC) -std=gnu11 $$(deps_flags) $$(if $$(filter $$($1_for_size),$$*),$$(optimize_size)) $$($1_build) -c -o $$@ $$(deps_src)/$1/$$*.c
$$(out)/deps/$1.a: $$($1_objects)
	$$(say) AR $$@
	$$(Q)rm -f $$@ && $$(AR) rcsD $$@ $$^
endef
$(foreach name,libuv mbedtls inih zlib zstd,$(eval $(call library,$(name))))
