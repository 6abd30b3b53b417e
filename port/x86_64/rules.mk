# SPDX-License-Identifier: BSD-2-Clause
# x86-64 on PC hardware: a kernel image, linked high.
PORT_KIND := kernel
PORT_SRC := $(filter-out %/assym.c,$(wildcard port/x86_64/*.c port/x86_64/*.S))
PORT_ASSYM := $(wildcard port/x86_64/assym.c)
PORT_LDS := port/x86_64/kernel.ld
PORT_CFLAGS := -m64 -march=x86-64 -mcmodel=kernel -mno-red-zone -mgeneral-regs-only \
	-ffreestanding -fno-pic -fno-stack-protector -fcf-protection=none \
	-fno-asynchronous-unwind-tables -Isys
PORT_LDFLAGS := -m elf_x86_64 -static -z max-page-size=4096 -z noexecstack --build-id=none
# Where sanitizers keep the shadow of address a: (a >> 3) + this; see layout.h.
PORT_SHADOW_OFFSET := 0xdffff00000000000
