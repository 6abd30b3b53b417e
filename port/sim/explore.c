/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * explore.c - one run after another of the same scenario, in one process.
 *
 * xp_start() boots the core in the simplest way, with CPUs in turn, up to the moment when each CPU
 * is at the first line of an lwp of the scenario or idles. There the snapshot is taken
 * (snapshot.c). A run begins by going back to it, and ends when nothing can happen any more: all
 * lwps at their last line, every CPU at rest, no interrupt on its way, no device with something
 * left to do. Then the scenario's check is called. A run that cannot go on before that is a
 * deadlock; one in which somebody waits in a loop for what nobody will do is a livelock.
 *
 * Between two points a CPU is not interrupted in any sense, so the points are where all happens:
 * xp_point() before each atomic access, and whatever else other CPUs can see; xp_local() before
 * plain accesses and changes of the interrupt flag, which only matter while an interrupt is on its
 * way to this CPU. That plain accesses need no more is because they do not race, and that they do
 * not is what race.c looks after in the same runs.
 *
 * A CPU in port_pause() waits until another has written something since the pause before, as it
 * waits for nothing else.
 * Time stands still; when everybody waits it jumps to the next deadline (with `timers`, at any
 * moment).
 *
 * Contexts: xp_run() is the host's; the rest on the stacks of the simulated machine. One host
 * thread. Invariants: those that sim.c and line.c check. Not for the unit tests, which draw in
 * sim.c. Next: race.c, snapshot.c, random.c.
 */
#include "explore.h"

#include "invariant.h"
#include "simint.h"

#include <ithaca/lwp.h>
#include <ithaca/port.h>
#include <ithaca/sched.h>
#include <stdio.h>
#include <string.h>

#define MESSAGE_SIZE 4096u
#define NUDGES_MAX 64u
#define JUMPS_MAX 200u

/* What the explorer knows of a CPU; forgotten when a run begins. */
struct xp_cpu {
	struct xp_op x_op; /* before which it stands */
	uint32_t x_seq;    /* its points so far */
	uint32_t x_writes; /* its writes so far */
	uint32_t x_mark;   /* writes of others when it last went on from a pause */
	int x_take;        /* its next turn begins with this interrupt; -1: none */
	bool x_woken;      /* let it look again: others ran here, or everybody waits */
};

struct xp_config xp_config;
bool xp_on;
uint64_t xp_steps, xp_ask_at, xp_fingerprint, xp_steps_all;
struct xp_choice xp_log[XP_LOG_MAX], xp_script[XP_LOG_MAX];
unsigned xp_nlog, xp_nscript;

static struct xp_cpu cpus[XP_CPUS];
static uint32_t writes_all;
static unsigned nudges, jumps;
static struct xp_device devices[XP_DEVICES], devices_first[XP_DEVICES];
static unsigned ndevices;
static unsigned expected, left;
static bool set_up, gated[XP_CPUS];
static unsigned current; /* CPU whose turn the choice falls in */
static bool in_host;
static enum xp_result result;
static char message[MESSAGE_SIZE];
static uint64_t chance;
static void (*setup_fn)(void);

/* ---- Small things ---- */

void xp_chance_seed(uint64_t seed)
{
	chance = seed;
}

uint64_t xp_chance(uint64_t below)
{
	/* splitmix64 (Steele, Lea, Flood 2014). */
	uint64_t z = chance += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	z ^= z >> 31;
	return below > 1 ? (uint64_t)(((unsigned __int128)z * below) >> 64) : 0;
}

const char *xp_message(void)
{
	return message;
}

char *xp_message_buffer(size_t *size)
{
	*size = sizeof(message);
	return message;
}

unsigned xp_me(void)
{
	return current;
}

uint32_t xp_my_seq(void)
{
	return cpus[current].x_seq;
}

unsigned xp_irq_cpu(unsigned p)
{
	return p < XP_DEV ? p : (p - XP_IRQ) / XP_IRQS;
}

void xp_add_device(const char *name, void (*fn)(void *), void *arg, unsigned times)
{
	if (ndevices == XP_DEVICES)
		sim_failed("device %s: more than %d in a scenario", name, XP_DEVICES);
	devices_first[ndevices++] = (struct xp_device){name, fn, arg, times};
}

void xp_expect(unsigned lwps)
{
	expected = lwps;
}

void xp_disturbed(void)
{
	cpus[sim_cpu->ci_index].x_woken = true;
}

void xp_wrote(unsigned cpu)
{
	cpus[cpu].x_writes++;
	writes_all++;
}

/* ---- The end of a run ---- */

/* In the host's own turn it comes back, and the caller returns. */
static void to_host(enum xp_result r)
{
	uintptr_t gone;

	result = r;
	xp_on = false;
	if (!in_host)
		sim_stack_switch(&gone, sim_host_sp, NULL, NULL);
}

void xp_failed(void)
{
	if (in_host)
		sim_failed("(outside a run)");
	to_host(XP_FAILED);
	__builtin_unreachable();
}

static const char *waits_at(const struct xp_op *op)
{
	return op->o_kind == SIM_PAUSE ? "spins"
	    : op->o_kind == SIM_IDLE   ? "idles"
	    : op->o_kind == SIM_REST   ? "is done"
				       : "can go on";
}

static void stuck(const char *what)
{
	char text[512];
	size_t n = 0;

	for (unsigned i = 0; i < sim_ncpus && n < sizeof(text); i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "; CPU %u (%s) %s", i,
		    sim_vcpus[i].v_ci.ci_curlwp->l_name, waits_at(&cpus[i].x_op));
	sim_failed("%s: %u of %u lwps at their end%s", what, left, expected, text);
}

static bool finished(void)
{
	return left == expected;
}

/* Nothing can go on. Time may; else this is the end. */
static void quiet(bool waiting)
{
	bool more = sim_time_waits();

	if (finished() && !waiting && !(more && xp_config.timers)) {
		sim_in_event = true;
		inv_end();
		if (xp_config.check != NULL)
			xp_config.check();
		sim_in_event = false;
		to_host(XP_OK);
		return;
	}
	if (more && ++jumps > JUMPS_MAX) {
		stuck(waiting ? "livelock (only clocks go on)" : "deadlock (only clocks go on)");
	} else if (more) {
		sim_time_jump();
	} else if (!waiting) {
		stuck("deadlock");
	} else if (++nudges > NUDGES_MAX) {
		stuck("livelock");
	}
	for (unsigned i = 0; i < sim_ncpus; i++)
		cpus[i].x_woken = true;
}

/* ---- Who can go on ---- */

/* Does somebody else want this CPU? Main, which only waits, does not count. */
static bool wanted(const struct sim_vcpu *v)
{
	return atomic_load_explicit(&v->v_ci.ci_top_pri, memory_order_relaxed) > PRI_MIN;
}

static bool cpu_ready(const struct sim_vcpu *v, const struct xp_cpu *x, bool *waiting)
{
	switch (x->x_op.o_kind) {
	case SIM_IDLE:
		return false;
	case SIM_REST:
		return wanted(v);
	case SIM_PAUSE:
		if (x->x_woken || writes_all - x->x_writes != x->x_mark)
			return true;
		*waiting = true;
		return false;
	default:
		return true;
	}
}

static uint64_t on_their_way(const struct sim_vcpu *v, unsigned c)
{
	unsigned base = XP_IRQ + XP_IRQS * c;
	uint64_t set = 0;

	if (v->v_ipi)
		set |= XP_BIT(base);
	if (v->v_clock)
		set |= XP_BIT(base + 1);
	for (unsigned i = 0; i < v->v_nflight; i++)
		set |= XP_BIT(base + 2 + sim_line_number(v->v_flight[i]));
	return set;
}

static uint64_t irqs(const struct sim_vcpu *v, unsigned c)
{
	return (v->v_intr || v->v_halted) && !v->v_deaf ? on_their_way(v, c) : 0;
}

uint64_t xp_raised(void)
{
	uint64_t set = 0;

	for (unsigned c = 0; c < sim_ncpus; c++)
		set |= on_their_way(&sim_vcpus[c], c);
	return set;
}

static uint64_t ready_set(bool *waiting)
{
	uint64_t set = 0;

	*waiting = false;
	for (unsigned c = 0; c < sim_ncpus; c++) {
		if (cpu_ready(&sim_vcpus[c], &cpus[c], waiting))
			set |= XP_BIT(c);
		set |= irqs(&sim_vcpus[c], c);
		if (xp_buffered(c))
			set |= XP_BIT(XP_IRQ + XP_IRQS * c + XP_FLUSH);
	}
	for (unsigned d = 0; d < ndevices; d++)
		if (devices[d].left > 0)
			set |= XP_BIT(XP_DEV + d);
	if (xp_config.timers && set != 0 && sim_time_waits())
		set |= XP_BIT(XP_TIME);
	return set;
}

/* What goes on when nobody chooses. */
static unsigned plain_choice(uint64_t set)
{
	uint64_t c = set & (XP_BIT(XP_CPUS) - 1);

	if (c & XP_BIT(current))
		return current;
	if (c != 0) {
		uint64_t after = c & ~(XP_BIT(current) - 1);

		return (unsigned)__builtin_ctzll(after != 0 ? after : c);
	}
	if (set >> XP_IRQ != 0)
		return XP_IRQ + (unsigned)__builtin_ctzll(set >> XP_IRQ);
	return (unsigned)__builtin_ctzll(set);
}

void xp_next_op(unsigned p, struct xp_op *out)
{
	*out = p < XP_CPUS ? cpus[p].x_op : (struct xp_op){0};
}

bool xp_yields(void)
{
	unsigned k = cpus[current].x_op.o_kind;

	return k == SIM_PAUSE || k == SIM_IDLE || k == SIM_REST;
}

static void log_choice(unsigned pick, unsigned what)
{
	if (xp_nlog < XP_LOG_MAX)
		xp_log[xp_nlog++] = (struct xp_choice){cpus[current].x_seq, (uint8_t)current,
		    (uint8_t)pick, (uint8_t)what};
}

/* ---- The step ---- */

static void go(unsigned p)
{
	unsigned c = xp_irq_cpu(p);
	struct sim_vcpu *v = &sim_vcpus[c], *me = sim_me();

	cpus[c].x_take = p < XP_DEV ? -1 : (int)((p - XP_IRQ) % XP_IRQS);
	if (p >= XP_DEV || cpus[c].x_op.o_kind != SIM_PAUSE)
		nudges = 0;
	if (!in_host && v == me)
		return;
	sim_cpu = &v->v_ci;
	xp_dirty_stack(v->v_sp);
	if (in_host) {
		in_host = false;
		sim_stack_switch(&sim_host_sp, v->v_sp, NULL, NULL);
	} else {
		sim_stack_switch(&me->v_sp, v->v_sp, NULL, NULL);
	}
}

/* Choose until a CPU goes on; returns when it is the caller's turn. */
static void schedule(void)
{
	bool waiting;
	uint64_t set;
	unsigned p, plain;

	for (;;) {
		current = sim_cpu->ci_index;
		sim_line_check();
		if (xp_config.step != NULL)
			xp_config.step();
		cpus[current].x_seq++;
		set = ready_set(&waiting);
		if (set == 0) {
			quiet(waiting);
			if (!xp_on)
				return;
			continue;
		}
		plain = plain_choice(set);
		p = xp_config.strategy->choose(set, plain);
		if (p == XP_NONE) {
			to_host(XP_PRUNED);
			return;
		}
		if (p != plain)
			log_choice(XP_CHOOSE, p);
		if (++xp_steps > xp_config.steps_max)
			stuck("livelock (too many steps)");
		if (p < XP_CPUS ||
		    (p >= XP_IRQ && p < XP_TIME && (p - XP_IRQ) % XP_IRQS != XP_FLUSH)) {
			go(p);
			return;
		}
		if (p == XP_TIME) {
			sim_time_jump();
		} else if (p < XP_IRQ) {
			devices[p - XP_DEV].left--;
			if (xp_tracing)
				xp_note(XE_NOTE, 0, 0, 0, devices[p - XP_DEV].name);
			sim_in_event = true;
			devices[p - XP_DEV].fn(devices[p - XP_DEV].arg);
			sim_in_event = false;
		} else {
			xp_flush(xp_irq_cpu(p));
		}
	}
}

/* This turn begins with an interrupt. */
static void take_now(struct sim_vcpu *v, struct xp_cpu *x)
{
	static const char *const what[] = {"IPI", "clock"};
	unsigned take = (unsigned)x->x_take;

	x->x_take = -1;
	x->x_op.o_kind = SIM_ACCESS;
	if (v->v_halted) {
		v->v_halted = false;
		v->v_intr = true;
	}
	if (xp_tracing)
		xp_note(XE_IRQ, 0, take, 0, take < 2 ? what[take] : "interrupt");
	if (take == 0)
		xp_race_ipi_taken(v->v_ci.ci_index);
	sim_take(v, take);
	xp_disturbed();
}

/* The slow half of a point: somebody is asked. */
void xp_turn(enum sim_kind kind, uint64_t addr, bool write, uint32_t pc)
{
	struct sim_vcpu *v;
	struct xp_cpu *x;

	for (;;) {
		x = &cpus[sim_cpu->ci_index];
		x->x_op = (struct xp_op){addr, pc, (uint8_t)kind, write};
		schedule();
		v = sim_me();
		x = &cpus[v->v_ci.ci_index];
		if (kind == SIM_PAUSE) {
			x->x_mark = writes_all - x->x_writes;
			x->x_woken = false;
			xp_fresh(v->v_ci.ci_index);
		}
		if (x->x_take < 0) {
			x->x_op.o_kind = SIM_ACCESS;
			return;
		}
		take_now(v, x);
		if (kind == SIM_IDLE)
			return;
	}
}

void xp_arrive(void)
{
	struct sim_vcpu *v = sim_me();
	struct xp_cpu *x = &cpus[v->v_ci.ci_index];
	bool idle = v->v_halted;

	if (x->x_take < 0)
		return;
	take_now(v, x);
	if (!idle)
		xp_turn(SIM_TEST, 0, false, 0);
}

void xp_point(enum sim_kind kind, uint64_t addr, bool write, uint32_t pc)
{
	if (sim_in_event)
		return;
	if (xp_steps + 1 < xp_ask_at && !xp_config.strategy->every) {
		xp_steps++;
		cpus[sim_cpu->ci_index].x_seq++;
		return;
	}
	xp_turn(kind, addr, write, pc);
}

void xp_local(enum sim_kind kind)
{
	const struct sim_vcpu *v = sim_me();

	if (sim_in_event || !(v->v_ipi || v->v_clock || v->v_nflight != 0) || !v->v_intr)
		return;
	xp_point(kind, 0, false, 0);
}

void xp_ipi(unsigned to)
{
	xp_point(SIM_IPI, XA_IPI(to), true, (uint32_t)(uintptr_t)__builtin_return_address(0));
	xp_drain(sim_cpu->ci_index);
	xp_race_ipi_sent(to);
	xp_ask_at = 0;
}

/* ---- Outcomes ---- */

static unsigned pick(enum xp_pick kind, unsigned n)
{
	unsigned got;

	current = sim_cpu->ci_index;
	cpus[current].x_seq++;
	got = xp_config.strategy->pick(kind, n);
	if (got != 0)
		log_choice(kind, got);
	return got;
}

bool xp_alloc_fails(void)
{
	return xp_on && xp_config.alloc_fail && !sim_in_event && pick(XP_PICK_ALLOC, 2) != 0;
}

unsigned xp_pick_test(unsigned n)
{
	return xp_on && n > 1 ? pick(XP_PICK_TEST, n) : 0;
}

unsigned xp_pick_value(unsigned n)
{
	return pick(XP_PICK_VALUE, n);
}

/* ---- The snapshot, and from there ---- */

static bool all_gated(void)
{
	if (!set_up)
		return false;
	for (unsigned i = 0; i < sim_ncpus; i++)
		if (!gated[i] && !sim_halted(i))
			return false;
	return true;
}

/* Wait for the snapshot. */
static void gate(void)
{
	gated[sim_cpu->ci_index] = true;
	while (!xp_on) {
		if (all_gated())
			sim_stack_switch(&sim_me()->v_sp, sim_host_sp, NULL, NULL);
		else
			sim_point(SIM_PAUSE);
	}
	xp_arrive();
}

/* At the end of what it has to do, an lwp stays on its CPU until somebody else wants that. */
static void rest(void)
{
	while (!wanted(sim_me()))
		xp_turn(SIM_REST, 0, false, 0);
}

void xp_gate(void)
{
	if (!xp_on)
		gate();
}

void xp_leave(void)
{
	left++;
	rest();
}

static void main_lwp(void)
{
	lwp_setpri(curlwp, PRI_MAX);
	setup_fn();
	set_up = true;
	lwp_setpri(curlwp, PRI_MIN);
	lwp_yield();
	gate();
	for (;;) {
		rest();
		lwp_yield();
	}
}

void xp_start(unsigned ncpus, void (*setup)(void))
{
	struct sim_config cfg = {.cpus = ncpus};

	if (ncpus < 1 || ncpus > XP_CPUS)
		sim_failed("a scenario has 1 to %d CPUs, not %u", XP_CPUS, ncpus);
	setup_fn = setup;
	sim_run(&cfg, main_lwp); /* comes back from gate() */
	xp_snapshot_take();
}

enum xp_result xp_run(uint64_t seed)
{
	if (!xp_config.strategy->begin(seed))
		return XP_PRUNED;
	xp_snapshot_restore();
	xp_race_begin();
	memset(cpus, 0, sizeof(cpus));
	for (unsigned i = 0; i < sim_ncpus; i++)
		cpus[i].x_op.o_kind = (uint8_t)(gated[i] ? SIM_TEST : SIM_IDLE);
	memcpy(devices, devices_first, sizeof(devices));
	xp_steps = xp_fingerprint = 0;
	xp_ask_at = 0;
	xp_nlog = writes_all = nudges = jumps = left = 0;
	sim_cpu = &sim_vcpus[0].v_ci;
	sim_in_event = false;
	message[0] = '\0';
	xp_on = in_host = true;
	schedule();
	in_host = true;
	xp_steps_all += xp_steps;
	xp_config.strategy->end();
	return result;
}
