/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * clock.h - vector clocks, and what race.c, shared.c and memory.c ask of one another.
 *
 * Contexts: a run. Next: places.h.
 */
#ifndef SIM_CLOCK_H
#define SIM_CLOCK_H

#include "points.h"

struct xp_loc;

typedef uint32_t v4 __attribute__((vector_size(16))); /* one a CPU */
typedef int32_t v4s __attribute__((vector_size(16)));
_Static_assert(XP_CPUS == 4, "v4 has four");

/* They go on from run to run, and when a run begins each CPU knows of all that is past: what stands
 * with a place from before needs no clearing. */
struct xp_clocks {
	union {
		struct {
			v4 now[XP_CPUS];
			v4 pending[XP_CPUS]; /* read relaxed, for an acquire fence to come */
			v4 fence[XP_CPUS];   /* of the last release fence */
		};
		v4 of[3][XP_CPUS]; /* those */
	};
	v4 seq; /* of the last seq_cst fence */
};

extern struct xp_clocks xp_clocks;
extern v4 xp_ipi_clock[XP_CPUS];

/* Where a is later; no clock has its highest bit set (race.c), and machines compare signed. */
static inline v4 xp_later(v4 a, v4 b)
{
	return (v4)((v4s)a > (v4s)b);
}

static inline v4 xp_join(v4 a, v4 b)
{
	v4 more = xp_later(a, b);

	return (a & more) | (b & ~more);
}

#define XP_ACQUIRES                                                                                \
	(1u << __ATOMIC_ACQUIRE | 1u << __ATOMIC_CONSUME | 1u << __ATOMIC_ACQ_REL |                \
	    1u << __ATOMIC_SEQ_CST)

static inline bool xp_acquires(int order)
{
	return (XP_ACQUIRES >> order & 1) != 0;
}

static inline bool xp_releases(int order)
{
	return order >= __ATOMIC_RELEASE;
}

/* No branch on the order: it is another at every second access. */
static inline void xp_acquire(unsigned me, v4 sync, int order)
{
	v4 *to = &xp_clocks.of[!xp_acquires(order)][me];

	*to = xp_join(*to, sync);
}

/* What a store of that order leaves for those who read it. */
static inline v4 xp_release(unsigned me, int order)
{
	return xp_clocks.of[2 * !xp_releases(order)][me];
}

/* After a step that others may acquire from, this CPU's clock goes on. All of it is written: it is
 * all read soon, which would wait for a part of it. */
static inline void xp_tick(unsigned me)
{
	static const v4 one[XP_CPUS] = {{1}, {0, 1}, {0, 0, 1}, {0, 0, 0, 1}};

	xp_clocks.now[me] += one[me];
}

void xp_race_found(uint64_t addr, unsigned cpu, uint32_t pc, const char *what, unsigned cpu2,
    uint32_t pc2, const char *what2);

/* shared.c: an access, for who shares what and for the trace; before the version goes up. */
#define XP_BY_DEVICE 8u /* instead of a CPU */
void xp_seen(struct xp_loc *l, unsigned cpu, bool write);
void xp_seen_issued(struct xp_loc *l, unsigned cpu, uint64_t value);
bool xp_seen_before(struct xp_loc *l);
void xp_shared_begin(void);
void xp_seen_plain(struct xp_loc *l);
uint64_t xp_shared_state(void);
void xp_state_begin(void);
void xp_state_touched(struct xp_loc *l);

void xp_device_touched(struct xp_loc *l, bool write);

void xp_memory_begin(void);
void xp_history_forget(struct xp_loc *l);
void xp_history_add(struct xp_loc *l, unsigned me, uint64_t value, v4 sync, bool seq, unsigned size,
    uint64_t addr);

#endif
