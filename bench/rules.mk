# SPDX-License-Identifier: BSD-2-Clause
# The benchmarks, run by the console's command `bench`.
SYS_SRC += $(wildcard bench/*.c)
