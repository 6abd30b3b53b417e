/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * queue.h - the two shapes of list that the core uses, as plain structs and inline functions.
 *
 * `struct list` is a circular doubly-linked list with a head; an entry that is on no list points
 * at itself, so list_linked() answers. No locks: the owner's locking key says who may touch one.
 */
#ifndef ITHACA_QUEUE_H
#define ITHACA_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next;
	struct list *prev;
};

/* clang-format off */
#define LIST_INIT(head) {&(head), &(head)}
/* clang-format on */

/* container_of - from a member's address to the struct it lives in. */
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* LIST_EACH - walk from first to last; `e` may not be removed meanwhile. */
#define LIST_EACH(e, head) for ((e) = (head)->next; (e) != (head); (e) = (e)->next)

/* list_init - an empty head, or an entry that is on no list. */
static inline void list_init(struct list *l)
{
	l->next = l;
	l->prev = l;
}

/* list_empty - of a head; list_linked - of an entry: is it on a list? */
static inline bool list_empty(const struct list *head)
{
	return head->next == head;
}

static inline bool list_linked(const struct list *e)
{
	return e->next != e;
}

/* list_insert_before - put `e` in front of `at`; with a head for `at`, at the tail. */
static inline void list_insert_before(struct list *at, struct list *e)
{
	e->prev = at->prev;
	e->next = at;
	at->prev->next = e;
	at->prev = e;
}

/* list_append, list_prepend - put `e`, which is on no list, at the tail or the head. */
static inline void list_append(struct list *head, struct list *e)
{
	list_insert_before(head, e);
}

static inline void list_prepend(struct list *head, struct list *e)
{
	list_insert_before(head->next, e);
}

/* list_unlink - take `e`, which is on a list, off it. `e` itself is left as it is, so list_linked()
 * is not to be asked about it. */
static inline void list_unlink(struct list *e)
{
	e->prev->next = e->next;
	e->next->prev = e->prev;
}

/* list_remove - take `e` off its list; nothing happens if it is on none. */
static inline void list_remove(struct list *e)
{
	list_unlink(e);
	list_init(e);
}

/* list_take - remove and return the first entry, or NULL. */
static inline struct list *list_take(struct list *head)
{
	struct list *e = head->next;

	if (e == head)
		return NULL;
	list_remove(e);
	return e;
}

#endif
