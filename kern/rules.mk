# SPDX-License-Identifier: BSD-2-Clause
# The machine-independent core. A release build has no lock checker.
KERN_SRC := $(filter-out $(if $(filter 0,$(CHECKED)),kern/witness%),$(wildcard kern/*.c))
