/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * unit.h - how a unit test is written. One file t_X.c for kern/X.c or lib/X.c.
 *
 *	TEST(adds_up) { CHECK_EQ(1 + 1, 2); }		no core, no simulated machine
 *	SIM_TEST(two_meet, 2, 200) { ... }		core running on 2 simulated CPUs, 200 seeds
 *	SIM_PANIC(bad_exit, 1, "not owned") { ... }	passes if it panics, saying that
 *
 * The body of a SIM_TEST is lwp "main" of CPU 0, thread context, interrupts on. Every test, and
 * every seed of it, runs in a process of its own: it may leave things lying about, and a panic,
 * a fault, a deadlock or 20 seconds without an end fail it alone. A failed check ends the test.
 * With 0 seeds, CPUs take turns in a fixed order and interrupts arrive at once; with some, both are
 * drawn at random from the seed, which a failure names: `unit -k NAME -s SEED` replays it.
 */
#ifndef UNIT_H
#define UNIT_H

#include <stdbool.h>
#include <stdint.h>

struct unit_test {
	const char *ut_file;
	const char *ut_name;
	void (*ut_fn)(void);
	unsigned ut_cpus;      /* 0: without the core */
	unsigned ut_seeds;     /* 0: deterministic */
	const char *ut_panics; /* what the panic must say, or NULL: there must be none */
	struct unit_test *ut_next;
};

#define UNIT_TEST(name, cpus, seeds, panics)                                                       \
	static void unit_##name(void);                                                             \
	static struct unit_test unit_test_##name = {__FILE__, #name, unit_##name, (cpus), (seeds), \
	    panics, NULL};                                                                         \
	__attribute__((constructor)) static void unit_add_##name(void)                             \
	{                                                                                          \
		unit_register(&unit_test_##name);                                                  \
	}                                                                                          \
	static void unit_##name(void)

#define TEST(name) UNIT_TEST(name, 0, 0, NULL)
#define SIM_TEST(name, cpus, seeds) UNIT_TEST(name, cpus, seeds, NULL)
#define SIM_PANIC(name, cpus, text) UNIT_TEST(name, cpus, 0, text)

/* CHECK - must be true. CHECK_EQ - two integers (or pointers cast to uintptr_t) must be equal.
 * CHECK_STR - two strings must be equal. CHECK_HAS - the first string contains the second. */
#define CHECK(cond) ((cond) ? (void)0 : unit_fail(__FILE__, __LINE__, "%s", #cond))
#define CHECK_EQ(a, b)                                                                             \
	unit_check_eq(__FILE__, __LINE__, #a, #b, (unsigned long long)(a), (unsigned long long)(b))
#define CHECK_STR(a, b) unit_check_str(__FILE__, __LINE__, #a, (a), (b))
#define CHECK_HAS(a, b) unit_check_has(__FILE__, __LINE__, #a, (a), (b))

/* EXPECT_WITNESS - the lock checker may report something: else that fails the test.
 * FAIL - fail with a message of one's own. SKIP - this machine cannot run it. */
#define EXPECT_WITNESS() unit_expect_witness()
#define FAIL(...) unit_fail(__FILE__, __LINE__, __VA_ARGS__)
#define SKIP(...) unit_skip(__VA_ARGS__)

void unit_register(struct unit_test *ut);
void unit_fail(const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4), noreturn));
void unit_expect_witness(void);
void unit_skip(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
void unit_check_eq(const char *file, int line, const char *sa, const char *sb, unsigned long long a,
    unsigned long long b);
void unit_check_str(const char *file, int line, const char *sa, const char *a, const char *b);
void unit_check_has(const char *file, int line, const char *sa, const char *a, const char *b);

#endif
