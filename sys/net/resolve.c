/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * resolve.c - an address for a name, by lwIP's DNS client.
 *
 * lwIP answers through a callback that cannot be taken back: a question that nobody waits for any
 * longer stays until it is answered or given up (some seconds), and then is freed by the callback.
 * So a question has two owners, the waiter and lwIP, and who leaves last frees it.
 *
 * Contexts: lwps; blocks. Lock: the core lock, dropped while waiting. Not for: names of services,
 * reverse look-ups. Read next: app/cmd_netping.c.
 */
#include "core.h"

#include "mem/kmem.h"
#include <ithaca/clock.h>
#include <ithaca/errno.h>
#include <ithaca/string.h>
#include <lwip/dns.h>
#include <lwip/ip_addr.h>

#define PATIENCE (100 * NS_PER_MS)

/* All fields: the core lock. */
struct question {
	struct condvar qu_cv;
	unsigned qu_owners;
	bool qu_done;
	bool qu_found;
	ip_addr_t qu_addr;
};

static void disown(struct question *qu)
{
	if (--qu->qu_owners > 0)
		return;
	cv_destroy(&qu->qu_cv);
	kmem_free(qu, sizeof(*qu));
}

static void answered(const char *name, const ip_addr_t *addr, void *arg)
{
	struct question *qu = arg;

	(void)name;
	qu->qu_done = true;
	qu->qu_found = addr != NULL;
	if (addr != NULL)
		qu->qu_addr = *addr;
	net_wake(&qu->qu_cv);
	disown(qu);
}

static bool has_server(void)
{
	for (u8_t i = 0; i < DNS_MAX_SERVERS; i++)
		if (!ip_addr_isany(dns_getserver(i)))
			return true;
	return false;
}

/* ask - with the lock held; waits for the answer. lwIP does not tell no such name from no answer:
 * who is given up after all retries is both. */
static int ask(struct question *qu, const char *name, u8_t type, bool (*stop)(void))
{
	err_t err;

	qu->qu_owners++;
	err = dns_gethostbyname_addrtype(name, &qu->qu_addr, answered, qu, type);
	if (err != ERR_INPROGRESS) {
		qu->qu_owners--;
		qu->qu_done = true;
		qu->qu_found = err == ERR_OK;
		if (err == ERR_ARG || err == ERR_VAL)
			return EINVAL;
		return err == ERR_OK ? 0 : net_errno(err);
	}
	while (!qu->qu_done) {
		if (stop != NULL && stop())
			return EAGAIN;
		(void)net_wait(&qu->qu_cv, PATIENCE);
	}
	return qu->qu_found ? 0 : ENOENT;
}

int net_resolve(const char *name, int family, char out[NET_ADDR_MAX], bool (*stop)(void))
{
	struct question *qu;
	bool is_address;
	ip_addr_t a;
	int error;

	net_enter();
	is_address = net_addr(name, &a);
	if (is_address)
		net_text(&a, out);
	net_exit();
	if (is_address)
		return family != 0 && (family == 6) != (IP_IS_V6(&a) != 0) ? EINVAL : 0;
	if (name[0] == '\0' || strlen(name) >= DNS_MAX_NAME_LENGTH || strchr(name, ':') != NULL)
		return EINVAL;
	qu = kmem_alloc(sizeof(*qu));
	if (qu == NULL)
		return ENOMEM;
	cv_init(&qu->qu_cv, "name");
	qu->qu_owners = 1;
	net_enter();
	net_timers_start(); /* without a card they do not run, and nobody would give up */
	if (!has_server() && strcmp(name, "localhost") != 0)
		error = ETIMEDOUT;
	else
		error = ask(qu, name,
		    family == 4       ? LWIP_DNS_ADDRTYPE_IPV4
			: family == 6 ? LWIP_DNS_ADDRTYPE_IPV6
				      : LWIP_DNS_ADDRTYPE_IPV4_IPV6,
		    stop);
	if (error == 0)
		net_text(&qu->qu_addr, out);
	disown(qu);
	net_exit();
	return error;
}
