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
 * - sysctl_set_lock makes sets one at a time; a node's sy_set needs no lock against itself, and
 *   must not set another node.
 * Lock order: sysctl_set_lock, then whatever sy_set takes, then sysctl_list_lock.
 *
 * Not for values that a fast path reads through here: it keeps its own copy, which sy_set writes.
 * Read next: sysctl.h for the node; stats.c for a set that does work (hw.intr.threads).
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

int sysctl_register(struct sysctl *sy)
{
	struct sysctl **at;
	int order = 1;

	KASSERT(name_is_good(sy->sy_name), "sysctl \"%s\": no such form of name", sy->sy_name);
	KASSERT(sy->sy_text != NULL || sy->sy_get != NULL || sy->sy_value != NULL,
	    "sysctl %s has no value", sy->sy_name);
	KASSERT(sy->sy_min <= sy->sy_max, "sysctl %s: limits", sy->sy_name);
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

void sysctl_publish(struct sysctl *nodes, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (sysctl_register(&nodes[i]) != 0)
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

int sysctl_read(const char *name, char *buf, size_t size)
{
	struct sysctl *sy = sysctl_find(name);
	uint64_t value;

	if (sy == NULL)
		return ENOENT;
	if (sy->sy_text != NULL) {
		sy->sy_text(sy, buf, size);
		return 0;
	}
	value = sy->sy_get != NULL ? sy->sy_get(sy) : *sy->sy_value;
	ksnprintf(buf, size, "%llu", (unsigned long long)value);
	return 0;
}

int sysctl_write(const char *name, const char *text)
{
	struct sysctl *sy = sysctl_find(name);
	uint64_t value;
	int error;

	if (sy == NULL)
		return ENOENT;
	if (sy->sy_set == NULL)
		return EPERM;
	error = kstrtou64(text, &value);
	if (error != 0)
		return error;
	if ((sy->sy_min != 0 || sy->sy_max != 0) && (value < sy->sy_min || value > sy->sy_max))
		return ERANGE;
	mutex_enter(&sysctl_set_lock);
	error = sy->sy_set(sy, value);
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
