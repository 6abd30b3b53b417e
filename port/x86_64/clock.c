/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * clock.c - the cycle counter as a clock, and the timer that interrupts at a deadline.
 *
 * Purpose: find out how fast the time-stamp counter (TSC) and the local controller's timer run,
 * convert between ticks and nanoseconds without dividing, and have clock_intr() called when a
 * deadline has come: by the timer's TSC-deadline mode where the CPU has it, else by its one-shot.
 *
 * Contexts: x86_clock_init() on the first CPU, interrupts on or off; x86_clock_init_ap() on each
 * other, interrupts off; port_clock_arm() and x86_clock_vector(): own CPU, interrupts off; the
 * conversions: any. No locks: what is calibrated is set once before a second CPU starts, and a
 * deadline belongs to its CPU.
 *
 * Calibration: channel 2 of the PIT counts down at 1193182 Hz while its gate is open. Its count
 * and the TSC are read together several times at either end of CALIBRATE_TICKS, and at each end
 * the pair is taken that was read in the least time: whoever takes this CPU away from us (a host,
 * an SMI) spoils a pair and not the result. Who keeps it until the count is over spoils the run,
 * and the next one is shorter, to fit in between. What the readings may be wrong by is known, so
 * runs are repeated until one is good, and the best one is taken. A machine whose CPUID gives the
 * frequency (leaf 0x15, or 0x40000010 of hypervisors) is believed where it agrees with the
 * measurement, as it is exact, and where there is no PIT to measure with. Nothing is rounded to
 * what looks nice.
 *
 * Conversion: ticks * mult >> SHIFT with a product of 128 bits. mult is off by less than 2^-57 of
 * itself, so in a hundred years (3 * 10^18 ns) there and back agree to some tens of nanoseconds.
 *
 * A deadline is kept as a counter value. The one-shot counts 32 bits of its own ticks: a deadline
 * further away is approached in steps, and one that the timer reaches too early, because the two
 * were calibrated apart, is waited for again. clock_intr() is never called before its time.
 *
 * Sources: Intel 8254 data sheet; Intel SDM volume 3, "APIC Timer" and "Time-Stamp Counter";
 * volume 2, CPUID leaf 0x15.
 * Not for: who wants to be called when (the core's clock.h). Read kern/ next.
 */
#include "x86.h"

#include <ithaca/clock.h>
#include <ithaca/cpu.h>
#include <ithaca/entry.h>
#include <ithaca/errno.h>
#include <ithaca/machine.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <stdatomic.h>

#define SHIFT X86_NS_SHIFT
#define TSC_HZ_MIN 20000000ull
#define TSC_HZ_MAX 60000000000ull

/* The PIT and the port with channel 2's gate and output. */
#define PIT_HZ 1193182ull
#define PIT_CHANNEL2 0x42
#define PIT_COMMAND 0x43
#define PIT_LATCH2 0x80
#define PIT_MODE0_CH2 0xb0 /* channel 2, low then high byte, mode 0: count once, output at 0 */
#define SYSTEM_B 0x61
#define SYSTEM_B_GATE2 0x01
#define SYSTEM_B_SPEAKER 0x02
#define SYSTEM_B_OUT2 0x20

#define CALIBRATE_TICKS 35800u /* 30 ms of the 55 that the count lasts */
#define CALIBRATE_TICKS_MIN 1200u
#define CALIBRATE_RUNS 5     /* at most, of those that were not spoilt */
#define CALIBRATE_SPOILT 100 /* at most */
#define CALIBRATE_PAIRS 16
#define CALIBRATE_PPM_GOOD 100 /* a run that cannot be wrong by more is good enough */
#define PIT_READS_MAX 1000000  /* in a run; a PIT that is read that often has long run out */

#define TIMER_SPAN_NS 10000000ull

#define LAPIC_TIMER_INITIAL 0x38
#define LAPIC_TIMER_COUNT 0x39
#define LAPIC_TIMER_DIVIDE 0x3e
#define TIMER_DIVIDE_1 0xb
#define LVT_DEADLINE (2u << 17)
#define MSR_TSC_DEADLINE 0x6e0
#define CPUID1_ECX_DEADLINE (1u << 24)
#define CPUID1_ECX_HYPERVISOR (1u << 31)

#define SPIN_LITTLE 300
#define SYNC_ROUNDS 2000

/* What is calibrated. Locking key: (a) set once before it is shared; (~) atomic. */
static uint64_t tsc_hz;         /* (a) 0: not yet */
uint64_t x86_ns_per_tick;       /* (a) << SHIFT */
static uint64_t ticks_per_ns;   /* (a) << SHIFT */
static uint64_t timer_per_tick; /* (a) << 32; one-shot only */
static bool timer_deadline;     /* (a) TSC-deadline mode */

static _Atomic uint64_t sync_stamp;  /* (~) x86_clock_publish() and x86_clock_init_ap() */
static _Atomic uint64_t sync_answer; /* (~) the other way */

/* ---- Arithmetic ---- */

/* (n << shift) / d, which must fit; the processor divides 128 bits by 64. */
static uint64_t scale(uint64_t n, unsigned shift, uint64_t d)
{
	unsigned __int128 wide = (unsigned __int128)n << shift;
	uint64_t hi = (uint64_t)(wide >> 64), quotient, rest;

	KASSERT(hi < d, "%llu << %u / %llu does not fit", (unsigned long long)n, shift,
	    (unsigned long long)d);
	__asm__("divq %4"
		: "=a"(quotient), "=d"(rest)
		: "0"((uint64_t)wide), "1"(hi), "r"(d)
		: "cc");
	return quotient;
}

static uint64_t mul_shift(uint64_t n, uint64_t mult, unsigned shift)
{
	unsigned __int128 wide = (unsigned __int128)n * mult >> shift;

	return wide >> 64 != 0 ? UINT64_MAX : (uint64_t)wide;
}

uint64_t port_counter_to_ns(uint64_t ticks)
{
	return (uint64_t)((unsigned __int128)ticks * x86_ns_per_tick >> SHIFT);
}

/* The first counter value at which the clock shows `ns`, or one soon after. */
static uint64_t ns_to_counter(uint64_t ns)
{
	uint64_t ticks = mul_shift(ns, ticks_per_ns, SHIFT);

	return ticks >= UINT64_MAX - 2 ? UINT64_MAX - 1 : ticks + 2;
}

/* The counter, not before what stands before it in the program, nor after what follows. */
static uint64_t counter_fenced(void)
{
	uint64_t now;

	__asm__ volatile("lfence" ::: "memory");
	now = port_counter();
	__asm__ volatile("lfence" ::: "memory");
	return now;
}

/* Some tenths of a microsecond. Reading a clock is dear where the processor is emulated, and so is
 * the pause instruction: whoever waits for long does this in between. */
static void spin_little(void)
{
	unsigned i;

	for (i = 0; i < SPIN_LITTLE; i++)
		__asm__ volatile("" ::: "memory");
}

void x86_delay_ns(uint64_t ns)
{
	uint64_t start = port_counter(), ticks = mul_shift(ns, ticks_per_ns, SHIFT);

	while (port_counter() - start <= ticks)
		spin_little();
}

/* ---- The PIT as a measure ---- */

/* A reading of the PIT and of the TSC before and after it. */
struct pair {
	uint64_t p_before;
	uint64_t p_after;
	uint32_t p_ticks; /* counted since the start, up to 65535 */
};

static uint32_t pit_count(void)
{
	uint32_t count;

	outb(PIT_COMMAND, PIT_LATCH2);
	count = inb(PIT_CHANNEL2);
	return count | (uint32_t)inb(PIT_CHANNEL2) << 8;
}

static void pit_start(void)
{
	outb(SYSTEM_B, (uint8_t)((inb(SYSTEM_B) & ~SYSTEM_B_SPEAKER) | SYSTEM_B_GATE2));
	outb(PIT_COMMAND, PIT_MODE0_CH2);
	outb(PIT_CHANNEL2, 0xff);
	outb(PIT_CHANNEL2, 0xff);
}

/* The count has passed 0, after which it means nothing. */
static bool pit_over(void)
{
	return (inb(SYSTEM_B) & SYSTEM_B_OUT2) != 0;
}

static bool pit_present(void)
{
	uint32_t first, reads;

	pit_start();
	first = pit_count();
	for (reads = 0; reads < 10000; reads++) {
		if (pit_count() != first)
			return true;
	}
	return false;
}

/* The pair, of several, that took the least time to read. */
static void pair_best(struct pair *best)
{
	struct pair p;
	unsigned i;

	best->p_before = 0;
	best->p_after = UINT64_MAX;
	for (i = 0; i < CALIBRATE_PAIRS; i++) {
		p.p_before = counter_fenced();
		p.p_ticks = 0xffff - pit_count();
		p.p_after = counter_fenced();
		if (p.p_after - p.p_before < best->p_after - best->p_before)
			*best = p;
	}
}

/* One run over `span` ticks. The frequency, or 0 if the run was spoilt, and what it may be wrong by
 * in ppm: the time the readings took and a tick of the PIT at either end. */
static uint64_t pit_run(uint32_t span, unsigned *ppm)
{
	struct pair from, to;
	uint64_t cycles, ticks;
	uint32_t reads;

	pit_start();
	pair_best(&from);
	for (reads = 0; reads < PIT_READS_MAX; reads++) {
		if (0xffff - pit_count() >= from.p_ticks + span || pit_over())
			break;
		spin_little();
	}
	pair_best(&to);
	if (pit_over() || to.p_ticks < from.p_ticks + span)
		return 0;
	ticks = to.p_ticks - from.p_ticks;
	cycles = (to.p_before + (to.p_after - to.p_before) / 2) -
	    (from.p_before + (from.p_after - from.p_before) / 2);
	if (cycles == 0)
		return 0;
	*ppm = (unsigned)(((to.p_after - to.p_before) + (from.p_after - from.p_before)) * 500000 /
		cycles +
	    2 * 1000000 / ticks);
	return scale(cycles * PIT_HZ, 0, ticks);
}

/* The best of some runs; 0: none was any good. */
static uint64_t pit_measure(unsigned *ppm_best)
{
	uint64_t hz, best = 0;
	uint32_t span = CALIBRATE_TICKS;
	unsigned run = 0, spoilt = 0, ppm = 0, least = 1000000;
	bool on;

	if (!pit_present())
		return 0;
	while (run < CALIBRATE_RUNS && spoilt < CALIBRATE_SPOILT && least > CALIBRATE_PPM_GOOD) {
		on = port_intr_disable();
		hz = pit_run(span, &ppm);
		port_intr_restore(on);
		if (hz == 0) {
			spoilt++;
			span = span > 2 * CALIBRATE_TICKS_MIN ? span / 2 : CALIBRATE_TICKS_MIN;
			continue;
		}
		run++;
		if (ppm < least) {
			best = hz;
			least = ppm;
		}
	}
	*ppm_best = least;
	return best;
}

/* ---- What the CPU says of itself ---- */

/* The TSC's frequency as CPUID states it, or 0. *exact: it is that, not a name for the model. */
static uint64_t cpuid_hz(bool *exact)
{
	uint32_t id[4], leaf_max;

	*exact = true;
	cpuid(0, 0, id);
	leaf_max = id[0];
	if (leaf_max >= 0x15) {
		cpuid(0x15, 0, id); /* eax/ebx: crystal to TSC; ecx: the crystal's Hz */
		if (id[0] != 0 && id[1] != 0 && id[2] != 0)
			return (uint64_t)id[2] * id[1] / id[0];
	}
	cpuid(1, 0, id);
	if ((id[2] & CPUID1_ECX_HYPERVISOR) != 0) {
		cpuid(0x40000000, 0, id);
		if (id[0] >= 0x40000010 && id[0] <= 0x400000ff) {
			cpuid(0x40000010, 0, id); /* eax: kHz */
			if (id[0] != 0)
				return (uint64_t)id[0] * 1000;
		}
	}
	*exact = false;
	if (leaf_max < 0x16)
		return 0;
	cpuid(0x16, 0, id); /* eax: the processor's base frequency in MHz */
	return (uint64_t)(id[0] & 0xffff) * 1000000;
}

static int tsc_calibrate(void)
{
	uint64_t measured, stated, off;
	unsigned ppm = 1000000;
	bool exact;

	measured = pit_measure(&ppm);
	stated = cpuid_hz(&exact);
	off = measured > stated ? measured - stated : stated - measured;
	if (measured == 0 || (exact && off < measured / 1000))
		tsc_hz = stated;
	else
		tsc_hz = measured;
	/* Outside of these the scaled reciprocals do not fit, and no such machine is known. */
	if (tsc_hz < TSC_HZ_MIN || tsc_hz > TSC_HZ_MAX) {
		kprintf("clock: no frequency for the cycle counter: PIT says %llu Hz, CPUID %llu\n",
		    (unsigned long long)measured, (unsigned long long)stated);
		tsc_hz = 0;
		return ENXIO;
	}
	x86_ns_per_tick = scale(NS_PER_S, SHIFT, tsc_hz);
	ticks_per_ns = scale(tsc_hz, SHIFT, NS_PER_S);
	kprintf("clock: counter %llu.%06llu MHz, ", (unsigned long long)(tsc_hz / 1000000),
	    (unsigned long long)(tsc_hz % 1000000));
	if (tsc_hz == measured)
		kprintf("measured within %u ppm\n", ppm);
	else
		kprintf("as CPUID says\n");
	return 0;
}

/* ---- The timer ---- */

/* The timer's mode on this CPU, with nothing armed. */
static void timer_setup(void)
{
	x86_cpu(curcpu())->xc_clock_deadline = UINT64_MAX;
	if (timer_deadline) {
		x86_lapic_write(X86_LAPIC_LVT_TIMER, LVT_DEADLINE | X86_VEC_CLOCK);
		/* xAPIC: the mode must have arrived before the deadline's MSR is written. */
		__asm__ volatile("mfence" ::: "memory");
		wrmsr(MSR_TSC_DEADLINE, 0);
		return;
	}
	x86_lapic_write(LAPIC_TIMER_DIVIDE, TIMER_DIVIDE_1);
	x86_lapic_write(LAPIC_TIMER_INITIAL, 0);
	x86_lapic_write(X86_LAPIC_LVT_TIMER, X86_VEC_CLOCK);
}

/* The timer's count and the TSC, of several readings the one that took least time. */
static uint64_t timer_pair(uint32_t *count)
{
	uint64_t before, after, best = UINT64_MAX, middle = 0;
	uint32_t value;
	unsigned i;

	for (i = 0; i < CALIBRATE_PAIRS; i++) {
		before = counter_fenced();
		value = x86_lapic_read(LAPIC_TIMER_COUNT);
		after = counter_fenced();
		if (after - before < best) {
			best = after - before;
			middle = before + best / 2;
			*count = value;
		}
	}
	return middle;
}

/* The one-shot against the counter, over TIMER_SPAN_NS. */
static int timer_calibrate(void)
{
	uint64_t from, to;
	uint32_t count_from = 0, count_to = 0;
	bool on = port_intr_disable();

	x86_lapic_write(X86_LAPIC_LVT_TIMER, X86_LVT_MASKED);
	x86_lapic_write(LAPIC_TIMER_DIVIDE, TIMER_DIVIDE_1);
	x86_lapic_write(LAPIC_TIMER_INITIAL, UINT32_MAX);
	from = timer_pair(&count_from);
	x86_delay_ns(TIMER_SPAN_NS);
	to = timer_pair(&count_to);
	x86_lapic_write(LAPIC_TIMER_INITIAL, 0);
	port_intr_restore(on);
	if (count_to == 0 || count_from <= count_to) {
		kprintf("clock: the local timer does not count: %u, then %u\n", count_from,
		    count_to);
		return ENXIO;
	}
	timer_per_tick = scale(count_from - count_to, 32, to - from);
	return 0;
}

static void timer_arm(uint64_t deadline)
{
	uint64_t now, count;

	if (timer_deadline) {
		wrmsr(MSR_TSC_DEADLINE, deadline);
		return;
	}
	now = port_counter();
	count = deadline <= now ? 1 : mul_shift(deadline - now, timer_per_tick, 32) + 1;
	x86_lapic_write(LAPIC_TIMER_INITIAL, count > UINT32_MAX ? UINT32_MAX : (uint32_t)count);
}

void port_clock_arm(uint64_t deadline_ns)
{
	struct x86_cpu *xc = x86_cpu(curcpu());

	KASSERT(tsc_hz != 0, "a deadline before machine_intr_init()");
	if (deadline_ns == UINT64_MAX) {
		xc->xc_clock_deadline = UINT64_MAX;
		if (timer_deadline)
			wrmsr(MSR_TSC_DEADLINE, 0);
		else
			x86_lapic_write(LAPIC_TIMER_INITIAL, 0);
		return;
	}
	xc->xc_clock_deadline = ns_to_counter(deadline_ns);
	timer_arm(xc->xc_clock_deadline);
}

/* From entry.S. One that comes after its deadline was taken back, or moved, does no harm. */
void x86_clock_vector(void)
{
	struct x86_cpu *xc = x86_cpu(curcpu());
	uint64_t deadline = xc->xc_clock_deadline;

	if (!ITHACA_CHECKED || !x86_lapic_loses(xc))
		port_intr_eoi();
	if (unlikely(atomic_load_explicit(&xc->xc_unstuck, memory_order_relaxed) != 0))
		x86_lapic_tell(xc);
	if (deadline == UINT64_MAX)
		return;
	if (port_counter() < deadline) {
		timer_arm(deadline);
		return;
	}
	xc->xc_clock_deadline = UINT64_MAX;
	clock_intr();
}

/* ---- Start ---- */

int x86_clock_init(void)
{
	uint32_t id[4];
	int error;

	error = tsc_calibrate();
	if (error != 0)
		return error;
	cpuid(1, 0, id);
	timer_deadline = (id[2] & CPUID1_ECX_DEADLINE) != 0;
	if (!timer_deadline) {
		error = timer_calibrate();
		if (error != 0)
			return error;
	}
	kprintf("clock: timer by %s\n", timer_deadline ? "TSC deadline" : "one-shot");
	timer_setup();
	return 0;
}

/*
 * The counters of two CPUs, compared:
 *
 *	CPU that starts the other		CPU being started
 *	stamp = counter (release) ------------>	reads it (acquire), then its own counter:
 *						less than the stamp: it is behind
 *	reads it (acquire), then its own <-----	answer = counter (release)
 *	counter: less: the other is ahead
 *
 * Each side only ever compares what was read later with what was read earlier, so a long wait
 * between the two hides a difference and never makes one up.
 */
void x86_clock_publish(void)
{
	uint64_t answer = atomic_load_explicit(&sync_answer, memory_order_acquire);
	uint64_t now = counter_fenced();

	if (answer > now) {
		kprintf("clock: the counter of the CPU being started is %llu ns ahead\n",
		    (unsigned long long)port_counter_to_ns(answer - now));
		atomic_store_explicit(&sync_answer, 0, memory_order_relaxed);
	}
	atomic_store_explicit(&sync_stamp, now, memory_order_release);
}

void x86_clock_init_ap(void)
{
	uint64_t stamp, now, behind = 0;
	unsigned round;

	for (round = 0; round < SYNC_ROUNDS; round++) {
		stamp = atomic_load_explicit(&sync_stamp, memory_order_acquire);
		now = counter_fenced();
		if (now < stamp && stamp - now > behind)
			behind = stamp - now;
		atomic_store_explicit(&sync_answer, now, memory_order_release);
		port_pause();
	}
	atomic_store_explicit(&sync_answer, 0, memory_order_relaxed);
	if (behind != 0)
		kprintf("clock: the counter of APIC %u is %llu ns behind\n", curcpu()->ci_hwid,
		    (unsigned long long)port_counter_to_ns(behind));
	timer_setup();
}
