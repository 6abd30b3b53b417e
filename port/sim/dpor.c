/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dpor.c - the exhaustive search: every run that differs in more than the order of independent
 * steps, up to a number of preemptions.
 *
 * The choices of a run are a stack of nodes; the next run repeats all but the last of them that has
 * another choice to try. Which those are follows from the run itself, by dynamic partial-order
 * reduction (Flanagan, Godefroid 2005): when a step turns out to depend on an earlier one of
 * another process, and nothing else orders the two, then the node before the earlier one has to try
 * the later process too. Two steps depend on each other if
 *
 *	they access one place (an atomic, a line, the IPI of a CPU) and one of them writes
 *	one is an interrupt's delivery, or the store buffer's turn, to the CPU of the other
 *	one enabled the other
 *
 * With a bound, a choice that preempts a CPU that could go on counts, and each node that is added
 * is also added where the CPU of the earlier step began its turn (Coons, Musuvathi, McKinley
 * 2013), as the bound may forbid it at the place itself. There are no sleep sets: a trace may be
 * run more than once.
 *
 * Outcomes (pick) are tried one after the other.
 *
 * Contexts: a run. Invariant: a run is a function of its choices; a node that meets another set of
 * processes than before ends the search with a message. Not for: scenarios of more than some
 * hundred steps without a bound. Next: explore.c.
 */
#include "explore.h"

#include "simint.h"

#include <string.h>
#include <sys/mman.h>

#define NODES_MAX 32768u
#define PLACES_BITS 12
#define PLACES (1u << PLACES_BITS)
#define PROCESSES 64u
#define NO_BOUND 99
#define TOUCHED_MAX 64u
#define NOTHING UINT32_MAX

typedef uint16_t count_t;

struct node {
	uint64_t n_set, n_done, n_todo;
	struct xp_op n_op[XP_CPUS];
	count_t n_clock[PROCESSES]; /* of the step, after it */
	uint32_t n_before;          /* the step before of the same process */
	uint32_t n_turn;            /* where its CPU's turn began */
	uint16_t n_preempts;        /* before it */
	uint8_t n_chosen, n_plain, n_me;
	uint8_t n_outcomes; /* 0: a choice of process */
	bool n_yields;
};

/* Who touched a place last. */
struct place {
	uint64_t p_addr;
	uint32_t p_run, p_write;
	uint64_t p_readers;
	uint32_t p_read[PROCESSES];
};

uint64_t xp_nodes, xp_pruned;
bool xp_exhausted;

static struct node *nodes;
static uint32_t depth;  /* nodes of this run so far */
static uint32_t prefix; /* nodes that are repeated */
static uint32_t total;  /* nodes of the run before */
static uint32_t run;
static struct place places[PLACES];
static count_t clock_of[PROCESSES][PROCESSES];
static uint32_t last_of[PROCESSES];
static uint64_t seen_ready;
static uint64_t touched[TOUCHED_MAX];
static unsigned ntouched;

static bool bounded(void)
{
	return xp_config.bound <= NO_BOUND;
}

/* ---- What depends on what ---- */

static bool is_cpu(unsigned p)
{
	return p < XP_DEV;
}

static bool is_device(unsigned p)
{
	return p >= XP_DEV && p < XP_IRQ;
}

/* The places that a step of p touches; returns how many. All but plain loads write. */
static unsigned places_of(unsigned p, const struct xp_op *op, uint64_t *addr, bool *write)
{
	unsigned n = 0, which;

	if (is_cpu(p)) {
		addr[n] = XA_INTR(p), write[n++] = false;
		if (op->o_addr != 0)
			addr[n] = op->o_addr, write[n++] = op->o_write;
		return n;
	}
	if (is_device(p)) {
		for (unsigned i = 0; i < XP_LINES; i++)
			addr[n] = XA_LINE(i), write[n++] = true;
		return n;
	}
	if (p == XP_TIME)
		return 0;
	which = (p - XP_IRQ) % XP_IRQS;
	addr[n] = XA_INTR(xp_irq_cpu(p)), write[n++] = true;
	if (which == 0)
		addr[n] = XA_IPI(xp_irq_cpu(p)), write[n++] = true;
	else if (which >= 2 && which != XP_FLUSH)
		addr[n] = XA_LINE(which - 2), write[n++] = true;
	else if (which == XP_FLUSH)
		addr[n] = xp_buffered_place(xp_irq_cpu(p)), write[n++] = true;
	return n;
}

static struct place *place(uint64_t addr)
{
	uint32_t i = (uint32_t)((addr * 0x9e3779b97f4a7c15ull) >> (64 - PLACES_BITS));
	unsigned tries = 0;

	for (;; i = (i + 1) % PLACES) {
		struct place *pl = &places[i];

		if (++tries > PLACES / 4 * 3)
			sim_failed("exhaustive: more than %u places", PLACES / 4 * 3);
		if (pl->p_run != run) {
			pl->p_run = run;
			pl->p_addr = addr;
			pl->p_write = NOTHING;
			pl->p_readers = 0;
			return pl;
		}
		if (pl->p_addr == addr)
			return pl;
	}
}

/* ---- What else must be tried ---- */

static bool ordered(uint32_t e, unsigned p)
{
	unsigned q = nodes[e].n_chosen;

	return clock_of[p][q] >= nodes[e].n_clock[q];
}

/* At this node, who can begin what leads to the step that p takes now has to be tried: the first
 * step after the node's own that does not come from it, and that the step of p comes from; or p. */
static bool try_at(uint32_t at, unsigned p)
{
	struct node *n = &nodes[at];
	unsigned own = n->n_chosen;

	for (uint32_t i = at + 1; i < depth; i++) {
		const struct node *m = &nodes[i];

		if (m->n_outcomes != 0 || !(n->n_set & XP_BIT(m->n_chosen)) || !ordered(i, p) ||
		    m->n_clock[own] >= n->n_clock[own])
			continue;
		n->n_todo |= XP_BIT(m->n_chosen);
		return true;
	}
	if (!(n->n_set & XP_BIT(p)))
		return false;
	n->n_todo |= XP_BIT(p);
	return true;
}

/* Step e of another process and the step of p that comes now depend on each other, in no order. */
static void reverse(uint32_t e, unsigned p)
{
	uint32_t at = e;

	while (!try_at(at, p)) {
		if (is_cpu(p)) {
			nodes[at].n_todo |= nodes[at].n_set;
			return;
		}
		/* An interrupt could not come there, but perhaps before. */
		at = nodes[at].n_before;
		if (at == NOTHING || ordered(at, p))
			return;
	}
	if (bounded() && nodes[at].n_turn != at)
		(void)try_at(nodes[at].n_turn, p);
}

static void join(unsigned p, const count_t *from)
{
	for (unsigned i = 0; i < PROCESSES; i++)
		if (from[i] > clock_of[p][i])
			clock_of[p][i] = from[i];
}

static void meets(uint32_t e, unsigned p)
{
	if (e == NOTHING || nodes[e].n_chosen == p)
		return;
	if (!ordered(e, p))
		reverse(e, p);
}

/* The step of node `at` is done: what it depends on, and its clock. */
static void account(uint32_t at)
{
	struct node *n = &nodes[at];
	unsigned p = n->n_chosen, count;
	uint64_t addr[XP_LINES + 2];
	bool write[XP_LINES + 2];
	struct place *pl;

	count = places_of(p, is_cpu(p) ? &n->n_op[p] : NULL, addr, write);
	for (unsigned i = 0; i < count; i++) {
		pl = place(addr[i]);
		meets(pl->p_write, p);
		for (uint64_t s = write[i] ? pl->p_readers : 0; s != 0; s &= s - 1)
			meets(pl->p_read[__builtin_ctzll(s)], p);
	}
	for (unsigned i = 0; i < count; i++) {
		pl = place(addr[i]);
		if (pl->p_write != NOTHING)
			join(p, nodes[pl->p_write].n_clock);
		for (uint64_t s = write[i] ? pl->p_readers : 0; s != 0; s &= s - 1)
			join(p, nodes[pl->p_read[__builtin_ctzll(s)]].n_clock);
		if (write[i]) {
			pl->p_write = at;
			pl->p_readers = 0;
		} else {
			pl->p_readers |= XP_BIT(p);
			pl->p_read[p] = at;
		}
	}
	clock_of[p][p]++;
	memcpy(n->n_clock, clock_of[p], sizeof(n->n_clock));
	n->n_before = last_of[p];
	last_of[p] = at;
}

/* The last choice of a process before this node. */
static const struct node *parent(void)
{
	for (uint32_t i = depth; i-- > 0;)
		if (nodes[i].n_outcomes == 0)
			return &nodes[i];
	return NULL;
}

void xp_device_touched(uint64_t addr)
{
	if (ntouched < TOUCHED_MAX && xp_config.strategy == &xp_exhaustive)
		touched[ntouched++] = addr;
}

/* The step before was a device's: what it touched, known only now. */
static void account_device(void)
{
	uint32_t at = depth - 1;
	unsigned p;

	if (ntouched == TOUCHED_MAX)
		sim_failed("exhaustive: a device's step touches more than %u places", TOUCHED_MAX);
	if (depth == 0 || nodes[at].n_outcomes != 0 || !is_device(nodes[at].n_chosen))
		ntouched = 0;
	for (unsigned i = 0; i < ntouched; i++) {
		struct place *pl = place(touched[i]);

		p = nodes[at].n_chosen;
		meets(pl->p_write, p);
		for (uint64_t s = pl->p_readers; s != 0; s &= s - 1)
			meets(pl->p_read[__builtin_ctzll(s)], p);
		if (pl->p_write != NOTHING)
			join(p, nodes[pl->p_write].n_clock);
		for (uint64_t s = pl->p_readers; s != 0; s &= s - 1)
			join(p, nodes[pl->p_read[__builtin_ctzll(s)]].n_clock);
		pl->p_write = at;
		pl->p_readers = 0;
		memcpy(nodes[at].n_clock, clock_of[p], sizeof(nodes[at].n_clock));
	}
	ntouched = 0;
}

/* Processes that can go on since the last step: it made them. */
static void enabled_by(uint64_t set)
{
	/* An interrupt that is kept out for a while was made by who raised it. */
	uint64_t now = (set & (XP_BIT(XP_IRQ) - 1)) | (set & XP_BIT(XP_TIME)) | xp_raised();
	uint64_t fresh = now & ~seen_ready;

	const struct node *up = parent();

	for (; fresh != 0 && up != NULL; fresh &= fresh - 1)
		join((unsigned)__builtin_ctzll(fresh), up->n_clock);
	seen_ready = now;
}

/* ---- The strategy ---- */

static unsigned cost(const struct node *n, unsigned p)
{
	return !n->n_yields && (n->n_set & XP_BIT(n->n_me)) && p != XP_TIME && !is_device(p) &&
	    xp_irq_cpu(p) != n->n_me;
}

static bool affordable(const struct node *n, unsigned p)
{
	return !bounded() || (int)(n->n_preempts + cost(n, p)) <= xp_config.bound;
}

static uint64_t untried(const struct node *n)
{
	return n->n_todo & n->n_set & ~n->n_done;
}

/* The next choice of a node that has one. */
static bool advance(struct node *n)
{
	uint64_t more;

	if (n->n_outcomes != 0)
		return ++n->n_chosen < n->n_outcomes;
	while ((more = untried(n)) != 0) {
		unsigned p = (unsigned)__builtin_ctzll(more);

		n->n_done |= XP_BIT(p);
		if (affordable(n, p)) {
			n->n_chosen = (uint8_t)p;
			return true;
		}
	}
	return false;
}

static bool begin(uint64_t seed)
{
	(void)seed;
	if (nodes == NULL) {
		nodes = mmap(NULL, NODES_MAX * sizeof(*nodes), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (nodes == MAP_FAILED)
			sim_failed("no memory for %u nodes", NODES_MAX);
	} else {
		while (total > 0 && !advance(&nodes[total - 1]))
			total--;
		if (total == 0) {
			xp_exhausted = true;
			return false;
		}
	}
	prefix = total;
	depth = ntouched = 0;
	run++;
	memset(clock_of, 0, sizeof(clock_of));
	memset(last_of, 0xff, sizeof(last_of));
	seen_ready = 0;
	return true;
}

static struct node *new_node(void)
{
	struct node *n = &nodes[depth];

	if (depth == NODES_MAX)
		sim_failed("exhaustive: a run of more than %u choices", NODES_MAX);
	memset(n, 0, offsetof(struct node, n_clock));
	n->n_outcomes = 0;
	n->n_me = (uint8_t)xp_me();
	n->n_yields = xp_yields();
	xp_nodes++;
	return n;
}

static void fill(struct node *n, uint64_t set, unsigned plain)
{
	const struct node *up = parent();

	n->n_set = set;
	n->n_plain = (uint8_t)plain;
	for (unsigned c = 0; c < sim_ncpus; c++)
		xp_next_op(c, &n->n_op[c]);
	n->n_preempts = 0;
	if (up != NULL)
		n->n_preempts = (uint16_t)(up->n_preempts + cost(up, up->n_chosen));
}

static unsigned choose(uint64_t set, unsigned plain)
{
	struct node *n = &nodes[depth];
	const struct node *up = parent();

	account_device();
	enabled_by(set);
	if (depth < prefix) {
		if (n->n_set != set)
			sim_failed("exhaustive: not the same at choice %u: %#llx, was %#llx", depth,
			    (unsigned long long)set, (unsigned long long)n->n_set);
	} else {
		n = new_node();
		fill(n, set, plain);
		n->n_chosen = (uint8_t)plain;
		n->n_done = n->n_todo = XP_BIT(n->n_chosen);
	}
	n->n_turn = up != NULL && up->n_chosen == n->n_chosen ? up->n_turn : depth;
	account(depth);
	depth++;
	return n->n_chosen;
}

static unsigned pick(enum xp_pick kind, unsigned n)
{
	struct node *node = &nodes[depth];

	(void)kind;
	if (depth >= prefix) {
		node = new_node();
		node->n_outcomes = (uint8_t)n;
		node->n_chosen = 0;
	}
	memset(node->n_clock, 0, sizeof(node->n_clock));
	depth++;
	return node->n_chosen;
}

static void end(void)
{
	total = depth;
}

const struct xp_strategy xp_exhaustive = {"exhaustive", true, begin, choose, pick, end};
