# SPDX-License-Identifier: BSD-2-Clause
# Strings, formatting: no dependency but the compiler.  A host program has ISO C's strings already.
LIB_SRC := lib/errno.c lib/kstring.c lib/printf.c
ifeq ($(PORT_KIND),kernel)
LIB_SRC += lib/string.c
endif
