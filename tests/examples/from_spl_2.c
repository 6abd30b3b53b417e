/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * from_spl_2.c - docs/from-spl.md, which shows it: one mutex, and no level anywhere but where the
 * handler is established. Anybody anywhere. Run by tests/unit/t_from_spl_2.c.
 */
#include <ithaca/condvar.h>
#include <ithaca/intr.h>
#include <ithaca/mutex.h>

#define ZS_RING 16u

struct ring {
	char r_char[ZS_RING];
	unsigned r_first, r_count;
};

struct zs {
	struct intr_handler *zs_ih;
	struct mutex zs_lock;             /* at level tty: the chip, and what follows */
	struct ring zs_in, zs_out;        /* (zs_lock) */
	struct condvar zs_input, zs_room; /* (zs_lock) */
	unsigned zs_lost;                 /* (zs_lock) */
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

/* zs_lock is held. */
static void zs_start(struct zs *zs)
{
	while (zs->zs_out.r_count > 0 && chip_ready(zs)) {
		chip_putc(zs, ring_get(&zs->zs_out));
		cv_broadcast(&zs->zs_room);
	}
}

static bool zs_intr(void *arg)
{
	struct zs *zs = arg;
	bool mine = false;
	char c;

	mutex_enter(&zs->zs_lock);
	while (chip_getc(zs, &c)) {
		mine = true;
		if (!ring_put(&zs->zs_in, c))
			zs->zs_lost++;
		cv_signal(&zs->zs_input);
	}
	if (chip_sent(zs)) {
		mine = true;
		zs_start(zs);
	}
	mutex_exit(&zs->zs_lock);
	return mine;
}

static char zs_read(struct zs *zs)
{
	char c;

	mutex_enter(&zs->zs_lock);
	while (zs->zs_in.r_count == 0)
		cv_wait(&zs->zs_input, &zs->zs_lock);
	c = ring_get(&zs->zs_in);
	mutex_exit(&zs->zs_lock);
	return c;
}

static void zs_write(struct zs *zs, char c)
{
	mutex_enter(&zs->zs_lock);
	while (!ring_put(&zs->zs_out, c))
		cv_wait(&zs->zs_room, &zs->zs_lock);
	zs_start(zs);
	mutex_exit(&zs->zs_lock);
}

static int zs_attach(struct zs *zs, struct intr_source *is)
{
	mutex_init(&zs->zs_lock, "zs", IPL_TTY);
	cv_init(&zs->zs_input, "zs input");
	cv_init(&zs->zs_room, "zs room");
	return intr_establish(is, "zs", IPL_TTY, 0, NULL, zs_intr, zs, &zs->zs_ih);
}

/* Nobody reads or writes any more. */
static void zs_detach(struct zs *zs)
{
	(void)intr_disestablish(zs->zs_ih);
	cv_destroy(&zs->zs_room);
	cv_destroy(&zs->zs_input);
	mutex_destroy(&zs->zs_lock);
}
