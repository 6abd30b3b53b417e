/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * storm.c - policy that watches sources: storms, interrupts of nobody, lines held masked.
 *
 * What is charged is time, not rate. Every 100 ms each CPU looks at the sources that are routed to
 * it and adds up the counter ticks of their dispatch, their filters and their thread functions
 * there, and wherever a handler with INTR_MIGRATE went. A source that took hw.intr.storm_percent of
 * a CPU in five looks running is in a storm.
 * So a device that interrupts 350,000 times a second and is done in a microsecond is left alone,
 * and one that is never done is not, at whatever rate.
 *
 * Time that a virtual machine's host gave to others while a handler ran looks like the handler's.
 * But a handler in a thread keeps nobody from taking the clock interrupt, and a CPU that does not
 * execute takes it late. So from the first look over budget on the clock is asked for every 10 ms,
 * and a look less than 100 ms after it came more than LATE_NS late is in doubt: it counts for a
 * DOUBT_TIMES part of a sure one. A storm on a host with other things to do is still seen,
 * in five seconds instead of half of one; so is one by filters that keep interrupts off for long.
 *
 * Why in the clock interrupt: a storm starves all that runs in threads on its CPU, softints and
 * callouts included, so nothing of that kind could be relied on to end it.
 *
 *	             over budget five times, or 1000 unclaimed in a row
 *	CALM ---------------------------------------------------------> HELD
 *	 ^                                                              |  ^
 *	 | took too much: under budget     back-off over: let in again  |  | over budget once, or
 *	 | for half a second; unclaimed:                                |  | 100 unclaimed in a row:
 *	 | claimed again, or quiet for 10 s                             v  | back-off doubles
 *	 +------------------------------------------------------------ TRIAL
 *
 * HELD is IS_SET_STORM in the source's set: masked at its controller or, where that is impossible,
 * not dispatched. The back-off starts at 100 ms and doubles to 10 s, and a trial looks every 10 ms,
 * so a source that never calms down keeps a tenth of its CPU at first and a thousandth in the end.
 * An edge or message that came while its source was held is gone, so when a hold ends the filters
 * are asked once for what the device may have had to say (intr_replay()).
 *
 * The console is told once a storm and once when it is over, from a softint, since a console may be
 * slow and the clock interrupt must not be.
 *
 * A line that its handlers keep masked for longer than hw.intr.stuck_ms is named once, with them;
 * again only after it was unmasked.
 *
 * Contexts: storm_tick() and storm_unclaimed() with interrupts off; the rest in threads.
 * Lock order: storm_list_lock -> none; st_lock -> is_lock.
 * Who may look: the list and the handlers of a source are walked with interrupts off and no lock;
 * whoever takes one off waits in cpu_barrier() before it is freed.
 * Invariants: I3 (IS_SET_STORM is a member of the set like any other), I11.
 * Not for: spreading honest load, which is the balancer's. Read next: intr.c, clock.c.
 */
#include <ithaca/storm.h>

#include "intr_impl.h"
#include "source_impl.h"

#include <ithaca/clock.h>
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/ithread.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/softint.h>
#include <ithaca/string.h>
#include <ithaca/sysctl.h>

#define LOOK_NS (100 * NS_PER_MS)
#define LOOK_IDLE_NS NS_PER_S /* a CPU to which nothing is routed */
#define TRIAL_NS (10 * NS_PER_MS)
#define LOOKS_OVER 5      /* so many looks over budget make a storm */
#define TRIALS_UNDER 50   /* so many trial looks under budget end one */
#define LATE_NS NS_PER_MS /* a clock interrupt this late leaves doubt whether the CPU executed */
#define DOUBT_TIMES 10    /* so many looks in doubt count for one */
#define QUIET_NS (10 * NS_PER_S)
#define BACKOFF_MIN_NS (100 * NS_PER_MS)
#define BACKOFF_MAX_NS (10 * NS_PER_S)
#define UNCLAIMED_TRIAL 100 /* in a row, when on trial */

#define STORM_PERCENT 90
#define STUCK_MS 1000

/* What the console is to be told: bits of st_say. */
#define SAY_STORM 0x1
#define SAY_CALM 0x2
#define SAY_STUCK 0x4

/*
 * Locking key: (a) set once before it is shared; (s) st_lock; (i) the source's CPU, interrupts
 * off; (~) atomic.
 */
struct storm {
	struct storm *_Atomic st_next; /* (~) written under storm_list_lock; see the essay */
	struct intr_source *st_source; /* (a) */
	struct spin st_lock;
	uint8_t st_state;         /* (s) enum storm_state */
	uint8_t st_cause;         /* (s) enum storm_cause */
	uint8_t st_say;           /* (s) SAY_* */
	struct meter st_meter;    /* (s) what it takes of its CPU */
	unsigned st_percent;      /* (s) by the last sample */
	unsigned st_said_percent; /* (s) what SAY_STORM is about */
	bool st_doubt;            /* (s) its CPU was late not long before that */
	unsigned st_said_ms;      /* (s) and for how long */
	unsigned st_over;         /* (s) looks over budget, running; DOUBT_TIMES for a sure one */
	uint64_t st_over_ns;      /* (s) since when */
	unsigned st_looks;        /* (s) trial: looks under budget */
	uint64_t st_next_ns;      /* (s) when it is looked at next */
	uint32_t st_unclaimed;    /* (s) trial: is_unclaimed when last looked at */
	uint64_t st_count;        /* (s) trial: interrupts when they last had come */
	uint64_t st_quiet_ns;     /* (s) trial: and since when there is none */
	uint64_t st_until_ns;     /* (s) held: until */
	uint64_t st_backoff_ns;   /* (s) */
	uint64_t st_holds;        /* (s) in all */
	uint64_t st_holds_storm;  /* (s) in this storm */
	uint64_t st_storms;       /* (s) */
	uint64_t st_stuck_since;  /* (s) is_masked_since of what was named; 0: nothing */
	uint64_t st_stuck_set;    /* (s) who held it */
};

struct storm_cpu {
	_Alignas(64) uint64_t sc_next_ns; /* (i) when its sources are looked at next; 0: now, all */
	_Atomic uint64_t sc_late_ns; /* (~) relaxed: when that was LATE_NS late last; 0: never */
};

static struct spin storm_list_lock;
static struct storm *_Atomic storm_list; /* (~) release to add, acquire to walk */
static struct storm_cpu storm_cpus[CPU_MAX];
static struct softint *storm_softint;   /* (a) storm_init() */
static _Atomic bool storm_running;      /* (~) release in storm_init(), acquire in storm_tick() */
static _Atomic unsigned storm_troubled; /* (~) relaxed: sources that are not calm */
static _Atomic uint64_t storm_total;    /* (~) relaxed: hw.intr.storms */
static _Atomic uint64_t storm_percent = STORM_PERCENT; /* (~) relaxed: a setting */
static _Atomic uint64_t stuck_ms = STUCK_MS;           /* (~) relaxed: a setting */

/* ---- Measuring ---- */

bool storm_late(const struct cpu *ci, uint64_t now_ns, uint64_t within_ns)
{
	uint64_t late_ns = stat_read(&storm_cpus[ci->ci_index].sc_late_ns);

	return late_ns != 0 && late_ns + within_ns >= now_ns;
}

/* The rest: st_lock held, interrupts off. */

/* storm_sample - bring st_percent up to date. The first sample on a CPU, or after a handler left
 * and took its time with it, measures nothing. */
static void storm_sample(struct storm *st, struct cpu *ci, uint64_t now_ns)
{
	unsigned permille;

	(void)meter_read(&st->st_meter, ci->ci_index, source_ticks_all(st->st_source, ci->ci_index),
	    port_counter(), &permille);
	st->st_percent = permille / 10;
	st->st_doubt = storm_late(ci, now_ns, LOOK_NS);
}

/* storm_over - by what was sampled; counts it. */
static bool storm_over(struct storm *st, uint64_t now_ns, uint64_t look_ns)
{
	uint64_t limit = atomic_load_explicit(&storm_percent, memory_order_relaxed);

	if (limit == 0 || st->st_percent < limit) {
		st->st_over = 0;
		return false;
	}
	if (st->st_over == 0)
		st->st_over_ns = now_ns - look_ns;
	st->st_over += st->st_doubt ? 1 : DOUBT_TIMES;
	return true;
}

/* ---- Changing state. st_lock held, interrupts off. ---- */

static void storm_hold(struct storm *st, enum storm_cause cause, uint64_t now_ns)
{
	if (st->st_state == STORM_CALM) {
		st->st_backoff_ns = BACKOFF_MIN_NS;
		st->st_holds_storm = 0;
		st->st_storms++;
		st->st_said_percent = st->st_percent;
		st->st_said_ms = (unsigned)((now_ns - st->st_over_ns) / NS_PER_MS);
		st->st_say |= SAY_STORM;
		atomic_fetch_add_explicit(&storm_total, 1, memory_order_relaxed);
		atomic_fetch_add_explicit(&storm_troubled, 1, memory_order_relaxed);
	} else if (st->st_backoff_ns < BACKOFF_MAX_NS / 2) {
		st->st_backoff_ns *= 2;
	} else {
		st->st_backoff_ns = BACKOFF_MAX_NS;
	}
	st->st_state = STORM_HELD;
	st->st_cause = (uint8_t)cause;
	st->st_over = 0;
	st->st_holds++;
	st->st_holds_storm++;
	st->st_until_ns = now_ns + st->st_backoff_ns;
	st->st_next_ns = st->st_until_ns;
	intr_hold(st->st_source, IS_SET_STORM);
}

static uint64_t source_count(struct intr_source *is, struct cpu *ci)
{
	return stat_read(&is->is_stats[ci->ci_index].st_count);
}

/* storm_try - the back-off is over. */
static void storm_try(struct storm *st, struct cpu *ci, uint64_t now_ns)
{
	struct intr_source *is = st->st_source;

	st->st_state = STORM_TRIAL;
	st->st_over = 0;
	st->st_looks = 0;
	st->st_unclaimed = STORM_UNCLAIMED - UNCLAIMED_TRIAL;
	atomic_store_explicit(&is->is_unclaimed, st->st_unclaimed, memory_order_relaxed);
	st->st_count = source_count(is, ci);
	st->st_quiet_ns = now_ns;
	st->st_meter.mt_read = false;
	storm_sample(st, ci, now_ns);
	intr_release(is, IS_SET_STORM);
}

static void storm_calm(struct storm *st)
{
	st->st_state = STORM_CALM;
	st->st_over = 0;
	st->st_say |= SAY_CALM;
	atomic_fetch_sub_explicit(&storm_troubled, 1, memory_order_relaxed);
}

/* trial_claimed - has anybody claimed an interrupt since the last look? intr.c counts up those
 * that nobody did, and starts again at each that somebody did. */
static bool trial_claimed(struct storm *st)
{
	uint32_t n = atomic_load_explicit(&st->st_source->is_unclaimed, memory_order_relaxed);
	bool claimed = n < st->st_unclaimed;

	st->st_unclaimed = n;
	return claimed;
}

static bool trial_quiet(struct storm *st, struct cpu *ci, uint64_t now_ns)
{
	uint64_t count = source_count(st->st_source, ci);

	if (count != st->st_count) {
		st->st_count = count;
		st->st_quiet_ns = now_ns;
	}
	return now_ns - st->st_quiet_ns >= QUIET_NS;
}

/* ---- Looking, from the clock interrupt. Each returns when to look again. ---- */

static uint64_t look_calm(struct storm *st, struct cpu *ci, uint64_t now_ns)
{
	storm_sample(st, ci, now_ns);
	if (!storm_over(st, now_ns, LOOK_NS) || st->st_over < LOOKS_OVER * DOUBT_TIMES)
		return now_ns + LOOK_NS;
	storm_hold(st, STORM_BY_TIME, now_ns);
	return st->st_until_ns;
}

static uint64_t look_held(struct storm *st, struct cpu *ci, uint64_t now_ns, bool *replay)
{
	bool off = st->st_cause == STORM_BY_TIME &&
	    atomic_load_explicit(&storm_percent, memory_order_relaxed) == 0;

	if (now_ns < st->st_until_ns && !off)
		return st->st_until_ns;
	storm_try(st, ci, now_ns);
	*replay = st->st_source->is_trigger != INTR_LEVEL;
	return now_ns + TRIAL_NS;
}

static uint64_t look_trial(struct storm *st, struct cpu *ci, uint64_t now_ns)
{
	bool nobody = st->st_cause == STORM_BY_NOBODY;
	uint64_t next_ns = now_ns + (nobody ? LOOK_NS : TRIAL_NS);

	storm_sample(st, ci, now_ns);
	if (!storm_over(st, now_ns, next_ns - now_ns)) {
		st->st_looks++;
	} else if (st->st_over >= DOUBT_TIMES) {
		storm_hold(st, STORM_BY_TIME, now_ns);
		return st->st_until_ns;
	}
	if (nobody ? trial_claimed(st) || trial_quiet(st, ci, now_ns)
		   : st->st_looks >= TRIALS_UNDER) {
		storm_calm(st);
		return now_ns + LOOK_NS;
	}
	return next_ns;
}

/* look_stuck - do handlers hold it masked for too long? */
static void look_stuck(struct storm *st)
{
	struct intr_source *is = st->st_source;
	uint64_t limit_ms = atomic_load_explicit(&stuck_ms, memory_order_relaxed);
	uint64_t since, set;
	bool masked;

	if (is->is_trigger != INTR_LEVEL)
		return;
	spin_lock(&is->is_lock);
	masked = is->is_masked;
	since = is->is_masked_since;
	set = is->is_set;
	spin_unlock(&is->is_lock);
	if (!masked || since != st->st_stuck_since)
		st->st_stuck_since = 0;
	if (!masked || limit_ms == 0 || st->st_stuck_since != 0 || set == 0 ||
	    (set & (IS_SET_STORM | IS_SET_DISABLED)) != 0)
		return;
	if (port_counter_to_ns(port_counter() - since) >= limit_ms * NS_PER_MS) {
		st->st_stuck_since = since;
		st->st_stuck_set = set;
		st->st_say |= SAY_STUCK;
	}
}

/* look_due - its time has come. Returns whether intr_replay() is to be called. */
static bool look_due(struct storm *st, struct cpu *ci, uint64_t now_ns)
{
	bool replay = false;

	if (st->st_state == STORM_CALM)
		st->st_next_ns = look_calm(st, ci, now_ns);
	else if (st->st_state == STORM_HELD)
		st->st_next_ns = look_held(st, ci, now_ns, &replay);
	else
		st->st_next_ns = look_trial(st, ci, now_ns);
	return replay;
}

/* storm_look - at one source, on its CPU, if it is due: the clock comes for other sources as well,
 * and a share is of a whole look. `kicked`: a setting has changed, which may let go of one held. */
static uint64_t storm_look(struct storm *st, struct cpu *ci, uint64_t now_ns, bool kicked,
    bool *say)
{
	bool replay = false;
	uint64_t next_ns;

	spin_lock(&st->st_lock);
	if (now_ns >= st->st_next_ns || (kicked && st->st_state == STORM_HELD))
		replay = look_due(st, ci, now_ns);
	look_stuck(st);
	next_ns = st->st_next_ns;
	if (st->st_over != 0 && next_ns > now_ns + TRIAL_NS)
		next_ns = now_ns + TRIAL_NS; /* is the clock in time? */
	*say |= st->st_say != 0;
	spin_unlock(&st->st_lock);
	if (replay)
		intr_replay(st->st_source);
	return next_ns;
}

static void storm_tell(void);

static bool storm_wanted(void)
{
	if (atomic_load_explicit(&storm_troubled, memory_order_relaxed) != 0)
		return true;
	return atomic_load_explicit(&storm_running, memory_order_acquire) &&
	    (atomic_load_explicit(&storm_percent, memory_order_relaxed) != 0 ||
		atomic_load_explicit(&stuck_ms, memory_order_relaxed) != 0);
}

uint64_t storm_tick(struct cpu *ci, uint64_t now_ns)
{
	struct storm_cpu *sc = &storm_cpus[ci->ci_index];
	uint64_t next_ns = now_ns + LOOK_IDLE_NS, at_ns;
	struct storm *st;
	bool say = false, kicked = sc->sc_next_ns == 0;

	if (!storm_wanted())
		return UINT64_MAX;
	if (now_ns < sc->sc_next_ns)
		return sc->sc_next_ns;
	if (!kicked && now_ns - sc->sc_next_ns > LATE_NS)
		atomic_store_explicit(&sc->sc_late_ns, now_ns, memory_order_relaxed);
	if (ci->ci_acct_to != NULL)
		acct_charge(ci, ci->ci_acct_to); /* up to this moment */
	for (st = atomic_load_explicit(&storm_list, memory_order_acquire); st != NULL;
	     st = atomic_load_explicit(&st->st_next, memory_order_acquire)) {
		if (atomic_load_explicit(&st->st_source->is_cpu, memory_order_relaxed) != ci)
			continue;
		at_ns = storm_look(st, ci, now_ns, kicked, &say);
		if (at_ns < next_ns)
			next_ns = at_ns;
	}
	sc->sc_next_ns = next_ns;
	if (say)
		storm_tell();
	return next_ns;
}

void storm_unclaimed(struct intr_source *is)
{
	struct storm *st = is->is_storm;
	struct cpu *ci = curcpu();
	struct storm_cpu *sc = &storm_cpus[ci->ci_index];
	uint64_t now_ns = clock_ns();

	spin_lock(&st->st_lock);
	if (st->st_state != STORM_HELD)
		storm_hold(st, STORM_BY_NOBODY, now_ns);
	if (st->st_until_ns < sc->sc_next_ns || sc->sc_next_ns == 0)
		sc->sc_next_ns = st->st_until_ns;
	spin_unlock(&st->st_lock);
	clock_want(ci, sc->sc_next_ns);
	storm_tell();
}

/* ---- Telling the console, in a thread ---- */

static void line_storm(const struct storm *st, const char *names, char *buf, size_t size)
{
	const char *is = st->st_source->is_name;

	if (st->st_cause == STORM_BY_TIME)
		ksnprintf(buf, size,
		    "storm: %s (%s) took %u %% of cpu%u for %u ms: held, let in again from time to "
		    "time\n",
		    is, names, st->st_said_percent, st->st_meter.mt_cpu, st->st_said_ms);
	else
		ksnprintf(buf, size,
		    "storm: %s (%s): %u interrupts in a row that nobody claimed: held, let in "
		    "again from time to time\n",
		    is, names, STORM_UNCLAIMED);
}

/* storm_line - compose what there is to say of `st`, one line, and cross it off. st_lock held. */
static bool storm_line(struct storm *st, char *buf, size_t size)
{
	struct intr_source *is = st->st_source;
	char names[160];

	if (st->st_say & SAY_STORM) {
		st->st_say &= (uint8_t)~SAY_STORM;
		handler_names(is, 0, names, sizeof(names));
		line_storm(st, names, buf, size);
	} else if (st->st_say & SAY_CALM) {
		st->st_say &= (uint8_t)~SAY_CALM;
		ksnprintf(buf, size, "storm: %s has calmed down; it was held %llu time%s\n",
		    is->is_name, (unsigned long long)st->st_holds_storm,
		    st->st_holds_storm == 1 ? "" : "s");
	} else if (st->st_say & SAY_STUCK) {
		st->st_say &= (uint8_t)~SAY_STUCK;
		handler_names(is, st->st_stuck_set, names, sizeof(names));
		ksnprintf(buf, size,
		    "intr: %s has been masked by %s for more than %llu ms (hw.intr.stuck_ms)\n",
		    is->is_name, names,
		    (unsigned long long)atomic_load_explicit(&stuck_ms, memory_order_relaxed));
	} else {
		return false;
	}
	return true;
}

/* storm_next_line - of the first source that has something to say. */
static bool storm_next_line(char *buf, size_t size)
{
	bool intr = port_intr_disable(), found = false;
	struct storm *st;

	for (st = atomic_load_explicit(&storm_list, memory_order_acquire); st != NULL && !found;
	     st = atomic_load_explicit(&st->st_next, memory_order_acquire)) {
		spin_lock(&st->st_lock);
		found = storm_line(st, buf, size);
		spin_unlock(&st->st_lock);
	}
	port_intr_restore(intr);
	return found;
}

static void storm_say(void *unused)
{
	char line[320];

	(void)unused;
	while (storm_next_line(line, sizeof(line)))
		kprintf("%s", line);
}

/* storm_tell - have storm_say() called; before storm_init() by ourselves. Interrupts off. */
static void storm_tell(void)
{
	/* Acquire: pairs with the release in storm_init(), for storm_softint. */
	if (atomic_load_explicit(&storm_running, memory_order_acquire))
		softint_schedule(storm_softint);
	else
		storm_say(NULL);
}

void storm_info(struct intr_source *is, struct storm_info *out)
{
	struct storm *st = is->is_storm;
	bool intr = port_intr_disable();

	spin_lock(&st->st_lock);
	out->state = st->st_state;
	out->cause = st->st_cause;
	out->percent = st->st_percent;
	out->storms = st->st_storms;
	out->holds = st->st_holds;
	out->backoff_ns = st->st_backoff_ns;
	out->stuck = st->st_stuck_since != 0;
	spin_unlock(&st->st_lock);
	port_intr_restore(intr);
}

/* ---- Coming and going ---- */

int storm_attach(struct intr_source *is)
{
	struct storm *st = port_mem_alloc(sizeof(*st));
	bool intr;

	if (st == NULL)
		return ENOMEM;
	st->st_source = is;
	spin_init(&st->st_lock);
	is->is_storm = st;
	intr = port_intr_disable();
	spin_lock(&storm_list_lock);
	atomic_init(&st->st_next, atomic_load_explicit(&storm_list, memory_order_relaxed));
	/* Release: pairs with the acquire of whoever walks. */
	atomic_store_explicit(&storm_list, st, memory_order_release);
	spin_unlock(&storm_list_lock);
	port_intr_restore(intr);
	return 0;
}

void storm_detach(struct intr_source *is)
{
	struct storm *st = is->is_storm, *next;
	struct storm *_Atomic *at = &storm_list;
	bool intr = port_intr_disable();

	spin_lock(&storm_list_lock);
	while ((next = atomic_load_explicit(at, memory_order_relaxed)) != st) {
		KASSERT(next != NULL, "%s is not among the sources watched", is->is_name);
		at = &next->st_next;
	}
	/* st_next stays, for whoever stands on it. */
	next = atomic_load_explicit(&st->st_next, memory_order_relaxed);
	atomic_store_explicit(at, next, memory_order_release);
	spin_unlock(&storm_list_lock);
	port_intr_restore(intr);
	cpu_barrier();
	if (st->st_state != STORM_CALM)
		atomic_fetch_sub_explicit(&storm_troubled, 1, memory_order_relaxed);
	is->is_storm = NULL;
	port_mem_free(st, sizeof(*st));
}

/* ---- Settings ---- */

static void storm_kick_cpu(void *unused)
{
	struct cpu *ci = curcpu();

	(void)unused;
	storm_cpus[ci->ci_index].sc_next_ns = 0;
	clock_want(ci, clock_ns());
}

/* storm_kick - have every CPU look now: a setting has changed. */
static void storm_kick(void)
{
	unsigned i;

	for (i = 0; i < cpu_count(); i++)
		cpu_call(cpu_lookup(i), storm_kick_cpu, NULL);
}

static struct sysctl nodes[] = {
    {.sy_name = "hw.intr.storm_percent",
	.sy_doc = "share of its CPU that makes a source a storm, in percent; 0: none does",
	.sy_value = &storm_percent,
	.sy_max = 100,
	.sy_changed = storm_kick},
    {.sy_name = "hw.intr.stuck_ms",
	.sy_doc = "how long handlers may keep a line masked before it is named, in ms; 0: ever",
	.sy_value = &stuck_ms,
	.sy_max = 3600000,
	.sy_changed = storm_kick},
    {.sy_name = "hw.intr.storms",
	.sy_doc = "storms of any source so far",
	.sy_value = &storm_total},
};

int storm_init(void)
{
	int error;

	error = softint_establish("storm", IPL_SOFTCLOCK, storm_say, NULL, &storm_softint);
	if (error == 0)
		error = sysctl_register(nodes, sizeof(nodes) / sizeof(nodes[0]));
	if (error != 0)
		return error;
	/* Release: pairs with the acquire in storm_tick(), storm_tell(). */
	atomic_store_explicit(&storm_running, true, memory_order_release);
	storm_kick();
	return 0;
}
