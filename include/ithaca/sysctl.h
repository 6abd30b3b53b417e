/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sysctl.h - named values of the system, read and set at run time.
 *
 * A node is a static struct, registered once: "hw.intr.threads". Names are lower-case words joined
 * by dots. A node is one of three:
 * - a number that stands in an atomic, sy_value, which is read and set relaxed: a count, or, when
 *   sy_max is given, a setting. Nothing else need be written for either;
 * - a number that functions of its own read and set: sy_get, sy_set;
 * - a text, which is read only: sy_text.
 */
#ifndef ITHACA_SYSCTL_H
#define ITHACA_SYSCTL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sysctl {
	const char *sy_name;
	const char *sy_doc;         /* one line, with the unit */
	_Atomic uint64_t *sy_value; /* (~) relaxed: the number itself */
	uint64_t sy_min, sy_max;    /* limits; sy_max 0: sy_value is read only, sy_set has none */
	bool sy_or_zero;            /* 0 is allowed too, below sy_min: it means off */
	void (*sy_changed)(void);   /* NULL, or called when sy_value was set, to act on it */
	uint64_t (*sy_get)(struct sysctl *sy);
	int (*sy_set)(struct sysctl *sy, uint64_t value); /* NULL: read only */
	void (*sy_text)(struct sysctl *sy, char *buf, size_t size);
	uintptr_t sy_arg; /* the owner's, for its functions */
	struct sysctl *sy_next;
};

/* sysctl_init - for core_init(), before the first node. */
void sysctl_init(void);

/* sysctl_register - add the `n` nodes of an array, for good. EEXIST: a name is taken; those before
 * it were added. Thread context; may block. */
int sysctl_register(struct sysctl *nodes, unsigned n);

/* sysctl_publish - the same where it is a programmer's error that a name is taken: it panics. */
void sysctl_publish(struct sysctl *nodes, unsigned n);

/* sysctl_find - by whole name, or NULL. Thread context. */
struct sysctl *sysctl_find(const char *name);

/* sysctl_number - the value of a node that is no text. Thread context; may block. */
uint64_t sysctl_number(struct sysctl *sy);

/*
 * sysctl_read, sysctl_write - as text. Thread context; may block. read: ENOENT; text that does not
 * fit is cut. write: ENOENT, EPERM (read only), EINVAL (no number), ERANGE (outside the limits;
 * nothing changed), or what the node's set says. Sets run one at a time, over all nodes.
 */
int sysctl_read(const char *name, char *buf, size_t size);
int sysctl_write(const char *name, const char *text);

/* sysctl_each - fn for every node, sorted by name; fn may read, set and register. Thread context;
 * may block. */
void sysctl_each(void (*fn)(struct sysctl *sy, void *arg), void *arg);

#endif
