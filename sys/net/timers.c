/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * timers.c - lwIP's times, by callouts.
 *
 * lwIP wants a few functions called now and then: to send again what was not acknowledged, to give
 * up fragments, to renew a lease. Each is a row below with a periodic callout of its own, which may
 * run up to a tenth of its period late, so that they share wakeups. They begin when the first card
 * comes up: a machine without one is not woken by a network that it has not. TCP's is another: it
 * runs while there are connections, to other machines or to this one, and stops with the last.
 *
 * A callout only notes that its row is due, and schedules a softint at IPL_SOFTNET, which takes the
 * core lock and does what is due: who waits for the lock is that softint, and not softclock with
 * everybody else's callouts. Rows that are due together cost one turn at the lock.
 *
 * Contexts: softclock's and softnet's softints. Lock: the core lock, in the second alone.
 * Not for: times of services, which use tcp_poll() or callouts of their own. Read next: card.c.
 */
#include "core.h"

#include <ithaca/callout.h>
#include <ithaca/clock.h>
#include <ithaca/softint.h>
#include <lwip/dhcp.h>
#include <lwip/dhcp6.h>
#include <lwip/dns.h>
#include <lwip/etharp.h>
#include <lwip/igmp.h>
#include <lwip/ip4_frag.h>
#include <lwip/ip6_frag.h>
#include <lwip/mld6.h>
#include <lwip/nd6.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/timeouts.h>
#include <stdatomic.h>

static struct timer {
	uint32_t ti_ms;
	void (*ti_fn)(void);
	struct callout ti_callout;
	_Atomic bool ti_due; /* (~) set by the callout, taken by the softint: release, acquire */
} timers[] = {
    {.ti_ms = IP_TMR_INTERVAL, .ti_fn = ip_reass_tmr},
    {.ti_ms = ARP_TMR_INTERVAL, .ti_fn = etharp_tmr},
    {.ti_ms = DHCP_COARSE_TIMER_MSECS, .ti_fn = dhcp_coarse_tmr},
    {.ti_ms = DHCP_FINE_TIMER_MSECS, .ti_fn = dhcp_fine_tmr},
    {.ti_ms = IGMP_TMR_INTERVAL, .ti_fn = igmp_tmr},
    {.ti_ms = DNS_TMR_INTERVAL, .ti_fn = dns_tmr},
    {.ti_ms = ND6_TMR_INTERVAL, .ti_fn = nd6_tmr},
    {.ti_ms = IP6_REASS_TMR_INTERVAL, .ti_fn = ip6_reass_tmr},
    {.ti_ms = MLD6_TMR_INTERVAL, .ti_fn = mld6_tmr},
    {.ti_ms = DHCP6_TIMER_MSECS, .ti_fn = dhcp6_tmr},
};
#define TIMERS (sizeof(timers) / sizeof(timers[0]))

static void tcp_times(void)
{
	net_tcp_tmr();
	net_relieve();
}

static struct timer tcp_timer = {.ti_ms = TCP_TMR_INTERVAL, .ti_fn = tcp_times};
static bool tcp_armed; /* under the core lock: the callout is pending, or the row is due */
static bool started;   /* same */
static struct softint *softint;

/* ring - the callouts' function. */
static void ring(void *arg)
{
	struct timer *ti = arg;

	atomic_store_explicit(&ti->ti_due, true, memory_order_release); /* pairs with do_if_due() */
	softint_schedule(softint);
}

static bool do_if_due(struct timer *ti)
{
	/* Acquire: pairs with the release in ring(). */
	if (!atomic_exchange_explicit(&ti->ti_due, false, memory_order_acquire))
		return false;
	ti->ti_fn();
	return true;
}

/* run - the softint's: what is due. TCP's goes on while there is a connection; a new one arms it
 * anew by tcp_timer_needed(). */
static void run(void *arg)
{
	(void)arg;
	net_enter();
	for (unsigned i = 0; i < TIMERS; i++)
		(void)do_if_due(&timers[i]);
	if (do_if_due(&tcp_timer)) {
		tcp_armed = tcp_active_pcbs != NULL || tcp_tw_pcbs != NULL;
		if (tcp_armed)
			(void)callout_schedule(&tcp_timer.ti_callout, TCP_TMR_INTERVAL * NS_PER_MS);
	}
	net_exit();
}

/* What lwIP calls when there is a connection; the core lock is held. */
void tcp_timer_needed(void)
{
	if (tcp_armed || (tcp_active_pcbs == NULL && tcp_tw_pcbs == NULL))
		return;
	tcp_armed = true;
	(void)callout_schedule(&tcp_timer.ti_callout, TCP_TMR_INTERVAL * NS_PER_MS);
}

/* What lwip_init() calls. */
void sys_timeouts_init(void)
{
}

int net_timers_init(void)
{
	for (unsigned i = 0; i < TIMERS; i++) {
		callout_init(&timers[i].ti_callout);
		callout_setfunc(&timers[i].ti_callout, ring, &timers[i]);
		callout_tolerance(&timers[i].ti_callout, timers[i].ti_ms * NS_PER_MS / 10);
	}
	callout_init(&tcp_timer.ti_callout);
	callout_setfunc(&tcp_timer.ti_callout, ring, &tcp_timer);
	return softint_establish("net times", IPL_SOFTNET, run, NULL, &softint);
}

void net_timers_start(void)
{
	for (unsigned i = 0; i < TIMERS && !started; i++)
		(void)callout_schedule_periodic(&timers[i].ti_callout, timers[i].ti_ms * NS_PER_MS);
	started = true;
}
