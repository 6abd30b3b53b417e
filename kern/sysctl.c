/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sysctl.c - named values of the system, read and set at run time.
 *
 * Purpose: one list of nodes, sorted by name, that every layer adds to and the shell reads.
 * Context: thread, level below IPL_VM, no spin mutex held; all of it may block.
 *
 * Nodes are static and never go away, so the list only grows and a node that was found stays
 * good. Two adaptive mutexes:
 * - sysctl_list_lock covers the links. It is never held while a node's function runs, so a
 *   function that sysctl_each() calls may read, set and register as it likes.
 * - sysctl_set_lock makes sets one at a time; a node's sy_set and sy_changed need no lock against
 *   themselves, and must not set another node.
 * Lock order: sysctl_set_lock, then whatever those take, then sysctl_list_lock.
 *
 * Not for values that a fast path reads through here: it reads the atomic to which sy_value points,
 * or a copy of its own, which sy_set writes. Read next: sysctl.h for the node; balance.c for
 * settings; stats.c for a set that does work (hw.intr.threads).
 */
#include <ithaca/sysctl.h>

#include <ithaca/errno.h>
#include <ithaca/mutex.h>
#include <ithaca/print.h>
#include <ithaca/string.h>

static struct mutex sysctl_list_lock;
static struct mutex sysctl_set_lock;
static struct sysctl *sysctl_first; /* (m) sysctl_list_lock, and so is sy_next */

void sysctl_init(void)
{
	mutex_init(&sysctl_list_lock, "sysctl list", IPL_NONE);
	mutex_init(&sysctl_set_lock, "sysctl set", IPL_NONE);
}

/* Lower-case words with digits and underscores, joined by single dots. */
static bool name_is_good(const char *name)
{
	bool word = false;

	for (; *name != '\0'; name++) {
		if (*name == '.') {
			if (!word)
				return false;
			word = false;
		} else if ((*name >= 'a' && *name <= 'z') || (*name >= '0' && *name <= '9') ||
		    *name == '_') {
			word = true;
		} else {
			return false;
		}
	}
	return word;
}

/* check_node - it is one of the three kinds, and whole. */
static void check_node(const struct sysctl *sy)
{
	unsigned kinds = (sy->sy_value != NULL) + (sy->sy_get != NULL) + (sy->sy_text != NULL);

	KASSERT(name_is_good(sy->sy_name), "sysctl \"%s\": no such form of name", sy->sy_name);
	KASSERT(kinds == 1, "sysctl %s has %u values", sy->sy_name, kinds);
	KASSERT(sy->sy_set == NULL || sy->sy_get != NULL, "sysctl %s: sy_set without sy_get",
	    sy->sy_name);
	KASSERT(sy->sy_changed == NULL || (sy->sy_value != NULL && sy->sy_max != 0),
	    "sysctl %s: sy_changed of what is no setting", sy->sy_name);
	KASSERT(sy->sy_min <= sy->sy_max, "sysctl %s: limits", sy->sy_name);
}

static int register_one(struct sysctl *sy)
{
	struct sysctl **at;
	int order = 1;

	check_node(sy);
	mutex_enter(&sysctl_list_lock);
	for (at = &sysctl_first; *at != NULL; at = &(*at)->sy_next) {
		order = strcmp((*at)->sy_name, sy->sy_name);
		if (order >= 0)
			break;
	}
	if (*at != NULL && order == 0) {
		mutex_exit(&sysctl_list_lock);
		return EEXIST;
	}
	sy->sy_next = *at;
	*at = sy;
	mutex_exit(&sysctl_list_lock);
	return 0;
}

int sysctl_register(struct sysctl *nodes, unsigned n)
{
	int error = 0;

	for (unsigned i = 0; error == 0 && i < n; i++)
		error = register_one(&nodes[i]);
	return error;
}

void sysctl_publish(struct sysctl *nodes, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (register_one(&nodes[i]) != 0)
			panic("sysctl %s: the name is taken", nodes[i].sy_name);
}

struct sysctl *sysctl_find(const char *name)
{
	struct sysctl *sy;

	mutex_enter(&sysctl_list_lock);
	for (sy = sysctl_first; sy != NULL; sy = sy->sy_next) {
		if (strcmp(sy->sy_name, name) == 0)
			break;
	}
	mutex_exit(&sysctl_list_lock);
	return sy;
}

uint64_t sysctl_number(struct sysctl *sy)
{
	KASSERT(sy->sy_text == NULL, "sysctl %s is a text", sy->sy_name);
	if (sy->sy_get != NULL)
		return sy->sy_get(sy);
	/* Relaxed: sysctl.h. */
	return atomic_load_explicit(sy->sy_value, memory_order_relaxed);
}

int sysctl_read(const char *name, char *buf, size_t size)
{
	struct sysctl *sy = sysctl_find(name);

	if (sy == NULL)
		return ENOENT;
	if (sy->sy_text != NULL) {
		sy->sy_text(sy, buf, size);
		return 0;
	}
	ksnprintf(buf, size, "%llu", (unsigned long long)sysctl_number(sy));
	return 0;
}

static bool within_limits(const struct sysctl *sy, uint64_t value)
{
	if (value == 0 && sy->sy_or_zero)
		return true;
	return sy->sy_max == 0 || (value >= sy->sy_min && value <= sy->sy_max);
}

static int set(struct sysctl *sy, uint64_t value)
{
	if (sy->sy_set != NULL)
		return sy->sy_set(sy, value);
	/* Relaxed: sysctl.h. */
	atomic_store_explicit(sy->sy_value, value, memory_order_relaxed);
	if (sy->sy_changed != NULL)
		sy->sy_changed();
	return 0;
}

int sysctl_write(const char *name, const char *text)
{
	struct sysctl *sy = sysctl_find(name);
	uint64_t value;
	int error;

	if (sy == NULL)
		return ENOENT;
	if (sy->sy_set == NULL && (sy->sy_value == NULL || sy->sy_max == 0))
		return EPERM;
	error = kstrtou64(text, &value);
	if (error != 0)
		return error;
	if (!within_limits(sy, value))
		return ERANGE;
	mutex_enter(&sysctl_set_lock);
	error = set(sy, value);
	mutex_exit(&sysctl_set_lock);
	return error;
}

void sysctl_each(void (*fn)(struct sysctl *sy, void *arg), void *arg)
{
	struct sysctl *sy;

	mutex_enter(&sysctl_list_lock);
	sy = sysctl_first;
	mutex_exit(&sysctl_list_lock);
	while (sy != NULL) {
		fn(sy, arg);
		mutex_enter(&sysctl_list_lock);
		sy = sy->sy_next;
		mutex_exit(&sysctl_list_lock);
	}
}
