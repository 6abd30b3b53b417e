/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nic.c - the pool of buffers that all network cards share, and the list of the cards.
 *
 * A buffer is NIC_BUF_SIZE bytes that a card writes into, half a page, and a struct nic_buf that
 * says where. Buffers are made two by two, when all that exist are in use, up to net.bufs_max; they
 * stay with the pool for ever. The free ones lie in two places: a short list for each CPU, which
 * its threads use with preemption disabled and no lock, and the depot, which the lists are filled
 * from and emptied into BATCH at a time under a mutex. What one CPU allocates and another frees
 * wanders through the depot; a list never holds more than 2 BATCH, so that at most that much for
 * each CPU can lie where nobody else gets at it.
 *
 * Contexts: thread, levels up to IPL_TTY. Lock order: nic_show, then nic_list, then what a driver
 * takes; the depot's mutex is the last of all. nic_show orders the client's attach and detach
 * callbacks; it is not held in nic_up() and nic_down(), which those callbacks call.
 *
 * A card may be taken away while somebody asks it for figures: whoever keeps a struct nic beyond
 * nic_each() holds it (nic_hold), and nic_detach() waits for him.
 *
 * Not for: packets on their way out, which lie where the network made them.
 * Read next: nic.h for the rules, net/card.c for the client.
 */
#include "nic.h"

#include "mem/kmem.h"
#include "mem/page.h"
#include "nic_pace.h"
#include "nic_turn.h"
#include <ithaca/condvar.h>
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/intr.h>
#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/string.h>
#include <ithaca/sysctl.h>

#define BATCH 32
#define BUFS_MAX 16384 /* net.bufs_max unless memory is small */
#define NICS_MAX 16

/* Locking key: (i) own CPU only, preemption disabled; (~) atomic. */
struct cache {
	_Alignas(64) struct nic_buf *ca_list; /* (i) */
	_Atomic uint32_t ca_count;            /* (~) own CPU writes, anyone reads; relaxed */
};

static struct cache caches[CPU_MAX];

/* Locking key: (d) depot_mutex; (~) atomic. */
static struct mutex depot_mutex;
static struct nic_buf *depot;       /* (d) */
static uint64_t depot_count;        /* (d) */
static uint64_t bufs_made;          /* (d) */
static _Atomic uint64_t bufs_max;   /* (~) relaxed: a limit, read under (d) */
static _Atomic uint64_t bufs_short; /* (~) relaxed: a count */

static struct mutex nic_show; /* callbacks of attaching and detaching, one at a time */
static struct mutex nic_list; /* (n) of nic.h: the list, up and down, and the MTU */
static struct condvar nic_let_go;
static struct list nics = LIST_INIT(nics);   /* (n) */
static unsigned nics_count;                  /* (n) */
static const struct nic_client *nics_client; /* (n) */

/* ---- The pool ---- */

/* make_two - a page becomes two buffers in the depot. */
static bool make_two(void)
{
	struct nic_buf *nb = kmem_alloc(2 * sizeof(*nb));
	uint64_t phys = nb != NULL ? page_alloc(0, 0) : 0;

	_Static_assert(2 * NIC_BUF_SIZE == PAGE_SIZE, "two in a page");
	if (phys == 0) {
		kmem_free(nb, 2 * sizeof(*nb));
		return false;
	}
	for (unsigned i = 0; i < 2; i++) {
		nb[i].nb_phys = phys + (uint64_t)i * NIC_BUF_SIZE;
		nb[i].nb_space = machine_phys_to_virt(nb[i].nb_phys);
		nb[i].nb_next = depot;
		depot = &nb[i];
	}
	depot_count += 2;
	bufs_made += 2;
	return true;
}

/* take_batch - up to BATCH buffers from the depot, as a list; NULL: there are none. */
static struct nic_buf *take_batch(unsigned *count)
{
	struct nic_buf *list = NULL, *nb;
	unsigned n = 0;

	mutex_enter(&depot_mutex);
	while (depot_count < BATCH &&
	    bufs_made + 2 <= atomic_load_explicit(&bufs_max, memory_order_relaxed) && make_two())
		continue;
	while (n < BATCH && depot != NULL) {
		nb = depot;
		depot = nb->nb_next;
		nb->nb_next = list;
		list = nb;
		n++;
	}
	depot_count -= n;
	mutex_exit(&depot_mutex);
	*count = n;
	return list;
}

/* give_batch - a list of buffers goes back to the depot. */
static void give_batch(struct nic_buf *list)
{
	struct nic_buf *nb;

	mutex_enter(&depot_mutex);
	while (list != NULL) {
		nb = list;
		list = nb->nb_next;
		nb->nb_next = depot;
		depot = nb;
		depot_count++;
	}
	mutex_exit(&depot_mutex);
}

static uint32_t cached(const struct cache *ca)
{
	return atomic_load_explicit(&ca->ca_count, memory_order_relaxed);
}

static struct nic_buf *cache_take(void)
{
	struct cache *ca;
	struct nic_buf *nb;

	preempt_disable();
	ca = &caches[curcpu()->ci_index];
	nb = ca->ca_list;
	if (nb != NULL) {
		ca->ca_list = nb->nb_next;
		/* Relaxed: own CPU writes; pairs with the reader in bufs_free(). */
		atomic_store_explicit(&ca->ca_count, cached(ca) - 1, memory_order_relaxed);
	}
	preempt_enable();
	return nb;
}

/* cache_put - a list of `count` buffers, whose last is `last`, to this CPU's; what then is too much
 * is returned, to go to the depot. */
static struct nic_buf *cache_put(struct nic_buf *list, struct nic_buf *last, unsigned count)
{
	struct nic_buf *over = NULL, *nb;
	struct cache *ca;
	unsigned n;

	preempt_disable();
	ca = &caches[curcpu()->ci_index];
	last->nb_next = ca->ca_list;
	ca->ca_list = list;
	n = cached(ca) + count;
	if (n > 2 * BATCH) {
		for (; n > BATCH; n--) {
			nb = ca->ca_list;
			ca->ca_list = nb->nb_next;
			nb->nb_next = over;
			over = nb;
		}
	}
	atomic_store_explicit(&ca->ca_count, n, memory_order_relaxed); /* as in cache_take() */
	preempt_enable();
	return over;
}

struct nic_buf *nic_buf_alloc(void)
{
	struct nic_buf *nb = cache_take(), *list, *last;
	unsigned n;

	if (nb == NULL) {
		list = take_batch(&n);
		if (list == NULL) {
			atomic_fetch_add_explicit(&bufs_short, 1, memory_order_relaxed);
			return NULL;
		}
		nb = list;
		list = nb->nb_next;
		for (last = list; last != NULL && last->nb_next != NULL;)
			last = last->nb_next;
		if (list != NULL && (list = cache_put(list, last, n - 1)) != NULL)
			give_batch(list);
	}
	nb->nb_next = NULL;
	nb->nb_data = nb->nb_space;
	nb->nb_len = 0;
	nb->nb_hash = 0;
	nb->nb_queue = 0;
	nb->nb_csum = 0;
	return nb;
}

void nic_buf_free(struct nic_buf *nb)
{
	struct nic_buf *over;

	KASSERT(nb != NULL && nb->nb_next == NULL, "buffer %p: freed twice, or on a list",
	    (void *)nb);
	over = cache_put(nb, nb, 1);
	if (over != NULL)
		give_batch(over);
}

/* ---- Cards ---- */

/* number - the next free name of `stem`. */
static void number(struct nic *nic, const char *stem)
{
	struct list *e;

	for (unsigned i = 0; i <= NICS_MAX; i++) {
		bool taken = false;

		(void)ksnprintf(nic->nic_name, sizeof(nic->nic_name), "%s%u", stem, i);
		LIST_EACH(e, &nics)
			taken |= strcmp(container_of(e, struct nic, nic_all)->nic_name,
				     nic->nic_name) == 0;
		if (!taken)
			return;
	}
}

int nic_attach(struct nic *nic, const char *stem)
{
	const struct nic_client *client;

	KASSERT(nic->nic_queues >= 1 && nic->nic_queues <= NIC_QUEUES_MAX, "%s: %u queues", stem,
	    nic->nic_queues);
	KASSERT(nic->nic_mtu_max <= NIC_MTU_MAX, "%s: an MTU of %u", stem, nic->nic_mtu_max);
	if (!intr_may_block()) {
		kprintf("%s: no network: its handlers may block, which the interrupt model %s "
			"does not allow\n",
		    stem, intr_model());
		return EOPNOTSUPP;
	}
	mutex_enter(&nic_show);
	mutex_enter(&nic_list);
	if (nics_count == NICS_MAX) {
		mutex_exit(&nic_list);
		mutex_exit(&nic_show);
		return ENOSPC;
	}
	nic->nic_up = false;
	nic->nic_holds = 0;
	nic->nic_mtu = nic->nic_mtu_max < NIC_MTU ? nic->nic_mtu_max : NIC_MTU;
	(void)nic_sums_set(nic, nic->nic_sums != 0);
	number(nic, stem);
	list_append(&nics, &nic->nic_all);
	nics_count++;
	client = nics_client;
	/* Release: pairs with the drivers' acquire; what nc_attach() makes is made before up. */
	atomic_store_explicit(&nic->nic_client, client, memory_order_release);
	mutex_exit(&nic_list);
	if (client != NULL)
		client->nc_attach(nic);
	mutex_exit(&nic_show);
	return 0;
}

void nic_detach(struct nic *nic)
{
	const struct nic_client *client;

	mutex_enter(&nic_show);
	client = atomic_load_explicit(&nic->nic_client, memory_order_relaxed); /* (n) wrote it */
	if (client != NULL)
		client->nc_detach(nic);
	mutex_enter(&nic_list);
	if (nic->nic_up)
		nic->nic_ops->no_down(nic);
	nic->nic_up = false;
	list_remove(&nic->nic_all);
	nics_count--;
	while (nic->nic_holds != 0)
		cv_wait(&nic_let_go, &nic_list);
	/* Release: as in nic_attach(). */
	atomic_store_explicit(&nic->nic_client, NULL, memory_order_release);
	mutex_exit(&nic_list);
	mutex_exit(&nic_show);
}

int nic_client_set(const struct nic_client *client)
{
	struct nic *show[NICS_MAX];
	unsigned n = 0;
	struct list *e;

	mutex_enter(&nic_show);
	mutex_enter(&nic_list);
	if (nics_client != NULL) {
		mutex_exit(&nic_list);
		mutex_exit(&nic_show);
		return EBUSY;
	}
	nics_client = client;
	LIST_EACH(e, &nics) {
		show[n] = container_of(e, struct nic, nic_all);
		atomic_store_explicit(&show[n]->nic_client, client, memory_order_release);
		n++;
	}
	mutex_exit(&nic_list);
	for (unsigned i = 0; i < n; i++)
		client->nc_attach(show[i]);
	mutex_exit(&nic_show);
	return 0;
}

int nic_up(struct nic *nic)
{
	int error = 0;

	mutex_enter(&nic_list);
	if (!list_linked(&nic->nic_all))
		error = ENXIO;
	else if (!nic->nic_up)
		error = nic->nic_ops->no_up(nic);
	if (error == 0)
		nic->nic_up = true;
	mutex_exit(&nic_list);
	return error;
}

void nic_down(struct nic *nic)
{
	mutex_enter(&nic_list);
	if (nic->nic_up)
		nic->nic_ops->no_down(nic);
	nic->nic_up = false;
	mutex_exit(&nic_list);
}

/* mtu_down - (n) down, with the client told that there is no link. */
static void mtu_down(struct nic *nic)
{
	nic->nic_ops->no_down(nic);
	if (nics_client != NULL)
		nics_client->nc_link(nic);
}

/* mtu_up - (n) up again with another MTU, or, if that cannot be, with the one before. */
static int mtu_up(struct nic *nic, uint16_t before)
{
	int error = nic->nic_ops->no_up(nic), again;

	if (error == 0)
		return 0;
	nic->nic_mtu = before;
	again = nic->nic_ops->no_up(nic);
	nic->nic_up = again == 0;
	if (again != 0)
		kprintf("%s: stays down after a change of its MTU: %s\n", nic->nic_name,
		    errno_name(again));
	return error;
}

int nic_mtu_set(struct nic *nic, unsigned mtu)
{
	uint16_t before;
	int error = 0;

	mutex_enter(&nic_list);
	before = nic->nic_mtu;
	if (!list_linked(&nic->nic_all)) {
		error = ENXIO;
	} else if (mtu < NIC_MTU_MIN || mtu > nic->nic_mtu_max) {
		error = ERANGE;
	} else if (mtu != before) {
		if (nic->nic_up)
			mtu_down(nic);
		nic->nic_mtu = (uint16_t)mtu;
		if (nic->nic_up)
			error = mtu_up(nic, before);
	}
	mutex_exit(&nic_list);
	return error;
}

int nic_sums_set(struct nic *nic, bool on)
{
	/* Relaxed: each frame is as it is said with it. */
	atomic_store_explicit(&nic->nic_sums_use, on ? nic->nic_sums : 0, memory_order_relaxed);
	return on && nic->nic_sums == 0 ? EOPNOTSUPP : 0;
}

void nic_describe(struct nic *nic, void (*print)(const char *fmt, ...))
{
	/* Relaxed: for show. */
	unsigned use = atomic_load_explicit(&nic->nic_sums_use, memory_order_relaxed);

	print("mtu %u of at most %u; sums that the card makes:%s%s%s\n", nic->nic_mtu,
	    nic->nic_mtu_max, (use & NIC_CSUM_IP) != 0 ? " IPv4 header" : "",
	    (use & NIC_CSUM_L4) != 0 ? " TCP UDP" : "",
	    use != 0                 ? ""
		: nic->nic_sums != 0 ? " none (it could)"
				     : " none");
	if (nic->nic_ops->no_describe != NULL)
		nic->nic_ops->no_describe(nic, print);
}

struct nic *nic_hold(const char *name)
{
	struct nic *nic = NULL;
	struct list *e;

	mutex_enter(&nic_list);
	LIST_EACH(e, &nics) {
		if (strcmp(container_of(e, struct nic, nic_all)->nic_name, name) == 0)
			nic = container_of(e, struct nic, nic_all);
	}
	if (nic != NULL)
		nic->nic_holds++;
	mutex_exit(&nic_list);
	return nic;
}

void nic_release(struct nic *nic)
{
	mutex_enter(&nic_list);
	KASSERT(nic->nic_holds > 0, "%s: released, and nobody holds it", nic->nic_name);
	if (--nic->nic_holds == 0)
		cv_broadcast(&nic_let_go);
	mutex_exit(&nic_list);
}

void nic_each(bool (*fn)(struct nic *nic, void *arg), void *arg)
{
	struct list *e;

	mutex_enter(&nic_list);
	LIST_EACH(e, &nics) {
		if (!fn(container_of(e, struct nic, nic_all), arg))
			break;
	}
	mutex_exit(&nic_list);
}

/* ---- Figures ---- */

static uint64_t bufs_get(struct sysctl *sy)
{
	uint64_t n;

	(void)sy;
	mutex_enter(&depot_mutex);
	n = bufs_made;
	mutex_exit(&depot_mutex);
	return n;
}

static uint64_t bufs_free(struct sysctl *sy)
{
	uint64_t n;

	(void)sy;
	mutex_enter(&depot_mutex);
	n = depot_count;
	mutex_exit(&depot_mutex);
	for (unsigned i = 0; i < CPU_MAX; i++)
		n += cached(&caches[i]);
	return n;
}

static struct sysctl nodes[] = {
    {.sy_name = "net.bufs",
	.sy_doc = "buffers of the network cards that exist",
	.sy_get = bufs_get},
    {.sy_name = "net.bufs_free", .sy_doc = "of those, not in use", .sy_get = bufs_free},
    {.sy_name = "net.bufs_max",
	.sy_doc = "most that are made (those that exist stay)",
	.sy_value = &bufs_max,
	.sy_min = 2,
	.sy_max = 1 << 20},
    {.sy_name = "net.bufs_short",
	.sy_doc = "times that none was to be had",
	.sy_value = &bufs_short},
};

void nic_init(void)
{
	struct page_stats ps;
	uint64_t max;

	mutex_init(&depot_mutex, "nic buffers", IPL_TTY);
	nic_turn_init();
	nic_pace_init();
	mutex_init(&nic_show, "nic attach", IPL_NONE);
	mutex_init(&nic_list, "nic list", IPL_NONE);
	cv_init(&nic_let_go, "nic held");
	page_stats_get(&ps);
	max = ps.ps_total / 4 * (PAGE_SIZE / NIC_BUF_SIZE); /* a quarter of the memory at most */
	atomic_store_explicit(&bufs_max, max < BUFS_MAX ? max : BUFS_MAX, memory_order_relaxed);
	sysctl_publish(nodes, sizeof(nodes) / sizeof(nodes[0]));
}
