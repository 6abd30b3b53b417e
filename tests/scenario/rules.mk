# SPDX-License-Identifier: BSD-2-Clause
# One file a scenario; run/ is what runs them. Scenarios are compiled as the core is (port/sim).
# Included by the inner make at its end, as the unit tests' driver is no part of it.
SIM_SRC := $(wildcard tests/scenario/*.c tests/scenario/run/*.c) sys/dev/nic_turn.c
SIM_OBJ := $(addprefix $(B)/,$(addsuffix .o,$(basename \
	$(LIB_SRC) $(KERN_SRC) $(PORT_SRC) $(SIM_SRC))))

$(B)/sys/dev/nic_turn.o: CFLAGS += -fsanitize=thread $(if $(filter gcc,$(CC_KIND)),-Wno-tsan)
$(B)/tests/scenario/%.o: CFLAGS += -fsanitize=thread $(if $(filter gcc,$(CC_KIND)),-Wno-tsan)
$(B)/tests/scenario/%.o: CFLAGS += -Wno-missing-field-initializers
$(B)/tests/scenario/run/%.o: CFLAGS += -fno-sanitize=thread

$(eval $(call stamp,$(B)/sim.list,SIM_OBJ))
$(B)/sim: $(SIM_OBJ) $(B)/sim.list
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) -o $@ $(SIM_OBJ) $(PORT_LDLIBS)
-include $(SIM_OBJ:.o=.d)

.PHONY: sim
sim: $(B)/sim
