/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz.c - inputs made by chance for a parser, those that lead somewhere new kept and made more of.
 *
 *	fuzz --list
 *	fuzz TARGET [--runs N] [--for SECONDS] [--seed N] [--out FILE] [--inputs DIR]
 *	fuzz TARGET --input FILE [--verbose]
 *
 * The code under test is compiled with a call at each of its branches' ends, which counts how often
 * a run went from one place to another. An input that shows a way not seen before, or a way taken
 * much more often than before, goes into the corpus; the next input is one of the corpus with a few
 * changes: bits, numbers at the ends of their ranges, the target's words, pieces that are repeated,
 * moved, taken out, or another's. That is all that it takes to come through checks of a few bytes;
 * what needs more (sums, lengths that agree) the target puts right before it parses.
 *
 * The same seed and number of runs give the same inputs: chance is a generator of ours, and nothing
 * looks at a clock but --for. Who dies leaves the input in --out, in hex, as --input and the files
 * of tests/fuzz/inputs/ have it; those are the first that a target is fed.
 *
 * Contexts: one thread of a host. Not for: code that interrupts or blocks (docs/simulator.md).
 * Read next: f_http.c, a target; host.c.
 */
#include "fuzz.h"

#include "arena.h"
#include <dirent.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <signal.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define PLACES 262144u
#define CORPUS_MAX 8192u
#define CHANGES_MAX 6u
#define HANG_S 30 /* of this process's own time, for one input */

struct input {
	uint8_t *in;
	size_t len;
};

static struct fuzz_target *targets, *target;
static struct input corpus[CORPUS_MAX];
static unsigned ncorpus;
static uint8_t now[FUZZ_INPUT_MAX]; /* what is fed */
static size_t now_len;
static const char *out_path;
static uint64_t chance_state, runs_done;

/* What lwIP is compiled with traps where others report: rules.mk. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "handle_sigill=1:handle_abort=1:quarantine_size_mb=8:allocator_may_return_null=1:"
	       "detect_leaks=0";
}

/* ---- Where a run went ----
 *
 * A way between two places is known by where it ends and six bits of where it began, which choose
 * one of the 64 counters around the end's own. So those of one piece of code share a line of the
 * cache, and a run needs few lines: that is most of what it costs to look.
 */

static uint8_t hits[PLACES];      /* of this run */
static uint8_t known[PLACES];     /* bits: how often, by powers of two */
static uint32_t touched[PLACES];  /* places of this run, in order */
static unsigned ntouched, nknown; /* places ever */
static unsigned place_before;     /* what is left of it: a few bits */
static bool unseen;

void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void)
{
	uintptr_t pc = (uintptr_t)__builtin_return_address(0);
	unsigned at = (unsigned)(pc >> 2 & (PLACES - 1)) ^ place_before;

	place_before = (unsigned)(pc * 0x9e3779b97f4a7c15ull >> 58);
	if (unseen)
		return;
	if (hits[at] == 0)
		touched[ntouched++] = at;
	if (hits[at] != UINT8_MAX)
		hits[at]++;
}

void fuzz_unseen(bool on)
{
	unseen = on;
}

static uint8_t bit_of(unsigned n)
{
	if (n >= 128)
		return 128;
	if (n >= 32)
		return 64;
	if (n >= 16)
		return 32;
	if (n >= 8)
		return 16;
	return n >= 4 ? 8 : (uint8_t)(1u << (n - 1));
}

/* Forget the run; was there anything new in it? */
static bool places_settle(void)
{
	bool fresh = false;

	for (unsigned i = 0; i < ntouched; i++) {
		unsigned at = touched[i];
		uint8_t bit = bit_of(hits[at]);

		nknown += known[at] == 0;
		fresh |= (known[at] & bit) == 0;
		known[at] |= bit;
		hits[at] = 0;
	}
	ntouched = 0;
	place_before = 0;
	return fresh;
}

/* ---- The end ---- */

static void input_keep(void)
{
	FILE *f = out_path != NULL ? fopen(out_path, "w") : NULL;

	if (f == NULL)
		return;
	(void)fprintf(f, "# %s, input %llu\n", target->ft_name, (unsigned long long)runs_done);
	for (size_t i = 0; i < now_len; i++)
		(void)fprintf(f, "%02x%s", now[i], i % 32 == 31 ? "\n" : "");
	(void)fprintf(f, "\n");
	(void)fclose(f);
	(void)fprintf(stderr, "fuzz: the input is in %s\n", out_path);
}

void fuzz_died(const char *fmt, ...)
{
	va_list ap;

	(void)fprintf(stderr, "fuzz: %s: ", target->ft_name);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fprintf(stderr, "\n");
	input_keep();
	_exit(1);
}

static void hangs(int sig)
{
	(void)sig;
	fuzz_died("no end within %d s of its own time", HANG_S);
}

static void hang_watch(void)
{
	struct itimerval it = {.it_value = {.tv_sec = HANG_S}};

	(void)setitimer(ITIMER_VIRTUAL, &it, NULL);
}

/* ---- Chance ---- */

static uint32_t chance(uint32_t below)
{
	chance_state ^= chance_state << 13;
	chance_state ^= chance_state >> 7;
	chance_state ^= chance_state << 17;
	return (uint32_t)((chance_state >> 16) % below);
}

static void room_make(size_t at, size_t n)
{
	memmove(now + at + n, now + at, now_len - at);
	now_len += n;
}

static void put_number(void)
{
	static const uint32_t ends[] = {0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff,
	    0x10000, 0x7fffffff, 0x80000000, 0xffffffff, 4, 8, 16, 20, 40, 64, 255, 256, 1500};
	uint32_t value = ends[chance(sizeof(ends) / sizeof(ends[0]))];
	size_t width = (size_t)1 << chance(3), at;
	bool big = chance(2) != 0;

	if (now_len < width)
		return;
	at = chance((uint32_t)(now_len - width + 1));
	for (size_t i = 0; i < width; i++)
		now[at + i] = (uint8_t)(value >> 8 * (big ? width - 1 - i : i));
}

static void put_word(void)
{
	unsigned n = 0;
	size_t len, at;

	if (target->ft_words == NULL)
		return;
	while (target->ft_words[n] != NULL)
		n++;
	n = chance(n);
	len = strlen(target->ft_words[n]);
	at = chance((uint32_t)now_len + 1);
	if (chance(2) != 0 && at + len <= now_len) {
		memcpy(now + at, target->ft_words[n], len);
	} else if (now_len + len <= target->ft_max) {
		room_make(at, len);
		memcpy(now + at, target->ft_words[n], len);
	}
}

/* A piece of the input itself or of another's, over what is there or in between. */
static void put_piece(const uint8_t *from, size_t from_len)
{
	uint8_t piece[FUZZ_INPUT_MAX];
	size_t n, at;

	if (from_len == 0)
		return;
	n = 1 + chance((uint32_t)(from_len < 64 || chance(8) == 0 ? from_len : 64));
	at = chance((uint32_t)(from_len - n + 1));
	memcpy(piece, from + at, n);
	at = chance((uint32_t)now_len + 1);
	if (chance(2) != 0 && at + n <= now_len) {
		memcpy(now + at, piece, n);
	} else if (now_len + n <= target->ft_max) {
		room_make(at, n);
		memcpy(now + at, piece, n);
	}
}

static void take_out(void)
{
	size_t n, at;

	if (now_len < 2)
		return;
	n = 1 + chance((uint32_t)(now_len < 32 || chance(8) == 0 ? now_len - 1 : 31));
	at = chance((uint32_t)(now_len - n + 1));
	memmove(now + at, now + at + n, now_len - at - n);
	now_len -= n;
}

static void change(void)
{
	const struct input *other = &corpus[chance(ncorpus)];

	switch (now_len == 0 ? 3 : chance(9)) {
	case 0:
	case 1:
		now[chance((uint32_t)now_len)] ^= (uint8_t)(1u << chance(8));
		return;
	case 2:
		now[chance((uint32_t)now_len)] = (uint8_t)chance(256);
		return;
	case 3:
		if (now_len < target->ft_max) {
			room_make(chance((uint32_t)now_len + 1), 1);
			now[chance((uint32_t)now_len)] = (uint8_t)chance(256);
		}
		return;
	case 4:
		put_number();
		return;
	case 5:
		put_word();
		return;
	case 6:
		put_piece(now, now_len);
		return;
	case 7:
		put_piece(other->in, other->len);
		return;
	default:
		take_out();
		return;
	}
}

/* ---- Feeding ---- */

static void corpus_add(const uint8_t *in, size_t len)
{
	struct input *c = &corpus[ncorpus];

	if (ncorpus == CORPUS_MAX)
		return;
	c->in = malloc(len + 1);
	if (c->in == NULL)
		fuzz_died("out of memory");
	memcpy(c->in, in, len);
	c->len = len;
	ncorpus++;
}

/* What is fed, with its end where the input's is, so that a byte too many is seen. */
static const uint8_t *fed(void)
{
	static alignas(64) uint8_t space[64 + FUZZ_INPUT_MAX + 64];

	__asan_poison_memory_region(space, sizeof(space));
	__asan_unpoison_memory_region(space + 64, now_len);
	memcpy(space + 64, now, now_len);
	return space + 64;
}

static bool feed(void)
{
	if (runs_done % 1024 == 0)
		hang_watch();
	arena_forget();
	target->ft_run(fed(), now_len);
	runs_done++;
	return places_settle();
}

void fuzz_seed(const void *in, size_t len)
{
	if (len > target->ft_max)
		fuzz_died("a seed of %zu bytes; %zu is the most", len, target->ft_max);
	memcpy(now, in, len);
	now_len = len;
	(void)feed();
	corpus_add(now, now_len);
}

static void next(void)
{
	const struct input *c = &corpus[chance(ncorpus)];

	memcpy(now, c->in, c->len);
	now_len = c->len;
	for (unsigned n = 1 + chance(CHANGES_MAX); n > 0; n--)
		change();
	if (feed())
		corpus_add(now, now_len);
}

/* ---- Files ---- */

static int digit(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Hex digits; white space between, comments behind `#`. */
static size_t file_read(const char *path, uint8_t *to, size_t max)
{
	FILE *f = fopen(path, "r");
	int c, high = -1;
	size_t n = 0;

	if (f == NULL) {
		perror(path);
		exit(4);
	}
	while ((c = getc(f)) != EOF) {
		if (c == '#')
			while (c != '\n' && c != EOF)
				c = getc(f);
		if (digit(c) < 0)
			continue;
		if (high < 0) {
			high = digit(c);
		} else if (n < max) {
			to[n++] = (uint8_t)(high * 16 + digit(c));
			high = -1;
		}
	}
	(void)fclose(f);
	return n;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* Those that are called after the target: inputs that once showed a mistake. */
static void inputs_read(const char *dir)
{
	struct dirent **names;
	size_t n = strlen(target->ft_name), len;
	uint8_t in[FUZZ_INPUT_MAX];
	char path[1024];
	int count = dir != NULL ? scandir(dir, &names, NULL, by_name) : 0;

	for (int i = 0; i < count; i++) {
		const char *name = names[i]->d_name;

		if (strncmp(name, target->ft_name, n) == 0 && name[n] == '-') {
			(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
			len = file_read(path, in, target->ft_max);
			fuzz_seed(in, len);
		}
		free(names[i]);
	}
	if (count > 0)
		free(names);
}

/* ---- The whole ---- */

void fuzz_register(struct fuzz_target *ft)
{
	struct fuzz_target **at = &targets;

	while (*at != NULL)
		at = &(*at)->ft_next;
	*at = ft;
}

static double seconds(clockid_t clock)
{
	struct timespec ts;

	(void)clock_gettime(clock, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void usage(void)
{
	(void)fprintf(stderr,
	    "usage: fuzz --list | TARGET [--runs N] [--for SECONDS] [--seed N] "
	    "[--out FILE] [--inputs DIR] [--input FILE] [--verbose]\n");
	exit(2);
}

static void campaign(uint64_t runs, double limit)
{
	double begun = seconds(CLOCK_MONOTONIC), own = seconds(CLOCK_PROCESS_CPUTIME_ID);

	uint64_t done = runs_done;

	if (ncorpus == 0)
		fuzz_seed("", 0);
	while (limit > 0 ? seconds(CLOCK_MONOTONIC) - begun < limit : runs_done < runs)
		for (unsigned i = 0; i < 256 && (limit > 0 || runs_done < runs); i++)
			next();
	own = seconds(CLOCK_PROCESS_CPUTIME_ID) - own;
	(void)printf("%-6s %9llu inputs, %7.0f a second of CPU, %u ways, %u kept\n",
	    target->ft_name, (unsigned long long)runs_done,
	    own > 0 ? (double)(runs_done - done) / own : 0, nknown, ncorpus);
}

struct options {
	uint64_t runs, seed;
	double limit;
	const char *input, *inputs;
};

static void options_read(int argc, char **argv, struct options *o)
{
	for (int i = 2; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (strcmp(argv[i], "--verbose") == 0) {
			host_verbose(true);
			continue;
		}
		if (value == NULL)
			usage();
		if (strcmp(argv[i], "--runs") == 0)
			o->runs = strtoull(value, NULL, 10);
		else if (strcmp(argv[i], "--for") == 0)
			o->limit = strtod(value, NULL);
		else if (strcmp(argv[i], "--seed") == 0)
			o->seed = strtoull(value, NULL, 10);
		else if (strcmp(argv[i], "--out") == 0)
			out_path = value;
		else if (strcmp(argv[i], "--inputs") == 0)
			o->inputs = value;
		else if (strcmp(argv[i], "--input") == 0)
			o->input = value;
		else
			usage();
		i++;
	}
}

static void target_find(const char *name)
{
	for (target = targets; target != NULL; target = target->ft_next)
		if (strcmp(target->ft_name, name) == 0)
			return;
	(void)fprintf(stderr, "fuzz: %s: no such target; --list names them\n", name);
	exit(2);
}

int main(int argc, char **argv)
{
	struct options o = {.seed = 1};

	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		for (target = targets; target != NULL; target = target->ft_next)
			(void)printf("%s\n", target->ft_name);
		return 0;
	}
	if (argc < 2)
		usage();
	target_find(argv[1]);
	o.runs = target->ft_runs;
	options_read(argc, argv, &o);
	chance_state = o.seed * 0x9e3779b97f4a7c15ull | 1;
	(void)signal(SIGVTALRM, hangs);
	__sanitizer_set_death_callback(input_keep);
	if (o.input != NULL)
		arena_exact();
	if (target->ft_start != NULL)
		target->ft_start();
	if (o.input != NULL) {
		now_len = file_read(o.input, now, target->ft_max);
		(void)feed();
		return 0;
	}
	if (target->ft_seeds != NULL)
		target->ft_seeds();
	inputs_read(o.inputs);
	campaign(o.runs, o.limit);
	return 0;
}
