# SPDX-License-Identifier: BSD-2-Clause
#
# The build.  Without PORT this is the outer make: each goal calls an inner make for one port.
# With PORT=<machine> it is the inner one, whose output stays within build/<machine>/.
# The lists of sources are in each folder's rules.mk, the machine's flags in its port's.
#
#	make kernel			build/x86_64/ithaca.elf, with gcc and assertions
#	make kernel CC=clang		build/x86_64-clang/
#	make kernel CHECKED=0		build/x86_64-release/, without assertions
#	make kernel MODEL=pool		build/x86_64-pool/, with handlers run by another model
#	make kernel SAN=all		build/x86_64-san/, with the sanitizers (man/sanitizers.9)
#	make V=1 ...			shows the commands

VERSION := 0.1.0
CHECKED ?= 1
MODEL ?= handoff
SAN ?=
PREFIX ?= /usr/local
DESTDIR ?=
MACHINE ?= x86_64
V ?= 0
Q := $(if $(filter 0,$(V)),@)
say = $(if $(filter 0,$(V)),@printf '  %-7s %s\n' $(1) $(2))

ifeq ($(origin CC),default)
CC := gcc
endif
CC_KIND := $(if $(findstring clang,$(notdir $(CC))),clang,gcc)

.DEFAULT_GOAL := all
.SUFFIXES:
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

ifeq ($(PORT),)
# ---------------------------------------------------------------- the outer make

# One inner make at a time, here and in every other make in this tree.
INNER = +$(Q)mkdir -p build && flock -o build/lock $(MAKE) --no-print-directory
.PHONY: all kernel lib unit unit-build sim fuzz iso install clean help compdb
.NOTPARALLEL:

all: kernel lib unit-build

kernel lib iso install:
	$(INNER) PORT=$(MACHINE) $@

compdb:
	$(INNER) PORT=$(MACHINE) $@
	$(INNER) PORT=sim $@

unit-build sim fuzz:
	$(INNER) PORT=sim $@

unit: unit-build
	$(Q)$(MAKE) --no-print-directory PORT=sim $@

clean:
	$(Q)rm -rf build compile_commands.json

help:
	@echo 'make all         kernel, library and unit tests, built'
	@echo 'make kernel      build/$(MACHINE)/ithaca.elf'
	@echo 'make lib         build/$(MACHINE)/libithaca.a: the core and what it stands on'
	@echo 'make unit        build the unit tests for the host and run them (K=NAME: only those)'
	@echo 'make sim         build/sim/sim, which runs the scenarios'
	@echo 'make fuzz        build build/sim/fuzz/fuzz, which feeds parsers (./ithaca fuzz)'
	@echo 'make iso         build/$(MACHINE)/ithaca.iso, which GRUB boots'
	@echo 'make install     headers, library, ithaca.pc and the manual (PREFIX, DESTDIR)'
	@echo 'make clean       remove build/'
	@echo 'variables        CC=gcc|clang  CHECKED=1|0  SAN=ubsan|kasan|all  MACHINE=x86_64  V=1'
	@echo '                 MODEL=handoff|pool|dedicated|direct'

else
# ---------------------------------------------------------------- the inner make

B := build/$(PORT)$(if $(filter clang,$(CC_KIND)),-clang)$(if $(filter 0,$(CHECKED)),-release)$(if \
	$(SAN),-$(if $(filter all,$(SAN)),san,$(SAN)))$(if $(filter-out handoff,$(MODEL)),-$(MODEL))

include port/$(PORT)/rules.mk lib/rules.mk kern/rules.mk
ifeq ($(PORT_KIND),kernel)
include sys/rules.mk bench/rules.mk
else ifneq ($(SAN),)
$(error SAN=$(SAN): only for a kernel)
else
include tests/unit/rules.mk
endif
include sys/san/rules.mk

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wcast-qual -Wwrite-strings -Wvla -Wundef
CPPFLAGS := -Iinclude -Iport/$(PORT)/include -Ikern -Ikern/model/$(MODEL) -I$(B) \
	-DITHACA_CHECKED=$(CHECKED) $(SAN_CPPFLAGS) $(NET_CPPFLAGS)
CFLAGS := -std=gnu11 -O2 -g -fno-common -ffile-prefix-map=$(CURDIR)/= $(WARN) $(PORT_CFLAGS) \
	$(if $(filter 0,$(CHECKED)),-fomit-frame-pointer,-fno-omit-frame-pointer)
COMPILE = $(CC) $(CPPFLAGS) $(CFLAGS) $(call san_flags,$<)
LD ?= ld
NM ?= nm
AR ?= ar

SRC := $(LIB_SRC) $(KERN_SRC) $(PORT_SRC) $(SYS_SRC) $(UNIT_SRC)
OBJ := $(addprefix $(B)/,$(addsuffix .o,$(basename $(SRC)))) $(LWIP_OBJ) \
	$(WEB_OBJ)
LIB_OBJ := $(addprefix $(B)/,$(addsuffix .o,$(basename $(LIB_SRC) $(KERN_SRC))))

ifneq ($(words $(OBJ)),$(words $(sort $(OBJ))))
$(error two sources in $(PORT) share a name but for the suffix)
endif

# Two stamps, rewritten only when they would differ: what the compiler is told, and what is linked.
FLAGS_NOW := $(COMPILE) $(call san_flags,any.c) $(SAN_LDFLAGS) $(PORT_LDFLAGS) $(PORT_LDLIBS) \
	$(LWIP_CPPFLAGS)
LIST_NOW := $(sort $(SRC))
define stamp
$(1): force
	$$(shell mkdir -p $$(@D))$$(file >$$@.new,$$($(2)))
	@cmp -s $$@.new $$@ && rm -f $$@.new || mv -f $$@.new $$@
endef
$(eval $(call stamp,$(B)/flags,FLAGS_NOW))
$(eval $(call stamp,$(B)/list,LIST_NOW))
.PHONY: force

$(B)/%.o: %.c $(B)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(COMPILE) -MMD -MP -c -o $@ $<

# lwIP is there once tools/lwip has fetched it; what warnings it has are its authors' business.
$(LWIP_STAMP): tools/lwip
	$(Q)tools/lwip
$(LWIP_SRC): $(LWIP_STAMP) ;
$(filter $(B)/sys/net/%,$(OBJ)): | $(LWIP_STAMP)
$(filter $(B)/sys/net/%,$(OBJ)) $(LWIP_OBJ): $(LWIP_HEADERS)
$(LWIP_OBJ): CFLAGS += -w
$(LWIP_OBJ): CPPFLAGS += $(LWIP_CPPFLAGS)

# So is uPlot, by tools/web; both are bundled with web/ into one object.
$(WEB_STAMP): tools/web
	$(Q)tools/web fetch uplot && touch $@
$(B)/web.S: tools/web $(WEB_FILES) $(WEB_STAMP)
	$(call say,WEB,$@)
	@mkdir -p $(@D)
	$(Q)tools/web bundle $@
$(B)/web.o: $(B)/web.S $(B)/flags
	$(Q)$(COMPILE) -c -o $@ $<

ASSYM_H := $(if $(PORT_ASSYM),$(B)/assym.h)
$(B)/%.o: %.S $(B)/flags $(ASSYM_H)
	$(call say,AS,$<)
	@mkdir -p $(@D)
	$(Q)$(COMPILE) -MMD -MP -c -o $@ $<

# Offsets and constants for assembly: assym.c leaves lines "#ASSYM NAME $value" in its output.
# (The dependencies are wanted of the .s, which the header is made of.)
$(B)/assym.s: $(PORT_ASSYM) $(B)/flags
	$(call say,GEN,$(B)/assym.h)
	$(Q)$(COMPILE) -g0 -MMD -MP -S -o $@ $<
$(B)/assym.h: $(B)/assym.s
	$(Q)sed -n 's/^[ \t]*#ASSYM \([A-Za-z0-9_]*\) [$$#]*\([-0-9][0-9]*\).*/#define \1 \2/p' \
		$< >$@.new
	@test -s $@.new || { echo 'no #ASSYM line in $<' >&2; exit 1; }
	@mv -f $@.new $@

-include $(OBJ:.o=.d) $(B)/assym.d

.PHONY: kernel lib iso install unit unit-build compdb sources

# What this build compiles, for tools/tidy.
sources:
	@echo $(SRC) $(PORT_ASSYM) $(SAN_SRC) $(SIM_SRC) $(FUZZ_SRC)

# ------------------------------------------------------------ compile_commands.json

# One line an object; the copy in the root is for editors and is the plain checked build's.
comma := ,
define newline


endef
compdb_words = $(subst ",\",$(COMPILE)) -c -o $(B)/$(basename $(1)).o $(1)
compdb_place = "directory": "$(CURDIR)", "file": "$(1)"
compdb_entry = $(if $(2),$(comma))$(newline) {$(compdb_place), "command": "$(compdb_words)"}
compdb_first := $(firstword $(filter %.c,$(SRC)))
compdb_rest = $(filter-out $(compdb_first),$(filter %.c,$(SRC) $(SIM_SRC)))
$(B)/compile_commands.json: $(B)/flags $(B)/list
	$(file >$@,[$(call compdb_entry,$(compdb_first)))
	$(foreach s,$(compdb_rest),$(file >>$@,$(call compdb_entry,$(s),more)))
	$(file >>$@,])
	$(if $(filter build/x86_64,$(B)),@cp $@ compile_commands.json)
compdb: $(B)/compile_commands.json

# ------------------------------------------------------------ the library

$(B)/libithaca.a: $(LIB_OBJ) $(B)/list
	$(call say,AR,$@)
	$(Q)rm -f $@
	$(Q)$(AR) rcsD $@ $(LIB_OBJ)
lib: $(B)/libithaca.a

$(B)/ithaca.pc: tools/ithaca.pc.in Makefile force
	@mkdir -p $(@D)
	$(Q)sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' -e 's|@PORT@|$(PORT)|' \
		-e 's|@CHECKED@|$(CHECKED)|' $< >$@

install: $(B)/libithaca.a $(B)/ithaca.pc
	$(call say,INSTALL,$(DESTDIR)$(PREFIX))
	$(Q)install -d $(DESTDIR)$(PREFIX)/include/ithaca $(DESTDIR)$(PREFIX)/lib/pkgconfig
	$(Q)install -m 644 include/ithaca/*.h $(DESTDIR)$(PREFIX)/include/ithaca
	$(Q)if [ -d port/$(PORT)/include/port ]; then \
		d=$(DESTDIR)$(PREFIX)/include/ithaca/port/$(PORT)/port; \
		install -d $$d && install -m 644 port/$(PORT)/include/port/*.h $$d; fi
	$(Q)install -m 644 $(B)/libithaca.a $(DESTDIR)$(PREFIX)/lib
	$(Q)install -m 644 $(B)/ithaca.pc $(DESTDIR)$(PREFIX)/lib/pkgconfig
	$(Q)for m in man/*.[0-9]; do \
		d=$(DESTDIR)$(PREFIX)/share/man/man$${m##*.}; \
		install -d $$d && install -m 644 $$m $$d || exit 1; done

ifeq ($(PORT_KIND),kernel)
# ------------------------------------------------------------ the kernel

# Linked three times, because the table of symbols for backtraces is part of what it describes:
# with an empty table, with one of the final size, and with the final addresses.  The last link
# must not have moved anything, which is checked.
LINK = $(LD) $(PORT_LDFLAGS) $(SAN_LDFLAGS) -T $(PORT_LDS)
KSYMS := $(B)/ksyms

$(KSYMS)0.S: tools/mksyms $(B)/flags
	$(Q)tools/mksyms </dev/null >$@
$(KSYMS)1.S $(KSYMS)2.S: $(KSYMS)%.S: $(KSYMS)%.nm tools/mksyms
	$(Q)tools/mksyms <$< >$@
$(KSYMS)1.nm: $(B)/pass0.elf
	$(Q)$(NM) -n $< >$@
$(KSYMS)2.nm: $(B)/pass1.elf
	$(Q)$(NM) -n $< >$@
$(KSYMS)%.o: $(KSYMS)%.S
	$(Q)$(COMPILE) -c -o $@ $<
$(B)/pass0.elf $(B)/pass1.elf: $(B)/pass%.elf: $(OBJ) $(KSYMS)%.o $(PORT_LDS) $(B)/list
	$(Q)$(LINK) -o $@ $(OBJ) $(KSYMS)$*.o
$(B)/ithaca.elf: $(OBJ) $(KSYMS)2.o $(PORT_LDS) $(B)/list
	$(call say,LINK,$@)
	$(Q)$(LINK) -Map=$(B)/ithaca.map -o $@.new $(OBJ) $(KSYMS)2.o
	$(Q)$(NM) -n $@.new | cmp -s - $(KSYMS)2.nm || \
		{ echo '$@: the symbol table moved what it describes' >&2; exit 1; }
	@mv -f $@.new $@
.SECONDARY: $(B)/pass0.elf $(B)/pass1.elf $(foreach n,0 1 2,$(KSYMS)$(n).S $(KSYMS)$(n).o)
kernel: $(B)/ithaca.elf $(B)/compile_commands.json

# ------------------------------------------------------------ an image that GRUB boots

$(B)/ithaca.iso: $(B)/ithaca.elf tools/grub.cfg
	$(call say,ISO,$@)
	$(Q)rm -rf $(B)/iso && mkdir -p $(B)/iso/boot/grub
	$(Q)cp $(B)/ithaca.elf $(B)/iso/boot/ && cp tools/grub.cfg $(B)/iso/boot/grub/
	$(Q)grub-mkrescue -o $@ $(B)/iso >$(B)/iso.log 2>&1 || \
		{ cat $(B)/iso.log >&2; rm -f $@; exit 1; }
iso: $(B)/ithaca.iso

else
# ------------------------------------------------------------ the unit tests, on the host

CPPFLAGS += -Itests/unit -Isys

$(B)/unit: $(OBJ) $(B)/list
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) -o $@ $(OBJ) $(PORT_LDLIBS)
unit-build: $(B)/unit $(B)/compile_commands.json
unit:
	$(Q)$(B)/unit $(if $(K),-k '$(K)')

include tests/scenario/rules.mk
include tests/fuzz/rules.mk
endif
endif
