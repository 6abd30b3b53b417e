/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rwlock.c - the example of rwlock(9), which shows it: a network interface that looks up every
 * packet's address in a table that seldom changes. Compiled and run by tests/unit/t_examples.c.
 */
#include <ithaca/errno.h>
#include <ithaca/intr.h>
#include <ithaca/rwlock.h>

#define NIC_ADDRS 8

struct nic {
	struct intr_handler *n_ih;
	struct rwlock n_lock;
	unsigned n_count;            /* (n_lock) */
	uint64_t n_addr[NIC_ADDRS];  /* (n_lock) */
	unsigned n_taken, n_dropped; /* by the handler alone */
};

/* The chip: the next packet's address; false: no more, and the interrupt is quiet. */
static bool nic_packet(struct nic *n, uint64_t *addr);

/* n_lock is held, in either way. */
static bool nic_find(const struct nic *n, uint64_t addr)
{
	unsigned i;

	for (i = 0; i < n->n_count; i++)
		if (n->n_addr[i] == addr)
			return true;
	return false;
}

static bool nic_thread(void *arg)
{
	struct nic *n = arg;
	uint64_t addr;
	bool mine = false;

	rw_enter(&n->n_lock, RW_READER); /* may block: the line stays masked, others run */
	while (nic_packet(n, &addr)) {
		mine = true;
		if (nic_find(n, addr))
			n->n_taken++;
		else
			n->n_dropped++;
	}
	rw_exit(&n->n_lock);
	return mine;
}

static int nic_join(struct nic *n, uint64_t addr)
{
	int error = 0;

	rw_enter(&n->n_lock, RW_READER);
	if (nic_find(n, addr)) {
		rw_exit(&n->n_lock);
		return EEXIST;
	}
	if (!rw_tryupgrade(&n->n_lock)) { /* other readers are in: out, in again, look again */
		rw_exit(&n->n_lock);
		rw_enter(&n->n_lock, RW_WRITER);
	}
	if (nic_find(n, addr))
		error = EEXIST;
	else if (n->n_count == NIC_ADDRS)
		error = ENOSPC;
	else
		n->n_addr[n->n_count++] = addr;
	rw_exit(&n->n_lock);
	return error;
}

static int nic_attach(struct nic *n, struct intr_source *is)
{
	rw_init(&n->n_lock, "nic addresses");
	return intr_establish(is, "nic", IPL_NET, 0, NULL, nic_thread, n, &n->n_ih);
}

static void nic_detach(struct nic *n)
{
	(void)intr_disestablish(n->n_ih);
	rw_destroy(&n->n_lock);
}
