/* SPDX-License-Identifier: BSD-2-Clause */
/* A value is registered while another lwp looks for it, reads it and sets it: it is there as a
 * whole or not at all. */
#include "scenario.h"

#include <ithaca/errno.h>
#include <ithaca/sysctl.h>

static _Atomic uint64_t value = 7;

static struct sysctl node = {.sy_name = "a.value",
    .sy_doc = "for this scenario",
    .sy_value = &value,
    .sy_max = 9};

static void registers(void *arg)
{
	(void)arg;
	CHECK_EQ(sysctl_register(&node, 1), 0);
}

static void looks(void *arg)
{
	(void)arg;
	if (sysctl_find("a.value") == NULL)
		return;
	CHECK_EQ(sysctl_write("a.value", "10"), ERANGE);
	CHECK_EQ(sysctl_write("a.value", "8"), 0);
}

static void check(void)
{
	CHECK(sysctl_find("a.value") == &node);
	CHECK(value == 7 || value == 8);
}

SCENARIO(sysctl_two, "a value is registered and looked for at once") = {.cpus = 2,
    .lwps = {{"registers", 0, registers}, {"looks", 1, looks}},
    .check = check};
