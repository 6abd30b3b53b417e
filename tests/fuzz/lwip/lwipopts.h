/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lwipopts.h - lwIP for `./ithaca fuzz`: as the kernel has it, but that all it has comes from the
 * heap, where AddressSanitizer knows each piece of it, and that there is little of everything, so
 * that its limits are met often, and one interface.
 */
#ifndef FUZZ_LWIPOPTS_H
#define FUZZ_LWIPOPTS_H

#include "../../../sys/net/lwip/lwipopts.h"

#undef MEMP_MEM_MALLOC
#define MEMP_MEM_MALLOC 1
#undef ARP_TABLE_SIZE
#define ARP_TABLE_SIZE 4
#undef LWIP_ND6_NUM_NEIGHBORS
#define LWIP_ND6_NUM_NEIGHBORS 4
#undef LWIP_ND6_NUM_DESTINATIONS
#define LWIP_ND6_NUM_DESTINATIONS 4
#undef DNS_TABLE_SIZE
#define DNS_TABLE_SIZE 4
#undef IP_REASS_MAX_PBUFS
#define IP_REASS_MAX_PBUFS 8
#undef TCP_OOSEQ_MAX_PBUFS
#define TCP_OOSEQ_MAX_PBUFS 6
#undef LWIP_STATS
#define LWIP_STATS 0
#undef LWIP_HOOK_IP4_ROUTE_SRC

#endif
