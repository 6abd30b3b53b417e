/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * b_intr.c - what one interrupt costs: from the raise to the filter, to the thread function, and
 * back to the lwp that was interrupted.
 *
 * The device is an edu that no driver has, with a message of its own. A raise is one store, and is
 * followed by a read of the counter; the interrupt is taken between the two, so their difference,
 * less that of the same store to a register that does nothing, is what the interrupted lwp loses.
 * The direct handler quiets the device (one load, one store) in its filter; the threaded one does
 * the same there and runs a thread function besides, so the difference of the two is the price of
 * the thread. Measured with accounting (hw.intr.acct) on and off.
 *
 * Contexts: one lwp. No locks but the one that the divorce is about.
 */
#include "bench.h"

#include "bus/pci.h"
#include "dev/tty.h"
#include <ithaca/errno.h>
#include <ithaca/intr.h>
#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/softint.h>
#include <ithaca/sysctl.h>

#define EDU_LIVENESS 0x04
#define EDU_STATUS 0x24
#define EDU_RAISE 0x60
#define EDU_ACK 0x64

static volatile uint32_t *regs;
static struct intr_source *source;
static struct softint *soft;
static struct mutex held;
static uint64_t filter_at, thread_at, soft_at;
static volatile uint64_t ended;

static inline void edu_quiet(void)
{
	regs[EDU_ACK / 4] = regs[EDU_STATUS / 4];
}

static unsigned direct_filter(void *arg)
{
	(void)arg;
	filter_at = port_counter();
	edu_quiet();
	return FILTER_HANDLED;
}

static unsigned thread_filter(void *arg)
{
	(void)arg;
	filter_at = port_counter();
	edu_quiet();
	return FILTER_HANDLED | FILTER_SCHEDULE_THREAD;
}

static bool thread_fn(void *arg)
{
	(void)arg;
	thread_at = port_counter();
	ended++;
	return true;
}

static unsigned soft_filter(void *arg)
{
	(void)arg;
	filter_at = port_counter();
	edu_quiet();
	softint_schedule(soft);
	return FILTER_HANDLED;
}

static void soft_fn(void *arg)
{
	(void)arg;
	soft_at = port_counter();
	ended++;
}

static bool mutex_thread(void *arg)
{
	(void)arg;
	thread_at = port_counter();
	mutex_enter(&held);
	mutex_exit(&held);
	ended++;
	return true;
}

/* One store to a register of the device, between two reads of the counter. */
static inline uint64_t store(unsigned reg, uint64_t *before)
{
	*before = port_counter();
	__asm__ volatile("" : : : "memory");
	regs[reg / 4] = 1;
	__asm__ volatile("" : : : "memory");
	return port_counter() - *before;
}

static uint32_t store_base(void)
{
	static struct bench b;
	uint64_t before;
	unsigned i;

	bench_begin(&b, "store");
	for (i = 0; i < BENCH_EVENTS; i++)
		bench_add(&b, store(EDU_LIVENESS, &before));
	return bench_median(&b);
}

struct intr_bench {
	const char *ib_what;
	intr_filter_t *ib_filter;
	intr_thread_t *ib_thread;
	uint64_t *ib_entry; /* where the entry of interest leaves its time, besides the filter's */
	const char *ib_entry_name;
};

static void name_of(char *buf, size_t size, const char *what, const char *acct)
{
	ksnprintf(buf, size, "%s%s", what, acct);
}

/* Raise 1,000 times; entry times and the loss. Returns the median loss. */
static int intr_measure(const struct intr_bench *ib, const char *acct, uint32_t base,
    uint32_t *loss)
{
	static struct bench filter, entry, whole;
	char name[3][48];
	struct intr_handler *ih;
	uint64_t before, ticks, want;
	unsigned i;
	int error =
	    intr_establish(source, "bench", IPL_NET, 0, ib->ib_filter, ib->ib_thread, NULL, &ih);

	if (error)
		return error;
	name_of(name[0], sizeof(name[0]), "raise to filter", acct);
	name_of(name[1], sizeof(name[1]), ib->ib_entry_name, acct);
	name_of(name[2], sizeof(name[2]), ib->ib_what, acct);
	bench_begin(&filter, name[0]);
	bench_begin(&entry, name[1]);
	bench_begin(&whole, name[2]);
	for (i = 0; i < BENCH_EVENTS + 8; i++) {
		want = ended + 1;
		ticks = store(EDU_RAISE, &before);
		while (ib->ib_entry != NULL && ended < want)
			port_pause(); /* where the machine takes its time to interrupt */
		if (i < 8)
			continue; /* warm: translated code, caches */
		bench_add(&filter, filter_at - before);
		if (ib->ib_entry != NULL)
			bench_add(&entry, *ib->ib_entry - before);
		bench_add(&whole, ticks);
	}
	bench_end(&filter, 0);
	if (ib->ib_entry != NULL)
		bench_end(&entry, 0);
	*loss = bench_end(&whole, base);
	return intr_disestablish(ih);
}

/* Raise while the mutex is held that the handler wants: the handler blocks, the raiser goes on. */
static int divorce_measure(uint32_t base)
{
	static struct bench away, back, whole;
	struct intr_handler *ih;
	uint64_t before, released;
	unsigned i;
	int error;

	error = intr_establish(source, "bench", IPL_NET, 0, thread_filter, mutex_thread, NULL, &ih);
	if (error)
		return error;
	bench_begin(&away, "divorce: raise to raiser resumed");
	bench_begin(&back, "divorce: release to raiser resumed, all done");
	bench_begin(&whole, "divorce: whole");
	for (i = 0; i < BENCH_EVENTS; i++) {
		mutex_enter(&held);
		bench_add(&away, store(EDU_RAISE, &before));
		released = port_counter();
		mutex_exit(&held);
		bench_add(&back, port_counter() - released);
		bench_add(&whole, port_counter() - before);
	}
	bench_end(&away, base);
	bench_end(&back, 0);
	bench_end(&whole, base);
	return intr_disestablish(ih);
}

static int intr_figures(void)
{
	static const struct intr_bench direct = {"whole loss, direct handler", direct_filter, NULL,
	    NULL, ""};
	static const struct intr_bench thread = {"whole loss, threaded handler", thread_filter,
	    thread_fn, &thread_at, "raise to thread function"};
	static const struct intr_bench softly = {"whole loss, filter and softint", soft_filter,
	    NULL, &soft_at, "raise to softint"};
	static const char *const suffix[2] = {" (acct)", ""};
	uint32_t base = store_base(), loss[2] = {0, 0}, ignored;
	int error, acct;

	for (acct = 0; acct < 2; acct++) {
		sysctl_write("hw.intr.acct", acct == 0 ? "1" : "0");
		if ((error = intr_measure(&direct, suffix[acct], base, &loss[0])) != 0 ||
		    (error = intr_measure(&thread, suffix[acct], base, &loss[1])) != 0 ||
		    (error = intr_measure(&softly, suffix[acct], base, &ignored)) != 0)
			return error;
		tty_printf("%-37s%-7s %15d\n", "price of the thread (threaded - direct)",
		    suffix[acct], (int)(loss[1] - loss[0]));
	}
	return divorce_measure(base);
}

int bench_intr(void)
{
	struct pci_dev *pd = NULL;
	unsigned n, got, kind;
	void *p;
	int error;

	for (n = 0; (pd = pci_find(0x1234, 0x11e8, n)) != NULL && pd->pd_driver != NULL; n++)
		;
	if (pd == NULL) {
		tty_printf("no edu device is free: edu -u 0 detach\n");
		return ENXIO;
	}
	pd->pd_driver = "bench";
	error = pci_map_bar(pd, 0, 0x100, &p, NULL);
	if (error)
		goto unclaim;
	regs = p;
	error = pci_intr_alloc(pd, PCI_INTR_MSI, 1, &source, &got, &kind);
	if (error)
		goto unmap;
	pci_command(pd, PCI_COMMAND_MASTER, 0);
	mutex_init(&held, "bench", IPL_NET);
	error = softint_establish("bench", IPL_SOFTNET, soft_fn, NULL, &soft);
	if (error == 0) {
		error = intr_figures();
		sysctl_write("hw.intr.acct", "1");
		softint_disestablish(soft);
	}
	pci_intr_free(pd);
unmap:
	pci_unmap_bar(p);
unclaim:
	pd->pd_driver = NULL;
	return error;
}
