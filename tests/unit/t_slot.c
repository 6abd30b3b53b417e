/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_slot.c - slots (sys/dev/pcieslot.c, sys/bus/pci_slot.c) whose cards come, go and are torn out,
 * and slots that lie.
 *
 * The port is at 00:06.0, its card at 01:00.0 with a BAR of 128 KiB; the test puts it in and tears
 * it out. A write of control is done at once; power, link and presence follow one another as in
 * hardware, unless the test bends them. What else pcieslot.c wants of the system is here too: the
 * port's interrupt, and drivers that take the card. Read next: pcieslot.c.
 */
#include "fake_pci.h"

#include "../../sys/bus/pci_plug.h"
#include "../../sys/bus/pci_slot.h"
#include "../../sys/dev/device.h"
#include "../../sys/dev/pcieslot.h"

#include <ithaca/clock.h>
#include <ithaca/errno.h>
#include <ithaca/lwp.h>
#include <ithaca/sleepq.h>
#include <ithaca/sysctl.h>
#include <sim/sim.h>

#define PORT_EXPRESS 0x54u
#define PORT_MEMORY 0xfe000000u /* two MiB from here */
#define CARD_BAR 0x20000u

#define REG_FLAGS (PORT_EXPRESS + 0x02)
#define REG_LINK_CAPS (PORT_EXPRESS + 0x0c)
#define REG_LINK (PORT_EXPRESS + 0x12)
#define REG_CAPS (PORT_EXPRESS + 0x14)
#define REG_CONTROL (PORT_EXPRESS + 0x18)
#define REG_STATUS (PORT_EXPRESS + 0x1a)

#define LINK_ACTIVE 0x2000u
#define PRESENT 0x0040u
#define POWER_OFF 0x0400u

static struct fake *port, *card;
static struct sim_line *port_line;
static bool link_dead;          /* never comes up */
static bool deaf;               /* does not tell that a command is done */
static unsigned commands;       /* writes of control */
static uint32_t forever;        /* events that come back whenever they are taken */
static unsigned come, gone;     /* calls of the drivers' side */
static void (*come_hook)(void); /* in the midst of the first */

static uint16_t get16(struct fake *f, unsigned reg)
{
	uint16_t value;

	memcpy(&value, f->reg + reg, 2);
	return value;
}

static uint16_t enabled(void)
{
	uint16_t control = get16(port, REG_CONTROL);

	if ((control & 0x20) == 0)
		return 0;
	return (control & 0x1f) | ((control & 0x1000) != 0 ? SLOT_LINK : 0);
}

/* Events: the port interrupts if none that is enabled was there before. */
static void port_event(uint16_t events)
{
	uint16_t before = get16(port, REG_STATUS);

	put(port, REG_STATUS, before | events, 2);
	if ((before & enabled()) == 0 && (events & enabled()) != 0)
		sim_line_raise(port_line);
}

/* What power and presence make of the link and the card. */
static void card_follow(void)
{
	bool on =
	    (get16(port, REG_STATUS) & PRESENT) != 0 && (get16(port, REG_CONTROL) & POWER_OFF) == 0;
	uint16_t was = get16(port, REG_LINK), is = on && !link_dead ? LINK_ACTIVE : 0;

	if (card->hidden != !on && !on) {
		memset(card->reg + PCI_BAR0, 0, 4 * PCI_BARS);
		put(card, PCI_COMMAND, 0, 2);
	}
	card->hidden = !on || link_dead;
	put(port, REG_LINK, is, 2);
	if (was != is)
		port_event(SLOT_LINK);
}

static bool port_write(struct fake *f, unsigned reg, unsigned width, uint32_t value)
{
	if (reg == REG_STATUS) {
		CHECK_EQ(width, 2);
		put(f, reg, (get16(f, reg) & ~(value & SLOT_EVENTS)) | forever, 2);
		return true;
	}
	if (reg != REG_CONTROL)
		return false;
	CHECK_EQ(width, 2);
	commands++;
	put(f, reg, value, 2);
	card_follow();
	if (!deaf)
		port_event(SLOT_COMMAND);
	return true;
}

/* ---- What the test does to it ---- */

static void card_in(void)
{
	put(port, REG_STATUS, get16(port, REG_STATUS) | PRESENT, 2);
	card_follow();
	port_event(SLOT_PRESENCE);
}

static void card_out(void)
{
	put(port, REG_STATUS, get16(port, REG_STATUS) & (uint16_t)~PRESENT, 2);
	card_follow();
	port_event(SLOT_PRESENCE);
}

/* ---- What the driver finds ---- */

int pci_intr_alloc(struct pci_dev *pd, unsigned kinds, unsigned want, struct intr_source **sources,
    unsigned *got, unsigned *kind)
{
	(void)pd;
	CHECK(want >= 1 && kinds != 0);
	port_line = sim_line_create("port", INTR_MESSAGE, 0, 0);
	sources[0] = port_line->sl_source;
	*got = 1;
	*kind = PCI_INTR_MSI;
	return 0;
}

void pci_intr_free(struct pci_dev *pd)
{
	(void)pd;
	CHECK_EQ(sim_line_destroy(port_line), 0);
	port_line = NULL;
}

static bool each_count(struct pci_dev *pd, void *arg)
{
	if (pd->pd_bridge != NULL)
		++*(unsigned *)arg;
	return true;
}

int device_card_come(struct pci_dev *pd, unsigned *count)
{
	int error;

	if (++come == 1 && come_hook != NULL)
		come_hook();
	error = pci_rescan(pd);
	if (error == 0)
		(void)pci_assign(pd);
	pci_each(each_count, count);
	return error;
}

static bool each_remove(struct pci_dev *pd, void *arg)
{
	if (pci_below(pd, arg))
		pci_remove(pd);
	return true;
}

unsigned device_card_go(struct pci_dev *pd)
{
	unsigned count = 0;

	gone++;
	pci_each(each_count, &count);
	pci_each(each_remove, pd);
	return count;
}

/* ---- The start ---- */

static struct pci_access slot_access = {.pa_read = fake_read,
    .pa_write = fake_write,
    .pa_cookie = &slot_access,
    .pa_bus_last = 31,
    .pa_size = PCI_CONFIG_SIZE_EXT};

/* A port and a card that is not in it. `caps` are its slot's. */
static void slot_make(uint32_t caps)
{
	port = add_bridge(0, 6, 1, 1);
	port->reg[PCI_CAPS] = PORT_EXPRESS;
	cap(port, PORT_EXPRESS, PCI_CAP_EXPRESS, 0);
	put(port, REG_FLAGS, 0x0142, 2); /* version 2, root port, slot */
	put(port, REG_LINK_CAPS, 0x00100000, 4);
	put(port, REG_CAPS, caps, 4);
	put(port, 0x20, PORT_MEMORY >> 16, 2);
	put(port, 0x22, (PORT_MEMORY >> 16) + 0x10, 2);
	put(port, 0x24, 0xfff0, 2);
	port->write = port_write;
	card = add(1, 0, 0, 0x10c98086);
	bar(card, 0, 0, CARD_BAR, 0);
	card->hidden = true;
}

#define SLOT_CAPS_ALL (7u << 19 | 0x5bu) /* number 7; button, power, lamps, hot-plug */

/* It attached, as slot 7 at 00:06.0; what that answers. */
static int slot_start(void)
{
	CHECK_EQ(pci_scan(&slot_access), 0);
	CHECK(pcieslot_match(pci_at(0, 6, 0)));
	return pcieslot_attach(pci_at(0, 6, 0));
}

static struct pcieslot_info slot_seen;

static bool slot_see(const struct pcieslot_info *si, void *arg)
{
	(void)arg;
	slot_seen = *si;
	return true;
}

/* Until its state is `state`, and nothing is under way; at most `ns`. */
static void slot_wait(const char *state, uint64_t ns)
{
	uint64_t until = clock_ns() + ns;

	do {
		lwp_sleep_ns(NS_PER_MS);
		pcieslot_each(slot_see, NULL);
		CHECK(clock_ns() < until);
	} while (strcmp(slot_seen.si_state, state) != 0);
	lwp_sleep_ns(2 * NS_PER_S);
	pcieslot_each(slot_see, NULL);
	CHECK_STR(slot_seen.si_state, state);
}

/* ---- Cards that come and go ---- */

static void started(void)
{
	slot_make(SLOT_CAPS_ALL);
	CHECK_EQ(slot_start(), 0);
	slot_wait("off", NS_PER_S);
}

/* The card is in use, and has its address. */
static void check_in(void)
{
	struct pci_dev *pd = pci_at(1, 0, 0);

	CHECK(pd != NULL && pd->pd_bridge == pci_at(0, 6, 0));
	CHECK_EQ(pd->pd_bar[0].pb_base, PORT_MEMORY);
	CHECK(slot_seen.si_powered && slot_seen.si_linked && slot_seen.si_present);
	CHECK_EQ(get16(port, REG_CONTROL) & 0x7c0, 0x1c0); /* power, lamp on, no trouble */
}

static void check_out(void)
{
	CHECK(pci_at(1, 0, 0) == NULL);
	CHECK_EQ(get16(port, REG_CONTROL) & 0x7c0, 0x7c0); /* no power, both lamps off */
}

SIM_TEST(slot_card_comes_and_is_taken_out, 2, 20)
{
	started();
	CHECK_HAS(sim_console(), "slot 7 at 00:06.0: empty");
	check_out();
	for (unsigned i = 1; i <= 3; i++) {
		card_in();
		slot_wait("on", 10 * NS_PER_S);
		check_in();
		port_event(SLOT_BUTTON);
		slot_wait("off", 20 * NS_PER_S);
		check_out();
		CHECK_EQ(slot_seen.si_came, i);
		CHECK_EQ(slot_seen.si_went, i);
		card_out();
		lwp_sleep_ns(NS_PER_S);
	}
	CHECK_EQ(come, 3);
	CHECK_EQ(gone, 3);
	CHECK_EQ(slot_seen.si_pulled + slot_seen.si_failed, 0);
}

SIM_TEST(slot_card_stays_in_place_without_power, 1, 0)
{
	started();
	card_in();
	slot_wait("on", 10 * NS_PER_S);
	CHECK_EQ(pcieslot_button("00:06.0"), 0);
	slot_wait("off", 20 * NS_PER_S);
	check_out();
	/* Nobody drew it: only the button, or a card that comes, begins anew. */
	lwp_sleep_ns(10 * NS_PER_S);
	slot_wait("off", NS_PER_S);
	port_event(SLOT_BUTTON);
	slot_wait("on", 20 * NS_PER_S);
	check_in();
	CHECK_EQ(pcieslot_button("00:07.0"), ENXIO);
	CHECK_EQ(pcieslot_cut("00:07.0"), ENXIO);
}

/* A port may tell of a card that comes by both at once. */
SIM_TEST(slot_card_that_presses_the_button, 2, 20)
{
	started();
	for (unsigned i = 0; i < 2; i++) {
		put(port, REG_STATUS, get16(port, REG_STATUS) | PRESENT, 2);
		port_event(SLOT_PRESENCE | SLOT_BUTTON);
		lwp_sleep_ns(20 * NS_PER_S);
		slot_wait("on", NS_PER_S);
		check_in();
		CHECK_EQ(slot_seen.si_came, i + 1);
		card_out();
		slot_wait("off", 10 * NS_PER_S);
	}
}

SIM_TEST(slot_button_pressed_again, 2, 20)
{
	started();
	card_in();
	slot_wait("on", 10 * NS_PER_S);
	port_event(SLOT_BUTTON);
	slot_wait("going", NS_PER_S);
	CHECK_EQ(get16(port, REG_CONTROL) & 0x700, 0x200); /* power, lamp blinks */
	port_event(SLOT_BUTTON);
	slot_wait("on", NS_PER_S);
	lwp_sleep_ns(20 * NS_PER_S);
	check_in();
	CHECK_EQ(gone, 0);
	/* Empty: the button does nothing. */
	card_out();
	slot_wait("off", 10 * NS_PER_S);
	port_event(SLOT_BUTTON);
	slot_wait("off", NS_PER_S);
	CHECK_HAS(sim_console(), "button pressed, and the slot is empty");
}

SIM_TEST(slot_torn_out_before_the_button_is_over, 2, 20)
{
	started();
	card_in();
	slot_wait("on", 10 * NS_PER_S);
	port_event(SLOT_BUTTON);
	slot_wait("going", NS_PER_S);
	card_out();
	slot_wait("off", 10 * NS_PER_S);
	check_out();
	lwp_sleep_ns(20 * NS_PER_S);
	CHECK_EQ(slot_seen.si_pulled, 1);
	CHECK_EQ(slot_seen.si_went, 0);
	CHECK_EQ(gone, 1);
}

SIM_TEST(slot_torn_out, 2, 20)
{
	started();
	for (unsigned i = 1; i <= 3; i++) {
		card_in();
		slot_wait("on", 10 * NS_PER_S);
		card_out();
		slot_wait("off", 10 * NS_PER_S);
		check_out();
		CHECK_EQ(slot_seen.si_pulled, i);
	}
	CHECK_EQ(come, gone);
}

static void swap(void *arg)
{
	(void)arg;
	card_out();
	card_in();
}

/* Another card, of the same kind, in its place before anybody looked. */
SIM_TEST(slot_changed_between_two_looks, 1, 0)
{
	started();
	card_in();
	slot_wait("on", 10 * NS_PER_S);
	sim_at(1, swap, NULL);
	lwp_sleep_ns(10 * NS_PER_S);
	slot_wait("on", NS_PER_S);
	check_in();
	CHECK_EQ(slot_seen.si_pulled, 1);
	CHECK_EQ(slot_seen.si_came, 2);
	CHECK_HAS(sim_console(), "lost its power, or was changed");
}

SIM_TEST(slot_power_cut, 2, 20)
{
	started();
	card_in();
	slot_wait("on", 10 * NS_PER_S);
	CHECK_EQ(pcieslot_cut("00:06.0"), 0);
	lwp_sleep_ns(10 * NS_PER_S);
	/* It is still there: it comes again. */
	slot_wait("on", NS_PER_S);
	check_in();
	CHECK_EQ(slot_seen.si_pulled, 1);
	CHECK_EQ(slot_seen.si_came, 2);
}

SIM_TEST(slot_power_fails, 2, 20)
{
	started();
	card_in();
	slot_wait("on", 10 * NS_PER_S);
	port_event(SLOT_FAULT);
	slot_wait("failed", 10 * NS_PER_S);
	CHECK(pci_at(1, 0, 0) == NULL);
	CHECK_EQ(get16(port, REG_CONTROL) & 0x7c0, 0x740); /* no power, the lamp of trouble */
	CHECK_HAS(sim_console(), "slot 7 at 00:06.0: the power failed");
	port_event(SLOT_BUTTON);
	slot_wait("on", 20 * NS_PER_S);
	check_in();
}

/* ---- Slots and cards that lie ---- */

SIM_TEST(slot_link_never_comes_up, 2, 20)
{
	started();
	link_dead = true;
	card_in();
	slot_wait("failed", 10 * NS_PER_S);
	CHECK_HAS(sim_console(), "the card cannot be used: its link does not come up");
	CHECK_EQ(come, 0);
	card_out();
	slot_wait("off", 10 * NS_PER_S);
	check_out();
	link_dead = false;
	card_in();
	slot_wait("on", 10 * NS_PER_S);
	check_in();
	CHECK_EQ(slot_seen.si_failed, 1);
}

SIM_TEST(slot_card_never_answers, 1, 0)
{
	started();
	put(card, PCI_ID, 0xffff0001, 4); /* it is still at its reset, for ever */
	card_in();
	slot_wait("failed", 10 * NS_PER_S);
	CHECK_HAS(sim_console(), "the card cannot be used: it does not answer");
	CHECK_EQ(come, 0);
}

static void over_reset(void *arg)
{
	(void)arg;
	put(card, PCI_ID, 0x10c98086, 4);
}

SIM_TEST(slot_card_needs_time, 1, 0)
{
	started();
	put(card, PCI_ID, 0xffff0001, 4);
	sim_at(NS_PER_S, over_reset, NULL);
	card_in();
	slot_wait("on", 10 * NS_PER_S);
	check_in();
}

static void out_hook(void)
{
	card_out();
}

SIM_TEST(slot_card_vanishes_while_it_is_attached, 2, 20)
{
	started();
	come_hook = out_hook;
	card_in();
	lwp_sleep_ns(10 * NS_PER_S);
	slot_wait("off", NS_PER_S);
	check_out();
	CHECK_EQ(slot_seen.si_failed, 1);
	CHECK_HAS(sim_console(), "the card cannot be used");
	card_in();
	slot_wait("on", 10 * NS_PER_S);
	check_in();
}

SIM_TEST(slot_never_tells_that_a_command_is_done, 1, 0)
{
	slot_make(SLOT_CAPS_ALL);
	deaf = true;
	CHECK_EQ(slot_start(), 0);
	slot_wait("off", 10 * NS_PER_S);
	CHECK_HAS(sim_console(), "does not tell that a command is done");
	card_in();
	slot_wait("on", 2 * NS_PER_S); /* no wait for each of them */
	check_in();
}

SIM_TEST(slot_events_without_end, 1, 0)
{
	started();
	card_in();
	slot_wait("on", 10 * NS_PER_S);
	forever = SLOT_BUTTON;
	port_event(SLOT_LINK);
	lwp_sleep_ns(10 * NS_PER_S);
	CHECK_HAS(sim_console(), "slot 7 at 00:06.0: tells of events without end");
	CHECK_EQ(get16(port, REG_CONTROL) & 0x103f, 0);
}

SIM_TEST(slot_makes_no_sense, 1, 0)
{
	slot_make(SLOT_CAPS_ALL);
	put(port, REG_FLAGS, 0x0140, 2); /* version 0 */
	CHECK_EQ(slot_start(), EIO);
	CHECK_HAS(sim_console(), "pci 00:06.0: its slot makes no sense");
	CHECK(port_line == NULL && commands == 0);
}

SIM_TEST(slot_without_a_bus, 1, 0)
{
	slot_make(SLOT_CAPS_ALL);
	port->reg[PCI_SECONDARY] = 0;
	CHECK_EQ(slot_start(), EIO);
	CHECK_HAS(sim_console(), "bus 0");
}

SIM_TEST(slot_that_does_not_know_of_its_card, 1, 0)
{
	slot_make(SLOT_CAPS_ALL);
	card->hidden = false;
	CHECK_EQ(slot_start(), EOPNOTSUPP);
	CHECK_HAS(sim_console(), "slot 7 at 00:06.0: says that it is empty, and a card answers");
	CHECK(port_line == NULL && commands == 0);
	CHECK(pci_at(1, 0, 0) != NULL);
}

/* In its slot from the start, with what the firmware gave it. */
SIM_TEST(slot_card_from_the_start, 2, 20)
{
	slot_make(SLOT_CAPS_ALL);
	bar(card, 0, PORT_MEMORY + CARD_BAR, CARD_BAR, 0);
	card->hidden = false;
	put(port, REG_STATUS, PRESENT, 2);
	put(port, REG_LINK, LINK_ACTIVE, 2);
	CHECK_EQ(slot_start(), 0);
	CHECK_HAS(sim_console(), "slot 7 at 00:06.0: a card");
	lwp_sleep_ns(5 * NS_PER_S);
	slot_wait("on", NS_PER_S);
	CHECK_EQ(come + gone, 0);
	CHECK_EQ(pci_at(1, 0, 0)->pd_bar[0].pb_base, PORT_MEMORY + CARD_BAR);
	port_event(SLOT_BUTTON);
	slot_wait("off", 20 * NS_PER_S);
	check_out();
	port_event(SLOT_BUTTON);
	slot_wait("on", 20 * NS_PER_S);
	check_in();
}

SIM_TEST(slot_message_that_is_not_there, 1, 0)
{
	slot_make(SLOT_CAPS_ALL);
	put(port, REG_FLAGS, 0x0142 | 5u << 9, 2);
	CHECK_EQ(slot_start(), EIO);
	CHECK_HAS(sim_console(), "interrupts by message 5, and there are 1");
	CHECK(port_line == NULL);
}

SIM_TEST(slot_of_something_else, 1, 0)
{
	slot_make(SLOT_CAPS_ALL & ~0x40u); /* cards cannot come while it runs */
	CHECK_EQ(pci_scan(&slot_access), 0);
	CHECK(!pcieslot_match(pci_at(0, 6, 0)));
	put(port, REG_CAPS, SLOT_CAPS_ALL, 4);
	put(port, REG_FLAGS, 0x0002, 2); /* an endpoint */
	CHECK(!pcieslot_match(pci_at(0, 6, 0)));
	put(port, REG_FLAGS, 0x0042, 2); /* a port without a slot */
	CHECK(!pcieslot_match(pci_at(0, 6, 0)));
	put(port, REG_FLAGS, 0x0142, 2);
	CHECK(pcieslot_match(pci_at(0, 6, 0)));
	CHECK_EQ(commands, 0);
}

/* Without power switch, lamps and button; and without a word of the link or of commands. */
SIM_TEST(slot_with_nothing_but_hot_plug, 1, 0)
{
	slot_make(0x40u | 0x40000u);
	put(port, REG_LINK_CAPS, 0, 4);
	deaf = true;
	CHECK_EQ(slot_start(), 0);
	slot_wait("off", NS_PER_S);
	card_in();
	slot_wait("on", 10 * NS_PER_S);
	CHECK(pci_at(1, 0, 0) != NULL);
	CHECK_EQ(pcieslot_cut("00:06.0"), EOPNOTSUPP);
	CHECK_EQ(get16(port, REG_CONTROL) & 0x7c0, 0);
	card_out();
	slot_wait("off", 10 * NS_PER_S);
	CHECK(pci_at(1, 0, 0) == NULL);
	CHECK_EQ(get16(port, REG_CONTROL) & 0x7c0, 0);
}

/* What was listed before the memory was used up is listed no more. */
SIM_TEST(slot_without_memory_for_half_of_a_card, 1, 0)
{
	started();
	card->reg[PCI_HEADER] = 0x80;
	add(1, 0, 1, 0x10c98086);
	for (unsigned n = 1; n <= 3; n++) {
		sim_mem_fail(n);
		card_in();
		slot_wait("failed", 10 * NS_PER_S);
		CHECK(sim_mem_failed());
		CHECK(pci_at(1, 0, 0) == NULL && pci_at(1, 0, 1) == NULL);
		card_out();
		slot_wait("off", 10 * NS_PER_S);
	}
	card_in();
	slot_wait("on", 10 * NS_PER_S);
	CHECK(pci_at(1, 0, 0) != NULL && pci_at(1, 0, 1) != NULL);
}

SIM_TEST(slot_without_memory, 1, 0)
{
	slot_make(SLOT_CAPS_ALL);
	CHECK_EQ(pci_scan(&slot_access), 0);
	for (unsigned n = 1; n < 100; n++) {
		int error;

		sim_mem_fail(n);
		error = pcieslot_attach(pci_at(0, 6, 0));
		if (error == 0)
			break;
		CHECK(sim_mem_failed() && error == ENOMEM);
		CHECK(pci_at(0, 6, 0)->pd_driver == NULL);
	}
	CHECK(!sim_mem_failed());
	sim_mem_fail(0);
	slot_wait("off", NS_PER_S);
	/* The one allocation that listing the card needs first. */
	sim_mem_fail(1);
	card_in();
	slot_wait("failed", 10 * NS_PER_S);
	CHECK_HAS(sim_console(), "the card cannot be used: ENOMEM");
	port_event(SLOT_BUTTON);
	slot_wait("on", 20 * NS_PER_S);
	check_in();
}
