/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * witness_report.c - the lock checker's reports: made once, made up in a buffer, printed later.
 *
 * A report is made wherever a mutex is entered, also the console's own, or one that the console's
 * holder waits for, so it cannot be printed there. It is made up under the lock in one of a few
 * buffers and printed by a softint. There are two, at IPL_SOFTSERIAL and at IPL_SOFTBIO, since what
 * is reported may be what blocks one of those levels for ever. Whoever lets go of the lock while a
 * text waits schedules both; the first to come prints. A panic prints what was not printed yet.
 *
 * A report has a key: its kind and two numbers, classes or places. What has been reported once is
 * not reported again; past WITNESS_REPORTS keys nothing is, and that is said.
 *
 * Contexts: any, up to IPL_SCHED. Lock: the checker's own, a bare spin lock that is not watched,
 * last of all and alone.
 * Not for: deciding what is wrong. Read next: witness.c.
 */
#include "witness_impl.h"

#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/softint.h>
#include <ithaca/spin.h>
#include <ithaca/string.h>

#define TEXT_MAX 2048 /* of one report: a path of a dozen classes; a longer one is cut */
#define TEXTS 8       /* that wait to be printed */

/* Locking key: (w) the lock; (~) atomic. */
struct seen {
	enum witness_kind s_kind;
	uintptr_t s_a, s_b;
};

static struct spin witness_spin;
static struct seen seen[WITNESS_REPORTS];      /* (w) */
static unsigned nseen;                         /* (w) */
static char texts[TEXTS][TEXT_MAX];            /* (w) */
static unsigned text_first, text_next;         /* (w) to be printed; to be written */
static size_t text_len;                        /* (w) of the one being made up */
static unsigned texts_lost;                    /* (w) */
static unsigned limits_said;                   /* (w) WITNESS_LIMIT_* */
static _Atomic uint64_t counts[WITNESS_KINDS]; /* (~) relaxed; written under (w) */
static bool printing;                          /* (w) by one of the two: */
static struct softint *_Atomic printers[2];    /* (~) release in printer_make(), acquire to use */

bool witness_lock(void)
{
	bool intr = port_intr_disable();

	spin_lock(&witness_spin);
	return intr;
}

void witness_unlock(bool intr)
{
	bool waits = text_first != text_next && !printing;
	struct softint *si;
	unsigned i;

	spin_unlock(&witness_spin);
	port_intr_restore(intr);
	for (i = 0; i < 2 && waits; i++) {
		/* Acquire: pairs with the release in printer_make(). */
		si = atomic_load_explicit(&printers[i], memory_order_acquire);
		if (si != NULL)
			softint_schedule(si);
	}
}

/* ---- A report: locked from its begin to its end ---- */

void witness_say(const char *fmt, ...)
{
	size_t room = TEXT_MAX - text_len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = kvsnprintf(&texts[text_next % TEXTS][text_len], room, fmt, ap);
	va_end(ap);
	text_len += (size_t)n < room ? (size_t)n : room - 1;
}

/* A new text; false: too many wait, and this one is lost. */
static bool text_begin(void)
{
	if (text_next - text_first == TEXTS) {
		texts_lost++;
		return false;
	}
	text_len = 0;
	return true;
}

/* A limit has been reached: say so, once. */
void witness_limit(unsigned bit, unsigned limit, const char *what)
{
	if ((limits_said & bit) != 0 || !text_begin())
		return;
	limits_said |= bit;
	witness_say("witness: more than %u %s\n", limit, what);
	text_next++;
}

/* Was it reported already? If not it is from now on. Past the limit it counts as if it was. */
static bool is_new(enum witness_kind kind, uintptr_t a, uintptr_t b)
{
	unsigned i;

	for (i = 0; i < nseen; i++)
		if (seen[i].s_kind == kind && seen[i].s_a == a && seen[i].s_b == b)
			return false;
	if (nseen == WITNESS_REPORTS) {
		witness_limit(WITNESS_LIMIT_REPORTS, WITNESS_REPORTS, "reports: no more are made");
		return false;
	}
	seen[nseen++] = (struct seen){kind, a, b};
	WITNESS_SET(counts[kind], WITNESS_GET(counts[kind]) + 1);
	return true;
}

bool witness_begin_locked(enum witness_kind kind, uintptr_t a, uintptr_t b)
{
	return is_new(kind, a, b) && text_begin();
}

bool witness_begin(enum witness_kind kind, uintptr_t a, uintptr_t b, bool *intr)
{
	*intr = witness_lock();
	if (witness_begin_locked(kind, a, b))
		return true;
	witness_unlock(*intr);
	return false;
}

void witness_end_locked(void)
{
	text_next++;
}

void witness_end(bool intr)
{
	witness_end_locked();
	witness_unlock(intr);
}

/* ---- What reports have in common. Locked. ---- */

void witness_say_mutex(const char *what, unsigned c, const void *place)
{
	char at[WITNESS_PLACE_SIZE];

	port_symbol(place, at, sizeof(at));
	witness_say("  %s %s\"%s\" (level %s) at %s\n", what, witness_class_what(c),
	    witness_class_name(c), spl_name(witness_class_ipl(c)), at);
}

void witness_say_held(const char *what, const struct witness_held *h)
{
	witness_say_mutex(what, WITNESS_GET(h->wh_class), WITNESS_GET(h->wh_place));
}

void witness_say_head(const char *what)
{
	const struct lwp *l = curlwp;

	witness_say("witness: %s by lwp \"%s\" on cpu%u, level %s\n", what, l->l_name,
	    curcpu()->ci_index, spl_name(spl_now()));
}

/* ---- To the console ---- */

static void print_lines(const char *text)
{
	const char *end;

	for (; *text != '\0'; text = end) { /* kprintf() has a limit */
		for (end = text; *end != '\0' && *end != '\n'; end++)
			;
		end += *end == '\n';
		kprintf("%.*s", (int)(end - text), text);
	}
}

/* The softints. */
static void print_texts(void *unused)
{
	static char copy[TEXT_MAX]; /* of whoever set `printing` */
	unsigned lost;
	bool intr, more, mine = false;

	(void)unused;
	do {
		intr = witness_lock();
		if (printing && !mine) { /* its other half looks again before it ends */
			witness_unlock(intr);
			return;
		}
		more = text_first != text_next;
		mine = printing = more || texts_lost != 0;
		copy[0] = '\0';
		if (more)
			kstrlcpy(copy, texts[text_first++ % TEXTS], sizeof(copy));
		lost = more ? 0 : texts_lost;
		texts_lost = more ? texts_lost : 0;
		witness_unlock(intr);
		print_lines(copy);
		if (lost != 0)
			kprintf("witness: %u more reports, too fast to be kept\n", lost);
	} while (mine);
}

void witness_print_now(void)
{
	unsigned i;

	for (i = 0; text_first != text_next && i < TEXTS; i++)
		print_lines(texts[text_first++ % TEXTS]);
}

uint64_t witness_reports(enum witness_kind kind)
{
	return WITNESS_GET(counts[kind]);
}

static int printer_make(unsigned i, int level)
{
	struct softint *si;
	int error = softint_establish("witness", level, print_texts, NULL, &si);

	if (error != 0)
		return error;
	/* Release: pairs with the acquire in witness_unlock(). */
	atomic_store_explicit(&printers[i], si, memory_order_release);
	softint_schedule(si); /* what was found before */
	return 0;
}

int witness_report_init(void)
{
	int error = printer_make(0, IPL_SOFTSERIAL);

	return error != 0 ? error : printer_make(1, IPL_SOFTBIO);
}
