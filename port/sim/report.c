/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * report.c - the simulated console, and how a run ends when it does not end well.
 *
 * What the core prints goes to standard output at once and into a buffer that tests look at.
 * A fault, a hang (the driver's alarm) or a broken rule prints where every CPU is, the last steps,
 * and the core's own dumps, which take no lock. The last steps are kept in a ring.
 *
 * Contexts: any, signal handlers included. Next: sim.c.
 */
#include "explore.h"
#include "simint.h"

#include <ithaca/ithread.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/sched.h>
#include <ithaca/sleepq.h>
#include <ithaca/softint.h>
#include <ithaca/turnstile.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONSOLE_SIZE 0x40000u
#define TRACE_SIZE 32u
#define ALT_STACK_SIZE 0x10000u
#define FRAMES_MAX 24

struct trace_entry {
	uint64_t t_step, t_ns;
	unsigned t_cpu;
	char t_lwp[LWP_NAME_MAX];
	const char *t_what;
	char t_detail[INTR_NAME_MAX];
};

static char console[CONSOLE_SIZE];
static size_t console_len;
static struct trace_entry trace[TRACE_SIZE];
static unsigned trace_next;
static uint64_t seed;
static bool reporting;

void sim_trace(const char *what, const char *detail)
{
	struct trace_entry *t = &trace[trace_next++ % TRACE_SIZE];
	const struct lwp *l = curlwp;

	if (xp_on) {
		if (xp_tracing)
			xp_note(XE_TURN, 0, 0, 0, what);
		return;
	}
	t->t_step = sim_steps;
	t->t_ns = sim_now();
	t->t_cpu = sim_cpu->ci_index;
	snprintf(t->t_lwp, sizeof(t->t_lwp), "%s", l != NULL ? l->l_name : "-");
	t->t_what = what;
	snprintf(t->t_detail, sizeof(t->t_detail), "%s", detail);
}

const char *sim_console(void)
{
	return console;
}

void sim_console_clear(void)
{
	console_len = 0;
	console[0] = '\0';
}

/* While exploring, the console is kept for the message of a run that fails. */
static void said(const char *text, size_t len)
{
	size_t size, n;
	char *buf = xp_message_buffer(&size);

	n = strlen(buf);
	if (len > size - 1 - n)
		len = size - 1 - n;
	memcpy(buf + n, text, len);
	buf[n + len] = '\0';
}

void port_console_write(const char *text, size_t len)
{
	size_t room = CONSOLE_SIZE - 1 - console_len, keep = len < room ? len : room;

	if (xp_on) {
		said(text, len);
		return;
	}
	memcpy(console + console_len, text, keep);
	console_len += keep;
	console[console_len] = '\0';
	if (write(STDOUT_FILENO, text, len) < 0)
		_exit(SIM_EXIT_FAILED);
}

static void report_cpu(const struct sim_vcpu *v, unsigned index)
{
	const struct lwp *l = v->v_ci.ci_curlwp;
	unsigned n = 0;

	printf("  cpu %u: %s%s%s%s%s pending %#x, %u lines on their way, lwp", index,
	    v->v_halted ? "halted" : "running", v->v_intr ? "" : ", interrupts off",
	    v->v_ipi ? ", ipi pending" : "", v->v_clock ? ", clock pending" : "",
	    v->v_deaf ? ", deaf" : "", v->v_ci.ci_pending, v->v_nflight);
	for (; l != NULL && n < SIM_PINS_MAX; l = l->l_pinned, n++)
		printf("%s \"%s\" level %s", n > 0 ? " upon" : "", l->l_name,
		    spl_name(n == 0 ? cpu_ipl(&v->v_ci, l) : l->l_ipl));
	printf("%s\n", v == sim_me() ? " <-" : "");
}

void sim_report(void)
{
	if (!sim_up)
		return;
	printf("simulation: seed %llu, step %llu, %llu ns\n", (unsigned long long)seed,
	    (unsigned long long)sim_steps, (unsigned long long)sim_now());
	for (unsigned i = 0; i < sim_ncpus; i++)
		if (sim_vcpus[i].v_started)
			report_cpu(&sim_vcpus[i], i);
	for (unsigned i = 0; i < TRACE_SIZE; i++) {
		const struct trace_entry *t = &trace[(trace_next + i) % TRACE_SIZE];

		if (t->t_what != NULL)
			printf("  step %8llu %10llu ns cpu %2u %-16s %s %s\n",
			    (unsigned long long)t->t_step, (unsigned long long)t->t_ns, t->t_cpu,
			    t->t_lwp, t->t_what, t->t_detail);
	}
}

/* Who waits for what, in the core's own words. */
void sim_dump_all(void)
{
	sim_event(true); /* no decisions any more */
	sched_dump();
	turnstile_dump();
	sleepq_dump();
	intr_dump();
	softint_dump();
}

void sim_failed(const char *fmt, ...)
{
	va_list ap;
	size_t size;
	char *buf;

	if (xp_on) {
		sim_event(true);
		buf = xp_message_buffer(&size);
		va_start(ap, fmt);
		vsnprintf(buf, size, fmt, ap);
		va_end(ap);
		xp_failed();
	}
	printf("simulator: ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	if (!reporting) {
		reporting = true;
		port_backtrace();
		sim_report();
		if (sim_up)
			sim_dump_all();
	}
	fflush(stdout);
	_exit(SIM_EXIT_FAILED);
}

static void on_signal(int sig, siginfo_t *si, void *unused)
{
	(void)unused;
	if (sig == SIGALRM)
		sim_failed("took too long: a loop that never ends?");
	sim_failed("fault at address %p (a stack's guard page, or a wild pointer)", si->si_addr);
}

void sim_report_init(const struct sim_config *cfg)
{
	static char alt[ALT_STACK_SIZE];
	stack_t ss = {.ss_sp = alt, .ss_size = sizeof(alt)};
	struct sigaction sa = {.sa_sigaction = on_signal,
	    .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};

	seed = cfg->seed;
	setvbuf(stdout, NULL, _IOLBF, 0);
	sigaltstack(&ss, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGALRM, &sa, NULL);
}

void port_stop_others(void)
{
	sim_event(true);
}

void port_backtrace(void)
{
	uintptr_t *fp = __builtin_frame_address(0);
	const struct lwp *l = sim_cpu != NULL ? curlwp : NULL;

	if (xp_on)
		xp_failed(); /* in a panic: what it has said is the message */
	if (l == NULL)
		return;
	printf("  addr2line -fpie build/sim/unit");
	for (unsigned n = 0; n < FRAMES_MAX; n++) {
		if ((uintptr_t)fp >= l->l_stack_top ||
		    (uintptr_t)fp < l->l_stack_top - l->l_stack_size || fp[1] == 0)
			break;
		printf(" %#lx", (unsigned long)fp[1]);
		fp = (uintptr_t *)fp[0];
	}
	printf("\n");
}

void port_symbol(const void *addr, char *buf, size_t size)
{
	snprintf(buf, size, "%p", addr);
}

void port_die(void)
{
	if (xp_on)
		xp_failed();
	sim_report();
	fflush(stdout);
	_exit(SIM_EXIT_DIED);
}
