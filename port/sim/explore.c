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
 * Time stands still; when everybody waits it jumps to the next deadline (with `timers`, at any
 * moment).
 *
 * Contexts: xp_run() is the host's; the rest on the stacks of the simulated machine. One host
 * thread. Invariants: those that sim.c and line.c check. Not for the unit tests, which draw in
 * sim.c. Next: points.c, race.c, snapshot.c, random.c.
 */
#include "explore.h"

#include "invariant.h"
#include "places.h"
#include "simint.h"

#include <ithaca/lwp.h>
#include <ithaca/port.h>
#include <ithaca/sched.h>
#include <stdio.h>
#include <string.h>

#define MESSAGE_SIZE 4096u
#define NUDGES_MAX 64u
#define JUMPS_MAX 200u

struct xp_config xp_config;
bool xp_on, xp_looking, xp_merges, xp_entries = true;
uint64_t xp_steps, xp_ask_at, xp_fingerprint, xp_end, xp_steps_all;
struct xp_choice xp_log[XP_LOG_MAX], xp_script[XP_LOG_MAX];
unsigned xp_nlog, xp_nscript;

static unsigned nudges, jumps;
static struct xp_device devices[XP_DEVICES], devices_first[XP_DEVICES];
static unsigned ndevices;
static uint64_t devices_left; /* processes: those with a call left */
static unsigned expected, left;
static bool set_up, gated[XP_CPUS];
static unsigned current; /* CPU whose turn the choice falls in */
static bool in_host;
static enum xp_result result;
static char message[MESSAGE_SIZE];
static uint64_t chance;
static void (*setup_fn)(void);
static unsigned device_number; /* whose turn it is; XP_DEVICES: time's */

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
	return xp_cpus[current].x_seq;
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

void xp_device_times(unsigned i, unsigned times)
{
	devices_first[i].left = times;
}

void xp_expect(unsigned lwps)
{
	expected = lwps;
}

unsigned xp_device_number(void)
{
	return device_number;
}

static void look(void (*fn)(void))
{
	if (fn == NULL)
		return;
	xp_looking = true;
	sim_event(true);
	fn();
	xp_looking = false;
	sim_event(false);
}

/* ---- The end of a run ---- */

/* In the host's own turn it comes back, and the caller returns. */
static void to_host(enum xp_result r)
{
	uintptr_t gone;

	result = r;
	xp_on = xp_quick = xp_quick_sc = false;
	xp_entries = true;
	xp_passes_anew();
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
		    sim_vcpus[i].v_ci.ci_curlwp->l_name, waits_at(&xp_cpus[i].x_op));
	sim_failed("%s: %u of %u lwps at their end%s", what, left, expected, text);
}

void xp_livelock(const char *why)
{
	char what[80];

	snprintf(what, sizeof(what), "livelock (%s)", why);
	stuck(what);
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
		look(inv_end);
		look(xp_config.check);
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
		xp_cpus[i].x_woken = true;
}

/* ---- Who can go on ---- */

/* Does somebody else want this CPU? Main, which only waits, does not count. */
static bool wanted(const struct sim_vcpu *v)
{
	return atomic_load_explicit(&v->v_ci.ci_top_pri, memory_order_relaxed) > PRI_MIN;
}

static bool cpu_ready(const struct sim_vcpu *v, struct xp_cpu *x, bool *waiting)
{
	switch (x->x_op.o_kind) {
	case SIM_IDLE:
		return false;
	case SIM_REST:
		return wanted(v);
	case SIM_PAUSE:
		if (x->x_woken || xp_news(x))
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

static inline bool pending(const struct sim_vcpu *v)
{
	return v->v_ipi || v->v_clock || v->v_nflight != 0;
}

static uint64_t irqs(const struct sim_vcpu *v, unsigned c)
{
	return (v->v_intr || v->v_halted) && !v->v_deaf ? on_their_way(v, c) : 0;
}

/* What the fingerprint leaves open: where each CPU stands, and what is on its way. */
static uint64_t trace_state(void)
{
	uint64_t h = xp_fingerprint;

	for (unsigned c = 0; c < sim_ncpus; c++) {
		const struct sim_vcpu *v = &sim_vcpus[c];
		const struct xp_cpu *x = &xp_cpus[c];

		h = xp_mix(h, on_their_way(v, c) * 4 + 2 * v->v_intr + v->v_halted);
		h = xp_mix(h, x->x_op.o_addr * 64 + 4 * x->x_op.o_kind + 2 * x->x_narrow);
		h = xp_mix(h, xp_context_at(x->x_context));
		h = xp_mix(h, xp_buffer_state(c));
	}
	return h;
}

uint64_t xp_state(void)
{
	uint64_t h = current + 16 * jumps + 65536 * (uint64_t)left;

	for (unsigned d = 0; d < ndevices; d++)
		h = xp_mix(h, devices[d].left);
	return xp_mix(xp_merges ? xp_machine_state() : trace_state(), h);
}

static uint64_t own_interrupts(unsigned c)
{
	return (((uint64_t)1 << XP_FLUSH) - 1) << (XP_IRQ + XP_IRQS * c);
}

static uint64_t ready_set(bool *waiting)
{
	uint64_t set = 0;

	*waiting = false;
	for (unsigned c = 0; c < sim_ncpus; c++) {
		if (cpu_ready(&sim_vcpus[c], &xp_cpus[c], waiting))
			set |= XP_BIT(c);
		if (pending(&sim_vcpus[c]))
			set |= irqs(&sim_vcpus[c], c);
		if (xp_config.memory == XP_TSO && xp_buffered(c))
			set |= XP_BIT(XP_IRQ + XP_IRQS * c + XP_FLUSH);
	}
	set |= devices_left;
	if (xp_config.timers && set != 0 && sim_time_waits())
		set |= XP_BIT(XP_TIME);
	if (xp_cpus[current].x_narrow && (set & XP_BIT(current)))
		set &= XP_BIT(current) | own_interrupts(current);
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
	*out = p < XP_CPUS ? xp_cpus[p].x_op : (struct xp_op){0};
}

bool xp_yields(void)
{
	unsigned k = xp_cpus[current].x_op.o_kind;

	return k == SIM_PAUSE || k == SIM_IDLE || k == SIM_REST;
}

static void log_choice(unsigned pick, unsigned what)
{
	if (xp_nlog < XP_LOG_MAX)
		xp_log[xp_nlog++] = (struct xp_choice){xp_cpus[current].x_seq, (uint8_t)current,
		    (uint8_t)pick, (uint8_t)what};
}

/* ---- The step ---- */

static void go(unsigned p)
{
	unsigned c = xp_irq_cpu(p);
	struct sim_vcpu *v = &sim_vcpus[c], *me = sim_me();
	uint32_t context = xp_context;

	xp_cpus[c].x_take = p < XP_DEV ? -1 : (int)((p - XP_IRQ) % XP_IRQS);
	if (p >= XP_DEV || xp_cpus[c].x_op.o_kind != SIM_PAUSE)
		nudges = 0;
	if (!in_host && v == me)
		return;
	sim_cpu = &v->v_ci;
	xp_mine = &xp_cpus[c];
	xp_dirty_stack(v->v_sp);
	if (in_host) {
		in_host = false;
		sim_stack_switch(&sim_host_sp, v->v_sp, NULL, NULL);
	} else {
		sim_stack_switch(&me->v_sp, v->v_sp, NULL, NULL);
		xp_context = context;
	}
}

static void turn_of_device(unsigned d)
{
	if (--devices[d].left == 0)
		devices_left &= ~XP_BIT(XP_DEV + d);
	if (xp_tracing)
		xp_note(XE_NOTE, 0, 0, 0, devices[d].name);
	device_number = d;
	sim_event(true);
	devices[d].fn(devices[d].arg);
	sim_event(false);
	device_number = XP_DEVICES;
	for (unsigned i = 0; i < sim_ncpus; i++)
		xp_cpus[i].x_woken = true;
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
		look(xp_config.step);
		xp_cpus[current].x_seq++;
		set = ready_set(&waiting);
		if (set == 0) {
			quiet(waiting);
			if (!xp_on)
				return;
			continue;
		}
		plain = plain_choice(set);
		p = xp_config.strategy->choose(set, plain);
		xp_passes_anew();
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
			turn_of_device(p - XP_DEV);
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
	uint32_t context = xp_context;

	x->x_take = -1;
	x->x_op.o_kind = SIM_ACCESS;
	if (v->v_halted) {
		v->v_halted = false;
		v->v_intr = true;
	}
	if (xp_tracing)
		xp_note(XE_IRQ, 0, take, 0, take < 2 ? what[take] : "interrupt");
	xp_context_interrupt(XP_IRQ + XP_IRQS * v->v_ci.ci_index + take);
	if (take == 0) {
		xp_race_ipi_taken(v->v_ci.ci_index);
		xp_touch(XA_IPI(v->v_ci.ci_index), true);
	}
	sim_take(v, take);
	xp_context = context;
	xp_disturbed();
}

/* The slow half of a point: somebody is asked. switch.S comes here. */
void xp_turn_at(enum sim_kind kind, uint64_t addr, bool write, uint32_t pc, uint64_t sp)
{
	struct sim_vcpu *v;
	struct xp_cpu *x;

	for (;;) {
		x = &xp_cpus[sim_cpu->ci_index];
		x->x_op = (struct xp_op){addr, pc, (uint8_t)kind, write};
		x->x_context = xp_context;
		x->x_sp = sp;
		schedule();
		v = sim_me();
		x = &xp_cpus[v->v_ci.ci_index];
		if (kind == SIM_PAUSE) {
			x->x_mark = xp_writes - x->x_writes;
			x->x_woken = false;
			x->x_nwatched = 0;
			x->x_watch = x->x_heeded = WATCH_FOR;
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
	struct xp_cpu *x = &xp_cpus[v->v_ci.ci_index];
	bool idle = v->v_halted;

	xp_context_lwp((uintptr_t)&idle);
	if (x->x_take < 0)
		return;
	take_now(v, x);
	if (!idle)
		xp_turn(SIM_TEST, 0, false, 0);
}

/* ---- Outcomes ---- */

static unsigned pick(enum xp_pick kind, unsigned n)
{
	unsigned got;

	current = sim_cpu->ci_index;
	xp_cpus[current].x_seq++;
	got = xp_config.strategy->pick(kind, n);
	xp_seen_outcome(got);
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

static void devices_begin(void)
{
	memcpy(devices, devices_first, ndevices * sizeof(devices[0]));
	devices_left = 0;
	for (unsigned d = 0; d < ndevices; d++)
		if (devices[d].left > 0)
			devices_left |= XP_BIT(XP_DEV + d);
}

enum xp_result xp_run(uint64_t seed)
{
	if (!xp_config.strategy->begin(seed))
		return XP_PRUNED;
	xp_snapshot_restore();
	xp_race_begin();
	for (unsigned i = 0; i < sim_ncpus; i++)
		memset(&xp_cpus[i], 0, offsetof(struct xp_cpu, x_watched));
	for (unsigned i = 0; i < sim_ncpus; i++) {
		xp_cpus[i].x_op.o_kind = (uint8_t)(gated[i] ? SIM_TEST : SIM_IDLE);
		xp_cpus[i].x_watch = xp_config.exact;
		xp_cpus[i].x_number = i;
		xp_cpus[i].x_alone = XP_STATE(XP_NOTED | 1u << i, xp_loc_run);
		xp_cpus[i].x_traced = 2 * i;
	}
	xp_merges = xp_config.strategy == &xp_exhaustive && xp_config.reduction >= XP_MERGED &&
	    xp_config.memory == XP_SC;
	xp_quick = xp_config.strategy->asks == XP_AT_TIMES && xp_config.races && !xp_config.exact &&
	    !xp_tracing;
	xp_quick_sc = xp_quick && xp_config.memory == XP_SC;
	device_number = XP_DEVICES;
	devices_begin();
	xp_steps = xp_fingerprint = 0;
	xp_nlog = xp_writes = nudges = jumps = left = 0;
	sim_cpu = &sim_vcpus[0].v_ci;
	xp_mine = &xp_cpus[0];
	sim_in_event = false;
	xp_ask_now();
	message[0] = '\0';
	xp_on = in_host = true;
	xp_entries = xp_merges;
	schedule();
	in_host = true;
	xp_steps_all += xp_steps;
	xp_end = xp_config.exact && result == XP_OK ? xp_end_state() : 0;
	xp_config.strategy->end();
	return result;
}
