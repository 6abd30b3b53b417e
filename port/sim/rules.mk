# SPDX-License-Identifier: BSD-2-Clause
# The simulated machine: the core as a host program, for the unit tests.
PORT_KIND := host
PORT_SRC := $(wildcard port/sim/*.c port/sim/*.S)
PORT_CFLAGS := -fno-stack-protector
PORT_LDLIBS := -lpthread
