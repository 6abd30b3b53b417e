/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * entry.S - interrupts in, interrupts out, and the two ways to change stacks.
 *
 * Contexts: everything here runs with interrupts off. No lock is taken. There is no user mode, so
 * %gs is always this CPU's struct x86_cpu and no swapgs is needed.
 *
 * An interrupt from a device, counted in instructions:
 *
 *	stub		3	push %rdi; the source of this vector on this CPU; jump
 *	common		12	8 more registers, test, branch, cld, call intr_dispatch()
 *	out		10	9 pops, iretq
 *
 * The processor aligns the stack to 16 before it pushes its 40 bytes, and nine registers make
 * 112: the call finds the alignment that C wants, with nothing added. What C preserves by itself
 * (rbx, rbp, r12 to r15) is not saved here. As %rbp is left alone, the chain of frame pointers
 * runs on beneath; trap.c finds the interrupted %rip by knowing that a return address between
 * x86_intr_begin and x86_intr_end has these nine registers above it.
 *
 * A handoff, machine-dependent part, both ways: 17 instructions, of them 12 in and 5 out.
 *
 * Next: kern/intr.c, then kern/ithread.c, then port_handoff below.
 */
#include "assym.h"
#include "layout.h"

#define RIP_OFFSET 72 /* of the interrupted %rip above the saved registers */

	.section .text.hot, "ax"

/* %rdi is on the stack already. */
.macro SAVE
	pushq %rax
	pushq %rcx
	pushq %rdx
	pushq %rsi
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
.endm

.macro RESTORE
	popq %r11
	popq %r10
	popq %r9
	popq %r8
	popq %rsi
	popq %rdx
	popq %rcx
	popq %rax
	popq %rdi
.endm

/* ---- Interrupts ---- */

	.globl x86_intr_begin, x86_intr_end
	.type x86_intr_begin, @function
	.p2align 4
x86_intr_begin:
	SAVE
	testq %rdi, %rdi
	jz 2f
	cld
	call intr_dispatch
1:	RESTORE
	iretq
2:	cld
	call x86_stray_vector
	jmp 1b
	.size x86_intr_begin, . - x86_intr_begin

/* The port's own: the C function sends its EOI itself. */
.macro OWN_VECTOR name, function
	.p2align 4
	.type \name, @function
\name:
	pushq %rdi
	SAVE
	cld
	call \function
	RESTORE
	iretq
	.size \name, . - \name
.endm

	OWN_VECTOR x86_ipi_entry, x86_ipi_vector
	OWN_VECTOR x86_clock_entry, x86_clock_vector
	OWN_VECTOR x86_error_entry, x86_error_vector
x86_intr_end:

/* The controller took an interrupt back: nothing is in service, and no EOI is wanted. */
	.type x86_spurious_entry, @function
x86_spurious_entry:
	iretq
	.size x86_spurious_entry, . - x86_spurious_entry

/* A stub a vector. */
	.p2align 4
	.type x86_intr_stubs, @function
x86_intr_stubs:
.set vec, X86_VEC_FIRST
.rept X86_NVEC - X86_VEC_FIRST
	.p2align 4
	pushq %rdi
	movq %gs:XC_SOURCE + 8 * vec, %rdi
	jmp x86_intr_begin
.set vec, vec + 1
.endr
	.size x86_intr_stubs, . - x86_intr_stubs

/* ---- Stacks: contracts in port.h ---- */

	.globl port_switch
	.type port_switch, @function
	.p2align 4
port_switch:
	pushq %rbp
	pushq %rbx
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rsp, L_SP(%rdi)
	movq L_SP(%rsi), %rsp
	movq %rsi, %gs:CI_CURLWP
	/* Every store before this one is seen before it: whoever reads 0 here (acquire; sched.c)
	 * may run `from` on its CPU. Its stack is not used beyond this point. */
	movb $0, L_RUNNING(%rdi)
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbx
	popq %rbp
	xorl %eax, %eax
	ret
	.size port_switch, . - port_switch

/*
 * The frame is port_switch's, so that a divorce can resume `from` by it. body() preserves all of it
 * but for what is used here: %rbx, which holds `from`.
 */
	.globl port_handoff, x86_handoff_return
	.type port_handoff, @function
	.p2align 4
port_handoff:
	pushq %rbp
	pushq %rbx
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rdi, %rbx
	movq %rsp, L_SP(%rdi)
	movq L_STACK_TOP(%rsi), %rsp
	movq %rsi, %gs:CI_CURLWP
	movq %rsi, %rdi
	call *%rdx
x86_handoff_return:
	movq L_SP(%rbx), %rsp
	movq %rbx, %gs:CI_CURLWP
	movq 32(%rsp), %rbx
	addq $48, %rsp
	ret
	.size port_handoff, . - port_handoff

/* The first port_switch to a new lwp returns to here, at the top of its stack (port_lwp_init). */
	.globl x86_lwp_start
	.type x86_lwp_start, @function
x86_lwp_start:
	call lwp_main
	ud2
	.size x86_lwp_start, . - x86_lwp_start

/* x86_call_on(stack, fn): fn() on another stack; never comes back. */
	.globl x86_call_on
	.type x86_call_on, @function
x86_call_on:
	movq %rdi, %rsp
	xorl %ebp, %ebp
	call *%rsi
	ud2
	.size x86_call_on, . - x86_call_on

/* ---- Exceptions: a struct trapframe, whatever the hurry ---- */

	.text
	.globl x86_trap_return
	.type x86_trap_common, @function
	.p2align 4
x86_trap_common:
	pushq %rdi
	pushq %rax
	pushq %rcx
	pushq %rdx
	pushq %rsi
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
	pushq %rbp
	pushq %rbx
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rsp, %rdi
	cld
	call x86_trap
x86_trap_return:
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbx
	popq %rbp
	popq %r11
	popq %r10
	popq %r9
	popq %r8
	popq %rsi
	popq %rdx
	popq %rcx
	popq %rax
	popq %rdi
	addq $16, %rsp
	iretq
	.size x86_trap_common, . - x86_trap_common

/* Those that push an error code: 8, 10 to 14, 17, 21, 29, 30. For the others a 0 stands in. */
#define HAS_ERROR 0x60227d00

	.type x86_trap_stubs, @function
	.p2align 4
x86_trap_stubs:
.set vec, 0
.rept X86_VEC_FIRST
	.p2align 4
.if !((HAS_ERROR >> vec) & 1)
	pushq $0
.endif
	pushq $vec
	jmp x86_trap_common
.set vec, vec + 1
.endr
	.size x86_trap_stubs, . - x86_trap_stubs

/* ---- Where each vector goes, for the IDT ---- */

	.section .rodata
	.balign 8
	.globl x86_vector_stub
x86_vector_stub:
.set vec, 0
.rept X86_VEC_FIRST
	.quad x86_trap_stubs + 16 * vec
.set vec, vec + 1
.endr
.rept X86_VEC_IPI - X86_VEC_FIRST
	.quad x86_intr_stubs + 16 * (vec - X86_VEC_FIRST)
.set vec, vec + 1
.endr
	.quad x86_ipi_entry
	.quad x86_clock_entry
	.quad x86_error_entry
.set vec, vec + 3
.rept X86_VEC_SPURIOUS - X86_VEC_ERROR - 1
	.quad x86_intr_stubs + 16 * (vec - X86_VEC_FIRST)
.set vec, vec + 1
.endr
	.quad x86_spurious_entry

	.section .note.GNU-stack, "", @progbits
