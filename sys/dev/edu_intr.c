/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * edu_intr.c - what the edu driver does in an interrupt: well, or badly on purpose.
 *
 * Every mode is a filter, a thread function, or both, put together from three steps: quiet the
 * device (read its status and acknowledge it), note what the status says, and tell the raiser. Who
 * takes which step is what the modes differ in. The lying ones leave steps out.
 *
 * How a raise is told from its neighbours: its number's low bits come back in the status register
 * (EDU_TOKEN), so a run that notes raise n has read the device after raise n was written to it.
 *
 *	raiser			filter			thread function
 *	u_raised = n
 *	status |= token(n)
 *				status has token(n)
 *				u_noted = n (release)
 *				SCHEDULE_THREAD
 *							begins: n = u_noted (acquire)
 *							u_done = n
 *	u_done >= n: handled
 *
 * The thread function that reads n in u_noted began after the filter noted it, so after the raise.
 * Where the thread function itself quiets the device, u_done follows the acknowledgement: the next
 * raise then finds a clean status.
 *
 * Waking the raiser, from a filter too, so by a sleep queue and not by a condition variable:
 *
 *	handler					raiser
 *	u_done = n (seq_cst)			u_waiting = true (seq_cst)
 *	u_waiting? then sleepq_wake()		sleepq_lock; u_done < n? then sleep
 *
 * One of the two sees the other's store; the queue's lock covers the rest.
 *
 * Contexts: filters: hard, no locks but the sleep queue's. Thread functions: ithreads; they take
 * u_lock, and in EDU_BLOCK the mutex they are given. Invariants that it helps to check: I1, I2, I3.
 * Not for: operations, see edu.c, which is to be read next.
 */
#include "edu_impl.h"

#include "bus/pci.h"
#include <ithaca/clock.h>
#include <ithaca/errno.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/sleepq.h>
#include <ithaca/string.h>

/* ---- The steps ---- */

static uint32_t edu_quiet(struct edu *u)
{
	uint32_t status = edu_read(u, EDU_IRQ_STATUS);

	if (status != 0)
		edu_write(u, EDU_IRQ_ACK, status);
	return status;
}

/* Add `ticks` to a latency's sum and keep its greatest. */
static void edu_latency(_Atomic uint64_t *max, _Atomic uint64_t *sum, uint64_t ticks)
{
	uint64_t old = atomic_load_explicit(max, memory_order_relaxed);

	atomic_fetch_add_explicit(sum, ticks, memory_order_relaxed);
	while (ticks > old &&
	    !atomic_compare_exchange_weak_explicit(max, &old, ticks, memory_order_relaxed,
		memory_order_relaxed))
		;
}

static uint64_t edu_since_raise(struct edu *u)
{
	return port_counter() - atomic_load_explicit(&u->u_raised_when, memory_order_relaxed);
}

/* The device showed `status` (not 0): remember what it means. */
static void edu_note(struct edu *u, uint32_t status)
{
	/* Pairs with the release store in raise_one(): its time is there too. */
	uint64_t n = atomic_load_explicit(&u->u_raised, memory_order_acquire);

	edu_bump(&u->u_count.ec_taken);
	if ((status & EDU_BIT_TOKEN) != 0 && EDU_TOKEN(status) != (n & 0x7fff))
		edu_bump(&u->u_count.ec_mismatch);
	if (EDU_PER_RAISE(status)) {
		edu_latency(&u->u_count.ec_filter_max, &u->u_count.ec_filter_sum,
		    edu_since_raise(u));
		/* Pairs with the acquire load in edu_begin(). */
		atomic_store_explicit(&u->u_noted, n, memory_order_release);
	}
	status &= EDU_BIT_FACT | EDU_BIT_DMA;
	if (status != 0) /* release: with the exchange in edu_finish() */
		atomic_fetch_or_explicit(&u->u_bits, status, memory_order_release);
}

/* Raises up to number n are handled: tell the raiser, if it waits for that. See the essay. */
static void edu_done(struct edu *u, uint64_t n)
{
	if (atomic_load_explicit(&u->u_done, memory_order_relaxed) >= n)
		return;
	atomic_store_explicit(&u->u_done, n, memory_order_seq_cst);
	if (atomic_load_explicit(&u->u_waiting, memory_order_seq_cst))
		sleepq_wake(&u->u_done, -1);
}

/* A thread function begins: it must be alone. Returns the raise that it may speak for. */
static uint64_t edu_begin(struct edu *u)
{
	uint64_t n;

	/* Acquire, with the release in edu_end(). */
	if (atomic_exchange_explicit(&u->u_running, true, memory_order_acquire))
		edu_bump(&u->u_count.ec_overlaps);
	/* Pairs with the release stores in edu_note(). */
	n = atomic_load_explicit(&u->u_noted, memory_order_acquire);
	if (n > atomic_load_explicit(&u->u_done, memory_order_relaxed))
		edu_latency(&u->u_count.ec_thread_max, &u->u_count.ec_thread_sum,
		    edu_since_raise(u));
	return n;
}

static void edu_end(struct edu *u)
{
	atomic_store_explicit(&u->u_running, false, memory_order_release);
}

/* Completions that were noted: wake who computes or copies. Adaptive mutex: no filters. */
static void edu_finish(struct edu *u)
{
	/* Acquire: with the release in edu_note(). */
	uint32_t bits = atomic_exchange_explicit(&u->u_bits, 0, memory_order_acquire);

	if (bits == 0)
		return;
	edu_bump(&u->u_count.ec_works);
	mutex_enter(&u->u_lock);
	u->u_finished |= bits;
	cv_broadcast(&u->u_cv);
	mutex_exit(&u->u_lock);
}

/* ---- Filters ---- */

/* Quiet and note. False: the device is quiet already, it was another's interrupt. */
static bool filter_take(struct edu *u)
{
	uint32_t status = edu_quiet(u);

	edu_bump(&u->u_count.ec_filters);
	if (status == 0) {
		edu_bump(&u->u_count.ec_strays);
		return false;
	}
	edu_note(u, status);
	return true;
}

static unsigned filter_both(void *arg)
{
	return filter_take(arg) ? FILTER_HANDLED | FILTER_SCHEDULE_THREAD : FILTER_STRAY;
}

static unsigned filter_greedy(void *arg)
{
	return filter_take(arg) ? FILTER_HANDLED | FILTER_SCHEDULE_THREAD : FILTER_HANDLED;
}

static unsigned filter_only(void *arg)
{
	struct edu *u = arg;

	if (!filter_take(u))
		return FILTER_STRAY;
	edu_done(u, atomic_load_explicit(&u->u_noted, memory_order_relaxed));
	return FILTER_HANDLED;
}

/* Does not look: the thread function will say whose it was. */
static unsigned filter_schedule(void *arg)
{
	struct edu *u = arg;

	edu_bump(&u->u_count.ec_filters);
	return FILTER_SCHEDULE_THREAD;
}

static unsigned filter_liar(void *arg)
{
	struct edu *u = arg;

	edu_bump(&u->u_count.ec_filters);
	return FILTER_STRAY;
}

static unsigned filter_liar_loud(void *arg)
{
	struct edu *u = arg;

	edu_bump(&u->u_count.ec_filters);
	return edu_read(u, EDU_IRQ_STATUS) != 0 ? FILTER_HANDLED : FILTER_STRAY;
}

static unsigned filter_manual(void *arg)
{
	struct edu *u = arg;

	if (!filter_take(u))
		return FILTER_STRAY;
	hwi_sched(u->u_manual);
	return FILTER_HANDLED;
}

/* ---- Thread functions ---- */

/* The filter quieted the device. */
static bool thread_after(void *arg)
{
	struct edu *u = arg;
	uint64_t n = edu_begin(u);

	edu_bump(&u->u_count.ec_threads);
	edu_done(u, n);
	edu_finish(u);
	edu_end(u);
	return true;
}

static bool thread_manual(void *arg)
{
	struct edu *u = arg;

	edu_bump(&u->u_count.ec_manual);
	return thread_after(arg);
}

/* The device is quieted here; in EDU_SLEEP after a rest. Says whose interrupt it was. */
static bool thread_first(void *arg)
{
	struct edu *u = arg;
	uint32_t status;

	(void)edu_begin(u);
	edu_bump(&u->u_count.ec_threads);
	status = edu_read(u, EDU_IRQ_STATUS);
	if (status != 0 && EDU_PER_RAISE(status))
		edu_latency(&u->u_count.ec_thread_max, &u->u_count.ec_thread_sum,
		    edu_since_raise(u));
	if (status != 0 && u->u_mode == EDU_SLEEP)
		lwp_sleep_ns(u->u_arg * NS_PER_MS);
	status = edu_quiet(u);
	if (status != 0) {
		edu_note(u, status);
		edu_done(u, atomic_load_explicit(&u->u_noted, memory_order_relaxed));
		edu_finish(u);
	} else {
		edu_bump(&u->u_count.ec_strays);
	}
	edu_end(u);
	return status != 0;
}

/* Somebody may hold the mutex for long: then this blocks, and the raiser waits for it. */
static bool thread_block(void *arg)
{
	struct edu *u = arg;
	uint64_t n = edu_begin(u);

	edu_bump(&u->u_count.ec_threads);
	mutex_enter(u->u_block);
	mutex_exit(u->u_block);
	edu_done(u, n);
	edu_finish(u);
	edu_end(u);
	return true;
}

/* A driver whose work is more than its budget: yields to its neighbours, u_arg times a raise. */
static bool thread_again(void *arg)
{
	struct edu *u = arg;
	uint64_t n = edu_begin(u);

	edu_bump(&u->u_count.ec_threads);
	if (n != u->u_again_for) {
		u->u_again_for = n;
		u->u_again = u->u_arg;
	}
	edu_finish(u);
	edu_end(u);
	if (u->u_again > 0) {
		u->u_again--;
		hwi_sched(u->u_ih);
	} else {
		edu_done(u, n);
	}
	return true;
}

/* A driver with much to compute. Its raiser waits for the end of it. */
static bool thread_burn(void *arg)
{
	struct edu *u = arg;
	uint64_t n = edu_begin(u), until = clock_ns() + u->u_arg * NS_PER_US;

	edu_bump(&u->u_count.ec_threads);
	while (clock_ns() < until) {
		for (unsigned i = 0; i < 100; i++)
			atomic_signal_fence(memory_order_relaxed);
	}
	edu_done(u, n);
	edu_finish(u);
	edu_end(u);
	return true;
}

/* ---- Modes ---- */

static const struct mode {
	const char *name;
	intr_filter_t *filter;
	intr_thread_t *thread;
	bool works;
	unsigned flags;
} modes[EDU_MODES] = {
    [EDU_BOTH] = {"both", filter_both, thread_after, true, 0},
    [EDU_FILTER] = {"filter", filter_only, NULL, false, 0},
    [EDU_THREAD] = {"thread", NULL, thread_first, true, 0},
    [EDU_SCHEDULE] = {"schedule", filter_schedule, thread_first, true, 0},
    [EDU_LIAR] = {"liar", filter_liar, thread_after, true, 0},
    [EDU_LIAR_LOUD] = {"liar-loud", filter_liar_loud, thread_after, true, 0},
    [EDU_LIAR_GREEDY] = {"liar-greedy", filter_greedy, thread_after, true, 0},
    [EDU_SLEEP] = {"sleep", filter_schedule, thread_first, true, 0},
    [EDU_BLOCK] = {"block", filter_both, thread_block, true, 0},
    [EDU_MANUAL] = {"manual", filter_manual, NULL, true, 0},
    [EDU_AGAIN] = {"again", filter_both, thread_again, true, 0},
    [EDU_BURN] = {"burn", filter_both, thread_burn, true, 0},
    [EDU_EXCL] = {"excl", filter_both, thread_after, true, INTR_EXCL},
    [EDU_MIGRATE] = {"migrate", filter_both, thread_after, true, INTR_MIGRATE},
};

const char *edu_mode_name(enum edu_mode mode)
{
	return (unsigned)mode < EDU_MODES ? modes[mode].name : "?";
}

int edu_mode_find(const char *name, enum edu_mode *out)
{
	for (unsigned i = 0; i < EDU_MODES; i++) {
		if (strcmp(modes[i].name, name) == 0) {
			*out = (enum edu_mode)i;
			return 0;
		}
	}
	return EINVAL;
}

bool edu_mode_works(enum edu_mode mode)
{
	return modes[mode].works;
}

int edu_establish(struct edu *u)
{
	const struct mode *m = &modes[u->u_mode];
	int error;

	u->u_again = 0;
	if (u->u_mode == EDU_MANUAL) {
		error = intr_establish(u->u_source, u->u_name, u->u_ipl, INTR_MANUAL, NULL,
		    thread_manual, u, &u->u_manual);
		if (error != 0) {
			u->u_manual = NULL;
			return error;
		}
	}
	error = intr_establish(u->u_source, u->u_name, u->u_ipl, m->flags, m->filter, m->thread, u,
	    &u->u_ih);
	if (error != 0) {
		u->u_ih = NULL;
		edu_disestablish(u);
		return error;
	}
	if (u->u_irq == EDU_INTX)
		pci_command(u->u_dev, 0, PCI_COMMAND_INTX_OFF);
	/* What was raised while there was no handler may be lost as a message: send it again. */
	edu_write(u, EDU_IRQ_RAISE, 0);
	return 0;
}

static void handler_remove(struct edu *u, struct intr_handler **ih)
{
	if (*ih == NULL)
		return;
	if (intr_disestablish(*ih) != 0)
		panic("%s: disestablished from its own handler", u->u_name);
	*ih = NULL;
}

/*
 * The filter goes before the manual handler that it schedules. On a line that others share the
 * device's pin is off before: else, with nobody to quiet it, its neighbours' line would stay up
 * and be held as a storm. Elsewhere interrupts pour in to the end.
 */
void edu_disestablish(struct edu *u)
{
	unsigned own = (u->u_ih != NULL) + (u->u_manual != NULL);

	if (u->u_source->is_nhandlers > own)
		pci_command(u->u_dev, PCI_COMMAND_INTX_OFF, 0);
	handler_remove(u, &u->u_ih);
	handler_remove(u, &u->u_manual);
	/* Turns that the handler had left are not coming any more; its raiser need not wait. */
	if (u->u_mode == EDU_AGAIN)
		edu_done(u, atomic_load_explicit(&u->u_noted, memory_order_relaxed));
}
