# SPDX-License-Identifier: BSD-2-Clause
"""igb: every frame there and back by each kind of interrupt, flows that keep to their queue, and a
card that is reset, loses its link, is detached or pulled out, or writes nonsense, under traffic.
The card is QEMU's; the test holds the other end of its wire, a socket that drops nothing. The
kernel runs without a network (net=off); `nic raw echo` sends back what comes."""

import os
import re
import socket
import struct
import tempfile
import threading
import time

import pytest
import test_san
from harness import Meanwhile

MAC = b'\x52\x54\x00\x12\x34\x56'
PEER = b'\x02\x00\x00\x00\x00\x01'
ALL = b'\xff' * 6
RING = 256
KINDS = {'MSI-X': 1, 'MSI': 2, 'INTx': 4}


class Wire:
    """The other end: what is sent arrives, what the card sends is kept in order."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix='ithaca.')
        self.near, self.far = (os.path.join(self.dir, x) for x in ('near', 'far'))
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.near)
        self.out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.out.settimeout(60)
        self.came = []
        self.change = threading.Condition()
        self.open = True
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def args(self, device='igb,addr=3'):
        return ['-netdev', f'dgram,id=wire,local.type=unix,local.path={self.far},'
                           f'remote.type=unix,remote.path={self.near}',
                '-device', f'{device},netdev=wire,mac=52:54:00:12:34:56,id=card']

    def _read(self):
        while self.open:
            data = self.sock.recv(65536)
            with self.change:
                self.came.append(data)
                self.change.notify_all()

    def send(self, data):
        """Waits while the card takes nothing."""
        self.out.sendto(data, self.far)

    def count(self):
        with self.change:
            return len(self.came)

    def take(self, n, timeout=60):
        """The first `n` frames that came; waits for them."""
        with self.change:
            ok = self.change.wait_for(lambda: len(self.came) >= n, timeout)
            assert ok, f'{len(self.came)} frames of {n} came'
            out, self.came = self.came[:n], self.came[n:]
        return out

    def drop(self):
        with self.change:
            self.came = []

    def close(self):
        self.open = False
        self.out.sendto(b'', self.near)
        self.thread.join()
        self.sock.close()
        self.out.close()
        for path in (self.near, self.far):
            if os.path.exists(path):
                os.unlink(path)
        os.rmdir(self.dir)


def frame(number, size=60, to=MAC):
    """A frame that is like no other."""
    head = to + PEER + b'\x88\xb5\x00\x00' + struct.pack('>Q', number)
    return head + bytes((number + i) & 0xff for i in range(size - len(head)))


def flow(port, number):
    """A UDP datagram of the flow from `port`, its number in it."""
    data = struct.pack('>Q', number) + bytes(20)
    udp = struct.pack('>HHHH', port, 7, 8 + len(data), 0) + data
    head = struct.pack('>BBHHHBBH4s4s', 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0,
                       b'\x0a\x00\x00\x01', b'\x0a\x00\x00\x02')
    total = sum(struct.unpack('>10H', head))
    total = (total & 0xffff) + (total >> 16)
    head = head[:10] + struct.pack('>H', ~(total + (total >> 16)) & 0xffff) + head[12:]
    return MAC + PEER + b'\x08\x00' + head + udp


def echoed(sent):
    """What `nic raw echo` makes of it."""
    return sent[6:12] + sent[:6] + sent[12:]


def wait_for(what, seconds=60):
    """Until what() is true; for what only a console command can tell."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, 'waited in vain'
        time.sleep(0.05)


def link(m, state):
    wait_for(lambda: m.row('nic', 'card', card='igb0')['link'] == state)


@pytest.fixture
def machine(boot):
    """A function that boots a machine with a card on a Wire, up and echoing."""
    wires = []

    def start(cpus=2, up=True, echo='echo', kind=None, device='igb,addr=3', args=(), **options):
        wire = Wire()
        wires.append(wire)
        m = boot(cpus=cpus, args=[*args, *wire.args(device)], append='net=off', **options)
        m.wire = wire
        m.place = re.search(r'igb0 at (\S+):', m.transcript())[1]
        if kind is not None:
            m.set_sysctl('dev.igb.interrupts', KINDS[kind])
            m.ok(f'pci detach {m.place}')
            m.ok(f'pci attach {m.place}')
        m.ok(f'nic raw {echo}')
        if up:
            m.ok('nic up igb0')
            link(m, 'yes')
        return m

    yield start
    for wire in wires:
        wire.close()


def talk(m, count, first=0, sizes=(60,), window=32):
    """`count` frames there and back, each one exact, in order."""
    for base in range(first, first + count, window):
        batch = [frame(n, sizes[n % len(sizes)])
                 for n in range(base, min(base + window, first + count))]
        for sent in batch:
            m.wire.send(sent)
        assert m.wire.take(len(batch)) == [echoed(sent) for sent in batch]


def queue(m, number=0):
    return m.row('nic stats igb0', 'queue', queue=number)


def queues(m):
    return m.table('nic stats igb0', 'queue')


def in_use(m):
    """Buffers that are somewhere else than free."""
    return m.sysctl('net.bufs') - m.sysctl('net.bufs_free')


def nothing_lost(m):
    """Nobody has a buffer after the end, and all that was sent was reported."""
    m.ok('nic down igb0')
    assert in_use(m) == 0
    row = m.table('nic counts', 'received')[0]
    assert row['echoed'] + row['made'] == row['reported']
    assert row['received'] == row['echoed'] + row['refused'] or row['echoed'] == 0


class Traffic(Meanwhile):
    """Frames as fast as the card takes them, meanwhile."""

    def __init__(self, wire):
        super().__init__()
        self.wire = wire
        self.sent = 0
        self.out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.out.settimeout(0.2)

    def turn(self):
        try:
            self.out.sendto(flow(1000 + self.sent % 16, self.sent), self.wire.far)
            self.sent += 1
        except TimeoutError:
            pass            # the card is away, or has no link

    def stop(self):
        super().stop()
        self.out.close()


def quiet(wire):
    """Wait until nothing comes any more, and forget what came."""
    while True:
        before = wire.count()
        time.sleep(0.3)
        if wire.count() == before:
            wire.drop()
            return


# ---------------------------------------------------------------- frames

@pytest.mark.parametrize('kind', KINDS)
def test_frames_there_and_back(machine, mode, kind):
    m = machine(mode=mode, kind=kind)
    assert f', {kind}, ' in m.ok('nic info igb0')
    talk(m, 640, sizes=(60, 61, 64, 590, 1024, 1513, 1514, 60, 333))
    row = queue(m)
    # What is not IP has no hash, and goes to the first queue.
    assert row['rx'] == row['tx'] == 640
    assert row['errors'] == row['nobuf'] == row['txerrors'] == 0
    assert 0 < row['rounds'] and 0 < row['interrupts'] <= 2 * 640 + 10
    assert m.sysctl('net.bufs_short') == 0
    nothing_lost(m)
    assert m.poweroff() == 0


def test_what_the_card_lets_through(machine):
    m = machine()
    tagged = MAC + PEER + b'\x81\x00\x00\x07\x88\xb5' + bytes(1500)
    assert len(tagged) == 1518
    m.wire.send(b'\x01\x00\x5e\x00\x00\x01' + PEER + b'\x88\xb5' + bytes(50))   # a multicast
    m.wire.send(frame(1, to=ALL))
    m.wire.send(frame(2, to=b'\x52\x54\x00\x00\x00\x00'))                       # another's
    m.wire.send(frame(3, size=1515))                                            # too long
    m.wire.send(frame(4, size=9000))
    m.wire.send(tagged)
    m.wire.send(MAC + PEER + b'\x88')                   # too short: the emulator fills it up
    m.wire.send(frame(5))
    got = m.wire.take(5)
    assert got[1] == echoed(frame(1, to=ALL)) and got[2] == echoed(tagged)
    assert got[3][:12] == PEER + MAC and len(got[3]) == 60
    assert got[4] == echoed(frame(5))
    m.ok('nic promisc igb0 on')
    m.wire.send(frame(6, to=b'\x52\x54\x00\x00\x00\x00'))
    assert m.wire.take(1) == [echoed(frame(6, to=b'\x52\x54\x00\x00\x00\x00'))]
    m.ok('nic promisc igb0 off')
    m.wire.send(frame(7, to=b'\x52\x54\x00\x00\x00\x00'))
    m.wire.send(frame(8))
    assert m.wire.take(1) == [echoed(frame(8))]
    assert queue(m)['errors'] == 0
    nothing_lost(m)
    assert m.poweroff() == 0


def test_frames_of_several_buffers(machine):
    m = machine(cpus=1)
    assert 'must be 1280 to 9000' in m.error('nic mtu igb0 9001')
    for mtu in (9000, 4000, 1500, 9000):
        m.ok(f'nic mtu igb0 {mtu}')
        link(m, 'yes')
        assert f'mtu {mtu} of at most 9000' in m.ok('nic info igb0')
        most = mtu + 14
        before = queue(m)
        talk(m, 90, sizes=(60, 1514, most, min(2047, most), min(2048, most), min(2049, most),
                           most - 1, most // 4096 * 4096 or 61, 62))
        # The limit has room for a VLAN's tag, whether the frame has one or not.
        m.wire.send(frame(1, most + 5))
        talk(m, 30, first=100, sizes=(60, most, 3000 if mtu > 3000 else 1000))
        assert 'EMSGSIZE' in m.error(f'nic send igb0 0 {most + 5} 1')
        m.ok(f'nic send igb0 0 {most + 4} 3')
        for n, sent in enumerate(m.wire.take(3)):
            assert sent == ALL + MAC + b'\x88\xb5' + struct.pack('>Q', n) + \
                bytes(i & 0xff for i in range(22, most + 4))
        row = queue(m)
        assert row['rx'] == before['rx'] + 120 and row['errors'] == before['errors'] == 0
        wait_for(lambda: in_use(m) == RING)
    with Traffic(m.wire):
        for n in range(3):
            m.ok(f'nic mtu igb0 {8000 + n}')
    link(m, 'yes')
    quiet(m.wire)
    talk(m, 60, sizes=(60, 8000, 5000))
    nothing_lost(m)
    assert m.poweroff() == 0


def test_flows_keep_to_their_queue(machine):
    m = machine(cpus=4)
    assert len(queues(m)) == 4
    seen = set()
    for port in range(24):
        before = [row['rx'] for row in queues(m)]
        for n in range(10):
            m.wire.send(flow(5000 + port, n))
        got = m.wire.take(10)
        # In order, as one handler brings them.
        assert got == [echoed(flow(5000 + port, n)) for n in range(10)]
        more = [row['rx'] - was for row, was in zip(queues(m), before)]
        assert sorted(more) == [0, 0, 0, 10], f'flow {port}: {more}'
        seen.add(more.index(10))
    assert seen == {0, 1, 2, 3}
    # Each queue's vector goes to its own CPU, and no handler ran elsewhere.
    for n in range(4):
        row = m.row('intrstat', 'name', name=f'igb0-q{n}')
        assert row['cpu'] == n and row['count'] == queue(m, n)['rounds'] > 0
    nothing_lost(m)
    assert m.poweroff() == 0


@pytest.mark.parametrize('cpus, limit, expected', [(4, 2, 2), (1, 16, 9), (12, 0, 9)])
def test_as_many_queues_as_cpus_or_vectors(machine, cpus, limit, expected):
    # The emulated card has ten vectors, and one is for the link.
    m = machine(cpus=cpus, up=False)
    m.set_sysctl('dev.igb.queues', limit)
    m.ok(f'pci detach {m.place}')
    m.ok(f'pci attach {m.place}')
    m.ok('nic up igb0')
    link(m, 'yes')
    for port in range(64):
        m.wire.send(flow(6000 + port, port))
    assert sorted(m.wire.take(64)) == sorted(echoed(flow(6000 + p, p)) for p in range(64))
    rows = queues(m)
    assert len(rows) == expected and sum(r['rx'] for r in rows) == 64
    assert sum(r['rx'] > 0 for r in rows) >= 2
    nothing_lost(m)
    assert m.poweroff() == 0


def test_budget_gives_way(machine):
    m = machine()
    m.set_sysctl('dev.igb.budget', 2)
    m.ok('nic burn 3000')           # much longer than we take to send one
    talk(m, 96)
    row = queue(m)
    assert row['rx'] == 96 and row['yields'] >= 20 and row['rounds'] > row['yields']
    # A queue that yields stays masked: what comes meanwhile is no interrupt.
    assert row['interrupts'] < row['rounds']
    assert 'dev.igb.budget' in m.error('sysctl dev.igb.budget=0')
    nothing_lost(m)
    assert m.poweroff() == 0


def test_a_flood_leaves_time_for_others(machine):
    # More frames than the CPUs can do: the handlers rest, so nobody takes them for a storm, and
    # what has a lower level gets its turn.
    m = machine()
    m.ok('nic burn 300')
    with Traffic(m.wire) as traffic:
        wait_for(lambda: sum(row['rx'] for row in queues(m)) >= 4000)
        before = [row['rx'] for row in queues(m)]
        m.ok('edu raise 200')
        wait_for(lambda: all(row['rx'] > was + 500 for row, was in zip(queues(m), before)))
    assert traffic.sent > 4000
    rests = re.search(r'rests: (\d+) (\d+)', m.ok('nic info igb0'))
    assert int(rests[1]) > 0 and int(rests[2]) > 0
    assert 'storm' not in m.transcript()
    m.ok('nic burn 0')
    quiet(m.wire)
    talk(m, 100)
    nothing_lost(m)
    assert m.poweroff() == 0


def test_moderation(machine):
    m = machine()
    m.ok('nic moderate igb0 8000')
    talk(m, 32)                     # the first run takes the pause to the card
    assert '8000 us apart' in m.ok('nic info igb0')
    before, begun = queue(m)['interrupts'], time.monotonic()
    talk(m, 600, first=100, window=8)
    passed = time.monotonic() - begun
    # QEMU sends one message as a pause begins and one as it ends; its pauses are of 1.024 us units.
    assert queue(m)['interrupts'] - before <= 2 * (passed / 0.008192 + 1) + 2
    m.ok('nic moderate igb0 0')
    talk(m, 32, first=1000)
    assert re.search(r'in force: 0\b', m.ok('nic info igb0'))
    m.ok('nic moderate igb0 adaptive')
    talk(m, 32, first=2000)
    assert 'adaptive' in m.ok('nic info igb0')
    assert 'microseconds 9000: must be 0 to 8191' in m.error('nic moderate igb0 9000')
    nothing_lost(m)
    assert m.poweroff() == 0


@pytest.mark.parametrize('kind', ['MSI-X', 'INTx'])
def test_sending(machine, kind):
    m = machine(kind=kind, cpus=2)
    last = len(queues(m)) - 1
    # Pauses make the ring fill up: the sender waits, and nothing is lost.
    if kind == 'MSI-X':
        m.ok('nic moderate igb0 8000')
        m.ok(f'nic send igb0 {last} 60 1')
        m.wire.take(1)
    m.ok(f'nic send igb0 {last} 1514 3000')
    got = m.wire.take(3000)
    for n, sent in enumerate(got):
        assert sent == ALL + MAC + b'\x88\xb5' + struct.pack('>Q', n) + \
            bytes(i & 0xff for i in range(22, 1514))
    m.ok(f'nic send igb0 0 14 100')
    assert all(len(x) >= 14 and x[:12] == ALL + MAC for x in m.wire.take(100))
    row = queue(m, last)
    assert row['txerrors'] == 0
    assert 'EMSGSIZE' in m.error('nic send igb0 0 1519 1')
    wait_for(lambda: in_use(m) == RING * (last + 1))
    nothing_lost(m)
    assert 'ENETDOWN' in m.error('nic send igb0 0 60 1')
    assert m.poweroff() == 0


# ---------------------------------------------------------------- what goes wrong

@pytest.mark.parametrize('kind', KINDS)
def test_reset_under_traffic(machine, kind):
    m = machine(kind=kind)
    with Traffic(m.wire) as traffic:
        for _ in range(5):
            m.ok('nic reset igb0')
            sent = traffic.sent
            wait_for(lambda: traffic.sent > sent + 50)
    link(m, 'yes')
    quiet(m.wire)
    talk(m, 100)
    assert 'resets 5' in m.ok('nic info igb0')
    wait_for(lambda: in_use(m) == RING * len(queues(m)))
    nothing_lost(m)
    assert m.poweroff() == 0


@pytest.mark.parametrize('kind', KINDS)
def test_down_and_detach_under_traffic(machine, kind):
    m = machine(kind=kind, cpus=3)
    with Traffic(m.wire) as traffic:
        for n in range(4):
            if n % 2:
                m.ok('nic down igb0')
                m.ok('nic up igb0')
            else:
                m.ok(f'pci detach {m.place}')
                assert in_use(m) == 0
                assert 'no card' in m.error('nic info igb0')
                assert 'igb0' not in m.ok('irq list')
                m.ok(f'pci attach {m.place}')
                m.ok('nic up igb0')
            link(m, 'yes')
            sent = traffic.sent
            wait_for(lambda: traffic.sent > sent + 50)
    quiet(m.wire)
    talk(m, 100)
    nothing_lost(m)
    assert m.poweroff() == 0


def test_cable_pulled_under_traffic(machine):
    m = machine(monitor=True)
    with Traffic(m.wire):
        for _ in range(3):
            m.hmp('set_link card off')
            link(m, 'no')
            assert 'ENETDOWN' in m.error('nic send igb0 0 60 1')
            m.hmp('set_link card on')
            link(m, 'yes')
    quiet(m.wire)
    talk(m, 100)
    # By interrupt, and not by the watchdog alone.
    assert m.row('intrstat', 'name', name='igb0-link')['count'] >= 6
    nothing_lost(m)
    assert m.poweroff() == 0


def power_off(m, slot, express=0x54):
    """The root port in that slot cuts the power of what is in it, as if it were pulled out."""
    address = 0x80000000 | slot << 11 | (express + 0x18)
    m.hmp(f'o/4 0xcf8 {address & ~3:#x}')
    m.hmp(f'o/2 {0xcfc + (address & 2):#x} 0x7c0')


@pytest.mark.parametrize('kind', KINDS)
def test_pulled_out_under_traffic(machine, kind):
    m = machine(monitor=True, kind=kind, device='igb,bus=port9',
                args=['-device', 'pcie-root-port,id=port9,chassis=1,slot=1,addr=9'])
    talk(m, 100)
    with Traffic(m.wire) as traffic:
        wait_for(lambda: traffic.sent > 50)
        power_off(m, 9)
        link(m, 'no')
    assert '(gone)' in m.ok('nic info igb0')
    assert 'does not answer any more' in m.transcript()
    assert 'ENETDOWN' in m.error('nic send igb0 0 60 1')
    assert 'EIO' in m.error('nic reset igb0')
    m.ok('nic stats igb0')
    m.ok('nic promisc igb0 on')
    nothing_lost(m)
    assert 'EIO' in m.error('nic up igb0')
    m.ok(f'pci detach {m.place}')
    assert in_use(m) == 0
    assert 'EIO' in m.error(f'pci attach {m.place}')
    m.ok('edu raise 100')
    assert m.poweroff() == 0


class Memory:
    """The machine's memory, written from outside while it stands still: QEMU's gdb stub."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(path)
        assert self.ask('Qqemu.PhyMemMode:1') == 'OK'

    def ask(self, text):
        self.sock.sendall(f'${text}#{sum(text.encode()) & 0xff:02x}'.encode())
        answer = b''
        while not re.search(rb'\$[^#]*#..$', answer):
            answer += self.sock.recv(4096)
        self.sock.sendall(b'+')
        return answer[answer.index(b'$') + 1:-3].decode()

    def write(self, address, data):
        assert self.ask(f'M{address:x},{len(data):x}:{data.hex()}') == 'OK'

    def close(self):
        """The machine goes on."""
        self.ask('D')
        self.sock.close()


def test_descriptors_that_make_no_sense(machine):
    directory = tempfile.mkdtemp(prefix='ithaca.')    # short, as a socket's path must be
    stub = os.path.join(directory, 'gdb')
    m = machine(monitor=True, cpus=1, args=['-gdb', f'unix:{stub},server=on,wait=off'])
    regs = int(re.search(r'PCI device 8086:10c9.*?BAR0: 32 bit memory at (0x[0-9a-f]+)',
                         m.hmp('info pci'), re.S)[1], 16)

    def register(offset):
        return int(m.hmp(f'xp /1wx {regs + offset:#x}').split()[-1], 16)

    lies = [(0, 3), (0xffff, 3), (100, 1), (2048, 1), (100, 3), (60, 0x80000003)]
    for turn in range(4):
        if turn == 3:
            # A frame of which each piece is right, but that has no end.
            m.ok('nic mtu igb0 9000')
            link(m, 'yes')
            lies = [(0, 3), (0xffff, 3)] + [(2048, 1)] * 6 + [(100, 3), (60, 0x80000003)]
        talk(m, 10 + 100 * turn, first=1000 * turn)
        ring, head = register(0xc000), register(0xc010)
        memory = Memory(stub)
        for n, (length, status) in enumerate(lies, head + 1):
            memory.write(ring + n % RING * 16, struct.pack('<QIHH', 2**64 - 1, status, length, 0))
        memory.close()
        m.wire.send(frame(turn))
        assert m.wire.take(1) == [echoed(frame(turn))]
        wait_for(lambda: f'resets {turn + 1}' in m.ok('nic info igb0'))
        link(m, 'yes')
        assert queue(m)['errors'] == 4 * (turn + 1)
        info = m.ok('nic info igb0')
        n = turn + 1
        assert f'marked bad {n}, odd lengths {2 * n}, frames in pieces {n}' in info
    assert m.transcript().count('4 descriptors made no sense') == 4
    assert in_use(m) == RING
    talk(m, 300, first=5000)
    nothing_lost(m)
    assert m.poweroff() == 0
    if os.path.exists(stub):
        os.unlink(stub)
    os.rmdir(directory)


def test_two_lines_shared(machine):
    # Slots 4 and 8 share a line with the card in slot 12; each is handled, whoever else asks.
    m = machine(kind='INTx', device='igb,addr=0xc')
    for unit in (0, 1):
        m.ok(f'edu -u {unit} detach')
        m.ok(f'edu -u {unit} attach intx')
    lines = [r for r in m.table('irq list', 'source') if 'igb0-q0' in str(r['handlers'])]
    assert len(lines) == 1 and 'edu0' in lines[0]['handlers'] and 'edu1' in lines[0]['handlers']
    with Traffic(m.wire):
        for unit in (0, 1):
            m.ok(f'edu -u {unit} raise 2000')
    quiet(m.wire)
    talk(m, 200)
    nothing_lost(m)
    m.ok('edu raise 500')
    assert m.poweroff() == 0


def test_too_few_buffers(machine):
    m = machine(up=False)
    m.set_sysctl('net.bufs_max', 300)
    assert 'ENOMEM' in m.error('nic up igb0')
    assert '2 queues need 256 buffers each' in m.transcript()
    assert in_use(m) == 0
    m.set_sysctl('net.bufs_max', 2 * RING)
    m.ok('nic up igb0')             # its rings have all there are: every frame is dropped
    link(m, 'yes')
    for n in range(100):
        m.wire.send(frame(n))
    wait_for(lambda: queue(m)['nobuf'] == 100)
    # With two more, a frame of five finds none for its third; and those two are free again.
    m.set_sysctl('net.bufs_max', 2 * RING + 2)
    m.ok('nic mtu igb0 9000')
    link(m, 'yes')
    for n in range(20):
        m.wire.send(frame(n, 9000))
    wait_for(lambda: queue(m)['nobuf'] == 120)
    assert in_use(m) == 2 * RING
    m.set_sysctl('net.bufs_max', 4 * RING)
    talk(m, 300, sizes=(60, 9000))
    nothing_lost(m)
    assert m.poweroff() == 0


def test_every_allocation_fails_in_turn(machine):
    m = machine(up=False)
    m.ok(f'pci detach {m.place}')
    made = 0
    for n in range(1, 200):
        m.set_sysctl('debug.alloc_fail', n)
        text = m.cmd(f'pci attach {m.place}; nic up igb0')
        left = m.sysctl('debug.alloc_fail')
        m.set_sysctl('debug.alloc_fail', 0)
        made = n
        if 'error: pci' not in text:
            m.ok('nic down igb0')
            m.ok(f'pci detach {m.place}')
        assert in_use(m) == 0
        assert 'igb0' not in m.ok('irq list')
        if left != 0:
            break
    else:
        pytest.fail('an attach that never ends')
    # Each queue, the rings, the handlers, all buffers: it is far more than a few.
    assert made > 20
    m.ok(f'pci attach {m.place}')
    m.ok('nic up igb0')
    link(m, 'yes')
    talk(m, 100)
    nothing_lost(m)
    assert m.poweroff() == 0


def test_with_sanitizers(machine):
    m = machine(kernel=test_san.build('gcc'), cpus=3)
    talk(m, 600, sizes=(60, 1514, 61, 700))
    with Traffic(m.wire) as traffic:
        for n in range(3):
            m.ok('nic reset igb0')
            m.ok(f'pci detach {m.place}')
            m.ok(f'pci attach {m.place}')
            m.ok('nic up igb0')
            link(m, 'yes')
            sent = traffic.sent
            wait_for(lambda: traffic.sent > sent + 50)
    quiet(m.wire)
    talk(m, 100)
    nothing_lost(m)
    assert m.sysctl('debug.ubsan_reports') == m.sysctl('debug.kasan_reports') == 0
    assert m.poweroff() == 0
