/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sample.c - copies the counts of sources, handlers and lwps, so that commands can take their time.
 *
 * Counts are kept by each CPU for itself and read here without a lock: a row is as good as the
 * moment at which it was read. Lists are walked under their own mutexes (intr_source_each,
 * lwp_each), and nothing is printed meanwhile: whoever waits for the console does not hold up
 * intr_establish(). Rows are allocated as they come; if memory runs out the whole sample fails.
 *
 * The time of what runs at this moment is charged only when something else begins; so the CPUs are
 * asked first to charge what they owe (account()), all at once: with 64 of them a sample does not
 * take 64 times as long.
 *
 * Contexts: the shell's lwp. Read next: cmd_intr.c, cmd_top.c.
 */
#include "sample.h"

#include "mem/kmem.h"
#include <ithaca/errno.h>
#include <ithaca/ithread.h>
#include <ithaca/port.h>
#include <ithaca/string.h>

#define ROOM_FIRST 64

static uint64_t load(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* account - on every CPU: what runs now is charged up to now. Interrupts off. */
static void account(void *unused)
{
	struct cpu *ci = curcpu();

	(void)unused;
	if (ci->ci_acct_to != NULL)
		acct_charge(ci, ci->ci_acct_to);
}

static void account_all(struct sample *sa)
{
	cpu_call_all(account, NULL);
	sa->sa_when = port_counter();
}

/* add - another row, zeroed; NULL: no memory. */
static struct sample_row *add(struct sample *sa)
{
	size_t room = sa->sa_room > 0 ? sa->sa_room * 2 : ROOM_FIRST;
	struct sample_row *row;

	if (sa->sa_error != 0)
		return NULL;
	if (sa->sa_rows == sa->sa_room) {
		row = kmem_alloc(room * sizeof(*row));
		if (row == NULL) {
			sa->sa_error = ENOMEM;
			return NULL;
		}
		if (sa->sa_row != NULL) {
			memcpy(row, sa->sa_row, sa->sa_rows * sizeof(*row));
			kmem_free(sa->sa_row, sa->sa_room * sizeof(*row));
		}
		sa->sa_row = row;
		sa->sa_room = room;
	}
	return &sa->sa_row[sa->sa_rows++];
}

static int finish(struct sample *sa)
{
	int error = sa->sa_error;

	if (error != 0)
		sample_free(sa);
	return error;
}

/* sum - each CPU's counts into the row. */
static void sum(struct sample_row *row, const struct intr_stats *st)
{
	for (unsigned i = 0; i < cpu_count(); i++, st++) {
		row->sr_by_cpu[i] = load(&st->st_count);
		row->sr_count += row->sr_by_cpu[i];
		row->sr_ticks += load(&st->st_ticks);
		row->sr_stray += load(&st->st_stray);
		row->sr_moved += load(&st->st_migrated);
	}
}

/* sum_filter - a handler that is a filter alone: every interrupt of its source asks it, and the
 * time is the dispatch's. */
static void sum_filter(struct sample_row *row, const struct intr_stats *st)
{
	for (unsigned i = 0; i < cpu_count(); i++, st++) {
		row->sr_by_cpu[i] = load(&st->st_count);
		row->sr_count += row->sr_by_cpu[i];
	}
}

static unsigned source_cpu(const struct intr_source *is)
{
	struct cpu *ci = atomic_load_explicit(&is->is_cpu, memory_order_relaxed);

	return ci != NULL ? ci->ci_index : 0;
}

static bool take_source(struct intr_source *is, void *arg)
{
	struct sample *sa = arg;
	struct sample_row *row = add(sa);
	struct intr_handler *ih;

	if (row == NULL)
		return false;
	row->sr_kind = SAMPLE_SOURCE;
	kstrlcpy(row->sr_name, is->is_name, sizeof(row->sr_name));
	kstrlcpy(row->sr_source, is->is_name, sizeof(row->sr_source));
	row->sr_level = IPL_VM;
	row->sr_cpu = source_cpu(is);
	sum(row, is->is_stats);
	/* The list is held still by intr_source_each(). */
	for (ih = atomic_load_explicit(&is->is_handlers, memory_order_relaxed); ih != NULL;
	     ih = atomic_load_explicit(&ih->ih_next, memory_order_relaxed)) {
		row = add(sa);
		if (row == NULL)
			return false;
		row->sr_kind = SAMPLE_HANDLER;
		row->sr_id = ih->ih_id;
		kstrlcpy(row->sr_name, ih->ih_name, sizeof(row->sr_name));
		kstrlcpy(row->sr_source, is->is_name, sizeof(row->sr_source));
		row->sr_level = ih->ih_ipl;
		row->sr_cpu = source_cpu(is);
		row->sr_waits = latency_sum(ih, row->sr_waited);
		if (ih->ih_thread != NULL)
			sum(row, ih->ih_stats);
		else
			sum_filter(row, is->is_stats);
	}
	return true;
}

int sample_intr(struct sample *sa)
{
	account_all(sa);
	intr_source_each(take_source, sa);
	return finish(sa);
}

static void take_lwp(struct lwp *l, void *arg)
{
	struct sample_row *row = add(arg);
	struct cpu *ci = atomic_load_explicit(&l->l_cpu, memory_order_relaxed);

	if (row == NULL)
		return;
	row->sr_kind = SAMPLE_LWP;
	kstrlcpy(row->sr_name, l->l_name, sizeof(row->sr_name));
	row->sr_level = l->l_ipl;
	row->sr_cpu = ci != NULL ? ci->ci_index : 0;
	row->sr_count = load(&l->l_switches);
	row->sr_ticks = load(&l->l_ticks);
	row->sr_id = l->l_id;
	row->sr_pri = lwp_pri(l);
	row->sr_flags = l->l_flags;
	row->sr_state = lwp_state_name(l);
	/* Not locked: it may be waking up just now, and the text is a constant in any case. */
	if (atomic_load_explicit(&l->l_wchan, memory_order_relaxed) != NULL)
		row->sr_wait = l->l_wmesg;
}

int sample_lwps(struct sample *sa)
{
	account_all(sa);
	lwp_each(take_lwp, sa);
	return finish(sa);
}

void sample_free(struct sample *sa)
{
	if (sa->sa_row != NULL)
		kmem_free(sa->sa_row, sa->sa_room * sizeof(*sa->sa_row));
	memset(sa, 0, sizeof(*sa));
}

const struct sample_row *sample_find(const struct sample *sa, const struct sample_row *row)
{
	for (size_t i = 0; i < sa->sa_rows; i++) {
		const struct sample_row *old = &sa->sa_row[i];

		/* Counts only grow: one that is smaller now is a newcomer of the same name. */
		if (old->sr_kind == row->sr_kind && old->sr_id == row->sr_id &&
		    old->sr_count <= row->sr_count && strcmp(old->sr_name, row->sr_name) == 0 &&
		    strcmp(old->sr_source, row->sr_source) == 0)
			return old;
	}
	return NULL;
}

unsigned sample_share(uint64_t ticks, uint64_t span)
{
	uint64_t tenths;

	if (span == 0)
		return 0;
	tenths = ticks < UINT64_MAX / 1000 ? ticks * 1000 / span : ticks / (span / 1000 + 1);
	return tenths < 9999 ? (unsigned)tenths : 9999;
}
