/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * unit.c - the driver of the unit tests.
 *
 *	unit [-k SUBSTRING] [-s SEED] [-n SEEDS] [-l] [-v] [-x]
 *
 * Each test, once a seed, is forked off with its output in a file in memory; that is printed when
 * the test fails, or always with -v. What ends a child is told by its status: 0 passed, ST_SKIP,
 * ST_PANIC (the core's port_die()), anything else failed. The last line counts.
 *
 * Not for measuring, and it knows nothing of what is tested. Next: port/sim/sim.c.
 */
#include "unit.h"

#include <ithaca/print.h>
#include <signal.h>
#include <sim/sim.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define ST_FAIL 1
#define ST_PANIC SIM_EXIT_DIED
#define ST_SKIP 77
#define LIMIT_S 20
#define NAME_MAX_LEN 128
#define EXPECTED "(the lock checker may speak)"

static struct unit_test *first, **last = &first;
static bool verbose;
static unsigned passed, failed, skipped;

void unit_register(struct unit_test *ut)
{
	*last = ut;
	last = &ut->ut_next;
}

void unit_fail(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	printf("%s:%d: ", file, line);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	sim_report();
	fflush(stdout);
	_exit(ST_FAIL);
}

void unit_skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	_exit(ST_SKIP);
}

void unit_expect_witness(void)
{
	puts(EXPECTED);
}

void unit_check_eq(const char *file, int line, const char *sa, const char *sb, unsigned long long a,
    unsigned long long b)
{
	if (a != b)
		unit_fail(file, line, "%s == %s: %lld (%#llx) is not %lld (%#llx)", sa, sb,
		    (long long)a, a, (long long)b, b);
}

void unit_check_str(const char *file, int line, const char *sa, const char *a, const char *b)
{
	if (strcmp(a, b) != 0)
		unit_fail(file, line, "%s: \"%s\" is not \"%s\"", sa, a, b);
}

void unit_check_has(const char *file, int line, const char *sa, const char *a, const char *b)
{
	if (strstr(a, b) == NULL)
		unit_fail(file, line, "%s: \"%s\" is not in \"%s\"", sa, b, a);
}

/* The name shown: t_intr.shared_line. */
static const char *test_name(const struct unit_test *ut)
{
	static char name[NAME_MAX_LEN];
	const char *base = strrchr(ut->ut_file, '/');
	int len;

	base = base != NULL ? base + 1 : ut->ut_file;
	len = (int)strcspn(base, ".");
	snprintf(name, sizeof(name), "%.*s.%s", len, base, ut->ut_name);
	return name;
}

/* In the child: does not return. */
static void run_child(const struct unit_test *ut, uint64_t seed, int out)
{
	struct sim_config cfg = {.cpus = ut->ut_cpus, .seed = seed, .random = ut->ut_seeds > 0};

	if (dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0)
		_exit(ST_FAIL);
	alarm(LIMIT_S);
	if (ut->ut_cpus == 0)
		ut->ut_fn();
	else
		sim_run(&cfg, ut->ut_fn);
	fflush(stdout);
	_exit(0);
}

/* What a child left in its file, NUL-terminated; the caller frees it. */
static char *read_back(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);
	char *text = calloc(1, size > 0 ? (size_t)size + 1 : 1);
	ssize_t got;

	if (text == NULL || size < 0) {
		fprintf(stderr, "unit: no memory for a test's output\n");
		exit(ST_FAIL);
	}
	got = pread(fd, text, (size_t)size, 0);
	text[got > 0 ? got : 0] = '\0';
	return text;
}

/* Run one seed; returns the verdict (0, ST_SKIP, else failed) and prints what there is to say. */
static int run_seed(const struct unit_test *ut, uint64_t seed)
{
	int out = memfd_create("unit", 0), status, verdict = ST_FAIL;
	pid_t pid;
	char *text;

	fflush(stdout);
	pid = out < 0 ? -1 : fork();
	if (pid < 0) {
		perror("unit: fork");
		exit(ST_FAIL);
	}
	if (pid == 0)
		run_child(ut, seed, out);
	waitpid(pid, &status, 0);
	text = read_back(out);
	close(out);
	if (WIFEXITED(status))
		verdict = WEXITSTATUS(status);
	if (ut->ut_panics != NULL) {
		bool said = verdict == ST_PANIC && strstr(text, ut->ut_panics) != NULL;

		if (!said)
			printf("    expected a panic that says \"%s\"\n", ut->ut_panics);
		verdict = said ? 0 : ST_FAIL;
	} else if (verdict == 0 && strstr(text, "witness: ") != NULL &&
	    strstr(text, EXPECTED) == NULL) {
		printf("    the lock checker has something to say\n");
		verdict = ST_FAIL;
	}
	if (WIFSIGNALED(status))
		printf("    ended by signal %d%s\n", WTERMSIG(status),
		    WTERMSIG(status) == SIGALRM ? ": took too long" : "");
	if (verbose || verdict != 0)
		fputs(text, stdout);
	free(text);
	return verdict;
}

static void run_test(const struct unit_test *ut, uint64_t seed, uint64_t seeds)
{
	const char *name = test_name(ut);
	uint64_t s, end = seed + (ut->ut_seeds == 0 ? 1 : seeds != 0 ? seeds : ut->ut_seeds);
	int verdict = 0;

	if (ut->ut_panics != NULL && !ITHACA_CHECKED)
		verdict = ST_SKIP; /* what asserts does so in checked builds */
	for (s = seed; s < end && verdict == 0; s++)
		verdict = run_seed(ut, s);
	if (verdict == 0) {
		printf("%s: ok\n", name);
		passed++;
	} else if (verdict == ST_SKIP) {
		printf("%s: skipped\n", name);
		skipped++;
	} else {
		printf("FAIL %s (replay: unit -k %s -s %llu -n 1)\n", name, name,
		    (unsigned long long)s - 1);
		failed++;
	}
}

static void usage(void)
{
	fprintf(stderr, "usage: unit [-k SUBSTRING] [-s FIRST-SEED] [-n SEEDS] [-l] [-v] [-x]\n");
	exit(2);
}

int main(int argc, char **argv)
{
	const char *only = "";
	uint64_t seed = 1, seeds = 0;
	bool list = false, stop = false;
	int c;

	while ((c = getopt(argc, argv, "k:s:n:lvx")) != -1) {
		switch (c) {
		case 'k':
			only = optarg;
			break;
		case 's':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			seeds = strtoull(optarg, NULL, 0);
			break;
		case 'l':
			list = true;
			break;
		case 'v':
			verbose = true;
			break;
		case 'x':
			stop = true;
			break;
		default:
			usage();
		}
	}
	if (optind != argc)
		usage();
	for (const struct unit_test *ut = first; ut != NULL; ut = ut->ut_next) {
		if (strstr(test_name(ut), only) == NULL || (stop && failed > 0))
			continue;
		if (list)
			puts(test_name(ut));
		else
			run_test(ut, seed, seeds);
	}
	if (!list)
		printf("%u passed, %u failed, %u skipped\n", passed, failed, skipped);
	return failed != 0;
}
