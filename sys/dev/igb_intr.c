/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * igb_intr.c - what the igb driver does in an interrupt: a filter that quiets, a handler that
 * pulls, and one for what is rare.
 *
 * A queue's filter masks its vector (EIMC) and says HANDLED | SCHEDULE_THREAD. The handler pulls
 * frames out of the ring and gives each to the network, which processes it to completion in this
 * same thread; tells the card, once for all, of what that had to send; reports what was sent; and
 * unmasks (EIMS) when nothing is left. After dev.igb.budget frames it queues itself behind its
 * neighbours (hwi_sched) and leaves its vector masked.
 *
 * A queue rests first, its vector masked, when the cards have taken too much of the CPU
 * (nic_pace.c); and when the network is busy with another queue it returns, its vector masked, and
 * is queued again by that one (nic_turn.c), perhaps on another CPU than its interrupts go to.
 *
 * Going back to sleep. While the vector is masked the card remembers in EICR that something came,
 * and sends its message at EIMS. So nothing can be lost; but what the handler has taken meanwhile
 * is remembered as well, and every run would be followed by another for nothing. Hence the bit is
 * cleared first, and then the ring looked at once more:
 *
 *	CPU					card
 *	ring is empty
 *						frame 1: descriptor, EICR bit
 *	EICR = bit (clear)
 *	read a register (waits for its answer)
 *						EICR bit cleared; answer
 *						frame 2: descriptor, EICR bit
 *	ring: frame 1
 *	EIMS = bit
 *						unmasked, EICR bit: message
 *	(filter: handler runs for frame 2)
 *
 * The answer to the read pushes what the card wrote to memory before it, and the clear arrived
 * before the read. So a frame whose bit the clear took away has its descriptor in memory when the
 * ring is looked at; a frame that comes later sets the bit again, and EIMS tells of it. Without the
 * read, the clear might arrive after frame 2 and after the look at the ring: frame 2 would wait
 * for the next one. A run that found nothing clears nothing, and unmasks at once.
 *
 * A message that is under way when the filter masks (the pause of EITR ends, two frames close
 * together) makes the handler run once more, and that is all.
 *
 * With one source (MSI, or a pin that others share) the filter reads ICR, which clears it. Whoever
 * reads a cause owes a run: the filter schedules the handler whenever ICR names a queue, masked or
 * not. So there too nothing is lost, and there is nothing to be cleared before IMS.
 *
 * The watchdog looks once a second at what no interrupt tells: a card that was pulled out, a
 * transmit ring that stands still, descriptors that made no sense. The last two end in a reset, so
 * a card that goes on lying is reset once a second and no more.
 *
 * What is rare goes to the event handler, which is INTR_MANUAL: link, resets that the card or the
 * watchdog ask for, and that the card has gone. A reset takes the queues' handlers away while the
 * event handler runs, so it must be the owner of the operation (igb.c); if somebody else is, he
 * resets the card in any case, and the event is dropped.
 *
 * Contexts: filters: hard, no locks. Handlers: ithreads at IPL_NET; the watchdog: softclock. They
 * take q_tx_lock, never across a callback. Lock order: q_tx_lock is the last. Invariants that this
 * rests on: I1, I2 (a queue's ring has one user), I12 (reset and down). Not for: registers beyond
 * those of interrupts. Read next: igb.c.
 */
#include "igb_impl.h"

#include <ithaca/clock.h>
#include <ithaca/errno.h>
#include <ithaca/port.h>
#include <ithaca/print.h>

#define REAP_BATCH 32u
#define WINDOW_NS NS_PER_MS /* least time that a rate is taken over */
#define STUCK_MAX 5u        /* looks of the watchdog at a head that stands still */

/* ---- Filters ---- */

static unsigned queue_filter(void *arg)
{
	struct igb_queue *q = arg;

	igb_write(q->q_igb, IGB_EIMC, 1u << q->q_index);
	port_stat_add(&q->q_interrupts, 1);
	return FILTER_HANDLED | FILTER_SCHEDULE_THREAD;
}

void igb_event(struct igb *ig, uint32_t events)
{
	/* Release: pairs with the exchange in event_handler(). */
	atomic_fetch_or_explicit(&ig->ig_events, events, memory_order_release);
	hwi_sched(ig->ig_event_ih);
}

/* What ICR said of link and resets. */
static void causes_note(struct igb *ig, uint32_t icr)
{
	uint32_t events = 0;

	if ((icr & ICR_LSC) != 0)
		events |= IGB_EVENT_LINK;
	if ((icr & ICR_RESET) != 0)
		events |= IGB_EVENT_RESET;
	if (icr == 0xffffffff)
		events = IGB_EVENT_GONE;
	if (events != 0)
		igb_event(ig, events);
}

static unsigned link_filter(void *arg)
{
	struct igb *ig = arg;

	causes_note(ig, igb_read(ig, IGB_ICR));
	return FILTER_HANDLED;
}

/* The only source, perhaps a line that others share. All ones are nobody's: the card has gone. */
static unsigned only_filter(void *arg)
{
	struct igb_queue *q = arg;
	struct igb *ig = q->q_igb;
	uint32_t icr = igb_gone(ig) ? 0 : igb_read(ig, IGB_ICR);

	if (icr == 0)
		return FILTER_STRAY;
	causes_note(ig, icr);
	if (icr == 0xffffffff)
		return FILTER_STRAY;
	port_stat_add(&q->q_interrupts, 1);
	if ((icr & (ICR_RXDW | ICR_TXDW)) == 0)
		return FILTER_HANDLED;
	igb_write(ig, IGB_IMC, ICR_RXDW | ICR_TXDW);
	return FILTER_HANDLED | FILTER_SCHEDULE_THREAD;
}

/* ---- The queue's handler ---- */

static unsigned pull(struct igb_queue *q, const struct nic_client *client, unsigned budget)
{
	struct nic *nic = &q->q_igb->ig_nic;
	struct nic_buf *nb;
	unsigned n = 0;

	for (; n < budget; n++) {
		enum igb_rx_verdict verdict = igb_rx_pull(&q->q_rx, &nb);

		if (verdict == IGB_RX_NONE)
			break;
		/* The card gets its descriptors back in portions, in time before it runs dry. */
		if ((q->q_rx.rx_next & (IGB_RX_RING / 8 - 1)) == 0)
			igb_doorbell(q->q_igb, IGB_RX(q->q_index, RX_RDT), igb_rx_tail(&q->q_rx));
		if (verdict != IGB_RX_FRAME)
			continue;
		nb->nb_queue = (uint16_t)q->q_index;
		if (client != NULL)
			client->nc_input(nic, nb);
		else
			nic_frame_free(nb);
	}
	if (n > 0)
		igb_doorbell(q->q_igb, IGB_RX(q->q_index, RX_RDT), igb_rx_tail(&q->q_rx));
	return n;
}

/* q_tx_lock held: the handler's own frames, told of together. */
static void tell(struct igb_queue *q)
{
	if (q->q_tx_owed)
		igb_doorbell(q->q_igb, IGB_TX(q->q_index, TX_TDT), q->q_tx.tx_next);
	q->q_tx_owed = false;
}

/* Report what the card has sent; the lock is not held in a callback. */
static unsigned reap(struct igb_queue *q, const struct nic_client *client)
{
	void *cookie[REAP_BATCH];
	unsigned n, sum = 0;

	do {
		n = 0;
		mutex_enter(&q->q_tx_lock);
		tell(q);
		while (n < REAP_BATCH && igb_tx_reap(&q->q_tx, false, &cookie[n]))
			n++;
		mutex_exit(&q->q_tx_lock);
		for (unsigned i = 0; i < n && client != NULL; i++)
			client->nc_sent(&q->q_igb->ig_nic, cookie[i]);
		sum += n;
	} while (n == REAP_BATCH && sum < IGB_TX_RING);
	if (sum > 0)
		port_stat_add(&q->q_tx_reaped, sum);
	return sum;
}

/* Adaptive: from the rate since the window began to the pause that fits. */
static void adapt(struct igb_queue *q)
{
	uint32_t us = atomic_load_explicit(&q->q_igb->ig_pause, memory_order_relaxed);
	uint64_t now, packets, passed;

	if (us == NIC_ADAPTIVE) {
		now = clock_ns();
		passed = now - q->q_window_ns;
		if (passed < WINDOW_NS)
			return;
		packets =
		    atomic_load_explicit(&q->q_rx.rx_count[IGB_RX_FRAME], memory_order_relaxed) +
		    atomic_load_explicit(&q->q_tx_reaped, memory_order_relaxed);
		us = igb_adapt(q->q_pause_us, packets - q->q_window_packets, passed);
		q->q_window_ns = now;
		q->q_window_packets = packets;
	}
	if (us != q->q_pause_us)
		igb_hw_pause(q, us);
}

static void unmask(struct igb_queue *q)
{
	if (igb_vectors(q->q_igb))
		igb_write(q->q_igb, IGB_EIMS, 1u << q->q_index);
	else
		igb_write(q->q_igb, IGB_IMS, ICR_RXDW | ICR_TXDW);
}

/* Have the card forget what was taken already. True: look at the rings again then; see above. */
static bool settle(struct igb_queue *q)
{
	if (!igb_vectors(q->q_igb))
		return false;
	igb_write(q->q_igb, IGB_EICR, 1u << q->q_index);
	(void)igb_read(q->q_igb, IGB_STATUS);
	return true;
}

static bool queue_handler(void *arg)
{
	struct igb_queue *q = arg;
	struct nic *nic = &q->q_igb->ig_nic;
	/* Acquire: pairs with nic.c's release; the client is complete. */
	const struct nic_client *client =
	    atomic_load_explicit(&nic->nic_client, memory_order_acquire);
	unsigned budget = igb_budget(), n = 0, done;

	port_stat_add(&q->q_rounds, 1);
	if (nic_pace_over(&q->q_pace, q->q_ih))
		return true;
	if (client != NULL && !client->nc_begin(nic, q->q_index, &q->q_pace.np_turn))
		return true;
	atomic_store_explicit(&q->q_lwp, curlwp, memory_order_relaxed); /* for ourselves */
	do {
		done = pull(q, client, budget - n);
		done += reap(q, client);
		n += done;
	} while (done > 0 && n < budget && settle(q));
	if (client != NULL)
		client->nc_end(nic, q->q_index);
	atomic_store_explicit(&q->q_lwp, NULL, memory_order_relaxed); /* for ourselves */
	mutex_enter(&q->q_tx_lock);
	tell(q);
	mutex_exit(&q->q_tx_lock);
	adapt(q);
	if (n >= budget) {
		port_stat_add(&q->q_yields, 1);
		hwi_sched(q->q_ih);
	} else {
		unmask(q);
	}
	return true;
}

/* ---- Events ---- */

static void link_look(struct igb *ig)
{
	struct nic *nic = &ig->ig_nic;
	/* Acquire: pairs with nic.c's release. */
	const struct nic_client *client =
	    atomic_load_explicit(&nic->nic_client, memory_order_acquire);
	uint32_t mbps;
	bool link = !igb_gone(ig) && igb_hw_link(ig, &mbps);

	if (link) /* Relaxed: shown, and read again when it changes. */
		atomic_store_explicit(&nic->nic_mbps, mbps, memory_order_relaxed);
	if (atomic_exchange_explicit(&nic->nic_link, link, memory_order_relaxed) == link)
		return;
	igb_bump(&ig->ig_link_changes, 1);
	if (client != NULL)
		client->nc_link(nic);
}

static void vanished(struct igb *ig)
{
	/* Relaxed: whoever misses it writes to nobody for a while longer. */
	if (atomic_exchange_explicit(&ig->ig_gone, true, memory_order_relaxed))
		return;
	kprintf("%s: the card at %s does not answer any more: pulled out?\n", ig->ig_nic.nic_name,
	    ig->ig_dev->pd_name);
}

static bool event_handler(void *arg)
{
	struct igb *ig = arg;
	/* Acquire: with the release in igb_event(). */
	uint32_t events = atomic_exchange_explicit(&ig->ig_events, 0, memory_order_acquire);

	if ((events & IGB_EVENT_GONE) != 0 && !igb_hw_present(ig))
		vanished(ig);
	if ((events & IGB_EVENT_RESET) != 0 && !igb_gone(ig) && igb_begin(ig, false)) {
		kprintf("%s: reset\n", ig->ig_nic.nic_name);
		(void)igb_restart(ig);
		igb_end(ig);
	}
	link_look(ig);
	return true;
}

/* ---- The watchdog ---- */

/* Has the card stopped reading its transmit ring? A pause that the other end asked for is none. */
static bool queue_stuck(struct igb_queue *q, bool may)
{
	struct igb *ig = q->q_igb;
	uint32_t head;
	bool stuck;

	mutex_enter(&q->q_tx_lock);
	head = igb_read(ig, IGB_TX(q->q_index, TX_TDH));
	if (may && q->q_tx_open && !q->q_tx_owed && head != q->q_tx.tx_next && head == q->q_tx_seen)
		q->q_tx_stuck++;
	else
		q->q_tx_stuck = 0;
	q->q_tx_seen = head;
	stuck = q->q_tx_stuck == STUCK_MAX;
	mutex_exit(&q->q_tx_lock);
	return stuck;
}

/* Descriptors that no working card writes; after them we may look at the wrong end of the ring. */
static bool queue_odd(struct igb_queue *q)
{
	_Atomic uint64_t *count = q->q_rx.rx_count;
	/* Relaxed: counts. */
	uint64_t odd = atomic_load_explicit(&count[IGB_RX_PART], memory_order_relaxed) +
	    atomic_load_explicit(&count[IGB_RX_LENGTH], memory_order_relaxed);
	bool more = odd != q->q_odd_seen;

	if (more)
		kprintf("%s: queue %u: %llu descriptors made no sense\n", q->q_igb->ig_nic.nic_name,
		    q->q_index, (unsigned long long)(odd - q->q_odd_seen));
	q->q_odd_seen = odd;
	return more;
}

/* Softclock. What an interrupt should have told, and what none can tell. */
void igb_watch(void *arg)
{
	struct igb *ig = arg;
	uint32_t status = igb_read(ig, IGB_STATUS);
	bool link = (status & STATUS_LU) != 0;

	if (igb_gone(ig))
		return;
	if (!igb_hw_present(ig)) {
		igb_event(ig, IGB_EVENT_GONE);
		return;
	}
	/* Relaxed: a hint; link_look() settles it. */
	if (link != atomic_load_explicit(&ig->ig_nic.nic_link, memory_order_relaxed))
		igb_event(ig, IGB_EVENT_LINK);
	for (unsigned i = 0; i < ig->ig_nqueues; i++) {
		struct igb_queue *q = ig->ig_queue[i];
		bool again = queue_odd(q);

		if (queue_stuck(q, link && (status & STATUS_TXOFF) == 0)) {
			igb_bump(&ig->ig_hangs, 1);
			kprintf("%s: queue %u: nothing was sent for %u s\n", ig->ig_nic.nic_name, i,
			    STUCK_MAX);
			again = true;
		}
		if (again)
			igb_event(ig, IGB_EVENT_RESET);
	}
}

/* ---- Establishing ---- */

static void remove_handler(struct igb *ig, struct intr_handler **ih)
{
	if (*ih == NULL)
		return;
	if (intr_disestablish(*ih) != 0)
		panic("%s: disestablished from its own handler", ig->ig_nic.nic_name);
	*ih = NULL;
}

/* Filters go before the handler of events that they schedule. */
void igb_disestablish(struct igb *ig, bool link)
{
	for (unsigned i = 0; i < ig->ig_nqueues; i++) {
		if (ig->ig_queue[i]->q_ih != NULL)
			nic_pace_stop(&ig->ig_queue[i]->q_pace);
		remove_handler(ig, &ig->ig_queue[i]->q_ih);
	}
	if (!link)
		return;
	remove_handler(ig, &ig->ig_link_ih);
	callout_halt(&ig->ig_watchdog, NULL);
	remove_handler(ig, &ig->ig_event_ih);
}

static int establish_events(struct igb *ig)
{
	struct intr_source *is = ig->ig_source[igb_vectors(ig) ? ig->ig_nqueues : 0];
	char name[INTR_NAME_MAX];
	int error;

	ksnprintf(name, sizeof(name), "%s-event", ig->ig_nic.nic_name);
	error = intr_establish(is, name, IPL_NET, INTR_MANUAL, NULL, event_handler, ig,
	    &ig->ig_event_ih);
	if (error != 0) {
		ig->ig_event_ih = NULL;
		return error;
	}
	if (!igb_vectors(ig))
		return 0;
	ksnprintf(name, sizeof(name), "%s-link", ig->ig_nic.nic_name);
	error = intr_establish(is, name, IPL_VM, 0, link_filter, NULL, ig, &ig->ig_link_ih);
	if (error != 0)
		ig->ig_link_ih = NULL;
	return error;
}

int igb_establish(struct igb *ig, bool link)
{
	char name[INTR_NAME_MAX];
	int error = link ? establish_events(ig) : 0;

	for (unsigned i = 0; i < ig->ig_nqueues && error == 0; i++) {
		struct igb_queue *q = ig->ig_queue[i];

		nic_pace_start(&q->q_pace);
		ksnprintf(name, sizeof(name), "%s-q%u", ig->ig_nic.nic_name, i);
		error = intr_establish(q->q_source, name, IPL_NET, 0,
		    igb_vectors(ig) ? queue_filter : only_filter, queue_handler, q, &q->q_ih);
		if (error != 0)
			q->q_ih = NULL;
	}
	if (error != 0)
		igb_disestablish(ig, link);
	return error;
}
