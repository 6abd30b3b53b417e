/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * igb_regs.h - registers and descriptors of the Intel 82576, as far as the driver uses them.
 *
 * Source: Intel 82576 Gigabit Ethernet Controller Datasheet, chapter 8 (registers, by their section
 * numbers below) and 7 (descriptors). All registers are 32 bits wide and little-endian.
 */
#ifndef SYS_DEV_IGB_REGS_H
#define SYS_DEV_IGB_REGS_H

#define IGB_BAR_SIZE 0x20000u /* 128 KiB of registers */

/* ---- 8.2 General ---- */
#define IGB_CTRL 0x0000u
#define CTRL_MASTER_OFF 0x00000004u /* no new requests on PCI Express */
#define CTRL_SLU 0x00000040u        /* the MAC may believe the PHY's link */
#define CTRL_FORCE 0x00001800u      /* speed, duplex by hand: never */
#define CTRL_RST 0x04000000u
#define IGB_STATUS 0x0008u
#define STATUS_FD 0x00000001u
#define STATUS_LU 0x00000002u
#define STATUS_LAN(s) ((s) >> 2 & 3u) /* which of the chip's ports */
#define STATUS_TXOFF 0x00000010u      /* the other end asked for a pause */
#define STATUS_SPEED(s) ((s) >> 6 & 3u)
#define STATUS_MASTER 0x00080000u
#define IGB_CTRL_EXT 0x0018u
#define CTRL_EXT_PFRSTD 0x00004000u
#define CTRL_EXT_DRV_LOAD 0x10000000u
#define IGB_MDIC 0x0020u
#define MDIC_REG(r) ((uint32_t)(r) << 16)
#define MDIC_PHY 0x00200000u /* number 1, the only one */
#define MDIC_WRITE 0x04000000u
#define MDIC_READ 0x08000000u
#define MDIC_READY 0x10000000u
#define MDIC_ERROR 0x40000000u
#define PHY_CONTROL 0 /* IEEE 802.3, 22.2.4.1 */
#define PHY_CONTROL_RESTART 0x0200u
#define PHY_CONTROL_POWER_DOWN 0x0800u
#define PHY_CONTROL_AUTONEG 0x1000u

/* ---- 8.6 Semaphores between software and firmware ---- */
#define IGB_SWSM 0x5b50u
#define SWSM_SMBI 0x1u /* between drivers; reading takes it */
#define SWSM_SWESMBI 0x2u
#define IGB_SW_FW_SYNC 0x5b5cu

/* ---- 8.8 Interrupts ---- */
#define IGB_ICR 0x00c0u
#define ICR_TXDW 0x00000001u
#define ICR_LSC 0x00000004u
#define ICR_RXDW 0x00000080u
#define ICR_FER 0x00400000u   /* fatal: memory of the chip */
#define ICR_DRSTA 0x40000000u /* somebody has reset the chip */
#define ICR_RESET (ICR_FER | ICR_DRSTA)
#define IGB_IMS 0x00d0u
#define IGB_IMC 0x00d8u
#define IGB_GPIE 0x1514u
#define GPIE_NSICR 0x00000001u /* reading ICR clears it, whatever IMS says */
#define GPIE_MSIX 0x00000010u
#define GPIE_PBA 0x80000000u
#define IGB_EIMS 0x1524u
#define IGB_EIMC 0x1528u
#define IGB_EIAC 0x152cu
#define IGB_EICR 0x1580u
#define IGB_EITR(v) (0x1680u + 4 * (v))
#define EITR_US(us) ((uint32_t)(us) << 2)
#define EITR_US_MAX 0x1fffu
#define EITR_KEEP 0x80000000u /* the count that runs goes on */
#define IGB_IVAR(n) (0x1700u + 4 * (n))
#define IGB_IVAR_MISC 0x1740u
#define IVAR_VALID 0x80u
#define IVAR_VECTOR 0x1fu /* bits of an entry that count */

/* ---- 8.10 Receiving ---- */
#define IGB_RCTL 0x0100u
#define RCTL_EN 0x00000002u
#define RCTL_UPE 0x00000008u /* all unicasts */
#define RCTL_MPE 0x00000010u /* all multicasts */
#define RCTL_LPE 0x00000020u /* frames longer than 1522 bytes, up to RLPML */
#define RCTL_BAM 0x00008000u /* broadcasts */
#define RCTL_SECRC 0x04000000u
#define IGB_RXCSUM 0x5000u
#define RXCSUM_IPOFL 0x00000100u
#define RXCSUM_TUOFL 0x00000200u
#define RXCSUM_PCSD 0x00002000u /* the hash instead of the packet sum */
#define IGB_RLPML 0x5004u       /* the longest frame, its check sum included */
#define IGB_MTA(n) (0x5200u + 4 * (n))
#define MTA_WORDS 128u
#define IGB_RAL0 0x5400u
#define IGB_RAH0 0x5404u
#define RAH_AV 0x80000000u
#define IGB_MRQC 0x5818u
#define MRQC_RSS 0x00000002u
#define MRQC_FIELDS 0x01ff0000u /* IPv4, IPv6 and their TCP and UDP ports */
#define IGB_RETA(n) (0x5c00u + 4 * (n))
#define RETA_ENTRIES 128u
#define IGB_RSSRK(n) (0x5c80u + 4 * (n))
#define RSSRK_WORDS 10u

/* One block of 64 bytes a queue. */
#define IGB_RX(q, reg) (0xc000u + 0x40 * (q) + (reg))
#define RX_RDBAL 0x00u
#define RX_RDBAH 0x04u
#define RX_RDLEN 0x08u
#define RX_SRRCTL 0x0cu
#define SRRCTL_KB(n) (n)            /* size of a buffer in KiB */
#define SRRCTL_ADVANCED 0x02000000u /* one buffer a descriptor */
#define SRRCTL_DROP_EN 0x80000000u  /* a ring that is full does not hold up the others */
#define RX_RDH 0x10u
#define RX_RDT 0x18u
#define RX_RXDCTL 0x28u
#define RX_RQDPC 0x30u /* frames dropped as the ring was full; cleared when read */
#define XDCTL_ENABLE 0x02000000u

/* ---- 8.12 Transmitting ---- */
#define IGB_TCTL 0x0400u
#define TCTL_EN 0x00000002u
#define TCTL_PSP 0x00000008u /* pad what is short */
#define TCTL_CT 0x000000f0u  /* collisions, at 10 and 100 Mb/s half duplex */
#define TCTL_COLD 0x00040000u
#define IGB_TX(q, reg) (0xe000u + 0x40 * (q) + (reg))
#define TX_TDBAL 0x00u
#define TX_TDBAH 0x04u
#define TX_TDLEN 0x08u
#define TX_TDH 0x10u
#define TX_TDT 0x18u
#define TX_TXDCTL 0x28u

/* ---- 8.19 Statistics; cleared when read ---- */
#define IGB_CRCERRS 0x4000u
#define IGB_MPC 0x4010u
#define IGB_RLEC 0x4040u
#define IGB_GPRC 0x4074u
#define IGB_GPTC 0x4080u
#define IGB_RNBC 0x40a0u
#define IGB_RUC 0x40a4u
#define IGB_ROC 0x40acu

/*
 * 7.1.5 Advanced receive descriptor. To the card: two addresses. Back from it: the first word holds
 * RSS type and packet type (32 bits), then the hash; the second what follows.
 */
#define RXD_HASH(lower) ((uint32_t)((lower) >> 32))
#define RXD_RSS_TYPE(lower) ((unsigned)(lower)&0xfu) /* 0: no hash */
#define RXD_DD 0x00000001ull
#define RXD_EOP 0x00000002ull
#define RXD_L4CS 0x00000020ull /* the sum of TCP or UDP was looked at */
#define RXD_IPCS 0x00000040ull
#define RXD_L4E 0x20000000ull
#define RXD_IPE 0x40000000ull
#define RXD_RXE 0x80000000ull
#define RXD_LENGTH(upper) ((unsigned)((upper) >> 32) & 0xffffu)

/* 7.2.2.3 Advanced transmit data descriptor, second word. */
#define TXD_DATA 0x00300000ull
#define TXD_EOP 0x01000000ull
#define TXD_IFCS 0x02000000ull
#define TXD_RS 0x08000000ull
#define TXD_DEXT 0x20000000ull
#define TXD_PAYLEN(n) ((uint64_t)(n) << 46)
#define TXD_DD 0x100000000ull
#define TXD_INDEX(n) ((uint64_t)(n) << 36) /* which context */
#define TXD_IXSM 0x10000000000ull          /* make the sum of the IPv4 header */
#define TXD_TXSM 0x20000000000ull          /* that of TCP or UDP */

/* 7.2.2.2 Advanced transmit context descriptor: lengths in the first word, the rest in the second.
 * No TXC_IPV4: IPv6; no TXC_TCP: UDP. */
#define TXC_IPLEN(n) ((uint64_t)(n))
#define TXC_MACLEN(n) ((uint64_t)(n) << 9)
#define TXC_IPV4 0x00000400ull
#define TXC_TCP 0x00000800ull
#define TXC_CONTEXT 0x00200000ull
#define TXC_INDEX(n) ((uint64_t)(n) << 36)

#endif
