/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * intr_continue.c - the example of intr_continue(9), which shows it: a serial port without a thread
 * function. Its filter moves characters and leaves behind what takes longer. Compiled and run by
 * tests/unit/t_examples.c.
 */
#include <ithaca/clock.h>
#include <ithaca/continue.h>
#include <ithaca/intr.h>
#include <ithaca/mutex.h>
#include <ithaca/sleepq.h>

#define PORT_RING 256u

struct port {
	struct intr_handler *p_ih;
	struct mutex p_chip;     /* IPL_VM: the chip and the ring */
	char p_ring[PORT_RING];  /* (p_chip) */
	unsigned p_head, p_tail; /* (p_chip) */
	unsigned p_lost;         /* (p_chip) */
	bool p_asked;            /* (p_chip) port_input() has been left behind */
	struct mutex p_lines;    /* IPL_TTY: what follows */
	unsigned p_nlines;       /* (p_lines) */
	unsigned p_resets;       /* by port_reset() alone */
};

/* The chip: a character has come; it has lost its senses; out of reset, or into it. */
static bool port_getc(struct port *p, char *c);
static bool port_broken(struct port *p);
static void port_power(struct port *p, bool on);

/* In a softint: may take adaptive mutexes, and does not sleep for long. */
static void port_input(void *arg)
{
	struct port *p = arg;
	bool any;
	char c = 0;

	mutex_enter(&p->p_lines);
	do {
		mutex_spin_enter(&p->p_chip);
		any = p->p_tail != p->p_head;
		if (any)
			c = p->p_ring[p->p_tail++ % PORT_RING];
		p->p_asked = any;
		mutex_spin_exit(&p->p_chip);
		p->p_nlines += any && c == '\n';
	} while (any);
	mutex_exit(&p->p_lines);
}

/* In an lwp of the handler's own: sleeps as long as it likes. */
static void port_reset(void *arg)
{
	struct port *p = arg;

	port_power(p, false);
	lwp_sleep_ns(50 * NS_PER_MS);
	port_power(p, true);
	p->p_resets++;
}

static unsigned port_filter(void *arg)
{
	struct port *p = arg;
	bool mine = false;
	char c;

	mutex_spin_enter(&p->p_chip);
	while (port_getc(p, &c)) {
		mine = true;
		if (p->p_head - p->p_tail == PORT_RING)
			p->p_lost++;
		else
			p->p_ring[p->p_head++ % PORT_RING] = c;
	}
	if (p->p_head != p->p_tail && !p->p_asked)
		p->p_asked = intr_continue(p->p_ih, port_input, p) == 0;
	if (port_broken(p)) {
		mine = true;
		(void)intr_continue_sleep(p->p_ih, port_reset, p); /* full: it is on its way */
	}
	mutex_spin_exit(&p->p_chip);
	return mine ? FILTER_HANDLED : FILTER_STRAY;
}

static int port_attach(struct port *p, struct intr_source *is)
{
	mutex_init(&p->p_chip, "port chip", IPL_VM);
	mutex_init(&p->p_lines, "port lines", IPL_TTY);
	return intr_establish(is, "port", IPL_TTY,
	    INTR_CONTINUE | INTR_CONTINUE_SLEEP | INTR_SLOTS(2), port_filter, NULL, p, &p->p_ih);
}

static void port_detach(struct port *p)
{
	(void)intr_disestablish(p->p_ih); /* and all that the filter has left behind is done */
	mutex_destroy(&p->p_lines);
	mutex_destroy(&p->p_chip);
}
