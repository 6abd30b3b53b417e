/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz.h - how a target of `./ithaca fuzz` is written. One file f_X.c a parser.
 *
 *	static void run(const uint8_t *in, size_t len)
 *	{
 *		parse(in, len);
 *	}
 *
 *	FUZZ_TARGET(x) = {.ft_run = run, .ft_max = 512, .ft_runs = 100000};
 *
 * ft_run() is called over and over in one process, each time with another input, in an allocation
 * of exactly its size; so it leaves nothing behind but memory (arena.h), all of which is taken back
 * before the next run: where that would be a mistake it checks that none is left. It ends a run
 * that shows a mistake by
 * FUZZ_CHECK(); AddressSanitizer, UBSan, a failed KASSERT, and a run without an end do so by
 * themselves. What it does may depend on the input alone.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fuzz_target {
	const char *ft_name;
	void (*ft_run)(const uint8_t *in, size_t len);
	void (*ft_start)(void);      /* once, before the first; NULL: nothing to do */
	void (*ft_seeds)(void);      /* calls fuzz_seed() for each input to begin with; or NULL */
	const char *const *ft_words; /* that inputs are made of: text, ends with NULL; or NULL */
	size_t ft_max;               /* bytes of the longest input */
	unsigned ft_runs;            /* inputs of a run that is to end by itself */
	struct fuzz_target *ft_next; /* fuzz.c's */
};

#define FUZZ_INPUT_MAX 4096

#define FUZZ_TARGET(name)                                                                          \
	static struct fuzz_target fuzz_##name;                                                     \
	__attribute__((constructor)) static void fuzz_add_##name(void)                             \
	{                                                                                          \
		fuzz_##name.ft_name = #name;                                                       \
		fuzz_register(&fuzz_##name);                                                       \
	}                                                                                          \
	static struct fuzz_target fuzz_##name

/* FUZZ_CHECK - what must be true of the parser whatever it is fed. */
#define FUZZ_CHECK(cond)                                                                           \
	((cond) ? (void)0 : fuzz_died("%s:%d: %s does not hold", __FILE__, __LINE__, #cond))

void fuzz_register(struct fuzz_target *ft);

/* fuzz_seed - an input to begin with. From ft_seeds() only. */
void fuzz_seed(const void *in, size_t len);

/* fuzz_unseen - on: the ways that the code takes from here on are not looked at. A run ends with it
 * off. */
void fuzz_unseen(bool on);

/* fuzz_died - say why, keep the input, end the process. */
void fuzz_died(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* host_verbose - the kernel's messages go to standard error. */
void host_verbose(bool on);

#endif
