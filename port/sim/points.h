/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * points.h - what the simulated machine tells the explorer, while it has the machine (xp_on): the
 * points of each CPU, its accesses, what else it does that others can notice.
 *
 * Contexts: a run, on the stacks of the simulated machine. Next: points.c.
 */
#ifndef SIM_POINTS_H
#define SIM_POINTS_H

#include "dirty.h"
#include "explore.h"

#include <ithaca/cpu.h>

struct lwp;

/* sim.c: the CPU that the host thread plays at the moment; it changes at every sim_point(). A
 * device's turn, with no decisions. */
extern struct cpu *sim_cpu;
extern bool sim_in_event;

/* Places that are no memory, for what depends on what. */
#define XA_LINE(n) (0x1000u + (n))
#define XA_IPI(c) (0x2000u + (c))
#define XA_MEMORY 0x3000u
#define XA_FENCE 0x3001u
#define XA_WHERE(n) (0x4000u + (n))
#define XA_END 0x5000u

#define WATCHED_MAX 16u
#define WATCH_FOR 32u

struct xp_loc;

/* A place that a CPU has looked at since it paused last, and how many writes it had seen then. */
struct watched {
	struct xp_loc *w_loc;
	uint32_t w_version;
};

/* An access that may have to be watched: those of a CPU, the last one first. */
struct looked {
	struct xp_loc *k_loc;
	uint32_t k_version; /* after it */
	bool k_write;
};

/* What the explorer knows of a CPU; forgotten when a run begins. */
struct xp_cpu {
	struct xp_op x_op; /* before which it stands */
	uint32_t x_seq;    /* its points so far */
	uint32_t x_writes; /* its writes so far */
	uint32_t x_mark;   /* writes of others when it last went on from a pause */
	uint32_t x_number; /* which CPU it is */
	uint64_t x_alone;  /* what a place that it alone has touched says of itself (quick.h) */
	uint64_t x_traced; /* 256 for each of its atomic accesses, and twice its number */
	int x_take;        /* its next turn begins with this interrupt; -1: none */
	bool x_woken;      /* let it look again: others ran here, or everybody waits */
	bool x_after;      /* no point yet since others could see something of it */
	bool x_narrow;     /* at a point that only its own interrupts matter to */
	uint32_t x_context;
	uint64_t x_sp;     /* of what it did before it came to stand there */
	uint32_t x_watch;  /* so many more accesses are noted; all, if the search is exact */
	uint32_t x_heeded; /* so many were left to note when x_watched was made of the others */
	uint32_t x_nwatched;
	struct watched x_watched[WATCHED_MAX];
} __attribute__((aligned(512))); /* a shift finds it */

extern struct xp_cpu xp_cpus[XP_CPUS];
extern struct xp_cpu *xp_mine; /* that of sim_cpu */
extern uint32_t xp_writes;     /* of all CPUs in this run */
extern struct looked xp_looked[XP_CPUS][WATCH_FOR];
bool xp_news(struct xp_cpu *x);

/* ---- Points: where the schedule may turn elsewhere ---- */

/* A run is on in which nobody looks closely: a strategy that draws, no tracing. And memory is
 * sequentially consistent. */
extern bool xp_quick, xp_quick_sc;

/* Of such a run, the number of the next point that somebody is asked at; 0: it is no such run, or
 * it is a device's turn. */
extern uint64_t xp_pass_to, xp_pass_to_sc;

/* xp_ask_at, xp_quick or sim_in_event has changed. */
static inline void xp_passes_anew(void)
{
	xp_pass_to = xp_quick && !sim_in_event ? xp_ask_at : 0;
	xp_pass_to_sc = xp_quick_sc ? xp_pass_to : 0;
}

static inline void xp_ask_now(void)
{
	xp_ask_at = xp_pass_to = xp_pass_to_sc = 0;
}

/* A turn of a device, or a look at the state, begins or ends: no point meanwhile. */
static inline void sim_event(bool begins)
{
	sim_in_event = begins;
	xp_passes_anew();
}

/* A point of a CPU that nobody would be asked at; true: it has been passed, and counted. A local
 * one, and one that others may see. */
static inline bool xp_passes_local(void)
{
	if (__builtin_expect(xp_steps + 1 >= xp_pass_to, 0))
		return false;
	xp_mine->x_seq++;
	return true;
}

static inline bool xp_passes_before(uint64_t to)
{
	struct xp_cpu *x = xp_mine;

	if (__builtin_expect(xp_steps + 1 >= to, 0))
		return false;
	xp_steps++;
	x->x_seq++;
	x->x_after = true;
	return true;
}

static inline bool xp_passes(void)
{
	return xp_passes_before(xp_pass_to);
}

void xp_point(enum sim_kind kind, uint64_t addr, bool write, uint32_t pc);
void xp_local(enum sim_kind kind, uint64_t addr); /* only this CPU's interrupts can see it */

/* It is a device's step, not a look of the scenario's: check() or its like. */
extern bool xp_looking;
static inline bool xp_in_device(void)
{
	return sim_in_event && !xp_looking;
}

unsigned xp_device_number(void);
void xp_register(uint64_t addr, size_t size);
void xp_turn(enum sim_kind kind, uint64_t addr, bool write, uint32_t pc); /* switch.S */
void xp_turn_at(enum sim_kind kind, uint64_t addr, bool write, uint32_t pc, uint64_t sp);
void xp_arrive(void); /* the first turn of a run on this CPU */
void xp_ipi(unsigned to);
unsigned xp_pick_value(unsigned n);
void xp_failed(void) __attribute__((noreturn)); /* ends the run; the message is in place */
char *xp_message_buffer(size_t *size);
bool xp_alloc_fails(void);

void xp_plain(uint64_t addr, unsigned size, bool write, uint32_t pc);
uint64_t xp_load(void *a, unsigned size, int order, uint32_t pc);
void xp_store(void *a, unsigned size, uint64_t v, int order, uint32_t pc);
uint64_t xp_rmw_begin(void *a, unsigned size, int order, uint32_t pc);
void xp_rmw_end(void *a, unsigned size, uint64_t v, int order, uint32_t pc);
void xp_rmw_none(void *a, unsigned size, int order, uint32_t pc);
void xp_fence(int order, uint32_t pc);

/* race.c: clocks. memory.c: store buffers. */
void xp_race_begin(void);
void xp_race_freed(uint64_t addr, size_t size);
void xp_race_released(uint64_t addr); /* a release store that assembly is about to make */
void xp_machine_store(uint64_t addr, uint64_t value); /* and a relaxed one, by C code of ours */
void xp_race_ipi_sent(unsigned to);
void xp_race_ipi_taken(unsigned cpu);
void xp_fresh(unsigned cpu); /* it has waited: what it reads now is new */
void xp_settled(void);       /* so much time has gone by that everybody sees what was stored */
bool xp_buffered(unsigned cpu);
uint64_t xp_buffer_state(unsigned cpu);
void xp_flush(unsigned cpu);
void xp_drain(unsigned cpu);

static inline void xp_wrote(unsigned cpu)
{
	xp_cpus[cpu].x_writes++;
	xp_writes++;
}

void xp_disturbed(void); /* something else ran on this CPU meanwhile */

/* shared.c. */
extern uint32_t xp_context; /* which runs */
extern bool xp_flushing;    /* the store buffer's turn */
void xp_context_lwp(uint64_t sp);
void xp_context_interrupt(unsigned p);
void xp_context_step(void);
uint16_t xp_context_number(uint32_t context); /* which it is, + 1: the same in every run */
uint64_t xp_context_at(uint32_t context);     /* hash of which it is, and where it stands */
void xp_seen_outcome(unsigned outcome);
void xp_touch(uint64_t place, bool write);
unsigned xp_shared(uint64_t addr);
void xp_asks_where(void);
void xp_goes_on(const struct lwp *l);

#endif
