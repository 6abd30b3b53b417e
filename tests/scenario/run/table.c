/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * table.c - a run for people: a column a CPU with source lines, a Chrome trace, gdb.
 *
 * Only the first and the last TABLE_MAX lines are shown, and of each CPU's accesses those in which
 * something happens: atomics, interrupts, switches, and the plain accesses of the last steps.
 *
 * Source lines are asked of addr2line, all at once. Host context. Next: port/sim/replay.c.
 */
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TABLE_MAX 120u
#define PLAIN_STEPS 6u
#define LINES_MAX 4096u
#define WIDTH 44

struct place {
	uint32_t p_pc;
	char *p_text;
};

static struct place places[LINES_MAX];
static unsigned nplaces;

static const char *self(void)
{
	static char path[32];

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)getpid());
	return path;
}

static const char *known(uint32_t pc)
{
	for (unsigned i = 0; i < nplaces; i++)
		if (places[i].p_pc == pc)
			return places[i].p_text;
	return NULL;
}

/* "function (file:line)" of addresses, in one go. The call is before the return address. */
static void ask(const uint32_t *pcs, unsigned n)
{
	char cmd[8192], fn[256], at[512], text[800];
	size_t len = (size_t)snprintf(cmd, sizeof(cmd), "addr2line -fe %s", self());
	FILE *f;

	for (unsigned i = 0; i < n && len < sizeof(cmd) - 32; i++)
		len += (size_t)snprintf(cmd + len, sizeof(cmd) - len, " %#x", pcs[i] - 1);
	f = popen(cmd, "r");
	for (unsigned i = 0; f != NULL && i < n && nplaces < LINES_MAX; i++) {
		if (fgets(fn, sizeof(fn), f) == NULL || fgets(at, sizeof(at), f) == NULL)
			break;
		fn[strcspn(fn, "\n")] = '\0';
		at[strcspn(at, " \n")] = '\0';
		snprintf(text, sizeof(text), "%s %s", at, fn);
		places[nplaces++] = (struct place){pcs[i], strdup(text)};
	}
	if (f != NULL)
		pclose(f);
}

const char *table_line(uint32_t pc)
{
	const char *text = known(pc);

	if (pc == 0)
		return "";
	if (text == NULL)
		ask(&pc, 1);
	text = known(pc);
	return text != NULL ? text : "?";
}

static void ask_all(unsigned from)
{
	uint32_t pcs[200];
	unsigned n = 0;

	for (unsigned i = from; i < xp_nnotes; i++) {
		bool have = xp_notes[i].n_pc == 0 || known(xp_notes[i].n_pc) != NULL;

		for (unsigned k = 0; k < n && !have; k++)
			have = pcs[k] == xp_notes[i].n_pc;
		if (have)
			continue;
		pcs[n++] = xp_notes[i].n_pc;
		if (n == 200) {
			ask(pcs, n);
			n = 0;
		}
	}
	if (n != 0)
		ask(pcs, n);
}

static bool shown(const struct xp_noted *n)
{
	bool plain = n->n_event == XE_READ || n->n_event == XE_WRITE;

	return !plain || n->n_step + PLAIN_STEPS >= xp_steps;
}

static void what(const struct xp_noted *n, char *out, size_t size)
{
	static const char *const verb[] = {"read", "write", "load", "store", "rmw", "fence",
	    "switch:", "takes", ""};
	unsigned long long v = (unsigned long long)n->n_value;

	if (n->n_event <= XE_WRITE)
		snprintf(out, size, "%s, %llu bytes", verb[n->n_event], v);
	else if (n->n_event <= XE_RMW)
		snprintf(out, size, v < 10 ? "%s %llu" : "%s %#llx", verb[n->n_event], v);
	else if (n->n_text != NULL)
		snprintf(out, size, "%s %s", verb[n->n_event], n->n_text);
	else
		snprintf(out, size, "%s", verb[n->n_event]);
}

/* Where an access is done from: file:line, and the function if there is room. */
static void cell(const struct xp_noted *n, const char *text)
{
	const char *line = table_line(n->n_pc), *base = strrchr(line, '/');
	char where[WIDTH + 1];

	snprintf(where, sizeof(where), "%s", base != NULL ? base + 1 : line);
	printf("%6llu  %*s%-*s %-8.8s %s\n", (unsigned long long)n->n_step, (int)(n->n_cpu * 14),
	    "", 14, text, n->n_lwp, where);
}

void table_show(void)
{
	unsigned all = 0, n = 0;
	char text[64];

	for (unsigned i = 0; i < xp_nnotes; i++)
		all += shown(&xp_notes[i]);
	ask_all(0);
	printf("%6s  ", "step");
	for (unsigned c = 0; c < scenario->cpus; c++)
		printf("CPU %-10u", c);
	printf(" lwp      where\n");
	for (unsigned i = 0; i < xp_nnotes; i++) {
		if (!shown(&xp_notes[i]))
			continue;
		if (n++ == TABLE_MAX && all > 2 * TABLE_MAX)
			printf("        ... %u more\n", all - 2 * TABLE_MAX);
		if (n > TABLE_MAX && n + TABLE_MAX <= all)
			continue;
		what(&xp_notes[i], text, sizeof(text));
		cell(&xp_notes[i], text);
	}
}

/* Chrome's trace format (JSON array of complete events): a row a CPU, a microsecond a step. */
void table_timeline(const char *file)
{
	FILE *f = fopen(file, "w");
	char text[64];

	if (f == NULL) {
		perror(file);
		return;
	}
	ask_all(0);
	fprintf(f, "{\"traceEvents\":[\n");
	for (unsigned c = 0; c < scenario->cpus; c++)
		fprintf(f,
		    "{\"ph\":\"M\",\"pid\":1,\"tid\":%u,\"name\":\"thread_name\","
		    "\"args\":{\"name\":\"CPU %u\"}},\n",
		    c, c);
	for (unsigned i = 0; i < xp_nnotes; i++) {
		const struct xp_noted *n = &xp_notes[i];

		what(n, text, sizeof(text));
		fprintf(f,
		    "{\"ph\":\"X\",\"pid\":1,\"tid\":%u,\"ts\":%u,\"dur\":1,"
		    "\"name\":\"%s: %s\",\"args\":{\"where\":\"%s\",\"address\":\"%#llx\"}}%s\n",
		    n->n_cpu, i, n->n_lwp, text, table_line(n->n_pc), (unsigned long long)n->n_addr,
		    i + 1 < xp_nnotes ? "," : "");
	}
	fprintf(f, "]}\n");
	fclose(f);
	printf("timeline: %s (chrome://tracing, ui.perfetto.dev)\n", file);
}

/* A file of the choices, and how gdb stops at the step that fails. */
void table_gdb(const struct xp_choice *log, unsigned n)
{
	char path[400], file[512];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (len < 0) {
		perror("/proc/self/exe");
		return;
	}
	path[len] = '\0';
	snprintf(file, sizeof(file), "%.*s/%s.choices", (int)(strrchr(path, '/') - path), path,
	    scenario->name);
	choices_save(file, log, n);
	printf("gdb: gdb -ex 'break xp_failed' -ex run -ex backtrace --args %s %s --memory %s "
	       "--replay %s --no-shrink\n",
	    path, scenario->name, memory_name(xp_config.memory), file);
}
