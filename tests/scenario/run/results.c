/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * results.c - what a campaign leaves for programs: a line of JSON, which tools/scenarios merges;
 * and the choices of a run in a file, from which it is replayed (--replay), also under gdb.
 *
 * A file of choices, in text, so that a person may strike out a line:
 *
 *	lwp 2			the third lwp does nothing
 *	device 1 0		the second device is called 0 times
 *	choice CPU POINT KIND WHAT	see struct xp_choice
 *
 * Host context. Next: shrink.c.
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct lessened lessened;

/* Text in JSON's quotes, cut at the end of its first line. */
static void quoted(const char *text, char *out, size_t size)
{
	size_t n = 0;

	while (*text == '\n')
		text++;
	for (; *text != '\0' && *text != '\n' && n + 3 < size; text++) {
		if (*text == '"' || *text == '\\')
			out[n++] = '\\';
		out[n++] = (unsigned char)*text < ' ' ? ' ' : *text;
	}
	out[n] = '\0';
}

/* Appended in one write: shards of one machine may share the file. */
void results_write(enum xp_result r, uint64_t seed)
{
	char line[1024], what[320] = "";
	int fd, n;

	if (r == XP_FAILED)
		quoted(cov.message, what, sizeof(what));
	n = snprintf(line, sizeof(line),
	    "{\"scenario\":\"%s\",\"strategy\":\"%s\",\"memory\":\"%s\",\"seed\":%llu,"
	    "\"shard\":%u,\"shards\":%u,\"executions\":%llu,\"points\":%llu,\"traces\":%llu,"
	    "\"states\":%llu,\"ends\":%llu,"
	    "\"seconds\":%.3f,\"exhausted\":%s,\"must_fail\":%s,\"failed\":%s,"
	    "\"failed_seed\":%llu,\"message\":\"%s\"}\n",
	    scenario->name, opt.strategy, memory_name(xp_config.memory),
	    (unsigned long long)opt.seed, opt.shard, opt.nshards, (unsigned long long)cov.runs,
	    (unsigned long long)cov.points, (unsigned long long)cov.traces,
	    (unsigned long long)xp_states, (unsigned long long)cov.ends, cov.took,
	    xp_exhausted ? "true" : "false", scenario->fails != NULL ? "true" : "false",
	    r == XP_FAILED ? "true" : "false", (unsigned long long)(r == XP_FAILED ? seed : 0),
	    what);
	fd = strcmp(opt.json, "-") == 0 ? STDOUT_FILENO
					: open(opt.json, O_WRONLY | O_CREAT | O_APPEND, 0666);
	if (fd < 0 || write(fd, line, (size_t)n) != n) {
		fprintf(stderr, "sim: --json %s: %s\n", opt.json, strerror(errno));
		exit(2);
	}
	if (fd != STDOUT_FILENO)
		close(fd);
}

void choices_save(const char *file, const struct xp_choice *log, unsigned n)
{
	FILE *f = fopen(file, "w");

	if (f == NULL) {
		fprintf(stderr, "sim: %s: %s\n", file, strerror(errno));
		exit(2);
	}
	for (unsigned i = 0; i < SCENARIO_LWPS; i++)
		if (lessened.lwp[i])
			fprintf(f, "lwp %u\n", i);
	for (unsigned i = 0; i < SCENARIO_DEVICES; i++)
		if (lessened.device[i] != 0)
			fprintf(f, "device %u %u\n", i,
			    scenario->devices[i].times - lessened.device[i]);
	for (unsigned i = 0; i < n; i++)
		fprintf(f, "choice %u %u %u %u\n", log[i].c_cpu, log[i].c_seq, log[i].c_pick,
		    log[i].c_what);
	fclose(f);
}

static bool one_line(const char *line)
{
	unsigned a, b, c, d;

	if (sscanf(line, "choice %u %u %u %u", &a, &b, &c, &d) == 4 && xp_nscript < XP_LOG_MAX) {
		xp_script[xp_nscript++] = (struct xp_choice){b, (uint8_t)a, (uint8_t)c, (uint8_t)d};
		return true;
	}
	if (sscanf(line, "lwp %u", &a) == 1 && a < SCENARIO_LWPS) {
		lessened.lwp[a] = true;
		return true;
	}
	if (sscanf(line, "device %u %u", &a, &b) == 2 && a < SCENARIO_DEVICES &&
	    b <= scenario->devices[a].times) {
		lessened.device[a] = scenario->devices[a].times - b;
		return true;
	}
	return false;
}

void choices_load(const char *file)
{
	FILE *f = fopen(file, "r");
	char line[128];
	unsigned n = 0;

	if (f == NULL) {
		fprintf(stderr, "sim: --replay %s: %s\n", file, strerror(errno));
		exit(2);
	}
	while (fgets(line, sizeof(line), f) != NULL) {
		n++;
		if (!one_line(line)) {
			fprintf(stderr, "sim: --replay %s: line %u is no choice of %s\n", file, n,
			    scenario->name);
			exit(2);
		}
	}
	fclose(f);
	lessen();
}

/* What the runs from now on leave out. */
void lessen(void)
{
	for (unsigned i = 0, d = 0; i < SCENARIO_DEVICES; i++)
		if (scenario->devices[i].fn != NULL)
			xp_device_times(d++, scenario->devices[i].times - lessened.device[i]);
}
