# SPDX-License-Identifier: BSD-2-Clause
# The simulated machine: the core as a host program, for the unit tests.
# Linked at a fixed address, so that a seed replays exactly: hashes of addresses are the same.
PORT_KIND := host
comma := ,
# Calls of these come to port/sim/watch.c first.
SIM_WRAPPED := intr_establish intr_disestablish hwi_sched softint_establish softint_disestablish \
	softint_schedule softint_schedule_cpu callout_init callout_init_hard callout_destroy \
	callout_setfunc callout_reset callout_schedule callout_schedule_at \
	callout_schedule_periodic callout_schedule_deferred callout_trystop \
	callout_halt callout_shutdown ithread_resize lwp_alloc lwp_reap
PORT_SRC := $(wildcard port/sim/*.c port/sim/*.S)
PORT_CFLAGS := -fno-stack-protector -fno-pie -fno-builtin -D_GNU_SOURCE
PORT_LDLIBS := -no-pie $(addprefix -Wl$(comma)--wrap=,$(SIM_WRAPPED))

# Every access of the core to memory calls port/sim/access.c. Not for the link: no runtime.
$(B)/kern/%.o: CFLAGS += -fsanitize=thread
ifeq ($(CC_KIND),gcc)
$(B)/kern/%.o: CFLAGS += -Wno-tsan
endif
