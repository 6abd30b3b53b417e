/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sim.c - the simulated machine: the unmodified core on the host, in one host thread.
 *
 * Every lwp has a stack of its own; a CPU is whatever it executes at the moment, on whichever of
 * these. sim_point() is called wherever the schedule may turn elsewhere: before each access of the
 * core to memory (access.c), at each function of port.h that an interrupt or another CPU could slip
 * in before, and where a test asks for it. It lets time go on, runs the devices' events that are
 * due, decides which CPU runs on from here (changing stacks if it is another), and then whether
 * that CPU takes an interrupt first. All decisions are made there and come from the seed, so a seed
 * replays exactly.
 *
 * An interrupt is delivered on the stack of the lwp that runs, interrupts off, as entry.h says; it
 * may come back on another CPU, if the lwp was preempted and moved, and so nothing of the CPU is
 * kept over it.
 *
 * Time is virtual: a few ns a point, and when every CPU waits for an interrupt and none is on its
 * way, on to the next deadline or event at once. With none of these everybody would wait for ever:
 * that is reported.
 *
 * Checked here all along: what port.h asks of the core (interrupts off for a switch, one EOI an
 * interrupt before they are on again), that an lwp is resumed once and in one place, and I7.
 * line.c checks I3.
 *
 * Contexts: see sim.h. Not for measuring. Next: line.c, access.c, mem.c, report.c, switch.S.
 */
#include "explore.h"
#include "invariant.h"
#include "simint.h"

#include <ithaca/clock.h>
#include <ithaca/entry.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/sleepq.h>
#include <string.h>

#define STEP_NS 20
#define ACCESS_NS 2
#define SETTLES_NS NS_PER_MS    /* C11: a store is seen "within a reasonable amount of time" */
#define WORK_NS (5 * NS_PER_US) /* sim_work() from point to point */

/* As switch.S leaves them on a stack. */
#if defined(__x86_64__)
#define FRAME_WORDS 8 /* six registers, the address, alignment */
#define FRAME_PC 6
#else
#define FRAME_WORDS 20
#define FRAME_PC 1
#endif

/* How a step turns out: one in so many. */
#define SWITCH_ONE_IN 4
#define DELIVER_ONE_IN 2
/* One in so many switches leaves a CPU for up to STALL_STEPS, as a host may leave a virtual CPU:
 * that finds the races with a wide window. */
#define STALL_ONE_IN 16
#define STALL_STEPS 1000

struct event {
	uint64_t e_when;
	uint64_t e_order;
	void (*e_fn)(void *);
	void *e_arg;
};

struct cpu *sim_cpu;
struct sim_vcpu sim_vcpus[CPU_MAX];
unsigned sim_ncpus;
bool sim_up;
bool sim_drawn;
bool sim_in_event;
uint64_t sim_steps;

static struct sim_config config;
static uint64_t random_state;
static uint64_t now_ns, limit_ns = 100 * NS_PER_S;
static struct event events[SIM_EVENTS_MAX];
static unsigned nevents;
static uint64_t event_order;
static cpuset_t allowed = ~(cpuset_t)0;
static bool (*until)(void *);
static void *until_arg;
static unsigned until_cpu, until_back;
uintptr_t sim_host_sp;

/* ---- Chance and time ---- */

uint64_t sim_random(uint64_t below)
{
	/* splitmix64 (Steele, Lea, Flood 2014). */
	uint64_t z = random_state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	z ^= z >> 31;
	return below > 1 ? z % below : 0;
}

uint64_t sim_now(void)
{
	return now_ns;
}

void sim_limit(uint64_t ns)
{
	limit_ns = ns;
}

uint64_t sim_counter(void)
{
	if (!xp_on)
		sim_point(SIM_COUNTER);
	return now_ns;
}

uint64_t port_counter_to_ns(uint64_t ticks)
{
	return ticks;
}

/* ---- What is pending ---- */

static bool has_pending(const struct sim_vcpu *v)
{
	return !v->v_deaf && (v->v_ipi || v->v_clock || v->v_nflight > 0);
}

static bool can_run(const struct sim_vcpu *v)
{
	return v->v_started && (allowed & CPUSET(v - sim_vcpus)) != 0 &&
	    (!v->v_halted || has_pending(v));
}

bool sim_halted(unsigned index)
{
	return sim_vcpus[index].v_halted && !has_pending(&sim_vcpus[index]);
}

void sim_at(uint64_t ns, void (*fn)(void *), void *arg)
{
	if (nevents == SIM_EVENTS_MAX)
		sim_failed("more than %d events wait", SIM_EVENTS_MAX);
	events[nevents++] = (struct event){now_ns + ns, event_order++, fn, arg};
}

/* The event that comes first, or NULL. */
static struct event *first_event(void)
{
	struct event *best = NULL;

	for (unsigned i = 0; i < nevents; i++) {
		struct event *e = &events[i];

		if (best == NULL || e->e_when < best->e_when ||
		    (e->e_when == best->e_when && e->e_order < best->e_order))
			best = e;
	}
	return best;
}

/* Clocks and devices whose time has come. */
static void run_due(void)
{
	struct event *e;

	for (unsigned i = 0; i < sim_ncpus; i++) {
		struct sim_vcpu *v = &sim_vcpus[i];

		if (v->v_deadline <= now_ns) {
			v->v_deadline = UINT64_MAX;
			v->v_clock = true;
		}
	}
	while ((e = first_event()) != NULL && e->e_when <= now_ns) {
		struct event due = *e;

		*e = events[--nevents];
		sim_event(true);
		due.e_fn(due.e_arg);
		sim_event(false);
	}
}

/* Everybody waits: on to the next thing that happens by itself. */
static void jump(void)
{
	const struct event *e = first_event();
	uint64_t when = e != NULL ? e->e_when : UINT64_MAX;

	for (unsigned i = 0; i < sim_ncpus; i++)
		if (sim_vcpus[i].v_deadline < when)
			when = sim_vcpus[i].v_deadline;
	if (when == UINT64_MAX)
		sim_failed("deadlock: every CPU waits for an interrupt, and none will come");
	if (when > limit_ns)
		sim_failed("hang: nothing but clocks until the limit of %llu ns",
		    (unsigned long long)limit_ns);
	if (when >= now_ns + SETTLES_NS)
		xp_settled();
	if (when > now_ns)
		now_ns = when;
	run_due();
}

bool sim_time_waits(void)
{
	for (unsigned i = 0; i < sim_ncpus; i++)
		if (sim_vcpus[i].v_deadline != UINT64_MAX)
			return true;
	return nevents != 0;
}

void sim_time_jump(void)
{
	jump();
}

void sim_state(void (*fn)(void *p, size_t size))
{
	for (unsigned i = 0; i < sim_ncpus; i++)
		fn(&sim_vcpus[i].v_sp, sizeof(sim_vcpus[i]) - offsetof(struct sim_vcpu, v_sp));
	fn(&now_ns, sizeof(now_ns));
	fn(events, 8 * sizeof(events[0]));
	fn(&nevents, sizeof(nevents));
	fn(&event_order, sizeof(event_order));
}

/* The same for state.c, without what is left over of what is no more. */
void sim_machine_state(void (*fn)(void *p, size_t size))
{
	uint64_t now[3];

	for (unsigned i = 0; i < sim_ncpus; i++) {
		struct sim_vcpu *v = &sim_vcpus[i];

		fn(&v->v_started,
		    offsetof(struct sim_vcpu, v_flight) - offsetof(struct sim_vcpu, v_started));
		fn(v->v_flight, v->v_nflight * sizeof(v->v_flight[0]));
		fn(v->v_pins, v->v_npins * sizeof(v->v_pins[0]));
	}
	for (unsigned i = 0; i < nevents; i++) {
		now[0] = events[i].e_when;
		now[1] = event_order - events[i].e_order;
		now[2] = (uintptr_t)events[i].e_fn ^ (uintptr_t)events[i].e_arg;
		fn(now, sizeof(now));
	}
	fn(&now_ns, sizeof(now_ns));
}

/* ---- Which CPU runs ---- */

static void turn_to(struct sim_vcpu *v)
{
	struct sim_vcpu *me = sim_me();

	if (v == me)
		return;
	sim_cpu = &v->v_ci;
	sim_stack_switch(&me->v_sp, v->v_sp, NULL, NULL);
}

/* The other CPUs that can run, from the next one on. `awake`: only those not stalled. */
static unsigned candidates(struct sim_vcpu **others, bool awake)
{
	unsigned n = 0;

	for (unsigned i = 1; i < sim_ncpus; i++) {
		struct sim_vcpu *v = &sim_vcpus[(sim_cpu->ci_index + i) % sim_ncpus];

		if (can_run(v) && (!awake || v->v_stalled <= sim_steps))
			others[n++] = v;
	}
	return n;
}

/* One of those that can run; NULL: none can. */
static struct sim_vcpu *choose(enum sim_kind kind)
{
	struct sim_vcpu *me = sim_me(), *others[CPU_MAX];
	bool stay = can_run(me);
	unsigned n;

	if (!config.random) {
		n = candidates(others, false);
		if (n == 0 || (stay && kind != SIM_PAUSE && kind != SIM_IDLE))
			return stay ? me : NULL;
		return others[0];
	}
	if (stay && kind != SIM_PAUSE && sim_random(SWITCH_ONE_IN) != 0)
		return me;
	n = candidates(others, true);
	if (n == 0 && !stay)
		n = candidates(others, false);
	if (n == 0)
		return stay ? me : NULL;
	if (stay && sim_random(STALL_ONE_IN) == 0)
		me->v_stalled = sim_steps + sim_random(STALL_STEPS);
	return others[sim_random(n)];
}

static void next_cpu(enum sim_kind kind)
{
	struct sim_vcpu *v;

	if (until != NULL && sim_cpu->ci_index == until_cpu && until(until_arg)) {
		until = NULL;
		turn_to(&sim_vcpus[until_back]);
		return;
	}
	if (until != NULL) {
		if (!can_run(&sim_vcpus[until_cpu]))
			sim_failed("CPU %u fell idle before what the script waits for", until_cpu);
		turn_to(&sim_vcpus[until_cpu]);
		return;
	}
	while ((v = choose(kind)) == NULL)
		jump();
	turn_to(v);
}

/* ---- Delivery ---- */

static void take(struct sim_vcpu *v, unsigned which)
{
	struct sim_line *sl;

	v->v_intr = false;
	if (v->v_ipi && which-- == 0) {
		v->v_ipi = false;
		sim_trace("takes", "ipi");
		intr_ipi();
	} else if (v->v_clock && which-- == 0) {
		v->v_clock = false;
		sim_trace("takes", "clock");
		clock_intr();
	} else {
		sl = v->v_flight[which];
		memmove(&v->v_flight[which], &v->v_flight[which + 1],
		    (--v->v_nflight - which) * sizeof(struct sim_line *));
		sim_line_serve(sl);
		sim_trace("takes", sl->sl_source->is_name);
		intr_dispatch(sl->sl_source);
	}
	/* Possibly on another CPU by now. */
	v = sim_me();
	if (v->v_intr)
		sim_failed("an interrupt returned with interrupts on");
	if (v->v_service != NULL)
		sim_failed("%s: no EOI", v->v_service->sl_source->is_name);
	if (xp_on)
		inv_settles(v);
	v->v_intr = true;
	sim_trace("returns from interrupt", "");
}

void sim_take(struct sim_vcpu *v, unsigned which)
{
	unsigned slot = 0;

	if (which == 1)
		slot = v->v_ipi;
	for (unsigned i = 0; which > 1 && i < v->v_nflight; i++)
		if (sim_line_number(v->v_flight[i]) == which - 2)
			slot = v->v_ipi + v->v_clock + i;
	take(v, slot);
}

/* Take what this CPU is to take now; interrupts are on. At least one if `must`. */
static void deliver(bool must)
{
	struct sim_vcpu *v;

	while (has_pending(v = sim_me())) {
		unsigned n = v->v_ipi + v->v_clock + v->v_nflight;

		if (config.random && !must && until == NULL && sim_random(DELIVER_ONE_IN) != 0)
			return;
		take(v, config.random ? (unsigned)sim_random(n) : 0);
		must = false;
	}
}

/* While the explorer has the machine: what kind of point is this for it? */
static void xp_kind(enum sim_kind kind)
{
	if (kind == SIM_PAUSE)
		xp_turn(kind, 0, false, 0);
	else if (kind == SIM_TEST)
		xp_point(kind, 0, false, 0);
	else
		xp_local(kind, 0);
}

void sim_point(enum sim_kind kind)
{
	if (!sim_up || sim_in_event)
		return;
	if (xp_on) {
		xp_kind(kind);
		return;
	}
	sim_steps++;
	now_ns += kind == SIM_ACCESS ? ACCESS_NS : STEP_NS;
	run_due();
	sim_line_check();
	next_cpu(kind);
	if (sim_me()->v_intr && !xp_on)
		deliver(false);
}

void sim_work(uint64_t ns)
{
	uint64_t end_ns = now_ns + ns;

	while (now_ns < end_ns) {
		now_ns += end_ns - now_ns < WORK_NS ? end_ns - now_ns : WORK_NS;
		sim_point(SIM_TEST);
	}
}

/* ---- port.h: who am I, interrupts of this CPU ---- */

struct cpu *sim_curcpu(void)
{
	if (xp_on)
		xp_asks_where();
	return sim_cpu;
}

struct lwp *sim_curlwp(void)
{
	return atomic_load_explicit(&sim_cpu->ci_curlwp, memory_order_relaxed);
}

bool sim_pending(void)
{
	return sim_cpu->ci_pending != 0;
}

bool sim_intr_disable(void)
{
	bool was;

	sim_point(SIM_DISABLE);
	was = sim_me()->v_intr;
	sim_me()->v_intr = false;
	return was;
}

void sim_intr_enable(void)
{
	struct sim_vcpu *v = sim_me();

	if (v->v_service != NULL)
		sim_failed("%s: interrupts on before its EOI", v->v_service->sl_source->is_name);
	if (xp_on && !v->v_intr)
		inv_settles(v);
	v->v_intr = true;
	sim_point(SIM_ENABLE);
}

bool sim_intr_enabled(void)
{
	return sim_me()->v_intr;
}

void sim_intr_eoi(void)
{
	struct sim_vcpu *v = sim_me();
	struct sim_line *sl = v->v_service;

	if (v->v_intr)
		sim_failed("EOI with interrupts on");
	if (sl == NULL)
		sim_failed("EOI with no interrupt in service");
	if (xp_on)
		xp_point(SIM_EOI, XA_LINE(sim_line_number(sl)), true, 0);
	else
		sim_point(SIM_EOI);
	v->v_service = NULL;
	sim_line_eoi(sl);
}

void sim_pause(void)
{
	sim_point(SIM_PAUSE);
}

void sim_idle(void)
{
	struct sim_vcpu *v = sim_me();

	if (v->v_intr)
		sim_failed("port_idle with interrupts on");
	if (curlwp != v->v_ci.ci_idle)
		sim_failed("port_idle by lwp %s", curlwp->l_name);
	v->v_halted = true;
	v->v_idled = true;
	if (xp_on) {
		inv_settles(v);
		xp_turn(SIM_IDLE, 0, false, 0);
	} else {
		while (!has_pending(v))
			sim_point(SIM_IDLE);
		if (xp_on) {
			xp_arrive();
		} else {
			v->v_halted = false;
			v->v_intr = true;
			deliver(true);
		}
	}
	if (sim_me() != v)
		sim_failed("the idle lwp of CPU %u moved", v->v_ci.ci_index);
	v->v_intr = false;
}

void port_ipi(struct cpu *ci)
{
	struct sim_vcpu *v = (struct sim_vcpu *)(void *)ci;

	if (xp_on)
		xp_ipi(ci->ci_index);
	v->v_ipi = true;
	sim_point(SIM_IPI);
}

void port_clock_arm(uint64_t deadline_ns)
{
	if (sim_me()->v_intr)
		sim_failed("port_clock_arm with interrupts on");
	sim_me()->v_deadline = deadline_ns;
	sim_point(SIM_CLOCK);
}

/* ---- port.h: stacks ---- */

/* `l` is about to run on this CPU: off, once, and not beneath something. */
static void check_resume(const struct lwp *l)
{
	if (sim_me()->v_intr)
		sim_failed("switch to %s with interrupts on", l->l_name);
	if (sim_me()->v_service != NULL)
		sim_failed("switch to %s before the EOI", l->l_name);
	for (unsigned i = 0; i < sim_ncpus; i++) {
		const struct sim_vcpu *v = &sim_vcpus[i];

		if (v->v_ci.ci_curlwp == l)
			sim_failed("%s resumed on CPU %u, but runs on CPU %u", l->l_name,
			    sim_cpu->ci_index, i);
		for (unsigned n = 0; n < v->v_npins; n++)
			if (v->v_pins[n].p_lwp == l && (v != sim_me() || n != v->v_npins - 1))
				sim_failed("I7: %s resumed on CPU %u, but is pinned on CPU %u",
				    l->l_name, sim_cpu->ci_index, i);
	}
}

/* If it was pinned on this CPU, it is that no more; its level must be the one it had. */
static void unpin(const struct lwp *l)
{
	struct sim_vcpu *v = sim_me();
	const struct sim_pin *p;

	if (v->v_npins == 0 || v->v_pins[v->v_npins - 1].p_lwp != l)
		return;
	p = &v->v_pins[--v->v_npins];
	if (xp_on)
		inv_back();
	if (p->p_ipl != l->l_ipl)
		sim_failed("I7: %s pinned at level %s, resumed at %s", l->l_name,
		    spl_name(p->p_ipl), spl_name(l->l_ipl));
}

/* Another lwp is to run upon `l`. */
static void pin(struct lwp *l)
{
	struct sim_vcpu *v = sim_me();

	if (v->v_npins == SIM_PINS_MAX)
		sim_failed("CPU %u: more than %d lwps pinned", sim_cpu->ci_index, SIM_PINS_MAX);
	v->v_pins[v->v_npins++] = (struct sim_pin){l, l->l_ipl};
}

/* What is written here and by switch.S of the core's own: the snapshot must know. */
static void changes(struct lwp *from, struct lwp *to, uintptr_t sp)
{
	xp_dirty((uintptr_t)&from->l_sp, sizeof(from->l_sp));
	xp_dirty((uintptr_t)&to->l_sp, sizeof(to->l_sp));
	xp_goes_on(to);
	xp_machine_store((uintptr_t)&sim_cpu->ci_curlwp, (uintptr_t)to);
	xp_dirty_stack(sp);
}

static struct lwp *back(struct lwp *l)
{
	if (xp_on)
		xp_disturbed();
	return l;
}

/* Its pointer is kept nowhere on this stack: state.c would take it for a part of the state. */
struct lwp *port_switch(struct lwp *from, struct lwp *to)
{
	uintptr_t sp;
	uint32_t context = xp_context;
	struct lwp *last;

	if (from != curlwp)
		sim_failed("port_switch from %s, which does not run", from->l_name);
	check_resume(to);
	unpin(to);
	if (to->l_pinned == from)
		pin(from);
	if (to->l_sp <= to->l_stack_top - to->l_stack_size || to->l_sp > to->l_stack_top)
		sim_failed("port_switch to %s, which cannot be resumed (sp %#lx)", to->l_name,
		    (unsigned long)to->l_sp);
	if (xp_on) {
		changes(from, to, to->l_sp);
		inv_leaves(from);
	}
	sim_cpu->ci_curlwp = to;
	sim_trace("runs", "");
	if (xp_on)
		xp_race_released((uintptr_t)&from->l_running);
	xp_context_lwp(to->l_sp);
	sp = to->l_sp;
	to->l_sp = 0;
	last = back(sim_stack_switch(&from->l_sp, sp, &from->l_running, NULL));
	xp_context = context;
	return last;
}

struct handoff {
	struct lwp *h_from, *h_it;
	void (*h_body)(struct lwp *it);
};

static void handoff_body(void *arg)
{
	/* Copied: it lies on the stack of `from`, which may go on before we come back. */
	struct handoff h = *(struct handoff *)arg;
	uintptr_t gone, sp;
	struct lwp *it = h.h_it;

	h.h_body(it);
	if (it != curlwp)
		sim_failed("the body of %s returned, but %s runs", it->l_name, curlwp->l_name);
	check_resume(h.h_from);
	unpin(h.h_from);
	sp = h.h_from->l_sp;
	if (xp_on)
		changes(it, h.h_from, sp);
	h.h_from->l_sp = 0;
	sim_cpu->ci_curlwp = h.h_from;
	sim_trace("runs", "after handoff");
	sim_stack_switch(&gone, sp, NULL, NULL);
}

void port_handoff(struct lwp *from, struct lwp *it, void (*body)(struct lwp *it))
{
	struct handoff h = {from, it, body};
	uint32_t context = xp_context;

	if (from != curlwp)
		sim_failed("port_handoff from %s, which does not run", from->l_name);
	check_resume(it);
	pin(from);
	if (xp_on) {
		changes(from, it, it->l_stack_top - 1);
		inv_handoff(it);
	}
	sim_cpu->ci_curlwp = it;
	sim_trace("handoff upon", from->l_name);
	(void)back(sim_stack_start(&from->l_sp, it->l_stack_top, handoff_body, &h));
	xp_context = context;
}

/* A stack that goes on at fn() when it is switched to. */
static uintptr_t new_stack(uintptr_t top, void (*fn)(void))
{
	uintptr_t *frame = (uintptr_t *)(top & ~(uintptr_t)15) - FRAME_WORDS;

	memset(frame, 0, FRAME_WORDS * sizeof(*frame));
	frame[FRAME_PC] = (uintptr_t)fn;
	return (uintptr_t)frame;
}

void port_lwp_init(struct lwp *l)
{
	l->l_sp = new_stack(l->l_stack_top, lwp_main);
	xp_stack_is(l);
}

/* ---- Scripts ---- */

void sim_allow(cpuset_t cpus)
{
	allowed = cpus;
	sim_point(SIM_TEST);
}

void sim_run_until(unsigned index, bool (*cond)(void *), void *arg)
{
	if (sim_cpu->ci_index == index)
		sim_failed("sim_run_until() of the caller's own CPU %u", index);
	if (cond(arg))
		return;
	until_cpu = index;
	until_back = sim_cpu->ci_index;
	until_arg = arg;
	until = cond;
	sim_point(SIM_TEST);
}

void sim_deafen(unsigned index, bool deaf)
{
	sim_vcpus[index].v_deaf = deaf;
	sim_point(SIM_TEST);
}

static bool settled(void)
{
	for (unsigned i = 0; i < sim_ncpus; i++)
		if (&sim_vcpus[i] != sim_me() && !sim_halted(i))
			return false;
	return !has_pending(sim_me()) && (sim_cpu->ci_pending & PENDING_LEVELS) == 0;
}

void sim_settle(void)
{
	do
		lwp_sleep_ns(NS_PER_MS);
	while (!settled());
}

/* ---- Start and end ---- */

static void (*body)(void);

static void finish(void)
{
	uintptr_t gone;

	sim_point(SIM_TEST);
	sim_line_check();
	sim_up = sim_drawn = false;
	sim_stack_switch(&gone, sim_host_sp, NULL, NULL);
}

static void start_cpu(unsigned index)
{
	struct sim_vcpu *v = &sim_vcpus[index];
	struct lwp *idle;
	int error = cpu_attach(&v->v_ci);

	if (error != 0)
		sim_failed("cpu_attach: CPU %u: error %d", index, error);
	idle = v->v_ci.ci_idle;
	v->v_ci.ci_curlwp = idle;
	v->v_sp = new_stack(idle->l_stack_top, cpu_main);
	idle->l_sp = 0;
	v->v_started = true;
	while (!v->v_idled)
		port_pause();
}

static void boot(void *unused)
{
	struct sim_vcpu *v = &sim_vcpus[0];
	size_t size;
	char *stack = (char *)(uintptr_t)unused;

	size = (size_t)v->v_sp - (size_t)(uintptr_t)stack;
	v->v_started = true;
	core_boot(&v->v_ci, stack, size);
	sim_up = true;
	sim_drawn = config.random;
	core_init();
	if (!v->v_intr)
		sim_failed("core_init() returned with interrupts off");
	for (unsigned i = 1; i < config.cpus; i++)
		start_cpu(i);
	body();
	finish();
}

void sim_run(const struct sim_config *cfg, void (*fn)(void))
{
	size_t size;
	char *stack;

	if (cfg->cpus < 1 || cfg->cpus > CPU_MAX)
		sim_failed("%u CPUs: 1 to %d", cfg->cpus, CPU_MAX);
	config = *cfg;
	body = fn;
	random_state = cfg->seed;
	sim_ncpus = cfg->cpus;
	for (unsigned i = 0; i < sim_ncpus; i++) {
		sim_vcpus[i].v_deadline = UINT64_MAX;
		sim_vcpus[i].v_ci.ci_hwid = i;
	}
	sim_report_init(cfg);
	sim_mem_init();
	stack = port_stack_alloc(&size);
	sim_vcpus[0].v_sp = (uintptr_t)stack + size;
	sim_cpu = &sim_vcpus[0].v_ci;
	sim_stack_start(&sim_host_sp, (uintptr_t)stack + size, boot, stack);
}
