/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * uart.c - the 16550, split as the z8530tty drivers split theirs.
 *
 * The filter is all that runs in hard-interrupt context: it moves bytes between the chip's FIFOs
 * and two rings and says that there is work. What the work is (echo, editing, waking readers) is
 * the tty's, in the thread of a softint, under mutexes that block. So a slow reader, or an ithread
 * that waits for a lock, costs no byte: the ring takes 64 KiB, and when that is full the receiver's
 * interrupt is switched off and bytes wait in the chip (and, emulated, in the host) until the tty
 * has made room. That is back-pressure, and it is counted. Bytes are lost only when the chip itself
 * overruns; that is counted too.
 *
 * Contexts: the filter; threads (uart_recv, uart_send); and the kernel's messages, which come from
 * everywhere, even from under the scheduler's locks. For their sake the chip is under a bare spin
 * lock with interrupts off (spin.h) and not under a mutex at IPL_VM. Nothing is called while it is
 * held, so it comes last in every lock order. A panic takes no lock and polls.
 *
 * What it keeps true, under u_lock:
 * - the transmit interrupt is enabled while the transmit ring is not empty;
 * - the receive interrupt is disabled exactly while u_held or u_paced is set: u_held from when the
 *   ring was found full until the consumer has taken half of it, u_paced from when bytes came too
 *   fast until the consumer has found the ring empty;
 * - the interrupt is an edge on the ISA bus: a cause that comes while the line is up makes no
 *   second one. So the filter switches the chip's interrupts off while it works and on at its end:
 *   the line falls, and if there is still a cause, it rises, once.
 *
 *	CPU 0 (filter)				CPU 1 (uart_recv)
 *	ring full: u_held = true,
 *	receive interrupt off			takes bytes; sees u_held under the lock
 *						half empty: u_held = false, interrupt on
 *	the chip has bytes: a new edge  <------ (the chip makes it when it is enabled)
 *
 * Too fast is what no line of this speed could carry: then the chip is an emulated one, whose
 * sender waits as long as nobody reads. It would take a whole CPU at interrupt level, be held for a
 * storm by the core, and the console with it; paced, it gets no further than the tty's thread.
 *
 * It is not for: modem lines, other speeds, DMA. Read next: tty.c.
 */
#include "uart.h"

#include "bus/acpi.h"
#include "dev/ring.h"
#include "mem/kmem.h"
#include <ithaca/clock.h>
#include <ithaca/cpu.h>
#include <ithaca/errno.h>
#include <ithaca/intr.h>
#include <ithaca/machine.h>
#include <ithaca/print.h>
#include <ithaca/spin.h>
#include <stdatomic.h>

/* Registers (PC16550D data sheet, section 8). */
#define REG_DATA 0
#define REG_IER 1
#define IER_RX 0x01
#define IER_TX 0x02
#define IER_LINE 0x04
#define REG_IIR 2 /* read */
#define IIR_NONE 0x01
#define IIR_CAUSE 0x0f
#define IIR_RX 0x04 /* the FIFO is filled up to the trigger */
#define REG_FCR 2   /* write */
#define FCR_ENABLE 0x01
#define FCR_TRIGGER_8 0x80
#define REG_LCR 3
#define LCR_8N1 0x03
#define LCR_DIVISOR 0x80
#define REG_MCR 4
#define MCR_DTR 0x01
#define MCR_RTS 0x02
#define MCR_OUT2 0x08 /* lets the interrupt out, on a PC */
#define MCR_LOOP 0x10
#define REG_LSR 5
#define LSR_DATA 0x01
#define LSR_OVERRUN 0x02
#define LSR_PARITY 0x04
#define LSR_FRAMING 0x08
#define LSR_BREAK 0x10
#define LSR_THR_EMPTY 0x20
#define LSR_ALL_SENT 0x40
#define LSR_FIFO_BAD 0x80 /* something is wrong with a byte in the FIFO */
#define REG_MSR 6
#define REG_SCRATCH 7

#define FIFO_SIZE 16
#define TRIGGER 8                /* bytes in the FIFO that make an interrupt: FCR_TRIGGER_8 */
#define POLL_NS (20 * NS_PER_MS) /* how long a polled byte waits for the chip */

#define PACE_NS (10 * NS_PER_MS) /* see UART_PACE */

/* Locking key: (a) set once before it is shared; (u) u_lock; (~) atomic. */
struct uart {
	uint16_t u_port;           /* (a) */
	void (*u_notify)(void *);  /* (a) */
	void *u_arg;               /* (a) */
	struct intr_handler *u_ih; /* (a) */
	struct spin u_lock;
	uint8_t u_ier;        /* (u) what the register holds, but for a time in service() */
	bool u_held;          /* (u) receive interrupt off: the ring was full */
	bool u_paced;         /* (u) receive interrupt off: too fast, until the tty has taken all */
	uint64_t u_window_ns; /* (u) since when u_window bytes have come */
	unsigned u_window;
	_Atomic unsigned u_pace; /* (~) limit of u_window; 0: none */
	uint8_t u_bad;           /* (u) what is wrong with the byte that the chip has next: LSR_* */
	bool u_want;             /* (u) a sender waits for room */
	struct ring u_rx;        /* produced under (u); consumed by uart_recv()'s one caller */
	struct ring u_tx;        /* both sides under (u); a panic reads it */

	/* (~) written under (u), read by anyone */
	_Atomic uint64_t u_interrupts, u_stray, u_rx_count, u_tx_count;
	_Atomic uint64_t u_overruns, u_errors, u_ring_full, u_pauses, u_polled;
};

static struct uart *console; /* (a) where the kernel's messages go */

/* ---- The chip ---- */

static uint8_t get(const struct uart *u, unsigned reg)
{
	return machine_in8((uint16_t)(u->u_port + reg));
}

static void put(const struct uart *u, unsigned reg, uint8_t value)
{
	machine_out8((uint16_t)(u->u_port + reg), value);
}

/* enable - these interrupts too, from now on. (u) held, not in service(). */
static void enable(struct uart *u, uint8_t set)
{
	uint8_t ier = u->u_ier | set;

	if (ier != u->u_ier) {
		u->u_ier = ier;
		put(u, REG_IER, ier);
	}
}

/* status - the line status. Reading it clears its notes of an overrun and of what is wrong with the
 * next byte: the one is counted, the other kept for receive(). (u) held, or panicking. */
static uint8_t status(struct uart *u)
{
	uint8_t lsr = get(u, REG_LSR);

	if ((lsr & LSR_OVERRUN) != 0)
		port_stat_add(&u->u_overruns, 1);
	u->u_bad |= lsr & (LSR_PARITY | LSR_FRAMING | LSR_BREAK);
	return lsr;
}

/* receive_one - a byte goes to the ring, or away if something is wrong with it; false: no room, so
 * the receiver is held up. (u) held. */
static bool receive_one(struct uart *u)
{
	if (ring_room(&u->u_rx) == 0) {
		u->u_held = true;
		u->u_ier &= (uint8_t)~IER_RX;
		port_stat_add(&u->u_ring_full, 1);
		return false;
	}
	if (u->u_bad != 0) {
		u->u_bad = 0;
		get(u, REG_DATA);
		port_stat_add(&u->u_errors, 1);
		return true;
	}
	ring_put(&u->u_rx, (char)get(u, REG_DATA));
	port_stat_add(&u->u_rx_count, 1);
	return true;
}

/* receive - what the chip has goes to the ring, as far as it fits; returns how many bytes. `iir`
 * and `lsr` have just been read: if they say that the FIFO is filled up to the trigger and that
 * nothing in it is wrong, so many bytes need no look at the status each. (u) held. */
static unsigned receive(struct uart *u, uint8_t iir, uint8_t lsr)
{
	unsigned n = 0;

	if ((iir & IIR_CAUSE) == IIR_RX && (lsr & LSR_FIFO_BAD) == 0) {
		for (; n < TRIGGER; n++) {
			if (!receive_one(u))
				return n;
		}
		lsr = status(u);
	}
	for (; n < 2 * FIFO_SIZE && (lsr & LSR_DATA) != 0; n++, lsr = status(u)) {
		if (!receive_one(u))
			break;
	}
	return n;
}

/* pace - n more bytes have come, and the tty will be told: more than a line could carry? Then
 * nothing more until it has taken them. (u) held. */
static void pace(struct uart *u, unsigned n)
{
	uint64_t now = clock_ns();
	unsigned limit;

	if (now - u->u_window_ns > PACE_NS) {
		u->u_window_ns = now;
		u->u_window = 0;
	}
	u->u_window += n;
	limit = atomic_load_explicit(&u->u_pace, memory_order_relaxed);
	if (limit != 0 && u->u_window > limit && !u->u_paced) {
		u->u_paced = true;
		u->u_ier &= (uint8_t)~IER_RX;
		port_stat_add(&u->u_pauses, 1);
	}
}

/* transmit - fill the chip's empty FIFO from the ring. (u) held. */
static void transmit(struct uart *u)
{
	unsigned n = 0;
	char c;

	while (n < FIFO_SIZE && ring_get(&u->u_tx, &c)) {
		put(u, REG_DATA, (uint8_t)c);
		n++;
	}
	port_stat_add(&u->u_tx_count, n);
}

/* start - something is in the ring. If the transmitter is idle it gets the first bytes here and
 * now, and an interrupt is wanted for the rest only: what is typed is echoed without one. (u) held.
 */
static void start(struct uart *u)
{
	if ((u->u_ier & IER_TX) != 0)
		return;
	if ((status(u) & LSR_THR_EMPTY) != 0)
		transmit(u);
	if (ring_used(&u->u_tx) > 0)
		enable(u, IER_TX);
}

/* service - take what has arrived, fill an empty transmitter, once each. Returns whether the chip
 * had asked for it; *notify: the tty has something to do. (u) held. */
static bool service(struct uart *u, bool *notify)
{
	uint8_t iir = get(u, REG_IIR), lsr;
	unsigned n;

	if ((iir & IIR_NONE) != 0)
		return false;
	put(u, REG_IER, 0);
	lsr = status(u);
	if ((u->u_ier & IER_RX) != 0) {
		n = receive(u, iir, lsr);
		*notify = n > 0;
		if (n > 0)
			pace(u, n);
	}
	if ((lsr & LSR_THR_EMPTY) != 0) {
		transmit(u);
		if (ring_used(&u->u_tx) == 0)
			u->u_ier &= (uint8_t)~IER_TX;
	}
	put(u, REG_IER, u->u_ier);
	if (u->u_want && ring_used(&u->u_tx) <= UART_TX_RING / 2) {
		u->u_want = false;
		*notify = true;
	}
	return true;
}

static unsigned uart_filter(void *arg)
{
	struct uart *u = arg;
	bool notify = false, mine;

	spin_lock(&u->u_lock);
	mine = service(u, &notify);
	port_stat_add(mine ? &u->u_interrupts : &u->u_stray, 1);
	spin_unlock(&u->u_lock);
	if (notify)
		u->u_notify(u->u_arg);
	return mine ? FILTER_HANDLED : FILTER_STRAY;
}

/* ---- The kernel's messages ---- */

/* send_polled - the oldest bytes of the ring go out now, up to a FIFO's worth; those that a dead
 * chip does not take in time are dropped. (u) held, or panicking. */
static void send_polled(struct uart *u)
{
	uint64_t begun = clock_ns();
	char c;

	while ((status(u) & LSR_THR_EMPTY) == 0) {
		if (clock_ns() - begun > POLL_NS)
			break;
		port_pause();
	}
	for (unsigned n = 0; n < FIFO_SIZE && ring_get(&u->u_tx, &c); n++) {
		put(u, REG_DATA, (uint8_t)c);
		port_stat_add(&u->u_polled, 1);
	}
}

static void console_put(struct uart *u, char c)
{
	if (ring_room(&u->u_tx) == 0)
		send_polled(u);
	ring_put(&u->u_tx, c);
}

/* uart_console - behind kprintf(): any context. Ordered with what ttys send; in a panic at once. */
static void uart_console(const char *text, size_t len)
{
	struct uart *u = console;
	bool polled = panicking(), on = false;

	if (!polled) {
		on = port_intr_disable();
		spin_lock(&u->u_lock);
	}
	for (; len > 0; text++, len--) {
		if (*text == '\n')
			console_put(u, '\r');
		console_put(u, *text);
	}
	while (polled && ring_used(&u->u_tx) > 0)
		send_polled(u);
	if (!polled) {
		start(u);
		spin_unlock(&u->u_lock);
		port_intr_restore(on);
	}
}

/* ---- For the tty ---- */

size_t uart_recv(struct uart *u, char *buf, size_t n)
{
	size_t got = 0;
	bool on;

	while (got < n && ring_get(&u->u_rx, &buf[got]))
		got++;
	on = port_intr_disable();
	spin_lock(&u->u_lock);
	if (u->u_held && ring_used(&u->u_rx) <= UART_RX_RING / 2)
		u->u_held = false;
	if (u->u_paced && got == 0)
		u->u_paced = false;
	if (!u->u_held && !u->u_paced)
		enable(u, IER_RX);
	spin_unlock(&u->u_lock);
	port_intr_restore(on);
	return got;
}

size_t uart_send(struct uart *u, const char *buf, size_t n)
{
	size_t sent = 0;
	bool on = port_intr_disable();

	spin_lock(&u->u_lock);
	while (sent < n && ring_put(&u->u_tx, buf[sent]))
		sent++;
	if (sent < n)
		u->u_want = true;
	start(u);
	spin_unlock(&u->u_lock);
	port_intr_restore(on);
	return sent;
}

bool uart_idle(struct uart *u)
{
	bool on = port_intr_disable(), idle;

	spin_lock(&u->u_lock);
	idle = ring_used(&u->u_tx) == 0 && (status(u) & LSR_ALL_SENT) != 0;
	spin_unlock(&u->u_lock);
	port_intr_restore(on);
	return idle;
}

void uart_set_pace(struct uart *u, unsigned bytes)
{
	atomic_store_explicit(&u->u_pace, bytes, memory_order_relaxed);
}

unsigned uart_pace(struct uart *u)
{
	return atomic_load_explicit(&u->u_pace, memory_order_relaxed);
}

void uart_counts(struct uart *u, struct uart_counts *out)
{
	out->uc_interrupts = atomic_load_explicit(&u->u_interrupts, memory_order_relaxed);
	out->uc_stray = atomic_load_explicit(&u->u_stray, memory_order_relaxed);
	out->uc_rx = atomic_load_explicit(&u->u_rx_count, memory_order_relaxed);
	out->uc_tx = atomic_load_explicit(&u->u_tx_count, memory_order_relaxed);
	out->uc_overruns = atomic_load_explicit(&u->u_overruns, memory_order_relaxed);
	out->uc_errors = atomic_load_explicit(&u->u_errors, memory_order_relaxed);
	out->uc_ring_full = atomic_load_explicit(&u->u_ring_full, memory_order_relaxed);
	out->uc_pauses = atomic_load_explicit(&u->u_pauses, memory_order_relaxed);
	out->uc_polled = atomic_load_explicit(&u->u_polled, memory_order_relaxed);
}

/* ---- Attach ---- */

/* probe - is there a 16550? A scratch register that keeps what is written, modem lines that answer
 * in loopback, and a FIFO that can be switched on. Nothing goes out on the line. */
static bool probe(const struct uart *u)
{
	bool there;

	put(u, REG_SCRATCH, 0x5a);
	there = get(u, REG_SCRATCH) == 0x5a;
	put(u, REG_SCRATCH, 0xa5);
	there = there && get(u, REG_SCRATCH) == 0xa5;
	put(u, REG_MCR, MCR_LOOP | MCR_RTS | MCR_OUT2);
	there = there && (get(u, REG_MSR) & 0xf0) == 0x90;
	put(u, REG_MCR, MCR_DTR | MCR_RTS | MCR_OUT2);
	put(u, REG_FCR, FCR_ENABLE | FCR_TRIGGER_8);
	return there && (get(u, REG_IIR) & 0xc0) == 0xc0;
}

static void program(struct uart *u)
{
	put(u, REG_IER, 0);
	put(u, REG_LCR, LCR_8N1 | LCR_DIVISOR);
	put(u, REG_DATA, 1); /* 115,200 */
	put(u, REG_IER, 0);
	put(u, REG_LCR, LCR_8N1);
	put(u, REG_FCR, FCR_ENABLE | FCR_TRIGGER_8);
	put(u, REG_MCR, MCR_DTR | MCR_RTS | MCR_OUT2);
}

static void uart_free(struct uart *u)
{
	kmem_free(u->u_rx.r_buf, UART_RX_RING);
	kmem_free(u->u_tx.r_buf, UART_TX_RING);
	kmem_free(u, sizeof(*u));
}

static struct uart *uart_alloc(void)
{
	struct uart *u = kmem_alloc(sizeof(*u));
	char *rx, *tx;

	if (u == NULL)
		return NULL;
	rx = kmem_alloc(UART_RX_RING);
	tx = kmem_alloc(UART_TX_RING);
	ring_init(&u->u_rx, rx, UART_RX_RING);
	ring_init(&u->u_tx, tx, UART_TX_RING);
	if (rx == NULL || tx == NULL) {
		uart_free(u);
		return NULL;
	}
	spin_init(&u->u_lock);
	atomic_init(&u->u_pace, UART_PACE);
	return u;
}

/* claim - the chip's interrupt, with our filter on it. */
static int claim(struct uart *u, unsigned irq)
{
	enum intr_trigger trigger;
	struct intr_source *is;
	bool active_low;
	uint32_t gsi;
	int error;

	error = acpi_isa_line(irq, &gsi, &trigger, &active_low);
	if (error == 0)
		error = machine_line_source(gsi, trigger, active_low, &is);
	if (error == 0)
		error = intr_establish(is, "uart0", IPL_VM, 0, uart_filter, NULL, u, &u->u_ih);
	return error;
}

/* go - the chip's interrupts on, and the console ours. */
static void go(struct uart *u)
{
	bool on = port_intr_disable();

	spin_lock(&u->u_lock);
	enable(u, IER_RX | IER_LINE);
	spin_unlock(&u->u_lock);
	port_intr_restore(on);
	console = u;
	machine_console_hook(uart_console);
}

int uart_attach(uint16_t port, unsigned irq, void (*notify)(void *arg), void *arg,
    struct uart **out)
{
	struct uart *u = uart_alloc();
	int error;

	if (u == NULL)
		return ENOMEM;
	u->u_port = port;
	u->u_notify = notify;
	u->u_arg = arg;
	if (!probe(u)) {
		kprintf("uart0: no 16550 at port 0x%x\n", port);
		uart_free(u);
		return ENXIO;
	}
	program(u);
	error = claim(u, irq);
	if (error != 0) {
		kprintf("uart0: ISA interrupt %u: %s\n", irq, errno_name(error));
		uart_free(u);
		return error;
	}
	*out = u;
	go(u);
	return 0;
}
