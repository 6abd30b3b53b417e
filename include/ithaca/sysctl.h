/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sysctl.h - named values of the system, read and set at run time.
 *
 * A node is a static struct, registered once: "hw.intr.threads". Names are lower-case words joined
 * by dots. Values are unsigned 64-bit numbers or text.
 */
#ifndef ITHACA_SYSCTL_H
#define ITHACA_SYSCTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sysctl {
	const char *sy_name;
	const char *sy_doc;                               /* one line, with the unit */
	uint64_t (*sy_get)(struct sysctl *sy);            /* number; NULL: sy_value is read */
	int (*sy_set)(struct sysctl *sy, uint64_t value); /* NULL: read only */
	void (*sy_text)(struct sysctl *sy, char *buf, size_t size); /* text node, read only */
	uintptr_t sy_arg;        /* the owner's, for its functions */
	uint64_t *sy_value;      /* used when sy_get is NULL and sy_text is NULL */
	uint64_t sy_min, sy_max; /* limits of sy_set; both 0: none */
	struct sysctl *sy_next;
};

/* sysctl_init - for core_init(), before the first node. */
void sysctl_init(void);

/* sysctl_register - add a node; EEXIST. Thread context; may block. */
int sysctl_register(struct sysctl *sy);

/* sysctl_publish - add `n` nodes of an array, for good. Panics when a name is taken, which is a
 * programmer's error. Thread context; may block. */
void sysctl_publish(struct sysctl *nodes, unsigned n);

/* sysctl_find - by whole name, or NULL. Thread context. */
struct sysctl *sysctl_find(const char *name);

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
