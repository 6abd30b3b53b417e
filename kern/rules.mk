# SPDX-License-Identifier: BSD-2-Clause
# The machine-independent core. A release build has no lock checker.
KERN_SRC := $(filter-out $(if $(filter 0,$(CHECKED)),kern/witness%),$(wildcard kern/*.c))
# How handlers are run: kern/model/handoff/model.h.
ifeq ($(wildcard kern/model/$(MODEL)/model.h),)
$(error MODEL=$(MODEL): must be one of $(notdir $(wildcard kern/model/*)))
endif
KERN_SRC += $(wildcard kern/model/$(MODEL)/*.c)
