/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_sysctl.c - kern/sysctl.c: the list and its errors, functions of nodes that use the list
 * themselves, and sets from several CPUs at once.
 */
#include "unit.h"

#include <ithaca/errno.h>
#include <ithaca/lwp.h>
#include <ithaca/print.h>
#include <ithaca/string.h>
#include <ithaca/sysctl.h>

static _Atomic uint64_t value = 7;
static int inside;
static int changes;

static int set_value(struct sysctl *sy, uint64_t v)
{
	(void)sy;
	CHECK_EQ(inside++, 0);
	lwp_yield();
	inside--;
	if (v == 13)
		return EBUSY;
	value = v;
	return 0;
}

static uint64_t get_value(struct sysctl *sy)
{
	return sy->sy_arg * value;
}

static void changed(void)
{
	CHECK(sysctl_find("test.setting") != NULL);
	changes++;
}

static void get_text(struct sysctl *sy, char *buf, size_t size)
{
	ksnprintf(buf, size, "%s is text", sy->sy_name);
}

static struct sysctl plain = {.sy_name = "test.plain", .sy_value = &value};
static struct sysctl limited = {.sy_name = "test.limited",
    .sy_get = get_value,
    .sy_arg = 1,
    .sy_set = set_value,
    .sy_min = 2,
    .sy_max = 20};
static struct sysctl setting = {.sy_name = "test.setting",
    .sy_value = &value,
    .sy_min = 3,
    .sy_max = 30,
    .sy_or_zero = true,
    .sy_changed = changed};
static struct sysctl doubled = {.sy_name = "test.double", .sy_get = get_value, .sy_arg = 2};
static struct sysctl text = {.sy_name = "test.text", .sy_text = get_text};
static struct sysctl twin = {.sy_name = "test.plain", .sy_value = &value};

static void register_all(void)
{
	sysctl_publish(&plain, 1);
	CHECK_EQ(sysctl_register(&limited, 1), 0);
	CHECK_EQ(sysctl_register(&setting, 1), 0);
	CHECK_EQ(sysctl_register(&doubled, 1), 0);
	CHECK_EQ(sysctl_register(&text, 1), 0);
}

SIM_TEST(reads_what_there_is, 1, 0)
{
	char buf[40];

	register_all();
	CHECK_EQ(sysctl_read("test.plain", buf, sizeof(buf)), 0);
	CHECK_STR(buf, "7");
	CHECK_EQ(sysctl_read("test.double", buf, sizeof(buf)), 0);
	CHECK_STR(buf, "14");
	CHECK_EQ(sysctl_number(&plain), 7);
	CHECK_EQ(sysctl_number(&doubled), 14);
	CHECK_EQ(sysctl_read("test.text", buf, sizeof(buf)), 0);
	CHECK_STR(buf, "test.text is text");
	CHECK_EQ(sysctl_read("test.text", buf, 5), 0);
	CHECK_STR(buf, "test");
	CHECK_EQ(sysctl_read("test.plai", buf, sizeof(buf)), ENOENT);
	CHECK_EQ(sysctl_read("", buf, sizeof(buf)), ENOENT);
	CHECK(sysctl_find("test.plain") == &plain);
	CHECK(sysctl_find("test") == NULL);
}

SIM_TEST(writes_within_limits_or_not_at_all, 1, 0)
{
	register_all();
	CHECK_EQ(sysctl_write("test.limited", "20"), 0);
	CHECK_EQ(value, 20);
	CHECK_EQ(sysctl_write("test.limited", "21"), ERANGE);
	CHECK_EQ(sysctl_write("test.limited", "1"), ERANGE);
	CHECK_EQ(sysctl_write("test.limited", "0xffffffffffffffffff"), ERANGE);
	CHECK_EQ(sysctl_write("test.limited", "three"), EINVAL);
	CHECK_EQ(sysctl_write("test.limited", ""), EINVAL);
	CHECK_EQ(sysctl_write("test.limited", "13"), EBUSY);
	CHECK_EQ(sysctl_write("test.plain", "3"), EPERM);
	CHECK_EQ(sysctl_write("test.text", "3"), EPERM);
	CHECK_EQ(sysctl_write("test.none", "3"), ENOENT);
	CHECK_EQ(value, 20);
}

/* A setting needs no function: the number is stored, and whoever acts on it is told. */
SIM_TEST(a_setting_is_its_number, 1, 0)
{
	register_all();
	CHECK_EQ(sysctl_write("test.setting", "30"), 0);
	CHECK_EQ(value, 30);
	CHECK_EQ(changes, 1);
	CHECK_EQ(sysctl_write("test.setting", "31"), ERANGE);
	CHECK_EQ(sysctl_write("test.setting", "2"), ERANGE);
	CHECK_EQ(sysctl_write("test.setting", "-1"), EINVAL);
	CHECK_EQ(value, 30);
	CHECK_EQ(changes, 1);
	CHECK_EQ(sysctl_write("test.setting", "0"), 0);
	CHECK_EQ(value, 0);
	CHECK_EQ(sysctl_write("test.setting", "3"), 0);
	CHECK_EQ(value, 3);
	CHECK_EQ(changes, 3);
}

static struct sysctl three[] = {{.sy_name = "test.a", .sy_value = &value},
    {.sy_name = "test.plain", .sy_value = &value}, {.sy_name = "test.b", .sy_value = &value}};

SIM_TEST(a_name_is_taken_once, 1, 0)
{
	register_all();
	CHECK_EQ(sysctl_register(&twin, 1), EEXIST);
	CHECK(sysctl_find("test.plain") == &plain);
	CHECK_EQ(sysctl_register(three, 3), EEXIST);
	CHECK(sysctl_find("test.a") == &three[0]);
	CHECK(sysctl_find("test.plain") == &plain);
	CHECK(sysctl_find("test.b") == NULL);
}

static unsigned seen;
static const char *last;

static void look(struct sysctl *sy, void *arg)
{
	char buf[64];

	CHECK(arg == &seen);
	CHECK(last == NULL || strcmp(last, sy->sy_name) < 0);
	last = sy->sy_name;
	/* The list is not held: using it from here must work. */
	CHECK_EQ(sysctl_read(sy->sy_name, buf, sizeof(buf)), 0);
	if (sy == &limited)
		CHECK_EQ(sysctl_write(sy->sy_name, "9"), 0);
	seen += sy == &plain || sy == &limited || sy == &setting || sy == &doubled || sy == &text;
}

SIM_TEST(each_is_sorted_and_may_use_the_list, 1, 0)
{
	register_all();
	sysctl_each(look, &seen);
	CHECK_EQ(seen, 5);
	CHECK_EQ(value, 9);
}

static void writer(void *arg)
{
	(void)arg;
	for (int i = 0; i < 5; i++)
		CHECK_EQ(sysctl_write("test.limited", "5"), 0);
}

/* set_value() checks that it is alone, though it gives up its CPU within. */
SIM_TEST(sets_run_one_at_a_time, 2, 50)
{
	struct lwp *l[3];

	register_all();
	for (int i = 0; i < 3; i++)
		CHECK_EQ(lwp_create("writer", PRI_KERNEL, NULL, LWP_JOINABLE, writer, NULL, &l[i]),
		    0);
	for (int i = 0; i < 3; i++)
		lwp_join(l[i]);
	CHECK_EQ(value, 5);
}

static struct sysctl bad = {.sy_name = "Test..x", .sy_value = &value};

SIM_PANIC(a_bad_name_is_the_programmers_error, 1, "no such form of name")
{
	sysctl_register(&bad, 1);
}

static struct sysctl both = {.sy_name = "test.both", .sy_value = &value, .sy_get = get_value};

SIM_PANIC(a_node_has_one_value, 1, "sysctl test.both has 2 values")
{
	sysctl_register(&both, 1);
}

SIM_PANIC(a_text_is_no_number, 1, "sysctl test.text is a text")
{
	sysctl_number(&text);
}

static struct sysctl pair[] = {{.sy_name = "test.pair", .sy_value = &value},
    {.sy_name = "test.pair", .sy_value = &value}};

SIM_PANIC(a_name_taken_is_the_publishers_error, 1, "sysctl test.pair: the name is taken")
{
	sysctl_publish(pair, 2);
}
