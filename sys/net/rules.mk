# SPDX-License-Identifier: BSD-2-Clause
# The network: our own in sys/net, and lwIP, which tools/lwip fetches into build/lwip. Its parts
# are compiled with our flags but warnings, and are not ours to judge: they are not in SYS_SRC.
LWIP_DIR := build/lwip
LWIP_SUM := $(shell sed -n 's/^sum=//p' tools/lwip)
LWIP_STAMP := $(LWIP_DIR)/.$(LWIP_SUM)
LWIP_SRC := $(addprefix $(LWIP_DIR)/src/, \
	$(addprefix core/, def.c dns.c inet_chksum.c init.c ip.c mem.c memp.c netif.c pbuf.c raw.c \
	stats.c sys.c tcp.c tcp_in.c tcp_out.c udp.c) \
	$(addprefix core/ipv4/, dhcp.c etharp.c icmp.c igmp.c ip4.c ip4_addr.c ip4_frag.c) \
	$(addprefix core/ipv6/, dhcp6.c ethip6.c icmp6.c inet6.c ip6.c ip6_addr.c ip6_frag.c \
	mld6.c nd6.c) netif/ethernet.c)
LWIP_OBJ = $(addprefix $(B)/,$(LWIP_SRC:.c=.o))

# The folder of ours has the headers of the C library that lwIP asks for.
NET_CPPFLAGS := -Isys/net/lwip -isystem $(LWIP_DIR)/src/include
# Two of its functions have names that the kernel's have.
LWIP_CPPFLAGS := -Dmem_init=lwip_mem_init -Dstats_init=lwip_stats_init
# In IP's output some functions of sys/net/sums.c stand before lwIP's own.
$(B)/$(LWIP_DIR)/src/core/ipv4/ip4.o: LWIP_CPPFLAGS += -Dip4_frag=net_ip4_frag \
	-Dnetif_loop_output=net_loop_output
$(B)/$(LWIP_DIR)/src/core/ipv6/ip6.o: LWIP_CPPFLAGS += -Dip6_frag=net_ip6_frag \
	-Dnetif_loop_output=net_loop_output
# Those who ask for a path's MTU ask sys/net/hook.c.
LWIP_PATH := $(addprefix $(LWIP_DIR)/src/core/,tcp.o ipv6/ip6.o ipv6/ip6_frag.o)
LWIP_PATH_CPPFLAGS := -Dnd6_get_destination_mtu=net_path_mtu
$(addprefix $(B)/,$(LWIP_PATH)): LWIP_CPPFLAGS += $(LWIP_PATH_CPPFLAGS)
$(addprefix $(B)/,$(LWIP_PATH)): sys/net/rules.mk
# The compiler does not note these, which only lwIP's own headers include.
LWIP_HEADERS := $(wildcard sys/net/lwip/*.h sys/net/lwip/arch/*.h)

# What the web server serves: web/, and uPlot, which tools/web fetches.
WEB_OBJ = $(B)/web.o
UPLOT := $(shell sed -n 's/.*package=uplot version=\([0-9.]*\).*/\1/p' tools/web)
WEB_STAMP := build/web/uplot/.$(UPLOT)
WEB_FILES := $(wildcard web/*.*)
