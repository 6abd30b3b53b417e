/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_load.c - load, hold and divorce: ordinary lwps that get in the way, on purpose.
 *
 * `load` burns CPU at a low priority. `hold` takes the mutex that an edu handler in mode "block"
 * wants, and keeps it for a while or until `hold release`, asleep or burning. `divorce` puts the
 * two together and shows, with the counters, what becomes of an ithread that blocks:
 *
 *	holder (ordinary lwp, CPU n)		ithread (CPU n)
 *	takes the mutex
 *	raises the device's interrupt
 *	   interrupted: pinned beneath  ----->	handler wants the mutex: held by the holder, which
 *						is not running. It lends its priority and blocks:
 *	goes on, interrupt returned	<-----	divorced
 *	counts; lets go of the mutex ------->	goes on, with the holder beneath it once more; ends
 *						the handler, goes back to the pool
 *
 * The holder is bound to the CPU that the interrupt goes to, so that it is interrupted itself; had
 * it run elsewhere, the ithread would only spin until it lets go.
 *
 * Contexts: the shell's lwp and those that it makes. Lwps in the background use only what they were
 * given in memory of their own. Lock order: shell_edu_mutex() -> edu.c's. Read next: cmd_stress.c.
 */
#include "app/shell.h"
#include "dev/edu.h"
#include "mem/kmem.h"
#include <ithaca/clock.h>
#include <ithaca/condvar.h>
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/intr.h>
#include <ithaca/ithread.h>
#include <ithaca/lwp.h>
#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/sleepq.h>
#include <ithaca/string.h>

#define PRI_BURN 8 /* of `load`, below all that do something */
#define PRI_HOLD 16
#define BURNERS_MAX 256
#define MS_MAX 60000
#define TAKE_MS 500 /* what `hold` waits for its lwp to get the mutex */

/* ---- load ---- */

/* Locking: `refs` is atomic; the last to leave frees it. */
struct load {
	uint64_t until_ns;
	bool stoppable;        /* by Ctrl-C: it runs in the foreground */
	_Atomic unsigned refs; /* (~) release by who leaves; acquire by the last */
};

static void load_leave(struct load *ld)
{
	if (atomic_fetch_sub_explicit(&ld->refs, 1, memory_order_acq_rel) == 1)
		kmem_free(ld, sizeof(*ld));
}

static void burn_until(uint64_t until_ns, bool stoppable)
{
	while (clock_ns() < until_ns && !(stoppable && shell_interrupted())) {
		/* Not port_pause(): an emulator gives way there, and this is to keep it busy. */
		for (unsigned i = 0; i < 1000; i++)
			atomic_signal_fence(memory_order_relaxed);
	}
}

static void burner(void *arg)
{
	struct load *ld = arg;

	burn_until(ld->until_ns, ld->stoppable);
	load_leave(ld);
}

static int load_start(uint64_t seconds, unsigned n, bool background)
{
	struct load *ld = kmem_alloc(sizeof(*ld));
	char name[LWP_NAME_MAX];
	unsigned i;
	int error = 0;

	if (ld == NULL)
		return shell_error("no memory");
	ld->until_ns = clock_ns() + seconds * NS_PER_S;
	ld->stoppable = !background;
	atomic_init(&ld->refs, n + 1);
	for (i = 0; i < n && error == 0; i++) {
		ksnprintf(name, sizeof(name), "burn%u", i);
		error = lwp_create(name, PRI_BURN, NULL, 0, burner, ld, NULL);
	}
	for (unsigned missing = error != 0 ? n - i + 1 : 0; missing > 0; missing--)
		load_leave(ld);
	if (error != 0)
		shell_error("%u of %u lwps: %s", i - 1, n, errno_name(error));
	if (!background) {
		/* Longer than they take, and then some: they run at a low priority. */
		while (atomic_load_explicit(&ld->refs, memory_order_acquire) > 1)
			lwp_sleep_ns(10 * NS_PER_MS);
	}
	load_leave(ld);
	return error != 0 ? 1 : 0;
}

static int cmd_load(int argc, char **argv)
{
	bool background = argc > 1 && strcmp(argv[1], "-b") == 0;
	int i = background ? 2 : 1;
	uint64_t seconds, n = cpu_count();

	if (argc - i < 1 || argc - i > 2)
		return shell_usage();
	if (!shell_number(argv[i], "seconds", 1, 3600, &seconds))
		return 1;
	if (i + 1 < argc && !shell_number(argv[i + 1], "number of lwps", 1, BURNERS_MAX, &n))
		return 1;
	return load_start(seconds, (unsigned)n, background);
}

/* ---- hold ---- */

struct hold {
	struct mutex *mutex;
	uint64_t ns; /* 0: until it is told to let go */
	bool burn;
	unsigned released; /* hold_released when it was made */
};

static struct mutex hold_lock; /* for the two below */
static struct condvar hold_cv;
static _Atomic unsigned hold_released; /* (~) times of `hold release`; relaxed: only a count */
static _Atomic unsigned hold_taken;    /* (~) times that a holder got its mutex; relaxed, same */

static bool hold_over(const struct hold *h, uint64_t until_ns)
{
	return atomic_load_explicit(&hold_released, memory_order_relaxed) != h->released ||
	    (h->ns != 0 && clock_ns() >= until_ns);
}

static void holder(void *arg)
{
	struct hold h = *(struct hold *)arg;
	uint64_t until_ns;

	kmem_free(arg, sizeof(h));
	mutex_enter(h.mutex);
	atomic_fetch_add_explicit(&hold_taken, 1, memory_order_relaxed);
	until_ns = clock_ns() + h.ns;
	while (h.burn && !hold_over(&h, until_ns))
		burn_until(clock_ns() + NS_PER_MS, false);
	mutex_enter(&hold_lock);
	while (!hold_over(&h, until_ns)) {
		if (h.ns == 0)
			cv_wait(&hold_cv, &hold_lock);
		else
			(void)cv_timedwait(&hold_cv, &hold_lock, h.ns);
	}
	mutex_exit(&hold_lock);
	mutex_exit(h.mutex);
}

/* hold_release - all that hold, and all that wait to, let go. */
static int hold_release(void)
{
	mutex_enter(&hold_lock);
	atomic_fetch_add_explicit(&hold_released, 1, memory_order_relaxed);
	cv_broadcast(&hold_cv);
	mutex_exit(&hold_lock);
	return 0;
}

/* hold_start - and wait until it holds, unless somebody else does for long. */
static int hold_start(uint64_t ns, unsigned pri, struct cpu *bound, bool burn)
{
	unsigned before = atomic_load_explicit(&hold_taken, memory_order_relaxed);
	struct hold *h = kmem_alloc(sizeof(*h));
	int error;

	if (h == NULL)
		return shell_error("no memory");
	*h = (struct hold){shell_edu_mutex(), ns, burn,
	    atomic_load_explicit(&hold_released, memory_order_relaxed)};
	error = lwp_create("holder", (int)pri, bound, 0, holder, h, NULL);
	if (error != 0) {
		kmem_free(h, sizeof(*h));
		return shell_error("holder: %s", errno_name(error));
	}
	for (unsigned i = 0;
	     i < TAKE_MS && atomic_load_explicit(&hold_taken, memory_order_relaxed) == before; i++)
		lwp_sleep_ns(NS_PER_MS);
	return 0;
}

static int cmd_hold(int argc, char **argv)
{
	static bool ready; /* the shell's lwp alone comes here */
	uint64_t ms = 0, pri = PRI_HOLD, cpu;
	struct cpu *bound = NULL;
	bool burn = false;
	int i;

	if (!ready) {
		mutex_init(&hold_lock, "hold", IPL_TTY);
		cv_init(&hold_cv, "hold");
		ready = true;
	}
	if (argc == 2 && strcmp(argv[1], "release") == 0)
		return hold_release();
	if (!intr_may_block())
		return shell_error("nobody may sleep with a handler's mutex under the model %s",
		    intr_model());
	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "-b") == 0) {
			burn = true;
		} else if (strcmp(argv[i], "-p") == 0 && i + 1 < argc) {
			if (!shell_number(argv[++i], "priority", PRI_MIN, PRI_MAX, &pri))
				return 1;
		} else if (strcmp(argv[i], "-c") == 0 && i + 1 < argc) {
			if (!shell_number(argv[++i], "CPU", 0, cpu_count() - 1, &cpu))
				return 1;
			bound = cpu_lookup((unsigned)cpu);
		} else {
			return shell_usage();
		}
	}
	if (i + 1 < argc)
		return shell_usage();
	if (i < argc && !shell_number(argv[i], "milliseconds", 1, MS_MAX, &ms))
		return 1;
	return hold_start(ms * NS_PER_MS, (unsigned)pri, bound, burn);
}

/* ---- divorce ---- */

/* What the counters said at one moment. */
struct moment {
	uint64_t handoffs, divorces; /* of the interrupt's CPU */
	uint64_t filters, threads;   /* of the device's handler: calls, and runs begun */
	struct ithread_counts pool;
};

struct scene {
	unsigned unit;
	struct cpu *cpu;
	uint64_t ns;
	int error;
	struct moment before, held, after;
};

static void take_moment(const struct scene *s, struct moment *m)
{
	struct edu_stats es = {0};

	(void)edu_stats(s->unit, &es);
	m->handoffs = atomic_load_explicit(&s->cpu->ci_handoffs, memory_order_relaxed);
	m->divorces = atomic_load_explicit(&s->cpu->ci_divorces, memory_order_relaxed);
	m->filters = es.es_filters;
	m->threads = es.es_threads;
	ithread_count(&m->pool);
}

/* scene_holder - the ordinary lwp of the picture above. */
static void scene_holder(void *arg)
{
	struct scene *s = arg;

	take_moment(s, &s->before);
	mutex_enter(shell_edu_mutex());
	s->error = edu_post(s->unit);
	burn_until(clock_ns() + s->ns, false);
	take_moment(s, &s->held);
	mutex_exit(shell_edu_mutex());
}

static void print_scene(const struct scene *s)
{
	const struct moment *m[] = {&s->before, &s->held, &s->after};
	static const char *const when[] = {"before", "held", "after"};

	tty_printf("%-8s %9s %9s %9s %9s %9s %9s\n", "when", "handoffs", "divorces", "filter",
	    "begun", "divorced", "free");
	for (unsigned i = 0; i < 3; i++)
		tty_printf("%-8s %9llu %9llu %9llu %9llu %9u %9u\n", when[i],
		    (unsigned long long)m[i]->handoffs, (unsigned long long)m[i]->divorces,
		    (unsigned long long)m[i]->filters, (unsigned long long)m[i]->threads,
		    m[i]->pool.divorced, m[i]->pool.free);
	tty_printf("\n");
}

/* explain - in words, and whether it was what should happen. */
static int explain(const struct scene *s)
{
	unsigned cpu = s->cpu->ci_index;
	uint64_t ms = s->ns / NS_PER_MS;

	tty_printf(
	    "before  The lwp `holder`, bound to CPU %u, takes the mutex that edu%u's handler\n"
	    "        wants, and makes edu%u interrupt the same CPU.\n",
	    cpu, s->unit, s->unit);
	if (s->held.divorces == s->before.divorces)
		return shell_error("no divorce on CPU %u: the handler did not block", cpu);
	tty_printf(
	    "held    The interrupt started an ithread on top of it, without the scheduler (a\n"
	    "        handoff). Its handler wanted the mutex and blocked: divorced. The holder\n"
	    "        went on and kept the mutex for %llu ms; the handler has not ended: %u\n"
	    "        ithread waits as an ordinary lwp.\n",
	    (unsigned long long)ms, s->held.pool.divorced);
	if (s->after.pool.divorced > s->before.pool.divorced)
		return shell_error("the handler did not end");
	tty_printf(
	    "after   The holder let go; the ithread took the mutex, ended its handler, and is\n"
	    "        back in the pool. The interrupt was late and not lost.\n");
	return 0;
}

/* scene_wait - until the handler has ended and its ithread is back, at most a second. */
static void scene_wait(struct scene *s)
{
	uint64_t until = clock_ns() + NS_PER_S;

	do {
		lwp_sleep_ns(NS_PER_MS);
		take_moment(s, &s->after);
	} while (s->after.pool.divorced > s->before.pool.divorced && clock_ns() < until);
}

static int scene_play(struct scene *s)
{
	struct lwp *l;
	int error = lwp_create("holder", PRI_HOLD, s->cpu, LWP_JOINABLE, scene_holder, s, &l);

	if (error != 0)
		return shell_error("holder: %s", errno_name(error));
	lwp_join(l);
	if (s->error != 0)
		return shell_error("edu%u: %s", s->unit, errno_name(s->error));
	scene_wait(s);
	print_scene(s);
	return explain(s);
}

static int cmd_divorce(int argc, char **argv)
{
	struct scene s = {0};
	struct edu_info ei;
	uint64_t ms = 50, unit = 0;
	int error, status;

	if (argc > 3)
		return shell_usage();
	if (argc > 1 && !shell_number(argv[1], "milliseconds", 1, MS_MAX, &ms))
		return 1;
	if (edu_count() == 0)
		return shell_error("this machine has no edu device");
	if (argc > 2 && !shell_number(argv[2], "unit", 0, edu_count() - 1, &unit))
		return 1;
	s.unit = (unsigned)unit;
	s.ns = ms * NS_PER_MS;
	if (edu_hold(s.unit) != 0)
		return shell_error("edu%u: not attached", s.unit);
	(void)edu_get(s.unit, &ei); /* it is there: it is held */
	s.cpu = atomic_load_explicit(&ei.ei_source->is_cpu, memory_order_relaxed);
	edu_release(s.unit);
	error = edu_set_mode(s.unit, EDU_BLOCK, 0, shell_edu_mutex(), IPL_NET);
	if (error != 0)
		return shell_error("edu%u: mode block: %s", s.unit, errno_name(error));
	status = scene_play(&s);
	error = edu_set_mode(s.unit, ei.ei_mode, ei.ei_arg, shell_edu_mutex(), ei.ei_ipl);
	if (error != 0)
		return shell_error("edu%u: mode %s: %s", s.unit, edu_mode_name(ei.ei_mode),
		    errno_name(error));
	return status;
}

static void complete_background(struct line_editor *le, int arg, char **argv)
{
	if (arg != 1)
		return;
	line_offer(le, "-b");
	if (strcmp(argv[0], "hold") == 0)
		line_offer(le, "release");
}

const struct shell_cmd shell_load_cmds[] = {
    {"load", "[-b] SECONDS [LWPS]", "burn CPU time in ordinary lwps, one a CPU or LWPS",
	"  -b  in the background; else until Ctrl-C or for SECONDS (1 to 3600)\n", cmd_load,
	complete_background},
    {"hold", "[-b] [-p PRIORITY] [-c CPU] [MS] | release",
	"hold the mutex that `edu mode block` handlers want",
	"  An lwp in the background takes it and sleeps for MS milliseconds, or until\n"
	"  `hold release`.\n"
	"  -b  burns that time instead\n"
	"  -p  its priority, 1 to 47 (16)\n"
	"  -c  bound to that CPU\n",
	cmd_hold, complete_background},
    {"divorce", "[MS [UNIT]]", "make a handler block on a mutex that an lwp holds, and watch",
	"  The lwp keeps it for MS milliseconds (50); the counters of the CPU, the handler and\n"
	"  the pool are shown before, meanwhile and after, and explained.\n",
	cmd_divorce, NULL},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};
