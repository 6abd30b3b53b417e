# SPDX-License-Identifier: BSD-2-Clause
# The sanitizers: SAN=ubsan, SAN=kasan or SAN=all, in a checked build of a kernel.
#
# Every access that the compiler instruments is a call (outline), so what a check does is written
# in kasan.c alone; only a function's frame is marked in the shadow by its own code, which is why
# the compiler must know where the shadow lies.
SAN_ON := $(if $(filter all,$(SAN)),ubsan kasan,$(SAN))
SAN_SRC := $(wildcard sys/san/*.c)

ifneq ($(filter-out ubsan kasan,$(SAN_ON)),)
$(error SAN=$(SAN): must be ubsan, kasan or all)
endif
ifneq ($(SAN_ON),)
ifeq ($(CHECKED),0)
$(error SAN=$(SAN): only with CHECKED=1)
endif
ifeq ($(PORT_SHADOW_OFFSET),)
$(error SAN=$(SAN): the port $(PORT) has no shadow)
endif
endif

UBSAN_CFLAGS := -fsanitize=undefined -fno-sanitize-recover=unreachable
KASAN_gcc := -fsanitize=kernel-address -fasan-shadow-offset=$(PORT_SHADOW_OFFSET) \
	--param asan-stack=1 --param asan-globals=1 -fsanitize-address-use-after-scope \
	--param asan-instrumentation-with-call-threshold=0
KASAN_clang := -fsanitize=kernel-address -mllvm -asan-mapping-offset=$(PORT_SHADOW_OFFSET) \
	-mllvm -asan-stack=1 -mllvm -asan-globals=1 -mllvm -asan-use-after-scope=1 \
	-mllvm -asan-instrumentation-with-call-threshold=0
# What the compilers believe of code that they have filled with checks is not worth an error.
SAN_CFLAGS := $(if $(SAN_ON),-Wno-maybe-uninitialized -Wno-unknown-warning-option)

# Not instrumented at all: what the checks themselves call, and what is run for its output.
SAN_OFF := sys/san/% port/$(PORT)/assym.c
# Without shadow: the functions that the checks are made of, page tables (which the shadow needs),
# and backtraces, which read whatever lies on a stack.
KASAN_OFF := lib/string.c port/$(PORT)/pmap.c port/$(PORT)/trap.c

san_flags = $(if $(filter-out $(SAN_OFF),$(filter %.c,$(1))),$(SAN_CFLAGS) $(if \
	$(filter ubsan,$(SAN_ON)),$(UBSAN_CFLAGS)) $(if $(filter kasan,$(SAN_ON)),$(if \
	$(filter $(KASAN_OFF),$(1)),,$(KASAN_$(CC_KIND)))))

SAN_CPPFLAGS := -DITHACA_UBSAN=$(words $(filter ubsan,$(SAN_ON))) \
	-DITHACA_KASAN=$(words $(filter kasan,$(SAN_ON)))
SAN_LDFLAGS :=
ifneq ($(filter ubsan,$(SAN_ON)),)
SYS_SRC += sys/san/ubsan.c
endif
ifneq ($(filter kasan,$(SAN_ON)),)
SYS_SRC += $(filter-out %/ubsan.c,$(SAN_SRC))
SAN_CPPFLAGS += -DITHACA_SHADOW_OFFSET=$(PORT_SHADOW_OFFSET)
# Calls that kasan.c checks first, and the one after which a stack begins anew.
SAN_LDFLAGS += --wrap=memcpy --wrap=memmove --wrap=memset --wrap=memcmp \
	--wrap=strlen --wrap=strcmp --wrap=strncmp --wrap=strchr --wrap=port_handoff
endif
