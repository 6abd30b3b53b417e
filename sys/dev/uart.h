/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * uart.h - the 16550 at an I/O port: bytes out of the chip into a ring, and the other way.
 *
 * It knows no lines, no echo and no reader: whoever attaches it (tty.c) is told, from the filter,
 * that there is something to do. Overruns and errors are counted, never silent.
 */
#ifndef SYS_DEV_UART_H
#define SYS_DEV_UART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UART_RX_RING 65536 /* bytes */
#define UART_TX_RING 32768

/* Bytes in 10 ms above which the receiver pauses until the tty has taken what came: over twice what
 * the line carries (115), so only an emulated chip gets there. */
#define UART_PACE 256
#define UART_PACE_MAX 65536

struct uart;

/* Since attach; each only grows. */
struct uart_counts {
	uint64_t uc_interrupts; /* calls of the filter that found something */
	uint64_t uc_stray;      /* calls that found nothing */
	uint64_t uc_rx;         /* bytes out of the chip into the ring */
	uint64_t uc_tx;         /* bytes out of the ring into the chip */
	uint64_t uc_overruns;   /* times that the chip lost bytes */
	uint64_t uc_errors;     /* bytes thrown away: parity, framing, break */
	uint64_t uc_ring_full;  /* times that the receiver was held up because the ring was full */
	uint64_t uc_pauses;     /* times that it was held up because bytes came too fast */
	uint64_t uc_polled;     /* bytes that the console sent by polling */
};

/*
 * uart_attach - probe the chip at `port`, claim ISA interrupt `irq`, and start: 115,200 bits a
 * second, 8n1. `notify(arg)` is called in hard-interrupt context when bytes have arrived, and when
 * half the transmit ring is free after uart_send() took less than it was given. From here on the
 * kernel's messages go out through the transmit ring as well.
 * Thread context; may block. ENXIO: no such chip (said on the console). ENOMEM; what
 * machine_line_source() and intr_establish() answer. There is no detach: it is the console.
 */
int uart_attach(uint16_t port, unsigned irq, void (*notify)(void *arg), void *arg,
    struct uart **out);

/* uart_recv - take up to n bytes that have arrived; returns how many. One caller at a time. Thread
 * context; never blocks. Lets the chip's receiver go on if it was held up. */
size_t uart_recv(struct uart *u, char *buf, size_t n);

/* uart_send - queue as many of the n bytes as there is room for; returns how many. Any context;
 * never blocks. If it is less than n, `notify` will be called when there is room. */
size_t uart_send(struct uart *u, const char *buf, size_t n);

/* uart_idle - all that was sent has left the chip. Any context. */
bool uart_idle(struct uart *u);

/* uart_set_pace - another limit instead of UART_PACE; 0: none. uart_pace - the limit. Any
 * context. */
void uart_set_pace(struct uart *u, unsigned bytes);
unsigned uart_pace(struct uart *u);

/* uart_counts - copy the counts. Any context. */
void uart_counts(struct uart *u, struct uart_counts *out);

#endif
