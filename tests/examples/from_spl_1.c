/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * from_spl_1.c - docs/from-spl.md, which shows it: output has got a mutex, input is as it was. Who
 * writes may be on any CPU, who reads is on the handler's. Run by tests/unit/t_from_spl_1.c.
 */
#include <ithaca/condvar.h>
#include <ithaca/intr.h>
#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/sleepq.h>
#include <ithaca/spl.h>

#define ZS_RING 16u

struct ring {
	char r_char[ZS_RING];
	unsigned r_first, r_count;
};

struct zs {
	struct intr_handler *zs_ih;
	struct cpu *zs_cpu;     /* the handler's */
	struct ring zs_in;      /* level tty, on zs_cpu */
	unsigned zs_lost;       /* level tty, on zs_cpu */
	struct mutex zs_lock;   /* at level tty: what follows */
	struct ring zs_out;     /* (zs_lock) */
	struct condvar zs_room; /* (zs_lock) */
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

	while (chip_getc(zs, &c)) { /* the old half: nothing in it may block */
		mine = true;
		if (!ring_put(&zs->zs_in, c))
			zs->zs_lost++;
		(void)sleepq_wake(&zs->zs_in, -1);
	}
	mutex_enter(&zs->zs_lock); /* here it may, and zs_read() go on: zs_in is in order */
	if (chip_sent(zs)) {
		mine = true;
		zs_start(zs);
	}
	mutex_exit(&zs->zs_lock);
	return mine;
}

static char zs_read(struct zs *zs)
{
	int s = splraise(IPL_TTY);
	char c;

	KASSERT(curcpu() == zs->zs_cpu, "zs: read on CPU %u, but its handler is on CPU %u",
	    curcpu()->ci_index, zs->zs_cpu->ci_index);
	while (zs->zs_in.r_count == 0)
		(void)sleepq_wait(&zs->zs_in, "zs", SLEEP_FOREVER, sleepq_lock(&zs->zs_in));
	c = ring_get(&zs->zs_in);
	splx(s);
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

/* The source stays on `cpu`, and so does who reads. */
static int zs_attach(struct zs *zs, struct intr_source *is, struct cpu *cpu)
{
	int error = intr_bind(is, cpu);

	if (error != 0)
		return error;
	zs->zs_cpu = cpu;
	mutex_init(&zs->zs_lock, "zs", IPL_TTY);
	cv_init(&zs->zs_room, "zs room");
	return intr_establish(is, "zs", IPL_TTY, 0, NULL, zs_intr, zs, &zs->zs_ih);
}

/* Nobody reads or writes any more. */
static void zs_detach(struct zs *zs)
{
	(void)intr_disestablish(zs->zs_ih);
	cv_destroy(&zs->zs_room);
	mutex_destroy(&zs->zs_lock);
}
