/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * search.c - the exhaustive search: every trace that up to so many preemptions can bring about.
 *
 * The choices of a run are a stack of nodes, one for each point at which there is more than one;
 * the next run repeats all but the last of them that has another choice to try. With nothing more
 * (--reduction brute) that is every run there is. What is spared:
 *
 *	states	A state that was there before, with the same CPU at its turn and as few
 *		preemptions spent, is not gone into again. A state is told by the trace that led
 *		to it (shared.c) and by where each CPU stands: the same accesses with the same
 *		values in the same order, as far as the order matters, leave the same machine
 *	shared	There are no points before what nobody else can notice (shared.c).
 *	merged	A state is told by what the machine is like (state.c), whatever trace led to it:
 *		a lock that was fought for and is free again leaves nothing behind. So the
 *		search does not see every trace, but every state, and every step from each. With
 *		sc only; tso and c11 go by traces
 *
 * Merged, a run may come to a state that it has been in itself. If it has not spent a preemption
 * since, it can go round for ever: that is a livelock. (A run never has the same trace twice, so
 * without that it would take as long as there are steps to find.)
 *
 * A preemption is to leave a CPU that could go on, and does not wait, for another. Devices, the
 * interrupts of the CPU itself, store buffers and time cost none. Why the usual ways are not gone:
 * sleep sets and backtracking to races leave out a run because an equivalent one was or will be
 * made, and with a bound that one may need more preemptions than there are; a state with the
 * preemptions it took leaves out nothing.
 *
 * Outcomes (pick) are tried one after the other.
 *
 * Contexts: a run. Invariant: a run is a function of its choices; a node that meets another set of
 * processes than before ends the search with a message. The states take up to STATES_MAX words
 * (--remember: fewer); when they are full the search goes on without remembering more, and the
 * campaign says so. Not for: scenarios of thousands of points. Next: shared.c, explore.c.
 */
#include "explore.h"

#include "simint.h"

#include <string.h>
#include <sys/mman.h>

#define NODES_MAX 32768u
#define STATES_BITS 16 /* of the table, at first */
#define STATES_MAX ((uint64_t)1 << 27)
#define SPENT_MASK 0x7fu

struct node {
	uint64_t n_set, n_done;
	uint64_t n_state;
	uint32_t n_spent; /* preemptions before it */
	uint8_t n_chosen, n_me;
	uint8_t n_outcomes; /* 0: a choice of process */
	bool n_yields;
};

uint64_t xp_nodes, xp_states;
unsigned xp_restarts;
bool xp_exhausted, xp_full;

static struct node *nodes;
static uint64_t *states; /* hash, its low bits the preemptions spent; 0: free */
static unsigned bits;    /* the table has so many words, as a power of 2 */
static uint32_t depth;   /* nodes of this run so far */
static uint32_t prefix;  /* nodes that are repeated */
static uint32_t total;   /* nodes of the run before */
static uint32_t spent;

static bool bounded(void)
{
	return xp_config.bound <= XP_BOUND_MAX;
}

/* ---- The states that were there ---- */

static void *table(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		sim_failed("exhaustive: no memory for a table of %zu bytes", size);
	return p;
}

static uint64_t *find(uint64_t key)
{
	uint64_t i = key >> (64 - bits), mask = ((uint64_t)1 << bits) - 1;

	while (states[i] != 0 && ((states[i] ^ key) & ~(uint64_t)SPENT_MASK) != 0)
		i = (i + 1) & mask;
	return &states[i];
}

/* Twice the room. */
static void widen(void)
{
	uint64_t *old = states, n = (uint64_t)1 << bits;

	states = table(2 * n * sizeof(*states));
	bits++;
	for (uint64_t i = 0; i < n; i++)
		if (old[i] != 0)
			*find(old[i]) = old[i];
	munmap(old, n * sizeof(*old));
}

static uint64_t remembered_max(void)
{
	uint64_t room = STATES_MAX / 4 * 3;

	return xp_config.remember != 0 && xp_config.remember < room ? xp_config.remember : room;
}

/* Was it there before, in as few preemptions? It is now. */
static bool known(uint64_t state)
{
	uint64_t now = bounded() ? spent : 0, *at;

	state &= ~(uint64_t)SPENT_MASK;
	state |= state == 0 ? SPENT_MASK + 1 : 0;
	at = find(state);
	if (*at != 0 && (*at & SPENT_MASK) <= now)
		return true;
	if (*at == 0 && xp_states >= remembered_max()) {
		xp_full = true;
		return false;
	}
	xp_states += *at == 0;
	*at = state | now;
	if (xp_states > ((uint64_t)1 << bits) / 4 * 3 && (uint64_t)1 << bits < STATES_MAX)
		widen();
	return false;
}

/* ---- The nodes ---- */

static uint32_t cost(const struct node *n, unsigned p)
{
	bool of_cpu =
	    p < XP_CPUS || (p >= XP_IRQ && p < XP_TIME && (p - XP_IRQ) % XP_IRQS != XP_FLUSH);

	return of_cpu && !n->n_yields && (n->n_set & XP_BIT(n->n_me)) && xp_irq_cpu(p) != n->n_me;
}

/* The next choice of a node that has one. */
static bool advance(struct node *n)
{
	uint64_t more;

	if (n->n_outcomes != 0)
		return ++n->n_chosen < n->n_outcomes;
	while ((more = n->n_set & ~n->n_done) != 0) {
		unsigned p = (unsigned)__builtin_ctzll(more);

		n->n_done |= XP_BIT(p);
		if (!bounded() || (int)(n->n_spent + cost(n, p)) <= xp_config.bound) {
			n->n_chosen = (uint8_t)p;
			return true;
		}
	}
	return false;
}

static void start(void)
{
	if (nodes == NULL) {
		nodes = table(NODES_MAX * sizeof(*nodes));
	} else {
		munmap(states, ((uint64_t)1 << bits) * sizeof(*states));
		xp_restarts++;
	}
	bits = STATES_BITS;
	states = table(((uint64_t)1 << bits) * sizeof(*states));
	xp_shared_forget();
	total = 0;
	xp_states = 0;
	xp_full = xp_learnt = false;
}

static bool begin(uint64_t seed)
{
	(void)seed;
	if (nodes == NULL || xp_learnt) {
		start();
	} else {
		while (total > 0 && !advance(&nodes[total - 1]))
			total--;
		if (total == 0) {
			xp_exhausted = true;
			return false;
		}
	}
	prefix = total;
	depth = spent = 0;
	return true;
}

static struct node *new_node(void)
{
	if (depth == NODES_MAX)
		sim_failed("exhaustive: a run of more than %u choices", NODES_MAX);
	xp_nodes++;
	return &nodes[depth];
}

/* The state was there before. In this run, and for nothing? */
static void check_circle(uint64_t state)
{
	for (uint32_t i = 0; i < depth; i++)
		if (nodes[i].n_outcomes == 0 && nodes[i].n_state == state &&
		    (!bounded() || nodes[i].n_spent == spent))
			xp_livelock("comes to the same state again and again");
}

static unsigned choose(uint64_t set, unsigned plain)
{
	struct node *n = &nodes[depth];
	uint64_t state = 0;

	if ((set & (set - 1)) == 0)
		return plain;
	if (depth < prefix) {
		if (n->n_set != set)
			sim_failed("exhaustive: not the same at choice %u: %#llx, was %#llx", depth,
			    (unsigned long long)set, (unsigned long long)n->n_set);
	} else {
		if (xp_config.reduction >= XP_STATES)
			state = xp_mix(xp_state(), set);
		if (xp_config.reduction >= XP_STATES && known(state)) {
			check_circle(state);
			return XP_NONE;
		}
		n = new_node();
		*n = (struct node){.n_set = set,
		    .n_state = state,
		    .n_done = XP_BIT(plain),
		    .n_spent = spent,
		    .n_chosen = (uint8_t)plain,
		    .n_me = (uint8_t)xp_me(),
		    .n_yields = xp_yields()};
	}
	depth++;
	spent += cost(n, n->n_chosen);
	return n->n_chosen;
}

static unsigned pick(enum xp_pick kind, unsigned n)
{
	struct node *node = &nodes[depth];

	(void)kind;
	if (depth >= prefix) {
		node = new_node();
		*node = (struct node){.n_outcomes = (uint8_t)n};
	}
	depth++;
	return node->n_chosen;
}

static void end(void)
{
	total = depth;
}

const struct xp_strategy xp_exhaustive = {"exhaustive", XP_WHERE_SEEN, begin, choose, pick, end};
