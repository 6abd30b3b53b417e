/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_check.c - the watchmen, seen at work: orders of locks, faults and hangs made on purpose.
 *
 * `check KIND` does what the lock checker (kern/witness.c) reports, and `hang WHAT` what the
 * heartbeat (kern/heartbeat.c) catches. Each KIND has its own mutexes, so that one leaves nothing
 * behind that another would be charged with. Some end the system: what is wrong there cannot be
 * gone on from, in any kernel. They say so in their help.
 *
 * Contexts: the shell's lwp, and what each command makes of it. Not for systems in use.
 * Read next: the essays of the two.
 */
#include "app/shell.h"
#include "mem/kmem.h"
#include <ithaca/callout.h>
#include <ithaca/clock.h>
#include <ithaca/condvar.h>
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/intr.h>
#include <ithaca/lwp.h>
#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/sleepq.h>
#include <ithaca/softint.h>
#include <ithaca/spl.h>
#include <ithaca/string.h>
#include <ithaca/sysctl.h>
#include <ithaca/witness.h>
#include <ithaca/workqueue.h>
#include <stdatomic.h>

#define SETTLE_NS (20 * NS_PER_MS)
#define BLOCK_MS_MAX 600000

/* ---- locks ---- */

static int cmd_locks(int argc, char **argv)
{
	char a[SHELL_WORD_SIZE], b[SHELL_WORD_SIZE];
	struct witness_order wo;
	unsigned i = 0;

	(void)argv;
	if (argc != 1)
		return shell_usage();
	if (!ITHACA_CHECKED)
		return shell_error("this build does not check locks (CHECKED=0)");
	tty_printf("%-20s %-20s %-10s %-32s %s\n", "held", "then", "level", "held-at", "then-at");
	while ((i = witness_order_next(i, &wo)) != 0)
		tty_printf("%-20s %-20s %-10s %-32s %s\n", shell_word(wo.wo_name[0], a),
		    shell_word(wo.wo_name[1], b), spl_name(wo.wo_ipl), wo.wo_place[0],
		    wo.wo_place[1]);
	return 0;
}

/* ---- check: each function does one thing that is wrong ---- */

static struct mutex *fresh(const char *name, int ipl)
{
	static struct mutex mutexes[16];
	static unsigned n;
	struct mutex *m = &mutexes[n++ % 16];

	mutex_init(m, name, ipl);
	return m;
}

static void enter_both(struct mutex *a, struct mutex *b)
{
	mutex_enter(a);
	mutex_enter(b);
	mutex_exit(b);
	mutex_exit(a);
}

static void check_reversal(void)
{
	struct mutex *a = fresh("check left", IPL_NONE), *b = fresh("check right", IPL_NONE);

	enter_both(a, b);
	enter_both(b, a);
}

static void check_path(void)
{
	struct mutex *a = fresh("check one", IPL_NONE), *b = fresh("check two", IPL_NONE);
	struct mutex *c = fresh("check three", IPL_NONE);

	enter_both(a, b);
	enter_both(b, c);
	enter_both(c, a);
}

static void check_spin(void)
{
	struct mutex *a = fresh("check spin left", IPL_VM);
	struct mutex *b = fresh("check spin right", IPL_VM);

	enter_both(a, b);
	enter_both(b, a);
}

static void check_class(void)
{
	static struct mutex m[2];

	mutex_init(&m[0], "check twin", IPL_NONE);
	mutex_init(&m[1], "check twin", IPL_NONE);
	enter_both(&m[0], &m[1]);
	enter_both(&m[1], &m[0]);
}

static void check_inversion(void)
{
	enter_both(fresh("check high", IPL_HIGH), fresh("check vm", IPL_VM));
}

static void check_context(void)
{
	enter_both(fresh("check spin", IPL_VM), fresh("check adaptive", IPL_NONE));
}

static void check_try(void)
{
	struct mutex *spin = fresh("check spin", IPL_VM), *m = fresh("check tried", IPL_NONE);

	mutex_enter(spin);
	if (mutex_tryenter(m))
		mutex_exit(m);
	mutex_exit(spin);
}

static void check_sleep(void)
{
	struct mutex *spin = fresh("check spin", IPL_VM);

	mutex_enter(spin);
	lwp_sleep_ns(NS_PER_MS);
	mutex_exit(spin);
}

static void take(void *m)
{
	mutex_enter(m);
	port_pause(); /* so that the call returns here, and this function is named */
}

/* In the clock interrupt, as in a filter. */
static void check_interrupt(void)
{
	static struct callout c;

	callout_init_hard(&c);
	callout_setfunc(&c, take, fresh("check adaptive", IPL_NONE));
	callout_schedule(&c, NS_PER_MS);
	lwp_sleep_ns(SETTLE_NS);
}

static void check_recursion(void)
{
	struct mutex *m = fresh("check twice", IPL_NONE);

	enter_both(m, m);
}

static void leave(void *m)
{
	mutex_exit(m);
	port_pause(); /* as above */
}

static void check_stranger(void)
{
	struct mutex *m = fresh("check owned", IPL_NONE);
	struct lwp *l;

	mutex_enter(m);
	if (lwp_create("stranger", PRI_KERNEL, NULL, LWP_JOINABLE, leave, m, &l) == 0)
		lwp_join(l);
	mutex_exit(m);
}

static void check_exit(void)
{
	struct lwp *l;

	if (lwp_create("forgetful", PRI_KERNEL, NULL, LWP_JOINABLE, take,
		fresh("check kept at exit", IPL_NONE), &l) == 0)
		lwp_join(l);
}

static void check_softint(void)
{
	struct softint *si;

	if (softint_establish("check", IPL_SOFTNET, take, fresh("check kept by softint", IPL_NONE),
		&si) != 0)
		return;
	softint_schedule(si);
	lwp_sleep_ns(SETTLE_NS);
	softint_disestablish(si);
}

static void check_callout(void)
{
	static struct callout c;

	callout_init(&c);
	callout_reset(&c, NS_PER_MS, take, fresh("check kept by callout", IPL_NONE));
	lwp_sleep_ns(SETTLE_NS);
	callout_halt(&c, NULL);
}

static bool take_thread(void *m)
{
	mutex_enter(m);
	return true;
}

/* A source that no device is behind: its handler runs when it is told to. */
static void check_handler(void)
{
	static const struct intr_pic none = {.pic_name = "none"};
	struct intr_handler *ih;
	struct intr_source *is;

	if (intr_source_create("check", INTR_MESSAGE, &none, NULL, curcpu(), &is) != 0)
		return;
	if (intr_establish(is, "check", IPL_NET, INTR_MANUAL, NULL, take_thread,
		fresh("check kept by handler", IPL_NONE), &ih) == 0) {
		hwi_sched(ih);
		lwp_sleep_ns(SETTLE_NS);
		intr_disestablish(ih);
	}
	intr_source_destroy(is);
}

static void pass(void *m)
{
	mutex_enter(m);
	mutex_exit(m);
	port_pause(); /* as above */
}

static bool pass_thread(void *m)
{
	pass(m);
	return true;
}

/* What runs is through by the time that somebody waits with the mutex held: nothing hangs. */
static void check_endsoft(void)
{
	struct mutex *m = fresh("check soft's", IPL_NONE);
	struct softint *si;

	if (softint_establish("check end", IPL_SOFTNET, pass, m, &si) != 0)
		return;
	softint_schedule(si);
	lwp_sleep_ns(SETTLE_NS);
	mutex_enter(m);
	softint_disestablish(si);
	mutex_exit(m);
}

static void check_endintr(void)
{
	static const struct intr_pic none = {.pic_name = "none"};
	struct mutex *m = fresh("check handler's", IPL_NONE);
	struct intr_handler *ih;
	struct intr_source *is;

	if (intr_source_create("check", INTR_MESSAGE, &none, NULL, curcpu(), &is) != 0)
		return;
	if (intr_establish(is, "check end", IPL_NET, INTR_MANUAL, NULL, pass_thread, m, &ih) == 0) {
		hwi_sched(ih);
		lwp_sleep_ns(SETTLE_NS);
		mutex_enter(m);
		intr_disestablish(ih);
		mutex_exit(m);
	}
	intr_source_destroy(is);
}

static void check_endwork(void)
{
	struct mutex *m = fresh("check work's", IPL_NONE);
	struct workqueue *wq;
	struct work wk;

	if (workqueue_create("check end", PRI_KERNEL, 0, 1, 0, &wq) != 0)
		return;
	work_init(&wk, pass, m);
	if (workqueue_enqueue(wq, &wk) == 0)
		workqueue_drain(wq);
	mutex_enter(m);
	workqueue_destroy(wq);
	mutex_exit(m);
}

static void pass_late(void *m)
{
	lwp_sleep_ns(SETTLE_NS);
	pass(m);
}

/* It enters another mutex than the one that is held, under which that was entered before. */
static void check_join(void)
{
	struct mutex *m = fresh("check joiner's", IPL_NONE);
	struct mutex *first = fresh("check joined's", IPL_NONE);
	struct lwp *l;

	enter_both(first, m);
	if (lwp_create("late", PRI_KERNEL, NULL, LWP_JOINABLE, pass_late, first, &l) != 0)
		return;
	mutex_enter(m);
	lwp_join(l);
	mutex_exit(m);
}

static const struct {
	const char *name;
	void (*fn)(void);
} checks[] = {{"reversal", check_reversal}, {"path", check_path}, {"class", check_class},
    {"spin", check_spin}, {"inversion", check_inversion}, {"try", check_try}, {"exit", check_exit},
    {"softint", check_softint}, {"callout", check_callout}, {"handler", check_handler},
    {"endsoft", check_endsoft}, {"endintr", check_endintr}, {"endwork", check_endwork},
    {"join", check_join}, {"context", check_context}, {"interrupt", check_interrupt},
    {"sleep", check_sleep}, {"recursion", check_recursion}, {"stranger", check_stranger}};
#define CHECKS (sizeof(checks) / sizeof(checks[0]))

static int cmd_check(int argc, char **argv)
{
	if (argc != 2)
		return shell_usage();
	if (!ITHACA_CHECKED)
		return shell_error("this build does not check locks (CHECKED=0)");
	for (size_t i = 0; i < CHECKS; i++) {
		if (strcmp(checks[i].name, argv[1]) == 0) {
			checks[i].fn();
			lwp_sleep_ns(SETTLE_NS); /* the report comes out of a softint */
			return 0;
		}
	}
	return shell_error("'%s': no such thing to do wrong; `help check` lists them", argv[1]);
}

static void complete_check(struct line_editor *le, int arg, char **argv)
{
	(void)argv;
	for (size_t i = 0; i < CHECKS && arg == 1; i++)
		line_offer(le, checks[i].name);
}

/* ---- hang ---- */

/* Mostly without a pause: an emulator that counts instructions makes those dear. */
static void loop(void *unused)
{
	unsigned n;

	(void)unused;
	for (n = 0;; n++) {
		atomic_signal_fence(memory_order_seq_cst);
		if (n % 65536 == 0)
			port_pause();
	}
}

static void loop_deaf(void *unused)
{
	(void)port_intr_disable();
	loop(unused);
}

static void loop_raised(void *unused)
{
	(void)splraise(IPL_NET);
	loop(unused);
}

static int hang_lwp(struct cpu *ci, void (*fn)(void *))
{
	struct lwp *l;
	int error = lwp_create("hang", PRI_KERNEL, ci, LWP_JOINABLE, fn, NULL, &l);

	if (error != 0)
		return shell_error("lwp: %s", errno_name(error));
	lwp_join(l);
	return 0;
}

static int hang_softint(void (*fn)(void *), void *arg)
{
	struct softint *si;
	int error = softint_establish("hang", IPL_SOFTCLOCK, fn, arg, &si);

	if (error != 0)
		return shell_error("softint: %s", errno_name(error));
	softint_schedule(si);
	return softint_disestablish(si);
}

/* The softclock of this CPU waits for a mutex that the shell holds meanwhile. */
static int hang_block(uint64_t ms)
{
	struct mutex *m = fresh("hang", IPL_SOFTCLOCK);
	struct softint *si;
	int error = softint_establish("hang", IPL_SOFTCLOCK, pass, m, &si);

	if (error != 0)
		return shell_error("softint: %s", errno_name(error));
	mutex_enter(m);
	softint_schedule(si);
	(void)shell_sleep(ms * NS_PER_MS);
	mutex_exit(m);
	return softint_disestablish(si);
}

static int cmd_hang(int argc, char **argv)
{
	uint64_t n;

	if (argc == 3 && strcmp(argv[1], "cpu") == 0) {
		if (!shell_number(argv[2], "CPU", 0, cpu_count() - 1, &n))
			return 1;
		if (cpu_count() == 1)
			return shell_error("cpu0 is alone: nobody watches it, and nothing would be "
					   "said");
		return hang_lwp(cpu_lookup((unsigned)n), loop_deaf);
	}
	if (argc == 3 && strcmp(argv[1], "block") == 0)
		return shell_number(argv[2], "milliseconds", 1, BLOCK_MS_MAX, &n) ? hang_block(n)
										  : 1;
	if (argc == 2 && strcmp(argv[1], "softint") == 0)
		return hang_softint(loop, NULL);
	if (argc == 2 && strcmp(argv[1], "spl") == 0)
		return hang_lwp(NULL, loop_raised);
	return shell_usage();
}

static void complete_hang(struct line_editor *le, int arg, char **argv)
{
	static const char *const what[] = {"cpu", "softint", "spl", "block"};

	(void)argv;
	for (size_t i = 0; i < sizeof(what) / sizeof(what[0]) && arg == 1; i++)
		line_offer(le, what[i]);
}

/* ---- crash: what the processor is to catch ---- */

/* Each frame is larger than the address that the call below it leaves, and is needed after that. */
static __attribute__((noinline)) unsigned crash_deeper(unsigned depth)
{
	char frame[128];

	frame[depth % sizeof(frame)] = (char)depth;
	__asm__ volatile("" : : "r"(frame) : "memory");
	if (depth != UINT32_MAX)
		depth += crash_deeper(depth + 1);
	__asm__ volatile("" : : "r"(frame) : "memory");
	return depth;
}

static void crash_stack(void)
{
	(void)crash_deeper(0);
}

/* An address that the compiler knows nothing about. */
static uintptr_t crash_at(uintptr_t at)
{
	__asm__ volatile("" : "+r"(at));
	return at;
}

static void crash_null(void)
{
	*(volatile char *)crash_at(0) = 0;
}

static void crash_text(void)
{
	*(volatile char *)crash_at((uintptr_t)crash_null) = 0;
}

static void crash_rodata(void)
{
	static const char constant[] = "constant";

	*(volatile char *)crash_at((uintptr_t)constant) = 0;
}

static void crash_data(void)
{
	static char data[64];

	((void (*)(void))crash_at((uintptr_t)data))();
}

static const struct {
	const char *name;
	void (*fn)(void);
} crashes[] = {{"stack", crash_stack}, {"null", crash_null}, {"text", crash_text},
    {"rodata", crash_rodata}, {"data", crash_data}};
#define CRASHES (sizeof(crashes) / sizeof(crashes[0]))

static int cmd_crash(int argc, char **argv)
{
	if (argc != 2)
		return shell_usage();
	for (size_t i = 0; i < CRASHES; i++) {
		if (strcmp(crashes[i].name, argv[1]) == 0) {
			crashes[i].fn();
			return shell_error("'%s' was not caught", argv[1]);
		}
	}
	return shell_usage();
}

static void complete_crash(struct line_editor *le, int arg, char **argv)
{
	(void)argv;
	for (size_t i = 0; i < CRASHES && arg == 1; i++)
		line_offer(le, crashes[i].name);
}

const struct shell_cmd shell_check_cmds[] = {
    {"locks", "", "list which mutex was entered while which was held",
	"  One row a pair of classes (names at a level), and where each was entered the\n"
	"  first time. Checked builds only.\n",
	cmd_locks, NULL},
    {"check", "KIND", "do wrong with locks on purpose, to see it reported",
	"  Reported, once, and the system goes on:\n"
	"    reversal path class spin   orders: two mutexes; three; two of a name; spin mutexes\n"
	"    inversion                  a spin mutex under one of a higher level\n"
	"    try                        an adaptive mutex tried for under a spin mutex\n"
	"    exit softint callout handler   they end and hold a mutex\n"
	"    endsoft endintr endwork join   one waits for the end of what wants a mutex of his\n"
	"  Reported, and the system panics:\n"
	"    context interrupt          an adaptive mutex under a spin mutex; in an interrupt\n"
	"    sleep recursion stranger   sleep under a spin mutex; enter twice; exit another's\n"
	"  Checked builds only; counts are in sysctl debug.witness.\n",
	cmd_check, complete_check},
    {"hang", "cpu N | softint | spl | block MS", "make a CPU hang, to see it caught",
	"  cpu N      CPU N loops with interrupts off: its neighbour panics (not with one CPU)\n"
	"  softint    a softint at softclock loops: its own CPU panics\n"
	"  spl        an lwp at level net loops: its own CPU panics\n"
	"  block MS   a softint waits for a mutex for that time (to 600000): the console is told\n"
	"  What is too long is sysctl kern.heartbeat_ms; 0: nobody watches.\n",
	cmd_hang, complete_hang},
    {"crash", "stack | null | text | rodata | data", "do what the processor is to catch: panics",
	"  stack      call until the stack of the shell is full\n"
	"  null       write where nothing is\n"
	"  text       write into the program; rodata: into its constants\n"
	"  data       run what is data\n",
	cmd_crash, complete_crash},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};
