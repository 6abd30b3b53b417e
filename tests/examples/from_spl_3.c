/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * from_spl_3.c - docs/from-spl.md, which shows it: a filter moves the characters, so that none is
 * lost while threads wait, and a softint does what takes locks that block. Run by
 * tests/unit/t_from_spl_3.c.
 */
#include <ithaca/condvar.h>
#include <ithaca/intr.h>
#include <ithaca/mutex.h>
#include <ithaca/softint.h>

#define ZS_RING 64u

struct ring {
	char r_char[ZS_RING];
	unsigned r_first, r_count;
};

struct zs {
	struct intr_handler *zs_ih;
	struct softint *zs_si;
	struct mutex zs_chip;       /* at level vm: the chip, and what follows */
	struct ring zs_raw, zs_out; /* (zs_chip) */
	unsigned zs_lost;           /* (zs_chip) */
	struct mutex zs_lock;       /* at level softserial, taken before zs_chip: what follows */
	struct ring zs_in;          /* (zs_lock) */
	struct condvar zs_input, zs_room; /* (zs_lock) */
};

/* The chip: the next character received, if any; the transmitter takes one; here it is; one has
 * left (and that interrupt is quiet now). The line is up while there is something to receive, or
 * one has left. */
static bool chip_getc(struct zs *zs, char *c);
static bool chip_ready(struct zs *zs);
static void chip_putc(struct zs *zs, char c);
static bool chip_sent(struct zs *zs);

static bool ring_put(struct ring *r, char c)
{
	if (r->r_count == ZS_RING)
		return false;
	r->r_char[(r->r_first + r->r_count++) % ZS_RING] = c;
	return true;
}

/* There is one. */
static char ring_get(struct ring *r)
{
	r->r_count--;
	return r->r_char[r->r_first++ % ZS_RING];
}

/* zs_chip is held. */
static void zs_start(struct zs *zs)
{
	while (zs->zs_out.r_count > 0 && chip_ready(zs))
		chip_putc(zs, ring_get(&zs->zs_out));
}

/* Only the chip is waited for here, and a few instructions of another CPU. */
static unsigned zs_filter(void *arg)
{
	struct zs *zs = arg;
	bool mine = false;
	char c;

	mutex_spin_enter(&zs->zs_chip);
	while (chip_getc(zs, &c)) {
		mine = true;
		if (!ring_put(&zs->zs_raw, c))
			zs->zs_lost++;
	}
	if (chip_sent(zs)) {
		mine = true;
		zs_start(zs);
	}
	mutex_spin_exit(&zs->zs_chip);
	if (!mine)
		return FILTER_STRAY;
	softint_schedule(zs->zs_si); /* unlike a thread function's run, it leaves the line open */
	return FILTER_HANDLED;
}

/* zs_lock is held: one more from the filter's ring to that of the readers, if it has room. */
static bool zs_take(struct zs *zs)
{
	bool some;
	char c = 0;

	if (zs->zs_in.r_count == ZS_RING)
		return false;
	mutex_spin_enter(&zs->zs_chip);
	some = zs->zs_raw.r_count > 0;
	if (some)
		c = ring_get(&zs->zs_raw);
	mutex_spin_exit(&zs->zs_chip);
	return some && ring_put(&zs->zs_in, c);
}

static void zs_soft(void *arg)
{
	struct zs *zs = arg;

	mutex_enter(&zs->zs_lock);
	while (zs_take(zs))
		cv_signal(&zs->zs_input);
	cv_broadcast(&zs->zs_room);
	mutex_exit(&zs->zs_lock);
}

static char zs_read(struct zs *zs)
{
	char c;

	mutex_enter(&zs->zs_lock);
	while (zs->zs_in.r_count == 0 && !zs_take(zs))
		cv_wait(&zs->zs_input, &zs->zs_lock);
	c = ring_get(&zs->zs_in);
	mutex_exit(&zs->zs_lock);
	return c;
}

/* zs_lock is held. */
static bool zs_put(struct zs *zs, char c)
{
	bool room;

	mutex_spin_enter(&zs->zs_chip);
	room = ring_put(&zs->zs_out, c);
	zs_start(zs);
	mutex_spin_exit(&zs->zs_chip);
	return room;
}

static void zs_write(struct zs *zs, char c)
{
	mutex_enter(&zs->zs_lock);
	while (!zs_put(zs, c)) /* the filter makes room, and the softint tells */
		cv_wait(&zs->zs_room, &zs->zs_lock);
	mutex_exit(&zs->zs_lock);
}

static int zs_attach(struct zs *zs, struct intr_source *is)
{
	int error;

	mutex_init(&zs->zs_chip, "zs chip", IPL_VM);
	mutex_init(&zs->zs_lock, "zs", IPL_SOFTSERIAL);
	cv_init(&zs->zs_input, "zs input");
	cv_init(&zs->zs_room, "zs room");
	error = softint_establish("zs", IPL_SOFTSERIAL, zs_soft, zs, &zs->zs_si);
	if (error != 0)
		return error;
	error = intr_establish(is, "zs", IPL_VM, 0, zs_filter, NULL, zs, &zs->zs_ih);
	if (error != 0)
		(void)softint_disestablish(zs->zs_si);
	return error;
}

/* Nobody reads or writes any more. */
static void zs_detach(struct zs *zs)
{
	(void)intr_disestablish(zs->zs_ih);
	(void)softint_disestablish(zs->zs_si);
	cv_destroy(&zs->zs_room);
	cv_destroy(&zs->zs_input);
	mutex_destroy(&zs->zs_lock);
	mutex_destroy(&zs->zs_chip);
}
