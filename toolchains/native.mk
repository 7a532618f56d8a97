# The machine that builds. CC and CXX may come from the user: make CXX=g++-13
ifneq ($(filter default undefined,$(origin CC)),)
CC := gcc
endif
ifneq ($(filter default undefined,$(origin CXX)),)
CXX := g++
endif
tool_prefix :=
toolchain_flags :=
small_flags :=
toolchain_packages :=
RUNNER :=
size_limit := 2500000
