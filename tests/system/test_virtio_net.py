# SPDX-License-Identifier: BSD-2-Clause
"""virtio_net: every frame there and back, fallbacks, and a card that lies, is reset, loses its link
or is pulled out, under traffic. The card is vhost_user.py's: the test holds its other end. The
kernel runs without a network (net=off); `nic raw echo` sends back what comes."""

import re
import struct
import time

import pytest
import vhost_user
from harness import Meanwhile

MAC = b'\x52\x54\x00\x12\x34\x56'
PEER = b'\x02\x00\x00\x00\x00\x01'
MULTICAST = b'\x01\x00\x5e\x00\x00\x01'
LIES = ('id', 'huge id', 'twice', 'length', 'jump')
RING = 256


def frame(number, size=60, to=MAC):
    """A frame that is like no other."""
    head = to + PEER + b'\x88\xb5\x00\x00' + struct.pack('>Q', number)
    return head + bytes((number + i) & 0xff for i in range(size - len(head)))


def echoed(sent):
    """What `nic raw echo` makes of it."""
    return sent[6:12] + sent[:6] + sent[12:]


@pytest.fixture
def machine(boot):
    """A function that boots a machine with a Card (its arguments in `card`), echoing."""
    cards = []

    def start(cpus=2, up=True, echo='echo', **options):
        card = vhost_user.Card(**options.pop('card', {}))
        cards.append(card)
        m = boot(cpus=cpus, edu=0, args=card.args, append='net=off', **options)
        m.card = card
        m.ok(f'nic raw {echo}')
        if up:
            m.ok('nic up vtnet0')
            card.wait_ready()
        return m

    yield start
    for card in cards:
        card.close()


def talk(card, count, first=0, pair=0, sizes=(60,), window=32):
    """`count` frames there and back, each one exact, in order."""
    for base in range(first, first + count, window):
        batch = [frame(n, sizes[n % len(sizes)])
                 for n in range(base, min(base + window, first + count))]
        for sent in batch:
            card.deliver(pair, sent)
        for sent in batch:
            came = card.take()
            assert came == (pair, echoed(sent))


def queue(m, number=0):
    """A row of `nic stats`."""
    return m.row('nic stats vtnet0', 'queue', queue=number)


def in_use(m):
    """Buffers that are somewhere else than free."""
    return m.sysctl('net.bufs') - m.sysctl('net.bufs_free')


def until(what, seconds=60):
    """Wait until what() is true."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, 'it did not come'


def nothing_lost(m, pairs=1):
    """The rings have their buffers, and after the end nobody has any."""
    m.ok('nic reset vtnet0')
    assert in_use(m) == pairs * RING
    m.ok('nic down vtnet0')
    assert in_use(m) == 0


def all_reported(m, **where):
    """Wait until the machine knows of each frame that it gave to the card that it is sent, or was
    taken back: the card has the last ones before the machine hears of it."""
    def reported():
        counts = m.row('nic counts', 'received', **where)
        return counts['reported'] == counts['echoed']
    until(reported)


# ---------------------------------------------------------------- frames

@pytest.mark.parametrize('pairs', (1, 4))
def test_frames_there_and_back(machine, pairs):
    m = machine(cpus=pairs, card={'pairs': pairs})
    sizes = (60, 61, 64, 590, 1024, 1513, 1514, 1518)
    for pair in range(pairs):
        talk(m.card, 400, 1000 * pair, pair, sizes)
    for pair in range(pairs):
        row = queue(m, pair)
        assert row['rx'] == row['tx'] == 400 and row['errors'] == row['nobuf'] == 0
        # A vector of its own, on the CPU of its number, and no other handler ran for it.
        source = m.row('intrstat', 'name', name=f'vtnet0_q{pair}')
        assert source['cpu'] == pair and source['count'] == queue(m, pair)['rounds']
        # Interrupts that come while a run is owed already are one run; a yield is one more.
        assert 0 < row['rounds'] <= row['interrupts'] + row['yields']
    info = m.ok('nic info vtnet0')
    assert f'MSI-X, {pairs} of {pairs} pairs of queues' in info and 'status 0x0f' in info
    assert '52:54:00:12:34:56' in m.ok('nic')
    nothing_lost(m, pairs)
    assert m.poweroff() == 0


def test_the_end_of_the_ring_is_no_end(machine):
    # Both rings of a pair are turned many times (over 16 bits: t_virtqueue.c).
    m = machine(card={'pairs': 2}, cpus=2)
    talk(m.card, 600, pair=1)
    talk(m.card, 6000, 5000, window=64)
    assert queue(m)['rx'] == queue(m)['tx'] == 6000
    nothing_lost(m, 2)
    assert m.poweroff() == 0


@pytest.mark.parametrize('cpus, vectors, kind, pairs', (
    (2, 5, 'MSI-X', 2),     # as many pairs as CPUs
    (4, 3, 'MSI-X', 2),     # or as vectors, one of which is for the configuration
    (4, 1, 'INTx', 1),
    (4, 0, 'INTx', 1)))
def test_fewer_queues(machine, cpus, vectors, kind, pairs):
    m = machine(cpus=cpus, card={'pairs': 4, 'vectors': vectors})
    assert f'{kind}, {pairs} of 4 pairs of queues' in m.ok('nic info vtnet0')
    for pair in range(pairs):
        talk(m.card, 300, 1000 * pair, pair)
    m.ok('nic promisc vtnet0 on')
    m.ok('nic promisc vtnet0 off')
    assert 'control command' not in m.transcript()
    nothing_lost(m, pairs)
    assert m.poweroff() == 0


def test_budget(machine):
    m = machine()
    m.set_sysctl('dev.virtio_net.budget', 3)
    m.ok('nic burn 200')
    for base in range(0, 90, 30):
        # Thirty are there when the interrupt comes, so that runs end by their budget and are taken
        # up again.
        batch = [frame(n) for n in range(base, base + 30)]
        for sent in batch:
            m.card.deliver(0, sent, quiet=sent is not batch[-1])
        for sent in batch:
            assert m.card.take() == (0, echoed(sent))
    row = queue(m)
    assert row['yields'] >= 20 and row['rounds'] >= row['yields']
    m.error('sysctl dev.virtio_net.budget=0')
    assert m.sysctl('dev.virtio_net.budget') == 3
    m.set_sysctl('dev.virtio_net.budget', 64)
    nothing_lost(m)
    assert m.poweroff() == 0


def test_frames_that_make_no_sense(machine):
    m = machine()
    card = m.card
    bad = struct.pack('<BBHHHHH', 0, 0, 0, 0, 0, 0, 0)
    card.deliver(0, b'')                            # a header alone
    card.deliver(0, frame(1)[:13])                  # not even an Ethernet header
    card.deliver(0, b'', header=b'\0' * 5)          # half a header
    card.deliver(0, frame(2, 1519))                 # too long
    card.deliver(0, frame(3, 2030))                 # all the room that there is
    card.deliver(0, frame(4), header=struct.pack('<BBHHHHH', 0, 1, 0, 1448, 0, 0, 1))
    card.deliver(0, frame(5), header=bad)           # of no buffers
    card.deliver(0, frame(6, 2031))                 # of two, and too long
    card.deliver(0, frame(7, 20000))                # of more than any frame has
    card.deliver(0, frame(8, 300), room=30)         # the same, and not long
    # A sum that is not in the frame; the last place where one may be.
    for start, offset in ((34, 25), (0xffff, 0xffff), (0, 60), (59, 0), (0xffff, 3)):
        card.deliver(0, frame(9), vhost_user.NEEDS_CSUM, start=start, offset=offset)
    card.deliver(0, frame(10), vhost_user.NEEDS_CSUM, start=34, offset=24)
    assert card.take() == (0, echoed(frame(10)))
    talk(card, 10)
    row = queue(m)
    assert row['errors'] == 15 and row['rx'] == 11
    assert 'broken queues 0' in m.ok('nic info vtnet0')
    nothing_lost(m)
    assert m.poweroff() == 0


def test_sums_that_were_not_offered(machine):
    # Without GUEST_CSUM nobody may leave one out; without CSUM we leave none.
    m = machine(card={'features': 0})
    m.card.deliver(0, frame(1), vhost_user.NEEDS_CSUM, start=34, offset=6)
    talk(m.card, 10)
    assert queue(m)['errors'] == 1
    assert 'mtu 1500 of at most 1500; sums that the card makes: none\n' in \
        m.ok('nic info vtnet0').replace('\r', '')
    assert 'must be 1280 to 1500' in m.error('nic mtu vtnet0 1501')
    nothing_lost(m)
    assert m.poweroff() == 0


def test_frames_of_several_buffers(machine):
    m = machine(card={'pairs': 2})
    assert 'must be 1280 to 9000' in m.error('nic mtu vtnet0 9001')
    for mtu in (9000, 4000, 9000):
        starts = m.card.starts(1)
        m.ok(f'nic mtu vtnet0 {mtu}')
        m.card.wait_ready(0, after=starts)
        m.card.wait_ready(1, after=starts)
        assert f'mtu {mtu} of at most 9000' in m.ok('nic info vtnet0')
        most = mtu + 18
        before = queue(m, 1)
        talk(m.card, 60, 1000, pair=1, sizes=(60, 2030, 2031, 2032, most, 3000, most - 1, 61))
        # Nothing obliges the card to fill a buffer before it takes the next.
        for room, size in ((26, 26 * 4), (100, 100 * 4), (1000, most % 4900)):
            m.card.deliver(1, frame(room, size), room=room)
            assert m.card.take() == (1, echoed(frame(room, size)))
        m.card.deliver(1, frame(1, most + 1))
        m.ok('nic send vtnet0 0 60 1')
        assert len(m.card.take()[1]) == 60
        row = queue(m, 1)
        assert row['rx'] == before['rx'] + 63 and row['errors'] == before['errors'] + 1
        assert 'EMSGSIZE' in m.error(f'nic send vtnet0 1 {most + 1} 1')
        m.ok(f'nic send vtnet0 1 {most} 3')
        for n in range(3):
            sent = m.card.take()[1]
            assert sent[12:22] == b'\x88\xb5' + struct.pack('>Q', n) and len(sent) == most
            assert sent[22:] == bytes(i & 0xff for i in range(22, most))
        until(lambda: in_use(m) == 2 * RING)
    nothing_lost(m, 2)
    assert m.poweroff() == 0


def test_frames_without_their_end(machine):
    m = machine(card={'pairs': 2})
    m.ok('nic mtu vtnet0 9000')
    m.card.wait_ready(1, after=1)
    for n, (size, said) in enumerate(((60, 2), (9000, 6), (60, 0xffff))):
        talk(m.card, 5, 100 * n)
        starts = m.card.starts(1)
        m.card.deliver(1, frame(1, size), said=said)
        m.expect('vtnet0: receive queue 1: a frame without its end; the card is reset')
        m.card.wait_ready(0, after=starts)
        m.card.wait_ready(1, after=starts)
        talk(m.card, 5, 100 * n + 50, pair=1, sizes=(9000, 60))
    assert 'resets 3, broken queues 3' in m.ok('nic info vtnet0')
    nothing_lost(m, 2)
    assert m.poweroff() == 0


def test_buffers_give_out_amid_a_frame(machine):
    m = machine(cpus=1, up=False)   # one CPU, which has all buffers that are free
    m.set_sysctl('net.bufs_max', RING + 4)
    m.ok('nic mtu vtnet0 9000')
    m.ok('nic up vtnet0')
    m.card.wait_ready()
    for n in range(50):
        m.card.deliver(0, frame(n, 9000))
    until(lambda: queue(m)['nobuf'] == 50)
    talk(m.card, 20, sizes=(60, 4000), window=1)
    nothing_lost(m)
    assert m.poweroff() == 0



def test_no_buffers(machine):
    m = machine(up=False)
    m.set_sysctl('net.bufs_max', 8)
    assert 'ENOMEM' in m.error('nic up vtnet0')
    assert '8 buffers to be had, 16 are needed' in m.transcript()
    assert in_use(m) == 0
    m.set_sysctl('net.bufs_max', RING + 64)
    m.ok('nic up vtnet0')
    # What is echoed waits at the card, so there is soon no buffer for the place of another: it is
    # dropped, its buffer stays in the ring, and nothing stops for it.
    m.card.hold = True
    for n in range(100):
        m.card.deliver(0, frame(n))
    until(lambda: queue(m)['rx'] + queue(m)['nobuf'] == 100)
    lost = queue(m)['nobuf']
    assert lost >= 20
    m.card.hold = False
    m.card.kick()
    for _ in range(100 - lost):
        m.card.take()
    until(lambda: in_use(m) == RING)
    talk(m.card, 100)
    nothing_lost(m)
    assert m.poweroff() == 0


# ---------------------------------------------------------------- lies

def test_lies(machine):
    m = machine(card={'pairs': 2})
    for n, kind in enumerate(LIES):
        # Of the second pair, and the whole card is reset.
        talk(m.card, 5, 100 * n)
        starts = m.card.starts(1)
        m.card.lie(1, kind)
        m.expect(r'vtnet0: receive queue 1: [a-z ,]+; the card is reset')
        m.card.wait_ready(0, after=starts)
        m.card.wait_ready(1, after=starts)
        # A first entry that is true may come before one that lies.
        m.card.forget()
        talk(m.card, 5, 100 * n + 50, pair=1)
        talk(m.card, 5, 100 * n + 70, pair=0)
    assert f'resets {len(LIES)}, broken queues {len(LIES)}' in m.ok('nic info vtnet0')
    nothing_lost(m, 2)
    assert m.poweroff() == 0


def test_lies_about_what_was_sent(machine):
    m = machine()
    for n, kind in enumerate(LIES):
        starts = m.card.starts()
        m.card.lie_sending(kind)
        m.card.deliver(0, frame(n))
        m.expect(r'vtnet0: transmit queue 0: [a-z ,]+; the card is reset')
        m.card.wait_ready(after=starts)
        m.card.forget()
        talk(m.card, 5, 100 * n)
    all_reported(m, links=1)
    nothing_lost(m)
    assert m.poweroff() == 0


def test_a_liar_is_given_up(machine):
    m = machine()
    starts = 0
    for _ in range(9):
        m.card.wait_ready(after=starts)
        starts = m.card.starts()
        m.card.lie(0, 'id')
        m.expect('the card is reset')
    m.expect('vtnet0: 8 resets within 10 s, given up')
    m.card.wait_stopped()
    assert m.row('nic', 'card', card='vtnet0')['link'] == 'no'
    assert in_use(m) == 0
    m.ok('nic reset vtnet0')
    m.card.wait_ready()
    talk(m.card, 50)
    nothing_lost(m)
    assert m.poweroff() == 0


# ---------------------------------------------------------------- under traffic

class Flood(Meanwhile):
    """Frames as fast as the machine takes them, until stopped."""

    def __init__(self, card, pairs=1):
        super().__init__()
        self.card, self.pairs = card, pairs
        self.count = 0

    def turn(self):
        try:
            self.card.deliver(self.count % self.pairs, frame(self.count), timeout=0.2)
            self.count += 1
        except AssertionError:      # no buffer there for now
            pass

    def stop(self):
        super().stop()
        return self.count


def test_reset_and_down_under_traffic(machine):
    m = machine(card={'pairs': 2})
    flood = Flood(m.card, 2)
    flood.start()
    for n in range(12):
        m.ok('nic reset vtnet0')
        m.card.wait_ready(n % 2)
        if n % 4 == 3:
            m.ok('nic down vtnet0')
            assert in_use(m) == 0
            m.ok('nic up vtnet0')
    m.card.wait_ready()
    assert flood.stop() > 0
    m.ok('nic reset vtnet0')
    m.card.wait_ready(1)
    m.card.forget()
    talk(m.card, 50, 10**6, pair=1)
    all_reported(m)
    assert 'resets 13' in m.ok('nic info vtnet0')
    nothing_lost(m, 2)
    assert m.poweroff() == 0


def test_detach_under_traffic(machine):
    m = machine(card={'pairs': 2})
    place = re.search(r'(\S+) +1af4:1000', m.ok('pci')).group(1)
    assert 'attached already' in m.error(f'pci attach {place}')
    flood = Flood(m.card, 2)
    flood.start()
    for _ in range(6):
        m.ok(f'pci detach {place}')
        assert in_use(m) == 0
        assert 'no card vtnet0' in m.error('nic stats vtnet0')
        m.ok(f'pci attach {place}')
        m.ok('nic up vtnet0')
        m.card.wait_ready()
    assert flood.stop() > 0
    nothing_lost(m, 2)
    m.ok(f'pci detach {place}')
    assert 'not attached' in m.error(f'pci detach {place}')
    assert m.poweroff() == 0


def test_link(machine):
    m = machine(card={'pairs': 2}, monitor=True)
    talk(m.card, 10)
    for n in range(3):
        m.hmp('set_link nic0 off')
        m.expect('vtnet0: link down')
        assert m.row('nic', 'card', card='vtnet0')['link'] == 'no'
        assert 'ENETDOWN' in m.error('nic send vtnet0 0 60 1')
        m.hmp('set_link nic0 on')
        m.expect('vtnet0: link up')
        m.ok('nic send vtnet0 1 60 1')
        m.card.take(match=lambda f: f[:6] == b'\xff' * 6)
        talk(m.card, 10, 100 * n)
    nothing_lost(m, 2)
    assert m.poweroff() == 0


def test_pulled_out(machine):
    m = machine(card={'pairs': 2, 'port': True}, monitor=True)
    place = re.search(r'(\S+) +1af4:1041', m.ok('pci')).group(1)
    flood = Flood(m.card, 2)
    flood.start()
    m.card.wait_ready(1)
    m.card.unplug(m)
    m.expect('vtnet0: the card is gone')
    flood.stop()
    assert m.row('nic', 'card', card='vtnet0')['link'] == 'no'
    assert in_use(m) == 0
    assert 'ENETDOWN' in m.error('nic send vtnet0 0 60 1')
    assert 'ENXIO' in m.error('nic reset vtnet0')
    m.ok('nic down vtnet0')
    assert 'ENXIO' in m.error('nic up vtnet0')
    m.ok(f'pci detach {place}')
    assert 'error' in m.error(f'pci attach {place}')
    assert in_use(m) == 0
    assert m.poweroff() == 0


def test_out_of_memory(machine):
    m = machine(card={'pairs': 2}, up=False)
    place = re.search(r'(\S+) +1af4:1000', m.ok('pci')).group(1)
    m.ok(f'pci detach {place}')
    for nth in range(1, 200):
        m.set_sysctl('debug.alloc_fail', nth)
        m.cmd(f'pci attach {place}; nic up vtnet0')
        if m.sysctl('debug.alloc_fail') > 0:
            break
        attached = 'virtio_net' in m.ok('pci')
        assert in_use(m) <= (2 * RING if attached else 0)
        if attached:
            m.ok(f'pci detach {place}')
        assert in_use(m) == 0
    else:
        pytest.fail('every allocation failed')
    m.set_sysctl('debug.alloc_fail', 0)
    assert nth > 10
    m.card.wait_ready(1)
    talk(m.card, 50, pair=1)
    nothing_lost(m, 2)
    assert m.poweroff() == 0
