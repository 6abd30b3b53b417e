/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cpu.h - what the core keeps for each CPU, and sets of CPUs.
 *
 * The first two fields are at offsets 0 and 8 for the sake of ports. What the fast path touches
 * comes next, in one cache line, and only its own CPU writes it.
 */
#ifndef ITHACA_CPU_H
#define ITHACA_CPU_H

#include <ithaca/lwp.h>
#include <ithaca/port.h>
#include <ithaca/queue.h>
#include <ithaca/spin.h>
#include <ithaca/spl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define CPU_MAX 64

/* A set of CPUs: one bit a CPU number. */
typedef uint64_t cpuset_t;
#define CPUSET(index) ((cpuset_t)1 << (index))

struct intr_handler;
struct softint;

/* The bit of IPL_NONE in ci_pending: who ends next in an ithread has more to do; see ithread.c. */
#define PENDING_LOOK 1u
/* Another bit in it: somebody may be runnable who comes before the lwp that runs; see sched.c. */
#define PENDING_RESCHED (1u << 31)
#define PENDING_LEVELS ((1u << IPL_VM) - 1 - PENDING_LOOK)
/* The bits between count the spin mutexes held, and say whether interrupts were on before the first
 * (in the place where x86-64 has its own such bit): so that whoever leaves one finds in one look
 * that it was the last and that nothing pends. See mutex.c. */
#define PENDING_SPIN_ON (1u << 9)
#define PENDING_SPIN (1u << 12)
#define PENDING_SPINS (PENDING_RESCHED - PENDING_SPIN)

/* Why a CPU was poked with port_ipi(); bits of ci_ipi. */
#define IPI_RESCHED 0x01 /* look at ci_top_pri, or idle: look for work */
#define IPI_ITHREAD 0x02 /* somebody starves: look for a spare ithread to give */
#define IPI_GIFT 0x04    /* an ithread was put on ci_gifts */
#define IPI_SOFTINT 0x08 /* softints were put on ci_softint_remote */
#define IPI_CALL 0x10    /* cpu_call() */
#define IPI_MIGRATE 0x20 /* handlers were put on ci_passed, or wait here and somebody idles */

/* The pending queue of one level. Written by the own CPU with interrupts off. */
struct intr_queue {
	struct intr_handler *q_head;
	struct intr_handler **q_tail; /* where the next one is linked: &q_head when empty */
};

/* A softint level of one CPU: its queue lives with its lwp. */
struct softint_cpu {
	struct lwp *sc_lwp;      /* (a) */
	struct softint *sc_head; /* (i) linked by si_next */
	struct softint *sc_last; /* (i) of two or more; else nobody asks */
	uint32_t sc_pending;     /* (i) its bit of ci_pending; 0: away, its lwp is divorced */
};

/*
 * Locking key: (a) set once before it is shared; (i) own CPU only, interrupts off;
 * (q) ci_rq_lock; (~) atomic.
 */
struct cpu {
	struct cpu *ci_self;           /* (a) offset 0 */
	struct lwp *_Atomic ci_curlwp; /* (~) own CPU writes; mutex.c of others reads; offset 8 */
	uint32_t ci_pending; /* (i) bit a level: something is queued for an ithread or softint; and
				PENDING_* */
	_Atomic uint8_t ci_top_pri;   /* (~) best on the run queue, 0: none; written under (q) */
	bool ci_acct;                 /* (i) copy of hw.intr.acct */
	bool ci_slicing;              /* (i) the clock is on its way for sched_slice() */
	bool ci_looks;                /* (i) a dispatch that ends in migrate_look() */
	uint32_t ci_stats_offset;     /* (a) of its part in arrays of struct intr_stats */
	struct lwp *ci_spare;         /* (i) the ithread that the next handoff takes */
	uint64_t ci_acct_last;        /* (i) counter when ci_acct_to was last charged */
	_Atomic uint64_t *ci_acct_to; /* (i) who is charged for the time since */
	_Atomic uint64_t ci_handoffs; /* (~) own CPU counts, anyone reads */

	struct intr_queue ci_queue[IPL_COUNT];             /* (i) IPL_BIO to IPL_TTY are used */
	struct softint_cpu ci_softint[IPL_SOFTSERIAL + 1]; /* (i) */

	unsigned ci_index;   /* (a) number, from 0 */
	uint32_t ci_hwid;    /* (a) the port's number for it */
	struct lwp *ci_idle; /* (a) */
	_Atomic uint64_t
	    /* (~) own CPU counts: ithreads and softints that blocked or were preempted */
	    ci_divorces;
	_Atomic uint64_t
	    ci_starvations;          /* (~) own CPU counts: times that no ithread was to be had */
	_Atomic uint64_t ci_rescues; /* (~) own CPU counts: ithreads that came as gifts */
	_Atomic uint64_t
	    ci_nested;            /* (~) own CPU counts: handoffs on top of an ithread or softint */
	_Atomic uint64_t ci_ipis; /* (~) own CPU counts, anyone reads */
	_Atomic uint64_t ci_migrated; /* (~) own CPU counts: handlers that others passed on */
	_Atomic uint64_t ci_switches; /* (~) own CPU counts: scheduler switches */

	_Alignas(64) struct spin ci_rq_lock;
	uint64_t ci_rq_map;           /* (q) bit a priority */
	struct list ci_rq[PRI_COUNT]; /* (q) */
	struct lwp *ci_onproc;        /* (q) whom sched_switch() chose last */
	_Atomic unsigned ci_rq_len;   /* (~) not bound; written under (q); a hint to thieves */

	_Alignas(64) _Atomic unsigned ci_ipi; /* (~) IPI_*, taken by exchange in intr_ipi() */
	struct lwp *_Atomic ci_gifts;         /* (~) ithreads given to this CPU, linked by l_next */
	struct intr_handler *_Atomic ci_passed;    /* (~) handlers passed on to it, by ih_qnext */
	struct softint *_Atomic ci_softint_remote; /* (~) softints scheduled from elsewhere */
	struct cpu_call *_Atomic ci_calls;         /* (~) cpu_call() requests */
	uint64_t ci_clock_next;                    /* (i) deadline that the clock is armed for */
	struct callout_cpu *ci_callout;            /* (a) callout.c */
};

_Static_assert(offsetof(struct cpu, ci_self) == 0, "ports rely on it");
_Static_assert(offsetof(struct cpu, ci_curlwp) == 8, "ports rely on it");
_Static_assert(offsetof(struct cpu, ci_pending) == 16, "ports rely on it");

/* cpu_spins - spin mutexes held on a CPU, but for those of mutex_filter_enter(). Exact on its own,
 * interrupts off; else a hint. spins_held - by curlwp or the interrupt upon it. Any context. */
static inline unsigned cpu_spins(const struct cpu *ci)
{
	return (ci->ci_pending & PENDING_SPINS) / PENDING_SPIN;
}

static inline unsigned spins_held(void)
{
	return port_intr_enabled() ? 0 : cpu_spins(curcpu());
}

/* cpu_ipl - the level that `l`, curlwp of `ci`, is at: IPL_HIGH with a spin mutex held, else its
 * own. A hint, unless it is asked as cpu_spins() is. spl_now - that of curlwp. Any context. */
static inline int cpu_ipl(const struct cpu *ci, const struct lwp *l)
{
	return cpu_spins(ci) != 0 ? IPL_HIGH : l->l_ipl;
}

static inline int spl_now(void)
{
	return spins_held() != 0 ? IPL_HIGH : curlwp->l_ipl;
}

/* lwp_oncpu - it runs at this moment, not pinned beneath another. A hint. Any context. */
static inline bool lwp_oncpu(struct lwp *l)
{
	struct cpu *ci = atomic_load_explicit(&l->l_cpu, memory_order_relaxed);

	/* NULL: it is new, and known by the word of a lock alone, which releases nothing. */
	return ci != NULL && atomic_load_explicit(&ci->ci_curlwp, memory_order_relaxed) == l;
}

/* cpu_count - CPUs attached; their numbers are 0 to cpu_count() - 1. Any context. */
unsigned cpu_count(void);

/* cpu_lookup - the CPU of that number, or NULL if there is none. Any context. */
struct cpu *cpu_lookup(unsigned index);

/*
 * cpu_call - run fn(arg) on `ci` in hard-interrupt context and wait until it has returned there.
 * Thread context, interrupts on, no spin mutex held; spins, bounded by the other CPU's longest
 * stretch with interrupts off. fn must not block. On this CPU it is called in place.
 */
void cpu_call(struct cpu *ci, void (*fn)(void *), void *arg);

/*
 * cpu_call_all - the same on every CPU, this one too: all are asked before any answer is waited
 * for, so it takes as long as the slowest, however many there are. The order is any, and they run
 * beside one another. 2 KiB of the stack.
 */
void cpu_call_all(void (*fn)(void *), void *arg);

/*
 * cpu_barrier - return when every CPU has left whatever it had begun with interrupts off before
 * the call: filters, dispatch, queueing. Thread context, as cpu_call(). It is what lets the fast
 * path do without a lock: unlink, cpu_barrier(), free.
 */
void cpu_barrier(void);

/* cpu_poke - set IPI_* bits and send the interrupt. Any context. */
void cpu_poke(struct cpu *ci, unsigned bits);

#endif
