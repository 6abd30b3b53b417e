/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * switch.S - changing stacks on the host: all the assembly of the simulated machine.
 *
 *	void *sim_stack_switch(uintptr_t *save, uintptr_t to, _Atomic uint8_t *running,
 *	    void *value)
 *		Leave this stack, its pointer in *save; go on where the one at `to` left, for
 *		which this returns `value`. Once *save can be resumed, *running (if not NULL)
 *		becomes 0.
 *	void *sim_stack_start(uintptr_t *save, uintptr_t top, void (*fn)(void *), void *arg)
 *		Leave likewise; call fn(arg), which does not return, with the stack that ends at
 *		`top`.
 *	void xp_turn(enum sim_kind kind, uint64_t addr, bool write, uint32_t pc)
 *		xp_turn_at(kind, addr, write, pc, sp), with all registers that outlive a call on the
 *		stack at sp. If the search merges states, what lies beneath, left by others, is
 *		blanked first: it would get into frames and make like states differ.
 *
 * A stack that was left has the saved registers at its pointer, and the address to go on at as
 * word FRAME_PC of them: sim.c builds the same for a new lwp.
 */
#if defined(__x86_64__)
#define BLANKED 1024

	.text
	.globl sim_stack_switch
	.type sim_stack_switch, @function
sim_stack_switch:
	push %rbp
	push %rbx
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, (%rdi)
	mov %rsi, %rsp
	test %rdx, %rdx
	jz 1f
	movb $0, (%rdx)
1:	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbx
	pop %rbp
	mov %rcx, %rax
	ret
	.size sim_stack_switch, . - sim_stack_switch

	.globl sim_stack_start
	.type sim_stack_start, @function
sim_stack_start:
	push %rbp
	push %rbx
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, (%rdi)
	mov %rsi, %rsp
	xor %ebp, %ebp
	mov %rcx, %rdi
	call *%rdx
	ud2
	.size sim_stack_start, . - sim_stack_start

	.globl xp_turn
	.type xp_turn, @function
xp_turn:
	push %rbp
	push %rbx
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, %r8
	cmpb $0, xp_merges(%rip)
	jz 1f
	mov %rdi, %r9
	mov %rcx, %r10
	lea -BLANKED(%rsp), %rdi
	mov $BLANKED / 8, %ecx
	xor %eax, %eax
	rep stosq
	mov %r9, %rdi
	mov %r10, %rcx
1:	sub $8, %rsp
	call xp_turn_at
	add $8, %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbx
	pop %rbp
	ret
	.size xp_turn, . - xp_turn

#elif defined(__aarch64__)

	.macro save_registers
	stp x29, x30, [sp, #-160]!
	stp x19, x20, [sp, #16]
	stp x21, x22, [sp, #32]
	stp x23, x24, [sp, #48]
	stp x25, x26, [sp, #64]
	stp x27, x28, [sp, #80]
	stp d8, d9, [sp, #96]
	stp d10, d11, [sp, #112]
	stp d12, d13, [sp, #128]
	stp d14, d15, [sp, #144]
	.endm
	.macro load_registers
	ldp x19, x20, [sp, #16]
	ldp x21, x22, [sp, #32]
	ldp x23, x24, [sp, #48]
	ldp x25, x26, [sp, #64]
	ldp x27, x28, [sp, #80]
	ldp d8, d9, [sp, #96]
	ldp d10, d11, [sp, #112]
	ldp d12, d13, [sp, #128]
	ldp d14, d15, [sp, #144]
	ldp x29, x30, [sp], #160
	.endm
	.macro save_frame
	save_registers
	mov x9, sp
	str x9, [x0]
	.endm

	.text
	.globl sim_stack_switch
	.type sim_stack_switch, %function
sim_stack_switch:
	save_frame
	mov sp, x1
	cbz x2, 1f
	stlrb wzr, [x2]
1:	load_registers
	mov x0, x3
	ret
	.size sim_stack_switch, . - sim_stack_switch

	.globl sim_stack_start
	.type sim_stack_start, %function
sim_stack_start:
	save_frame
	mov sp, x1
	mov x29, xzr
	mov x30, xzr
	mov x0, x3
	blr x2
	brk #0
	.size sim_stack_start, . - sim_stack_start

	.globl xp_turn
	.type xp_turn, %function
xp_turn:
	save_registers
	mov x4, sp
	bl xp_turn_at
	load_registers
	ret
	.size xp_turn, . - xp_turn

#else
#error "the simulated machine runs on x86-64 and AArch64 hosts"
#endif

	.section .note.GNU-stack, "", %progbits
