/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * witness_impl.h - what the four files of the lock checker have in common: witness.c (what is
 * checked, and when), witness_wait.c (waits for a function's end), witness_graph.c (classes and
 * their orders), witness_report.c (how it is said). All of it is under one lock.
 */
#ifndef KERN_WITNESS_IMPL_H
#define KERN_WITNESS_IMPL_H

#include <ithaca/witness.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum witness_kind {
	WITNESS_REVERSAL,
	WITNESS_INVERSION,
	WITNESS_CONTEXT,
	WITNESS_SLEEP,
	WITNESS_RECURSION,
	WITNESS_STRANGER,
	WITNESS_LEAK,
	WITNESS_WAIT,
	WITNESS_KINDS
};

/* Limits that are said once when they are reached. */
#define WITNESS_LIMIT_CLASSES 0x1
#define WITNESS_LIMIT_EDGES 0x2
#define WITNESS_LIMIT_HELD 0x4
#define WITNESS_LIMIT_REPORTS 0x8

/* A class is a number; these two are of mutexes that have none. */
#define WITNESS_UNKNOWN 0        /* not looked up yet */
#define WITNESS_UNWATCHED 0xffff /* there was no room */

/* What another may read is accessed relaxed: nothing is concluded from it but a report. */
#define WITNESS_GET(x) atomic_load_explicit(&(x), memory_order_relaxed)
#define WITNESS_SET(x, v) atomic_store_explicit(&(x), (v), memory_order_relaxed)

/* What a class is of: mutexes, or functions that somebody may wait for. */
enum witness_what { WITNESS_LOCK, WITNESS_HANDLER, WITNESS_SOFTINT, WITNESS_WORK, WITNESS_QUEUE };

/* A function that somebody may wait for; of a queue, any that it runs: wb_fn is NULL. */
struct witness_body {
	enum witness_what wb_what;
	uint8_t wb_ipl;
	const char *wb_name;
	const void *wb_fn;
};

/* ---- witness.c ---- */

/* witness_watching - the checker is on, and the system has not panicked. */
bool witness_watching(void);

/* ---- witness_wait.c ---- */

/* witness_inside - curlwp is about to enter `m` of class `c`, which is adaptive: what do those hold
 * that may wait for the function that curlwp stands in, or for its end? witness_entered - it has
 * entered one. */
void witness_inside(struct mutex *m, unsigned c, const void *place);
void witness_entered(void);

/* ---- witness_report.c ---- */

/* witness_lock - the one lock, interrupts off; returns what witness_unlock() wants, which has what
 * was said meanwhile printed. */
bool witness_lock(void);
void witness_unlock(bool intr);

/* witness_begin - if it was not reported before: count it, lock, begin its text. Then witness_say()
 * what there is to say, and witness_end(). _locked: the lock is held, and stays. */
bool witness_begin(enum witness_kind kind, uintptr_t a, uintptr_t b, bool *intr);
void witness_end(bool intr);
bool witness_begin_locked(enum witness_kind kind, uintptr_t a, uintptr_t b);
void witness_end_locked(void);
void witness_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* witness_say_head - what is wrong, and who does it. witness_say_mutex - of a class, at a place. */
void witness_say_head(const char *what);
void witness_say_mutex(const char *what, unsigned c, const void *place);
void witness_say_held(const char *what, const struct witness_held *h);

/* witness_limit - a table is full: said once. Locked. */
void witness_limit(unsigned bit, unsigned limit, const char *what);

/* witness_print_now - in a panic: what waits to be printed. */
void witness_print_now(void);

/* witness_reports - reports of a kind so far. */
uint64_t witness_reports(enum witness_kind kind);

/* witness_report_init - the softint that prints. ENOMEM. */
int witness_report_init(void);

/* ---- witness_graph.c ---- */

/* witness_class_of - the class of a mutex, looked up when it is asked the first time. */
unsigned witness_class_of(struct mutex *m);

/* witness_class_of_body - the same of a function. */
unsigned witness_class_of_body(const struct witness_body *wb);

/* witness_class_name, witness_class_ipl, witness_class_what - of any number. */
const char *witness_class_name(unsigned c);
int witness_class_ipl(unsigned c);
const char *witness_class_what(unsigned c); /* "" of mutexes, else "softint " and so on */

/* witness_leads - locked: is there an order, if need be through others, by which a `to` is entered
 * under a `from`? If so witness_say_path() says it. */
bool witness_leads(unsigned from, unsigned to);
void witness_say_path(unsigned from, unsigned to);

/* What is held or runs, as its owner read it: for the stack, where nothing is atomic. */
struct witness_under {
	const struct mutex *wu_mutex; /* NULL: a function */
	const void *wu_place;
	unsigned wu_class;
};

static inline struct witness_under witness_under(const struct witness_held *h)
{
	return (struct witness_under){WITNESS_GET(h->wh_mutex), WITNESS_GET(h->wh_place),
	    WITNESS_GET(h->wh_class)};
}

/* witness_order - `m` of class `c` is about to be entered under `wu`, which is another mutex:
 * report a reversal, or note the order. Either may be a function: `wu` that which runs; `c` that
 * which is waited for, `m` NULL. */
void witness_order(const struct witness_under *wu, struct mutex *m, unsigned c, const void *place);

/* witness_graph_size - classes and edges known. */
void witness_graph_size(unsigned *classes, unsigned *edges);

#endif
