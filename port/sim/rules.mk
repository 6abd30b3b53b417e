# SPDX-License-Identifier: BSD-2-Clause
# The simulated machine: the core as a host program, for the unit tests.
# Linked at a fixed address, so that a seed replays exactly: hashes of addresses are the same.
PORT_KIND := host
PORT_SRC := $(wildcard port/sim/*.c port/sim/*.S)
PORT_CFLAGS := -fno-stack-protector -fno-pie -fno-builtin -D_GNU_SOURCE
PORT_LDLIBS := -no-pie

# Every access of the core to memory calls port/sim/access.c. Not for the link: no runtime.
$(B)/kern/%.o: CFLAGS += -fsanitize=thread
ifeq ($(CC_KIND),gcc)
$(B)/kern/%.o: CFLAGS += -Wno-tsan
endif
