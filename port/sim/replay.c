/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * replay.c - the strategy that makes the choices of a log, and what a run noted for people.
 *
 * A choice belongs to the n-th point of a CPU, counted by that CPU alone. So a log from which a
 * choice has been struck out still means the same for everything that the choice did not touch;
 * a choice whose process cannot go on at its point is passed over.
 *
 * Contexts: a run. Not for finding: it only repeats. Next: tests/scenario/run/shrink.c.
 */
#include "explore.h"

#include "places.h"
#include "simint.h"

#include <stdio.h>

struct xp_noted xp_notes[XP_NOTES_MAX];
unsigned xp_nnotes;
bool xp_tracing;

static bool begin(uint64_t seed)
{
	(void)seed;
	xp_nnotes = 0;
	return true;
}

static const struct xp_choice *scripted(bool is_pick)
{
	for (unsigned i = 0; i < xp_nscript; i++) {
		const struct xp_choice *c = &xp_script[i];

		if (c->c_seq == xp_my_seq() && c->c_cpu == xp_me() &&
		    (c->c_pick != XP_CHOOSE) == is_pick)
			return c;
	}
	return NULL;
}

static unsigned choose(uint64_t set, unsigned plain)
{
	const struct xp_choice *c = scripted(false);

	return c != NULL && (set & XP_BIT(c->c_what)) ? c->c_what : plain;
}

static unsigned pick(enum xp_pick kind, unsigned n)
{
	const struct xp_choice *c = scripted(true);

	return c != NULL && c->c_pick == kind && c->c_what < n ? c->c_what : 0;
}

static void end(void)
{
}

const struct xp_strategy xp_replay = {"replay", XP_ALWAYS, begin, choose, pick, end};

void xp_note(enum xp_event e, uint64_t addr, uint64_t value, uint32_t pc, const char *text)
{
	const struct lwp *l = curlwp;
	struct xp_noted *n;

	if (xp_nnotes == XP_NOTES_MAX)
		return;
	n = &xp_notes[xp_nnotes++];
	*n = (struct xp_noted){addr, value, xp_steps, pc, (uint8_t)e, (uint8_t)sim_cpu->ci_index,
	    (uint8_t)l->l_ipl, sim_me()->v_intr, text, ""};
	snprintf(n->n_lwp, sizeof(n->n_lwp), "%s", l->l_name);
}

/* ---- Races ---- */

/* Who made that access? Known if the run is traced. */
static const char *who(uint64_t addr, unsigned cpu, uint32_t pc)
{
	for (unsigned i = xp_nnotes; i-- > 0;) {
		const struct xp_noted *n = &xp_notes[i];

		if (n->n_cpu == cpu && n->n_pc == pc && n->n_addr <= addr && addr < n->n_addr + 64)
			return n->n_lwp;
	}
	return "?";
}

void xp_race_found(uint64_t addr, unsigned cpu, uint32_t pc, const char *what, unsigned cpu2,
    uint32_t pc2, const char *what2)
{
	sim_failed("data race on %#llx: %s by lwp %s on CPU %u at @%#x; %s by lwp %s on CPU %u at "
		   "@%#x, and nothing orders the two",
	    (unsigned long long)addr, what, curlwp->l_name, cpu, pc, what2, who(addr, cpu2, pc2),
	    cpu2, pc2);
}
