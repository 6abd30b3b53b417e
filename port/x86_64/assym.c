/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * assym.c - offsets in structs, for assembly. Compiled, never linked: the build reads the
 * "#ASSYM name value" lines out of the compiler's output and makes assym.h of them.
 * Contexts and locks: none; nothing here runs. Read entry.S next.
 */
#include "x86.h"

#include <ithaca/lwp.h>
#include <stddef.h>

#define ASSYM(name, value) __asm__ volatile("\n#ASSYM " #name " %0" : : "i"(value))

void x86_assym(void);

void x86_assym(void)
{
	ASSYM(L_SP, offsetof(struct lwp, l_sp));
	ASSYM(L_STACK_TOP, offsetof(struct lwp, l_stack_top));
	ASSYM(L_RUNNING, offsetof(struct lwp, l_running));
	ASSYM(CI_CURLWP, offsetof(struct cpu, ci_curlwp));
	ASSYM(XC_SOURCE, offsetof(struct x86_cpu, xc_source));
	ASSYM(XC_IST, offsetof(struct x86_cpu, xc_ist));
	ASSYM(TF_SIZE, sizeof(struct trapframe));
}
