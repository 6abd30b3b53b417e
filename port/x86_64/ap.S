/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ap.S - where every CPU but the first begins: in real mode, in a page below 1 MiB.
 *
 * Contexts: none yet; interrupts are off and stay off until the core turns them on. One CPU
 * starts at a time, so no lock. smp.c copies this code to the page, fills in the words at its
 * end, maps the page at its own physical address, and sends the CPU to its first byte. The CPU
 * goes to long mode here and leaves for x86_ap_main() (smp.c), on the stack that it was given.
 *
 * The code runs where it was copied to, so it finds everything relative to the page: %cs in real
 * mode, %ebx after it.
 */
#include "layout.h"

#define OFF(sym) ((sym) - x86_ap_begin)

	.section .rodata
	.globl x86_ap_begin, x86_ap_params, x86_ap_end
	.balign 16
	.code16
x86_ap_begin:
	cli
	cld
	movw %cs, %ax
	movw %ax, %ds
	movzwl %ax, %ebx
	shll $4, %ebx				/* the page's address */

	/* The addresses that are absolute are made so. */
	leal OFF(ap_gdt)(%ebx), %eax
	movl %eax, OFF(ap_gdt_desc) + 2
	leal OFF(ap_protected)(%ebx), %eax
	movl %eax, OFF(ap_far)
	leal OFF(ap_long)(%ebx), %eax
	movl %eax, OFF(ap_far_long)
	lgdtl OFF(ap_gdt_desc)
	movl $(CR0_PE | CR0_NE | CR0_MP), %eax
	movl %eax, %cr0
	ljmpl *OFF(ap_far)

	.code32
ap_protected:
	movw $X86_DATA_SEL, %ax
	movw %ax, %ds
	movw %ax, %ss
	movl $CR4_PAE, %eax
	movl %eax, %cr4
	movl OFF(ap_root)(%ebx), %eax
	movl %eax, %cr3
	movl $MSR_EFER, %ecx
	rdmsr
	orl $(EFER_LME | EFER_NXE), %eax
	wrmsr
	movl $(CR0_PG | CR0_WP | CR0_NE | CR0_MP | CR0_PE), %eax
	movl %eax, %cr0
	ljmpl *OFF(ap_far_long)(%ebx)		/* the page cannot be written from now on */

	.code64
ap_long:
	movw $X86_DATA_SEL, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	xorl %eax, %eax
	movw %ax, %fs
	movw %ax, %gs
	movl %ebx, %ebx
	movq OFF(ap_arg)(%rbx), %rdi
	movq OFF(ap_stack)(%rbx), %rsp
	movq OFF(ap_entry)(%rbx), %rax
	xorl %ebp, %ebp
	call *%rax
1:	hlt
	jmp 1b

	.balign 8
ap_gdt:
	.quad 0
	.quad 0x00af9b000000ffff		/* code, 64-bit */
	.quad 0x00cf93000000ffff		/* data */
	.quad 0x00cf9b000000ffff		/* code, 32-bit */
ap_gdt_desc:
	.short . - ap_gdt - 1
	.long 0
	.balign 8
ap_far:
	.long 0
	.short 0x18				/* code, 32-bit */
	.balign 8
ap_far_long:
	.long 0
	.short X86_CODE_SEL

	/* What smp.c fills in: struct ap_params. */
	.balign 8
x86_ap_params:
ap_root:
	.quad 0
ap_stack:
	.quad 0
ap_entry:
	.quad 0
ap_arg:
	.quad 0
x86_ap_end:

	.section .note.GNU-stack, "", @progbits
