/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * balance.c - policy that spreads sources: from a CPU that interrupts keep busy to one that they do
 * not.
 *
 * What a source takes is time, as storm.c charges it: its dispatch, its filters, its thread
 * functions. Every hw.intr.balance_ms an lwp adds up what each CPU's sources took of it since the
 * look before. A CPU of which they took hw.intr.balance_percent in LOOKS_BUSY looks running is
 * busy, and one of its sources may move to the CPU of which they took least. Which one? What
 * matters is the higher of the two loads:
 *
 *	before      after a move of s      gained: the least of
 *	from  H     H - s                  s          (the one it leaves is the higher still)
 *	to    C     C + s                  H - C - s  (the other has become it)
 *
 * The source of the greatest gain moves, one a look, if it gains GAIN_MIN; of two that gain the
 * same, the one that takes less. By this rule a source that makes up the load by itself stays: it
 * would take the load along, and no more (H - C - s is then at most 0). And none goes back by the
 * loads that sent it: the way back gains -(H - C - s). What is left is that loads change because of
 * a move, when sources were short of time before. So all begin to count their busy looks anew after
 * each, and the source rests for LOOKS_REST of them.
 *
 * Left where they are: sources bound by hand or by their driver (intr_bind()), sources that cannot
 * be moved, that rest, that storm.c holds or tries, that were not measured in this look. A CPU that
 * has one of the last kind may be busier than it looks, so nothing is sent to it, and it is not
 * taken for busy either. One that could not be given a source - it has no vector left, or none can
 * be sent to it at all - would be the least busy for ever: for LOOKS_REFUSED looks it is asked only
 * where nothing is gained by any other.
 *
 * A virtual machine's host may give a CPU to others in the midst of a handler, whose time that
 * seems to be. A busy look of a CPU that took its clock late (storm_late()) counts for a
 * DOUBT_TIMES part of a sure one: its sources move later, but they do.
 *
 * Contexts: an lwp, since to move a source may block. It is an ordinary one, of the highest
 * priority that those have, and disturbs no handler. But handlers that keep its CPU busy may keep
 * it out, or pinned, and it is they of whom it wants to know. So a callout that runs in the clock
 * interrupt sees when it is late by a whole period, and puts it above all handlers until its look
 * is over.
 *
 * Lock order: balance_mutex -> nothing; intr_mutex (intr_source_each()) -> is_lock, st_lock.
 * A source may go between two walks over all, so nobody remembers one; what is chosen bears the
 * mark itself (bs_chosen), and whoever comes to lie where it was does not.
 * Invariants: those of intr_bind(), I1 and I3. Not for: storms, which it does not spread; what else
 * keeps a CPU busy; how long handlers wait (latency.c). Read next: storm.c, intr_route() in intr.c.
 */
#include <ithaca/balance.h>

#include "intr_impl.h"
#include "source_impl.h"

#include <ithaca/callout.h>
#include <ithaca/clock.h>
#include <ithaca/condvar.h>
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/lwp.h>
#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/storm.h>
#include <ithaca/string.h>
#include <ithaca/sysctl.h>

#define BALANCE_MS 1000
#define BALANCE_MS_MIN 10
#define BALANCE_MS_MAX 3600000
#define BALANCE_PERCENT 50

#define LOOKS_BUSY 3     /* so many looks running make a CPU busy */
#define DOUBT_TIMES 10   /* so many in doubt count for one of them */
#define LOOKS_REST 10    /* so many looks a source stays where it was moved */
#define LOOKS_REFUSED 60 /* ... or where it could not be moved from, and the other CPU */
#define GAIN_MIN 50      /* permille: what is not worth a move */
#define NAMES_MAX 120

/* (o) the balancer's own: it alone looks. */
struct balance_cpu {
	unsigned bc_permille; /* what its sources took of it, at the last look */
	bool bc_unknown;      /* one of them was not measured */
	unsigned bc_busy;     /* busy looks, running; DOUBT_TIMES for a sure one */
	unsigned bc_refused;  /* looks for which others are asked first: it refused one */
};

static struct balance_cpu balance_cpus[CPU_MAX]; /* (o) */
static struct lwp *balance_lwp;                  /* (a) before balance_late is armed */
static struct callout balance_late;              /* runs balance_hurry() */

static struct mutex balance_mutex;
static struct condvar balance_cv;                /* a setting has changed, under balance_mutex */
static bool balance_changed;                     /* (balance_mutex) and nobody has taken note yet */
static _Atomic uint64_t balance_ms = BALANCE_MS; /* (~) relaxed: a setting */
static _Atomic uint64_t balance_percent = BALANCE_PERCENT; /* (~) relaxed: a setting */
static _Atomic uint64_t balance_moves;                     /* (~) relaxed: a count */
static _Atomic uint64_t balance_refused;                   /* (~) relaxed: a count */

/* What a look comes to. */
struct balance_move {
	struct intr_source *bm_best; /* chosen, while the list is held still */
	unsigned bm_gain;            /* permille; 0: nothing is chosen */
	struct cpu *bm_from, *bm_to;
	unsigned bm_permille; /* what it took of bm_from */
	bool bm_asked;        /* it was there still, and its controller was asked: */
	int bm_error;         /* what that said */
	char bm_source[INTR_NAME_MAX];
	char bm_names[NAMES_MAX];
};

static struct balance_cpu *cpu_of(const struct intr_source *is)
{
	return &balance_cpus[atomic_load_explicit(&is->is_cpu, memory_order_relaxed)->ci_index];
}

/* ---- Measuring ---- */

static bool measure_source(struct intr_source *is, void *unused)
{
	struct balance_cpu *bc = cpu_of(is);
	unsigned cpu = (unsigned)(bc - balance_cpus);
	struct balance *bs = &is->is_balance;

	(void)unused;
	bs->bs_chosen = false;
	if (bs->bs_rest > 0)
		bs->bs_rest--;
	if (!meter_read(&bs->bs_meter, cpu, source_ticks(is, cpu), port_counter(),
		&bs->bs_permille) &&
	    is->is_nhandlers != 0)
		bc->bc_unknown = true;
	bc->bc_permille += bs->bs_permille;
	return true;
}

/* count_busy - the look's verdict on a CPU. */
static void count_busy(struct balance_cpu *bc, const struct cpu *ci, uint64_t ns)
{
	uint64_t limit = atomic_load_explicit(&balance_percent, memory_order_relaxed);

	if (bc->bc_unknown)
		return;
	if (bc->bc_permille < limit * 10)
		bc->bc_busy = 0;
	else if (bc->bc_busy < LOOKS_BUSY * DOUBT_TIMES)
		bc->bc_busy += storm_late(ci, clock_ns(), ns) ? 1 : DOUBT_TIMES;
}

static bool is_busy(const struct balance_cpu *bc)
{
	return bc->bc_busy >= LOOKS_BUSY * DOUBT_TIMES && !bc->bc_unknown;
}

/* measure - what each CPU's sources took of it; `ns` is how long ago the look before was. Returns
 * whether any CPU is busy. */
static bool measure(uint64_t ns)
{
	unsigned i, n = cpu_count();
	bool busy = false;

	for (i = 0; i < n; i++) {
		balance_cpus[i].bc_permille = 0;
		balance_cpus[i].bc_unknown = false;
		balance_cpus[i].bc_refused -= balance_cpus[i].bc_refused != 0;
	}
	intr_source_each(measure_source, NULL);
	for (i = 0; i < n; i++) {
		count_busy(&balance_cpus[i], cpu_lookup(i), ns);
		busy |= is_busy(&balance_cpus[i]);
	}
	return busy;
}

/* least_of - the CPU of which sources take least, that they might be sent to; of all, or but for
 * those that could not be given one lately. NULL: there is none. */
static struct cpu *least_of(bool all)
{
	const struct balance_cpu *bc, *least = NULL;
	unsigned i, n = cpu_count();

	for (i = 0; i < n; i++) {
		bc = &balance_cpus[i];
		if (!bc->bc_unknown && (all || bc->bc_refused == 0) &&
		    (least == NULL || bc->bc_permille < least->bc_permille))
			least = bc;
	}
	return least != NULL ? cpu_lookup((unsigned)(least - balance_cpus)) : NULL;
}

/* ---- Choosing ---- */

/* may_move - but for what it would gain. */
static bool may_move(struct intr_source *is)
{
	const struct balance *bs = &is->is_balance;
	struct storm_info info;

	if (bs->bs_bound || bs->bs_rest > 0 || bs->bs_permille == 0 ||
	    is->is_pic->pic_route == NULL || !is_busy(cpu_of(is)))
		return false;
	storm_info(is, &info);
	return info.state == STORM_CALM;
}

/* gain_of - by how much the higher of two loads falls when `s` moves, if it does. Permille. */
static unsigned gain_of(unsigned high, unsigned low, unsigned s)
{
	if (low + s >= high)
		return 0;
	return s < high - low - s ? s : high - low - s;
}

static bool choose_source(struct intr_source *is, void *arg)
{
	struct balance_move *bm = arg;
	struct balance *bs = &is->is_balance;
	unsigned gain;

	if (!may_move(is))
		return true;
	gain = gain_of(cpu_of(is)->bc_permille, balance_cpus[bm->bm_to->ci_index].bc_permille,
	    bs->bs_permille);
	if (gain < GAIN_MIN || gain < bm->bm_gain ||
	    (gain == bm->bm_gain && bs->bs_permille >= bm->bm_permille))
		return true;
	if (bm->bm_best != NULL)
		bm->bm_best->is_balance.bs_chosen = false;
	bs->bs_chosen = true;
	bm->bm_best = is;
	bm->bm_gain = gain;
	bm->bm_from = atomic_load_explicit(&is->is_cpu, memory_order_relaxed);
	bm->bm_permille = bs->bs_permille;
	return true;
}

/* choose - whether a source is to move, and where to: least_of(all). */
static bool choose(struct balance_move *bm, bool all)
{
	bm->bm_to = least_of(all);
	if (bm->bm_to == NULL)
		return false;
	intr_source_each(choose_source, bm);
	return bm->bm_gain != 0;
}

/* ---- Moving ---- */

/* move_source - if it is the chosen one, and nobody has placed it meanwhile. */
static bool move_source(struct intr_source *is, void *arg)
{
	struct balance *bs = &is->is_balance;
	struct balance_move *bm = arg;

	if (!bs->bs_chosen)
		return true;
	bs->bs_chosen = false;
	if (bs->bs_bound || atomic_load_explicit(&is->is_cpu, memory_order_relaxed) != bm->bm_from)
		return false;
	kstrlcpy(bm->bm_source, is->is_name, sizeof(bm->bm_source));
	handler_names(is, 0, bm->bm_names, sizeof(bm->bm_names));
	bm->bm_asked = true;
	bm->bm_error = intr_route(is, bm->bm_to);
	bs->bs_rest = bm->bm_error == 0 ? LOOKS_REST : LOOKS_REFUSED;
	bs->bs_moves += bm->bm_error == 0;
	if (bm->bm_error != 0)
		balance_cpus[bm->bm_to->ci_index].bc_refused = LOOKS_REFUSED;
	return false;
}

static void count_anew(void)
{
	unsigned i;

	for (i = 0; i < CPU_MAX; i++)
		balance_cpus[i].bc_busy = 0;
}

static void tell(const struct balance_move *bm)
{
	unsigned from = bm->bm_from->ci_index, to = bm->bm_to->ci_index;

	if (bm->bm_error == 0)
		kprintf("balance: %s (%s), %u %% of cpu%u, moves to cpu%u: sources took %u %% of "
			"the one, %u %% of the other\n",
		    bm->bm_source, bm->bm_names, bm->bm_permille / 10, from, to,
		    balance_cpus[from].bc_permille / 10, balance_cpus[to].bc_permille / 10);
	else
		kprintf("balance: %s (%s) stays on cpu%u: cpu%u: %s\n", bm->bm_source, bm->bm_names,
		    from, to, bm->bm_error == ENOSPC ? "no vector left" : errno_name(bm->bm_error));
}

/* balance_look - the look before was `ns` ago. */
static void balance_look(uint64_t ns)
{
	struct balance_move bm = {0};

	if (!measure(ns) || (!choose(&bm, false) && !choose(&bm, true)))
		return;
	intr_source_each(move_source, &bm);
	if (!bm.bm_asked)
		return;
	atomic_fetch_add_explicit(bm.bm_error == 0 ? &balance_moves : &balance_refused, 1,
	    memory_order_relaxed);
	count_anew();
	tell(&bm);
}

/* ---- The lwp ---- */

/* balance_wait - until the next look: true; or until a setting has changed. */
static bool balance_wait(uint64_t ns)
{
	bool due = false;

	mutex_enter(&balance_mutex);
	while (!balance_changed && !due) {
		if (ns == 0)
			cv_wait(&balance_cv, &balance_mutex);
		else
			due = cv_timedwait(&balance_cv, &balance_mutex, ns) == ETIMEDOUT;
	}
	due = !balance_changed;
	balance_changed = false;
	mutex_exit(&balance_mutex);
	return due;
}

/* balance_hurry - in the clock interrupt: handlers keep the lwp out, or what it interrupts. */
static void balance_hurry(void *unused)
{
	(void)unused;
	lwp_setpri(balance_lwp, PRI_LEVEL(IPL_TTY));
}

/*
 * balance_turn - wait, and look. The priority is lowered only when the callout stands that will
 * raise it again. That is moved, never stopped first; and until both is done, no handler comes in
 * between, for it might stay until the callout has been:
 *
 *	the lwp                                   the clock interrupt
 *	arms balance_late
 *	(kept out by handlers for two periods)
 *	                                          balance_hurry() raises it
 *	lowers its priority
 *	(kept out, and nothing is armed)
 */
static void balance_turn(uint64_t ns)
{
	preempt_disable();
	if (ns != 0)
		callout_schedule(&balance_late, 2 * ns);
	else
		callout_stop(&balance_late);
	lwp_setpri(balance_lwp, PRI_MAX);
	preempt_enable();
	if (balance_wait(ns)) {
		balance_look(ns);
	} else { /* what was measured is old */
		(void)measure(0);
		count_anew();
	}
}

static void balance_main(void *unused)
{
	(void)unused;
	for (;;)
		balance_turn(cpu_count() < 2
			? 0
			: atomic_load_explicit(&balance_ms, memory_order_relaxed) * NS_PER_MS);
}

/* ---- Settings ---- */

static void balance_kick(void)
{
	mutex_enter(&balance_mutex);
	balance_changed = true;
	cv_signal(&balance_cv);
	mutex_exit(&balance_mutex);
}

static struct sysctl nodes[] = {
    {.sy_name = "hw.intr.balance_ms",
	.sy_doc = "between two looks at what sources take of each CPU, in ms, from 10; 0: none",
	.sy_value = &balance_ms,
	.sy_min = BALANCE_MS_MIN,
	.sy_max = BALANCE_MS_MAX,
	.sy_or_zero = true,
	.sy_changed = balance_kick},
    {.sy_name = "hw.intr.balance_percent",
	.sy_doc = "what sources take of a CPU that one of them is to leave, in percent",
	.sy_value = &balance_percent,
	.sy_min = 1,
	.sy_max = 100,
	.sy_changed = balance_kick},
    {.sy_name = "hw.intr.balance.moves",
	.sy_doc = "sources that went to another CPU because theirs was busy",
	.sy_value = &balance_moves},
    {.sy_name = "hw.intr.balance.refused",
	.sy_doc = "... that were to, and could not",
	.sy_value = &balance_refused},
};

int balance_init(void)
{
	int error;

	if (sysctl_find(nodes[0].sy_name) != NULL)
		return EEXIST;
	mutex_init(&balance_mutex, "balance", IPL_NONE);
	cv_init(&balance_cv, "balance");
	balance_changed = true; /* so that the first look is one that only begins to measure */
	callout_init_hard(&balance_late);
	callout_setfunc(&balance_late, balance_hurry, NULL);
	error = lwp_create("balance", PRI_MAX, NULL, 0, balance_main, NULL, &balance_lwp);
	if (error != 0)
		return error;
	/* Handlers may keep it out before its first turn, too. If that has been, this is taken
	 * back by the next. */
	callout_schedule(&balance_late, 2 * BALANCE_MS * NS_PER_MS);
	return sysctl_register(nodes, sizeof(nodes) / sizeof(nodes[0]));
}
