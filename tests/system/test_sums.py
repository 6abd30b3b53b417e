# SPDX-License-Identifier: BSD-2-Clause
"""Sums of what the machine sends, looked at on the wire, with each card, made by it and by the
machine; frames of either length. The other end is packets.py, which sums every byte itself."""

import re
import struct

import packets
import pytest
import vhost_user
from packets import ICMP, ICMP6, TCP, UDP
from test_igb import Wire, wait_for

ECHO = 7
MAC = b'\x52\x54\x00\x12\x34\x56'
SYN, RST, PSH, ACK = 2, 4, 8, 16


class Igb:
    """The emulated card; what it sends comes with all sums, as it makes them itself."""

    name, most = 'igb0', 'IPv4 header TCP UDP'

    def __init__(self):
        self.wire = Wire()
        self.args = self.wire.args()
        self.send, self.close = self.wire.send, self.wire.close

    def take(self):
        """A frame that it sent."""
        return self.wire.take(1)[0]

    @staticmethod
    def left(m):
        """How often something was left to the card, in some measure."""
        return sum(map(int, re.search(r'for sums:((?: \d+)+)',
                                      m.ok('nic info igb0'))[1].split()))


class Virtio:
    """A card of ours, which makes the sums that are left to it, and counts them."""

    name, most = 'vtnet0', 'TCP UDP'

    def __init__(self):
        self.card = vhost_user.Card()
        self.args, self.close = self.card.args, self.card.close

    def send(self, frame):
        """A frame for it to receive."""
        self.card.deliver(0, frame)

    def take(self):
        """A frame that it sent."""
        return self.card.take()[1]

    def left(self, _):
        """How many frames came with a sum left to us."""
        with self.card.lock:
            return self.card.summed


@pytest.fixture(params=(Igb, Virtio), ids=('igb', 'virtio_net'))
def ends(request, steady):
    """A machine with addresses, its card, and the neighbour at the other end."""
    card = request.param()
    try:
        m = steady(cpus=1, edu=0, args=card.args)
        m.ok(f'ifconfig {card.name} dhcp off; ifconfig {card.name} 10.77.0.2/24')
        m.ok(f'ifconfig {card.name} fd77::2/64')
        m.ok(f'ifconfig {card.name} wait 60')
        wait_for(lambda: 'fd77::2 preferred' in m.ok(f'ifconfig {card.name}'))
        yield m, card, packets.Peer(card.send, card.take, MAC)
    finally:
        card.close()


def linked(m, card):
    """The interface has a link again; only then does it take frames to send."""
    wait_for(lambda: 'link down' not in m.ok(f'ifconfig {card.name}'))


def in_use(m):
    """Buffers that are somewhere else than free."""
    return m.sysctl('net.bufs') - m.sysctl('net.bufs_free')


def pings_and_datagrams(peer, sizes):
    """There and back, each as it was sent."""
    for version in (4, 6):
        for size in sizes:
            data = bytes((size + i) & 0xff for i in range(size))
            peer.send(peer.echo(version, data))
            assert peer.take(ICMP if version == 4 else ICMP6).data[8:] == data
            peer.send(peer.udp(version, ECHO, data))
            assert peer.take(UDP).data[8:] == data


def sum_of_zero(peer):
    """A datagram whose sum comes out as 0 has the other name of 0, as 0 says that there is none."""
    for version in (4, 6):
        _, _, datagram = peer.udp(version, ECHO, bytes(20))
        peer.send(peer.udp(version, ECHO, datagram[6:8] + bytes(18)))
        answer = peer.take(UDP)
        assert answer.data[6:8] == b'\xff\xff' and answer.data[8:10] == datagram[6:8]


def connection(peer, version, own, size):
    """Some bytes to the echo port and back; the segment size that the machine offered."""
    mss = peer.mtu - (40 if version == 4 else 60)
    seq, came = 1000, b''
    peer.send(peer.tcp(version, ECHO, own, seq, 0, SYN, options=b'\2\4' + mss.to_bytes(2, 'big')))
    answer = peer.take(TCP).data
    assert answer[13] == SYN | ACK
    options, offered = answer[20:(answer[12] >> 4) * 4], None
    if options[:2] == b'\2\4':
        offered = int.from_bytes(options[2:4], 'big')
    ack = first = int.from_bytes(answer[4:8], 'big') + 1
    data = bytes(i * 7 & 0xff for i in range(size))
    seq += 1
    peer.send(peer.tcp(version, ECHO, own, seq, ack, ACK))
    for at in range(0, size, mss):
        peer.send(peer.tcp(version, ECHO, own, seq + at, ack, ACK | PSH, data[at:at + mss]))
    while len(came) < size:
        answer = peer.take(TCP).data
        piece = answer[(answer[12] >> 4) * 4:]
        if piece and int.from_bytes(answer[4:8], 'big') == first + len(came) & 0xffffffff:
            came += piece
            peer.send(peer.tcp(version, ECHO, own, seq + size, first + len(came), ACK))
    assert came == data
    peer.send(peer.tcp(version, ECHO, own, seq + size, first + len(came), RST | ACK))
    return offered


def to_itself(m, peer):
    """A packet that seems to come from the machine's own address is answered by one to itself,
    which meets no card; it arrives all the same, with a right sum."""
    def count(layer):
        row = m.row('netstat -s', 'layer', layer=layer)
        return row['in'], row['sum']

    udp, tcp = count('udp'), count('tcp')
    peer.OWN = peer.ADDR
    for version in (4, 6):
        peer.send(peer.udp(version, ECHO, bytes(100)))
        peer.send(peer.tcp(version, ECHO, 3000, 1, 0, SYN))
    del peer.OWN
    # The datagram and its answer; the request, its answer, and that there is no such connection.
    wait_for(lambda: count('udp')[0] >= udp[0] + 4 and count('tcp')[0] >= tcp[0] + 6)
    assert count('udp')[1] == udp[1] and count('tcp')[1] == tcp[1]


def test_sums_on_the_wire(ends):
    m, card, peer = ends
    assert f'sums that the card makes: {card.most}\n' in m.ok(f'nic info {card.name}') + '\n'
    own = 20000
    for mtu in (1500, 9000):
        m.ok(f'ifconfig {card.name} mtu {mtu}')
        linked(m, card)
        assert f'mtu {mtu}' in m.ok(f'ifconfig {card.name}')
        peer.mtu, peer.longest = mtu, 0
        pings_and_datagrams(peer, (1,))        # the neighbours know each other
        before = in_use(m)
        for on in (True, False, True):
            m.ok(f'ifconfig {card.name} {"" if on else "-"}txcsum')
            assert ('none (it could)' in m.ok(f'nic info {card.name}')) != on
            left = card.left(m)
            pings_and_datagrams(peer, (0, 1, 2, 33, 512, mtu - 48, mtu - 28, 4001))
            sum_of_zero(peer)
            for version in (4, 6):
                own += 1
                assert connection(peer, version, own, 3 * mtu) == mtu - (40, 60)[version == 6]
            assert (card.left(m) > left) == on
            to_itself(m, peer)
        assert peer.longest == mtu
        wait_for(lambda: in_use(m) <= before)
    assert m.poweroff() == 0


def advertise_mtu(card, mtu):
    """A router says how long packets of IPv6 may be."""
    src, dst = bytes.fromhex('fe80' + '00' * 13 + '01'), bytes.fromhex('ff02' + '00' * 13 + '01')
    data = struct.pack('>BBHBBHII', 134, 0, 0, 64, 0, 1800, 0, 0) + \
        struct.pack('>BBHI', 5, 1, 0, mtu)
    card.send(b'\x33\x33\0\0\0\1' + packets.Peer.MAC + b'\x86\xdd' +
              struct.pack('>IHBB16s16s', 6 << 28, len(data), ICMP6, 255, src, dst) +
              packets.put_sum(src, dst, ICMP6, data, 2))


def longest(peer):
    """The longest packet of IPv6 that the machine puts into a frame."""
    peer.longest = 0
    peer.send(peer.udp(6, ECHO, bytes(1452)))
    assert peer.take(UDP).data[8:] == bytes(1452)
    return peer.longest


def test_a_router_wants_shorter_packets(ends):
    m, card, peer = ends
    advertise_mtu(card, 1400)           # before any other packet: what is known of a path stays
    assert 1392 < longest(peer) <= 1400
    # That is not forgotten when the MTU stays, nor when another is set that is not less.
    for mtu in (9001, 1500, 4000):
        m.cmd(f'ifconfig {card.name} mtu {mtu}')
        linked(m, card)
        assert 1392 < longest(peer) <= 1400
    m.ok(f'ifconfig {card.name} mtu 1300')
    linked(m, card)
    assert 1292 < longest(peer) <= 1300
    assert m.poweroff() == 0


def too_big(peer, card, mtu):
    """A router says that a packet to us was too long for a path."""
    src, dst = bytes.fromhex('fe80' + '00' * 13 + '01'), peer.ADDR[6]
    inner = struct.pack('>IHBB16s16s', 6 << 28, 1400, UDP, 64, dst, peer.OWN[6])
    data = struct.pack('>BBHI', 2, 0, 0, mtu) + inner
    card.send(MAC + packets.Peer.MAC + b'\x86\xdd' +
              struct.pack('>IHBB16s16s', 6 << 28, len(data), ICMP6, 255, src, dst) +
              packets.put_sum(src, dst, ICMP6, data, 2))


def test_no_path_is_too_narrow_or_too_wide(ends):
    m, card, peer = ends
    assert longest(peer) == 1500
    # Of fragments of 8 bytes or none there would be no end; those of 68 would be many.
    for mtu, most in ((48, 1280), (55, 1280), (56, 1280), (0, 1500), (100, 1280), (1279, 1280),
                      (1400, 1400), (65535, 1500), (1 << 31, 1500)):
        too_big(peer, card, mtu)
        assert most - 8 < longest(peer) <= most, mtu
    assert m.poweroff() == 0


def test_no_segment_is_too_small(ends):
    m, card, peer = ends
    small = 0
    for n, (mss, least) in enumerate(((1, 48), (0, 536), (47, 48), (48, 48), (300, 300), (1, 200))):
        if least == 200:
            m.set_sysctl('net.tcp.mss_min', 200)
        for version in (4, 6):
            sizes = piece_sizes(peer, version, 4000 + n, mss)
            assert max(sizes) == min(least, 1000) if mss else max(sizes) >= least, (mss, sizes)
        small += 2 * (0 < mss < least)
        assert f'net.tcp.small = {small}' in m.ok('netstat -s')
    assert 'must be 1 to 536' in m.error('sysctl net.tcp.mss_min=537')
    assert m.poweroff() == 0


def piece_sizes(peer, version, own, mss):
    """How long the segments are that somebody gets back who wants `mss` and sends 1000 bytes."""
    size, seq, came, sizes = 1000, 1000, 0, []
    peer.send(peer.tcp(version, ECHO, own, seq, 0, SYN, options=b'\2\4' + mss.to_bytes(2, 'big')))
    answer = peer.take(TCP).data
    ack = first = int.from_bytes(answer[4:8], 'big') + 1
    seq += 1
    peer.send(peer.tcp(version, ECHO, own, seq, ack, ACK | PSH, bytes(size)))
    while came < size:
        answer = peer.take(TCP).data
        piece = answer[(answer[12] >> 4) * 4:]
        if piece and int.from_bytes(answer[4:8], 'big') == first + came & 0xffffffff:
            sizes.append(len(piece))
            came += len(piece)
            peer.send(peer.tcp(version, ECHO, own, seq + size, first + came, ACK))
    peer.send(peer.tcp(version, ECHO, own, seq + size, first + came, RST | ACK))
    return sizes


def test_mtu_and_its_limits(ends):
    m, card, peer = ends
    for mtu in (0, 1279, 9001, 65535):
        assert f'mtu {mtu}: must be 1280 to 9000' in m.error(f'ifconfig {card.name} mtu {mtu}')
    assert 'must be' in m.error(f'ifconfig {card.name} mtu 65536')
    assert 'cannot do that' in m.error('ifconfig lo mtu 1500')
    assert 'cannot do that' in m.error('ifconfig lo txcsum')
    assert "no interface 'igb7'" in m.error('ifconfig igb7 mtu 1500')
    assert 'only after `nic raw`' in m.error(f'nic mtu {card.name} 1500')
    # While it is down; frames up to Ethernet's length come in whatever is sent.
    m.ok(f'ifconfig {card.name} down')
    m.ok(f'ifconfig {card.name} mtu 1280')
    m.ok(f'ifconfig {card.name} up')
    m.ok(f'ifconfig {card.name} wait 60')
    pings_and_datagrams(peer, (1, 1400, 3000))
    assert peer.longest <= 1280
    # Not enough memory for the rings: it is as before.
    made = m.sysctl('net.bufs_max')
    m.ok(f'ifconfig {card.name} down; sysctl net.bufs_max=2')
    m.ok(f'ifconfig {card.name} mtu 9000; sysctl net.bufs_max={made}')
    m.ok(f'ifconfig {card.name} up')
    m.ok(f'ifconfig {card.name} wait 60')
    peer.mtu = 9000
    pings_and_datagrams(peer, (1, 8952))
    assert m.poweroff() == 0


def test_what_was_put_aside_is_not_in_the_way(steady):
    """A card that does not send for a while is taken down and up again: what waited for room in its
    ring is lost with what was in it, and what is sent then leaves, though nothing ever comes in."""
    card = Virtio()
    try:
        m = steady(cpus=1, edu=0, args=card.args)
        m.ok('ifconfig vtnet0 dhcp off; ifconfig vtnet0 10.77.0.2/24')
        peer = packets.Peer(card.send, card.take, MAC)
        peer.send(peer.udp(4, ECHO, b'who are you?'))
        peer.take(UDP)                  # it knows where we are from here on
        card.card.hold = True
        for n in range(400):
            peer.send(peer.udp(4, ECHO, bytes(n)))
        wait_for(lambda: int(re.search(r'(\d+) were put aside',
                                       m.ok('ifconfig -v vtnet0'))[1]) > 100)
        m.ok('ifconfig vtnet0 mtu 1400')
        # What was in flight is not any more; what says that the link is back may be.
        assert int(re.search(r'(\d+) in flight', m.ok('ifconfig -v vtnet0'))[1]) < 10
        card.card.forget()
        card.card.hold = False
        assert 'no answer' in m.cmd('ping -c 1 -w 100 10.77.0.1')
        peer.take(ICMP)
        assert m.poweroff() == 0
    finally:
        card.close()
