# SPDX-License-Identifier: BSD-2-Clause
"""The other end of a machine's network: a network namespace of the host with a tap in it.

Nothing of the host's own network is touched: the tap is made, given to QEMU by its name, and then
moved into a namespace of its own, where it alone is. Programs are run there by run(), and
sockets() makes Python sockets there.

    with Host(nic='igb') as host:
        m = boot(..., **host.options)
        host.join(m)
        host.run('ping', '-c', '1', host.ADDR)
"""

import ctypes
import os
import re
import shutil
import socket
import subprocess
import threading
import time

import pytest

CLONE_NEWNET = 0x40000000
SERIAL = iter(range(10**6))


def command(*argv, **options):
    """Run a program that must succeed; what it printed."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f'{" ".join(argv)}: {done.stdout}{done.stderr}'
    return done.stdout


def impossible():
    """Why there can be no namespace with a tap here, or None."""
    if os.geteuid() != 0:
        return 'network namespaces: only for root'
    if not os.path.exists('/dev/net/tun'):
        return 'network namespaces: this host has no /dev/net/tun'
    name = f'ithaca-try{os.getpid()}'
    if subprocess.run(['ip', 'netns', 'add', name], capture_output=True, check=False).returncode:
        return 'network namespaces: this host does not allow them'
    inside = subprocess.run(['ip', 'netns', 'exec', name, 'true'], capture_output=True, text=True,
                            check=False)
    subprocess.run(['ip', 'netns', 'del', name], check=True)
    if inside.returncode:       # in a chroot, say, whose root is no mount point
        return f'no program can be run in a network namespace here: {inside.stderr.strip()}'
    return None


class Host:
    """`queues` of the tap, for virtio-net-pci. `plain`: QEMU has every sum made before a frame
    comes to the tap, where else a flag may stand for it; then virtio cards make and leave out
    none."""

    ADDR, ADDR6 = '10.77.0.2', 'fd77::2'            # the machine's
    OWN, OWN6 = '10.77.0.1', 'fd77::1'              # the host's

    def __init__(self, nic='igb', queues=1, plain=False):
        reason = impossible()
        if reason is not None:
            pytest.skip(reason)
        number = f'{os.getpid() % 100000}-{next(SERIAL)}'
        self.name, self.tap = f'ithaca-{number}', f'ith{number}'
        self.nic, self.queues = nic, queues
        self.card = 'vtnet0' if nic == 'virtio-net-pci' else 'igb0'
        self.options = {'net': f'tap:{self.tap}', 'nic': nic, 'queues': queues, 'edu': 0}
        if plain:
            self.options.update(net='none', args=[
                '-netdev', f'tap,id=net0,ifname={self.tap},script=no,downscript=no,vnet_hdr=off',
                '-device', f'{nic},netdev=net0'])

    def __enter__(self):
        command('ip', 'netns', 'add', self.name)
        multi = ['multi_queue'] if self.queues > 1 else []
        command('ip', 'tuntap', 'add', 'dev', self.tap, 'mode', 'tap', *multi)
        return self

    def __exit__(self, *exc):
        for argv in (['ip', 'netns', 'exec', self.name, 'ip', 'link', 'del', self.tap],
                     ['ip', 'link', 'del', self.tap], ['ip', 'netns', 'del', self.name]):
            subprocess.run(argv, capture_output=True, check=False)

    def join(self, m):
        """The machine is up and has opened the tap: give both ends their addresses."""
        command('ip', 'link', 'set', self.tap, 'netns', self.name)
        self.run('sysctl', '-q', '-w', f'net.ipv6.conf.{self.tap}.accept_dad=0')
        self.run('ip', 'link', 'set', 'lo', 'up')
        self.run('ip', 'addr', 'add', f'{self.OWN}/24', 'dev', self.tap)
        self.run('ip', 'addr', 'add', f'{self.OWN6}/64', 'dev', self.tap)
        self.run('ip', 'link', 'set', self.tap, 'up')
        self.address(m)

    def address(self, m):
        """The machine's end of it."""
        m.ok(f'ifconfig {self.card} dhcp off; ifconfig {self.card} {self.ADDR}/24')
        m.ok(f'ifconfig {self.card} {self.ADDR6}/64')
        self.run('ping', '-q', '-c', '1', '-w', '30', self.ADDR)
        self.run('ping', '-q', '-c', '1', '-w', '30', self.ADDR6)

    def run(self, *argv, **options):
        """A program in the namespace, that must succeed; what it printed."""
        return command('ip', 'netns', 'exec', self.name, *argv, **options)

    def start(self, *argv):
        """The same, and it goes on until it ends or is ended; what it prints is nobody's."""
        return subprocess.Popen(['ip', 'netns', 'exec', self.name, *argv],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def inside(self, fn):
        """fn() with the namespace as its network: sockets that it makes belong there for good."""
        result = []

        def thread():
            libc = ctypes.CDLL(None, use_errno=True)
            fd = os.open(f'/run/netns/{self.name}', os.O_RDONLY)
            try:
                if libc.setns(fd, CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), 'setns')
                result.append(fn())
            finally:
                os.close(fd)

        t = threading.Thread(target=thread)
        t.start()
        t.join()
        return result[0]

    def tcp(self, port, timeout=60):
        """A connection to that port of the machine."""
        return self.inside(lambda: socket.create_connection((self.ADDR, port), timeout))

    def udp(self, timeout=60):
        """A socket for datagrams, bound to a port of its own."""
        s = self.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        s.bind((self.OWN, 0))
        s.settimeout(timeout)
        return s


def in_use(m):
    """Buffers of cards that are not free: in rings, or with the network."""
    text = m.ok('sysctl net.bufs; sysctl net.bufs_free')
    made, free = (int(x) for x in re.findall(r'= (\d+)', text))
    return made - free


def settled(m, wanted, seconds=60):
    """Wait until no more than `wanted` buffers are in use; what is left by then is lost."""
    deadline = time.monotonic() + seconds
    while (count := in_use(m)) > wanted:
        assert time.monotonic() < deadline, \
            f'{count} buffers in use, {wanted} before\n' + m.ok('netstat -m')
        time.sleep(0.2)


def missing(*programs):
    """Programs that are not there (tools/setup check installs them)."""
    return [p for p in programs if shutil.which(p) is None]
