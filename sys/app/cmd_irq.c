/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_irq.c - irq: the sources, and where they are delivered.
 *
 * A source is found by name in one walk of the list, and used after it; that is sound only because
 * this shell is the one who makes sources go (edu detach), so none goes while its command runs.
 *
 * Contexts: the shell's lwp. Lines are put together under intr_source_each()'s mutex and printed
 * after it. Read next: kern/intr.c, where intr_bind() is.
 */
#include "app/shell.h"
#include "mem/kmem.h"
#include <ithaca/errno.h>
#include <ithaca/intr.h>
#include <ithaca/machine.h>
#include <ithaca/storm.h>
#include <ithaca/string.h>

#define LIST_MAX 256 /* sources shown */
#define NAMES_MAX 160

struct irq_line {
	char name[SHELL_WORD_SIZE];
	char pic[SHELL_WORD_SIZE];
	uint32_t line;
	enum intr_trigger trigger;
	unsigned cpu;
	const char *place;
	const char *state;
	char handlers[NAMES_MAX];
};

struct irq_list {
	struct irq_line *at;
	unsigned count;
	bool cut;
};

static const char *trigger_name(enum intr_trigger trigger)
{
	return trigger == INTR_LEVEL ? "level" : trigger == INTR_EDGE ? "edge" : "message";
}

/* state - what keeps it from being delivered, if anything. A hint: nothing is locked. */
static const char *state(struct intr_source *is)
{
	struct storm_info info;

	if (is->is_nhandlers == 0)
		return "off";
	storm_info(is, &info);
	if (info.state == STORM_HELD)
		return info.cause == STORM_BY_TIME ? "storm" : "nobody's";
	if (info.stuck)
		return "stuck";
	return is->is_masked ? "masked" : info.state == STORM_TRIAL ? "trial" : "on";
}

/* place - how it came to its CPU. */
static const char *place(const struct intr_source *is)
{
	const struct balance *bs = &is->is_balance;

	return bs->bs_bound ? "bound" : bs->bs_moves != 0 ? "moved" : "free";
}

/* handler_names - "name/level,name/level". */
static void handler_names(struct intr_source *is, char *buf, size_t size)
{
	struct intr_handler *ih;
	char word[SHELL_WORD_SIZE];
	int n = 0;

	kstrlcpy(buf, "-", size);
	/* The list is held still by intr_source_each(). */
	for (ih = atomic_load_explicit(&is->is_handlers, memory_order_relaxed);
	     ih != NULL && (size_t)n < size;
	     ih = atomic_load_explicit(&ih->ih_next, memory_order_relaxed))
		n += ksnprintf(buf + n, size - (size_t)n, "%s%s/%s", n > 0 ? "," : "",
		    shell_word(ih->ih_name, word), spl_name(ih->ih_ipl));
}

static bool take(struct intr_source *is, void *arg)
{
	struct irq_list *list = arg;
	struct irq_line *line = &list->at[list->count];
	struct cpu *ci = atomic_load_explicit(&is->is_cpu, memory_order_relaxed);

	if (list->count == LIST_MAX) {
		list->cut = true;
		return false;
	}
	list->count++;
	shell_word(is->is_name, line->name);
	shell_word(is->is_pic->pic_name, line->pic);
	line->line = is->is_line;
	line->trigger = is->is_trigger;
	line->cpu = ci != NULL ? ci->ci_index : 0;
	line->place = place(is);
	line->state = state(is);
	handler_names(is, line->handlers, sizeof(line->handlers));
	return true;
}

static int irq_list(void)
{
	struct irq_list list = {kmem_alloc(LIST_MAX * sizeof(struct irq_line)), 0, false};

	if (list.at == NULL)
		return shell_error("no memory for the list");
	intr_source_each(take, &list);
	tty_printf("%-14s %-8s %4s %-8s %3s %-5s %-8s %s\n", "source", "pic", "line", "trigger",
	    "cpu", "place", "state", "handlers");
	for (unsigned i = 0; i < list.count; i++) {
		struct irq_line *l = &list.at[i];

		tty_printf("%-14s %-8s %4u %-8s %3u %-5s %-8s %s\n", l->name, l->pic, l->line,
		    trigger_name(l->trigger), l->cpu, l->place, l->state, l->handlers);
	}
	if (list.cut)
		tty_printf("(the first %d)\n", LIST_MAX);
	kmem_free(list.at, LIST_MAX * sizeof(struct irq_line));
	return 0;
}

static int irq_vectors(void)
{
	unsigned free, total;

	tty_printf("%3s %5s %5s\n", "cpu", "free", "total");
	for (unsigned i = 0; i < cpu_count(); i++) {
		machine_vectors(cpu_lookup(i), &free, &total);
		tty_printf("%3u %5u %5u\n", i, free, total);
	}
	return 0;
}

struct search {
	const char *name;
	struct intr_source *found;
};

static bool match(struct intr_source *is, void *arg)
{
	struct search *s = arg;
	char word[SHELL_WORD_SIZE];

	if (strcmp(shell_word(is->is_name, word), s->name) == 0 ||
	    strcmp(is->is_name, s->name) == 0) {
		s->found = is;
		return false;
	}
	return true;
}

/* find - by name; NULL, and said: there is none. */
static struct intr_source *find(const char *name)
{
	struct search s = {name, NULL};

	intr_source_each(match, &s);
	if (s.found == NULL)
		shell_error("no source '%s'; `irq list` has them", name);
	return s.found;
}

static int irq_bind(const char *name, const char *cpu_text)
{
	struct intr_source *is;
	uint64_t cpu;
	int error;

	if (!shell_number(cpu_text, "CPU", 0, cpu_count() - 1, &cpu))
		return 1;
	is = find(name);
	if (is == NULL)
		return 1;
	error = intr_bind(is, cpu_lookup((unsigned)cpu));
	if (error == ENOSPC)
		return shell_error("%s: CPU %u has no vector left", name, (unsigned)cpu);
	if (error == EOPNOTSUPP)
		return shell_error("%s: its controller cannot move it", name);
	if (error != 0)
		return shell_error("%s: %s", name, errno_name(error));
	return 0;
}

static int irq_balance(const char *name)
{
	struct intr_source *is = find(name);

	if (is == NULL)
		return 1;
	if (is->is_pic->pic_route == NULL)
		return shell_error("%s: its controller cannot move it", name);
	intr_unbind(is);
	return 0;
}

static int cmd_irq(int argc, char **argv)
{
	if (argc == 1 || (argc == 2 && strcmp(argv[1], "list") == 0))
		return irq_list();
	if (argc == 2 && strcmp(argv[1], "vectors") == 0)
		return irq_vectors();
	if (argc == 4 && strcmp(argv[1], "bind") == 0)
		return irq_bind(argv[2], argv[3]);
	if (argc == 3 && strcmp(argv[1], "balance") == 0)
		return irq_balance(argv[2]);
	shell_error("'%s': arguments make no sense", argv[1]);
	return shell_usage();
}

static bool offer(struct intr_source *is, void *arg)
{
	char word[SHELL_WORD_SIZE];

	line_offer(arg, shell_word(is->is_name, word));
	return true;
}

static void complete(struct line_editor *le, int arg, char **argv)
{
	if (arg == 1) {
		line_offer(le, "balance");
		line_offer(le, "bind");
		line_offer(le, "list");
		line_offer(le, "vectors");
	} else if (arg == 2 && (strcmp(argv[1], "bind") == 0 || strcmp(argv[1], "balance") == 0)) {
		intr_source_each(offer, le);
	}
}

const struct shell_cmd shell_irq_cmds[] = {
    {"irq", "[list] | bind SOURCE CPU | balance SOURCE | vectors",
	"interrupt sources, and where they go",
	"  list     every source: controller, line, trigger, CPU, place, state, handlers,\n"
	"           levels\n"
	"           place: bound (it stays), free (may go to a CPU that is less busy), moved\n"
	"           (has done so)\n"
	"           state: on, off (no handler), masked (its thread works), storm, nobody's (both\n"
	"           held for a while), trial (let in again after that), stuck (masked too long)\n"
	"  bind     deliver SOURCE to CPU from now on, and leave it there\n"
	"  balance  ... until this lets it go again\n"
	"  vectors  interrupt vectors left on each CPU\n",
	cmd_irq, complete},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};
