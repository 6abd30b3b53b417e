# SPDX-License-Identifier: BSD-2-Clause
"""Several queues and one TCP/IP: the handlers come back instead of waiting for one another, every
queue gets its turn under a flood, and so does whoever else wants the lock or the CPU."""

import time

import net_host
import pytest
from harness import Meanwhile
from net_host import in_use, settled

CPUS = 4
FLOWS = 64
PATIENCE = 120


def wait_for(what, seconds=PATIENCE):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, 'it did not come'
        time.sleep(0.1)


class Flood(Meanwhile):
    """Datagrams of many flows to the discard port, as fast as the tap takes them, meanwhile. None
    is answered, for the tap sends a flow to the queue that it last heard of it by."""

    def __init__(self, host):
        super().__init__()
        self.where = (host.ADDR, 9)
        self.sockets = [host.udp() for _ in range(FLOWS)]
        for s in self.sockets:
            s.setblocking(False)

    def turn(self):
        for s in self.sockets:
            try:
                s.sendto(bytes(64), self.where)
            except OSError:
                pass                # the tap's queue is full

    def stop(self):
        super().stop()
        for s in self.sockets:
            s.close()


def received(m, host):
    """By each queue so far."""
    return [row['rx'] for row in m.table(f'nic stats {host.card}', 'queue')]


@pytest.mark.parametrize('nic', ('igb', 'virtio-net-pci'))
def test_every_queue_gets_its_turn(steady, nic):
    with net_host.Host(nic, CPUS if nic == 'virtio-net-pci' else 1) as host:
        m = steady(cpus=CPUS, **host.options)
        host.join(m)
        settled(m, in_use(m))
        before = in_use(m)
        with Flood(host):
            # All queues are busy, and meet at the lock.
            wait_for(lambda: min(received(m, host)) > 0)
            was = m.sysctl('net.lock.put_off')
            wait_for(lambda: m.sysctl('net.lock.put_off') > was + 200)
            for _ in range(3):
                counts = received(m, host)
                assert len(counts) == CPUS
                wait_for(lambda: all(now > then + 500 for now, then in
                                     zip(received(m, host), counts)))   # pylint: disable=W0640
            # An lwp that wants the lock gets it, and what has a lower level its CPU.
            enters = m.sysctl('net.lock.enters')
            m.ok('netstat -s')
            assert m.sysctl('net.lock.enters') > enters
            m.ok('callout 200')             # lwps and callouts of all CPUs
        settled(m, before)
        host.run('ping', '-q', '-c', '3', '-w', '60', host.ADDR)
        s = host.udp()
        s.connect((host.ADDR, 7))
        s.send(b'still there')
        assert s.recv(100) == b'still there'
        s.close()
        assert 'heartbeat:' not in m.transcript()
        assert m.poweroff() == 0
