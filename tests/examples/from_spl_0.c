/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * from_spl_0.c - docs/from-spl.md, which shows it: a serial driver as it always was, all of it
 * under splraise(). Right as long as all of it runs on one CPU. Run by tests/unit/t_from_spl_0.c.
 */
#include <ithaca/intr.h>
#include <ithaca/sleepq.h>
#include <ithaca/spl.h>

#define ZS_RING 16u

struct ring {
	char r_char[ZS_RING];
	unsigned r_first, r_count;
};

struct zs {
	struct intr_handler *zs_ih;
	struct ring zs_in, zs_out; /* level tty */
	unsigned zs_lost;          /* level tty */
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

/* Level tty, as at the test of what is waited for: the handler cannot come in between. It can while
 * this sleeps. */
static void zs_sleep(const void *wchan)
{
	(void)sleepq_wait(wchan, "zs", SLEEP_FOREVER, sleepq_lock(wchan));
}

/* Level tty. */
static void zs_start(struct zs *zs)
{
	while (zs->zs_out.r_count > 0 && chip_ready(zs)) {
		chip_putc(zs, ring_get(&zs->zs_out));
		(void)sleepq_wake(&zs->zs_out, -1);
	}
}

/* The handler, at level tty. */
static bool zs_intr(void *arg)
{
	struct zs *zs = arg;
	bool mine = false;
	char c;

	while (chip_getc(zs, &c)) {
		mine = true;
		if (!ring_put(&zs->zs_in, c))
			zs->zs_lost++;
		(void)sleepq_wake(&zs->zs_in, -1);
	}
	if (chip_sent(zs)) {
		mine = true;
		zs_start(zs);
	}
	return mine;
}

static char zs_read(struct zs *zs)
{
	int s = splraise(IPL_TTY);
	char c;

	while (zs->zs_in.r_count == 0)
		zs_sleep(&zs->zs_in);
	c = ring_get(&zs->zs_in);
	splx(s);
	return c;
}

static void zs_write(struct zs *zs, char c)
{
	int s = splraise(IPL_TTY);

	while (!ring_put(&zs->zs_out, c))
		zs_sleep(&zs->zs_out);
	zs_start(zs);
	splx(s);
}

static int zs_attach(struct zs *zs, struct intr_source *is)
{
	return intr_establish(is, "zs", IPL_TTY, 0, NULL, zs_intr, zs, &zs->zs_ih);
}

/* Nobody reads or writes any more. */
static void zs_detach(struct zs *zs)
{
	(void)intr_disestablish(zs->zs_ih);
}
