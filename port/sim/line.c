/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * line.c - the interrupt controller of the simulated machine, and its inputs.
 *
 * A line behaves as the real ones do. A level line that is asserted and not masked is sent once,
 * and not again before the EOI; what was sent arrives, even if the line was lowered, masked or
 * moved meanwhile. An edge that comes while the line is masked is lost and counted; a message is
 * sent whatever the mask (if it cannot be masked). Two of the same on their way to one CPU are
 * one. Moved, a line may still be in flight to the CPU before: pic_routed() says when it is not.
 *
 * sim_line_check() asks after every step that a level line is masked exactly while its source's set
 * has a member (I3), whenever the source's lock is free; sim_line_eoi() that it was masked before
 * its EOI if the set has one.
 *
 * Contexts: see sim.h. Lock order: none, there is one host thread. Next: kern/intr.c.
 */
#include "explore.h"
#include "invariant.h"
#include "simint.h"

#include <ithaca/port.h>

static struct sim_line lines[SIM_LINES_MAX];
static unsigned nlines;

unsigned sim_line_number(const struct sim_line *sl)
{
	return (unsigned)(sl - lines);
}

void sim_line_state(void (*fn)(void *p, size_t size))
{
	if (nlines > XP_LINES)
		sim_failed("%u lines: a scenario has at most %d", nlines, XP_LINES);
	fn(lines, nlines * sizeof(lines[0]));
	fn(&nlines, sizeof(nlines));
}

/* Before another CPU or a device can see a change of the line. */
static void point(const struct sim_line *sl)
{
	if (xp_on)
		xp_point(SIM_PIC, XA_LINE(sim_line_number(sl)), true,
		    (uint32_t)(uintptr_t)__builtin_return_address(0));
	xp_touch(XA_LINE(sim_line_number(sl)), true);
}

void sim_line_point(const struct sim_line *sl)
{
	if (xp_on && !sim_in_event)
		xp_point(SIM_PIC, XA_LINE(sim_line_number(sl)), true,
		    (uint32_t)(uintptr_t)__builtin_return_address(0));
}

static struct sim_vcpu *vcpu_of(struct cpu *ci)
{
	return (struct sim_vcpu *)(void *)ci;
}

static void send(struct sim_line *sl, struct sim_vcpu *v)
{
	cpuset_t bit = CPUSET(v->v_ci.ci_index);

	if ((sl->sl_flight & bit) != 0) {
		sl->sl_merged++;
		return;
	}
	if (v->v_nflight == SIM_LINES_MAX)
		sim_failed("more than %d lines on their way to CPU %u", SIM_LINES_MAX,
		    v->v_ci.ci_index);
	sl->sl_flight |= bit;
	xp_ask_now();
	v->v_flight[v->v_nflight++] = sl;
}

/* Send a level line if it is time to. */
static void update(struct sim_line *sl)
{
	if (sl->sl_trigger != INTR_LEVEL || !sl->sl_asserted || sl->sl_masked || sl->sl_remote)
		return;
	sl->sl_remote = true;
	send(sl, vcpu_of(sl->sl_cpu));
}

static void line_mask(struct intr_source *is)
{
	struct sim_line *sl = is->is_cookie;

	if (sim_intr_enabled())
		sim_failed("%s: pic_mask with interrupts on", is->is_name);
	point(sl);
	sl->sl_masks++;
	sl->sl_masked = true;
	sim_point(SIM_PIC);
}

static void line_unmask(struct intr_source *is)
{
	struct sim_line *sl = is->is_cookie;

	if (sim_intr_enabled())
		sim_failed("%s: pic_unmask with interrupts on", is->is_name);
	point(sl);
	sl->sl_unmasks++;
	sl->sl_masked = false;
	update(sl);
	sim_point(SIM_PIC);
}

static int line_route(struct intr_source *is, struct cpu *ci)
{
	struct sim_line *sl = is->is_cookie;
	int error = sl->sl_route_error;

	point(sl);
	sl->sl_route_error = 0;
	if (error != 0)
		return error;
	sl->sl_routes++;
	sl->sl_cpu = ci;
	sim_point(SIM_PIC);
	return 0;
}

static bool line_routed(struct intr_source *is)
{
	struct sim_line *sl = is->is_cookie;
	cpuset_t bit = CPUSET(curcpu()->ci_index);

	if (sim_intr_enabled())
		sim_failed("%s: pic_routed with interrupts on", is->is_name);
	point(sl);
	sim_point(SIM_PIC);
	return (sl->sl_flight & bit) == 0 && (sl->sl_service & bit) == 0;
}

static const struct intr_pic pics[4] = {
    {"sim", line_mask, line_unmask, line_route, line_routed},
    {"sim, no mask", NULL, NULL, line_route, line_routed},
    {"sim, no route", line_mask, line_unmask, NULL, NULL},
    {"sim, fixed", NULL, NULL, NULL, NULL},
};

struct sim_line *sim_line_create(const char *name, enum intr_trigger trigger, unsigned index,
    unsigned flags)
{
	struct sim_line *sl = NULL;
	int error;

	for (unsigned i = 0; i < nlines && sl == NULL; i++)
		if (lines[i].sl_source == NULL)
			sl = &lines[i];
	if (sl == NULL) {
		if (nlines == SIM_LINES_MAX)
			sim_failed("more than %d lines", SIM_LINES_MAX);
		sl = &lines[nlines++];
	}
	*sl = (struct sim_line){.sl_trigger = trigger,
	    .sl_cpu = cpu_lookup(index),
	    .sl_masked = (flags & SIM_NO_MASK) == 0};
	error = intr_source_create(name, trigger, &pics[flags & 3], sl, sl->sl_cpu, &sl->sl_source);
	if (error != 0)
		sim_failed("%s: intr_source_create: error %d", name, error);
	return sl;
}

int sim_line_destroy(struct sim_line *sl)
{
	int error = intr_source_destroy(sl->sl_source);

	if (error == 0)
		sl->sl_source = NULL;
	return error;
}

void sim_line_raise(struct sim_line *sl)
{
	xp_touch(XA_LINE(sim_line_number(sl)), true);
	if (sl->sl_trigger == INTR_LEVEL) {
		sl->sl_asserted = true;
		update(sl);
	} else if (sl->sl_masked) {
		sl->sl_lost++;
	} else {
		send(sl, vcpu_of(sl->sl_cpu));
	}
}

void sim_line_lower(struct sim_line *sl)
{
	xp_touch(XA_LINE(sim_line_number(sl)), true);
	sl->sl_asserted = false;
}

void sim_line_inject(struct sim_line *sl, unsigned index)
{
	xp_touch(XA_LINE(sim_line_number(sl)), true);
	if (sl->sl_trigger == INTR_LEVEL)
		sl->sl_remote = true;
	send(sl, &sim_vcpus[index]);
}

void sim_line_serve(struct sim_line *sl)
{
	cpuset_t bit = CPUSET(sim_cpu->ci_index);

	xp_touch(XA_LINE(sim_line_number(sl)), true);
	sl->sl_flight &= ~bit;
	sl->sl_service |= bit;
	sl->sl_delivered++;
	if (xp_on)
		watch_served(sl->sl_source);
	sim_me()->v_service = sl;
}

void sim_line_eoi(struct sim_line *sl)
{
	xp_touch(XA_LINE(sim_line_number(sl)), true);
	sl->sl_service &= ~CPUSET(sim_cpu->ci_index);
	sl->sl_eois++;
	if (!sl->sl_masked)
		sl->sl_eois_unmasked++;
	if (sl->sl_trigger != INTR_LEVEL)
		return;
	if (!sl->sl_masked && sl->sl_source->is_set != 0 && !spin_held(&sl->sl_source->is_lock))
		sim_failed("I3: %s: EOI while not masked, with handlers %#llx in its set",
		    sl->sl_source->is_name, (unsigned long long)sl->sl_source->is_set);
	sl->sl_remote = false;
	update(sl);
}

void sim_line_check(void)
{
	for (unsigned i = 0; i < nlines; i++) {
		struct sim_line *sl = &lines[i];
		struct intr_source *is = sl->sl_source;

		if (is == NULL || spin_held(&is->is_lock) || is->is_pic->pic_mask == NULL)
			continue;
		if (is->is_masked != sl->sl_masked)
			sim_failed("%s: believed %s, is not", is->is_name,
			    is->is_masked ? "masked" : "unmasked");
		if (sl->sl_trigger == INTR_LEVEL && sl->sl_masked != (is->is_set != 0))
			sim_failed("I3: %s: %s with set %#llx", is->is_name,
			    sl->sl_masked ? "masked" : "not masked",
			    (unsigned long long)is->is_set);
	}
}
