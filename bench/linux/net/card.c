/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * card.c - the card of the Linux whose network tools/netbench measures: its drivers, its address,
 * its queues.
 *
 * With `echo_queues=1` what whoever tunes such a machine does: the card hashes UDP by port (igb
 * does not by itself), each queue's interrupts go to the CPU of its number, and what that CPU sends
 * leaves by its queue (XPS). Packets are not passed on to other CPUs (RPS is off, as shipped).
 * virtio-net has no hash of its own here: QEMU's tap distributes flows to its queues.
 *
 * card_drop() is the driver alone: a program of two instructions that answers XDP_DROP, run by the
 * driver itself (not the generic way behind it), before it makes anything of the frame. Attaching
 * it opens the card anew, so its interrupts are sent to their CPUs once more.
 *
 * Contexts: the first process, before there are others, and later by itself. No locks. What it is
 * not for: cards other than igb and virtio-net. Read next: server.c.
 */
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define COMPRESSED 4 /* MODULE_INIT_COMPRESSED_FILE of finit_module(2) */
#define CARD "eth0"
#define OF_CARD "/sys/class/net/" CARD "/"
#define LINK_TRIES 600 /* of 50 ms */

static void load(const char *path)
{
	int fd = open(path, O_RDONLY);

	if (fd < 0 || syscall(SYS_finit_module, fd, "", COMPRESSED) != 0)
		fail("%s: %s", path, strerror(errno));
	close(fd);
}

static int any_socket(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0)
		fail("socket: %s", strerror(errno));
	return fd;
}

static void set_address(int fd, unsigned long request, const char *text)
{
	struct ifreq ifr = {.ifr_name = CARD};
	struct sockaddr_in *sin = (struct sockaddr_in *)&ifr.ifr_addr;

	sin->sin_family = AF_INET;
	if (inet_pton(AF_INET, text, &sin->sin_addr) != 1)
		fail(CARD ": %s: no address", text);
	if (ioctl(fd, request, &ifr) != 0)
		fail(CARD ": %s: %s", text, strerror(errno));
}

static void wait_for_link(void)
{
	int tries;

	for (tries = 0; number_in(OF_CARD "carrier") != 1; tries++) {
		if (tries == LINK_TRIES)
			fail(CARD ": no link");
		usleep(50000);
	}
}

/* ---- A queue for each CPU ---- */

static int ethtool(void *what)
{
	struct ifreq ifr = {.ifr_name = CARD, .ifr_data = what};
	int fd = any_socket(), error;

	error = ioctl(fd, SIOCETHTOOL, &ifr) == 0 ? 0 : errno;
	close(fd);
	return error;
}

/* Flows of UDP to queues by address and port. Only igb hashes by itself. */
static void hash_ports(void)
{
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
	struct ethtool_rxnfc fields = {.cmd = ETHTOOL_SRXFH,
	    .flow_type = UDP_V4_FLOW,
	    .data = RXH_IP_SRC | RXH_IP_DST | RXH_L4_B_0_1 | RXH_L4_B_2_3};
	int error = ethtool(&info);

	if (error != 0)
		fail(CARD ": which driver: %s", strerror(error));
	if (strcmp(info.driver, "igb") != 0)
		return;
	error = ethtool(&fields);
	if (error != 0)
		fail(CARD ": hash of UDP: %s", strerror(error));
}

/* The queue that an interrupt of this name is for; -1 if it is not for one. The names are those
 * that drivers give: eth0-TxRx-3, eth0-rx-3, virtio0-input.3 and the like. */
static int queue_of(const char *name)
{
	const char *digits = name + strlen(name);

	while (digits > name && digits[-1] >= '0' && digits[-1] <= '9')
		digits--;
	if (*digits == '\0')
		return -1;
	if (strncmp(name, CARD "-", sizeof(CARD)) == 0 ||
	    (strncmp(name, "virtio", 6) == 0 && strstr(name, "put.") != NULL))
		return atoi(digits);
	return -1;
}

/* Each queue's interrupts to its CPU. */
static void spread_interrupts(int cpus)
{
	char line[1024], path[64], cpu[16], *name;
	int irq, queue, there[CPUS_MAX] = {0}, i;
	FILE *f = fopen("/proc/interrupts", "r");

	if (f == NULL)
		fail("/proc/interrupts: %s", strerror(errno));
	while (fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		name = strrchr(line, ' ');
		queue = name == NULL ? -1 : queue_of(name + 1);
		if (queue < 0 || sscanf(line, "%d:", &irq) != 1)
			continue;
		snprintf(path, sizeof(path), "/proc/irq/%d/smp_affinity_list", irq);
		snprintf(cpu, sizeof(cpu), "%d", queue % cpus);
		write_to(path, cpu);
		there[queue % cpus] = 1;
	}
	fclose(f);
	for (i = 0; i < cpus; i++) {
		if (!there[i])
			fail(CARD ": no interrupt of queue %d: has it %d queues?", i, cpus);
	}
}

/* What a CPU sends, by its queue. */
static void spread_sending(int cpus)
{
	char path[64], mask[32];
	int i;

	for (i = 0; i < cpus; i++) {
		snprintf(path, sizeof(path), OF_CARD "queues/tx-%d/xps_cpus", i);
		snprintf(mask, sizeof(mask), "%llx", 1ull << i);
		write_to(path, mask);
	}
}

static void spread(int cpus)
{
	if (cpus == 1)
		return;
	spread_interrupts(cpus);
	spread_sending(cpus);
}

void card_up(const struct options *op)
{
	static const char *const modules[] = {"/dca", "/i2c-algo-bit", "/igb", "/failover",
	    "/net_failover", "/virtio_net"};
	struct ifreq ifr = {.ifr_name = CARD, .ifr_flags = IFF_UP | IFF_RUNNING};
	unsigned i;
	int fd;

	for (i = 0; i < sizeof(modules) / sizeof(modules[0]); i++)
		load(modules[i]);
	fd = any_socket();
	set_address(fd, SIOCSIFADDR, op->op_address);
	set_address(fd, SIOCSIFNETMASK, "255.255.255.0");
	if (ioctl(fd, SIOCSIFFLAGS, &ifr) != 0)
		fail(CARD ": up: %s", strerror(errno));
	close(fd);
	wait_for_link();
	if (op->op_queues) {
		hash_ports();
		spread(op->op_cpus);
	}
}

long long card_frames(void)
{
	return number_in(OF_CARD "statistics/rx_packets");
}

/* ---- The driver alone ---- */

static int bpf(int what, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, what, attr, sizeof(*attr));
}

void card_drop(const struct options *op)
{
	static const struct bpf_insn program[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K,
						      .dst_reg = BPF_REG_0,
						      .imm = XDP_DROP},
	    {.code = BPF_JMP | BPF_EXIT}};
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_XDP;
	attr.insns = (uintptr_t)program;
	attr.insn_cnt = sizeof(program) / sizeof(program[0]);
	attr.license = (uintptr_t) "";
	fd = bpf(BPF_PROG_LOAD, &attr);
	if (fd < 0)
		fail("a program that drops: %s", strerror(errno));
	memset(&attr, 0, sizeof(attr));
	attr.link_create.prog_fd = (unsigned)fd;
	attr.link_create.target_ifindex = if_nametoindex(CARD);
	attr.link_create.attach_type = BPF_XDP;
	attr.link_create.flags = XDP_FLAGS_DRV_MODE;
	if (bpf(BPF_LINK_CREATE, &attr) < 0) /* kept open: with it the program would go */
		fail(CARD ": to drop what comes: %s", strerror(errno));
	wait_for_link();
	if (op->op_queues)
		spread(op->op_cpus);
}
