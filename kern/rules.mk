# SPDX-License-Identifier: BSD-2-Clause
# The machine-independent core.
KERN_SRC := $(wildcard kern/*.c)
