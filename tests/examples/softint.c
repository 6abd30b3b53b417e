/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * softint.c - the example of softint(9), which shows it: a keyboard whose filter takes codes from
 * the chip, and whose softint makes keys of them. Compiled and run by tests/unit/t_examples_wait.c.
 */
#include <ithaca/intr.h>
#include <ithaca/mutex.h>
#include <ithaca/softint.h>

#define KBD_CODES 32u
#define KBD_RELEASED 0x80u /* in a code */

struct kbd {
	struct intr_handler *k_ih;
	struct softint *k_si;
	struct mutex k_chip;                  /* at IPL_VM: what follows */
	uint8_t k_code[KBD_CODES];            /* (k_chip) */
	unsigned k_head, k_tail, k_lost;      /* (k_chip) */
	struct mutex k_lock;                  /* at IPL_SOFTSERIAL: what follows */
	bool k_down[KBD_RELEASED];            /* (k_lock) */
	void (*k_fn)(void *arg, uint8_t key); /* (k_lock) of who listens, or NULL */
	void *k_arg;                          /* (k_lock) */
};

/* The chip: the next code, if any; when there is none left the interrupt is quiet. */
static bool kbd_code(struct kbd *k, uint8_t *code);

static unsigned kbd_filter(void *arg)
{
	struct kbd *k = arg;
	bool mine = false;
	uint8_t code;

	mutex_spin_enter(&k->k_chip);
	while (kbd_code(k, &code)) {
		mine = true;
		if (k->k_head - k->k_tail == KBD_CODES)
			k->k_lost++;
		else
			k->k_code[k->k_head++ % KBD_CODES] = code;
	}
	mutex_spin_exit(&k->k_chip);
	if (!mine)
		return FILTER_STRAY;
	softint_schedule(k->k_si); /* scheduled already: one run does for both */
	return FILTER_HANDLED;
}

static bool kbd_next(struct kbd *k, uint8_t *code)
{
	bool some;

	mutex_spin_enter(&k->k_chip);
	some = k->k_tail != k->k_head;
	if (some)
		*code = k->k_code[k->k_tail++ % KBD_CODES];
	mutex_spin_exit(&k->k_chip);
	return some;
}

/* In the softint: it may wait for k_lock, and whoever listens may wait for locks of its own. */
static void kbd_work(void *arg)
{
	struct kbd *k = arg;
	uint8_t code, key;
	bool down;

	mutex_enter(&k->k_lock);
	while (kbd_next(k, &code)) {
		key = code % KBD_RELEASED;
		down = code < KBD_RELEASED;
		if (down && !k->k_down[key] && k->k_fn != NULL)
			k->k_fn(k->k_arg, key);
		k->k_down[key] = down;
	}
	mutex_exit(&k->k_lock);
}

/* When it returns, whom it replaces is not called any more. */
static void kbd_listen(struct kbd *k, void (*fn)(void *arg, uint8_t key), void *arg)
{
	mutex_enter(&k->k_lock);
	k->k_fn = fn;
	k->k_arg = arg;
	mutex_exit(&k->k_lock);
}

static int kbd_attach(struct kbd *k, struct intr_source *is)
{
	int error;

	mutex_init(&k->k_chip, "kbd chip", IPL_VM);
	mutex_init(&k->k_lock, "kbd", IPL_SOFTSERIAL);
	error = softint_establish("kbd", IPL_SOFTSERIAL, kbd_work, k, &k->k_si);
	if (error != 0)
		return error;
	error = intr_establish(is, "kbd", IPL_VM, 0, kbd_filter, NULL, k, &k->k_ih);
	if (error != 0)
		(void)softint_disestablish(k->k_si);
	return error;
}

static void kbd_detach(struct kbd *k)
{
	(void)intr_disestablish(k->k_ih);    /* from here on nobody schedules it */
	(void)softint_disestablish(k->k_si); /* and here it has run */
	mutex_destroy(&k->k_lock);
	mutex_destroy(&k->k_chip);
}
