# Raspberry Pi Zero and 1 (ARM1176), and every later 32-bit ARM.
# Debian armel with VFP switched on: 64-bit atomics are lock-free without libatomic, and nothing needs ARMv7.
# `override`: a CXX that the user means for the native build must not reach this one.
CROSS_ARMV6 ?= arm-linux-gnueabi-
override CC := $(CROSS_ARMV6)gcc
override CXX := $(CROSS_ARMV6)g++
tool_prefix := $(CROSS_ARMV6)
# 64-bit file offsets (journals above 2 GiB) and times (after 2038) are not the default on 32-bit glibc.
# psabi: notes about a change of GCC 7.1 that matters only when mixing with older objects.
toolchain_flags := -march=armv6k+fp -mfloat-abi=softfp -Wno-psabi -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64
# Thumb takes a quarter less room: for libraries that run seldom.
small_flags := -mthumb
toolchain_packages := g++-arm-linux-gnueabi qemu-user-static
# arm1176 and not the default "max": an ARMv7 instruction must die here as it would on the board.
RUNNER := qemu-arm-static -cpu arm1176
size_limit := 2000000
