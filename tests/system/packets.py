# SPDX-License-Identifier: BSD-2-Clause
"""Packets made and looked at byte by byte, with every sum that is in them: nobody else's code for
sums is trusted here, and none that the machine's card or the host may leave out.

    peer = Peer(send, take, MAC)           # the other end of a card's wire
    peer.send(peer.udp(4, 7, b'abc'))      # to the echo port, over IPv4
    answer = peer.take(UDP)                # each frame on the way was looked at

Source: RFC 791, 768, 9293, 792, 826; RFC 8200, 4443, 4861.
"""

import collections
import ipaddress
import struct

ICMP, TCP, UDP, ICMP6 = 1, 6, 17, 58
FRAGMENT = 44

Packet = collections.namedtuple('Packet', 'version proto src dst data')


def total(data):
    """The sum of RFC 1071, not inverted."""
    data += bytes(len(data) & 1)
    n = sum(struct.unpack(f'>{len(data) // 2}H', data))
    while n > 0xffff:
        n = (n & 0xffff) + (n >> 16)
    return n


def pseudo(src, dst, proto, length):
    """The pseudo header, of either version."""
    if len(src) == 4:
        return src + dst + struct.pack('>BBH', 0, proto, length)
    return src + dst + struct.pack('>II', length, proto)


def put_sum(src, dst, proto, data, at):
    """`data` with the right sum in it."""
    before = b'' if proto == ICMP else pseudo(src, dst, proto, len(data))
    n = ~total(before + data[:at] + bytes(2) + data[at + 2:]) & 0xffff
    return data[:at] + struct.pack('>H', n or (0xffff if proto == UDP else 0)) + data[at + 2:]


def look(packet):
    """The sum that the packet has must be right."""
    before = b'' if packet.proto == ICMP else \
        pseudo(packet.src, packet.dst, packet.proto, len(packet.data))
    assert total(before + packet.data) == 0xffff, f'a wrong sum: {packet}'
    assert packet.proto != UDP or packet.data[6:8] != b'\0\0', f'no sum: {packet}'


class Peer:
    """A neighbour, that answers who asks for its address."""

    MAC = b'\x02\x00\x00\x00\x00\x01'
    OWN, ADDR = {}, {}
    for n, texts in ((4, ('10.77.0.1', '10.77.0.2')), (6, ('fd77::1', 'fd77::2'))):
        OWN[n], ADDR[n] = (ipaddress.ip_address(text).packed for text in texts)

    def __init__(self, send, take, mac, mtu=1500):
        """`send` and `take` give and take a frame; `mac` is the card's."""
        self.send_frame, self.take_frame, self.mac, self.mtu = send, take, mac, mtu
        self.pieces = collections.defaultdict(dict)
        self.ident = 0
        self.longest = 0                # packet that came in one frame

    # ---- to the machine ----

    def send(self, packet):
        """In fragments, where it is too long."""
        proto, version, data = packet
        src, dst = self.OWN[version], self.ADDR[version]
        self.ident += 1
        if version == 4:
            room = self.mtu - 20
        else:
            room = self.mtu - 40 - (8 if len(data) > self.mtu - 40 else 0)
        most = room if len(data) <= room else room & ~7
        for at in range(0, len(data) or 1, most):
            piece, more = data[at:at + most], at + most < len(data)
            whole = at == 0 and not more
            if version == 4:
                head = struct.pack('>BBHHHBBH4s4s', 0x45, 0, 20 + len(piece), self.ident,
                                   at >> 3 | more << 13, 64, proto, 0, src, dst)
                head = put_sum(b'', b'', ICMP, head, 10)
                kind = b'\x08\x00'
            else:
                extra = b'' if whole else struct.pack('>BBHI', proto, 0, at | more, self.ident)
                head = struct.pack('>IHBB16s16s', 6 << 28, len(extra) + len(piece),
                                   proto if whole else FRAGMENT, 64, src, dst) + extra
                kind = b'\x86\xdd'
            self.send_frame(self.mac + self.MAC + kind + head + piece)

    def udp(self, version, port, data, own=3000):
        """A datagram to a port."""
        data = struct.pack('>HHHH', own, port, 8 + len(data), 0) + data
        return UDP, version, put_sum(self.OWN[version], self.ADDR[version], UDP, data, 6)

    def echo(self, version, data):
        """A ping."""
        proto, kind = (ICMP, 8) if version == 4 else (ICMP6, 128)
        data = struct.pack('>BBHHH', kind, 0, 0, 77, self.ident & 0xffff) + data
        return proto, version, put_sum(self.OWN[version], self.ADDR[version], proto, data, 2)

    def tcp(self, version, port, own, seq, ack, flags, data=b'', options=b''):
        """A segment."""
        data = struct.pack('>HHIIBBHHH', own, port, seq & 0xffffffff, ack & 0xffffffff,
                           (20 + len(options)) << 2, flags, 0xffff, 0, 0) + options + data
        return TCP, version, put_sum(self.OWN[version], self.ADDR[version], TCP, data, 16)

    # ---- from it ----

    def take(self, proto):
        """The next packet of that protocol to us, put together. Each that comes meanwhile is looked
        at; who asks for our address gets it."""
        while True:
            packet = self._packet(self.take_frame())
            if packet is None:
                continue
            look(packet)
            if packet.proto == ICMP6 and packet.data[0] == 135:
                self._advertise(packet)
            elif packet.proto == proto and packet.dst in self.OWN.values():
                return packet

    def _packet(self, frame):
        """What is in a frame, if it is complete."""
        kind, data = frame[12:14], frame[14:]
        if kind == b'\x08\x06' and data[6:8] == b'\0\1' and data[24:28] == self.OWN[4]:
            self.send_frame(frame[6:12] + self.MAC + kind + data[:6] + b'\0\2' + self.MAC +
                            self.OWN[4] + data[8:18])
        elif kind == b'\x08\x00':
            return self._packet4(data)
        elif kind == b'\x86\xdd':
            return self._packet6(data)
        return None

    def _packet4(self, data):
        length, ident, offset = struct.unpack('>HHH', data[2:8])
        head = (data[0] & 15) * 4
        assert total(data[:head]) == 0xffff, f'a wrong sum: {data[:head].hex()}'
        self.longest = max(self.longest, length)
        return self._piece((4, data[9], data[12:16], data[16:20]), ident, offset >> 13 & 1,
                           (offset & 0x1fff) * 8, data[head:length])

    def _packet6(self, data):
        length, proto = struct.unpack('>HB', data[4:7])
        src, dst, data = data[8:24], data[24:40], data[40:40 + length]
        ident = more = offset = 0
        self.longest = max(self.longest, 40 + length)
        while proto in (0, FRAGMENT):
            if proto == FRAGMENT:
                offset, ident = struct.unpack('>HI', data[2:8])
                more, offset = offset & 1, offset & ~7
            proto, data = data[0], data[8 + 8 * data[1] * (proto == 0):]
        return self._piece((6, proto, src, dst), ident, more, offset, data)

    def _piece(self, key, ident, more, offset, data):
        if not more and not offset:
            return Packet(*key, data)
        assert data, 'a fragment without a byte'
        pieces = self.pieces[key, ident]
        pieces[offset] = data, more
        at = 0
        while at in pieces:
            data, more = pieces[at]
            at += len(data)
            if not more:
                del self.pieces[key, ident]
                return Packet(*key, b''.join(pieces[n][0] for n in sorted(pieces)))
        return None

    def _advertise(self, asked):
        if asked.data[8:24] != self.OWN[6] or asked.src == bytes(16):
            return
        data = struct.pack('>BBHI', 136, 0, 0, 0x60000000) + self.OWN[6] + b'\2\1' + self.MAC
        data = put_sum(self.OWN[6], asked.src, ICMP6, data, 2)
        self.send_frame(self.mac + self.MAC + b'\x86\xdd' + struct.pack(
            '>IHBB16s16s', 6 << 28, len(data), ICMP6, 255, self.OWN[6], asked.src) + data)
