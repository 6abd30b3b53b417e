/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * condvar.c - the example of condvar(9), which shows it: a receiver whose thread function queues
 * packets for readers that wait, for a time or for good. Compiled and run by
 * tests/unit/t_examples_wait.c.
 */
#include <ithaca/clock.h>
#include <ithaca/condvar.h>
#include <ithaca/errno.h>
#include <ithaca/intr.h>
#include <ithaca/mutex.h>
#include <ithaca/sleepq.h>

#define RX_QUEUE 8u

struct rx {
	struct intr_handler *rx_ih;
	struct mutex rx_lock;         /* at IPL_NET: what follows */
	struct condvar rx_some;       /* a packet is there, or the device is going */
	struct condvar rx_left;       /* a reader has left */
	uint32_t rx_packet[RX_QUEUE]; /* (rx_lock) */
	unsigned rx_head, rx_tail;    /* (rx_lock) */
	unsigned rx_lost;             /* (rx_lock) */
	unsigned rx_readers;          /* (rx_lock) in rx_read() */
	bool rx_going;                /* (rx_lock) */
};

/* The chip: the next packet, if any; when there is none left the interrupt is quiet. */
static bool rx_chip_take(struct rx *rx, uint32_t *packet);

static bool rx_thread(void *arg)
{
	struct rx *rx = arg;
	bool mine = false;
	uint32_t packet;

	mutex_enter(&rx->rx_lock);
	while (rx_chip_take(rx, &packet)) {
		mine = true;
		if (rx->rx_head - rx->rx_tail == RX_QUEUE) {
			rx->rx_lost++;
			continue;
		}
		rx->rx_packet[rx->rx_head++ % RX_QUEUE] = packet;
		cv_signal(&rx->rx_some); /* one packet, one reader */
	}
	mutex_exit(&rx->rx_lock);
	return mine;
}

/* rx_lock is held. */
static int rx_wait(struct rx *rx, uint64_t end_ns)
{
	uint64_t now_ns;

	if (end_ns == SLEEP_FOREVER) {
		cv_wait(&rx->rx_some, &rx->rx_lock);
		return 0;
	}
	now_ns = clock_ns(); /* again each time: it may have been woken for nothing */
	if (now_ns >= end_ns)
		return ETIMEDOUT;
	return cv_timedwait(&rx->rx_some, &rx->rx_lock, end_ns - now_ns);
}

/* Until `end_ns` of clock_ns(), or SLEEP_FOREVER. ETIMEDOUT; ENXIO: the device is going. */
static int rx_read(struct rx *rx, uint64_t end_ns, uint32_t *packet)
{
	int error = 0;

	mutex_enter(&rx->rx_lock);
	rx->rx_readers++;
	while (rx->rx_tail == rx->rx_head && !rx->rx_going && error == 0)
		error = rx_wait(rx, end_ns);
	if (rx->rx_tail != rx->rx_head) { /* first: it may have come as the time was up */
		*packet = rx->rx_packet[rx->rx_tail++ % RX_QUEUE];
		error = 0;
	} else if (rx->rx_going) {
		error = ENXIO;
	}
	rx->rx_readers--;
	cv_signal(&rx->rx_left);
	mutex_exit(&rx->rx_lock);
	return error;
}

static int rx_attach(struct rx *rx, struct intr_source *is)
{
	int error;

	mutex_init(&rx->rx_lock, "rx", IPL_NET);
	cv_init(&rx->rx_some, "rx packet");
	cv_init(&rx->rx_left, "rx readers");
	rx->rx_going = false;
	error = intr_establish(is, "rx", IPL_NET, 0, NULL, rx_thread, rx, &rx->rx_ih);
	if (error != 0) {
		cv_destroy(&rx->rx_left);
		cv_destroy(&rx->rx_some);
		mutex_destroy(&rx->rx_lock);
	}
	return error;
}

/* Nobody begins to read any more; who does so already is sent away. */
static void rx_detach(struct rx *rx)
{
	(void)intr_disestablish(rx->rx_ih);
	mutex_enter(&rx->rx_lock);
	rx->rx_going = true;
	cv_broadcast(&rx->rx_some);
	while (rx->rx_readers > 0)
		cv_wait(&rx->rx_left, &rx->rx_lock);
	mutex_exit(&rx->rx_lock);
	cv_destroy(&rx->rx_left);
	cv_destroy(&rx->rx_some);
	mutex_destroy(&rx->rx_lock);
}
