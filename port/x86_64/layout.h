/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * layout.h - numbers that C and assembly share: addresses, selectors, vectors.
 *
 *	0x0000000000000000  nothing, but for the trampoline page while a CPU starts
 *	0xffff888000000000  all RAM and the firmware's tables, 32 TiB at most
 *	0xffffc00000000000  machine_map() area of sys/mem: stacks, devices; 512 GiB
 *	0xffffd00000000000  the port's own pages: local controller, IOAPICs
 *	0xffffe00000000000  shadow of all from 0xffff800000000000 up, in a kernel with sanitizers
 *	0xffffffff80000000  the kernel image, physical 0 upwards
 */
#ifndef X86_LAYOUT_H
#define X86_LAYOUT_H

#define X86_DIRECT_BASE 0xffff888000000000
#define X86_DIRECT_SIZE 0x0000200000000000
#define X86_MAP_BASE 0xffffc00000000000
#define X86_MAP_SIZE 0x0000008000000000
#define X86_LAPIC_VA 0xffffd00000000000
#define X86_IOAPIC_VA 0xffffd00000010000 /* 4096 bytes each */
#define X86_PORT_END 0xffffd00000200000
#define X86_SHADOW_BASE 0xffffe00000000000 /* PORT_SHADOW_OFFSET of rules.mk follows from it */
#define X86_SHADOW_SIZE 0x0000100000000000
#define X86_SHADOW_IMAGE 0xffffeffff0000000      /* of the kernel image */
#define X86_SHADOW_IMAGE_SIZE 0x0000000000200000 /* for its first 16 MiB; kernel.ld checks */
#define X86_KERNEL_BASE 0xffffffff80000000

/* Segments of each CPU's GDT. */
#define X86_CODE_SEL 0x08
#define X86_DATA_SEL 0x10
#define X86_TSS_SEL 0x18

/* Interrupt stacks of the TSS: number of each, as a gate names it. */
#define X86_IST_NMI 1
#define X86_IST_DF 2
#define X86_IST_MC 3
#define X86_IST_COUNT 3
#define X86_IST_SIZE (8192 << ITHACA_KASAN) /* checked frames are larger */

/* Vectors: exceptions, then those that vector.c gives away, then the port's own. */
#define X86_NVEC 256
#define X86_VEC_FIRST 0x20
#define X86_VEC_LAST 0xef
#define X86_VEC_IPI 0xf0
#define X86_VEC_CLOCK 0xf1
#define X86_VEC_ERROR 0xf2
#define X86_VEC_SPURIOUS 0xff

#define X86_BOOT_STACK_SIZE (32768 << ITHACA_KASAN)

/* Control registers. */
#define CR0_PE 0x00000001
#define CR0_MP 0x00000002
#define CR0_NE 0x00000020
#define CR0_WP 0x00010000
#define CR0_PG 0x80000000
#define CR4_PAE 0x00000020
#define CR4_PGE 0x00000080
#define CR4_UMIP 0x00000800
#define CR4_SMEP 0x00100000
#define CR4_SMAP 0x00200000
#define MSR_EFER 0xc0000080
#define EFER_LME 0x00000100
#define EFER_NXE 0x00000800
#define MSR_GSBASE 0xc0000101

#endif
