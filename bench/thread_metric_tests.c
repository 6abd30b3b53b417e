/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * thread_metric_tests.c - what the lwps of the eight tests do.
 *
 *	basic		one lwp computes; the measure of the machine by itself
 *	cooperative	five of one priority yield to each other in turn
 *	preemptive	five of five priorities: each resumes the next more urgent, which preempts
 *			it; each counts and suspends itself, down to the least urgent
 *	interrupt	one raises an interrupt, whose handler counts and puts a semaphore; then it
 *			gets the semaphore, and counts
 *	preemption	the same, but the handler resumes a more urgent lwp
 *	message		one sends 16 bytes to a queue, and receives them from it
 *	synchronization	one gets a semaphore, and puts it
 *	memory		one allocates 128 bytes, and frees them
 *
 * The suite's porting layer asks for a queue and a semaphore that may block, although nobody ever
 * waits in a queue here: so they are whole ones. The semaphore is put by a handler, so it is made
 * of a count and a sleep queue; the queue is a ring under a mutex, with two condition variables.
 *
 *	getter					putter
 *	s_waiters++ (seq_cst)			s_count++ (seq_cst)
 *	s_count still 0? then sleep		s_waiters? then sleepq_wake()
 *
 * One of the two sees the other's store; the chain's lock of the sleep queue covers the rest.
 *
 * Contexts: lwps of the tests, bound to CPU 0; the device's filter and thread function. Locks:
 * the queue's mutex, alone. Invariants that it needs: lwps of CPU 0 run by priority.
 * Not for use elsewhere: the core has no semaphore, as a mutex lends priority and this does not.
 */
#include "thread_metric.h"

#include "bench_edu.h"
#include "mem/kmem.h"
#include <ithaca/clock.h>
#include <ithaca/condvar.h>
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/intr.h>
#include <ithaca/mutex.h>
#include <ithaca/sleepq.h>
#include <ithaca/string.h>

/* ---- A semaphore ---- */

struct semaphore {
	_Atomic unsigned s_count;   /* (~) */
	_Atomic unsigned s_waiters; /* (~) */
};

#define SEM_PATIENCE_NS NS_PER_S

static struct semaphore sem;

static void sem_set(struct semaphore *s, unsigned count)
{
	atomic_store_explicit(&s->s_count, count, memory_order_relaxed);
	atomic_store_explicit(&s->s_waiters, 0, memory_order_relaxed);
}

static bool sem_try(struct semaphore *s)
{
	unsigned n = atomic_load_explicit(&s->s_count, memory_order_seq_cst);

	while (n != 0)
		/* Acquire: pairs with the addition in sem_put(). */
		if (atomic_compare_exchange_weak_explicit(&s->s_count, &n, n - 1,
			memory_order_acquire, memory_order_relaxed))
			return true;
	return false;
}

/* False: nobody put it for long. Not inlined, as the suite wants of its services. Thread context;
 * may block. */
static bool __attribute__((noinline)) sem_get(struct semaphore *s)
{
	bool intr;
	int error = 0;

	while (!sem_try(s)) {
		if (error)
			return false;
		atomic_fetch_add_explicit(&s->s_waiters, 1, memory_order_seq_cst);
		intr = sleepq_lock(s);
		if (atomic_load_explicit(&s->s_count, memory_order_seq_cst) == 0)
			error = sleepq_wait(s, "metric", clock_ns() + SEM_PATIENCE_NS, intr);
		else
			sleepq_unlock(s, intr);
		atomic_fetch_sub_explicit(&s->s_waiters, 1, memory_order_relaxed);
	}
	return true;
}

/* Any context up to filters. */
static void __attribute__((noinline)) sem_put(struct semaphore *s)
{
	atomic_fetch_add_explicit(&s->s_count, 1, memory_order_seq_cst);
	if (atomic_load_explicit(&s->s_waiters, memory_order_seq_cst) != 0)
		sleepq_wake(s, 1);
}

/* ---- A queue ---- */

#define QUEUE_LENGTH 8

struct message {
	uint32_t m_word[4];
};

static struct {
	struct mutex q_mutex;
	struct condvar q_not_empty;
	struct condvar q_not_full;
	unsigned q_first; /* (m) q_mutex */
	unsigned q_n;     /* (m) */
	struct message q_ring[QUEUE_LENGTH];
} queue;

static void __attribute__((noinline)) queue_send(const struct message *m)
{
	mutex_enter(&queue.q_mutex);
	while (queue.q_n == QUEUE_LENGTH)
		cv_wait(&queue.q_not_full, &queue.q_mutex);
	queue.q_ring[(queue.q_first + queue.q_n++) % QUEUE_LENGTH] = *m;
	cv_signal(&queue.q_not_empty);
	mutex_exit(&queue.q_mutex);
}

static void __attribute__((noinline)) queue_receive(struct message *m)
{
	mutex_enter(&queue.q_mutex);
	while (queue.q_n == 0)
		cv_wait(&queue.q_not_empty, &queue.q_mutex);
	*m = queue.q_ring[queue.q_first];
	queue.q_first = (queue.q_first + 1) % QUEUE_LENGTH;
	queue.q_n--;
	cv_signal(&queue.q_not_full);
	mutex_exit(&queue.q_mutex);
}

/* ---- Basic processing ---- */

#define BASIC_WORDS 1024

static volatile unsigned long basic_word[BASIC_WORDS];

static int basic_begin(void)
{
	memset((void *)(uintptr_t)basic_word, 0, sizeof(basic_word));
	return 0;
}

static void basic(unsigned self)
{
	unsigned long rounds = 0, old;
	unsigned i;

	(void)self;
	for (; !metric_over(); rounds++) {
		for (i = 0; i < BASIC_WORDS; i++) {
			old = basic_word[i];
			basic_word[i] = (old + rounds) ^ old;
		}
		metric_count(0);
	}
}

/* Each word went the same way. */
static const char *basic_wrong(void)
{
	unsigned long same = 0, old, rounds;
	unsigned i;

	for (rounds = 0; rounds < atomic_load_explicit(&metric_counter[0], memory_order_relaxed);
	     rounds++) {
		old = same;
		same = (old + rounds) ^ old;
	}
	for (i = 0; i < BASIC_WORDS; i++)
		if (basic_word[i] != same)
			return "a word is not what was computed";
	return NULL;
}

/* ---- Threads ---- */

static void cooperative(unsigned self)
{
	while (!metric_over()) {
		lwp_yield();
		metric_count(self);
	}
}

/* The least urgent; when it runs, all others are suspended. */
static void preemptive_first(unsigned self)
{
	unsigned n;

	while (!metric_over()) {
		metric_resume(self + 1);
		metric_count(self);
	}
	for (n = 1; n < METRIC_LWPS; n++)
		metric_dismiss(n);
}

static void preemptive(unsigned self)
{
	do {
		metric_resume(self + 1);
		metric_count(self);
	} while (metric_suspend(self));
}

static void preemptive_last(unsigned self)
{
	do
		metric_count(self);
	while (metric_suspend(self));
}

/* ---- Interrupts: counter 0 is the handler's ---- */

static struct bench_edu edu;
static struct intr_handler *handler;

static unsigned metric_filter(void *arg)
{
	bench_edu_quiet(arg);
	return FILTER_HANDLED | FILTER_SCHEDULE_THREAD;
}

static bool interrupt_thread(void *arg)
{
	(void)arg;
	metric_count(0);
	sem_put(&sem);
	return true;
}

static bool preemption_thread(void *arg)
{
	(void)arg;
	metric_count(0);
	metric_resume(1);
	return true;
}

static int interrupts_begin(intr_thread_t *fn)
{
	int error = bench_edu_claim(&edu);

	if (error)
		return error;
	error = intr_bind(edu.be_source, cpu_lookup(0));
	if (error == 0)
		error = intr_establish(edu.be_source, "metric", IPL_NET, 0, metric_filter, fn, &edu,
		    &handler);
	if (error)
		bench_edu_release(&edu);
	return error;
}

static void interrupts_end(void)
{
	/* Not of the handler itself, so it cannot fail. */
	(void)intr_disestablish(handler);
	bench_edu_release(&edu);
}

static int interrupt_begin(void)
{
	sem_set(&sem, 0);
	return interrupts_begin(interrupt_thread);
}

static int preemption_begin(void)
{
	return interrupts_begin(preemption_thread);
}

static void interrupt(unsigned self)
{
	(void)self;
	while (!metric_over()) {
		bench_edu_store(&edu, EDU_RAISE);
		if (!sem_get(&sem))
			return; /* the counters tell */
		metric_count(1);
	}
}

/* Raises; a machine that counts instructions is interrupted at once, others take their time. */
static void preemption_raiser(unsigned self)
{
	uint64_t want;

	(void)self;
	for (want = 1; !metric_over(); want++) {
		bench_edu_store(&edu, EDU_RAISE);
		while (atomic_load_explicit(&metric_counter[1], memory_order_relaxed) < want &&
		    !metric_over())
			port_pause();
		metric_count(2);
	}
	metric_dismiss(1);
}

static void preemption_resumed(unsigned self)
{
	do
		metric_count(self);
	while (metric_suspend(self));
}

/* ---- Services ---- */

static unsigned long messages_wrong;
static bool memory_refused;

static int message_begin(void)
{
	memset(&queue, 0, sizeof(queue));
	mutex_init(&queue.q_mutex, "metric", IPL_NONE);
	cv_init(&queue.q_not_empty, "metricget");
	cv_init(&queue.q_not_full, "metricput");
	messages_wrong = 0;
	return 0;
}

static void message_end(void)
{
	cv_destroy(&queue.q_not_full);
	cv_destroy(&queue.q_not_empty);
	mutex_destroy(&queue.q_mutex);
}

static void message(unsigned self)
{
	struct message sent = {{0x11112222, 0x33334444, 0x55556666, 0x77778888}}, got;

	(void)self;
	while (!metric_over()) {
		queue_send(&sent);
		memset(&got, 0, sizeof(got));
		queue_receive(&got);
		if (memcmp(&got, &sent, sizeof(got)) != 0)
			messages_wrong++;
		sent.m_word[3]++;
		metric_count(0);
	}
}

static const char *message_wrong(void)
{
	return messages_wrong != 0 || queue.q_n != 0 ? "what was received is not what was sent"
						     : NULL;
}

static int synchronization_begin(void)
{
	sem_set(&sem, 1);
	return 0;
}

static void synchronization(unsigned self)
{
	(void)self;
	while (!metric_over()) {
		if (!sem_get(&sem))
			return;
		sem_put(&sem);
		metric_count(0);
	}
}

static const char *synchronization_wrong(void)
{
	return atomic_load_explicit(&sem.s_count, memory_order_relaxed) != 1
	    ? "the semaphore's count is not what it was"
	    : NULL;
}

#define BLOCK 128

static int memory_begin(void)
{
	memory_refused = false;
	return 0;
}

static void memory(unsigned self)
{
	void *p;

	(void)self;
	while (!metric_over()) {
		p = kmem_alloc(BLOCK);
		if (p == NULL) {
			memory_refused = true;
			return;
		}
		kmem_free(p, BLOCK);
		metric_count(0);
	}
}

static const char *memory_wrong(void)
{
	return memory_refused ? "no memory" : NULL;
}

/* ---- The table ---- */

const struct metric_test metric_tests[METRIC_TESTS] = {
    {"basic processing", 1, 1, true, basic_begin, NULL, basic_wrong, {{10, basic, true}}},
    {"cooperative scheduling", 5, 5, true, NULL, NULL, NULL,
	{{3, cooperative, true}, {3, cooperative, true}, {3, cooperative, true},
	    {3, cooperative, true}, {3, cooperative, true}}},
    {"preemptive scheduling", 5, 5, true, NULL, NULL, NULL,
	{{10, preemptive_first, true}, {9, preemptive, false}, {8, preemptive, false},
	    {7, preemptive, false}, {6, preemptive_last, false}}},
    {"interrupt processing", 1, 2, false, interrupt_begin, interrupts_end, NULL,
	{{10, interrupt, true}}},
    {"interrupt preemption", 2, 3, false, preemption_begin, interrupts_end, NULL,
	{{10, preemption_raiser, true}, {3, preemption_resumed, false}}},
    {"message processing", 1, 1, true, message_begin, message_end, message_wrong,
	{{10, message, true}}},
    {"synchronization", 1, 1, true, synchronization_begin, NULL, synchronization_wrong,
	{{10, synchronization, true}}},
    {"memory allocation", 1, 1, true, memory_begin, NULL, memory_wrong, {{10, memory, true}}},
};
