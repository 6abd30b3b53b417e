# SPDX-License-Identifier: BSD-2-Clause
# One file a target of `./ithaca fuzz`. What is fuzzed is compiled here once more, as a program of
# this host under AddressSanitizer and UBSan, with a call at each branch's end that tells where a
# run went; the driver is compiled without those. Included by the inner make of the simulator.
FUZZ_B := $(B)/fuzz
FUZZ_SRC := $(wildcard tests/fuzz/*.c)
FUZZ_CODE := lib/printf.c lib/errno.c lib/kstring.c \
	sys/bus/acpi.c sys/bus/pci.c sys/bus/pci_cap.c sys/bus/pci_intr.c sys/bus/pci_plug.c \
	sys/bus/pci_route.c sys/bus/pci_slot.c sys/dev/virtio_pci.c sys/dev/virtqueue.c \
	sys/net/http_parse.c sys/net/hook.c sys/net/loop.c
include sys/net/rules.mk
FUZZ_OBJ := $(addprefix $(FUZZ_B)/,$(addsuffix .o,$(basename $(FUZZ_SRC) $(FUZZ_CODE))))
FUZZ_LWIP := $(addprefix $(FUZZ_B)/,$(LWIP_SRC:.c=.o))

# With frame pointers, for AddressSanitizer's stacks of allocations and for perf.
FUZZ_SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
# What is not looked at: what does the looking, and has no time to lose.
FUZZ_PLAIN := $(addprefix $(FUZZ_B)/tests/fuzz/,fuzz.o arena.o)
FUZZ_HALF := $(addprefix $(FUZZ_B)/,tests/fuzz/f_pci.o lib/printf.o)
FUZZ_PLACES := -fsanitize-coverage=trace-pc
FUZZ_CFLAGS = -std=gnu11 -O2 -g -fno-common -fno-pie $(WARN) $(FUZZ_SANITIZE)
FUZZ_CPPFLAGS := -Iinclude -Itests/fuzz/host -Isys -DITHACA_CHECKED=1 -DITHACA_UBSAN=0 \
	-DITHACA_KASAN=0
FUZZ_LWIP_CPPFLAGS := -Itests/fuzz/lwip -Isys/net/lwip -isystem $(LWIP_DIR)/src/include
FUZZ_LWIP_CFLAGS := -fsanitize-undefined-trap-on-error -w
FUZZ_COMPILE = $(CC) $(FUZZ_CPPFLAGS) $(FUZZ_CFLAGS)
OBJCOPY ?= objcopy

FUZZ_FLAGS_NOW = $(FUZZ_PLAIN) $(FUZZ_HALF) $(FUZZ_COMPILE) $(FUZZ_PLACES) \
	$(FUZZ_LWIP_CPPFLAGS) $(FUZZ_LWIP_CFLAGS)
$(eval $(call stamp,$(FUZZ_B)/flags,FUZZ_FLAGS_NOW))
$(eval $(call stamp,$(FUZZ_B)/list,FUZZ_OBJ))

# Neither where the tests go nor how long a number is that a message has makes an input a new one.
$(FUZZ_B)/tests/%.o $(FUZZ_B)/lib/printf.o: FUZZ_PLACES :=
$(FUZZ_B)/sys/net/hook.o $(FUZZ_B)/sys/net/loop.o: FUZZ_CPPFLAGS += $(FUZZ_LWIP_CPPFLAGS)
$(FUZZ_B)/tests/fuzz/f_lwip.o: FUZZ_CPPFLAGS += $(FUZZ_LWIP_CPPFLAGS)
$(FUZZ_PLAIN): FUZZ_SANITIZE :=
# What these do by the thousand an input: every byte is watched, their arithmetic is not.
$(FUZZ_HALF): FUZZ_SANITIZE := -fsanitize=address -fno-omit-frame-pointer
$(FUZZ_B)/%.o: %.c $(FUZZ_B)/flags
	$(call say,FUZZ,$<)
	@mkdir -p $(@D)
	$(Q)$(FUZZ_COMPILE) $(FUZZ_PLACES) -MMD -MP -c -o $@ $<

# lwIP's variables lie in sections of their own, so that they can be put back. What UBSan would say
# of each operation would lie there, too: so it says nothing, but ends the run by a trap.
$(FUZZ_LWIP): $(FUZZ_B)/$(LWIP_DIR)/%.o: $(LWIP_STAMP) $(FUZZ_B)/flags $(LWIP_HEADERS) \
		tests/fuzz/lwip/lwipopts.h
	@mkdir -p $(@D)
	$(Q)$(FUZZ_COMPILE) $(FUZZ_PLACES) $(FUZZ_LWIP_CPPFLAGS) $(FUZZ_LWIP_CFLAGS) \
		-c -o $@ $(LWIP_DIR)/$*.c
	$(Q)$(OBJCOPY) --rename-section .data=lwip_data --rename-section .bss=lwip_bss $@
$(addprefix $(FUZZ_B)/,$(LWIP_PATH)): FUZZ_LWIP_CPPFLAGS += $(LWIP_PATH_CPPFLAGS)
$(FUZZ_B)/tests/fuzz/f_lwip.o $(FUZZ_B)/sys/net/hook.o $(FUZZ_B)/sys/net/loop.o: | $(LWIP_STAMP)
$(LWIP_STAMP): tools/lwip
	$(Q)tools/lwip

$(FUZZ_B)/fuzz: $(FUZZ_OBJ) $(FUZZ_LWIP) $(FUZZ_B)/list
	$(call say,LINK,$@)
	$(Q)$(CC) -no-pie $(FUZZ_SANITIZE) -o $@ $(FUZZ_OBJ) $(FUZZ_LWIP)
-include $(FUZZ_OBJ:.o=.d)

.PHONY: fuzz
fuzz: $(FUZZ_B)/fuzz
