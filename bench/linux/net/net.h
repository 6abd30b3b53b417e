/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * net.h - what the parts of the process that tools/netbench boots share.
 *
 * Rule: nothing here returns an error. What goes wrong ends the machine by fail(), with its reason
 * on the console.
 */
#ifndef NET_H
#define NET_H

#include <stdbool.h>
#include <stdint.h>

#define CPUS_MAX 64

/* What the kernel's command line asked for. */
struct options {
	const char *op_address; /* echo_address=A.B.C.D, without it that of QEMU's user network */
	bool op_queues;         /* echo_queues=1: a queue, an interrupt and servers on each CPU */
	bool op_gauge;          /* echo_gauge=0: nothing is counted; processors may halt */
	int op_cpus;            /* how many there are */
};

/* Print it like printf() on /dev/kmsg, and end the machine with status 3. */
void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Fork a process that runs fn(arg), which does not return, on that CPU; on any if it is -1. */
void spawn(void (*fn)(int), int arg, int cpu);

/* The number in a file of /sys; -1 if it cannot be read. */
long long number_in(const char *path);

/* Write the text to a file of /sys or /proc that there must be. */
void write_to(const char *path, const char *text);

/* Load the drivers, and give the card its address; it has a link afterwards. */
void card_up(const struct options *op);

/* Frames that the card received. */
long long card_frames(void);

/* From now on the card's driver drops whatever comes, as early as it can (XDP). */
void card_drop(const struct options *op);

/* The servers, each in processes of their own. */
void servers(const struct options *op);

#endif /* NET_H */
