/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shell.h - the console's commands: how one is written, and what it may use.
 *
 * A command is a function in a table; the tables are listed in shell.c. It runs in the shell's lwp,
 * may block, prints with tty_printf(), and returns its status: 0, or 1 after shell_error(). Every
 * error is one line that begins with "error: " and names the thing and the limit. Tables have one
 * word in each column, so that a program can read them.
 */
#ifndef SYS_APP_SHELL_H
#define SYS_APP_SHELL_H

#include "app/line.h"
#include "dev/tty.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mutex;

#define SHELL_ARGS 16 /* words of one command, its name included */

struct shell_cmd {
	const char *sh_name;
	const char *sh_usage; /* arguments, as in a manual's synopsis; "" if there are none */
	const char *sh_brief; /* one line */
	const char *sh_help;  /* more lines, each with its newline, or NULL */
	int (*sh_fn)(int argc, char **argv);
	/* Offer, by line_offer(), words for argument number `arg` (from 1); argv holds those
	 * before it. NULL: none. */
	void (*sh_complete)(struct line_editor *le, int arg, char **argv);
};

/* The tables; each ends with an entry without name. */
extern const struct shell_cmd shell_sys_cmds[];
extern const struct shell_cmd shell_intr_cmds[];
extern const struct shell_cmd shell_irq_cmds[];
extern const struct shell_cmd shell_top_cmds[];
extern const struct shell_cmd shell_load_cmds[];
extern const struct shell_cmd shell_spl_cmds[];
extern const struct shell_cmd shell_san_cmds[];
extern const struct shell_cmd shell_stress_cmds[];
extern const struct shell_cmd shell_check_cmds[];
extern const struct shell_cmd shell_dev_cmds[];
extern const struct shell_cmd shell_nic_cmds[];
extern const struct shell_cmd shell_edu_cmds[];
extern const struct shell_cmd shell_work_cmds[];
extern const struct shell_cmd shell_callout_cmds[];
extern const struct shell_cmd shell_net_cmds[];
extern const struct shell_cmd shell_netstat_cmds[];
extern const struct shell_cmd shell_arp_cmds[];
extern const struct shell_cmd shell_netping_cmds[];
extern const struct shell_cmd shell_netdump_cmds[];
extern const struct shell_cmd shell_tty_cmds[];
extern const struct shell_cmd shell_bench_cmds[]; /* bench/bench.c */

/* shell_start - the shell's lwp, on the console. ENOMEM, EINVAL. */
int shell_start(void);

/* shell_error - "error: COMMAND: " and the message, as one line. shell_usage - how the command is
 * called, after an error if none was said. Both return 1, the status of a failure. */
int shell_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int shell_usage(void);

/* shell_number - a decimal or 0x number from min to max; else says what is wrong with `what`, and
 * false. */
bool shell_number(const char *text, const char *what, uint64_t min, uint64_t max, uint64_t *out);

/* shell_watch_options - the arguments of a command that shows a table: letters that switch a thing
 * on, flags[i] by "-" and letters[i], and -w [SECONDS]: again and again, with *period_ns between,
 * which is 0 if it was not given. Else says what is wrong, and false. shell_watch - show(arg) once,
 * or as -w has it, on a clear screen, until Ctrl-C; returns 0, or 1 as soon as show() does. */
bool shell_watch_options(int argc, char **argv, const char *letters, bool *flags,
    uint64_t *period_ns);
int shell_watch(uint64_t period_ns, int (*show)(void *arg), void *arg);

/* shell_edu_mutex - what an edu handler in mode "block" takes (cmd_edu.c). */
struct mutex *shell_edu_mutex(void);

/* shell_interrupted - Ctrl-C was typed since the command began; a loop asks. shell_sleep - let that
 * much time go by, or be interrupted: true. */
bool shell_interrupted(void);
bool shell_sleep(uint64_t ns);

/* shell_time - a time as one word of at most seven characters ("1.23ms"), into buf. */
#define SHELL_TIME_SIZE 24
const char *shell_time(uint64_t ns, char *buf);

/* shell_word - `text` with its blanks replaced, so that it is one word of a table; "-" if empty. At
 * most 31 characters, into buf. */
#define SHELL_WORD_SIZE 32
const char *shell_word(const char *text, char *buf);

#endif
