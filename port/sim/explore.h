/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * explore.h - the schedule explorer, for the files of port/sim and the runner of scenarios.
 *
 * A run is one execution from the snapshot to its end. All that may turn out one way or another is
 * a choice of the strategy: which process takes the next step (choose), and which of n outcomes a
 * step has (pick). Processes are the CPUs, the devices, each interrupt on its way to each CPU, the
 * store buffers, and time. Outcome 0, and the process that ran before, are the plain choices; the
 * log of a run has the others, and replays it.
 *
 * points.h is the other side: what the simulated machine tells the explorer.
 */
#ifndef SIM_EXPLORE_H
#define SIM_EXPLORE_H

#include <sim/sim.h>

#define XP_CPUS 4
#define XP_DEVICES 8
#define XP_LINES 8
#define XP_LOG_MAX 4096u

/* Processes, bits of a 64-bit set. */
#define XP_DEV 4u   /* + device */
#define XP_IRQ 12u  /* + 11 * CPU + which */
#define XP_IRQS 11u /* which: 0 IPI, 1 clock, 2 + n line n, 10 store buffer */
#define XP_FLUSH 10u
#define XP_TIME 56u
#define XP_NONE 63u
#define XP_BIT(p) ((uint64_t)1 << (p))

#define XP_CHOOSE 0xffu
enum xp_pick { XP_PICK_VALUE, XP_PICK_ALLOC, XP_PICK_TEST };
enum xp_memory { XP_SC, XP_TSO, XP_C11 };

/* How much the exhaustive search spares itself; each includes those before. */
enum xp_reduction {
	XP_BRUTE,  /* nothing: every choice at every point */
	XP_STATES, /* a state that was there before, in as few preemptions */
	XP_SHARED, /* points before what nobody else can notice */
	XP_MERGED  /* a state that is like one before, whatever led there */
};

/* When a strategy is asked. */
enum xp_asks {
	XP_AT_TIMES,  /* from xp_ask_at on, and where it must be */
	XP_ALWAYS,    /* at every point */
	XP_WHERE_SEEN /* at those that others can notice, by xp_config.reduction */
};

/* What a CPU is about to do. */
struct xp_op {
	uint64_t o_addr; /* 0: nothing that others see */
	uint32_t o_pc;
	uint8_t o_kind; /* enum sim_kind */
	bool o_write;
};

/* A choice that was not the plain one: at the n-th point of that CPU. */
struct xp_choice {
	uint32_t c_seq;
	uint8_t c_cpu, c_pick; /* enum xp_pick, or XP_CHOOSE */
	uint8_t c_what;        /* process, or outcome */
};

struct xp_strategy {
	const char *name;
	enum xp_asks asks;
	bool (*begin)(uint64_t seed); /* false: there is nothing left to explore */
	unsigned (*choose)(uint64_t set, unsigned plain);
	unsigned (*pick)(enum xp_pick kind, unsigned n);
	void (*end)(void);
};

extern const struct xp_strategy xp_random, xp_pct, xp_exhaustive, xp_replay;

/* A device of the scenario: fn(arg) `left` more times, each at any moment. */
struct xp_device {
	const char *name;
	void (*fn)(void *arg);
	void *arg;
	unsigned left;
};

enum xp_result { XP_OK, XP_FAILED, XP_PRUNED };

struct xp_config {
	const struct xp_strategy *strategy;
	enum xp_memory memory;
	unsigned depth; /* pct */
	int bound;      /* exhaustive: preemptions; over XP_BOUND_MAX: any number */
	enum xp_reduction reduction;
	uint64_t remember;   /* exhaustive: so many states at most; 0: as many as there is room */
	bool exact;          /* traces are told apart by all accesses (shared.c) */
	unsigned steps_max;  /* a run that is longer is a livelock */
	bool alloc_fail;     /* an allocation may fail */
	bool timers;         /* time may come at any moment, not only when all wait */
	bool races;          /* look for data races */
	void (*check)(void); /* the scenario's, when all is quiet */
	void (*step)(void);  /* invariants, after each step; may be NULL */
};

/* ---- For the runner ---- */

/* xp_start - boot, run setup() in lwp main, which creates the scenario's lwps, and take the
 * snapshot when each CPU is at xp_gate() or idles. Once a process. */
void xp_start(unsigned cpus, void (*setup)(void));

/* xp_run - one run. XP_FAILED: xp_message() says why. */
enum xp_result xp_run(uint64_t seed);
const char *xp_message(void);

/* In setup(): a device; how many lwps there are. */
void xp_add_device(const char *name, void (*fn)(void *), void *arg, unsigned times);
void xp_expect(unsigned lwps);

/* xp_device_times - between two runs: the i-th device is called so many times from now on. */
void xp_device_times(unsigned i, unsigned times);

/* The first and the last thing that a scenario's lwp calls. */
void xp_gate(void);
void xp_leave(void);

/* xp_pick_test - a choice of the scenario's own: 0 to n - 1. */
unsigned xp_pick_test(unsigned n);

extern struct xp_config xp_config;
extern bool xp_on; /* a run is on */
extern uint64_t xp_steps, xp_ask_at, xp_fingerprint, xp_steps_all;
extern uint64_t xp_end; /* hash of the memory that a run leaves, if traces are exact */
extern bool xp_merges;  /* this search goes by states, not by traces (state.c) */
extern bool xp_entries; /* where functions begin is looked at: no run is on, or xp_merges */
extern struct xp_choice xp_log[XP_LOG_MAX];
extern unsigned xp_nlog;

/* The choices that xp_replay makes. */
extern struct xp_choice xp_script[XP_LOG_MAX];
extern unsigned xp_nscript;

/* The exhaustive search: what it has seen. xp_full: too many states to remember them all; it goes
 * on, and repeats some. */
#define XP_BOUND_MAX 99
extern uint64_t xp_nodes, xp_states;
extern unsigned xp_restarts;
extern bool xp_exhausted, xp_full;

/* shared.c: something was learnt of what is shared; the search must begin anew. */
extern bool xp_learnt;

/* The product of two words, its halves folded; and a hash of two. */
static inline uint64_t xp_fold(uint64_t a, uint64_t b)
{
	unsigned __int128 p =
	    (unsigned __int128)(a ^ 0x9e3779b97f4a7c15ull) * (b ^ 0xbf58476d1ce4e5b9ull);

	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

static inline uint64_t xp_mix(uint64_t a, uint64_t b)
{
	return xp_fold(xp_fold(a, 0x94d049bb133111ebull), b);
}

/* ---- For the strategies ---- */

/* What process p is about to do; how many processes there are of CPU c: see XP_*. */
void xp_next_op(unsigned p, struct xp_op *out);
unsigned xp_me(void); /* CPU in whose turn the choice falls */
uint32_t xp_my_seq(void);
bool xp_yields(void); /* it waits: to leave it is no preemption */
uint64_t xp_chance(uint64_t below);
void xp_chance_seed(uint64_t seed);
unsigned xp_irq_cpu(unsigned p);
uint64_t xp_state(void);           /* hash of the state of the whole machine */
void xp_livelock(const char *why); /* ends the run, which fails */
void xp_shared_forget(void);       /* who touched what, in the runs of this search so far */

/* tracing a run for people: table.c. */
enum xp_event { XE_READ, XE_WRITE, XE_LOAD, XE_STORE, XE_RMW, XE_FENCE, XE_TURN, XE_IRQ, XE_NOTE };
extern bool xp_tracing;
#define XP_NOTES_MAX 65536u

struct xp_noted {
	uint64_t n_addr, n_value, n_step;
	uint32_t n_pc;
	uint8_t n_event, n_cpu, n_ipl;
	bool n_intr;
	const char *n_text;
	char n_lwp[20];
};

extern struct xp_noted xp_notes[XP_NOTES_MAX];
extern unsigned xp_nnotes;
void xp_note(enum xp_event e, uint64_t addr, uint64_t value, uint32_t pc, const char *text);

#endif
