/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * edu.c - QEMU's edu device: attaching it, and the work that it is given.
 *
 * The device computes factorials and moves memory, and each ends with an interrupt; and it raises
 * an interrupt whenever a register is written. The first two are used as a real driver would:
 * started under an adaptive mutex, then a wait on a condition variable that the thread function
 * signals. The third is how the system tests itself: a raise carries a number that the handler
 * reads back out of the device, so that every single interrupt can be accounted for (edu_intr.c).
 *
 * Operations (struct edu's u_ops counts them) against detach:
 *
 *	ATTACHED   operations begin
 *	LEAVING    new ones get ENXIO; those under way go on, so interrupts still pour in while the
 *	           handlers are taken away: that is what detach is there to show
 *	GONE       the handlers are gone: whoever waits for an interrupt gets ENXIO and leaves; when
 *	           the last has left, the device is given back
 *
 * A unit whose device was taken out of its slot stays, without a device (u_dev), and is the first
 * to be given one that comes.
 *
 * A factorial is computed by a thread of the emulator's, in its time and not in the machine's.
 * Under
 * -icount an idle machine's clock jumps ahead, so a time-out may come before the device had any
 * time at all; see work_wait().
 *
 * Contexts: all functions: thread context, may block. Lock order: u_admin -> u_raise -> u_work ->
 * u_lock. Invariants: I1 and I12, seen from a driver. Not for: what happens in an interrupt, see
 * edu_intr.c, which is to be read next.
 */
#include "edu.h"

#include "bus/pci.h"
#include "edu_impl.h"
#include "mem/page.h"
#include <ithaca/clock.h>
#include <ithaca/errno.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/sleepq.h>
#include <ithaca/string.h>

#define EDU_BAR_SIZE 0x41000u /* registers and the device's buffer */
#define EDU_ID_MASK 0xffu
#define EDU_ID_VALUE 0xedu
#define EDU_DMA_LIMIT 0x10000000u /* the device has 28 address lines */

#define TIMEOUT_DEFAULT (5 * NS_PER_S)
#define TIMEOUT_MIN NS_PER_MS
#define TIMEOUT_MAX (60 * NS_PER_S)
#define SPINS 1000u /* looks at u_done before the raiser sleeps */

/* What a factorial is granted when its time is over; see work_wait(). */
#define GRACE_MAX 4u              /* rounds */
#define GRACE_READS 100000u       /* of a register, a round */
#define GRACE_NS (10 * NS_PER_MS) /* then so long for the interrupt, a round */

static struct edu *units[EDU_MAX];
static _Atomic unsigned nunits; /* (~) release in edu_probe(), acquire in edu_find() */

/* ---- Units and operations ---- */

unsigned edu_count(void)
{
	/* Acquire: the units up to the count are there. */
	return atomic_load_explicit(&nunits, memory_order_acquire);
}

struct edu *edu_find(unsigned unit)
{
	return unit < edu_count() ? units[unit] : NULL;
}

static int edu_state(struct edu *u)
{
	/* A hint, looked at again under u_lock where it matters. */
	return atomic_load_explicit(&u->u_state, memory_order_relaxed);
}

static void edu_setstate(struct edu *u, enum edu_state state)
{
	KASSERT(mutex_owned(&u->u_lock), "%s: state changed without its lock", u->u_name);
	atomic_store_explicit(&u->u_state, (int)state, memory_order_relaxed);
}

static int op_begin(unsigned unit, struct edu **out)
{
	struct edu *u = edu_find(unit);
	int error = 0;

	if (u == NULL)
		return ENXIO;
	mutex_enter(&u->u_lock);
	if (edu_state(u) == EDU_ATTACHED)
		u->u_ops++;
	else
		error = ENXIO;
	mutex_exit(&u->u_lock);
	*out = u;
	return error;
}

static void op_end(struct edu *u)
{
	mutex_enter(&u->u_lock);
	KASSERT(u->u_ops > 0, "%s: no operation to end", u->u_name);
	if (--u->u_ops == 0)
		cv_broadcast(&u->u_idle);
	mutex_exit(&u->u_lock);
}

/* ---- Raising ---- */

static uint64_t timeout_of(struct edu *u)
{
	uint64_t ns;

	mutex_enter(&u->u_lock);
	ns = u->u_timeout_ns;
	mutex_exit(&u->u_lock);
	return ns;
}

/* Number the next raise and write it to the device, with its number's low bits or without. */
static uint64_t raise_one(struct edu *u, bool token)
{
	uint64_t n = atomic_load_explicit(&u->u_raised, memory_order_relaxed) + 1;
	uint32_t value = token ? EDU_BIT_TOKEN | (uint32_t)(n & 0x7fff) << 16 : EDU_BIT_POST;

	edu_bump(&u->u_count.ec_raises);
	atomic_store_explicit(&u->u_raised_when, port_counter(), memory_order_relaxed);
	/* Release: with the acquire load in edu_note(). The device's register comes after it. */
	atomic_store_explicit(&u->u_raised, n, memory_order_release);
	edu_write(u, EDU_IRQ_RAISE, value);
	return n;
}

static bool raise_over(struct edu *u, uint64_t n)
{
	/* Acquire: what the handler did up to edu_done() is seen. */
	return atomic_load_explicit(&u->u_done, memory_order_acquire) >= n;
}

/* Wait until a run later than raise n has told so: a short spin, then sleep. One that nobody
 * handled in time is withdrawn from the device, so that the next begins afresh. */
static int raise_wait(struct edu *u, uint64_t n, uint64_t timeout_ns)
{
	uint64_t deadline;
	int error = 0;

	for (unsigned i = 0; i < SPINS; i++) {
		if (raise_over(u, n))
			return 0;
		port_pause();
	}
	deadline = clock_ns() + timeout_ns;
	/* Pairs with the load in edu_done(). */
	atomic_store_explicit(&u->u_waiting, true, memory_order_seq_cst);
	while (error == 0) {
		bool on = sleepq_lock(&u->u_done);

		if (raise_over(u, n) || edu_state(u) == EDU_GONE) {
			sleepq_unlock(&u->u_done, on);
			break;
		}
		error = sleepq_wait(&u->u_done, u->u_name, deadline, on);
	}
	atomic_store_explicit(&u->u_waiting, false, memory_order_relaxed);
	if (raise_over(u, n))
		return 0;
	if (error == 0)
		return ENXIO;
	kprintf("%s: raise %llu not handled within %llu ms (mode %s, status 0x%x)\n", u->u_name,
	    (unsigned long long)n, (unsigned long long)(timeout_ns / NS_PER_MS),
	    edu_mode_name(u->u_mode), edu_read(u, EDU_IRQ_STATUS));
	edu_write(u, EDU_IRQ_ACK, ~(EDU_BIT_FACT | EDU_BIT_DMA));
	return error;
}

int edu_raise(unsigned unit, uint64_t n, uint64_t *done)
{
	uint64_t i = 0, timeout_ns;
	struct edu *u;
	int error = op_begin(unit, &u);

	if (done != NULL)
		*done = 0;
	if (error != 0)
		return error;
	timeout_ns = timeout_of(u);
	mutex_enter(&u->u_raise);
	for (; i < n && error == 0; i += error == 0) {
		if (edu_state(u) == EDU_GONE)
			error = ENXIO;
		else
			error = raise_wait(u, raise_one(u, true), timeout_ns);
	}
	mutex_exit(&u->u_raise);
	op_end(u);
	if (done != NULL)
		*done = i;
	return error;
}

int edu_burst(unsigned unit, uint64_t n, uint64_t *done)
{
	uint64_t i, last = 0, timeout_ns;
	struct edu *u;
	int error = op_begin(unit, &u);

	if (done != NULL)
		*done = 0;
	if (error != 0)
		return error;
	timeout_ns = timeout_of(u);
	mutex_enter(&u->u_raise);
	for (i = 0; i < n && edu_state(u) != EDU_GONE; i++)
		last = raise_one(u, false);
	if (i < n)
		error = ENXIO;
	else if (n > 0)
		error = raise_wait(u, last, timeout_ns);
	mutex_exit(&u->u_raise);
	op_end(u);
	if (done != NULL)
		*done = i;
	return error;
}

int edu_post(unsigned unit)
{
	struct edu *u;
	int error = op_begin(unit, &u);

	if (error != 0)
		return error;
	mutex_enter(&u->u_raise);
	raise_one(u, false);
	mutex_exit(&u->u_raise);
	op_end(u);
	return 0;
}

int edu_poke(unsigned unit)
{
	struct edu *u = edu_find(unit);

	if (u == NULL || edu_state(u) != EDU_ATTACHED)
		return ENXIO;
	edu_bump(&u->u_count.ec_raises);
	edu_write(u, EDU_IRQ_RAISE, EDU_BIT_POST);
	return 0;
}

int edu_set_timeout(unsigned unit, uint64_t ns)
{
	struct edu *u = edu_find(unit);

	if (u == NULL)
		return ENXIO;
	if (ns < TIMEOUT_MIN || ns > TIMEOUT_MAX)
		return ERANGE;
	mutex_enter(&u->u_lock);
	u->u_timeout_ns = ns;
	mutex_exit(&u->u_lock);
	return 0;
}

/* ---- Work ---- */

/* Is what was started with that completion still going on? */
static bool work_busy(struct edu *u, uint32_t bit)
{
	if (bit == EDU_BIT_FACT)
		return (edu_read(u, EDU_STATUS) & EDU_STATUS_COMPUTING) != 0;
	return (edu_read(u, EDU_DMA_CMD) & EDU_DMA_START) != 0;
}

/* Real time for the emulator's thread, until the filter has found its completion or enough. */
static void work_linger(struct edu *u, uint32_t bit)
{
	for (unsigned i = 0; i < GRACE_READS; i++) {
		(void)work_busy(u, bit);
		/* Relaxed: looked at again, properly, in the thread function. */
		if ((atomic_load_explicit(&u->u_bits, memory_order_relaxed) & bit) != 0)
			return;
	}
}

/*
 * u_lock held, work started: wait for its completion. One that arrives while the device is still
 * at work belongs to something given up before, and is dropped.
 *
 * When time runs out on a factorial, the emulator's thread may not have had its turn yet (see the
 * essay): reading a register again and again gives it real time, so that is done for a bounded
 * number of rounds before it counts as failed.
 */
static int work_wait(struct edu *u, uint32_t bit, const char *what)
{
	unsigned grace = bit == EDU_BIT_FACT ? GRACE_MAX : 0;
	uint64_t wait_ns = u->u_timeout_ns;

	while (edu_state(u) != EDU_GONE) {
		if ((u->u_finished & bit) != 0) {
			u->u_finished &= ~bit;
			if (!work_busy(u, bit))
				return 0;
		} else if (cv_timedwait(&u->u_cv, &u->u_lock, wait_ns) != 0 &&
		    (u->u_finished & bit) == 0) {
			if (grace-- == 0)
				break;
			work_linger(u, bit);
			wait_ns = GRACE_NS;
		}
	}
	if (edu_state(u) == EDU_GONE)
		return ENXIO;
	edu_write(u, EDU_IRQ_ACK, bit);
	kprintf("%s: %s: no interrupt within %llu ms (mode %s, device %s)\n", u->u_name, what,
	    (unsigned long long)(u->u_timeout_ns / NS_PER_MS), edu_mode_name(u->u_mode),
	    work_busy(u, bit) ? "busy" : "done");
	return ETIMEDOUT;
}

/* Begin an operation of work: ENXIO, EOPNOTSUPP, or EBUSY when what was given up still goes on. */
static int work_begin(unsigned unit, uint32_t bit, struct edu **out)
{
	struct edu *u;
	int error = op_begin(unit, &u);

	if (error != 0)
		return error;
	mutex_enter(&u->u_work);
	mutex_enter(&u->u_lock);
	if (!edu_mode_works(u->u_mode))
		error = EOPNOTSUPP;
	else if (work_busy(u, bit))
		error = EBUSY;
	u->u_finished &= ~bit;
	*out = u;
	if (error == 0)
		return 0;
	mutex_exit(&u->u_lock);
	mutex_exit(&u->u_work);
	op_end(u);
	return error;
}

static void work_end(struct edu *u)
{
	mutex_exit(&u->u_lock);
	mutex_exit(&u->u_work);
	op_end(u);
}

int edu_factorial(unsigned unit, uint32_t n, uint32_t *result)
{
	struct edu *u;
	int error;

	if (n > EDU_FACT_MAX)
		return ERANGE;
	error = work_begin(unit, EDU_BIT_FACT, &u);
	if (error != 0)
		return error;
	edu_write(u, EDU_STATUS, EDU_STATUS_IRQ);
	edu_write(u, EDU_FACT, n);
	error = work_wait(u, EDU_BIT_FACT, "factorial");
	if (error == 0)
		*result = edu_read(u, EDU_FACT);
	work_end(u);
	return error;
}

int edu_dma(unsigned unit, void *buf, size_t len, bool to_device)
{
	struct edu *u;
	void *page;
	int error;

	if (len == 0 || len > EDU_DMA_MAX)
		return ERANGE;
	error = work_begin(unit, EDU_BIT_DMA, &u);
	if (error != 0)
		return error;
	page = machine_phys_to_virt(u->u_page);
	if (to_device)
		memcpy(page, buf, len);
	edu_write64(u, EDU_DMA_SRC, to_device ? u->u_page : EDU_BUFFER);
	edu_write64(u, EDU_DMA_DST, to_device ? EDU_BUFFER : u->u_page);
	edu_write64(u, EDU_DMA_COUNT, len);
	edu_write64(u, EDU_DMA_CMD, EDU_DMA_START | EDU_DMA_IRQ | (to_device ? 0 : EDU_DMA_TO_RAM));
	error = work_wait(u, EDU_BIT_DMA, "dma");
	if (error == 0 && !to_device)
		memcpy(buf, page, len);
	work_end(u);
	return error;
}

/* ---- Attaching ---- */

/* The first unit whose device has gone gets this one: its number, or EDU_MAX. */
static unsigned unit_again(struct pci_dev *pd)
{
	unsigned unit = 0;
	bool taken = false;

	for (; unit < edu_count() && !taken; unit++) {
		struct edu *u = units[unit];

		mutex_enter(&u->u_admin);
		taken = u->u_dev == NULL;
		if (taken)
			u->u_dev = pd;
		mutex_exit(&u->u_admin);
	}
	return taken ? unit - 1 : EDU_MAX;
}

static struct edu *unit_make(struct pci_dev *pd, unsigned unit)
{
	struct edu *u = port_mem_alloc(sizeof(*u));

	if (u == NULL)
		return NULL;
	u->u_dev = pd;
	u->u_unit = unit;
	u->u_timeout_ns = TIMEOUT_DEFAULT;
	ksnprintf(u->u_name, sizeof(u->u_name), "edu%u", unit);
	mutex_init(&u->u_admin, "edu admin", IPL_NONE);
	mutex_init(&u->u_raise, "edu raise", IPL_NONE);
	mutex_init(&u->u_work, "edu work", IPL_NONE);
	mutex_init(&u->u_lock, "edu", IPL_TTY);
	mutex_init(&u->u_fire_lock, "edu fire", IPL_NONE);
	cv_init(&u->u_cv, "edu work");
	cv_init(&u->u_idle, "edu idle");
	return u;
}

int edu_probe(struct pci_dev *pd, unsigned *out)
{
	unsigned unit = unit_again(pd);
	struct edu *u;

	*out = unit;
	if (unit != EDU_MAX)
		return 0;
	unit = edu_count();
	if (unit == EDU_MAX) {
		kprintf("edu at %s: limit is %u units, ignored\n", pd->pd_name, EDU_MAX);
		return ENOSPC;
	}
	u = unit_make(pd, unit);
	if (u == NULL)
		return ENOMEM;
	units[unit] = u;
	*out = unit;
	/* Release: with the acquire load in edu_count(). */
	atomic_store_explicit(&nunits, unit + 1, memory_order_release);
	return 0;
}

/* The device answers as the one that it says it is. */
static int edu_check(struct edu *u)
{
	const uint32_t pattern = 0x1badcafe;
	uint32_t id = edu_read(u, EDU_ID), live;

	edu_write(u, EDU_LIVE, pattern);
	live = edu_read(u, EDU_LIVE);
	if ((id & EDU_ID_MASK) == EDU_ID_VALUE && live == ~pattern)
		return 0;
	kprintf("%s at %s: id 0x%x, liveness 0x%x: not an edu device\n", u->u_name,
	    u->u_dev->pd_name, id, live);
	return EIO;
}

/* A device that was pulled out says whatever one likes, and writes nowhere. */
static bool dma_busy(struct edu *u)
{
	return pci_present(u->u_dev) && work_busy(u, EDU_BIT_DMA);
}

/* DMA may still be writing into the page after a time-out: then it is rather lost than reused. */
static void edu_page_free(struct edu *u)
{
	if (u->u_page == 0)
		return;
	for (unsigned i = 0; i < 100 && dma_busy(u); i++)
		lwp_sleep_ns(10 * NS_PER_MS);
	if (dma_busy(u))
		kprintf("%s: DMA does not end, its page is given up\n", u->u_name);
	else
		page_free(u->u_page, 0);
	u->u_page = 0;
}

/* Undo whatever of edu_setup() was done. No handler, no operation any more. */
static void edu_teardown(struct edu *u)
{
	if (u->u_regs != NULL) {
		edu_write(u, EDU_STATUS, 0);
		edu_write(u, EDU_IRQ_ACK, 0xffffffff);
		edu_page_free(u);
	}
	pci_intr_free(u->u_dev);
	pci_command(u->u_dev, 0, PCI_COMMAND_MASTER);
	if (u->u_regs != NULL)
		pci_unmap_bar((void *)(uintptr_t)u->u_regs);
	u->u_regs = NULL;
	u->u_source = NULL;
	u->u_dev->pd_driver = NULL;
}

static int edu_setup(struct edu *u, enum edu_irq irq)
{
	unsigned got, kind, kinds = irq == EDU_MSI ? PCI_INTR_MSI : PCI_INTR_INTX;
	void *regs;
	int error;

	u->u_dev->pd_driver = "edu";
	error = pci_map_bar(u->u_dev, 0, EDU_BAR_SIZE, &regs, NULL);
	if (error != 0)
		return error;
	u->u_regs = regs;
	error = edu_check(u);
	if (error != 0)
		return error;
	edu_write(u, EDU_STATUS, 0);
	edu_write(u, EDU_IRQ_ACK, 0xffffffff);
	u->u_page = page_alloc_below(0, PAGE_ZERO, EDU_DMA_LIMIT);
	if (u->u_page == 0) {
		kprintf("%s: no memory below 0x%x for DMA\n", u->u_name, EDU_DMA_LIMIT);
		return ENOMEM;
	}
	error = pci_intr_alloc(u->u_dev, kinds, 1, &u->u_source, &got, &kind);
	if (error != 0)
		return error;
	pci_command(u->u_dev, PCI_COMMAND_MASTER, 0);
	u->u_irq = irq;
	u->u_mode = EDU_BOTH;
	u->u_arg = 0;
	u->u_block = NULL;
	u->u_ipl = IPL_BIO;
	return edu_establish(u);
}

int edu_attach(unsigned unit, enum edu_irq irq)
{
	struct edu *u = edu_find(unit);
	int error;

	if (u == NULL)
		return ENXIO;
	mutex_enter(&u->u_admin);
	if (u->u_dev == NULL) {
		error = ENXIO;
	} else if (edu_state(u) != EDU_ABSENT) {
		error = EBUSY;
	} else if (u->u_dev->pd_driver != NULL) {
		kprintf("%s: %s belongs to %s\n", u->u_name, u->u_dev->pd_name,
		    u->u_dev->pd_driver);
		error = EBUSY;
	} else {
		error = edu_setup(u, irq);
		if (error != 0)
			edu_teardown(u);
	}
	if (error == 0) {
		mutex_enter(&u->u_lock);
		u->u_finished = 0;
		edu_setstate(u, EDU_ATTACHED);
		mutex_exit(&u->u_lock);
	}
	mutex_exit(&u->u_admin);
	return error;
}

/* u_admin held, attached: the three steps of the essay. */
static void detach_locked(struct edu *u)
{
	mutex_enter(&u->u_lock);
	edu_setstate(u, EDU_LEAVING);
	mutex_exit(&u->u_lock);
	edu_disestablish(u);
	/* Nobody will quiet a shared line for us any more. */
	pci_command(u->u_dev, PCI_COMMAND_INTX_OFF, 0);
	mutex_enter(&u->u_lock);
	edu_setstate(u, EDU_GONE);
	cv_broadcast(&u->u_cv);
	sleepq_wake(&u->u_done, -1);
	while (u->u_ops > 0)
		cv_wait(&u->u_idle, &u->u_lock);
	mutex_exit(&u->u_lock);
	edu_teardown(u);
	mutex_enter(&u->u_lock);
	edu_setstate(u, EDU_ABSENT);
	mutex_exit(&u->u_lock);
}

int edu_detach(unsigned unit)
{
	struct edu *u = edu_find(unit);
	int error = 0;

	if (u == NULL)
		return ENXIO;
	if (!mutex_tryenter(&u->u_admin))
		return EBUSY;
	if (edu_state(u) == EDU_ATTACHED)
		detach_locked(u);
	else
		error = ENXIO;
	mutex_exit(&u->u_admin);
	return error;
}

void edu_remove(struct pci_dev *pd)
{
	for (unsigned unit = 0; unit < edu_count(); unit++) {
		struct edu *u = units[unit];

		mutex_enter(&u->u_admin);
		if (u->u_dev == pd) {
			if (edu_state(u) == EDU_ATTACHED)
				detach_locked(u);
			u->u_dev = NULL;
		}
		mutex_exit(&u->u_admin);
	}
}

int edu_hold(unsigned unit)
{
	struct edu *u;

	return op_begin(unit, &u);
}

void edu_release(unsigned unit)
{
	op_end(edu_find(unit));
}

/* ---- Modes ---- */

static int mode_check(enum edu_mode mode, uint64_t arg, const struct mutex *m, int ipl)
{
	if ((unsigned)mode >= EDU_MODES || ipl < IPL_BIO || ipl > IPL_TTY)
		return EINVAL;
	if (mode == EDU_BLOCK && m == NULL)
		return EINVAL;
	if (mode == EDU_SLEEP && (arg < 1 || arg > 60000))
		return ERANGE;
	if (mode == EDU_AGAIN && (arg < 1 || arg > 100000))
		return ERANGE;
	if (mode == EDU_BURN && (arg < 1 || arg > EDU_BURN_MAX))
		return ERANGE;
	return 0;
}

static void mode_store(struct edu *u, enum edu_mode mode, uint64_t arg, struct mutex *m, int ipl)
{
	/* No handler is established; operations read the mode under u_lock. */
	mutex_enter(&u->u_lock);
	u->u_mode = mode;
	u->u_arg = arg;
	u->u_block = m;
	u->u_ipl = ipl;
	mutex_exit(&u->u_lock);
}

int edu_set_mode(unsigned unit, enum edu_mode mode, uint64_t arg, struct mutex *m, int ipl)
{
	struct edu *u = edu_find(unit);
	int error = mode_check(mode, arg, m, ipl);

	if (u == NULL)
		return ENXIO;
	if (error != 0)
		return error;
	if ((mode == EDU_SLEEP || mode == EDU_BLOCK) && !intr_may_block())
		return EOPNOTSUPP;
	mutex_enter(&u->u_admin);
	if (edu_state(u) != EDU_ATTACHED) {
		mutex_exit(&u->u_admin);
		return ENXIO;
	}
	edu_disestablish(u);
	mode_store(u, mode, arg, m, ipl);
	error = edu_establish(u);
	if (error != 0) {
		kprintf("%s: mode %s: %s\n", u->u_name, edu_mode_name(mode), errno_name(error));
		mode_store(u, EDU_BOTH, 0, NULL, IPL_BIO);
		if (edu_establish(u) != 0) {
			kprintf("%s: no handler can be established, detached\n", u->u_name);
			detach_locked(u);
		}
	}
	mutex_exit(&u->u_admin);
	return error;
}

/* ---- What can be seen ---- */

int edu_get(unsigned unit, struct edu_info *out)
{
	struct edu *u = edu_find(unit);

	if (u == NULL)
		return ENXIO;
	mutex_enter(&u->u_admin);
	*out = (struct edu_info){.ei_there = u->u_dev != NULL,
	    .ei_attached = edu_state(u) == EDU_ATTACHED,
	    .ei_irq = u->u_irq,
	    .ei_mode = u->u_mode,
	    .ei_arg = u->u_arg,
	    .ei_ipl = u->u_ipl,
	    .ei_source = u->u_source};
	(void)ksnprintf(out->ei_pci, sizeof(out->ei_pci), "%s",
	    u->u_dev != NULL ? u->u_dev->pd_name : "-");
	mutex_exit(&u->u_admin);
	return 0;
}

/* The counts one by one; relaxed, as they are counted. */
static uint64_t count_get(_Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

int edu_stats(unsigned unit, struct edu_stats *out)
{
	struct edu *u = edu_find(unit);
	struct edu_counts *ec;

	if (u == NULL)
		return ENXIO;
	ec = &u->u_count;
	*out = (struct edu_stats){.es_raises = count_get(&ec->ec_raises),
	    .es_filters = count_get(&ec->ec_filters),
	    .es_taken = count_get(&ec->ec_taken),
	    .es_threads = count_get(&ec->ec_threads),
	    .es_strays = count_get(&ec->ec_strays),
	    .es_manual = count_get(&ec->ec_manual),
	    .es_works = count_get(&ec->ec_works),
	    .es_overlaps = count_get(&ec->ec_overlaps),
	    .es_mismatch = count_get(&ec->ec_mismatch),
	    .es_filter_max = count_get(&ec->ec_filter_max),
	    .es_filter_sum = count_get(&ec->ec_filter_sum),
	    .es_thread_max = count_get(&ec->ec_thread_max),
	    .es_thread_sum = count_get(&ec->ec_thread_sum)};
	return 0;
}

int edu_stats_clear(unsigned unit)
{
	struct edu *u = edu_find(unit);
	_Atomic uint64_t *counter;

	if (u == NULL)
		return ENXIO;
	counter = (_Atomic uint64_t *)&u->u_count;
	for (unsigned i = 0; i < sizeof(u->u_count) / sizeof(*counter); i++)
		atomic_store_explicit(&counter[i], 0, memory_order_relaxed);
	return 0;
}
