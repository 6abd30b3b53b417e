/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shell.c - the console's shell: reads lines, cuts them into commands and words, runs them.
 *
 * One lwp. It reads the tty a character at a time and feeds the line editor (line.c); a finished
 * line is run at once. What is typed meanwhile waits in the tty. While a command runs, Ctrl-C sets
 * a flag that the command's loops look at (shell_interrupted()), and drops what was typed ahead.
 *
 *	line     := command { (";" | newline) command }
 *	command  := word { blank word }
 *	word     := characters, where "..." holds blanks and semicolons together
 *
 * If the host gives a file opt/ithaca/exec (dev/fwcfg.c), the shell runs its text instead, showing
 * each command behind the prompt as if it had been typed, and then switches the machine off: with
 * status 0 if every command succeeded, else 1. Nothing is read from the console then but Ctrl-C.
 *
 * Contexts: the shell's lwp alone; nothing here is locked. Read next: any cmd_*.c.
 */
#include "shell.h"

#include "dev/fwcfg.h"
#include "mem/kmem.h"
#include <ithaca/clock.h>
#include <ithaca/errno.h>
#include <ithaca/lwp.h>
#include <ithaca/machine.h>
#include <ithaca/print.h>
#include <ithaca/sleepq.h>
#include <ithaca/string.h>

#define PROMPT "ithaca> "
#define EXEC_FILE "opt/ithaca/exec"
#define EXEC_MAX 65536
#define FLUSH_NS (30 * NS_PER_S) /* how long a power-off waits for the console */

static int cmd_help(int argc, char **argv);
static int cmd_status(int argc, char **argv);
static void complete_help(struct line_editor *le, int arg, char **argv);

static const struct shell_cmd shell_own_cmds[] = {
    {"help", "[COMMAND]", "list the commands, or explain one", NULL, cmd_help, complete_help},
    {"status", "", "print the status of the command before", NULL, cmd_status, NULL},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};

static const struct shell_cmd *const tables[] = {shell_own_cmds, shell_intr_cmds, shell_irq_cmds,
    shell_top_cmds, shell_sys_cmds, shell_dev_cmds, shell_nic_cmds, shell_edu_cmds, shell_load_cmds,
    shell_spl_cmds, shell_san_cmds, shell_stress_cmds, shell_work_cmds, shell_callout_cmds,
    shell_check_cmds, shell_tty_cmds, shell_bench_cmds, shell_net_cmds, shell_netstat_cmds,
    shell_arp_cmds, shell_netping_cmds, shell_netdump_cmds};
#define TABLES (sizeof(tables) / sizeof(tables[0]))

static struct line_editor editor;
static const struct shell_cmd *running; /* the command that runs, or NULL */
static bool error_said;                 /* by the command that runs */
static int last_status;

/* ---- For commands ---- */

static void print_usage(const struct shell_cmd *cmd)
{
	tty_printf("usage: %s%s%s\n", cmd->sh_name, cmd->sh_usage[0] != '\0' ? " " : "",
	    cmd->sh_usage);
}

int shell_error(const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	kvsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	error_said = true;
	if (running != NULL)
		tty_printf("error: %s: %s\n", running->sh_name, text);
	else
		tty_printf("error: %s\n", text);
	return 1;
}

int shell_usage(void)
{
	if (!error_said)
		shell_error("arguments make no sense");
	print_usage(running);
	return 1;
}

bool shell_number(const char *text, const char *what, uint64_t min, uint64_t max, uint64_t *out)
{
	int error = kstrtou64(text, out);

	if (error == EINVAL) {
		shell_error("%s '%s': not a number", what, text);
		return false;
	}
	if (error != 0 || *out < min || *out > max) {
		shell_error("%s %s: must be %llu to %llu", what, text, (unsigned long long)min,
		    (unsigned long long)max);
		return false;
	}
	return true;
}

bool shell_interrupted(void)
{
	return tty_interrupted();
}

bool shell_sleep(uint64_t ns)
{
	return tty_sleep(ns);
}

bool shell_watch_options(int argc, char **argv, const char *letters, bool *flags,
    uint64_t *period_ns)
{
	uint64_t seconds = 1;
	const char *at;
	int i;

	*period_ns = 0;
	for (i = 1; i < argc; i++) {
		at = argv[i][0] == '-' && strlen(argv[i]) == 2 ? strchr(letters, argv[i][1]) : NULL;
		if (at != NULL) {
			flags[at - letters] = true;
		} else if (strcmp(argv[i], "-w") == 0) {
			if (i + 1 < argc && argv[i + 1][0] != '-' &&
			    !shell_number(argv[++i], "-w", 1, 3600, &seconds))
				return false;
			*period_ns = seconds * NS_PER_S;
		} else {
			shell_error("%s: no such option", argv[i]);
			shell_usage();
			return false;
		}
	}
	return true;
}

int shell_watch(uint64_t period_ns, int (*show)(void *arg), void *arg)
{
	do {
		if (period_ns != 0)
			tty_printf("\033[H\033[2J");
		if (show(arg) != 0)
			return 1;
	} while (period_ns != 0 && !shell_sleep(period_ns));
	return 0;
}

const char *shell_time(uint64_t ns, char *buf)
{
	static const char *const unit[] = {"ns", "us", "ms", "s"};
	uint64_t scaled = ns * 100;
	unsigned u = 0;

	if (ns >= UINT64_MAX / 100)
		scaled = UINT64_MAX;
	for (; u < 3 && scaled >= 100000; u++)
		scaled /= 1000;
	if (u == 0)
		ksnprintf(buf, SHELL_TIME_SIZE, "%lluns", (unsigned long long)ns);
	else
		ksnprintf(buf, SHELL_TIME_SIZE, "%llu.%02u%s", (unsigned long long)(scaled / 100),
		    (unsigned)(scaled % 100), unit[u]);
	return buf;
}

const char *shell_word(const char *text, char *buf)
{
	char *c;

	kstrlcpy(buf, text[0] != '\0' ? text : "-", SHELL_WORD_SIZE);
	for (c = buf; *c != '\0'; c++) {
		if (*c == ' ')
			*c = '_';
	}
	return buf;
}

/* ---- Help ---- */

static const struct shell_cmd *find(const char *name)
{
	for (size_t t = 0; t < TABLES; t++) {
		for (const struct shell_cmd *cmd = tables[t]; cmd->sh_name != NULL; cmd++) {
			if (strcmp(cmd->sh_name, name) == 0)
				return cmd;
		}
	}
	return NULL;
}

static void offer_commands(struct line_editor *le)
{
	for (size_t t = 0; t < TABLES; t++) {
		for (const struct shell_cmd *cmd = tables[t]; cmd->sh_name != NULL; cmd++)
			line_offer(le, cmd->sh_name);
	}
}

static void complete_help(struct line_editor *le, int arg, char **argv)
{
	(void)argv;
	if (arg == 1)
		offer_commands(le);
}

static int cmd_help(int argc, char **argv)
{
	const struct shell_cmd *cmd;

	if (argc > 2)
		return shell_usage();
	if (argc == 2) {
		cmd = find(argv[1]);
		if (cmd == NULL)
			return shell_error("no command '%s'; `help` lists them", argv[1]);
		print_usage(cmd);
		tty_printf("  %s\n", cmd->sh_brief);
		if (cmd->sh_help != NULL)
			tty_write(cmd->sh_help, strlen(cmd->sh_help));
		return 0;
	}
	for (size_t t = 0; t < TABLES; t++) {
		for (cmd = tables[t]; cmd->sh_name != NULL; cmd++)
			tty_printf("  %-10s %s\n", cmd->sh_name, cmd->sh_brief);
	}
	tty_printf(
	    "`help COMMAND` says more. Commands are separated by `;`, \"...\" keeps blanks.\n"
	    "Ctrl-C interrupts a command, Tab completes, the arrows recall and edit.\n");
	return 0;
}

static int cmd_status(int argc, char **argv)
{
	(void)argv;
	if (argc != 1)
		return shell_usage();
	tty_printf("%d\n", last_status);
	return last_status;
}

/* ---- From text to commands ---- */

/* words - cut `text` in place. Returns how many, or -1 after saying what is wrong. */
static int words(char *text, char **argv)
{
	char *from = text, *to = text;
	int argc = 0;
	bool quoted;

	for (;;) {
		while (*from == ' ' || *from == '\t')
			from++;
		if (*from == '\0')
			return argc;
		if (argc == SHELL_ARGS) {
			shell_error("a command has at most %d words", SHELL_ARGS);
			return -1;
		}
		argv[argc++] = to;
		for (quoted = false; *from != '\0' && (quoted || (*from != ' ' && *from != '\t'));
		     from++) {
			if (*from == '"')
				quoted = !quoted;
			else
				*to++ = *from;
		}
		if (quoted) {
			shell_error("a quotation mark (\") is not closed");
			return -1;
		}
		if (*from != '\0')
			from++;
		*to++ = '\0';
	}
}

/* command - run one, of `len` characters. */
static int command(const char *text, size_t len)
{
	char *argv[SHELL_ARGS + 1];
	char copy[LINE_SIZE + 1];
	int argc;

	if (len >= LINE_SIZE)
		return shell_error("a command has at most %d characters", LINE_SIZE - 1);
	memcpy(copy, text, len);
	copy[len] = '\0';
	argc = words(copy, argv);
	if (argc <= 0)
		return argc == 0 ? 0 : 1;
	argv[argc] = NULL;
	running = find(argv[0]);
	if (running == NULL)
		return shell_error("no command '%s'; `help` lists them", argv[0]);
	error_said = false;
	tty_clear();
	tty_mode(TTY_SIGNAL);
	last_status = running->sh_fn(argc, argv);
	tty_mode(0);
	running = NULL;
	return last_status;
}

/* command_length - up to the next separator that is not in quotes. */
static size_t command_length(const char *text)
{
	bool quoted = false;
	size_t n = 0;

	for (; text[n] != '\0' && text[n] != '\n' && (quoted || text[n] != ';'); n++) {
		if (text[n] == '"')
			quoted = !quoted;
	}
	return n;
}

static bool blank(const char *text, size_t len)
{
	while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t' || text[len - 1] == '\r'))
		len--;
	return len == 0;
}

/* run - all commands of a text; with `show` each as if typed. Returns 1 if one failed. */
static int run(const char *text, bool show)
{
	int failed = 0;
	size_t n;

	for (;; text++) {
		while (*text == ' ')
			text++;
		n = command_length(text);
		if (!blank(text, n)) {
			if (show) {
				tty_printf(PROMPT);
				tty_write(text, n);
				tty_printf("\n");
			}
			last_status = command(text, n);
			if (last_status != 0)
				failed = 1;
			if (tty_interrupted()) {
				tty_printf("interrupted\n");
				tty_clear();
				last_status = 1;
				return 1;
			}
		}
		text += n;
		if (*text == '\0')
			return failed;
	}
}

/* ---- Completion ---- */

/* complete - the words of the command before the cursor say what is to be completed. */
static void complete(struct line_editor *le, size_t word_start, void *arg)
{
	const struct shell_cmd *cmd;
	char *argv[SHELL_ARGS + 1];
	char copy[LINE_SIZE];
	size_t begin = 0, n;
	int argc;

	(void)arg;
	memcpy(copy, le->le_text, word_start);
	copy[word_start] = '\0';
	while (n = command_length(copy + begin), copy[begin + n] != '\0')
		begin += n + 1;
	if (begin + n > 0 && copy[begin + n - 1] == '"')
		copy[begin + n - 1] = '\0'; /* the word itself is quoted */
	for (argc = 0, n = begin; n < word_start && argc < SHELL_ARGS; argc++) {
		while (copy[n] == ' ')
			copy[n++] = '\0';
		if (n >= word_start || copy[n] == '\0')
			break;
		argv[argc] = &copy[n];
		while (copy[n] != ' ' && copy[n] != '\0')
			n++;
	}
	argv[argc] = NULL;
	if (argc == 0) {
		offer_commands(le);
		return;
	}
	cmd = find(argv[0]);
	if (cmd != NULL && cmd->sh_complete != NULL)
		cmd->sh_complete(le, argc, argv);
}

/* ---- The lwp ---- */

static void out(const char *text, size_t len, void *arg)
{
	(void)arg;
	tty_put(text, len);
}

static void interactive(void)
{
	char c;

	line_begin(&editor);
	while (tty_read(&c, 1, SLEEP_FOREVER) == 1) {
		switch (line_feed(&editor, c)) {
		case LINE_MORE:
			continue;
		case LINE_DONE:
			(void)run(editor.le_text, false);
			break;
		case LINE_EOF:
			tty_printf("\n`poweroff` leaves\n");
			break;
		case LINE_CANCEL:
			break;
		}
		line_begin(&editor);
	}
}

/* exec - run what the host gave, and end the machine. Returns if it gave nothing. */
static void exec(void)
{
	size_t size;
	char *text;
	int error = fwcfg_read(EXEC_FILE, EXEC_MAX, &text, &size), status;

	if (error == ENXIO || error == ENOENT)
		return;
	if (error == ERANGE)
		status = shell_error("%s: longer than %d characters", EXEC_FILE, EXEC_MAX);
	else if (error != 0)
		status = shell_error("%s: %s", EXEC_FILE, errno_name(error));
	else if (strlen(text) != size)
		status = shell_error("%s: has a NUL character in it", EXEC_FILE);
	else
		status = run(text, true);
	(void)tty_flush(FLUSH_NS);
	machine_poweroff(status);
}

static void shell_main(void *arg)
{
	(void)arg;
	line_init(&editor, PROMPT, out, complete, NULL);
	exec();
	if (!tty_attached()) {
		kprintf("shell: nothing to read from\n");
		return;
	}
	interactive();
}

int shell_start(void)
{
	return lwp_create("shell", PRI_KERNEL, NULL, 0, shell_main, NULL, NULL);
}
