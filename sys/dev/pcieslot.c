/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pcieslot.c - cards that are put in, taken out or torn out while the system runs.
 *
 * A slot tells of four things by one interrupt of its port: a card came or went, its link did, the
 * button was pressed, and what was written to the slot's control has been done. Three threads
 * share the work, so that none waits for itself:
 *
 *	filter		takes the events out of the port and quiets it (pci_slot.c)
 *	handler		tells whoever waits for a command; leaves the rest to the worker
 *	worker		one of the lwps of a work queue, one at a time a slot: all that takes
 *			time, for up to seconds: power, link, drivers
 *
 * States; only the worker changes them:
 *
 *	          card came, or button ... time up         button
 *	   off --------------------------------> on ------------------> going
 *	    ^  \                              /  ^  \                     | time up
 *	    |   `-> failed: no link, no answer   |   `--- again ---------'|
 *	    |                                    `- (the card stays) -'   |
 *	    `------ card torn out, from any state, or taken out of use <--'
 *
 * ("coming" is to off what "going" is to on: the button was pressed, and may be pressed again.)
 *
 * Taken out: drivers let go first, in the midst of their work, then the power goes. Torn out: the
 * card is gone before anybody knows. The power is switched off at once, so that what is put in next
 * is not written to by the drivers of what was there; they let go of a function that reads as ones,
 * each wait of theirs being bounded. A card that was changed for another between two looks does
 * not hold the addresses that the one before was given (pci_kept()).
 *
 * An event may have come twice, or be older than what the worker has seen: so it looks at the slot
 * and believes that, and no event is lost that comes while it works, as its work is queued again. A
 * port that goes on telling of events is no longer listened to.
 *
 * Contexts: thread, may block; the filter: hard. Lock order: device_lock (device.c) is taken by the
 * worker with nothing held; ps_lock, slots_lock are leaves. Not for: latches and electromechanical
 * locks, slots behind a slot, ports that ACPI keeps for itself. Source: PCI Express Base
 * Specification 3.1, 6.7. Read next: pci_slot.c, pci_plug.c, device.c.
 */
#include "pcieslot.h"

#include "bus/pci.h"
#include "bus/pci_plug.h"
#include "bus/pci_slot.h"
#include "device.h"
#include <ithaca/callout.h>
#include <ithaca/clock.h>
#include <ithaca/condvar.h>
#include <ithaca/errno.h>
#include <ithaca/intr.h>
#include <ithaca/lwp.h>
#include <ithaca/mutex.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/sleepq.h>
#include <ithaca/string.h>
#include <ithaca/sysctl.h>
#include <ithaca/workqueue.h>

#define MESSAGES 32u /* that a port may have: sl_message has five bits */
#define LOOKS 64u    /* at events, before the port is not believed any more */
#define WORKERS 4u

#define COMMAND_NS NS_PER_S         /* 6.7.3.2 */
#define LINK_NS (2 * NS_PER_S)      /* for a link to come up */
#define LINKED_NS (100 * NS_PER_MS) /* then, before the first access (6.6.1) */
#define ANSWER_NS (2 * NS_PER_S)    /* for a function to be over its reset */
#define STEP_NS (10 * NS_PER_MS)

/* To be done, beside the SLOT_* events. */
#define TODO_LOOK 0x10000u
#define TODO_TIMER 0x20000u
#define TODO_CUT 0x40000u
#define TODO_LIAR 0x80000u
#define TODO_LISTEN 0x100000u

enum state { OFF, COMING, ON, GOING, FAILED, STATES };

static const char *const state_names[STATES] =
    {[OFF] = "off", [COMING] = "coming", [ON] = "on", [GOING] = "going", [FAILED] = "failed"};

/* Locking key: (a) set once before it is shared; (w) the worker's; (m) ps_lock; (s) slots_lock;
 * (~) atomic. */
struct pcieslot {
	struct list ps_all;      /* (s) */
	struct pci_slot ps_slot; /* (a) but for sl_tells: (w) */
	char ps_name[32];        /* (a) "slot 1 at 00:06.0" */
	struct intr_handler *ps_ih;
	struct work ps_work;
	struct callout ps_timer;
	_Atomic uint32_t ps_events; /* (~) release by the filter, acquire by the handler */

	struct mutex ps_lock; /* what follows */
	struct condvar ps_cv;
	bool ps_told;        /* (m) the command that was written last is done */
	uint32_t ps_todo;    /* (m) */
	enum state ps_state; /* (m) written by the worker */
	uint64_t ps_came, ps_went, ps_pulled, ps_failed; /* (m) */
};

static struct mutex slots_lock;
static struct list slots = LIST_INIT(slots); /* (s) */
static struct workqueue *slots_wq; /* (a) made with the first; attaches come one at a time */

/* Settings: (~) relaxed: each is used as it stands. */
static _Atomic uint64_t button_ms = 5000;
static _Atomic uint64_t settle_ms = 1000;

static struct sysctl nodes[] = {
    {.sy_name = "dev.pcieslot.button_ms",
	.sy_doc = "milliseconds from a slot's button to what it asks for; 0: at once",
	.sy_value = &button_ms,
	.sy_max = 60000},
    {.sy_name = "dev.pcieslot.settle_ms",
	.sy_doc = "milliseconds that a slot rests without power",
	.sy_value = &settle_ms,
	.sy_max = 60000},
};

/* ---- What is to be done ---- */

static void post(struct pcieslot *ps, uint32_t todo)
{
	mutex_enter(&ps->ps_lock);
	ps->ps_todo |= todo;
	mutex_exit(&ps->ps_lock);
	/* No limit, and nobody destroys or halts it: never refused. */
	(void)workqueue_enqueue(slots_wq, &ps->ps_work);
}

static unsigned slot_filter(void *arg)
{
	struct pcieslot *ps = arg;
	uint32_t events = 0, more;
	unsigned i = 0;

	while (i++ < LOOKS && (more = pci_slot_events(&ps->ps_slot)) != 0)
		events |= more;
	if (events == 0)
		return FILTER_STRAY;
	if (i > LOOKS) {
		pci_slot_listen(&ps->ps_slot, false);
		events |= TODO_LIAR;
	}
	/* Release: with the exchange in slot_handler(). */
	atomic_fetch_or_explicit(&ps->ps_events, events, memory_order_release);
	return FILTER_HANDLED | FILTER_SCHEDULE_THREAD;
}

static bool slot_handler(void *arg)
{
	struct pcieslot *ps = arg;
	/* Acquire: with the release in slot_filter(). */
	uint32_t events = atomic_exchange_explicit(&ps->ps_events, 0, memory_order_acquire);

	if ((events & SLOT_COMMAND) != 0) {
		mutex_enter(&ps->ps_lock);
		ps->ps_told = true;
		cv_broadcast(&ps->ps_cv);
		mutex_exit(&ps->ps_lock);
	}
	events &= ~SLOT_COMMAND;
	if (events != 0)
		post(ps, events);
	return true;
}

static void slot_timer(void *arg)
{
	post(arg, TODO_TIMER);
}

/* ---- Control, by the worker ---- */

static void command_begin(struct pcieslot *ps)
{
	mutex_enter(&ps->ps_lock);
	ps->ps_told = false;
	mutex_exit(&ps->ps_lock);
}

/* One that does not tell is not waited for any more. */
static void command_end(struct pcieslot *ps)
{
	int error = 0;

	if (!ps->ps_slot.sl_tells)
		return;
	mutex_enter(&ps->ps_lock);
	while (!ps->ps_told && error == 0)
		error = cv_timedwait(&ps->ps_cv, &ps->ps_lock, COMMAND_NS);
	ps->ps_slot.sl_tells = ps->ps_told;
	mutex_exit(&ps->ps_lock);
	if (!ps->ps_slot.sl_tells)
		kprintf("%s: does not tell that a command is done: not waited for any more\n",
		    ps->ps_name);
}

static void command(struct pcieslot *ps, bool power, enum slot_lamp lamp, bool trouble)
{
	command_begin(ps);
	pci_slot_control(&ps->ps_slot, power, lamp, trouble);
	command_end(ps);
}

/* From the start: events interrupt, and the lamps say what there is. A card that nobody has listed
 * keeps its power: the look that follows is its first. */
static void listen(struct pcieslot *ps)
{
	bool present = pci_slot_present(&ps->ps_slot);

	command_begin(ps);
	pci_slot_listen(&ps->ps_slot, true);
	command_end(ps);
	command(ps, present, present ? SLOT_LAMP_ON : SLOT_LAMP_OFF, false);
}

/* The new state, and one of the counts goes up if it is not NULL. */
static void set_state(struct pcieslot *ps, enum state state, uint64_t *count)
{
	mutex_enter(&ps->ps_lock);
	ps->ps_state = state;
	if (count != NULL)
		++*count;
	mutex_exit(&ps->ps_lock);
}

static void timer_stop(struct pcieslot *ps)
{
	(void)callout_halt(&ps->ps_timer, NULL);
	mutex_enter(&ps->ps_lock);
	ps->ps_todo &= ~TODO_TIMER;
	mutex_exit(&ps->ps_lock);
}

static void settle(void)
{
	lwp_sleep_ns(atomic_load_explicit(&settle_ms, memory_order_relaxed) * NS_PER_MS);
}

/* ---- A card comes ---- */

static bool linked(const struct pcieslot *ps)
{
	return pci_slot_linked(&ps->ps_slot);
}

static bool answers(const struct pcieslot *ps)
{
	return pci_answers(ps->ps_slot.sl_port);
}

/* Until is(ps), at most `ns`; what is wrong otherwise, or NULL. */
static const char *wait_until(const struct pcieslot *ps, bool (*is)(const struct pcieslot *ps),
    uint64_t ns, const char *wrong)
{
	uint64_t until = clock_ns() + ns;

	while (!is(ps)) {
		if (!pci_slot_present(&ps->ps_slot))
			return "it went meanwhile";
		if (clock_ns() > until)
			return wrong;
		lwp_sleep_ns(STEP_NS);
	}
	return NULL;
}

/* The slot has power: until the card can be used. NULL, or what is wrong. */
static const char *bring(struct pcieslot *ps, unsigned *count)
{
	const char *wrong = wait_until(ps, linked, LINK_NS, "its link does not come up");
	int error;

	if (wrong != NULL)
		return wrong;
	lwp_sleep_ns(LINKED_NS);
	wrong = wait_until(ps, answers, ANSWER_NS, "it does not answer");
	if (wrong != NULL)
		return wrong;
	error = device_card_come(ps->ps_slot.sl_port, count);
	return error == 0 ? NULL : errno_name(error);
}

static void insert(struct pcieslot *ps)
{
	const char *wrong;
	unsigned count = 0;

	kprintf("%s: a card has come\n", ps->ps_name);
	command(ps, true, SLOT_LAMP_BLINK, false);
	wrong = bring(ps, &count);
	if (wrong == NULL) {
		command(ps, true, SLOT_LAMP_ON, false);
		kprintf("%s: %u function%s\n", ps->ps_name, count, count == 1 ? "" : "s");
		set_state(ps, ON, &ps->ps_came);
		return;
	}
	kprintf("%s: the card cannot be used: %s\n", ps->ps_name, wrong);
	(void)device_card_go(ps->ps_slot.sl_port);
	command(ps, false, SLOT_LAMP_OFF, true);
	set_state(ps, FAILED, &ps->ps_failed);
	settle();
}

/* ---- A card goes ---- */

static void take_out(struct pcieslot *ps)
{
	unsigned count = device_card_go(ps->ps_slot.sl_port);

	/* Not yet the lamp: it says when the card may be drawn, which is when it has settled. */
	command(ps, false, SLOT_LAMP_BLINK, false);
	settle();
	kprintf("%s: %u function%s taken out of use; the power is off\n", ps->ps_name, count,
	    count == 1 ? "" : "s");
	set_state(ps, OFF, &ps->ps_went);
	command(ps, false, SLOT_LAMP_OFF, false);
}

static void torn_out(struct pcieslot *ps, bool present)
{
	kprintf("%s: the card %s\n", ps->ps_name,
	    present ? "lost its power, or was changed" : "was pulled out");
	timer_stop(ps);
	command(ps, false, present ? SLOT_LAMP_BLINK : SLOT_LAMP_OFF, false);
	(void)device_card_go(ps->ps_slot.sl_port);
	settle();
	kprintf("%s: all of it is let go of\n", ps->ps_name);
	set_state(ps, OFF, &ps->ps_pulled);
}

static void power_failed(struct pcieslot *ps)
{
	kprintf("%s: the power failed\n", ps->ps_name);
	timer_stop(ps);
	(void)device_card_go(ps->ps_slot.sl_port);
	command(ps, false, SLOT_LAMP_OFF, true);
	set_state(ps, FAILED, &ps->ps_failed);
	settle();
}

/* ---- The worker ---- */

struct kept {
	const struct pci_dev *k_port;
	unsigned k_seen;
	bool k_lost;
};

static bool keep_look(struct pci_dev *pd, void *arg)
{
	struct kept *k = arg;

	if (pd->pd_bridge != k->k_port)
		return true;
	k->k_seen++;
	k->k_lost = !pci_kept(pd);
	return !k->k_lost;
}

/* Is the card that was taken into use still there? */
static bool kept(const struct pcieslot *ps)
{
	struct kept k = {.k_port = ps->ps_slot.sl_port};

	pci_each(keep_look, &k);
	return k.k_seen > 0 && !k.k_lost;
}

static bool in_use(const struct pcieslot *ps)
{
	return ps->ps_state == ON || ps->ps_state == GOING;
}

static void look(struct pcieslot *ps, uint32_t todo)
{
	bool present = pci_slot_present(&ps->ps_slot);

	if (in_use(ps)) {
		if (present && linked(ps) && kept(ps))
			return;
		torn_out(ps, present);
		if (!present)
			return;
	} else if ((todo & (SLOT_PRESENCE | TODO_LOOK)) == 0) {
		return; /* the link of a card that has no power */
	}
	timer_stop(ps);
	if (present) {
		insert(ps);
	} else if (ps->ps_state != OFF) {
		set_state(ps, OFF, NULL);
		command(ps, false, SLOT_LAMP_OFF, false);
	}
}

static void button(struct pcieslot *ps)
{
	uint64_t ms = atomic_load_explicit(&button_ms, memory_order_relaxed);
	bool in = in_use(ps);

	if (ps->ps_state == GOING || ps->ps_state == COMING) {
		timer_stop(ps);
		command(ps, in, in ? SLOT_LAMP_ON : SLOT_LAMP_OFF, false);
		set_state(ps, in ? ON : OFF, NULL);
		kprintf("%s: button pressed again: nothing is done\n", ps->ps_name);
		return;
	}
	if (!in && !pci_slot_present(&ps->ps_slot)) {
		kprintf("%s: button pressed, and the slot is empty\n", ps->ps_name);
		return;
	}
	kprintf("%s: button pressed: the card %s in %llu ms\n", ps->ps_name, in ? "goes" : "comes",
	    (unsigned long long)ms);
	command(ps, in, SLOT_LAMP_BLINK, false);
	set_state(ps, in ? GOING : COMING, NULL);
	if (ms == 0)
		post(ps, TODO_TIMER);
	else
		(void)callout_schedule(&ps->ps_timer, ms * NS_PER_MS);
}

static void time_up(struct pcieslot *ps)
{
	if (ps->ps_state == GOING)
		take_out(ps);
	else if (ps->ps_state == COMING)
		insert(ps);
}

/* ps_state is read without its lock: nobody else writes it. */
static void slot_work(void *arg)
{
	struct pcieslot *ps = arg;
	uint32_t todo;

	mutex_enter(&ps->ps_lock);
	todo = ps->ps_todo;
	ps->ps_todo = 0;
	mutex_exit(&ps->ps_lock);
	if ((todo & TODO_LISTEN) != 0)
		listen(ps);
	if ((todo & TODO_LIAR) != 0) {
		kprintf("%s: tells of events without end: not listened to any more\n", ps->ps_name);
		ps->ps_slot.sl_tells = false;
		todo |= TODO_LOOK;
	}
	if ((todo & TODO_CUT) != 0)
		command(ps, false, SLOT_LAMP_OFF, false);
	if ((todo & SLOT_FAULT) != 0 && in_use(ps))
		power_failed(ps);
	if ((todo & (SLOT_PRESENCE | SLOT_LINK | TODO_LOOK | TODO_CUT)) != 0)
		look(ps, todo);
	/* A card that came says by it the same as a button. */
	if ((todo & (SLOT_BUTTON | SLOT_PRESENCE)) == SLOT_BUTTON)
		button(ps);
	if ((todo & TODO_TIMER) != 0)
		time_up(ps);
}

/* ---- Attaching ---- */

bool pcieslot_match(struct pci_dev *pd)
{
	return pci_slot_there(pd);
}

static int initialise(void)
{
	int error;

	if (slots_wq != NULL)
		return 0;
	error = workqueue_create("slots", PRI_KERNEL, 0, WORKERS, 0, &slots_wq);
	if (error != 0)
		return error;
	mutex_init(&slots_lock, "slots", IPL_NONE);
	sysctl_publish(nodes, sizeof(nodes) / sizeof(nodes[0]));
	return 0;
}

/* The port's messages up to the one that tells of its slot, and a handler for that. */
static int establish(struct pcieslot *ps)
{
	struct pci_slot *sl = &ps->ps_slot;
	struct intr_source *sources[MESSAGES];
	unsigned got, kind;
	char name[INTR_NAME_MAX];
	int error = pci_intr_alloc(sl->sl_port, PCI_INTR_MSIX | PCI_INTR_MSI | PCI_INTR_INTX,
	    sl->sl_message + 1u, sources, &got, &kind);

	if (error != 0)
		return error;
	pci_slot_message(sl);
	if (kind == PCI_INTR_INTX)
		sl->sl_message = 0;
	if (sl->sl_message >= got) {
		kprintf("%s: interrupts by message %u, and there are %u\n", ps->ps_name,
		    sl->sl_message, got);
		error = EIO;
	} else {
		ksnprintf(name, sizeof(name), "slot %s", sl->sl_port->pd_name);
		error = intr_establish(sources[sl->sl_message], name, IPL_BIO, 0, slot_filter,
		    slot_handler, ps, &ps->ps_ih);
	}
	if (error != 0)
		pci_intr_free(sl->sl_port);
	return error;
}

/* A card that was there from the start is listed already, if its bus was walked. Then the slot must
 * know of it too. */
static int begin(struct pcieslot *ps)
{
	struct pci_slot *sl = &ps->ps_slot;

	ps->ps_state = kept(ps) ? ON : OFF;
	if (ps->ps_state == OFF || (pci_slot_present(sl) && pci_slot_linked(sl)))
		return 0;
	kprintf("%s: says that it is empty, and a card answers: the firmware keeps it for itself? "
		"Not watched\n",
	    ps->ps_name);
	return EOPNOTSUPP;
}

int pcieslot_attach(struct pci_dev *pd)
{
	struct pcieslot *ps;
	int error = initialise();

	for (const struct pci_dev *up = pd->pd_bridge; up != NULL && error == 0;
	     up = up->pd_bridge) {
		if (up->pd_driver == NULL)
			continue;
		kprintf("pci %s: its slot is behind that of %s: not watched\n", pd->pd_name,
		    up->pd_name);
		return EOPNOTSUPP;
	}
	ps = error == 0 ? port_mem_alloc(sizeof(*ps)) : NULL;
	if (ps == NULL)
		return error != 0 ? error : ENOMEM;
	error = pci_slot_decode(pd, &ps->ps_slot);
	ksnprintf(ps->ps_name, sizeof(ps->ps_name), "slot %u at %s", ps->ps_slot.sl_number,
	    pd->pd_name);
	mutex_init(&ps->ps_lock, "slot", IPL_BIO);
	cv_init(&ps->ps_cv, "slot");
	callout_init(&ps->ps_timer);
	callout_setfunc(&ps->ps_timer, slot_timer, ps);
	work_init(&ps->ps_work, slot_work, ps);
	if (error == 0)
		error = begin(ps);
	if (error == 0)
		error = establish(ps);
	if (error != 0) {
		callout_destroy(&ps->ps_timer);
		port_mem_free(ps, sizeof(*ps));
		return error;
	}
	pd->pd_driver = "pcieslot";
	mutex_enter(&slots_lock);
	list_append(&slots, &ps->ps_all);
	mutex_exit(&slots_lock);
	kprintf("%s: %s\n", ps->ps_name, in_use(ps) ? "a card" : "empty");
	post(ps, TODO_LISTEN | TODO_LOOK);
	return 0;
}

/* ---- What others ask ---- */

static void info_get(struct pcieslot *ps, struct pcieslot_info *si)
{
	struct pci_slot *sl = &ps->ps_slot;

	*si = (struct pcieslot_info){.si_port = sl->sl_port->pd_name,
	    .si_number = sl->sl_number,
	    .si_bus = pci_read8(sl->sl_port, PCI_SECONDARY),
	    .si_present = pci_slot_present(sl),
	    .si_linked = pci_slot_linked(sl),
	    .si_powered = pci_slot_powered(sl)};
	mutex_enter(&ps->ps_lock);
	si->si_state = state_names[ps->ps_state];
	si->si_came = ps->ps_came;
	si->si_went = ps->ps_went;
	si->si_pulled = ps->ps_pulled;
	si->si_failed = ps->ps_failed;
	mutex_exit(&ps->ps_lock);
}

/* Slots stay, so one may be used when the lock is let go. NULL: the end. */
static struct pcieslot *slot_next(struct pcieslot *ps)
{
	struct list *e;

	if (slots_wq == NULL)
		return NULL;
	mutex_enter(&slots_lock);
	e = ps != NULL ? ps->ps_all.next : slots.next;
	ps = e != &slots ? container_of(e, struct pcieslot, ps_all) : NULL;
	mutex_exit(&slots_lock);
	return ps;
}

void pcieslot_each(bool (*fn)(const struct pcieslot_info *si, void *arg), void *arg)
{
	struct pcieslot *ps = NULL;
	struct pcieslot_info si;

	while ((ps = slot_next(ps)) != NULL) {
		info_get(ps, &si);
		if (!fn(&si, arg))
			return;
	}
}

static struct pcieslot *slot_of(const char *port)
{
	struct pcieslot *ps = NULL;

	while ((ps = slot_next(ps)) != NULL && strcmp(ps->ps_slot.sl_port->pd_name, port) != 0)
		continue;
	return ps;
}

int pcieslot_button(const char *port)
{
	struct pcieslot *ps = slot_of(port);

	if (ps == NULL)
		return ENXIO;
	post(ps, SLOT_BUTTON);
	return 0;
}

int pcieslot_cut(const char *port)
{
	struct pcieslot *ps = slot_of(port);

	if (ps == NULL)
		return ENXIO;
	if (!ps->ps_slot.sl_has_power)
		return EOPNOTSUPP;
	post(ps, TODO_CUT);
	return 0;
}
