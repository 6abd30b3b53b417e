/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_panic.c - kern/panic.c: what it prints, and that a panic within the panic ends neither it nor
 * the steps that are left.
 */
#include "unit.h"

#include <ithaca/print.h>

SIM_PANIC(says_where_it_was, 2, "cpu 0")
{
	panic("number %d", 42);
}

SIM_PANIC(an_assertion_names_its_place, 1, "t_panic.c:")
{
	int three = 3;

	KASSERT(three == 4, "three is %d", three);
}

SIM_PANIC(an_assertion_prints_its_message, 1, "assertion (three == 4): three is 3")
{
	int three = 3;

	KASSERT(three == 4, "three is %d", three);
}

static void dump_that_panics(void)
{
	panic("the list is broken");
}

static void dump_that_asserts(void)
{
	KASSERT(!panicking(), "again");
}

static void dump_that_works(void)
{
	kprintf("the last dump was reached\n");
}

SIM_PANIC(goes_on_after_a_panic_within, 1, "the last dump was reached")
{
	panic_register(dump_that_panics);
	panic_register(dump_that_asserts);
	panic_register(dump_that_works);
	panic("first");
}

SIM_PANIC(prints_the_panic_within, 1, "panic within the panic: the list is broken")
{
	panic_register(dump_that_panics);
	panic("first");
}
