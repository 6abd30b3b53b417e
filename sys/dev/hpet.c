/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hpet.c - a periodic device, for something to tick in intrstat.
 *
 * The system keeps time by its CPUs' own clocks (kern/clock.c); this timer is a device like any
 * other: a source, a filter that quiets it and a thread function that counts. Two chips can do it:
 *
 *	HPET	a comparator in periodic mode, as a level line that it may share with PCI functions
 *		(inputs from 16 up), because the lower inputs belong to ISA devices
 *	RTC	the periodic interrupt of the MC146818, ISA interrupt 8, an edge, powers of two
 *
 * Under -icount QEMU's HPET, which is never a moment late then, comes twice each period.
 *
 * Sources: IA-PC HPET Specification 1.0a, 2.3; Motorola MC146818A data sheet, registers A to C.
 *
 * Contexts: public functions: thread, may block. Filters: hard; they take rtc_lock. Lock order:
 * hpet_admin -> rtc_lock. Invariants: none of its own. Not for: time of day, time-outs. Read next:
 * sys/bus/acpi.c, which finds it.
 */
#include "hpet.h"

#include "bus/acpi.h"
#include "mem/vmap.h"
#include <ithaca/errno.h>
#include <ithaca/intr.h>
#include <ithaca/machine.h>
#include <ithaca/mutex.h>
#include <ithaca/print.h>
#include <ithaca/sysctl.h>
#include <stdatomic.h>

/* HPET registers, 32 bits at a time. */
#define HPET_SIZE 0x400u
#define HPET_CAP 0x000u
#define HPET_CAP_TIMERS(cap) (((cap) >> 8 & 0x1f) + 1)
#define HPET_PERIOD 0x004u /* of the counter, in femtoseconds */
#define HPET_PERIOD_MAX 0x05f5e100u
#define HPET_CONFIG 0x010u
#define HPET_CONFIG_ENABLE 0x1u
#define HPET_CONFIG_LEGACY 0x2u
#define HPET_ISR 0x020u
#define HPET_COUNTER 0x0f0u
#define TIMER(n) (0x100u + 0x20u * (n))
#define TIMER_LEVEL 0x0002u
#define TIMER_ENABLE 0x0004u
#define TIMER_PERIODIC 0x0008u
#define TIMER_CAN_PERIODIC 0x0010u
#define TIMER_SET 0x0040u
#define TIMER_32 0x0100u
#define TIMER_ROUTE(gsi) ((uint32_t)(gsi) << 9)
#define TIMER_ROUTE_MASK TIMER_ROUTE(0x1f)
#define TIMER_ROUTES 4u     /* offset: lines that it can be routed to, a bit each */
#define TIMER_COMPARATOR 8u /* offset */
#define ROUTE_FIRST 16u     /* lower lines are ISA's */
#define HPET_LEAD_MAX 0x80000000u

#define FS_PER_S 1000000000000000ull

/* RTC registers. */
#define RTC_INDEX 0x70
#define RTC_DATA 0x71
#define RTC_IRQ 8
#define RTC_A 0x0a
#define RTC_A_RATE 0x0f
#define RTC_B 0x0b
#define RTC_B_PERIODIC 0x40
#define RTC_C 0x0c /* reading it quiets the chip */
#define RTC_C_PERIODIC 0x40
#define RTC_BASE 32768u

/* One of the two chips. */
struct ticker {
	const char *tk_name;
	unsigned (*tk_start)(unsigned hz); /* returns the rate that it became */
	void (*tk_stop)(void);
	bool (*tk_due)(void); /* in the filter: was it you? and quiet */
};

/* Locking key: (a) set once by hpet_init(); (m) hpet_admin; (~) atomic, counted only. */
static const struct ticker *ticker; /* (a) NULL: no timer */
static struct intr_source *source;  /* (a) */
static struct mutex hpet_admin;
static struct intr_handler *handler;      /* (m) */
static unsigned rate;                     /* (m) */
static _Atomic uint64_t filters, threads; /* (~) */

/* ---- HPET ---- */

static volatile uint8_t *regs; /* (a) */
static unsigned timer;         /* (a) the comparator in use */
static uint32_t timer_route;   /* (a) its line */

static uint32_t hpet_read(unsigned reg)
{
	return *(volatile uint32_t *)(regs + reg);
}

static void hpet_write(unsigned reg, uint32_t value)
{
	*(volatile uint32_t *)(regs + reg) = value;
}

static void hpet_timer_off(void)
{
	hpet_write(TIMER(timer), hpet_read(TIMER(timer)) & ~TIMER_ENABLE);
	hpet_write(HPET_ISR, 1u << timer);
}

/*
 * Set it going; its first match is `lead` ticks from now. TIMER_SET lets the next write reach the
 * comparator itself; the one after it sets the period that is added at each match (2.3.9.2.2).
 * Returns false if that time had come before all was said: then the match may have been missed, and
 * would be when the counter has gone round.
 */
static bool hpet_timer_arm(uint32_t lead, uint32_t period)
{
	uint32_t config = hpet_read(TIMER(timer)), from;

	hpet_timer_off();
	config &= ~(TIMER_ROUTE_MASK | TIMER_ENABLE);
	config |= TIMER_LEVEL | TIMER_PERIODIC | TIMER_SET | TIMER_32 | TIMER_ROUTE(timer_route);
	hpet_write(TIMER(timer), config);
	from = hpet_read(HPET_COUNTER);
	hpet_write(TIMER(timer) + TIMER_COMPARATOR, from + lead);
	hpet_write(TIMER(timer) + TIMER_COMPARATOR, period);
	config = hpet_read(HPET_CONFIG) & ~HPET_CONFIG_LEGACY;
	hpet_write(HPET_CONFIG, config | HPET_CONFIG_ENABLE);
	hpet_write(TIMER(timer), hpet_read(TIMER(timer)) | TIMER_ENABLE);
	return hpet_read(HPET_COUNTER) - from < lead;
}

/* The counter runs throughout, as others may be reading it: whoever is kept from its CPU between
 * two writes may be too late, and takes longer the next time. */
static unsigned hpet_timer_start(unsigned hz)
{
	uint32_t period = (uint32_t)(FS_PER_S / hpet_read(HPET_PERIOD) / hz), lead = period;

	while (!hpet_timer_arm(lead, period) && lead <= HPET_LEAD_MAX / 2)
		lead *= 2;
	return hz;
}

static bool hpet_due(void)
{
	uint32_t bit = 1u << timer;

	if ((hpet_read(HPET_ISR) & bit) == 0)
		return false;
	hpet_write(HPET_ISR, bit);
	return true;
}

static const struct ticker hpet_ticker = {.tk_name = "hpet",
    .tk_start = hpet_timer_start,
    .tk_stop = hpet_timer_off,
    .tk_due = hpet_due};

/* Choose a comparator that can be periodic, and a line for it. */
static int hpet_choose(void)
{
	unsigned timers = HPET_CAP_TIMERS(hpet_read(HPET_CAP));
	uint32_t period = hpet_read(HPET_PERIOD);

	if (period == 0 || period > HPET_PERIOD_MAX) {
		kprintf("hpet: a period of %u fs makes no sense, not used\n", period);
		return ENXIO;
	}
	for (timer = 0; timer < timers; timer++) {
		uint32_t routes = hpet_read(TIMER(timer) + TIMER_ROUTES);

		if ((hpet_read(TIMER(timer)) & TIMER_CAN_PERIODIC) == 0)
			continue;
		for (timer_route = ROUTE_FIRST; timer_route < 32; timer_route++) {
			if ((routes >> timer_route & 1) != 0 &&
			    machine_line_source(timer_route, INTR_LEVEL, true, &source) == 0)
				return 0;
		}
	}
	return ENXIO;
}

static int hpet_find(void)
{
	uint64_t phys = acpi_hpet();
	int error;

	if (phys == 0)
		return ENXIO;
	regs = vmap_device(phys, HPET_SIZE);
	if (regs == NULL)
		return ENOMEM;
	error = hpet_choose();
	if (error != 0) {
		vunmap(regs);
		regs = NULL;
		return error;
	}
	ticker = &hpet_ticker;
	hpet_timer_off();
	return 0;
}

/* ---- RTC ---- */

static struct mutex rtc_lock; /* the index register and the data register belong together */

static uint8_t rtc_read(uint8_t reg)
{
	machine_out8(RTC_INDEX, reg);
	return machine_in8(RTC_DATA);
}

static void rtc_write(uint8_t reg, uint8_t value)
{
	machine_out8(RTC_INDEX, reg);
	machine_out8(RTC_DATA, value);
}

static void rtc_stop(void)
{
	mutex_spin_enter(&rtc_lock);
	rtc_write(RTC_B, rtc_read(RTC_B) & (uint8_t)~RTC_B_PERIODIC);
	(void)rtc_read(RTC_C);
	mutex_spin_exit(&rtc_lock);
}

/* Rate code r is 32768 >> (r - 1) a second, from 3 (8192) to 15 (2). */
static unsigned rtc_start(unsigned hz)
{
	uint8_t code = 15;

	while (code > 3 && RTC_BASE >> (code - 1) < hz)
		code--;
	mutex_spin_enter(&rtc_lock);
	rtc_write(RTC_A, (rtc_read(RTC_A) & (uint8_t)~RTC_A_RATE) | code);
	rtc_write(RTC_B, rtc_read(RTC_B) | RTC_B_PERIODIC);
	(void)rtc_read(RTC_C);
	mutex_spin_exit(&rtc_lock);
	return RTC_BASE >> (code - 1);
}

/* In the filter. */
static bool rtc_due(void)
{
	uint8_t c;

	mutex_filter_enter(&rtc_lock);
	c = rtc_read(RTC_C);
	mutex_filter_exit(&rtc_lock);
	return (c & RTC_C_PERIODIC) != 0;
}

static const struct ticker rtc_ticker = {.tk_name = "rtc",
    .tk_start = rtc_start,
    .tk_stop = rtc_stop,
    .tk_due = rtc_due};

static int rtc_find(void)
{
	enum intr_trigger trigger;
	bool active_low;
	uint32_t gsi;
	int error;

	mutex_init(&rtc_lock, "rtc", IPL_VM);
	if (rtc_read(RTC_A) == 0xff && rtc_read(RTC_B) == 0xff)
		return ENXIO;
	error = acpi_isa_line(RTC_IRQ, &gsi, &trigger, &active_low);
	if (error == 0)
		error = machine_line_source(gsi, trigger, active_low, &source);
	if (error == 0)
		ticker = &rtc_ticker;
	return error;
}

/* ---- The handler ---- */

static unsigned tick_filter(void *arg)
{
	(void)arg;
	if (!ticker->tk_due())
		return FILTER_STRAY;
	atomic_fetch_add_explicit(&filters, 1, memory_order_relaxed);
	return FILTER_HANDLED | FILTER_SCHEDULE_THREAD;
}

static bool tick_thread(void *arg)
{
	(void)arg;
	atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed);
	return true;
}

/* ---- Start and stop ---- */

int hpet_start(unsigned hz)
{
	int error = 0;

	if (ticker == NULL)
		return ENXIO;
	if (hz < HPET_HZ_MIN || hz > HPET_HZ_MAX)
		return ERANGE;
	mutex_enter(&hpet_admin);
	if (handler == NULL)
		error = intr_establish(source, ticker->tk_name, IPL_TTY, 0, tick_filter,
		    tick_thread, NULL, &handler);
	if (error == 0)
		rate = ticker->tk_start(hz);
	else
		handler = NULL;
	mutex_exit(&hpet_admin);
	return error;
}

int hpet_stop(void)
{
	if (ticker == NULL)
		return ENXIO;
	mutex_enter(&hpet_admin);
	ticker->tk_stop();
	rate = 0;
	if (handler != NULL && intr_disestablish(handler) != 0)
		panic("hpet: stopped from its own handler");
	handler = NULL;
	mutex_exit(&hpet_admin);
	return 0;
}

unsigned hpet_hz(void)
{
	unsigned hz;

	if (ticker == NULL)
		return 0;
	mutex_enter(&hpet_admin);
	hz = rate;
	mutex_exit(&hpet_admin);
	return hz;
}

void hpet_ticks(uint64_t *nfilters, uint64_t *nthreads)
{
	*nfilters = atomic_load_explicit(&filters, memory_order_relaxed);
	*nthreads = atomic_load_explicit(&threads, memory_order_relaxed);
}

static uint64_t sysctl_hz_get(struct sysctl *sy)
{
	(void)sy;
	return hpet_hz();
}

static int sysctl_hz_set(struct sysctl *sy, uint64_t value)
{
	(void)sy;
	return value != 0 ? hpet_start((unsigned)value) : hpet_stop();
}

static struct sysctl sysctl_hz = {.sy_name = "dev.hpet.hz",
    .sy_doc = "ticks a second of the periodic timer; 0: stopped",
    .sy_get = sysctl_hz_get,
    .sy_set = sysctl_hz_set,
    .sy_min = 0,
    .sy_max = HPET_HZ_MAX};

int hpet_init(void)
{
	int error;

	mutex_init(&hpet_admin, "hpet", IPL_NONE);
	if (hpet_find() != 0 && rtc_find() != 0) {
		kprintf("hpet: no periodic timer\n");
		return ENXIO;
	}
	error = sysctl_register(&sysctl_hz, 1);
	if (error == 0)
		error = hpet_start(HPET_HZ_DEFAULT);
	if (error != 0)
		kprintf("%s: cannot be started: %s\n", ticker->tk_name, errno_name(error));
	return error;
}
