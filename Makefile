# rivulet. `make help` lists the targets; sources are found by their place in the tree, see "Layout" in README.md.
# One file for everything. Where $(MAKE) appears below, this same file is entered again for another toolchain or
# build kind; there are no makefiles in the folders.

MAKEFLAGS += -rR --no-print-directory
.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := all
comma := ,

# ---- settings: make NAME=value ----
TOOLCHAIN ?= native
BUILD ?= build
SANITIZE ?=
WERROR ?= -Werror
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
ARGS ?=
SIM_SEEDS ?= 1000
SEEDS ?= $(SIM_SEEDS)
FUZZ_SECONDS ?= 60
# CPPFLAGS, CFLAGS, CXXFLAGS and LDFLAGS are the user's, appended after ours. V=1 shows commands. APT=no installs nothing.

# A -j on the command line wins over this.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(JOBS)
endif

# ---- toolchain and build folder ----
toolchain_files := $(filter-out toolchains/deps.mk,$(wildcard toolchains/*.mk))
toolchain_file := $(or $(wildcard toolchains/$(TOOLCHAIN).mk),$(filter toolchains/$(TOOLCHAIN)%,$(toolchain_files)))
ifneq ($(words $(toolchain_file)),1)
$(error TOOLCHAIN=$(TOOLCHAIN) must name one of: $(basename $(notdir $(toolchain_files))))
endif
toolchain := $(basename $(notdir $(toolchain_file)))
include $(toolchain_file)
AR := $(tool_prefix)ar
NM := $(tool_prefix)nm
STRIP := $(tool_prefix)strip
OBJCOPY := $(tool_prefix)objcopy

# Kinds: release, one per set of sanitizers, and libfuzzer (by clang, which finds libstdc++ 12 but not its C++23).
ifdef LIBFUZZER
kind := libfuzzer
else
kind := $(or $(subst $(comma),-,$(SANITIZE)),release)
endif
out := $(BUILD)/$(toolchain)-$(kind)

# ---- flags ----
std := -std=c++23
optimize := -O2
# For what runs once, by hand or seldom, and for the descriptions of messages, of which there are many; records in and out are built for speed.
optimize_size := -Os $(small_flags)
# Half of the time to build it all went into tests that wait for nothing.
optimize_build := -O1 -g1
built_for_size := src/cli/% src/config/% src/store/offline/% src/wire/kafka/% src/server/kafka/handle_% src/broker/groups/% \
  src/wire/compact/admin_% src/wire/compact/group_% src/wire/compact/member_% $(addprefix src/server/compact/,handle_assign% handle_group% handle_topics%) \
  $(addprefix src/server/,budget% check_config% load_config% reloader% serve.% server.%) \
  $(addprefix src/server/kafka/,offset_search% config_items% group_wait% handlers%) \
  $(addprefix src/record/,batch_decoder% decompress% lz4% snappy% xxh32%) $(addprefix src/broker/,recovery% topic.% topics%) $(addprefix src/store/,checkpoint_load% create% opening% replay% run_start% super_block%)
kind_flags := -fno-pie
# Nothing unwinds through the product, and debuggers have tables of their own: 150K of a program for amd64.
no_unwinding := -fno-asynchronous-unwind-tables
kind_link := -static -Wl,--gc-sections
deps_sanitize :=
warnings := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wdate-time $(WERROR)
ifeq ($(kind),libfuzzer)
CXX := clang++-14
CC := clang-14
std := -std=c++2b
sanitizers := address,undefined
warnings := -Wall -Wextra
else
sanitizers := $(SANITIZE)
endif
ifneq ($(sanitizers),)
optimize := -O1
optimize_size :=
kind_flags := $(if $(LIBFUZZER),-fsanitize=fuzzer-no-link) -fsanitize=$(sanitizers) -fno-omit-frame-pointer -fno-sanitize-recover=all
kind_link := -fsanitize=$(sanitizers)
# Undefined behaviour in libraries is theirs to judge.
deps_sanitize := -fsanitize=$(sanitizers) -fno-sanitize=undefined -fno-omit-frame-pointer
endif

common_flags = $(optimize) -g -ffunction-sections -fdata-sections -fno-plt -ffile-prefix-map=$(CURDIR)=. \
  $(toolchain_flags) $(kind_flags)
cxx_flags = $(std) $(common_flags) $(warnings) -fno-rtti -Isrc -I.
c_flags = -std=c99 -pedantic $(common_flags) $(warnings) -Isrc -I.
deps_flags = -O2 -g -w -ffunction-sections -fdata-sections -ffile-prefix-map=$(CURDIR)=. \
  $(no_unwinding) $(toolchain_flags) $(if $(sanitizers),$(deps_sanitize),-fno-pie) $(CPPFLAGS) $(CFLAGS)

include toolchains/deps.mk

# What a source gets, by its path: libuv and mbedTLS are for platform/ and main.cpp, which wires it, inih for src/config
# alone, zlib and zstd for src/record/decompress.cpp alone, exceptions and doctest for tests, whose small numbers may be narrowed where size_t has 32 bits.
# Used for compiling, for checking headers one by one, and for compile_commands.json.
doctest_flags := -isystem $(cache)/include
flags_of = $(strip $(if $(filter %.c src/sensor/%.h,$1),$(c_flags),$(cxx_flags) \
  $(if $(filter tests/%,$1),-fexceptions -Wno-conversion -Itests $(doctest_flags),-fno-exceptions $(no_unwinding))) \
  $(if $(filter src/main.cpp platform/% tests/platform/% tests/size/% tests/bench/%,$1),$(uv_flags) $(mbedtls_flags)) \
  $(if $(filter src/config/%,$1),$(inih_flags)) \
  $(if $(filter src/record/decompress.cpp,$1),$(zlib_flags) $(zstd_flags)) \
  $(if $(filter tests/unit/% tests/golden/% tests/platform/%,$1),$(optimize_build)) \
  $(if $(filter $(built_for_size),$1),$(optimize_size)) $(if $(filter src/cli/version.cpp,$1),-I$(out)) \
  $(if $(filter src/sensor/examples/%,$1),-Isrc/sensor) \
  $(CPPFLAGS) $(if $(filter %.c,$1),$(CFLAGS),$(CXXFLAGS)))
compiler_of = $(if $(filter %.c,$1),$(CC),$(CXX))

# ---- sources, by their place ----
src_files := $(wildcard src/*/*.cpp src/*/*/*.cpp src/sensor/*.c)
push_csv_file := $(wildcard src/sensor/examples/posix/push_csv.c)
platform_files := $(wildcard platform/*/*.cpp)
main_file := $(wildcard src/main.cpp)
unit_files := $(wildcard tests/unit/*_test.cpp tests/unit/*/*_test.cpp)
golden_files := $(wildcard tests/golden/*_test.cpp)
platform_test_files := $(wildcard tests/platform/*_test.cpp)
sim_files := $(wildcard tests/sim/*.cpp)
sim_run_files := $(wildcard tests/sim/run/*.cpp)
# What the simulator judges groups by, which has unit tests.
group_oracle_files := $(wildcard $(addprefix tests/sim/run/,kafka_history.cpp group_history.cpp batches.cpp compression.cpp))
crash_files := $(wildcard tests/crash/*.cpp)
fuzz_files := $(wildcard tests/fuzz/*_fuzz.cpp)
fuzz_driver_files := $(wildcard tests/fuzz/driver/*.cpp)
bench_files := $(wildcard tests/bench/*.cpp)
rdkafka_file := $(wildcard tests/bench/rdkafka/client.cpp)
guard_files := $(wildcard tests/support/guard/*.cpp)
doctest_main_file := tests/support/doctest_main.cpp
support_files := $(filter-out $(doctest_main_file),$(wildcard tests/support/*.cpp))
probe_file := tests/size/tls_probe.cpp
header_files := $(wildcard src/*/*.h src/*/*/*.h platform/*/*.h tests/*/*.h tests/*/*/*.h)
interop_files := $(wildcard tests/interop/[!_]*.py tests/interop/[!_]*.sh)
all_files := $(sort $(src_files) $(platform_files) $(main_file) $(unit_files) $(golden_files) $(platform_test_files) \
  $(sim_files) $(sim_run_files) $(crash_files) $(fuzz_files) $(fuzz_driver_files) $(bench_files) $(guard_files) \
  $(doctest_main_file) $(support_files) $(probe_file) $(push_csv_file))

obj := $(out)/obj
objects = $(addprefix $(obj)/,$(addsuffix .o,$(basename $1)))
src_objects := $(call objects,$(src_files))
platform_objects := $(call objects,$(platform_files))
# Everything a test may want that needs no operating system: the broker, the simulated world, helpers.
world_objects := $(src_objects) $(call objects,$(sim_files) $(support_files))
doctest_objects := $(call objects,$(doctest_main_file))
# The libraries that src/ itself uses.
src_libs := $(addprefix $(out)/deps/,inih.a zlib.a zstd.a)
platform_libs := $(out)/deps/libuv.a $(out)/deps/mbedtls.a

# ---- main targets ----
products := $(if $(main_file),$(out)/rivulet $(out)/rivulet.debug)

.PHONY: all
all: $(products) build/compile_commands.json ## the program: build/<toolchain>-<build>/rivulet, rivulet.debug with symbols
	@$(if $(main_file),echo "built $(out)/rivulet",echo "src/main.cpp is not there yet: nothing to link")

.PHONY: run
run: $(products) ## build and start a broker with built-in defaults, data in ./rivulet-data; ARGS="--set key=value"
	@$(RUNNER) $(out)/rivulet serve $(ARGS)

.PHONY: objects
objects: $(src_objects) $(platform_objects) $(call objects,$(main_file)) ## compile the product's sources, link nothing

# ---- compiling ----
say = @printf '%-4s %s\n'
Q := @
ifdef V
say = @:
Q :=
endif

# A change of flags rebuilds what they were used for. The tree's own path is left out: copies of it can share objects.
.PHONY: force
note = @mkdir -p $(@D); printf '%s\n' '$(subst ','\'',$(subst $(CURDIR),.,$1))' >$@.new; \
  if cmp -s $@.new $@; then rm -f $@.new; else mv $@.new $@; fi
$(out)/flags: force
	$(call note,$(CC) $(CXX) $(no_unwinding) $(optimize_build) $(optimize_size) $(built_for_size) $(cxx_flags) $(c_flags) $(uv_flags) $(mbedtls_flags) $(inih_flags) $(zlib_flags) $(zstd_flags) $(CPPFLAGS) $(CFLAGS) $(CXXFLAGS))
$(out)/link-flags: force
	$(call note,$(CXX) $(toolchain_flags) $(kind_link) $(LDFLAGS))
$(out)/deps/flags: force
	$(call note,$(CC) $(deps_flags) $(optimize_size) $(libuv_build) $(libuv_for_size) $(mbedtls_build) $(mbedtls_for_size) $(inih_build) $(zlib_build) $(zstd_build))

define compile
@mkdir -p $(@D)
$(say) $(if $(filter %.c,$<),CC,CXX) $<
$(Q)$(call compiler_of,$<) $(call flags_of,$<) -MMD -MP -c -o $@ $<
endef
$(obj)/%.o: %.cpp $(out)/flags | deps-build
	$(compile)
$(obj)/%.o: %.c $(out)/flags | deps-build
	$(compile)

# Third-party headers must be unpacked first, and a new version or configuration of them rebuilds (-MMD leaves them out).
third_party_users := $(call objects,$(main_file) $(platform_files) $(filter src/config/% src/record/decompress.cpp,$(src_files)) \
  $(platform_test_files) $(bench_files) $(probe_file))
$(third_party_users): $(deps_stamp) toolchains/mbedtls_config.h
$(filter $(obj)/tests/%,$(call objects,$(all_files))): | $(cache)/include/doctest deps-test

# doctest is headers alone, so Debian's serves cross builds too; reached by a link because compilers for other
# machines must not see the whole of /usr/include.
$(cache)/include/doctest: | deps-test
	@mkdir -p $(@D)
	@ln -sfn /usr/include/doctest $@

# The version reaches one source alone, so that a release rebuilds one object.
$(out)/generated/version.h: VERSION
	@mkdir -p $(@D)
	@printf '#pragma once\n#define RIVULET_VERSION "%s"\n' "$$(cat VERSION)" >$@
$(obj)/src/cli/version.o: $(out)/generated/version.h

-include $(patsubst %.o,%.d,$(call objects,$(all_files)))

# For editors: clangd looks into build/ by itself.
define json_entry
{"directory": "$(CURDIR)", "file": "$1", "command": "$(subst ",\",$(subst \,\\,$(call compiler_of,$1) $(call flags_of,$1) -c $1))"},

endef
build/compile_commands.json: $(out)/flags $(all_files)
	@mkdir -p $(@D)
	$(file >$@.all,$(foreach f,$(all_files),$(call json_entry,$f)))
	@{ echo '['; sed '/^ *$$/d; s/^ *//' $@.all | sed '$$s/,$$//'; echo ']'; } >$@; rm -f $@.all

# ---- linking ----
# glibc warns about getaddrinfo in a static program, which works here (it reads files and asks DNS without any .so). The
# warning is filtered by its text: ld --no-warnings would also swallow undefined references (binutils 2.40).
# Objects are given one by one and with a map, so that tests/tidy can prove that the simulator runs the objects that ship.
define link
@mkdir -p $(@D)
$(say) LINK $@
$(Q)$(CXX) $(toolchain_flags) $(kind_link) -Wl,-Map=$@.map -o $@ $(filter %.o,$^) $(filter %.a,$^) $(link_extra) -pthread $(LDFLAGS) \
  2>$@.log || { cat $@.log >&2; exit 1; }
@grep -v -e 'in function `' -e 'in statically linked applications requires at runtime' $@.log >&2; rm -f $@.log
endef

$(out)/rivulet.debug: $(call objects,$(main_file)) $(src_objects) $(platform_objects) $(platform_libs) $(src_libs) $(out)/link-flags
	$(link)
$(out)/rivulet: $(out)/rivulet.debug
	$(Q)$(STRIP) -o $@ $<
# The same objects and a malloc that aborts once the arena is sealed.
$(out)/rivulet-guard: $(call objects,$(main_file) $(guard_files)) $(src_objects) $(platform_objects) $(platform_libs) $(src_libs) $(out)/link-flags
	$(link)
# These have the guard too, so that the simulator fails a broker that allocates while it serves.
$(out)/unit_test: $(call objects,$(unit_files) $(guard_files) $(group_oracle_files)) $(doctest_objects) $(world_objects) $(src_libs) $(out)/link-flags
	$(link)
$(out)/golden_test: $(call objects,$(golden_files)) $(doctest_objects) $(world_objects) $(src_libs) $(out)/link-flags
	$(link)
$(out)/platform_test: $(call objects,$(platform_test_files)) $(doctest_objects) $(world_objects) $(platform_objects) $(platform_libs) $(src_libs) $(out)/link-flags
	$(link)
$(out)/sim_run: $(call objects,$(sim_run_files) $(guard_files)) $(world_objects) $(src_libs) $(out)/link-flags
	$(link)
$(out)/crash_run: $(call objects,$(crash_files)) $(world_objects) $(src_libs) $(out)/link-flags
	$(link)
# The sensor library's example: that library, libc and nothing else.
$(out)/push_csv: $(call objects,$(push_csv_file) src/sensor/rivulet_sensor.c) $(out)/link-flags
	$(link)
fuzzers := $(patsubst tests/fuzz/%_fuzz.cpp,$(out)/fuzz_%,$(fuzz_files))
ifeq ($(kind),libfuzzer)
$(fuzzers): link_extra := -fsanitize=fuzzer
$(fuzzers): $(out)/fuzz_%: $(obj)/tests/fuzz/%_fuzz.o $(world_objects) $(src_libs) $(out)/link-flags
	$(link)
else
$(fuzzers): $(out)/fuzz_%: $(obj)/tests/fuzz/%_fuzz.o $(call objects,$(fuzz_driver_files)) $(world_objects) $(src_libs) $(out)/link-flags
	$(link)
endif
benches := $(patsubst tests/bench/%.cpp,$(out)/bench_%,$(bench_files))
$(benches): $(out)/bench_%: $(obj)/tests/bench/%.o $(world_objects) $(platform_objects) $(platform_libs) $(src_libs) $(out)/link-flags
	$(link)
# Kafka's C library is linked as Debian has it, dynamically; without it the parts that need it say so. Looked for each time: deps-bench may have brought it.
.PHONY: $(out)/bench_rdkafka
$(out)/bench_rdkafka: deps-bench $(out)/flags
	@if [ -e /usr/include/librdkafka/rdkafka_mock.h ]; then $(CXX) $(call flags_of,$(rdkafka_file)) -no-pie -o $@ $(rdkafka_file) -lrdkafka; \
	else rm -f $@; echo "librdkafka-dev is absent, going on without" >&2; fi
# The product and a TLS client and server in one file: what the size limits are for. The product's own main stays in,
# renamed; the weak one serves while there is none.
$(out)/probe_main.o: $(call objects,$(main_file))
	$(Q)$(OBJCOPY) --redefine-sym main=rivulet_main $< $@
$(out)/tls_probe: $(call objects,$(probe_file)) $(if $(main_file),$(out)/probe_main.o) $(src_objects) $(platform_objects) $(platform_libs) $(src_libs) $(out)/link-flags
	$(link)

# ---- tests ----
# A suite NAME has: BUDGET_NAME (seconds for running, not for building), build-NAME, run-NAME. Each ends with the line
# "N passed, M failed"; tests/support/run-suites.sh keeps budgets, logs and the sum.
BUDGET_tidy ?= 120
BUDGET_unit ?= 120
BUDGET_golden ?= 60
BUDGET_platform ?= 120
BUDGET_smoke ?= 60
BUDGET_fuzz-corpus ?= 120
BUDGET_size ?= 30
BUDGET_crash ?= 600
BUDGET_mutants ?= 900
BUDGET_sim ?= 900
BUDGET_interop ?= 900
BUDGET_armv6 ?= 900
# Under emulation and sanitizers everything takes longer.
BUDGET_FACTOR ?= $(if $(RUNNER)$(SANITIZE),5,1)

ifeq ($(toolchain)-$(kind),native-release)
SUITES ?= tidy unit golden platform smoke fuzz-corpus size crash mutants sim interop armv6
else ifeq ($(toolchain),native)
SUITES ?= unit golden platform fuzz-corpus crash sim interop
else
SUITES ?= smoke unit golden
endif
run_suites = +@MAKE='$(MAKE)' OUT=$(out) FACTOR=$(BUDGET_FACTOR) \
  AGAIN='make$(if $(filter-out native,$(toolchain)), TOOLCHAIN=$(toolchain))$(if $(SANITIZE), SANITIZE=$(SANITIZE))$(if $(filter-out build,$(BUILD)), BUILD=$(BUILD))' \
  tests/support/run-suites.sh $(foreach s,$1,$s:$(or $(BUDGET_$s),120))

.PHONY: test
test: deps-build deps-test ## everything that must pass, ends with "N passed, M failed"; SUITES="unit golden" for some
	$(call run_suites,$(SUITES))
suite-%: deps-build deps-test ## one suite alone: tidy unit golden platform smoke fuzz-corpus size crash mutants sim interop armv6
	$(call run_suites,$*)

# $(call run_if,SOURCES,what is missing otherwise,COMMAND)
run_if = @$(if $(strip $1),$3,echo "skipped: no $2 yet"; echo "0 passed$(comma) 0 failed")
suite_names := tidy unit golden platform smoke fuzz-corpus size crash mutants sim interop armv6
.PHONY: $(suite_names:%=build-%) $(suite_names:%=run-%)

header_stamps := $(header_files:%=$(out)/headers/%.ok)
# What does not compile is reported by tidy, among the rest that it finds.
build-tidy: $(header_stamps)
	-@$(MAKE) -k objects $(products) $(if $(sim_run_files),$(out)/sim_run) $(if $(unit_files),$(out)/unit_test) $(call objects,$(bench_files))
run-tidy:
	@CXX='$(CXX)' python3 tests/tidy/tidy.py --out $(out) --nm $(NM)
# Each header compiled alone. A failure leaves its text in .err and no stamp; tidy reports it.
$(out)/headers/%.ok: % $(out)/flags | deps-build
	@mkdir -p $(@D)
	@if echo '#include "$<"' | $(CXX) $(call flags_of,$<) -fsyntax-only -MMD -MP -MF $(@:.ok=.d) -MT $@ \
	  -x $(if $(filter src/sensor/%,$<),c,c++) - 2>$(@:.ok=.err); then touch $@; else rm -f $@ $(@:.ok=.d); fi
$(filter $(out)/headers/platform/% $(out)/headers/src/config/%,$(header_stamps)): $(deps_stamp)
$(filter $(out)/headers/tests/%,$(header_stamps)): | $(cache)/include/doctest deps-test $(deps_stamp)
-include $(header_stamps:.ok=.d)

build-unit: $(if $(unit_files),$(out)/unit_test)
run-unit:
	$(call run_if,$(unit_files),tests/unit/*_test.cpp,$(RUNNER) $(out)/unit_test $(ARGS))
build-golden: $(if $(golden_files),$(out)/golden_test)
run-golden:
	$(call run_if,$(golden_files),tests/golden/*_test.cpp,$(RUNNER) $(out)/golden_test $(ARGS))
build-platform: $(if $(platform_test_files),$(out)/platform_test)
run-platform:
	$(call run_if,$(platform_test_files),tests/platform/*_test.cpp,$(RUNNER) $(out)/platform_test $(ARGS))
build-smoke: $(products)
run-smoke:
	$(call run_if,$(main_file),src/main.cpp,TOOLCHAIN=$(toolchain) CC='$(CC)' RUNNER='$(RUNNER)' tests/support/smoke.sh $(out))
build-fuzz-corpus: $(if $(fuzz_driver_files),$(fuzzers))
run-fuzz-corpus:
	$(call run_if,$(and $(fuzz_driver_files),$(fuzz_files)),tests/fuzz/*_fuzz.cpp with tests/fuzz/driver/*.cpp,RUNNER='$(RUNNER)' tests/support/run-corpus.sh $(fuzzers))
build-crash: $(if $(crash_files),$(out)/crash_run)
run-crash:
	$(call run_if,$(crash_files),tests/crash/*.cpp,$(RUNNER) $(out)/crash_run $(ARGS))
mutants_script := $(wildcard tests/crash/mutants/run.sh)
build-mutants: $(if $(mutants_script),build-crash build-sim build-unit)
run-mutants:
	$(call run_if,$(mutants_script),tests/crash/mutants/run.sh,MAKE='$(MAKE)' CXX='$(CXX)' OUT=$(out) $(mutants_script))
build-sim: $(if $(sim_run_files),$(out)/sim_run)
run-sim:
	$(call run_if,$(sim_run_files),tests/sim/run/*.cpp,$(RUNNER) $(out)/sim_run --seeds $(SEEDS) $(ARGS))
build-interop: $(if $(and $(main_file),$(interop_files)),$(products) $(out)/push_csv $(if $(guard_files),$(out)/rivulet-guard))
run-interop:
	$(call run_if,$(and $(main_file),$(interop_files)),src/main.cpp with tests/interop/*.py or *.sh,RIVULET=$(CURDIR)/$(out)/$(if $(guard_files),rivulet-guard,rivulet) \
	  RIVULET_RELEASE=$(CURDIR)/$(out)/rivulet OUT=$(CURDIR)/$(out) FACTOR=$(BUDGET_FACTOR) SANITIZE=$(SANITIZE) tests/support/run-scripts.sh $(interop_files))
armv6 := $(MAKE) TOOLCHAIN=armv6-linux-gnueabi
build-armv6:
	+@$(armv6) build-smoke build-unit build-golden
run-armv6:
	+@$(armv6) SUITES='smoke unit golden' test

build-probes: $(products) $(out)/tls_probe
build-size: build-probes
	+@$(armv6) build-probes
run-size:
	@BUILD=$(BUILD) tests/size/size.sh native:2500000 armv6-linux-gnueabi:2000000

# ---- single runs ----
.PHONY: size sim bench fuzz run-fuzz interop check-history
size: deps-build deps-test ## sizes of the program and of a TLS probe on amd64 and ARMv6, of the sensor library on armv6-M, against their limits
	+@$(MAKE) build-size
	+@$(MAKE) run-size
sim: build-sim ## the simulator alone: SEEDS=1000 (that many) or SEEDS=7-7 (one, to replay it), ARGS for more options
	+@$(MAKE) run-sim
bench: deps-bench $(products) $(benches) $(out)/bench_rdkafka ## ratios that the promises name, not absolute times; ARGS go to tests/bench/run.sh
	@OUT=$(CURDIR)/$(out) RIVULET=$(CURDIR)/$(out)/rivulet INTEROP=$(CURDIR)/build/interop; export OUT RIVULET INTEROP; \
	$(if $(wildcard tests/bench/run.sh),tests/bench/run.sh $(ARGS),$(or $(foreach b,$(benches),$(RUNNER) $b $(ARGS) && echo "$b done" &&),echo "nothing in tests/bench yet" &&) true)
interop: deps-interop $(products) ## every Kafka client that can be had, of Debian, PyPI, npm, Go, Maven, against the broker; ARGS="Java kcat" for some. Fetches them
	@RIVULET=$(CURDIR)/$(out)/rivulet INTEROP=$(CURDIR)/build/interop python3 tests/interop/kafka/run.py $(ARGS)
check-history: deps-build deps-test $(products) ## a history of real clients, with kill -9 and pauses, and its check; SECONDS=600 for long, SEED=n for the same faults
	@RIVULET=$(CURDIR)/$(out)/rivulet python3 tests/interop/history/run.py $(or $(SECONDS),120) $(SEED)
fuzz: deps-build deps-test ## libFuzzer by clang on every fuzz target, FUZZ_SECONDS each; FUZZ=name for one
	+@$(MAKE) LIBFUZZER=1 run-fuzz
FUZZ ?=
chosen_fuzzers := $(if $(FUZZ),$(addprefix $(out)/fuzz_,$(FUZZ)),$(fuzzers))
run-fuzz: $(chosen_fuzzers)
	@tests/support/run-fuzz.sh $(out) $(FUZZ_SECONDS) $(chosen_fuzzers)

# ---- set-up and housekeeping ----
# What building needs, and what testing needs beside it. Nothing happens when all is installed, so this works offline.
build_packages := make gcc g++ binutils ca-certificates bzip2 xz-utils debian-archive-keyring $(toolchain_packages)
test_packages := doctest-dev clang-14 libclang-rt-14-dev g++-arm-linux-gnueabi gcc-arm-none-eabi gcc-avr qemu-user-static python3 perl procps \
  e2fsprogs util-linux mount patch openssl kcat python3-confluent-kafka python3-kafka python3-snappy python3-lz4 python3-zstandard
# What the benchmarks compare with: without one of them they say that it is absent, and go on.
bench_packages := redis-server nats-server mosquitto librdkafka-dev openjdk-17-jre-headless maven valgrind
# For `make interop`; Go and Node are used as they are found. Debian 12's Go is too old for its drivers: they are named as absent then.
interop_packages = python3-venv openjdk-17-jdk-headless maven $(if $(shell command -v npm),,nodejs npm) $(if $(shell command -v go),,golang-go)
.PHONY: deps deps-build deps-test deps-bench deps-interop
deps: deps-build deps-test $(deps_stamp) ## install the Debian packages for building and testing, fetch the sources of libraries
deps-build: ## only the packages that building needs
	@toolchains/install-packages.sh $(build_packages)
deps-test: deps-build ## the packages that testing needs beside them
	@toolchains/install-packages.sh $(test_packages)
deps-bench: deps-build deps-test ## the servers that `make bench` runs beside the broker; their own services are neither started nor enabled
	@toolchains/install-packages.sh --no-services $(bench_packages) || echo "going on without them" >&2

deps-interop: deps-build deps-test ## what the clients of `make interop` are fetched and run with
	@toolchains/install-packages.sh $(interop_packages) || echo "going on without them" >&2

.PHONY: clean distclean help
clean: ## remove what was built; downloads stay
	rm -rf $(filter-out $(cache),$(wildcard build/*))
distclean: ## remove downloads too
	rm -rf build
help: ## this list
	@sed -n 's/^\([a-z][a-z%-]*\):.*## \(.*\)/\1|\2/p' Makefile | awk -F'|' '{ sub("%", "NAME", $$1); printf "make %-12s %s\n", $$1, $$2 }'
	@echo; echo "settings: TOOLCHAIN=($(subst $() , | ,$(sort $(basename $(notdir $(toolchain_files)))))) SANITIZE=address,undefined"
	@echo "          WERROR= BUILD=build DEPS_DIR=dir CXXFLAGS= LDFLAGS= JOBS=n V=1 APT=no"
