/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * balance.h - sources move from a CPU that interrupts keep busy to one that they do not. The essay
 * is in kern/balance.c. A source that was placed by intr_bind() is left where it is.
 *
 * Settings: sysctl hw.intr.balance_ms (between two looks; 0: off), hw.intr.balance_percent (of its
 * CPU, that keeps it busy); both need hw.intr.acct. Counts: hw.intr.balance.moves,
 * hw.intr.balance.refused.
 */
#ifndef ITHACA_BALANCE_H
#define ITHACA_BALANCE_H

#include <ithaca/meter.h>
#include <stdbool.h>
#include <stdint.h>

/* What is known of a source: struct intr_source has one. Locking key: (m) intr_mutex. */
struct balance {
	struct meter bs_meter; /* (m) */
	unsigned bs_permille;  /* (m) of its CPU, at the last look */
	uint32_t bs_moves;     /* (m) so far */
	uint8_t bs_rest;       /* (m) looks for which it stays where it is */
	bool bs_chosen;        /* (m) to be moved now */
	bool bs_bound;         /* (m) intr_bind(): never */
};

/* balance_init - begin; once, after the CPUs were started: there must be two for a look to take
 * place. Thread context; may block. ENOMEM; EEXIST: called before. */
int balance_init(void);

#endif
