/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * model.h - devices with a memory of their own: a UART whose FIFO overruns, a NIC with a ring of
 * descriptors, a one-shot timer. What a device does is one step of the schedule (HARDWARE), as in
 * dev.h, and CHANGES() comes before it; what the driver does with it is explored.
 */
#ifndef SCENARIO_MODEL_H
#define SCENARIO_MODEL_H

#include "dev.h"

/* ---- A UART: characters arrive in order; when the FIFO is full the newest is lost. Its line is up
 * while the FIFO is not empty. ---- */

#define UART_FIFO 2

struct uart {
	struct sim_line *u_line;
	unsigned u_next; /* the character that arrives next: 1, 2, ... */
	unsigned u_n, u_fifo[UART_FIFO];
	unsigned u_overruns;
};

/* uart_arrive - what a scenario's device calls. */
HARDWARE void uart_arrive(void *arg)
{
	struct uart *u = arg;

	CHANGES(*u);
	u->u_next++;
	if (u->u_n == UART_FIFO)
		u->u_overruns++;
	else
		u->u_fifo[u->u_n++] = u->u_next;
	sim_line_raise(u->u_line);
}

/* uart_read - the oldest character, or 0; the line goes down with the last. */
HARDWARE unsigned uart_read(struct uart *u)
{
	unsigned c;

	CHANGES(*u);
	c = u->u_fifo[0];
	if (u->u_n == 0)
		return 0;
	u->u_n--;
	for (unsigned i = 0; i < u->u_n; i++)
		u->u_fifo[i] = u->u_fifo[i + 1];
	if (u->u_n == 0)
		sim_line_lower(u->u_line);
	return c;
}

/* ---- A NIC: descriptors in a ring, each the device's or the driver's. A packet goes into the next
 * descriptor if it is the device's, and is missed if not. It sends a message if the driver has its
 * interrupt on; switching it on sends none for what has come before. ---- */

#define NIC_RING 4

struct nic {
	struct sim_line *n_line;
	unsigned n_packet[NIC_RING]; /* 0: the device's; else the packet's number */
	unsigned n_at;               /* the device's next */
	unsigned n_arrived, n_missed;
	bool n_on;
};

/* nic_arrive - what a scenario's device calls. */
HARDWARE void nic_arrive(void *arg)
{
	struct nic *n = arg;

	CHANGES(*n);
	n->n_arrived++;
	if (n->n_packet[n->n_at] != 0) {
		n->n_missed++;
		return;
	}
	n->n_packet[n->n_at] = n->n_arrived;
	n->n_at = (n->n_at + 1) % NIC_RING;
	if (n->n_on)
		sim_line_raise(n->n_line);
}

/* nic_take - the packet in descriptor `at`, which is the device's again; 0: there is none. */
HARDWARE unsigned nic_take(struct nic *n, unsigned at)
{
	unsigned packet;

	CHANGES(*n);
	packet = n->n_packet[at];
	n->n_packet[at] = 0;
	return packet;
}

HARDWARE bool nic_full_at(struct nic *n, unsigned at)
{
	CHANGES(*n); /* it is looked at, in one step */
	return n->n_packet[at] != 0;
}

HARDWARE void nic_interrupts(struct nic *n, bool on)
{
	CHANGES(*n);
	n->n_on = on;
}

/* ---- A one-shot timer: loaded, it fires once, at any moment from then on. ---- */

struct shot {
	struct sim_line *s_line;
	bool s_loaded, s_up;
	unsigned s_fired;
};

/* shot_fire - what a scenario's device calls. */
HARDWARE void shot_fire(void *arg)
{
	struct shot *s = arg;

	CHANGES(*s);
	if (!s->s_loaded)
		return;
	s->s_loaded = false;
	s->s_up = true;
	s->s_fired++;
	sim_line_raise(s->s_line);
}

HARDWARE void shot_load(struct shot *s)
{
	CHANGES(*s);
	s->s_loaded = true;
}

/* shot_ack - true if it had fired; its line goes down. */
HARDWARE bool shot_ack(struct shot *s)
{
	bool up;

	CHANGES(*s);
	up = s->s_up;
	s->s_up = false;
	sim_line_lower(s->s_line);
	return up;
}

#endif
