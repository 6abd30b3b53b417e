/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * explore.h - the schedule explorer, for the files of port/sim and the runner of scenarios.
 *
 * A run is one execution from the snapshot to its end. All that may turn out one way or another is
 * a choice of the strategy: which process takes the next step (choose), and which of n outcomes a
 * step has (pick). Processes are the CPUs, the devices, each interrupt on its way to each CPU, the
 * store buffers, and time. Outcome 0, and the process that ran before, are the plain choices; the
 * log of a run has the others, and replays it.
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

/* Places that are no memory, for what depends on what. */
#define XA_LINE(n) (0x1000u + (n))
#define XA_IPI(c) (0x2000u + (c))
#define XA_INTR(c) (0x3000u + (c))

#define XP_CHOOSE 0xffu
enum xp_pick { XP_PICK_VALUE, XP_PICK_ALLOC, XP_PICK_TEST };
enum xp_memory { XP_SC, XP_TSO, XP_C11 };

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
	bool every; /* asked at every point, else from xp_ask_at on and where it must be */
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
	unsigned depth;      /* pct */
	int bound;           /* exhaustive: preemptions; -1: none */
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

/* The first and the last thing that a scenario's lwp calls. */
void xp_gate(void);
void xp_leave(void);

/* xp_pick_test - a choice of the scenario's own: 0 to n - 1. */
unsigned xp_pick_test(unsigned n);

extern struct xp_config xp_config;
extern bool xp_on; /* a run is on */
extern uint64_t xp_steps, xp_ask_at, xp_fingerprint, xp_steps_all;
extern struct xp_choice xp_log[XP_LOG_MAX];
extern unsigned xp_nlog;

/* The choices that xp_replay makes. */
extern struct xp_choice xp_script[XP_LOG_MAX];
extern unsigned xp_nscript;

/* The exhaustive search: what it has seen. */
extern uint64_t xp_nodes, xp_pruned;
extern bool xp_exhausted;

/* ---- For the strategies ---- */

/* What process p is about to do; how many processes there are of CPU c: see XP_*. */
void xp_next_op(unsigned p, struct xp_op *out);
unsigned xp_me(void); /* CPU in whose turn the choice falls */
uint32_t xp_my_seq(void);
bool xp_yields(void); /* it waits: to leave it is no preemption */
uint64_t xp_chance(uint64_t below);
void xp_chance_seed(uint64_t seed);
unsigned xp_irq_cpu(unsigned p);
uint64_t xp_raised(void); /* interrupts on their way, taken now or not */

/* ---- For access.c and sim.c ---- */

void xp_point(enum sim_kind kind, uint64_t addr, bool write, uint32_t pc);
void xp_local(enum sim_kind kind); /* something that only this CPU's interrupts can see */
void xp_turn(enum sim_kind kind, uint64_t addr, bool write, uint32_t pc);
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
bool xp_buffered(unsigned cpu);
void xp_device_touched(uint64_t addr);    /* dpor.c: in a device's step */
uint64_t xp_buffered_place(unsigned cpu); /* where its oldest store goes */
void xp_flush(unsigned cpu);
void xp_drain(unsigned cpu);
void xp_wrote(unsigned cpu);
void xp_disturbed(void); /* something else ran on this CPU meanwhile */

/* snapshot.c. */
void xp_snapshot_take(void);
void xp_snapshot_restore(void);
void xp_dirty(uint64_t addr, size_t size);
void xp_dirty_stack(uint64_t addr);
void sim_state(void (*fn)(void *p, size_t size)); /* the simulator's own, of sim.c */
void sim_line_state(void (*fn)(void *p, size_t size));
void sim_mem_state(void (*fn)(void *p, size_t size));
uint64_t sim_mem_top(void);

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
