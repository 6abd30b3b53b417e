# SPDX-License-Identifier: BSD-2-Clause
"""A link that goes and comes back: what TCP/IP keeps, what it says on the wire when it is back, and
by which of several cards packets go out. The wire is read as QEMU keeps it, or is ours."""

import re
import socket
import struct
import time

import packets
import pytest
from harness import free_port
from packets import TCP
from test_igb import Wire
from test_net import ECHO, NICS, PATIENCE, online, pattern, settle, tcp

SYN, ACK, PSH = 2, 16, 8
ALL_NODES = socket.inet_pton(socket.AF_INET6, 'ff02::1')
ADDR, ADDR6 = '10.0.2.15', 'fec0::5054:ff:fe12:3456'
LOCAL6 = 'fe80::5054:ff:fe12:3456'


# ---------------------------------------------------------------- one card

def dumped(path):
    """The frames that QEMU has written to a file so far."""
    with open(path, 'rb') as f:
        data = f.read()
    at, out = 24, []
    while at + 16 <= len(data):
        kept = struct.unpack('<I', data[at + 8:at + 12])[0]
        if at + 16 + kept > len(data):
            break
        out.append(data[at + 16:at + 16 + kept])
        at += 16 + kept
    return out


def dhcp_options(message):
    """{number: bytes} of a DHCP message."""
    at, options = 240, {}
    while message[at] != 255:
        if message[at] == 0:
            at += 1
            continue
        size = message[at + 1]
        options[message[at]] = message[at + 2:at + 2 + size]
        at += 2 + size
    return options


def said(frame):
    """What a frame of the machine's says that matters here: (what, of which address), or None."""
    kind, data = frame[12:14], frame[14:]
    if kind == b'\x08\x06' and data[14:18] == data[24:28]:
        return 'arp', socket.inet_ntoa(data[14:18])
    if kind == b'\x08\x00' and data[9] == 17 and data[20:24] == b'\0\x44\0\x43':
        message = data[28:]
        options = dhcp_options(message)
        # To check a lease: it names the address, and neither a server nor itself as its owner.
        if options[53] == b'\3' and 50 in options and 54 not in options and \
                message[12:16] == bytes(4):
            return 'lease', socket.inet_ntoa(options[50])
    if kind == b'\x86\xdd' and data[6] == 58:
        src, dst, message = data[8:24], data[24:40], data[40:]
        if message[0] == 133:
            return 'routers?', None
        if message[0] == 136 and dst == ALL_NODES:
            packets.look(packets.Packet(6, 58, src, dst, message))
            own, option = socket.inet_ntop(socket.AF_INET6, message[8:24]), message[24:]
            assert frame[:6] == b'\x33\x33\0\0\0\1' and option == b'\2\1' + frame[6:12]
            assert data[7] == 255 and message[4:8] == b'\x20\0\0\0' and message[8:24] == src
            return 'here', own
    return None


def heard(path, begin, wanted):
    """Wait until all that is wanted was said after the first `begin` frames."""
    deadline = time.monotonic() + PATIENCE
    while True:
        now = {said(f) for f in dumped(path)[begin:]}
        if wanted <= now:
            return
        assert time.monotonic() < deadline, wanted - now
        time.sleep(0.05)


@pytest.mark.parametrize('nic', NICS)
def test_a_short_loss_takes_nothing_away(boot, nic, tmp_path):
    port, wire = free_port(), tmp_path / 'wire'
    m = online(boot, [f'{port}:{ECHO}'], nic=nic, monitor=True,
               args=['-object', f'filter-dump,id=dump0,netdev=net0,file={wire}'])
    settle(m, lambda: f'inet6 {ADDR6} preferred' in m.ok('ifconfig'), True)
    wanted = {('arp', ADDR), ('lease', ADDR), ('here', ADDR6), ('here', LOCAL6),
              ('routers?', None)}

    def kept(shown):
        assert f'inet {ADDR}/24 gateway 10.0.2.2' in shown and 'default dhcp' in shown, shown
        assert f'inet6 {ADDR6} preferred' in shown and f'inet6 {LOCAL6} preferred' in shown

    def answers(s, data):
        got = b''
        while len(got) < len(data):
            got += s.recv(65536)
        assert got == data

    with tcp(port) as s:
        s.sendall(pattern(3000))
        answers(s, pattern(3000))
        # The cable.
        m.hmp('set_link net0 off')
        m.expect(f'{m.card}: link down')
        shown = m.ok('ifconfig')
        kept(shown)
        assert 'link down' in shown
        assert 'no link, or no address' in m.error(f'ifconfig {m.card} wait 1')
        s.sendall(pattern(5000))
        begin = len(dumped(wire))
        m.hmp('set_link net0 on')
        m.expect(f'{m.card}: link up')
        heard(wire, begin, wanted)
        m.ok(f'ifconfig {m.card} wait 60')
        kept(m.ok('ifconfig'))
        answers(s, pattern(5000))
        # Another MTU, for which the card begins anew; what it says then is as after the cable.
        begin = len(dumped(wire))
        assert f'{m.card}: link down' in m.ok(f'ifconfig {m.card} mtu 1400')
        kept(m.ok(f'ifconfig {m.card} wait 60; ifconfig'))
        heard(wire, begin, wanted)
        s.sendall(pattern(6000))
        answers(s, pattern(6000))
        # A reset may be too short for anybody to see. Down by hand, routers are forgotten.
        for what in ('reset', 'down'):
            m.ok(f'ifconfig {m.card} {what}; ifconfig {m.card} up; ifconfig {m.card} wait 60')
            s.sendall(pattern(7000))
            answers(s, pattern(7000))
    settle(m, lambda: 'ESTABLISHED' in m.ok('netstat'), False)
    assert m.poweroff() == 0


# ---------------------------------------------------------------- several

class Beyond(packets.Peer):
    """Somebody behind the router at the other end of a wire, who is whoever is asked for."""

    OWN = {4: socket.inet_aton('192.0.2.1')}

    def __init__(self, wire, mac, addr):
        super().__init__(wire.send, lambda: wire.take(1)[0], mac)
        self.ADDR = {4: socket.inet_aton(addr)}

    def _packet(self, frame):
        data = frame[14:]
        if frame[12:14] == b'\x08\x06' and data[6:8] == b'\0\1':
            self.send_frame(frame[6:12] + self.MAC + frame[12:14] + data[:6] + b'\0\2' +
                            self.MAC + data[24:28] + data[8:18])
            return None
        return super()._packet(frame) if frame[12:14] == b'\x08\x00' else None


class Connection:
    """To the echo port of the machine, from far away."""

    def __init__(self, peer, port):
        self.peer, self.port, self.seq = peer, port, 1000
        self.send(SYN)
        answer = peer.take(TCP).data
        assert answer[13] == SYN | ACK
        self.seq += 1
        self.ack = int.from_bytes(answer[4:8], 'big') + 1
        self.send(ACK)

    def send(self, flags, data=b''):
        """A segment."""
        self.peer.send(self.peer.tcp(4, ECHO, self.port, self.seq, getattr(self, 'ack', 0), flags,
                                     data))

    def talk(self, data):
        """There and back, by the same wire."""
        self.send(ACK | PSH, data)
        self.seq += len(data)
        got, first = b'', self.ack
        while len(got) < len(data):
            answer = self.peer.take(TCP).data
            if int.from_bytes(answer[4:8], 'big') == first + len(got):
                got += answer[(answer[12] >> 4) * 4:]
        assert got == data
        self.ack += len(data)
        self.send(ACK)


def test_each_connection_keeps_to_its_card(boot):
    wires, args = [Wire(), Wire()], []
    try:
        for n, wire in enumerate(wires):
            text = ' '.join(wire.args('virtio-net-pci'))
            args += re.sub(r'\b(wire|card)\b(?!\.)', rf'\g<1>{n}', text).replace(
                ':34:56', f':34:0{n}').split()
        m = boot(cpus=2, edu=0, monitor=True, args=args)
        m.set_sysctl('kern.heartbeat_ms', 0)
        peers = []
        for n, wire in enumerate(wires):
            m.ok(f'ifconfig vtnet{n} dhcp off; ifconfig vtnet{n} 10.{n}.0.2/24 10.{n}.0.1')
            peers.append(Beyond(wire, b'\x52\x54\0\x12\x34' + bytes([n]), f'10.{n}.0.2'))

        def way_out():
            return re.findall(r'^(\w+): .*\bdefault\b', m.ok('ifconfig'), re.M)

        assert way_out() == ['vtnet0']
        both = [Connection(peer, 3000 + n) for n, peer in enumerate(peers)]
        for n in (0, 1):
            both[n].talk(pattern(900, n))
        m.hmp('set_link wire0 off')
        m.expect('vtnet0: link down')
        assert way_out() == ['vtnet1']
        both[1].talk(pattern(901))
        m.hmp('set_link wire0 on')
        m.expect('vtnet0: link up')
        settle(m, way_out, ['vtnet0'])
        m.ok('ifconfig vtnet1 default')
        for n in (1, 0):
            both[n].talk(pattern(902, n))
        assert way_out() == ['vtnet1']
        # The one that was chosen goes, and is another when it comes again.
        place = [r['function'] for r in m.table('pci', 'function') if 'net' in str(r['driver'])]
        m.ok(f'pci detach {place[1]}')
        assert way_out() == ['vtnet0']
        both[0].talk(pattern(903))
        m.ok(f'pci attach {place[1]}')
        m.ok('ifconfig vtnet1 10.1.0.2/24 10.1.0.1')
        assert way_out() == ['vtnet0']
        # The one that came first goes: it is the last when it comes again.
        m.ok(f'pci detach {place[0]}')
        assert way_out() == ['vtnet1']
        m.ok(f'pci attach {place[0]}')
        m.ok('ifconfig vtnet0 10.0.0.2/24 10.0.0.1')
        assert way_out() == ['vtnet1']
        assert m.poweroff() == 0
    finally:
        for wire in wires:
            wire.close()
