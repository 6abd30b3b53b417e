/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hint.h - which way a branch of the fast path goes. Nothing depends on it but speed.
 */
#ifndef ITHACA_HINT_H
#define ITHACA_HINT_H

#include <stdbool.h>

#define likely(cond) __builtin_expect((cond) != 0, 1)
#define unlikely(cond) __builtin_expect((cond) != 0, 0)

#endif
