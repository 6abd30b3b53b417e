# SPDX-License-Identifier: BSD-2-Clause
# t_X.c tests kern/X.c; the files without t_ are their driver.
UNIT_SRC := $(wildcard tests/unit/*.c)

# Parts of the reference system that need nothing but the core's headers.
UNIT_SRC += sys/app/line.c
