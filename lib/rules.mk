# SPDX-License-Identifier: BSD-2-Clause
# Strings, formatting: no dependency but the compiler.
LIB_SRC := $(wildcard lib/*.c)
