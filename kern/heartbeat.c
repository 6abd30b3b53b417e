/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * heartbeat.c - every CPU watches itself and its neighbour.
 *
 * Each CPU beats in its clock interrupt, HEARTBEAT_BEATS times in kern.heartbeat_ms. At a beat it
 * counts, looks whether its neighbour (the next CPU, the first after the last) has counted, and
 * schedules a softint at IPL_SOFTCLOCK, which counts in turn. So two things are noticed:
 *
 *	no clock interrupts	by the neighbour: the CPU has interrupts off for good
 *	no softclock		by the CPU itself, in its clock interrupt
 *
 * A CPU alone is not watched for the first, for nobody is left to do it.
 *
 * Time alone proves nothing: a virtual machine's host may stop one CPU, or all, for as long as it
 * likes. So what counts are the watcher's own beats during which the other took none, as well as
 * the time; and the silent CPU is asked by an interrupt that cannot be shut out (port_probe())
 * whether it executes anything at all. One that answers three times, a beat apart, and yet takes
 * no clock interrupt, hangs. One that does not answer is given DEAF_TIMES the time: its host may
 * have other things to do.
 *
 *	watcher's beat	   0	   1	   2	   3	   4
 *	neighbour	beat	-	-	-	-
 *	probes sent	   	1	2	3
 *	answers seen	   		1	2	3: panic
 *
 * But one that executes may wait, with interrupts off, for a lock of one that its host has stopped;
 * and so may a handler. While any CPU answers nothing (hb_deaf), nobody else is blamed before that
 * one would be.
 *
 * Else the panic is within kern.heartbeat_ms of its last beat. It names the CPU, its lwps and
 * handlers and its stack, beside what every panic prints: the pending queues, and where the others
 * were.
 *
 * A softclock that does not come round has one of three causes:
 *
 *	hung		one and the same run of a handler or softint, or one lwp at a raised
 *			level, was in its way at each beat: a panic
 *	blocked		it waits for a mutex, or sleeps: no hang, since interrupts, handlers and the
 *			softints of other levels go on, and what it waits for may come. The console
 *			is told who holds what, and again after twice the time
 *	kept out	handlers come and go, or an lwp with lent priority runs: too much work.
 *			The console is told, likewise
 *
 * Cost: HEARTBEAT_BEATS clock interrupts and softints in each kern.heartbeat_ms, so 5 a second, on
 * each CPU, also when it is idle. A clock interrupt that comes for another reason in the last
 * quarter before a beat is used for it.
 *
 * Contexts: heartbeat_tick() with interrupts off in the clock interrupt; the rest in threads.
 * Lock: none; what is not (~) belongs to its CPU. Invariants: none of the core's.
 * Not for: a CPU that is slow, drivers that wait for their device.
 * Read next: clock.c, who calls; storm.c for too much work by one source.
 */
#include <ithaca/heartbeat.h>

#include <ithaca/clock.h>
#include <ithaca/cpu.h>
#include <ithaca/intr.h>
#include <ithaca/lwp.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/softint.h>
#include <ithaca/sysctl.h>
#include <ithaca/turnstile.h>

#define ANSWERS 3     /* of a CPU that executes and takes no clock interrupt */
#define DEAF_TIMES 10 /* how much longer one that answers nothing is waited for */
#define TEXT_SIZE 320

/* What keeps the softclock out, and which run of it. */
struct blocker {
	const struct lwp *b_lwp; /* NULL: nothing that is to blame */
	const void *b_what;      /* handler or softint that it runs, or NULL */
	uint64_t b_run;
};

/* Locking key: (a) set once before it is shared; (i) own CPU, interrupts off; (~) atomic. */
struct heartbeat {
	_Alignas(64) _Atomic uint64_t hb_beats; /* (~) relaxed: the neighbour looks */
	_Atomic uint64_t hb_softs;              /* (~) relaxed: own softint counts */
	uint64_t hb_next_ns;                    /* (i) */
	struct softint *hb_softint;             /* (a) */

	/* The neighbour. */
	uint64_t hb_seen;     /* (i) its hb_beats when it last had changed */
	uint64_t hb_since_ns; /* (i) and when that was seen */
	unsigned hb_silent;   /* (i) own beats since */
	uint64_t hb_probed;   /* (i) its answers when it was first asked since */
	_Atomic bool hb_deaf; /* (~) relaxed: and there were none; a hint to all the others */

	/* Own softclock. */
	uint64_t hb_soft_seen;     /* (i) hb_softs when it last had changed */
	uint64_t hb_soft_since_ns; /* (i) */
	unsigned hb_soft_silent;   /* (i) own beats since */
	struct blocker hb_blocker; /* (i) at the last beat */
	unsigned hb_same;          /* (i) beats in a row that it was that */
	uint64_t hb_say_ns;        /* (i) silence after which the console is told next */

	_Atomic bool hb_said;    /* (~) release by who wrote hb_text, acquire by who prints it */
	char hb_text[TEXT_SIZE]; /* written while hb_said is false, read while it is true */
};

static struct heartbeat beats[CPU_MAX];
static unsigned ncpus;          /* (a) that take part */
static struct softint *printer; /* (a) */
static _Atomic bool running;    /* (~) release in heartbeat_init(), acquire in tick */
static _Atomic uint64_t limit_ms = HEARTBEAT_MS; /* (~) relaxed: a setting */
static _Atomic uint64_t reports;                 /* (~) relaxed */
static struct cpu *_Atomic suspect;              /* (~) relaxed: for the panic that follows */

static uint64_t period_ns(uint64_t limit_ns)
{
	return limit_ns / HEARTBEAT_BEATS;
}

static uint64_t count_of(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* ---- The neighbour ---- */

static void deaf_set(struct heartbeat *hb, bool deaf)
{
	atomic_store_explicit(&hb->hb_deaf, deaf, memory_order_relaxed);
}

/* May it be that one whose host has stopped it is waited for? Not for ever. */
static bool host_to_blame(uint64_t ns, uint64_t limit)
{
	unsigned i;

	for (i = 0; i < ncpus && ns < DEAF_TIMES * limit; i++)
		if (atomic_load_explicit(&beats[i].hb_deaf, memory_order_relaxed))
			return true;
	return false;
}

static void __attribute__((noreturn)) neighbour_hangs(struct cpu *ci, uint64_t ns, bool answers)
{
	const struct lwp *l = atomic_load_explicit(&ci->ci_curlwp, memory_order_relaxed);
	const struct intr_handler *ih = l->l_handler;

	atomic_store_explicit(&suspect, ci, memory_order_relaxed);
	panic("heartbeat: cpu%u takes no interrupts for %llu ms%s: lwp \"%s\" at level %s%s%s",
	    ci->ci_index, (unsigned long long)(ns / NS_PER_MS),
	    answers ? ", but executes" : ", and does not answer", l->l_name,
	    spl_name(cpu_ipl(ci, l)), ih != NULL ? ", handler " : "",
	    ih != NULL ? ih->ih_name : "");
}

static void watch_neighbour(struct heartbeat *hb, struct cpu *next, uint64_t now_ns, uint64_t limit)
{
	uint64_t seen = count_of(&beats[next->ci_index].hb_beats), ns, answers;

	if (seen != hb->hb_seen || seen == 0) { /* 0: it has not begun */
		hb->hb_seen = seen;
		hb->hb_since_ns = now_ns;
		hb->hb_silent = 0;
		deaf_set(hb, false);
		return;
	}
	ns = now_ns - hb->hb_since_ns;
	answers = port_probe(next); /* those of the probes before; this one is on its way */
	if (++hb->hb_silent == 1)
		hb->hb_probed = answers;
	deaf_set(hb, hb->hb_silent > 1 && answers != UINT64_MAX && answers == hb->hb_probed);
	if (hb->hb_silent < HEARTBEAT_BEATS - 1 || ns < limit / 4 * 3)
		return;
	if ((answers == UINT64_MAX || answers - hb->hb_probed >= ANSWERS) &&
	    !host_to_blame(ns, limit))
		neighbour_hangs(next, ns, answers != UINT64_MAX);
	if (ns >= DEAF_TIMES * limit)
		neighbour_hangs(next, ns, false);
}

/* ---- The own softclock ---- */

/* Which run of what `l`, which keeps the softclock out, is at. */
static struct blocker blocker_of(struct cpu *ci, const struct lwp *l)
{
	struct blocker b = {l, NULL, count_of(&l->l_switches)};

	if (l->l_handler != NULL) {
		b.b_what = l->l_handler;
		b.b_run = count_of(&intr_stats_of(l->l_handler->ih_stats, ci)->st_count);
	} else if (l->l_softint != NULL) {
		b.b_what = l->l_softint;
		b.b_run = count_of(&l->l_softint->si_count);
	}
	return b;
}

/*
 * The lowest in the pile of lwps on this CPU that keeps the softclock out: by its level, or because
 * preemption is off, or because it is the softclock lwp itself. `ipl` is the level of the one on
 * top, which is in the clock interrupt now.
 */
static struct blocker blocker_find(struct cpu *ci, int ipl)
{
	const struct lwp *soft = ci->ci_softint[IPL_SOFTCLOCK].sc_lwp, *l = curlwp, *found = NULL;
	unsigned depth;

	for (depth = 0; l != NULL && depth < IPL_COUNT; depth++, l = l->l_pinned) {
		if (ipl >= IPL_SOFTCLOCK || l->l_nopreempt != 0 || l == soft)
			found = l;
		if (l->l_pinned != NULL)
			ipl = l->l_pinned->l_ipl;
	}
	return found != NULL ? blocker_of(ci, found) : (struct blocker){NULL, NULL, 0};
}

static const char *what_name(const struct lwp *l)
{
	if (l->l_handler != NULL)
		return l->l_handler->ih_name;
	return l->l_softint != NULL ? l->l_softint->si_name : "its loop";
}

static void __attribute__((noreturn))
softclock_hangs(struct cpu *ci, const struct lwp *l, int ipl, uint64_t ns)
{
	atomic_store_explicit(&suspect, ci, memory_order_relaxed);
	panic("heartbeat: cpu%u runs no softclock for %llu ms: lwp \"%s\" at level %s stays in %s",
	    ci->ci_index, (unsigned long long)(ns / NS_PER_MS), l->l_name,
	    spl_name(l == curlwp ? ipl : l->l_ipl), what_name(l));
}

/* Why it waits, into buf. On its CPU, so that it does not go on meanwhile. */
static void softclock_why(struct cpu *ci, char *buf, size_t size)
{
	const struct softint_cpu *sc = &ci->ci_softint[IPL_SOFTCLOCK];
	const struct lwp *l = sc->sc_lwp, *owner;
	const char *name;

	if (sc->sc_pending != 0 ||
	    atomic_load_explicit(&l->l_wchan, memory_order_relaxed) == NULL) {
		ksnprintf(buf, size, "there is too much to do for \"%s\" and others above it",
		    curlwp->l_name);
		return;
	}
	if (!atomic_load_explicit(&l->l_wait_turnstile, memory_order_relaxed)) {
		ksnprintf(buf, size, "softint %s sleeps on \"%s\"", what_name(l), l->l_wmesg);
		return;
	}
	owner = turnstile_blocker(sc->sc_lwp, &name);
	if (owner == NULL) {
		ksnprintf(buf, size, "softint %s waits for \"%s\"", what_name(l), l->l_wmesg);
		return;
	}
	ksnprintf(buf, size, "softint %s waits for \"%s\", held by lwp \"%s\" (%s%s%s)",
	    what_name(l), l->l_wmesg, owner->l_name, lwp_state_name(owner),
	    owner->l_state == LWP_SLEEP ? " on " : "",
	    owner->l_state == LWP_SLEEP && owner->l_wmesg != NULL ? owner->l_wmesg : "");
}

/* To the console, later: it may be slow, and we are in an interrupt. */
static void softclock_say(struct heartbeat *hb, struct cpu *ci, uint64_t ns)
{
	char why[TEXT_SIZE / 4 * 3];

	hb->hb_say_ns = 2 * ns;
	/* Acquire: pairs with the release in print_texts(). */
	if (atomic_load_explicit(&hb->hb_said, memory_order_acquire))
		return;
	softclock_why(ci, why, sizeof(why));
	ksnprintf(hb->hb_text, sizeof(hb->hb_text),
	    "heartbeat: cpu%u runs no softclock for %llu ms: %s\n", ci->ci_index,
	    (unsigned long long)(ns / NS_PER_MS), why);
	/* Release: hb_text, for the acquire in print_texts(). */
	atomic_store_explicit(&hb->hb_said, true, memory_order_release);
	atomic_fetch_add_explicit(&reports, 1, memory_order_relaxed);
	softint_schedule(printer);
}

static void watch_softclock(struct heartbeat *hb, struct cpu *ci, int ipl, uint64_t now_ns,
    uint64_t limit)
{
	uint64_t seen = count_of(&hb->hb_softs), ns;
	struct blocker b = blocker_find(ci, ipl);

	hb->hb_same = b.b_lwp != NULL && b.b_lwp == hb->hb_blocker.b_lwp &&
		b.b_what == hb->hb_blocker.b_what && b.b_run == hb->hb_blocker.b_run
	    ? hb->hb_same + 1
	    : 0;
	hb->hb_blocker = b;
	if (seen != hb->hb_soft_seen) {
		hb->hb_soft_seen = seen;
		hb->hb_soft_since_ns = now_ns;
		hb->hb_soft_silent = 0;
		hb->hb_say_ns = limit;
		return;
	}
	ns = now_ns - hb->hb_soft_since_ns;
	if (++hb->hb_soft_silent < HEARTBEAT_BEATS || ns < limit || host_to_blame(ns, limit))
		return;
	if (b.b_lwp != NULL && hb->hb_same >= HEARTBEAT_BEATS - 1)
		softclock_hangs(ci, b.b_lwp, ipl, ns);
	if (ns >= hb->hb_say_ns)
		softclock_say(hb, ci, ns);
}

/* ---- The beat ---- */

uint64_t heartbeat_tick(struct cpu *ci, int ipl, uint64_t now_ns)
{
	struct heartbeat *hb = &beats[ci->ci_index];
	uint64_t limit = atomic_load_explicit(&limit_ms, memory_order_relaxed) * NS_PER_MS;
	uint64_t period = period_ns(limit);

	/* Acquire: pairs with the release in heartbeat_init(), for all that is (a). */
	if (limit == 0 || !atomic_load_explicit(&running, memory_order_acquire) ||
	    ci->ci_index >= ncpus)
		return UINT64_MAX;
	if (now_ns + period / 4 < hb->hb_next_ns)
		return hb->hb_next_ns;
	hb->hb_next_ns = now_ns + period;
	port_stat_add(&hb->hb_beats, 1);
	if (ncpus > 1)
		watch_neighbour(hb, cpu_lookup((ci->ci_index + 1) % ncpus), now_ns, limit);
	watch_softclock(hb, ci, ipl, now_ns, limit);
	softint_schedule(hb->hb_softint);
	return hb->hb_next_ns;
}

static void count_softint(void *arg)
{
	struct heartbeat *hb = arg;

	port_stat_add(&hb->hb_softs, 1);
}

static void print_texts(void *unused)
{
	unsigned i;

	(void)unused;
	for (i = 0; i < ncpus; i++) {
		/* Acquire: pairs with the release in softclock_say(). */
		if (!atomic_load_explicit(&beats[i].hb_said, memory_order_acquire))
			continue;
		kprintf("%s", beats[i].hb_text);
		/* Release: we have read it; pairs with the acquire in softclock_say(). */
		atomic_store_explicit(&beats[i].hb_said, false, memory_order_release);
	}
}

/* In a panic of ours: the CPU that it is about, if it is another. */
static void heartbeat_dump(void)
{
	struct cpu *ci = atomic_load_explicit(&suspect, memory_order_relaxed);
	const struct lwp *l;
	unsigned depth = 0;

	if (ci == NULL || ci == curcpu())
		return;
	kprintf("cpu%u, which hangs:\n", ci->ci_index);
	for (l = atomic_load_explicit(&ci->ci_curlwp, memory_order_relaxed);
	     l != NULL && depth < IPL_COUNT; l = l->l_pinned, depth++)
		kprintf("  lwp \"%s\" at level %s, running %s\n", l->l_name,
		    spl_name(depth == 0 ? cpu_ipl(ci, l) : l->l_ipl), what_name(l));
	port_backtrace_cpu(ci);
}

/* ---- Settings and start ---- */

/* From now on, as if all had beaten just now. On the CPU, interrupts off. */
static void heartbeat_begin(void *unused)
{
	struct cpu *ci = curcpu();
	struct heartbeat *hb = &beats[ci->ci_index];
	uint64_t now_ns = clock_ns();

	(void)unused;
	hb->hb_next_ns = now_ns;
	hb->hb_seen = hb->hb_soft_seen = UINT64_MAX; /* which is no count: seen anew */
	hb->hb_same = 0;
	deaf_set(hb, false);
	clock_want(ci, now_ns);
}

static void heartbeat_restart(void)
{
	unsigned i;

	for (i = 0; i < ncpus; i++)
		cpu_call(cpu_lookup(i), heartbeat_begin, NULL);
}

static uint64_t beats_get(struct sysctl *sy)
{
	uint64_t sum = 0;
	unsigned i;

	(void)sy;
	for (i = 0; i < ncpus; i++)
		sum += count_of(&beats[i].hb_beats);
	return sum;
}

static struct sysctl nodes[] = {
    {.sy_name = "kern.heartbeat_ms",
	.sy_doc = "within how many ms a CPU that hangs is caught, from 100; 0: nobody watches",
	.sy_value = &limit_ms,
	.sy_min = HEARTBEAT_MS_MIN,
	.sy_max = HEARTBEAT_MS_MAX,
	.sy_or_zero = true,
	.sy_changed = heartbeat_restart},
    {.sy_name = "kern.heartbeat.beats", .sy_doc = "of all CPUs", .sy_get = beats_get},
    {.sy_name = "kern.heartbeat.reports",
	.sy_doc = "times that the console was told of a softclock that did not come round",
	.sy_value = &reports},
};

int heartbeat_init(void)
{
	unsigned i, n = cpu_count();
	int error;

	error = softint_establish("heartbeat text", IPL_SOFTSERIAL, print_texts, NULL, &printer);
	for (i = 0; error == 0 && i < n; i++)
		error = softint_establish("heartbeat", IPL_SOFTCLOCK, count_softint, &beats[i],
		    &beats[i].hb_softint);
	if (error == 0)
		error = sysctl_register(nodes, sizeof(nodes) / sizeof(nodes[0]));
	if (error != 0)
		return error;
	ncpus = n;
	panic_register(heartbeat_dump);
	/* Release: pairs with the acquire in heartbeat_tick(). */
	atomic_store_explicit(&running, true, memory_order_release);
	heartbeat_restart();
	return 0;
}
