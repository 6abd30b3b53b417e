/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * b_serial.c - how long a character of a serial line waits while a network card is flooded.
 *
 * The second serial port, in loopback and without its FIFO: a character that is written to it has
 * arrived in the same instruction, and interrupts. Its filter takes it out of the chip at IPL_VM,
 * as uart.c does; its thread function runs at IPL_TTY. An lwp on CPU 1 sleeps for a random time and
 * writes one, at whatever instruction CPU 0 then is.
 *
 * Two groups. `serial`: nothing else happens. `flooded`: tools/netbench sends packets to a card
 * whose interrupts go to CPU 0, as fast as it can; a character is written only when CPU 0 is
 * neither idle nor in a softint, and as the card's handler is all that is left to run there, that
 * is in the midst of a packet. So it is not the mean of busy and idle times, but what the flood
 * does to a character that it meets.
 *
 * How the turn goes from CPU to CPU under -icount is said in b_latency.c, and is the same here.
 *
 * Contexts: one lwp on CPU 1, the port's handler on CPU 0. No locks. Storm control and heartbeat
 * are off meanwhile, for the flood is meant. Not for a machine whose second port is in use: nothing
 * in this kernel uses it. Read next: tools/netbench.
 */
#include "bench.h"

#include "bus/acpi.h"
#include <ithaca/callout.h>
#include <ithaca/clock.h>
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/intr.h>
#include <ithaca/lwp.h>
#include <ithaca/machine.h>
#include <ithaca/port.h>
#include <ithaca/sleepq.h>
#include <ithaca/sysctl.h>
#include <stdatomic.h>

/* COM2 of a PC, and its registers (PC16550D data sheet, section 8). */
#define PORT 0x2f8
#define ISA_IRQ 3
#define REG_DATA 0
#define REG_IER 1
#define IER_RX 0x01
#define REG_FCR 2
#define REG_LCR 3
#define LCR_8N1 0x03
#define REG_MCR 4
#define MCR_OUT2 0x08
#define MCR_LOOP 0x10
#define REG_LSR 5
#define LSR_DATA 0x01
#define REG_SCRATCH 7

#define WAIT_MIN_NS 20000
#define WAIT_SPAN_NS 100000
#define TRIES_MAX 400000 /* sleeps; that CPU 0 is in a handler may be seldom */
#define PATIENCE_NS NS_PER_S

static uint64_t filter_at, thread_at; /* counter; ordered by `ran` */
static _Atomic uint64_t ran;          /* (~) runs of the thread function; release, acquire */
static struct bench to_filter, to_thread;
static struct intr_handler *handler;
static struct callout turn; /* on CPU 1: it is to run again soon */
static bool lost;           /* a character was not served in PATIENCE_NS; lwp_join() orders it */

/* ---- The port ---- */

static uint8_t get(unsigned reg)
{
	return machine_in8((uint16_t)(PORT + reg));
}

static void put(unsigned reg, uint8_t value)
{
	machine_out8((uint16_t)(PORT + reg), value);
}

static bool port_there(void)
{
	put(REG_SCRATCH, 0x5a);
	return get(REG_SCRATCH) == 0x5a;
}

static void port_begin(void)
{
	put(REG_IER, 0);
	put(REG_LCR, LCR_8N1);
	put(REG_FCR, 0);
	put(REG_MCR, MCR_LOOP | MCR_OUT2);
	while ((get(REG_LSR) & LSR_DATA) != 0)
		get(REG_DATA);
	put(REG_IER, IER_RX);
}

static unsigned character_filter(void *arg)
{
	(void)arg;
	filter_at = port_counter();
	get(REG_DATA);
	return FILTER_HANDLED | FILTER_SCHEDULE_THREAD;
}

static bool character_thread(void *arg)
{
	(void)arg;
	thread_at = port_counter();
	atomic_fetch_add_explicit(&ran, 1, memory_order_release);
	return true;
}

/* ---- The one who writes ---- */

/* xorshift: the same times on every run. */
static uint64_t chance(uint64_t *seed, uint64_t below)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed % below;
}

static void turn_over(void *arg)
{
	__asm__ volatile("" : : "r"(arg) : "memory");
}

/* in_handler - is CPU 0 neither idle nor in a softint? The flood leaves it nothing else than the
 * card's handler, under each model. A look in passing: no lwp ends meanwhile. */
static bool in_handler(void)
{
	struct lwp *l = atomic_load_explicit(&cpu_lookup(0)->ci_curlwp, memory_order_relaxed);

	return (l->l_flags & (LWP_IDLE | LWP_SOFTINT)) == 0;
}

/* Write one, and wait for its thread function; false: it did not come. */
static bool write_one(void)
{
	uint64_t want = atomic_load_explicit(&ran, memory_order_relaxed) + 1, before, limit;

	callout_schedule(&turn, 1);
	before = port_counter();
	put(REG_DATA, 'x');
	port_pause();
	limit = clock_ns() + PATIENCE_NS;
	while (atomic_load_explicit(&ran, memory_order_acquire) < want) {
		port_pause();
		if (clock_ns() > limit)
			return false;
	}
	bench_add(&to_filter, filter_at - before);
	bench_add(&to_thread, thread_at - before);
	return true;
}

/* `arg`: not NULL for a flood. */
static void writer_main(void *arg)
{
	uint64_t seed = 88172645463325252ull;

	lost = false;
	callout_init(&turn);
	callout_setfunc(&turn, turn_over, NULL);
	for (unsigned i = 0; i < TRIES_MAX && to_filter.b_n < BENCH_EVENTS && !lost; i++) {
		lwp_sleep_ns(WAIT_MIN_NS + chance(&seed, WAIT_SPAN_NS));
		if (arg == NULL || in_handler())
			lost = !write_one();
	}
	callout_halt(&turn, NULL);
	callout_destroy(&turn);
}

static int measure(const char *filter, const char *thread, bool flood)
{
	struct lwp *writer;
	int error;

	bench_begin(&to_filter, filter);
	bench_begin(&to_thread, thread);
	error = lwp_create("writer", PRI_KERNEL, cpu_lookup(1), LWP_JOINABLE, writer_main,
	    flood ? &turn : NULL, &writer);
	if (error)
		return error;
	lwp_join(writer);
	bench_end(&to_filter, 0);
	bench_end(&to_thread, 0);
	bench_histogram(&to_filter, 0);
	bench_histogram(&to_thread, 0);
	if (lost)
		bench_say("a character was not served in a second");
	else if (to_filter.b_n < BENCH_EVENTS)
		bench_say("no flood: CPU 0 was hardly ever in a handler");
	return to_filter.b_n < BENCH_EVENTS ? ETIMEDOUT : 0;
}

/* ---- All of it ---- */

static int claim(void)
{
	enum intr_trigger trigger;
	struct intr_source *is;
	bool active_low;
	uint32_t gsi;
	int error = acpi_isa_line(ISA_IRQ, &gsi, &trigger, &active_low);

	if (error == 0)
		error = machine_line_source(gsi, trigger, active_low, &is);
	if (error == 0)
		error = intr_bind(is, cpu_lookup(0));
	if (error == 0)
		error = intr_establish(is, "serial", IPL_TTY, 0, character_filter, character_thread,
		    NULL, &handler);
	return error;
}

static int group(const char *filter, const char *thread, bool flood)
{
	char storm[24], beat[24];
	int error;

	if (cpu_count() < 2 || !port_there()) {
		bench_say("serial: needs 2 CPUs and a second serial port");
		return ENXIO;
	}
	error = claim();
	if (error)
		return error;
	sysctl_read("hw.intr.storm_percent", storm, sizeof(storm));
	sysctl_read("kern.heartbeat_ms", beat, sizeof(beat));
	sysctl_write("hw.intr.storm_percent", "0");
	sysctl_write("kern.heartbeat_ms", "0");
	port_begin();
	error = measure(filter, thread, flood);
	put(REG_IER, 0);
	intr_disestablish(handler);
	sysctl_write("hw.intr.storm_percent", storm);
	sysctl_write("kern.heartbeat_ms", beat);
	return error;
}

int bench_serial(void)
{
	return group("serial character: raise to filter, quiet",
	    "serial character: raise to thread, quiet", false);
}

int bench_flooded(void)
{
	return group("serial character: raise to filter, flooded",
	    "serial character: raise to thread, flooded", true);
}
