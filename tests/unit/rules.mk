# SPDX-License-Identifier: BSD-2-Clause
# t_X.c tests kern/X.c (or lib/X.c); the files without t_ are their driver. Of the system, what
# needs no machine is tested here too.
UNIT_SRC := $(wildcard tests/unit/*.c) $(wildcard sys/app/line.c) \
	sys/mem/page.c sys/mem/kmem.c sys/mem/vmap.c \
	sys/bus/acpi.c sys/bus/pci.c sys/bus/pci_cap.c sys/bus/pci_route.c \
	sys/bus/pci_plug.c sys/bus/pci_slot.c sys/dev/pcieslot.c \
	sys/dev/igb_ring.c sys/dev/virtqueue.c sys/net/http_parse.c

# Drivers whose accesses are points of the schedule, as the core's are.
$(B)/tests/unit/t_from_spl_%.o: CFLAGS += -fsanitize=thread $(if $(filter gcc,$(CC_KIND)),-Wno-tsan)
$(B)/sys/dev/igb_ring.o: CFLAGS += -fsanitize=thread $(if $(filter gcc,$(CC_KIND)),-Wno-tsan)
$(B)/sys/dev/virtqueue.o: CFLAGS += -fsanitize=thread $(if $(filter gcc,$(CC_KIND)),-Wno-tsan)
