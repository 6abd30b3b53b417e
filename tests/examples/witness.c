/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * witness.c - the example of witness(9), which shows it: a mirror of disks, whose requests move
 * from one disk's queue to another's under both mutexes. Compiled and run by
 * tests/unit/t_examples.c.
 */
#include <ithaca/mutex.h>

struct disk {
	struct mutex d_lock; /* IPL_BIO; two of them: in the order of their addresses */
	unsigned d_queued;   /* (d_lock) */
};

static void disk_attach(struct disk *d, unsigned queued)
{
	mutex_init(&d->d_lock, "disk", IPL_BIO); /* one class for all disks */
	d->d_queued = queued;
}

static bool disk_take(struct disk *from, struct disk *to)
{
	if (from->d_queued == 0)
		return false;
	from->d_queued--;
	to->d_queued++;
	return true;
}

/* Right: whichever way a request moves, the mutexes are entered in one order. */
static bool disk_move(struct disk *from, struct disk *to)
{
	struct disk *first = from < to ? from : to, *second = from < to ? to : from;
	bool moved;

	mutex_enter(&first->d_lock);
	mutex_enter(&second->d_lock);
	moved = disk_take(from, to);
	mutex_exit(&second->d_lock);
	mutex_exit(&first->d_lock);
	return moved;
}

/*
 * Wrong: two CPUs that move requests between two disks, each the other way, may wait for each other
 * for ever. It need not happen to be seen: one CPU that moves one request each way is enough.
 */
static bool disk_move_wrong(struct disk *from, struct disk *to)
{
	bool moved;

	mutex_enter(&from->d_lock);
	mutex_enter(&to->d_lock);
	moved = disk_take(from, to);
	mutex_exit(&to->d_lock);
	mutex_exit(&from->d_lock);
	return moved;
}
