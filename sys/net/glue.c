/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * glue.c - what lwIP asks of the machine: memory, sums, time, chance.
 *
 * The heap is kmem with the size in front of each piece, because kmem wants it back, and a limit on
 * the sum, net.mem_max, so that peers who never read cannot take all memory: what is above it fails
 * as if there were none, and lwIP copes. Everything of fixed size comes from lwIP's own static
 * pools, each with its limit (lwip/lwipopts.h).
 *
 * Chance is for port numbers, sequence numbers and names of queries: a generator that is stirred
 * with the cycle counter at every call, so that who cannot see the machine's counter cannot tell
 * what comes next from what came before. It is not for secrets.
 *
 * Contexts: thread, the core lock held, but for net_heap() and net_errno(). No locks of its own.
 * Not for: buffers of cards, which are nic.c's. Read next: timers.c.
 */
#include "core.h"

#include "mem/kmem.h"
#include "mem/page.h"
#include <ithaca/clock.h>
#include <ithaca/errno.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/string.h>
#include <ithaca/sysctl.h>
#include <lwip/err.h>
#include <lwip/ip_addr.h>
#include <lwip/sys.h>
#include <stdatomic.h>
#include <stdlib.h>

#define MEM_MAX (64ull << 20) /* net.mem_max unless memory is small */

/* Stands before every piece; 16 bytes keep the alignment. */
struct piece {
	uint64_t pi_size; /* of all, this included */
	uint64_t pi_fill;
};

static _Atomic uint64_t mem_used;   /* (~) relaxed: written under the core lock, read by anyone */
static _Atomic uint64_t mem_max;    /* (~) relaxed: a limit */
static _Atomic uint64_t mem_denied; /* (~) relaxed: a count */

/* ---- Memory ---- */

static uint64_t load(_Atomic uint64_t *v)
{
	return atomic_load_explicit(v, memory_order_relaxed);
}

void *net_malloc(size_t size)
{
	uint64_t all = size + sizeof(struct piece);
	struct piece *pi = NULL;

	net_assert_locked();
	if (all > size && load(&mem_used) + all <= load(&mem_max))
		pi = kmem_alloc(all);
	if (pi == NULL) {
		atomic_fetch_add_explicit(&mem_denied, 1, memory_order_relaxed);
		return NULL;
	}
	pi->pi_size = all;
	atomic_fetch_add_explicit(&mem_used, all, memory_order_relaxed);
	return pi + 1;
}

void *net_calloc(size_t n, size_t size)
{
	size_t all;

	return __builtin_mul_overflow(n, size, &all) ? NULL
						     : net_malloc(all); /* kmem gives zeros */
}

void net_free(void *p)
{
	struct piece *pi;

	net_assert_locked();
	if (p == NULL)
		return;
	pi = (struct piece *)p - 1;
	atomic_fetch_sub_explicit(&mem_used, pi->pi_size, memory_order_relaxed);
	kmem_free(pi, pi->pi_size);
}

uint64_t net_heap(uint64_t *max)
{
	*max = load(&mem_max);
	return load(&mem_used);
}

/* ---- Sums ---- */

uint16_t net_checksum(const void *data, int len)
{
	const uint8_t *p = data;
	uint64_t sum = 0, w;
	uint32_t half, quarter = 0;

	/* In words of eight bytes, whose carries are brought back in: sums modulo 2^16 - 1 do not
	 * mind how wide the words are. A last part is filled with zeros behind. */
	for (; len >= 8; len -= 8, p += 8) {
		__builtin_memcpy(&w, p, 8);
		sum += w;
		sum += sum < w;
	}
	if (len > 0) {
		w = 0;
		memcpy(&w, p, (size_t)len);
		sum += w;
		sum += sum < w;
	}
	half = (uint32_t)(sum >> 32);
	half += (uint32_t)sum;
	half += half < (uint32_t)sum;
	quarter = (half >> 16) + (half & 0xffff);
	return (uint16_t)(quarter + (quarter >> 16));
}

/* ---- Time, chance and others ---- */

u32_t sys_now(void)
{
	return (u32_t)(clock_ns() / NS_PER_MS);
}

uint32_t net_random(void)
{
	static uint64_t state; /* under the core lock */
	uint64_t x;

	/* Steps and mixing: the finisher of a 64-bit hash over state and counter. */
	state += 0x9e3779b97f4a7c15ull + port_counter();
	x = state;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return (uint32_t)(x >> 32 ^ x);
}

void net_assert_locked(void)
{
	KASSERT(net_locked(), "the network is used without its core lock");
}

int atoi(const char *s)
{
	int n = 0;

	for (; *s >= '0' && *s <= '9' && n < 100000000; s++)
		n = n * 10 + (*s - '0');
	return n;
}

int net_errno(int err)
{
	switch (err) {
	case ERR_OK:
		return 0;
	case ERR_MEM:
		return ENOMEM;
	case ERR_BUF:
		return ENOBUFS;
	case ERR_TIMEOUT:
		return ETIMEDOUT;
	case ERR_RTE:
		return EHOSTUNREACH;
	case ERR_USE:
		return EADDRINUSE;
	case ERR_IF:
		return ENETDOWN;
	case ERR_ABRT:
	case ERR_RST:
	case ERR_CLSD:
		return ECONNRESET;
	default:
		return EINVAL;
	}
}

/* ---- Figures ---- */

static struct sysctl nodes[] = {
    {.sy_name = "net.mem",
	.sy_doc = "bytes that the network has from the heap",
	.sy_value = &mem_used},
    {.sy_name = "net.mem_max",
	.sy_doc = "most that it may have",
	.sy_value = &mem_max,
	.sy_min = 1 << 16,
	.sy_max = 1ull << 40},
    {.sy_name = "net.mem_denied", .sy_doc = "times that it got nothing", .sy_value = &mem_denied},
};

void net_glue_init(void)
{
	struct page_stats ps;
	uint64_t quarter;

	page_stats_get(&ps);
	quarter = ps.ps_total * PAGE_SIZE / 4;
	atomic_store_explicit(&mem_max, quarter < MEM_MAX ? quarter : MEM_MAX,
	    memory_order_relaxed);
	sysctl_publish(nodes, sizeof(nodes) / sizeof(nodes[0]));
}
