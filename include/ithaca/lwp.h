/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lwp.h - kernel threads.
 *
 * Rules:
 * - struct lwp is type-stable: its memory is never anything else, so a stale pointer may be
 *   looked at (the adaptive mutex and the turnstiles do), though not believed without a lock.
 * - An lwp blocks in one way only: it is put on a queue by sleepq.c or turnstile.c and then calls
 *   lwp_park(); whoever takes it off the queue calls lwp_unpark(), once. The two may meet in
 *   either order: an lwp that was unparked first does not go to sleep.
 * - Priorities: greater is more urgent. What an lwp runs at is l_pri: its own (l_basepri) or what
 *   those that it keeps waiting lend it, whichever is greater.
 */
#ifndef ITHACA_LWP_H
#define ITHACA_LWP_H

#include <ithaca/queue.h>
#include <ithaca/spin.h>
#include <ithaca/spl.h>
#include <ithaca/witness.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct cpu;
struct mutex;
struct turnstile;

#define PRI_IDLE 0
#define PRI_MIN 1
#define PRI_KERNEL 32 /* what lwp_create() is given for want of a reason */
#define PRI_MAX 47    /* the greatest that lwp_create() accepts */
#define PRI_COUNT 64
/* The priority of what runs at a thread level: above every ordinary lwp. */
#define PRI_LEVEL(ipl) (PRI_MAX + 1 + (ipl)) /* of a level above IPL_NONE */
#define PRI_IPL(ipl) ((ipl) == IPL_NONE ? PRI_IDLE : PRI_LEVEL(ipl))

#define LWP_NAME_MAX 24

enum lwp_state {
	LWP_FREE,  /* an ithread or softint lwp waiting for work, an idle lwp, or unused memory */
	LWP_RUN,   /* on its CPU's run queue; or its ci_onproc: runs, or pinned beneath who does */
	LWP_SLEEP, /* parked */
	LWP_ZOMBIE /* exited */
};

#define LWP_BOUND 0x01    /* never moves to another CPU */
#define LWP_ITHREAD 0x02  /* out of the pool */
#define LWP_SOFTINT 0x04  /* a CPU's dedicated lwp of one softint level */
#define LWP_IDLE 0x08     /* a CPU's idle lwp */
#define LWP_JOINABLE 0x10 /* lwp_join() will be called */
#define LWP_BOOT 0x20     /* "main": its memory and stack are the boot's, and stay */

/*
 * Locking key: (a) set once before it is shared; (i) own CPU only, interrupts off; (o) the lwp
 * itself; (l) l_lock; (q) run queue lock of l_cpu; (l+q) either to read, both to write;
 * (c) the turnstile chain's lock; (~) atomic. Locks in order: c, l, q.
 */
struct lwp {
	struct list l_runq;        /* (q) entry of the run queue; first, so that it is the lwp */
	uintptr_t l_sp;            /* (i) where port_switch left off; offset 16 */
	uintptr_t l_stack_top;     /* (a) first address past the stack; offset 24 */
	_Atomic uint8_t l_running; /* (~) on a CPU's stack still; pairs in port_switch; offset 32 */
	uint8_t l_settles;         /* (o) ithread: RUN_SETTLES of the run that it is in */
	union {
		struct {
			uint8_t l_ipl;        /* (o) current level */
			uint8_t l_level;      /* (o) ithread, softint: of the handler it runs */
			uint16_t l_nopreempt; /* (o) preempt_disable() depth */
		};
		uint32_t l_gate; /* (o) all three; 0: whatever comes may run upon it */
	};
	struct lwp *l_pinned; /* (o) attached: the lwp beneath; NULL when not, or divorced */
	/* Of who keeps it: pool, gifts, unused memory. Not l_pinned, for it may be on its stack
	 * still, and sched_switch() asks what is beneath. */
	struct lwp *l_next;
	struct cpu *_Atomic l_cpu; /* (~) where it runs or last ran; written under (q) of both */
	struct intr_handler *l_handler; /* (o) ithread: what it runs */
	struct softint *l_softint;      /* (o) softint lwp: what it runs */
	struct softint_cpu *l_softq;    /* (a) softint lwp: its queue */
	bool l_expired;                 /* (i) its time slice is over */
	bool l_divorced;                /* (o) ithread, softint: in this run; maybe attached anew */

	struct spin l_lock;
	uint8_t l_state;       /* (q) enum lwp_state */
	bool l_unparked;       /* (q) lwp_unpark() came before lwp_park() */
	_Atomic uint8_t l_pri; /* (~) what it runs at; written under l+q; read by lwp_pri() */
	uint8_t l_basepri;     /* (l) its own */
	uint8_t l_wait_kind;   /* (c) how it waits in a turnstile: TS_* */
	uint32_t l_flags;      /* (a) LWP_* */
	uint64_t l_slice_ns;   /* (i) when its time slice ends; 0: it has not begun */
	uint64_t l_slice_of;   /* (i) l_switches in that slice: with another, it is of the past */

	struct list l_lent;            /* (l) turnstiles whose waiters this lwp keeps waiting */
	struct turnstile *l_turnstile; /* (o) the one it gives when it blocks first; else (c) */
	struct list l_waitq;           /* (c) or sleep queue lock: entry among the waiters */
	const void *_Atomic l_wchan;   /* (~) what it waits for; written under the queue's lock */
	const char *l_wmesg;           /* same: what to call that */
	_Atomic bool l_wait_turnstile; /* (~) same: l_wchan is a mutex, else a sleep queue */
	int l_wake_error;              /* same: what sleepq_wait() returns */

	_Atomic uint64_t l_ticks; /* (~) counter ticks of CPU taken; own CPU writes, anyone reads */
	_Atomic uint64_t l_switches;  /* (~) times switched in; same */
	uint32_t l_id;                /* (a) */
	char l_name[LWP_NAME_MAX];    /* (a) */
	void (*l_fn)(void *);         /* (a) */
	void *l_arg;                  /* (a) */
	void *l_stack;                /* (a) */
	size_t l_stack_size;          /* (a) */
	struct list l_all;            /* the lwp list's lock */
	struct witness_lwp l_witness; /* (o) what it holds; nothing in a release build */
};

_Static_assert(sizeof(uintptr_t) != 8 ||
	(offsetof(struct lwp, l_sp) == 16 && offsetof(struct lwp, l_stack_top) == 24 &&
	    offsetof(struct lwp, l_running) == 32),
    "ports rely on it");

/*
 * lwp_create - a new lwp that runs fn(arg) and exits when fn returns. `pri` is PRI_MIN to PRI_MAX;
 * `cpu` binds it for ever, NULL lets it run anywhere; `flags` is 0 or LWP_JOINABLE.
 * Thread context; may block. On success *out (if wanted) is the lwp, and it is runnable.
 * EINVAL for a bad priority, ENOMEM. `name` is copied and cut at LWP_NAME_MAX - 1.
 */
int lwp_create(const char *name, int pri, struct cpu *cpu, int flags, void (*fn)(void *), void *arg,
    struct lwp **out);

/* lwp_exit - the running lwp ends. Thread context, level none, no lock held. Does not return. */
void lwp_exit(void) __attribute__((noreturn));

/* lwp_join - wait until a LWP_JOINABLE lwp has ended, and free it. Once an lwp. May block. */
void lwp_join(struct lwp *l);

/* lwp_park - sleep until lwp_unpark(); see the rules above. Thread context, level below IPL_VM, no
 * spin mutex held. Only for the queues of the core. */
void lwp_park(void);

/* lwp_unpark - wake an lwp that is parked or about to park. Any context; a bounded spin. */
void lwp_unpark(struct lwp *l);

/* lwp_setpri - change an lwp's own priority. Any context up to IPL_SCHED. May preempt the caller
 * once interrupts are on. */
void lwp_setpri(struct lwp *l, int pri);

/* lwp_yield - let others of the same priority run. Thread context, interrupts on, no spin mutex
 * held (asserted). */
void lwp_yield(void);

/* preempt_disable, preempt_enable - stay on this CPU and hold off other lwps and ithreads, nesting.
 * Filters still run. Handlers that became pending run when the last preempt_enable() returns. */
void preempt_disable(void);
void preempt_enable(void);

/*
 * lwp_each - call fn(l, arg) for every lwp that exists, under the list's lock (an adaptive mutex):
 * fn may not create or end lwps. Thread context; may block.
 */
void lwp_each(void (*fn)(struct lwp *l, void *arg), void *arg);

/* lwp_pri - what it runs at. Stands still under l_lock or the run queue's lock; else a hint, and to
 * the lwp itself too: others lend. Who raises it pokes the CPU that is to look again. */
static inline uint8_t lwp_pri(const struct lwp *l)
{
	/* Relaxed: pairs with the stores of sched_setpri(); the poke that follows orders. */
	return atomic_load_explicit(&l->l_pri, memory_order_relaxed);
}

/* lwp_gate - the l_gate of a handler's or softint's thread that runs at a level. */
static inline uint32_t lwp_gate(uint8_t level)
{
	const struct lwp l = {.l_ipl = level, .l_level = level};

	return l.l_gate;
}

/* lwp_alloc - an lwp with a stack that does not run yet, LWP_FREE. For lwp.c, ithread.c,
 * softint.c, cpu.c. Thread context; may block. NULL: no memory. lwp_reap - the reaper frees it,
 * once it is off its stack. Any context up to IPL_SCHED. */
struct lwp *lwp_alloc(const char *name, int flags, struct cpu *cpu, uint8_t pri);
void lwp_reap(struct lwp *l);

/* lwp_init - for cpu.c: `l` (static memory) is the lwp "main" on `ci`. lwp_start_reaper -
 * thereafter. */
void lwp_init(struct lwp *l, struct cpu *ci, void *stack, size_t size);
void lwp_start_reaper(void);

/* lwp_state_name - "run", "onproc" and so on. */
const char *lwp_state_name(const struct lwp *l);

#endif
