/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vector.c - interrupt vectors, handed out at run time, and the messages that name them.
 *
 * Each CPU has a table of its own (xc_source), so that a number means one source on one CPU and
 * another elsewhere: 208 sources a CPU, not 208 in all, and nothing is used up on a CPU that a
 * source does not go to. Running out is ENOSPC for the driver, with the CPU named on the console.
 * A source without a wish goes to the CPU with most vectors free, in turn among equals. A CPU
 * counts from x86_vector_cpu_up() on; one that was attached but never came up gets nothing, nor
 * does one whose APIC id is above 254, which neither message nor line can name.
 *
 * Contexts: handing out and MSI sources: thread context; x86_vector_settled(): its CPU, interrupts
 * off; x86_stray_vector(): hard. Lock order: is_lock -> vector_lock -> none; both interrupts off.
 *
 * Giving out against dispatch. The table is read by entry.S without a lock:
 *
 *	CPU that asks				CPU that is interrupted
 *	vector_lock: number reserved
 *	xc_source[v] = is (release)
 *	message or line programmed with v
 *						interrupt v, takes xc_source[v]: `is`
 *
 * The table's store precedes the store that lets the interrupt happen, which reaches the device
 * after it, and the interrupt comes after that; so no interrupt finds a table without it.
 *
 * Moving a source against one in flight. A vector is given back on the CPU it belongs to, and only
 * when nothing is pending there:
 *
 *	CPU that binds				CPU before
 *	new vector reserved, in the table
 *	device told the new address
 *						(one sent before is in IRR, or in dispatch)
 *	intr.c: cpu_call() ------------------->	interrupts off, in the IPI:
 *						IRR has the old vector? then answer false
 *	... interrupts on: it is dispatched ...	old xc_source[v] is still `is`: nothing is lost
 *	intr.c: cpu_call() again ------------->	IRR clear: xc_source[v] = NULL, number free
 *
 * The IPI cannot be within the dispatch of the old vector: a dispatch has interrupts off to its
 * EOI. It relies on the device's messages arriving before what msi_write reads back (machine.h).
 * An old one may then be dispatched on one CPU while a new one is on the other; intr.c allows it.
 *
 * Invariants (architecture section 9): I1 and I12, as far as a vector can break them.
 *
 * Source: Intel SDM volume 3, "Message Signalled Interrupts" and "Interrupt Command Register".
 * Not for: lines, see ioapic.c, which is to be read next.
 */
#include "x86.h"

#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/intr.h>
#include <ithaca/machine.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/spin.h>
#include <stdatomic.h>

#define VECTORS (X86_VEC_LAST - X86_VEC_FIRST + 1)

#define MSI_ADDR 0xfee00000u
#define MSI_ADDR_CPU_SHIFT 12
#define APICID_MAX 254 /* a message and a line have eight bits; 255 is everyone */

/* Times that a vector is looked at before it is given up as never quiet. */
#define CLEAR_MAX 1000

/*
 * What is used of each CPU's vectors, by CPU number.
 * Locking key: (v) vector_lock; (~) atomic.
 */
struct vector_cpu {
	uint64_t vc_used[(VECTORS + 63) / 64]; /* (v) bit 0 is X86_VEC_FIRST */
	unsigned vc_count;                     /* (v) bits set */
	unsigned vc_next;                      /* (v) where the next search begins */
	_Atomic bool vc_up;                    /* (~) set by its own CPU; release, acquire */
};

static struct vector_cpu vector_cpus[CPU_MAX];
static struct spin vector_lock;
static unsigned vector_turn;              /* (v) the CPU after the one chosen last */
static _Atomic uint32_t strays[X86_NVEC]; /* (~) counted only; no pairing */

/* A message source. Locking key: (a) set once; (b) intr.c's binding, one at a time. */
struct msi {
	const struct machine_msi_ops *ms_ops; /* (a) */
	void *ms_cookie;                      /* (a) */
	struct x86_route ms_now;              /* (b) where it goes */
	struct x86_route ms_before;           /* (b) until settled; ro_cpu NULL: none */
};

/* ---- Vectors ---- */

void x86_vector_cpu_up(struct cpu *ci)
{
	atomic_store_explicit(&vector_cpus[ci->ci_index].vc_up, true, memory_order_release);
}

/* May CPU number `index` be given interrupts? Pairs with the store in x86_vector_cpu_up(). */
static bool vector_cpu_takes(unsigned index)
{
	return atomic_load_explicit(&vector_cpus[index].vc_up, memory_order_acquire) &&
	    cpu_lookup(index)->ci_hwid <= APICID_MAX;
}

/* The CPU with most free, from the one whose turn it is; NULL: none has any. vector_lock held. */
static struct cpu *vector_choose(void)
{
	unsigned i, index, best = CPU_MAX, n = cpu_count();

	for (i = 0; i < n; i++) {
		index = (vector_turn + i) % n;
		if (!vector_cpu_takes(index) || vector_cpus[index].vc_count == VECTORS)
			continue;
		if (best == CPU_MAX || vector_cpus[index].vc_count < vector_cpus[best].vc_count)
			best = index;
	}
	if (best == CPU_MAX)
		return NULL;
	vector_turn = best + 1;
	return cpu_lookup(best);
}

static bool vector_try(struct vector_cpu *vc, unsigned bit)
{
	if ((vc->vc_used[bit / 64] >> (bit % 64) & 1) != 0)
		return false;
	vc->vc_used[bit / 64] |= (uint64_t)1 << (bit % 64);
	vc->vc_count++;
	return true;
}

/*
 * A free number of `vc`, `wish` if that is one and free; or 0. Else the search goes on where the
 * last one ended, so that a number rests for long before it means something else: a late interrupt
 * is then a stray, not another's.
 */
static uint8_t vector_take(struct vector_cpu *vc, uint8_t wish)
{
	unsigned i, bit;

	if (wish != 0 && vector_try(vc, wish - X86_VEC_FIRST))
		return wish;
	for (i = 0; i < VECTORS; i++) {
		bit = (vc->vc_next + i) % VECTORS;
		if (!vector_try(vc, bit))
			continue;
		vc->vc_next = bit + 1;
		return (uint8_t)(X86_VEC_FIRST + bit);
	}
	return 0;
}

int x86_vector_reserve(struct cpu *ci, uint8_t wish, struct x86_route *out)
{
	bool anywhere = ci == NULL;
	uint8_t vector = 0;
	bool on;

	if (!anywhere && !vector_cpu_takes(ci->ci_index)) {
		kprintf("vector: cpu%u (APIC id %u) cannot be given interrupts: %s\n", ci->ci_index,
		    ci->ci_hwid, ci->ci_hwid > APICID_MAX ? "its id is above 254" : "it is not up");
		return EINVAL;
	}
	on = port_intr_disable();
	spin_lock(&vector_lock);
	if (anywhere)
		ci = vector_choose();
	if (ci != NULL)
		vector = vector_take(&vector_cpus[ci->ci_index], wish);
	spin_unlock(&vector_lock);
	port_intr_restore(on);
	if (vector == 0) {
		if (anywhere)
			kprintf("vector: all %u vectors of each CPU that takes interrupts are in "
				"use\n",
			    VECTORS);
		else
			kprintf("vector: all %u vectors of cpu%u are in use\n", VECTORS,
			    ci->ci_index);
		return ENOSPC;
	}
	out->ro_cpu = ci;
	out->ro_vector = vector;
	return 0;
}

/*
 * The slot that entry.S loads. Stored whole, release: what `is` points at is there before; the
 * pairing access is the load in entry.S, ordered by the interrupt itself (see the essay).
 */
void x86_vector_set(const struct x86_route *route, struct intr_source *is)
{
	struct intr_source **slot = &x86_cpu(route->ro_cpu)->xc_source[route->ro_vector];

	__atomic_store_n(slot, is, __ATOMIC_RELEASE);
}

void x86_vector_free(struct x86_route *route)
{
	struct vector_cpu *vc = &vector_cpus[route->ro_cpu->ci_index];
	unsigned bit = route->ro_vector - X86_VEC_FIRST;
	bool on;

	KASSERT(route->ro_vector >= X86_VEC_FIRST && route->ro_vector <= X86_VEC_LAST,
	    "vector %u is not one that is handed out", route->ro_vector);
	x86_vector_set(route, NULL);
	on = port_intr_disable();
	spin_lock(&vector_lock);
	KASSERT((vc->vc_used[bit / 64] >> (bit % 64) & 1) != 0, "vector %u of cpu%u freed twice",
	    route->ro_vector, route->ro_cpu->ci_index);
	vc->vc_used[bit / 64] &= ~((uint64_t)1 << (bit % 64));
	vc->vc_count--;
	spin_unlock(&vector_lock);
	port_intr_restore(on);
	route->ro_cpu = NULL;
}

bool x86_vector_settled(struct x86_route *before)
{
	if (before->ro_cpu == NULL)
		return true;
	KASSERT(before->ro_cpu == curcpu(), "asked on cpu%u about a vector of cpu%u",
	    curcpu()->ci_index, before->ro_cpu->ci_index);
	if (x86_lapic_irr(before->ro_vector))
		return false;
	x86_vector_free(before);
	return true;
}

struct clearing {
	const struct x86_route *cl_route;
	bool cl_done;
};

/* On the route's CPU, interrupts off. */
static void clear_here(void *arg)
{
	struct clearing *cl = arg;

	cl->cl_done = !x86_lapic_irr(cl->cl_route->ro_vector);
	if (cl->cl_done)
		x86_vector_set(cl->cl_route, NULL);
}

void x86_vector_clear(const struct x86_route *route)
{
	struct clearing cl = {.cl_route = route};
	unsigned tries;

	for (tries = 0; tries < CLEAR_MAX && !cl.cl_done; tries++)
		cpu_call(route->ro_cpu, clear_here, &cl);
	if (cl.cl_done)
		return;
	kprintf("vector: %#x of cpu%u does not fall quiet; given back all the same\n",
	    route->ro_vector, route->ro_cpu->ci_index);
	x86_vector_set(route, NULL);
	cpu_barrier(); /* whoever was dispatching by it has done so */
}

void machine_vectors(struct cpu *ci, unsigned *nfree, unsigned *total)
{
	bool on = port_intr_disable();

	spin_lock(&vector_lock);
	*nfree = VECTORS - vector_cpus[ci->ci_index].vc_count;
	spin_unlock(&vector_lock);
	port_intr_restore(on);
	*total = VECTORS;
}

/*
 * From entry.S. Nothing else is in service (lapic.c, essay), so the highest in service is the one.
 * It is told the first time, then whenever the count has doubled past a thousand.
 */
void x86_stray_vector(void)
{
	int vector = x86_lapic_isr();
	uint32_t n;

	if (vector < 0) {
		vector = X86_VEC_SPURIOUS; /* the 8259's, or gone: no EOI is due */
	} else {
		port_intr_eoi();
	}
	n = atomic_fetch_add_explicit(&strays[vector], 1, memory_order_relaxed) + 1;
	if (n == 1 || (n >= 1024 && (n & (n - 1)) == 0))
		kprintf("cpu%u: vector %#x belongs to nobody (%u times)\n", curcpu()->ci_index,
		    (unsigned)vector, n);
}

/* ---- Messages ---- */

static void msi_compose(const struct x86_route *route, struct machine_msi *out)
{
	/* Physical destination, fixed delivery, edge: all other bits are zero. */
	out->addr = MSI_ADDR | (uint64_t)route->ro_cpu->ci_hwid << MSI_ADDR_CPU_SHIFT;
	out->data = route->ro_vector;
}

static void msi_mask(struct intr_source *is)
{
	struct msi *ms = is->is_cookie;

	ms->ms_ops->msi_mask(ms->ms_cookie, true);
}

static void msi_unmask(struct intr_source *is)
{
	struct msi *ms = is->is_cookie;

	ms->ms_ops->msi_mask(ms->ms_cookie, false);
}

/*
 * Address and data are two stores to the device. One that can mask is masked between them and keeps
 * what happens meanwhile. One that cannot may send the old vector to the new CPU, where it is
 * nobody's or another's. So the old number is taken there too if it is free; if not, the new CPU
 * is sent one message by us, for the one that may be lost.
 */
static int msi_route(struct intr_source *is, struct cpu *ci)
{
	struct msi *ms = is->is_cookie;
	struct machine_msi msg;
	struct x86_route to;
	bool on;
	int error;

	KASSERT(ms->ms_before.ro_cpu == NULL, "%s: routed while it is being routed", is->is_name);
	error = x86_vector_reserve(ci, ms->ms_now.ro_vector, &to);
	if (error != 0)
		return error;
	x86_vector_set(&to, is);
	msi_compose(&to, &msg);
	ms->ms_before = ms->ms_now;
	ms->ms_now = to;
	on = port_intr_disable();
	spin_lock(&is->is_lock);
	if (ms->ms_ops->msi_mask != NULL)
		ms->ms_ops->msi_mask(ms->ms_cookie, true);
	ms->ms_ops->msi_write(ms->ms_cookie, &msg);
	if (ms->ms_ops->msi_mask != NULL && !is->is_masked)
		ms->ms_ops->msi_mask(ms->ms_cookie, false);
	spin_unlock(&is->is_lock);
	port_intr_restore(on);
	if (ms->ms_ops->msi_mask == NULL && to.ro_vector != ms->ms_before.ro_vector &&
	    is->is_nhandlers > 0)
		x86_lapic_send(ci, to.ro_vector);
	return 0;
}

static bool msi_routed(struct intr_source *is)
{
	struct msi *ms = is->is_cookie;

	return x86_vector_settled(&ms->ms_before);
}

static const struct intr_pic msi_pic = {
    .pic_name = "msi",
    .pic_mask = msi_mask,
    .pic_unmask = msi_unmask,
    .pic_route = msi_route,
    .pic_routed = msi_routed,
};

static const struct intr_pic msi_pic_maskless = {
    .pic_name = "msi",
    .pic_route = msi_route,
    .pic_routed = msi_routed,
};

int machine_msi_source(const char *name, uint32_t index, const struct machine_msi_ops *ops,
    void *cookie, struct intr_source **out)
{
	const struct intr_pic *pic = ops->msi_mask != NULL ? &msi_pic : &msi_pic_maskless;
	char source_name[INTR_NAME_MAX];
	struct intr_source *is = NULL;
	struct machine_msi msg;
	struct msi *ms;
	int error;

	KASSERT(ops->msi_write != NULL, "%s: no msi_write", name);
	ms = port_mem_alloc(sizeof(*ms));
	if (ms == NULL)
		return ENOMEM;
	ms->ms_ops = ops;
	ms->ms_cookie = cookie;
	error = x86_vector_reserve(NULL, 0, &ms->ms_now);
	if (error != 0) {
		port_mem_free(ms, sizeof(*ms));
		return error;
	}
	ksnprintf(source_name, sizeof(source_name), "%s:%u", name, index);
	error = intr_source_create(source_name, INTR_MESSAGE, pic, ms, ms->ms_now.ro_cpu, &is);
	if (error != 0) {
		x86_vector_free(&ms->ms_now);
		port_mem_free(ms, sizeof(*ms));
		return error;
	}
	is->is_line = index;
	x86_vector_set(&ms->ms_now, is);
	msi_compose(&ms->ms_now, &msg);
	if (ops->msi_mask != NULL)
		ops->msi_mask(cookie, true);
	ops->msi_write(cookie, &msg);
	*out = is;
	return 0;
}

/*
 * The vector goes before the source, as the table points at it; and comes back if somebody
 * established a handler just then.
 */
int machine_msi_destroy(struct intr_source *is)
{
	struct msi *ms = is->is_cookie;
	struct x86_route route = ms->ms_now;
	int error;

	KASSERT(is->is_pic == &msi_pic || is->is_pic == &msi_pic_maskless,
	    "%s: not a message source", is->is_name);
	if (is->is_nhandlers > 0)
		return EBUSY;
	if (ms->ms_ops->msi_mask != NULL)
		ms->ms_ops->msi_mask(ms->ms_cookie, true);
	x86_vector_clear(&route);
	error = intr_source_destroy(is);
	if (error != 0) {
		x86_vector_set(&route, is);
		return error;
	}
	x86_vector_free(&route);
	port_mem_free(ms, sizeof(*ms));
	return 0;
}
