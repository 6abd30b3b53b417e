/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * start.S - from the boot loader to x86_boot() in C.
 *
 * Two ways in, one after the other the same: PVH (what QEMU's -kernel does with the ELF note
 * below) and Multiboot2 (GRUB). Both enter at x86_start32, 32-bit, flat, paging off, interrupts
 * off, with the address of the loader's tables in %ebx; Multiboot2 has its magic in %eax, PVH
 * does not say anything and boot.c looks at the tables' own magic.
 *
 * Here the first 4 GiB are mapped with pages of 2 MiB, three times: at 0, so that the next
 * instruction is there; as the start of the direct map; and (its first GiB) where the kernel is
 * linked. pmap.c replaces all of it soon. Read boot.c next.
 */
#include "layout.h"

#define PHYS(sym) ((sym) - X86_KERNEL_BASE)
#define MB2_MAGIC 0xe85250d6

	.section .multiboot2, "a"
	.balign 8
mb2_header:
	.long MB2_MAGIC
	.long 0				/* i386, protected mode */
	.long mb2_end - mb2_header
	.long -(MB2_MAGIC + 0 + (mb2_end - mb2_header))
	.balign 8
	.short 1, 0			/* information request, must be answered */
	.long 12
	.long 6				/* memory map */
	.balign 8
	.short 3, 0			/* entry address */
	.long 12
	.long PHYS(x86_start32)
	.balign 8
	.short 6, 1			/* modules page-aligned; optional */
	.long 8
	.balign 8
	.short 0, 0			/* end */
	.long 8
mb2_end:

	.section .note.Xen, "a", @note
	.balign 4
	.long 4				/* length of the name */
	.long 8				/* length of the value */
	.long 18			/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.quad PHYS(x86_start32)
	.balign 4

	.section .text.boot, "ax"
	.code32
	.globl x86_start32
	.type x86_start32, @function
x86_start32:
	cli
	cld
	movl $PHYS(boot_stack_top), %esp
	movl %eax, %ebp			/* magic; %ebx: tables */

	/* Long mode or nothing. */
	movl $0x80000000, %eax
	pushl %ebx
	cpuid
	cmpl $0x80000001, %eax
	jb no_long_mode
	movl $0x80000001, %eax
	cpuid
	popl %ebx
	btl $29, %edx
	jnc no_long_mode
	btl $20, %edx			/* NX: the kernel's tables use it */
	jnc no_long_mode

	/* Four tables of 512 x 2 MiB: 0 to 4 GiB. */
	movl $PHYS(boot_pd), %edi
	movl $0x83, %eax		/* present, writable, large */
	xorl %edx, %edx
1:	movl %eax, (%edi)
	movl %edx, 4(%edi)
	addl $8, %edi
	addl $0x200000, %eax
	jnc 1b

	/* The table above them, for the identity and the direct map, and the kernel's. */
	movl $PHYS(boot_pd) + 3, %eax
	movl %eax, PHYS(boot_pdpt)
	movl %eax, PHYS(boot_pdpt_high) + 510 * 8
	addl $4096, %eax
	movl %eax, PHYS(boot_pdpt) + 8
	addl $4096, %eax
	movl %eax, PHYS(boot_pdpt) + 16
	addl $4096, %eax
	movl %eax, PHYS(boot_pdpt) + 24
	movl $PHYS(boot_pdpt) + 3, %eax
	movl %eax, PHYS(boot_pml4)
	movl %eax, PHYS(boot_pml4) + ((X86_DIRECT_BASE >> 39) & 511) * 8
	movl $PHYS(boot_pdpt_high) + 3, %eax
	movl %eax, PHYS(boot_pml4) + 511 * 8

#if ITHACA_KASAN
	/* The shadow of the image, which the boot stack is a part of: C uses it at once. */
	movl $PHYS(boot_shadow) + 0x83, PHYS(boot_shadow_pd) + ((X86_SHADOW_IMAGE >> 21) & 511) * 8
	movl $PHYS(boot_shadow_pd) + 3, \
		PHYS(boot_shadow_pdpt) + ((X86_SHADOW_IMAGE >> 30) & 511) * 8
	movl $PHYS(boot_shadow_pdpt) + 3, PHYS(boot_pml4) + ((X86_SHADOW_IMAGE >> 39) & 511) * 8
#endif

	movl $CR4_PAE, %eax
	movl %eax, %cr4
	movl $PHYS(boot_pml4), %eax
	movl %eax, %cr3
	movl $MSR_EFER, %ecx
	rdmsr
	orl $(EFER_LME | EFER_NXE), %eax
	wrmsr
	movl $(CR0_PG | CR0_WP | CR0_NE | CR0_MP | CR0_PE), %eax
	movl %eax, %cr0
	lgdt PHYS(boot_gdt_desc)
	ljmpl $X86_CODE_SEL, $PHYS(x86_start64)

	/* There is no console yet but the serial port, as the firmware left it. */
no_long_mode:
	movl $PHYS(no_long_mode_text), %esi
1:	lodsb
	testb %al, %al
	jz 3f
	movb %al, %ah
	movw $0x3fd, %dx
	movl $100000, %ecx
2:	inb %dx, %al
	testb $0x20, %al
	loopz 2b
	movb %ah, %al
	movw $0x3f8, %dx
	outb %al, %dx
	jmp 1b
3:	hlt
	jmp 3b

	.code64
x86_start64:
	movw $X86_DATA_SEL, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	xorl %eax, %eax
	movw %ax, %fs
	movw %ax, %gs
	movabsq $1f, %rax
	jmp *%rax
1:	movl %ebp, %edi
	movl %ebx, %esi
	movq $boot_stack_top, %rsp
	xorl %ebp, %ebp
	call x86_boot
	ud2
	.size x86_start32, . - x86_start32

	.section .rodata
no_long_mode_text:
	.asciz "ithaca: this processor has no 64-bit mode with no-execute pages\r\n"
	.balign 8
boot_gdt:
	.quad 0
	.quad 0x00af9b000000ffff	/* code, 64-bit */
	.quad 0x00cf93000000ffff	/* data */
boot_gdt_desc:
	.short . - boot_gdt - 1
	.long PHYS(boot_gdt)

	/* The boot stack is the lwp "main"'s; pmap.c leaves the page beneath it unmapped. */
	.section .bss.page, "aw", @nobits
	.balign 4096
	.globl x86_boot_guard, x86_boot_stack
x86_boot_guard:
	.skip 4096
x86_boot_stack:
	.skip X86_BOOT_STACK_SIZE
boot_stack_top:
boot_pml4:
	.skip 4096
boot_pdpt:
	.skip 4096
boot_pdpt_high:
	.skip 4096
boot_pd:
	.skip 4 * 4096
#if ITHACA_KASAN
boot_shadow_pdpt:
	.skip 4096
boot_shadow_pd:
	.skip 4096

	.section .shadow, "aw", @nobits
	.balign X86_SHADOW_IMAGE_SIZE
	.globl boot_shadow
boot_shadow:
	.skip X86_SHADOW_IMAGE_SIZE
#endif

	.section .note.GNU-stack, "", @progbits
