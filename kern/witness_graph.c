/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * witness_graph.c - the lock checker's classes of mutexes, and in which order they are entered.
 *
 * A class is a name at a level. An edge A -> B says that a B was entered while an A was held, and
 * where the two were entered the first time. The graph has no ring: an edge that would close one is
 * a reversal, which is reported with the whole way round and left out.
 *
 *	known:	A -> B	(attach)	new: a C is held, an A is entered
 *		B -> C	(interrupt)	A -> B -> C leads back: reversal, C before A
 *
 * It is enough that each order was seen once, at any time and on any CPU.
 *
 * A function that somebody may wait for is a class too, as if it were a lock that is held while it
 * runs, and that is entered, for no time, by who waits for its end; see witness_wait.c.
 *
 * Two of one class: no edge leads from a class to itself. They may be held together if they are
 * always entered in the order of their addresses, up or down; so each class notes where each of the
 * two was seen.
 *
 * The bit of an edge is read without the lock, for nearly always it is there, and stays.
 *
 * Contexts, lock: as witness_report.c. Tables: fixed, with limits in witness.h; what finds no room
 * is not watched, and that is said once.
 * Not for: contexts and levels. Read next: witness.c.
 */
#include "witness_impl.h"

#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/string.h>

#define SLOTS (2 * WITNESS_EDGES)
#define WORDS (WITNESS_CLASSES / 64)
#define BODIES (2 * WITNESS_CLASSES)

_Static_assert((SLOTS & (SLOTS - 1)) == 0, "the hash is masked");
_Static_assert(WITNESS_CLASSES <= 256 && WITNESS_CLASSES % 64 == 0, "kept in bytes and bits");

/* Locking key: (w) witness_lock(); (~) atomic. */
struct class
{
	char c_name[WITNESS_NAME_SIZE]; /* (w) set before c is used */
	uint8_t c_ipl;                  /* (w) same */
	/* Two of this class held: where the first and the second were entered, when the second's
	 * address was greater, and when it was less. */
	const void *c_place[2][2]; /* (w) */
	uint8_t c_what;            /* (w) set before c is used: enum witness_what */
	const void *c_fn;          /* (w) same: the function */
};

struct edge {
	uint8_t e_from, e_to;   /* (w) e_to is 0: a free slot */
	const void *e_place[2]; /* (w) */
};

static struct class classes[WITNESS_CLASSES];            /* (w) number 0 is not used */
static unsigned nclasses = 1;                            /* (w) */
static _Atomic uint64_t follows[WITNESS_CLASSES][WORDS]; /* (~) written under (w): the edges */
static struct edge edges[SLOTS];                         /* (w) hashed */
static unsigned nedges;                                  /* (w) */
static uint8_t came_from[WITNESS_CLASSES];               /* (w) path_find()'s */
static uint8_t queue[WITNESS_CLASSES];                   /* (w) same */
static _Atomic uint8_t bodies[BODIES];                   /* (~) hashed; written under (w) */

/* ---- Classes. Locked, but for witness_class_of() and witness_class_of_body(). ---- */

const char *witness_class_name(unsigned c)
{
	return c == WITNESS_UNWATCHED || c == WITNESS_UNKNOWN ? "(not watched)" : classes[c].c_name;
}

int witness_class_ipl(unsigned c)
{
	return c == WITNESS_UNWATCHED || c == WITNESS_UNKNOWN ? -1 : classes[c].c_ipl;
}

const char *witness_class_what(unsigned c)
{
	static const char *const what[] = {"", "handler ", "softint ", "work ", "work queue "};

	return c == WITNESS_UNWATCHED || c == WITNESS_UNKNOWN ? "" : what[classes[c].c_what];
}

static unsigned class_add(enum witness_what what, const char *name, uint8_t ipl, const void *fn)
{
	struct class *cl = &classes[nclasses];

	if (nclasses == WITNESS_CLASSES) {
		witness_limit(WITNESS_LIMIT_CLASSES, WITNESS_CLASSES - 1,
		    "classes of mutexes: the order of the others is not watched");
		return WITNESS_UNWATCHED;
	}
	kstrlcpy(cl->c_name, name, sizeof(cl->c_name));
	cl->c_ipl = ipl;
	cl->c_what = (uint8_t)what;
	cl->c_fn = fn;
	return nclasses++;
}

static unsigned class_find(const struct mutex *m)
{
	char name[WITNESS_NAME_SIZE];
	unsigned c;

	kstrlcpy(name, m->m_name, sizeof(name));
	for (c = 1; c < nclasses; c++)
		if (classes[c].c_what == WITNESS_LOCK && classes[c].c_ipl == m->m_ipl &&
		    strcmp(classes[c].c_name, name) == 0)
			return c;
	return class_add(WITNESS_LOCK, name, m->m_ipl, NULL);
}

unsigned witness_class_of(struct mutex *m)
{
	unsigned c = WITNESS_GET(m->m_class);
	bool intr;

	if (c != WITNESS_UNKNOWN)
		return c;
	intr = witness_lock();
	c = class_find(m);
	WITNESS_SET(m->m_class, (uint16_t)c);
	witness_unlock(intr);
	return c;
}

static bool is_body(unsigned c, const struct witness_body *wb)
{
	const struct class *cl = &classes[c];

	return cl->c_fn == wb->wb_fn && cl->c_what == wb->wb_what && cl->c_ipl == wb->wb_ipl &&
	    strncmp(cl->c_name, wb->wb_name, sizeof(cl->c_name) - 1) == 0;
}

/* Its slot of the hash, or the free one where it belongs: half of them are. What is there stays. */
static _Atomic uint8_t *body_slot(const struct witness_body *wb)
{
	unsigned i = (unsigned)((uintptr_t)wb->wb_fn >> 4) + (unsigned)wb->wb_what, n, c;

	for (n = 0; n < BODIES; n++, i++) {
		/* Acquire: pairs with the release in witness_class_of_body(), for the class. */
		c = atomic_load_explicit(&bodies[i % BODIES], memory_order_acquire);
		if (c == 0 || is_body(c, wb))
			break;
	}
	return &bodies[i % BODIES];
}

unsigned witness_class_of_body(const struct witness_body *wb)
{
	_Atomic uint8_t *slot = body_slot(wb);
	unsigned c = WITNESS_GET(*slot);
	bool intr;

	if (c != 0)
		return c;
	intr = witness_lock();
	slot = body_slot(wb);
	c = WITNESS_GET(*slot);
	if (c == 0) {
		c = class_add(wb->wb_what, wb->wb_name, wb->wb_ipl, wb->wb_fn);
		if (c != WITNESS_UNWATCHED) /* Release: pairs with the acquire in body_slot(). */
			atomic_store_explicit(slot, (uint8_t)c, memory_order_release);
	}
	witness_unlock(intr);
	return c;
}

void witness_mutex_init(struct mutex *m)
{
	atomic_init(&m->m_class, WITNESS_UNKNOWN);
}

/* ---- The graph. Locked. ---- */

static bool follows_directly(unsigned from, unsigned to)
{
	return (WITNESS_GET(follows[from][to / 64]) >> (to % 64) & 1) != 0;
}

static struct edge *edge_slot(unsigned from, unsigned to)
{
	unsigned i = (from * 251 + to * 7) & (SLOTS - 1), n;

	for (n = 0; n < SLOTS; n++, i = (i + 1) & (SLOTS - 1))
		if (edges[i].e_to == 0 || (edges[i].e_from == from && edges[i].e_to == to))
			return &edges[i];
	return NULL; /* not reached: half of the slots are free */
}

static void edge_add(unsigned from, unsigned to, const void *at, const void *then)
{
	struct edge *e;

	if (nedges == WITNESS_EDGES) {
		witness_limit(WITNESS_LIMIT_EDGES, WITNESS_EDGES,
		    "pairs of classes: what is new among them is not watched");
		return;
	}
	e = edge_slot(from, to);
	KASSERT(e != NULL && e->e_to == 0, "witness: edge %u to %u is there", from, to);
	*e = (struct edge){(uint8_t)from, (uint8_t)to, {at, then}};
	nedges++;
	WITNESS_SET(follows[from][to / 64],
	    WITNESS_GET(follows[from][to / 64]) | (uint64_t)1 << (to % 64));
}

/* The shortest way from `from` to `to`, in came_from[], from its end. False: there is none. */
static bool path_find(unsigned from, unsigned to)
{
	unsigned head = 0, tail = 0, c, next;

	for (c = 0; c < WITNESS_CLASSES; c++)
		came_from[c] = 0;
	came_from[from] = (uint8_t)from;
	queue[tail++] = (uint8_t)from;
	while (head < tail) { /* each class enters the queue once */
		c = queue[head++];
		for (next = 1; next < nclasses; next++) {
			if (came_from[next] != 0 || !follows_directly(c, next))
				continue;
			came_from[next] = (uint8_t)c;
			if (next == to)
				return true;
			queue[tail++] = (uint8_t)next;
		}
	}
	return false;
}

/* ---- Order ---- */

/* A queue and one of its works. */
static bool queue_runs(unsigned from, unsigned to)
{
	return classes[from].c_what == WITNESS_QUEUE && classes[to].c_what == WITNESS_WORK;
}

bool witness_leads(unsigned from, unsigned to)
{
	return from != WITNESS_UNWATCHED && to != WITNESS_UNWATCHED && from != to &&
	    path_find(from, to);
}

static bool is_lock(unsigned c)
{
	return classes[c].c_what == WITNESS_LOCK;
}

/* Are there but locks on the way that path_find() found? */
static bool path_of_locks(unsigned from, unsigned to)
{
	unsigned c;

	for (c = to; c != from; c = came_from[c])
		if (!is_lock(c))
			return false;
	return is_lock(from);
}

void witness_say_path(unsigned from, unsigned to)
{
	const struct edge *e;
	unsigned c, n;

	/* came_from[] leads from the end to the beginning: queue[] turns it round. */
	for (c = to, n = 0; c != from; c = came_from[c])
		queue[n++] = (uint8_t)c;
	for (c = from; n > 0; c = queue[n]) {
		e = edge_slot(c, queue[--n]);
		witness_say_mutex(is_lock(c) ? "known: entered" : "known: ran", c, e->e_place[0]);
		witness_say_mutex(is_lock(queue[n]) ? "  and under it"
			: is_lock(c)                ? "  and under it waited for the end of"
			: queue_runs(c, queue[n])   ? "  and as part of it"
						    : "  and waited for the end of",
		    queue[n], e->e_place[1]);
	}
}

/* A ring: `c` leads to `from`, as path_find() found, and is about to come under it. */
static void order_ring(const struct witness_under *wu, unsigned c, const void *place)
{
	unsigned from = wu->wu_class;
	bool locks = path_of_locks(c, from);

	if (!witness_begin_locked(locks ? WITNESS_REVERSAL : WITNESS_WAIT, from, c))
		return;
	witness_say_head(locks ? "lock order reversal" : "wait that may never end");
	witness_say_mutex(is_lock(from) ? "holds" : "runs", from, wu->wu_place);
	witness_say_mutex(is_lock(c) ? "enters" : "waits for the end of", c, place);
	witness_say_path(c, from);
	witness_end_locked();
}

/* `c` is to be entered under `wu`, which is new. */
static void order_new(const struct witness_under *wu, unsigned c, const void *place)
{
	unsigned from = wu->wu_class;
	bool intr = witness_lock();

	if (!follows_directly(from, c)) { /* still */
		if (path_find(c, from))
			order_ring(wu, c, place);
		else
			edge_add(from, c, wu->wu_place, place);
	}
	witness_unlock(intr);
}

/* A second of one class. */
static void order_same(const struct witness_under *wu, struct mutex *m, unsigned c,
    const void *place)
{
	bool down = (uintptr_t)m < (uintptr_t)wu->wu_mutex, intr;
	struct class *cl = &classes[c];
	const void *const *other = cl->c_place[!down];

	intr = witness_lock();
	if (cl->c_place[down][1] == NULL) {
		cl->c_place[down][0] = wu->wu_place;
		cl->c_place[down][1] = place;
	}
	if (other[1] == NULL || !witness_begin_locked(WITNESS_REVERSAL, c, c)) {
		witness_unlock(intr);
		return;
	}
	witness_say_head("lock order reversal within a class");
	witness_say_mutex("holds", c, wu->wu_place);
	witness_say_mutex(down ? "enters one of a lower address" : "enters one of a higher address",
	    c, place);
	witness_say_mutex("known: entered", c, other[0]);
	witness_say_mutex(down ? "  and one of a higher address" : "  and one of a lower address",
	    c, other[1]);
	witness_end(intr);
}

unsigned witness_order_next(unsigned i, struct witness_order *out)
{
	const struct edge *e;
	bool intr = witness_lock();
	unsigned c;

	while (i < SLOTS && edges[i].e_to == 0)
		i++;
	if (i >= SLOTS) {
		witness_unlock(intr);
		return 0;
	}
	e = &edges[i];
	for (unsigned n = 0; n < 2; n++) {
		c = n == 0 ? e->e_from : e->e_to;
		ksnprintf(out->wo_name[n], sizeof(out->wo_name[n]), "%s%s", witness_class_what(c),
		    witness_class_name(c));
	}
	out->wo_ipl = classes[e->e_to].c_ipl;
	port_symbol(e->e_place[0], out->wo_place[0], sizeof(out->wo_place[0]));
	port_symbol(e->e_place[1], out->wo_place[1], sizeof(out->wo_place[1]));
	witness_unlock(intr);
	return i + 1;
}

void witness_order(const struct witness_under *wu, struct mutex *m, unsigned c, const void *place)
{
	unsigned from = wu->wu_class;

	if (c == WITNESS_UNWATCHED || from == WITNESS_UNWATCHED)
		return;
	if (c == from && m != NULL)
		order_same(wu, m, c, place);
	else if (c == from)
		return; /* one softint, say, that waits for another of its kind */
	else if (!follows_directly(from, c))
		order_new(wu, c, place);
}

void witness_graph_size(unsigned *nclass, unsigned *nedge)
{
	bool intr = witness_lock();

	*nclass = nclasses - 1;
	*nedge = nedges;
	witness_unlock(intr);
}
