# SPDX-License-Identifier: BSD-2-Clause
# The reference system, from the memory upwards.
SYS_SRC := $(foreach d,sys sys/mem sys/bus sys/dev sys/net sys/app,$(wildcard $(d)/*.c))
include sys/net/rules.mk
