/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * b_path.c - how often lwps are switched to bring one packet from the card through the crypto
 * device to whoever it is for: the six switches that a letter of February 2007 counted.
 *
 * A network card and a crypto device are modelled here in software, and interrupt through an edu
 * device each. As hardware would, the card takes a packet every so many ticks, and the crypto
 * device is done with a job so long after it was given; both keep quiet while their driver has
 * switched their interrupts off. Whatever looks at a device's registers, and the lwp that stands
 * for all other work, moves the models on to the present (world_look()).
 *
 * Three ways to do it:
 *
 *	six steps	as in the letter: the card's handler puts packets on a queue and has a
 *			softint run, which gives them to the crypto device, whose handler has it
 *			run again, which delivers
 *	puller		as in the answer to it: the card's handler works each packet as far as it
 *			goes, and so does the crypto device's
 *	reader		the puller, and each packet is for an lwp that sleeps until there are some,
 *			and then takes all
 *
 * Counted per packet, at four loads: switches by the scheduler, and handoffs, which change stacks
 * without asking it, there and back.
 *
 * Contexts: one CPU; the lwp, two handlers at IPL_NET, a softint, the reader. No locks but that of
 * the reader's sleep queue: all share one CPU, and each queue has one side at a time (a softint is
 * below the handlers, and takes with one load what they put).
 */
#include "bench.h"

#include "bench_edu.h"
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/lwp.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/sleepq.h>
#include <ithaca/softint.h>
#include <ithaca/sysctl.h>
#include <stdatomic.h>

#define PACKETS 2000
#define WORK 150          /* turns of a loop for each half of a packet's way */
#define CRYPTO_TICKS 3000 /* from a job to its end */
#define BUDGET 64         /* packets that the puller takes in one run */

/* One CPU writes all of it, but handlers come between any two instructions of the others: hence the
 * atomics, get() and put(). Numbers only grow; what one side has not reached is queued. */
struct device {
	struct bench_edu d_edu;
	struct intr_handler *d_ih;
	_Atomic uint64_t d_come;    /* packets that arrived, jobs that ended */
	_Atomic uint64_t d_fetched; /* of those, taken by the driver */
	_Atomic bool d_armed;       /* the driver wants an interrupt for the next one */
};

static struct device card, crypto;
static struct softint *soft;
static uint64_t packet_every, packet_next; /* counter */
static uint64_t job_ends[PACKETS];         /* counter */
static _Atomic uint64_t submitted;         /* to the crypto device */
static _Atomic uint64_t delivered;
static _Atomic uint64_t taken; /* by the reader */
static _Atomic bool reader_ends;
static enum { SIX_STEPS, PULLER, READER } way;
static const char *const way_name[] = {"six steps", "puller", "reader"};

static inline uint64_t get(_Atomic uint64_t *count)
{
	/* Acquire: pairs with put(): job_ends[] below that number is written. */
	return atomic_load_explicit(count, memory_order_acquire);
}

static inline void put(_Atomic uint64_t *count, uint64_t value)
{
	atomic_store_explicit(count, value, memory_order_release);
}

/* ---- The devices ---- */

static void device_raise(struct device *d)
{
	if (get(&d->d_come) == get(&d->d_fetched))
		return;
	if (atomic_exchange_explicit(&d->d_armed, false, memory_order_relaxed))
		bench_edu_store(&d->d_edu, EDU_RAISE);
}

/* Move both devices on to the present. Interrupts off meanwhile: the models are one thing. */
static void world_look(void)
{
	bool on = port_intr_disable();
	uint64_t now = port_counter(), n;

	for (n = get(&card.d_come); n < PACKETS && packet_next <= now; n++)
		packet_next += packet_every;
	put(&card.d_come, n);
	for (n = get(&crypto.d_come); n < get(&submitted) && job_ends[n] <= now; n++)
		;
	put(&crypto.d_come, n);
	device_raise(&card);
	device_raise(&crypto);
	port_intr_restore(on);
}

/* The driver reads how many there are to fetch. */
static uint64_t device_pending(struct device *d)
{
	world_look();
	return get(&d->d_come) - get(&d->d_fetched);
}

static void device_arm(struct device *d)
{
	atomic_store_explicit(&d->d_armed, true, memory_order_relaxed);
	world_look();
}

/* ---- The drivers ---- */

static void work(void)
{
	unsigned turns = WORK;

	while (turns-- != 0)
		__asm__ volatile("" : "+r"(turns));
}

static void submit(void)
{
	uint64_t n = get(&submitted);

	job_ends[n] = port_counter() + CRYPTO_TICKS;
	put(&submitted, n + 1);
}

static void deliver(void)
{
	put(&delivered, get(&delivered) + 1);
	if (way == READER)
		sleepq_wake(&delivered, 1);
}

static unsigned path_filter(void *arg)
{
	struct device *d = arg;

	bench_edu_quiet(&d->d_edu);
	return FILTER_HANDLED | FILTER_SCHEDULE_THREAD;
}

/* As device_pending() may show more at each look, so a run may take more than was there. */
static bool path_thread(void *arg)
{
	struct device *d = arg;
	unsigned budget = BUDGET;

	while (device_pending(d) != 0) {
		if (budget-- == 0) {
			hwi_sched(d->d_ih);
			return true;
		}
		put(&d->d_fetched, get(&d->d_fetched) + 1);
		if (way == SIX_STEPS)
			continue;
		work();
		if (d == &card)
			submit();
		else
			deliver();
	}
	if (way == SIX_STEPS)
		softint_schedule(soft);
	device_arm(d);
	return true;
}

/* Six steps: packets that the card's handler queued are submitted, those that the crypto device's
 * did are delivered. */
static void path_soft(void *arg)
{
	(void)arg;
	while (get(&submitted) < get(&card.d_fetched)) {
		work();
		submit();
	}
	while (get(&delivered) < get(&crypto.d_fetched)) {
		work();
		deliver();
	}
}

/* ---- For whom it is ---- */

static void reader_main(void *arg)
{
	bool intr;

	(void)arg;
	while (!atomic_load_explicit(&reader_ends, memory_order_relaxed)) {
		put(&taken, get(&delivered));
		intr = sleepq_lock(&delivered);
		if (get(&taken) == get(&delivered) &&
		    !atomic_load_explicit(&reader_ends, memory_order_relaxed))
			sleepq_wait(&delivered, "packets", SLEEP_FOREVER, intr);
		else
			sleepq_unlock(&delivered, intr);
	}
}

static void reader_end(struct lwp *reader)
{
	bool intr = sleepq_lock(&delivered);

	atomic_store_explicit(&reader_ends, true, memory_order_relaxed);
	sleepq_unlock(&delivered, intr);
	sleepq_wake(&delivered, -1);
	lwp_join(reader);
}

/* ---- Counting ---- */

static void path_run(const char *load, uint64_t every)
{
	char name[BENCH_NAME_MAX];
	struct cpu *ci = cpu_lookup(0);
	_Atomic uint64_t *last = way == READER ? &taken : &delivered;
	uint64_t switches, handoffs, before;

	packet_every = every;
	put(&card.d_come, 0);
	put(&card.d_fetched, 0);
	put(&crypto.d_come, 0);
	put(&crypto.d_fetched, 0);
	put(&submitted, 0);
	put(&delivered, 0);
	put(&taken, 0);
	switches = get(&ci->ci_switches);
	handoffs = get(&ci->ci_handoffs);
	before = port_counter();
	packet_next = before + every;
	while (get(last) < PACKETS)
		world_look();
	before = port_counter() - before;
	switches = get(&ci->ci_switches) - switches;
	handoffs = get(&ci->ci_handoffs) - handoffs;
	ksnprintf(name, sizeof(name), "%s, %s: switches", way_name[way], load);
	bench_value(name, "a packet", switches, PACKETS, PACKETS);
	ksnprintf(name, sizeof(name), "%s, %s: handoffs", way_name[way], load);
	bench_value(name, "a packet", handoffs, PACKETS, PACKETS);
	ksnprintf(name, sizeof(name), "%s, %s: ticks", way_name[way], load);
	bench_value(name, "a packet", before, PACKETS, PACKETS);
}

static void path_loads(void)
{
	path_run("idle", 100000);
	path_run("a packet every 5000", 5000);
	path_run("a packet every 2500", 2500);
	path_run("flooded", 100);
}

static int path_ways(void)
{
	struct lwp *reader;
	int error;

	way = SIX_STEPS;
	path_loads();
	way = PULLER;
	path_loads();
	atomic_store_explicit(&reader_ends, false, memory_order_relaxed);
	put(&delivered, 0);
	error =
	    lwp_create("reader", PRI_MAX, cpu_lookup(0), LWP_JOINABLE, reader_main, NULL, &reader);
	if (error)
		return error;
	way = READER;
	path_loads();
	reader_end(reader);
	return 0;
}

/* ---- All of it ---- */

static void device_end(struct device *d)
{
	intr_disestablish(d->d_ih);
	bench_edu_release(&d->d_edu);
}

static int device_begin(struct device *d)
{
	int error = bench_edu_claim(&d->d_edu);

	if (error)
		return error;
	error = intr_bind(d->d_edu.be_source, cpu_lookup(0));
	if (error == 0)
		error = intr_establish(d->d_edu.be_source, "bench", IPL_NET, 0, path_filter,
		    path_thread, d, &d->d_ih);
	if (error)
		bench_edu_release(&d->d_edu);
	atomic_store_explicit(&d->d_armed, true, memory_order_relaxed);
	return error;
}

int bench_path(void)
{
	int error = softint_establish("bench", IPL_SOFTNET, path_soft, NULL, &soft);

	if (error)
		return error;
	error = device_begin(&card);
	if (error == 0) {
		error = device_begin(&crypto);
		if (error == 0) {
			sysctl_write("hw.intr.acct", "0");
			error = path_ways();
			sysctl_write("hw.intr.acct", "1");
			device_end(&crypto);
		}
		device_end(&card);
	}
	softint_disestablish(soft);
	return error;
}
