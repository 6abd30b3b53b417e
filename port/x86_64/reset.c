/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reset.c - the polled console, and the end: power off, restart, die.
 *
 * Contexts: any. Lock: the console's own, a leaf, held with interrupts off while characters go
 * out; a panic does not wait for it for ever, since its holder may have been stopped. Once a driver
 * has taken the chip over (machine_console_hook()), everything goes through it and the chip is not
 * touched here any more.
 *
 * Not for: input, buffering, waiting for room (sys/dev/tty.c). Read trap.c before it, sys/main.c
 * next.
 */
#include "x86.h"

#include <ithaca/machine.h>
#include <ithaca/print.h>
#include <stdatomic.h>

#define COM1 0x3f8
#define UART_THR 0 /* and divisor, low half */
#define UART_IER 1 /* and divisor, high half */
#define UART_FCR 2
#define UART_LCR 3
#define UART_MCR 4
#define UART_LSR 5
#define LSR_THRE 0x20
#define CHAR_SPINS 100000  /* many times what a character takes at 115200 baud */
#define LOCK_SPINS 1000000 /* of a panic, until it breaks the lock */

#define EXIT_PORT 0xf4 /* QEMU's isa-debug-exit; nothing on other machines */
#define EXIT_OK 0x10
#define EXIT_FAIL 0x11
#define EXIT_PANIC 0x12
#define PM1_SLP_EN 0x2000

static _Atomic bool console_held; /* (~) acquire to take, release to give back */
static bool console_ready;        /* console_held */
static uint16_t pm1a_port;        /* (a) 0: unknown */
static uint16_t pm1a_type;        /* (a) */

typedef void console_write_t(const char *text, size_t len);
static console_write_t *_Atomic console_driver; /* (~) NULL: polled here */

/* ---- Console ---- */

void machine_console_hook(console_write_t *write)
{
	/* Release: pairs with the load in port_console_write(). */
	atomic_store_explicit(&console_driver, write, memory_order_release);
}

static bool console_enter(void)
{
	bool on = port_intr_disable();

	/* Acquire: pairs with the release store in console_leave(). */
	for (unsigned n = 0; atomic_exchange_explicit(&console_held, true, memory_order_acquire);
	     n++) {
		if (panicking() && n >= LOCK_SPINS)
			break;
		port_pause();
	}
	return on;
}

static void console_leave(bool on)
{
	atomic_store_explicit(&console_held, false, memory_order_release);
	port_intr_restore(on);
}

/* 115200 baud, 8 bits, no parity, no interrupts. */
static void console_init(void)
{
	outb(COM1 + UART_IER, 0);
	outb(COM1 + UART_LCR, 0x80);
	outb(COM1 + UART_THR, 1);
	outb(COM1 + UART_IER, 0);
	outb(COM1 + UART_LCR, 0x03);
	outb(COM1 + UART_FCR, 0x07);
	outb(COM1 + UART_MCR, 0x0b);
	console_ready = true;
}

/* A chip that is not there, or stuck, costs a while a character, but does not stop us. */
static void console_putc(char c)
{
	for (unsigned n = 0; n < CHAR_SPINS; n++) {
		if ((inb(COM1 + UART_LSR) & LSR_THRE) != 0)
			break;
	}
	outb(COM1 + UART_THR, (uint8_t)c);
}

void port_console_write(const char *text, size_t len)
{
	/* Acquire: pairs with the store in machine_console_hook(). */
	console_write_t *driver = atomic_load_explicit(&console_driver, memory_order_acquire);
	bool on;

	if (driver != NULL) {
		driver(text, len);
		return;
	}
	on = console_enter();
	if (!console_ready)
		console_init();
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\n')
			console_putc('\r');
		console_putc(text[i]);
	}
	console_leave(on);
}

/* ---- The end ---- */

void machine_set_poweroff(uint16_t port, uint16_t slp_typ)
{
	pm1a_type = slp_typ;
	pm1a_port = port;
}

static void acpi_off(void)
{
	if (pm1a_port != 0)
		outw(pm1a_port, (uint16_t)((pm1a_type & 7) << 10 | PM1_SLP_EN));
}

/* The write takes effect a little later: not so much later as to fall through. */
static void settle(void)
{
	for (unsigned n = 0; n < 100000000; n++)
		port_pause();
}

void machine_poweroff(int status)
{
	port_intr_disable();
	outb(EXIT_PORT, status == 0 ? EXIT_OK : EXIT_FAIL);
	acpi_off();
	settle();
	port_stop_others();
	kprintf("The machine does not power off by itself: it is halted, you may.\n");
	halt_forever();
}

void machine_reboot(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) none = {0, 0};

	port_intr_disable();
	outb(0xcf9, 0x02);
	outb(0xcf9, 0x06); /* the chipset's reset control */
	settle();
	outb(0x64, 0xfe); /* the keyboard controller's */
	settle();
	__asm__ volatile("lidt %0; int3" : : "m"(none)); /* a fault with no way to take it */
	halt_forever();
}

void port_die(void)
{
	port_intr_disable();
	outb(EXIT_PORT, EXIT_PANIC);
	halt_forever();
}
