/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * igb_hw.c - the 82576's registers: reset, rings, interrupt causes, filters, link.
 *
 * Interrupts come in two kinds (data sheet 7.3). With MSI-X, IVAR allots each queue a vector, and
 * the rest, link above all, another; EIMS and EIMC unmask and mask vectors, a bit each; EICR holds
 * what has happened and was not yet told. EIAC lets the card clear that bit when it sends the
 * message, so no filter has to read it. With MSI or a pin there is one interrupt, and the old
 * registers: ICR, IMS, IMC. IVAR is filled in there too, as QEMU's card tells nothing of queues
 * without.
 *
 * RSS: the card hashes addresses and ports of IP frames and looks the queue up in a table, which is
 * filled with all queues in turn. So a flow stays with a queue, and thereby a CPU.
 *
 * Every wait is bounded, and what the card did not do in time is said by name. A card that is not
 * there any more answers all ones, or nothing sensible: its configuration space tells for certain.
 *
 * Source: Intel 82576 Datasheet, 4.5 (initialisation), 4.6 (reset), 7.1 to 7.3, 8. Contexts:
 * thread, by the owner of the operation unless igb_impl.h says otherwise. No locks. Not for: what
 * runs in an interrupt. Read next: igb_intr.c.
 */
#include "igb_impl.h"

#include <ithaca/clock.h>
#include <ithaca/errno.h>
#include <ithaca/machine.h>
#include <ithaca/port.h>
#include <ithaca/print.h>
#include <ithaca/sleepq.h>

#define STEP_NS (100 * NS_PER_US)
#define RESET_NS (3 * NS_PER_MS) /* before the first access */
#define MASTER_STEPS 800u        /* 80 ms, as 4.6.3 has it */
#define RESET_STEPS 1000u
#define ENABLE_STEPS 100u
#define PHY_STEPS 100u
#define SEMAPHORE_STEPS 500u
#define CRC 4u /* bytes at a frame's end */

static const char *name_of(const struct igb *ig)
{
	return ig->ig_nic.nic_name[0] != '\0' ? ig->ig_nic.nic_name : ig->ig_dev->pd_name;
}

/* Wait until the bits of `mask` in a register are `value`; false: not in `steps`. */
static bool wait_for(const struct igb *ig, uint32_t reg, uint32_t mask, uint32_t value,
    unsigned steps)
{
	for (unsigned i = 0; i < steps; i++) {
		if ((igb_read(ig, reg) & mask) == value)
			return true;
		lwp_sleep_ns(STEP_NS);
	}
	return false;
}

static int late(const struct igb *ig, const char *what)
{
	kprintf("igb: %s: %s in time (status 0x%x)\n", name_of(ig), what, igb_read(ig, IGB_STATUS));
	return EIO;
}

/* A write has arrived when a read after it has been answered. */
static void flush(const struct igb *ig)
{
	(void)igb_read(ig, IGB_STATUS);
}

bool igb_hw_present(const struct igb *ig)
{
	return pci_read16(ig->ig_dev, PCI_ID) == ig->ig_dev->pd_vendor;
}

/* ---- Interrupts ---- */

void igb_hw_mask(struct igb *ig)
{
	igb_write(ig, IGB_IMC, 0xffffffff);
	igb_write(ig, IGB_EIMC, 0xffffffff);
	flush(ig);
}

void igb_hw_unmask(struct igb *ig)
{
	if (igb_vectors(ig)) {
		igb_write(ig, IGB_IMS, ICR_LSC | ICR_RESET);
		igb_write(ig, IGB_EIMS, (2u << ig->ig_nqueues) - 1);
	} else {
		igb_write(ig, IGB_IMS, ICR_RXDW | ICR_TXDW | ICR_LSC | ICR_RESET);
	}
	flush(ig);
}

static void causes_allot(struct igb *ig)
{
	uint32_t ivar[8] = {0}, all = (2u << ig->ig_nqueues) - 1;
	unsigned shift, link = 0;

	for (unsigned i = 0; i < ig->ig_nqueues; i++) {
		unsigned vector = igb_vectors(ig) ? i : 0;
		unsigned n = igb_ivar(i, false, &shift);

		ivar[n] |= (vector | IVAR_VALID) << shift;
		n = igb_ivar(i, true, &shift);
		ivar[n] |= (vector | IVAR_VALID) << shift;
	}
	if (igb_vectors(ig)) {
		link = ig->ig_nqueues;
		igb_write(ig, IGB_GPIE, GPIE_MSIX | GPIE_NSICR | GPIE_PBA);
		igb_write(ig, IGB_EIAC, all); /* only with GPIE_MSIX */
	} else {
		igb_write(ig, IGB_GPIE, 0);
	}
	for (unsigned n = 0; n < 8; n++)
		igb_write(ig, IGB_IVAR(n), ivar[n]);
	igb_write(ig, IGB_IVAR_MISC, (link | IVAR_VALID) << 8 | (link | IVAR_VALID));
	(void)igb_read(ig, IGB_ICR);
	igb_write(ig, IGB_EICR, 0xffffffff);
}

void igb_hw_pause(struct igb_queue *q, unsigned us)
{
	q->q_pause_us = us;
	igb_write(q->q_igb, IGB_EITR(igb_vectors(q->q_igb) ? q->q_index : 0),
	    EITR_US(us) | EITR_KEEP);
}

/* ---- The PHY ---- */

/* The semaphore that drivers and firmware share (4.5.11). False: not to be had. */
static bool phy_lock(struct igb *ig)
{
	uint32_t ours = 2u << STATUS_LAN(igb_read(ig, IGB_STATUS));
	bool free = false;

	if (!wait_for(ig, IGB_SWSM, SWSM_SMBI, 0, SEMAPHORE_STEPS))
		return false;
	igb_write(ig, IGB_SWSM, igb_read(ig, IGB_SWSM) | SWSM_SWESMBI);
	if (wait_for(ig, IGB_SWSM, SWSM_SWESMBI, SWSM_SWESMBI, SEMAPHORE_STEPS)) {
		uint32_t sync = igb_read(ig, IGB_SW_FW_SYNC);

		free = (sync & (ours | ours << 16)) == 0;
		if (free)
			igb_write(ig, IGB_SW_FW_SYNC, sync | ours);
	}
	igb_write(ig, IGB_SWSM, igb_read(ig, IGB_SWSM) & ~(SWSM_SWESMBI | SWSM_SMBI));
	return free;
}

static void phy_unlock(struct igb *ig)
{
	uint32_t ours = 2u << STATUS_LAN(igb_read(ig, IGB_STATUS));

	igb_write(ig, IGB_SW_FW_SYNC, igb_read(ig, IGB_SW_FW_SYNC) & ~ours);
}

static int phy_access(struct igb *ig, uint32_t command, uint16_t *value)
{
	igb_write(ig, IGB_MDIC, command | MDIC_PHY);
	if (!wait_for(ig, IGB_MDIC, MDIC_READY, MDIC_READY, PHY_STEPS))
		return late(ig, "PHY did not answer");
	*value = (uint16_t)igb_read(ig, IGB_MDIC);
	return (igb_read(ig, IGB_MDIC) & MDIC_ERROR) != 0 ? EIO : 0;
}

/* Have the two ends agree on a speed; the link comes when they have. */
static int phy_start(struct igb *ig)
{
	uint16_t control, unused;
	int error;

	if (!phy_lock(ig))
		return late(ig, "PHY not given up by the firmware");
	error = phy_access(ig, MDIC_READ | MDIC_REG(PHY_CONTROL), &control);
	if (error == 0) {
		control |= PHY_CONTROL_AUTONEG | PHY_CONTROL_RESTART;
		control &= (uint16_t)~PHY_CONTROL_POWER_DOWN;
		error = phy_access(ig, MDIC_WRITE | MDIC_REG(PHY_CONTROL) | control, &unused);
	}
	phy_unlock(ig);
	return error;
}

bool igb_hw_link(struct igb *ig, uint32_t *mbps)
{
	static const uint16_t speeds[] = {10, 100, 1000, 1000};
	uint32_t status = igb_read(ig, IGB_STATUS);

	*mbps = speeds[STATUS_SPEED(status)];
	return status != 0xffffffff && (status & STATUS_LU) != 0;
}

/* ---- Reset ---- */

int igb_hw_reset(struct igb *ig)
{
	pci_command(ig->ig_dev, PCI_COMMAND_MEMORY, 0);
	if (!igb_hw_present(ig)) {
		pci_command(ig->ig_dev, 0, PCI_COMMAND_MASTER);
		if (!igb_gone(ig))
			kprintf("igb: %s: does not answer\n", name_of(ig));
		return EIO;
	}
	igb_hw_mask(ig);
	igb_write(ig, IGB_RCTL, 0);
	igb_write(ig, IGB_TCTL, TCTL_PSP);
	igb_write(ig, IGB_CTRL, igb_read(ig, IGB_CTRL) | CTRL_MASTER_OFF);
	/* What is under way ends first (4.6.3); if it does not, the reset ends it. */
	if (!wait_for(ig, IGB_STATUS, STATUS_MASTER, 0, MASTER_STEPS))
		(void)late(ig, "requests under way did not end");
	igb_write(ig, IGB_CTRL, igb_read(ig, IGB_CTRL) | CTRL_RST);
	lwp_sleep_ns(RESET_NS);
	if (!wait_for(ig, IGB_CTRL, CTRL_RST, 0, RESET_STEPS)) {
		/* It may do anything, but not in our memory. */
		pci_command(ig->ig_dev, 0, PCI_COMMAND_MASTER);
		return late(ig, "reset did not end");
	}
	igb_hw_mask(ig);
	(void)igb_read(ig, IGB_ICR);
	return 0;
}

int igb_hw_mac(struct igb *ig)
{
	uint32_t low = igb_read(ig, IGB_RAL0), high = igb_read(ig, IGB_RAH0);
	uint8_t *mac = ig->ig_nic.nic_mac;

	for (unsigned i = 0; i < 6; i++)
		mac[i] = (uint8_t)(i < 4 ? low >> 8 * i : high >> 8 * (i - 4));
	if ((high & RAH_AV) != 0 && (mac[0] & 1) == 0 && (low != 0 || (high & 0xffff) != 0))
		return 0;
	kprintf("igb: %s: its address %08x %08x is that of no card\n", name_of(ig), high, low);
	return EIO;
}

/* ---- Start ---- */

void igb_hw_filter(struct igb *ig)
{
	/* Relaxed: the last one to write the register has read the last value. */
	bool all = atomic_load_explicit(&ig->ig_promisc, memory_order_relaxed);

	bool jumbo = ig->ig_nic.nic_mtu > NIC_MTU;

	igb_write(ig, IGB_RLPML, nic_frame_max(&ig->ig_nic) + CRC);
	igb_write(ig, IGB_RCTL,
	    RCTL_EN | RCTL_MPE | RCTL_BAM | RCTL_SECRC | (all ? RCTL_UPE : 0) |
		(jumbo ? RCTL_LPE : 0));
}

static int queue_start(struct igb_queue *q)
{
	struct igb *ig = q->q_igb;
	unsigned i = q->q_index;
	uint64_t rx = machine_virt_to_phys(q->q_rx.rx_desc);
	uint64_t tx = machine_virt_to_phys(q->q_tx.tx_desc);
	bool many = ig->ig_nqueues > 1;

	igb_write(ig, IGB_RX(i, RX_RDBAL), (uint32_t)rx);
	igb_write(ig, IGB_RX(i, RX_RDBAH), (uint32_t)(rx >> 32));
	igb_write(ig, IGB_RX(i, RX_RDLEN), IGB_RX_RING * sizeof(struct igb_desc));
	igb_write(ig, IGB_RX(i, RX_SRRCTL),
	    SRRCTL_KB(NIC_BUF_SIZE / 1024) | SRRCTL_ADVANCED | (many ? SRRCTL_DROP_EN : 0));
	igb_write(ig, IGB_RX(i, RX_RDH), 0);
	igb_write(ig, IGB_RX(i, RX_RDT), 0);
	igb_write(ig, IGB_RX(i, RX_RXDCTL), igb_read(ig, IGB_RX(i, RX_RXDCTL)) | XDCTL_ENABLE);
	igb_write(ig, IGB_TX(i, TX_TDBAL), (uint32_t)tx);
	igb_write(ig, IGB_TX(i, TX_TDBAH), (uint32_t)(tx >> 32));
	igb_write(ig, IGB_TX(i, TX_TDLEN), IGB_TX_RING * sizeof(struct igb_desc));
	igb_write(ig, IGB_TX(i, TX_TDH), 0);
	igb_write(ig, IGB_TX(i, TX_TDT), 0);
	igb_write(ig, IGB_TX(i, TX_TXDCTL), igb_read(ig, IGB_TX(i, TX_TXDCTL)) | XDCTL_ENABLE);
	if (!wait_for(ig, IGB_RX(i, RX_RXDCTL), XDCTL_ENABLE, XDCTL_ENABLE, ENABLE_STEPS) ||
	    !wait_for(ig, IGB_TX(i, TX_TXDCTL), XDCTL_ENABLE, XDCTL_ENABLE, ENABLE_STEPS))
		return late(ig, "a queue did not start");
	/* The tail after the enable, or it is not looked at (4.5.9). */
	igb_doorbell(ig, IGB_RX(i, RX_RDT), igb_rx_tail(&q->q_rx));
	return 0;
}

/* Any key does that differs from nothing; this one is the same at each start, so flows stay. */
static void rss_start(struct igb *ig)
{
	uint32_t word = 0x9e3779b9;

	for (unsigned i = 0; i < RSSRK_WORDS; i++) {
		word = word * 1664525 + 1013904223;
		igb_write(ig, IGB_RSSRK(i), word);
	}
	for (unsigned i = 0; i < RETA_ENTRIES; i += 4) {
		word = 0;
		for (unsigned j = 0; j < 4; j++)
			word |= (i + j) % ig->ig_nqueues << 8 * j;
		igb_write(ig, IGB_RETA(i / 4), word);
	}
	igb_write(ig, IGB_MRQC, MRQC_RSS | MRQC_FIELDS);
}

int igb_hw_start(struct igb *ig)
{
	int error = 0;

	pci_command(ig->ig_dev, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY, 0);
	igb_write(ig, IGB_CTRL_EXT,
	    igb_read(ig, IGB_CTRL_EXT) | CTRL_EXT_PFRSTD | CTRL_EXT_DRV_LOAD);
	igb_write(ig, IGB_CTRL,
	    (igb_read(ig, IGB_CTRL) & ~(CTRL_FORCE | CTRL_MASTER_OFF)) | CTRL_SLU);
	causes_allot(ig);
	for (unsigned i = 0; i < MTA_WORDS; i++)
		igb_write(ig, IGB_MTA(i), 0);
	igb_write(ig, IGB_RXCSUM, RXCSUM_IPOFL | RXCSUM_TUOFL | RXCSUM_PCSD);
	if (ig->ig_nqueues > 1)
		rss_start(ig);
	for (unsigned i = 0; i < ig->ig_nqueues && error == 0; i++) {
		igb_hw_pause(ig->ig_queue[i], ig->ig_queue[i]->q_pause_us);
		error = queue_start(ig->ig_queue[i]);
	}
	if (error == 0)
		error = phy_start(ig);
	if (error != 0)
		return error;
	igb_write(ig, IGB_TCTL, TCTL_EN | TCTL_PSP | TCTL_CT | TCTL_COLD);
	igb_hw_filter(ig);
	return 0;
}

/* ---- Counts ---- */

void igb_hw_counts(struct igb *ig)
{
	if (igb_gone(ig) || !igb_hw_present(ig))
		return;
	for (unsigned i = 0; i < ig->ig_nqueues; i++)
		igb_bump(&ig->ig_queue[i]->q_missed, igb_read(ig, IGB_RX(i, RX_RQDPC)));
	igb_bump(&ig->ig_crc, igb_read(ig, IGB_CRCERRS));
	igb_bump(&ig->ig_length, (uint64_t)igb_read(ig, IGB_RLEC) + igb_read(ig, IGB_ROC));
	igb_bump(&ig->ig_nobuf, (uint64_t)igb_read(ig, IGB_RNBC) + igb_read(ig, IGB_MPC));
}
