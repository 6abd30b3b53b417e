/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * core.c - the network: its lock, its start, and packets from this machine to itself.
 *
 * lwIP is one data structure under one lock, ours: an adaptive mutex. There is no network thread.
 * Whoever has something for lwIP takes the lock and does it: the handler of a card's queue takes it
 * once a run and processes what it pulls to completion (card.c), a callout takes it for lwIP's
 * times (timers.c), a command for as long as it reads (config.c). Who finds it taken spins while
 * the owner runs, and otherwise blocks and lends its priority, which is what ithreads are for. How
 * often and for how long is counted here: net.lock.*.
 *
 * Handlers do not wait for one another. One that finds another's run in the lock, or about to get
 * it, returns with its card quiet, and is queued by whoever leaves, on his CPU (dev/nic_turn.c); so
 * several queues take turns at TCP without a CPU that spins, or is woken for each run. What a
 * handler may wait for is an lwp, which is lent its priority, and the handlers that were put off
 * need not lend any: the one that waits is as urgent as they are.
 *
 * A packet that this machine sends to itself is queued by lwIP at the interface. An lwp, made when
 * the first such packet is, puts them in again, a few at a time: in a softint they would keep
 * softclock off for as long as a transfer from here to here lasts.
 *
 * The lock is taken by turns. A handler that has used up its budget leaves the lock and is back for
 * it in less time than another CPU needs to see that it was free; with nothing but a mutex, a queue
 * that never runs dry keeps lwps out for seconds, and handlers that were put off too often. So
 * there is a second mutex, the turn: it is held by who is next, while he waits, and is the one that
 * the rest wait for.
 *
 * Contexts: thread. Lock order: the turn, the core lock, what a driver takes to send, the depot of
 * the buffers (nic.c); last, that of who sleeps. Nothing but memory is allocated under them. Not
 * for: sockets; there are none.
 * Read next: card.c, then timers.c, glue.c; net.h for commands.
 */
#include "core.h"
#include "loop.h"

#include "dev/nic_turn.h"
#include <ithaca/clock.h>
#include <ithaca/errno.h>
#include <ithaca/lwp.h>
#include <ithaca/mutex.h>
#include <ithaca/print.h>
#include <ithaca/sleepq.h>
#include <ithaca/sysctl.h>
#include <lwip/init.h>
#include <lwip/ip.h>
#include <lwip/netif.h>
#include <lwip/priv/tcp_priv.h>

#define BREATH (100 * NS_PER_US) /* that a handler keeps others waiting before it lets them in */
#define LOOP_BUDGET 64           /* packets to itself between two releases of the lock */

/* Locking key: (a) set once; (n) net_mutex; (~) atomic. */
static struct mutex net_mutex;
static struct mutex net_turn;               /* who is next for net_mutex */
static struct mutex net_sleep;              /* of the condition variables of net_wait() */
static uint64_t lock_since;                 /* (n) counter when it was taken */
static uint64_t enters, contended;          /* (n) */
static uint64_t waited_ticks, waited_worst; /* (n) */
static uint64_t held_ticks, held_worst;     /* (n) */
static uint64_t breaths;                    /* (n) */
static uint64_t breath_ticks;               /* (a) BREATH in ticks */
static _Atomic unsigned runs;               /* (~) of cards' handlers, in the lock or before it */
static _Atomic uint64_t put_offs;           /* (~) relaxed: a count */

static struct condvar loop_cv;
static bool loop_made;         /* (n) the lwp exists, or is being made */
static uint64_t loop_failures; /* (n) times that it could not be */
static uint64_t loop_packets;  /* (n) */
static uint64_t tcp_again;     /* (n) */

/* ---- The lock ---- */

/* lock - by way of the turn: who comes back for the lock at once finds the turn taken by whom he
 * kept waiting, and so comes after him. */
static void lock(void)
{
	mutex_enter(&net_turn);
	mutex_enter(&net_mutex);
	mutex_exit(&net_turn);
}

static void unlock(void)
{
	uint64_t held = port_counter() - lock_since;

	held_ticks += held;
	if (held > held_worst)
		held_worst = held;
	mutex_exit(&net_mutex);
}

void net_enter(void)
{
	uint64_t begun = 0, now;

	/* A look ahead, not a try: a try would hide the order of the locks from witness.c. Who
	 * slips in between is waited for and not counted. */
	if (mutex_owner(&net_mutex) != NULL || mutex_owner(&net_turn) != NULL)
		begun = port_counter();
	lock();
	now = port_counter();
	lock_since = now;
	enters++;
	if (begun == 0)
		return;
	contended++;
	waited_ticks += now - begun;
	if (now - begun > waited_worst)
		waited_worst = now - begun;
}

/* A run that waits for the lock, because an lwp has it, counts as well: one is enough to lend it
 * priority, and comes before those that are put off. */
bool net_enter_run(struct nic_turn *nt)
{
	if (nt != NULL && nic_turn_put_off(nt, &runs)) {
		atomic_fetch_add_explicit(&put_offs, 1, memory_order_relaxed); /* a count */
		return false;
	}
	/* Relaxed: orders nothing; nic_turn.c has the fences. */
	atomic_fetch_add_explicit(&runs, 1, memory_order_relaxed);
	net_enter();
	return true;
}

void net_breathe(void)
{
	if (mutex_owner(&net_turn) == NULL || port_counter() - lock_since < breath_ticks)
		return;
	unlock();
	net_enter();
	breaths++;
}

bool net_locked(void)
{
	return mutex_owned(&net_mutex);
}

/* ---- To itself ---- */

static void loop_main(void *arg)
{
	struct netif *netif;
	struct pbuf *p;

	(void)arg;
	net_enter();
	for (;;) {
		for (unsigned n = 0; n < LOOP_BUDGET && (p = net_loop_take(&netif)) != NULL; n++) {
			loop_packets++;
			net_capture(netif, p, NET_WAY_SELF);
			if (ip_input(p, netif) != ERR_OK)
				pbuf_free(p);
		}
		if (!net_loop_pending()) {
			(void)net_wait(&loop_cv, SLEEP_FOREVER);
		} else {
			net_exit();
			lwp_yield();
			net_enter();
		}
	}
}

static void loop_make(void)
{
	int error = lwp_create("net loop", PRI_KERNEL, NULL, 0, loop_main, NULL, NULL);

	if (error == 0)
		return;
	kprintf("net: no lwp for packets to this machine: %s\n", errno_name(error));
	net_enter();
	loop_made = false; /* the next packet tries again */
	loop_failures++;
	unlock();
}

/* loop_kick - packets to itself are somebody's business; true: of an lwp that is to be made. */
static bool loop_kick(void)
{
	bool make = !loop_made;

	if (!net_loop_pending())
		return false;
	loop_made = true;
	net_wake(&loop_cv);
	return make;
}

void net_exit(void)
{
	bool make = loop_kick();

	unlock();
	if (make)
		loop_make();
}

void net_exit_run(void)
{
	net_exit();
	/* Relaxed: a fence follows in nic_turn_next(). */
	atomic_fetch_sub_explicit(&runs, 1, memory_order_relaxed);
	nic_turn_next();
}

/* ---- To wait ---- */

int net_wait(struct condvar *cv, uint64_t ns)
{
	bool make = loop_kick();
	int error;

	/* Not cv_wait() with the core lock, which would come back to it past the turn. Who wakes us
	 * holds the core lock, so he comes after the unlock, and needs the other, so he comes after
	 * we sleep. */
	mutex_enter(&net_sleep);
	unlock();
	if (make) {
		mutex_exit(&net_sleep);
		loop_make();
		net_enter();
		return 0; /* as if woken for nothing */
	}
	error = cv_timedwait(cv, &net_sleep, ns);
	mutex_exit(&net_sleep);
	net_enter();
	return error;
}

void net_wake(struct condvar *cv)
{
	KASSERT(net_locked(), "%s: woken without the core lock", cv->cv_name);
	mutex_enter(&net_sleep);
	cv_broadcast(cv);
	mutex_exit(&net_sleep);
}

/* ---- TCP ---- */

/*
 * A segment for a connection in TIME_WAIT, its numbers in the order of the machine. A SYN with a
 * number beyond all that were used begins a new connection (RFC 1122, 4.2.2.13), which lwIP does
 * not know: it answers with an old ACK, and the other end asks in vain until TIME_WAIT is over. So
 * the old one is forgotten here; hook.c puts the SYN in once more, for who listens.
 */
signed char net_tcp_again(struct tcp_pcb *pcb, const struct tcp_hdr *hdr)
{
	if ((TCPH_FLAGS(hdr) & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN ||
	    !TCP_SEQ_GT(hdr->seqno, pcb->rcv_nxt))
		return ERR_OK;
	tcp_again++;
	tcp_abort(pcb); /* in TIME_WAIT it says nothing to the other end */
	return ERR_ABRT;
}

/* ---- Figures ---- */

uint64_t net_count_get(struct sysctl *sy)
{
	uint64_t v;

	net_enter();
	v = *(const uint64_t *)sy->sy_arg;
	net_exit();
	return v;
}

/* A time in ticks. */
static uint64_t read_time(struct sysctl *sy)
{
	return port_counter_to_ns(net_count_get(sy)) / NS_PER_US;
}

#define TIME(name, doc, of)                                                                        \
	{                                                                                          \
		.sy_name = name, .sy_doc = doc, .sy_get = read_time, .sy_arg = (uintptr_t)&of      \
	}
static struct sysctl nodes[] = {
    NET_COUNT("net.lock.enters", "times that the core lock was taken", enters),
    NET_COUNT("net.lock.contended", "of those, from another's hands", contended),
    TIME("net.lock.wait_us", "microseconds waited for it, all together", waited_ticks),
    TIME("net.lock.wait_max_us", "microseconds of the longest wait", waited_worst),
    TIME("net.lock.held_us", "microseconds that it was held", held_ticks),
    TIME("net.lock.held_max_us", "microseconds of the longest hold", held_worst),
    NET_COUNT("net.lock.breaths", "times that a handler let others in", breaths),
    {.sy_name = "net.lock.put_off",
	.sy_doc = "times that a handler came back, and did not wait for another's",
	.sy_value = &put_offs},
    NET_COUNT("net.tcp.again", "connections that were closed and begun anew", tcp_again),
    NET_COUNT("net.tcp.small", "times that another end wanted segments that are too small",
	net_tcp_small),
    {.sy_name = "net.tcp.mss_min",
	.sy_doc = "bytes that a segment may have, whatever smaller size the other end wants",
	.sy_value = &net_tcp_mss_min,
	.sy_min = 1,
	.sy_max = 536},
    NET_COUNT("net.loop.packets", "packets from this machine to itself", loop_packets),
    NET_COUNT("net.loop.failures", "times that their lwp was not to be made", loop_failures),
};

void net_init(bool cards)
{
	int error;

	mutex_init(&net_turn, "net turn", IPL_NET);
	mutex_init(&net_mutex, "net core", IPL_NET);
	mutex_init(&net_sleep, "net sleep", IPL_NET);
	cv_init(&loop_cv, "net loop");
	/* Ticks of the counter in BREATH, from how many nanoseconds a million of them are. */
	breath_ticks = BREATH * 1000000 / port_counter_to_ns(1000000);
	sysctl_publish(nodes, sizeof(nodes) / sizeof(nodes[0]));
	net_glue_init();
	error = net_timers_init();
	if (error != 0) {
		kprintf("net: no softint for its times: %s: there is no network\n",
		    errno_name(error));
		return;
	}
	net_enter();
	lwip_init(); /* makes lo */
	net_route_init();
	net_neighbour_init();
	net_exit();
	net_services_start();
	net_iperf_start();
	if (cards)
		net_card_init();
}
