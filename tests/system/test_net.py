# SPDX-License-Identifier: BSD-2-Clause
"""The network on QEMU's own: addresses, pings of all sizes, the small services with real sockets,
captures, and that nothing is kept when it is over. Both cards, where it matters."""

import json
import os
import re
import shutil
import socket
import struct
import subprocess
import threading

import pytest
from harness import free_port

NICS = ('igb', 'virtio-net-pci')
ECHO, DISCARD, CHARGEN, PCAP = 7, 9, 19, 2002
PATIENCE = 60


def card_of(m):
    """The name of the machine's only card."""
    names = re.findall(r'^(\w+): .*queues', m.ok('ifconfig'), re.M)
    assert len(names) == 1, names
    return names[0]


def online(boot, forwards=(), nic='igb', cpus=2, card=None, **options):
    """A machine with an address, whose watchers of time are content with a slow host; `card` is
    the one that has it, if there are more."""
    m = boot(cpus=cpus, edu=0, net='user', nic=nic, forwards=forwards, **options)
    m.set_sysctl('kern.heartbeat_ms', 0)
    m.set_sysctl('hw.intr.stuck_ms', 0)
    m.set_sysctl('hw.intr.storm_percent', 0)
    m.card = card or card_of(m)
    m.ok(f'ifconfig {m.card} wait 60')
    return m


def in_use(m):
    """Buffers that are not in the pool."""
    return m.sysctl('net.bufs') - m.sysctl('net.bufs_free')


def pools(m):
    """Pieces in use of each of lwIP's pools, and bytes of its heap."""
    used = {r['pool']: r['used'] for r in m.table('netstat -m', 'pool')}
    used['heap'] = m.sysctl('net.mem')
    return used


def proto(m, name):
    return m.row('netstat -s', 'layer', layer=name)


def established(m):
    return sum(r['state'] == 'ESTABLISHED' for r in m.table('netstat', 'proto'))


def settle(m, what, wanted, tries=200):
    """Wait until what() is as wanted: what a peer has closed is let go of a little later."""
    for _ in range(tries):
        now = what()
        if now == wanted:
            return
        m.ok('sleep 0.1')
    assert now == wanted


# ---------------------------------------------------------------- without a card

def test_without_a_card_there_is_lo_and_nothing_runs(boot):
    m = boot(cpus=2, edu=0)
    shown = m.ok('ifconfig')
    assert '127.0.0.1/8' in shown and '::1' in shown
    assert 'queues' not in shown
    assert m.sysctl('net.bufs') == 0
    assert 'net loop' not in m.ok('ps')
    before = m.sysctl('net.lock.enters')
    m.ok('sleep 1.5')
    # Reading the count takes the lock once, and nobody else does.
    assert m.sysctl('net.lock.enters') == before + 1
    assert m.poweroff() == 0


def test_pings_to_itself_of_all_sizes(boot):
    m = boot(cpus=2, edu=0)
    before = pools(m)
    for size in (0, 1, 56, 1472, 1473, 9000, 65487, 65507):
        assert f'{size} bytes from 127.0.0.1' in m.ok(f'ping -c 1 -w 20000 -s {size} 127.0.0.1')
    for size in (0, 1452, 1453, 65487):
        assert f'{size} bytes from ::1' in m.ok(f'ping -c 1 -w 20000 -s {size} ::1')
    assert '3 sent, 3 answered, 0 lost' in m.ok('ping -c 3 -i 1 -w 20000 localhost')
    assert m.sysctl('net.loop.packets') == 2 * (8 + 4 + 3)
    settle(m, lambda: pools(m), before)
    assert m.poweroff() == 0


@pytest.mark.parametrize('line, says', [
    ('ifconfig eth9', "no interface 'eth9'"),
    ('ifconfig eth9 up', "no interface 'eth9'"),
    ('ifconfig lo down', 'lo: cannot do that'),
    ('ifconfig lo 10.0.0.1/8', 'lo: cannot do that'),
    ('ifconfig lo 10.0.0.1', 'needs the length of its prefix'),
    ('ifconfig lo 10.0.0.1/33', 'prefix 33: must be 1 to 32'),
    ('ifconfig lo 10.0.0.1.5/8', 'no such address'),
    ('ifconfig lo fec0::1/48', 'has 64 bits'),
    ('ifconfig lo moderate soon', 'lo: cannot do that'),
    ('netstat -z', "no option '-z'"),
    ('ping -s 65508 127.0.0.1', 'size 65508: must be 0 to 65507'),
    ('ping -s 65500 ::1', '65500 bytes: at most 65487 fit'),
    ('ping -4 ::1', 'nor an address of IPv4'),
    ('ping -c', '-c: needs a number'),
    ('ping nowhere.example', 'no server to ask for names'),
    ('ping -c 1 192.0.2.1', '1 of 1 not answered'),
    ('host -s nonsense', "'nonsense': not an address"),
    ('tcpdump -i eth9', 'eth9: no such interface'),
    ('tcpdump -c 0', 'count 0: must be 1 to 1000000'),
])
def test_mistakes_are_named(boot, line, says):
    m = boot(cpus=1, edu=0)
    assert says in m.error(line)


# ---------------------------------------------------------------- addresses and pings

@pytest.mark.parametrize('nic', NICS)
def test_dhcp_and_pings_of_all_sizes(boot, nic):
    m = online(boot, nic=nic)
    shown = m.ok('ifconfig')
    assert 'inet 10.0.2.15/24 gateway 10.0.2.2' in shown
    assert 'server 10.0.2.3' in m.ok('host')
    held = in_use(m)
    before = pools(m)
    for size in (0, 1, 18, 56, 1471, 1472, 1473, 2960, 8000, 30000, 65507):
        assert f'{size} bytes from 10.0.2.2' in m.ok(f'ping -c 1 -w 20000 -s {size} 10.0.2.2')
    frags = proto(m, 'ip-frag')
    assert frags['out'] > 0 and frags['in'] > 0 and frags['dropped'] == 0
    assert proto(m, 'ip')['sum'] == 0
    settle(m, lambda: in_use(m), held)
    settle(m, lambda: pools(m)['FRAG_PBUF'], before['FRAG_PBUF'])
    settle(m, lambda: pools(m)['heap'], before['heap'])
    assert m.poweroff() == 0


def test_ipv6_by_advertisement(boot):
    m = online(boot)
    settle(m, lambda: 'inet6 fec0::5054:ff:fe12:3456 preferred' in m.ok('ifconfig'), True)
    for size in (0, 56, 1000, 1452):  # QEMU's network knows no fragments of IPv6
        assert f'{size} bytes from fec0::2' in m.ok(f'ping -c 1 -w 20000 -s {size} fec0::2')
    way = m.row('netstat -r', 'to', to='default', why='advertised')
    assert (way['gateway'], way['if'], way['use']) == (f'fe80::2%{m.card}', m.card, 'yes')
    assert 0 < way['seconds'] <= 1800
    net = m.row('netstat -r', 'to', to='fec0::/64')
    assert (net['why'], net['if'], net['gateway']) == ('advertised', m.card, '-')
    assert m.row('netstat -r', 'to', to='fe80::/64')['why'] == 'link'
    router = m.row('ndp', 'address', address=f'fe80::2%{m.card}')
    assert (router['router'], router['ether']) == ('yes', '52:56:00:00:00:02')
    # One that is forgotten is asked for at once.
    m.ok(f'ndp -d fe80::2%{m.card}')
    settle(m, lambda: m.row('ndp', 'address', address=f'fe80::2%{m.card}')['ether'],
           router['ether'])
    m.ok(f'ifconfig {m.card} fec0::77')
    settle(m, lambda: 'inet6 fec0::77 preferred' in m.ok('ifconfig'), True)
    m.ok(f'ifconfig {m.card} del fec0::77')
    assert 'fec0::77' not in m.ok('ifconfig')
    assert 'has no such address' in m.error(f'ifconfig {m.card} del fec0::77')
    # One of the link is the default interface's, or of the interface that is named.
    for addr in ('fe80::5054:ff:fe12:3456', f'fe80::5054:ff:fe12:3456%{m.card}'):
        assert f'56 bytes from fe80::5054:ff:fe12:3456%{m.card}: seq' in \
            m.ok(f'ping -c 1 -w 20000 {addr}')
    assert 'neither a name nor an address' in m.error('ping -c 1 fe80::1%igb7')
    assert 'neither a name nor an address' in m.error(f'ping -c 1 fec0::2%{m.card}')
    m.ok(f'host -s fe80::3%{m.card}')
    assert f'server fe80::3%{m.card}' in m.ok('host -s')
    assert m.poweroff() == 0


def test_a_fixed_address_down_and_up(boot):
    m = online(boot)
    m.ok(f'ifconfig {m.card} 10.0.2.77/24 10.0.2.2')
    shown = m.ok('ifconfig')
    assert 'inet 10.0.2.77/24 gateway 10.0.2.2' in shown and ' dhcp' not in shown
    m.ok('ping -c 1 -w 20000 10.0.2.2')
    m.ok(f'ifconfig {m.card} down')
    assert re.search(rf'^{m.card}: down', m.ok('ifconfig'), re.M)
    assert in_use(m) == 0
    assert 'not answered' in m.error('ping -c 1 10.0.2.2')
    m.ok(f'ifconfig {m.card} up')
    m.ok(f'ifconfig {m.card} wait 60')
    m.ok('ping -c 1 -w 20000 10.0.2.2')
    m.ok(f'nic down {m.card}')          # the interface goes with its card, and comes
    assert re.search(rf'^{m.card}: down', m.ok('ifconfig'), re.M)
    m.ok(f'nic up {m.card}')
    m.ok(f'ifconfig {m.card} wait 60')
    m.ok('ping -c 1 -w 20000 10.0.2.2')
    m.ok(f'ifconfig {m.card} dhcp')
    settle(m, lambda: 'inet 10.0.2.15/24' in m.ok('ifconfig'), True)
    m.ok(f'ifconfig {m.card} del 10.0.2.15')
    shown = m.ok('ifconfig')
    assert 'inet 10.0.2' not in shown and ' dhcp' not in shown
    assert 'has no such address' in m.error(f'ifconfig {m.card} del 10.0.2.15')
    for words, says in (('10.0.2.255/24', 'not an address that one machine may have'),
                        ('10.0.2.0/24', 'not an address that one machine may have'),
                        ('127.0.0.1/8', 'not an address that one machine may have'),
                        ('255.255.255.255/32', 'not an address that one machine may have'),
                        ('::1', 'not an address that one machine may have'),
                        ('ff02::1', 'not an address that one machine may have'),
                        ('10.0.2.5/24 10.0.3.1', 'no gateway, or none within its network'),
                        ('10.0.2.5/24 10.0.2.5', 'no gateway, or none within its network'),
                        ('default', 'no gateway, or none within its network'),
                        ('moderate 8192', f'{m.card}: microseconds 8192: must be 0 to 8191'),
                        ('bla', f"{m.card}: no 'bla': there are ADDR/LEN, -txcsum, default, del"),
                        ('mtu', f'{m.card}: mtu: too little or too much')):
        assert says in m.error(f'ifconfig {m.card} {words}')
    m.ok(f'ifconfig {m.card} 10.0.2.4/31')
    assert 'inet 10.0.2.4/31' in m.ok('ifconfig')
    assert m.poweroff() == 0


def test_the_way_out_is_a_card_that_has_one(boot):
    args = []
    for n in (3, 4):
        args += ['-netdev', f'user,id=way{n},net=10.0.{n}.0/24',
                 '-device', f'virtio-net-pci,netdev=way{n},mac=52:54:00:12:34:0{n}']
    m = boot(cpus=2, edu=0, monitor=True, args=args)

    def way_out():
        return re.findall(r'^(\w+): .*\bdefault\b', m.ok('ifconfig'), re.M)

    def ways():
        return {r['if']: (r['use'], r['why']) for r in m.table('netstat -r', 'to')
                if r['to'] == 'default' and r['gateway'].startswith('10.')}

    first, second = 'vtnet0', 'vtnet1'
    m.ok(f'ifconfig {first} wait 60')
    m.ok(f'ifconfig {second} dhcp; ifconfig {second} wait 60')
    assert way_out() == [first]
    assert ways() == {first: ('yes', 'first'), second: ('spare', 'next')}
    m.ok(f'ifconfig {first} down')
    assert way_out() == [second]
    assert ways() == {first: ('down', 'next'), second: ('yes', 'first')}
    m.ok(f'ifconfig {first} up; ifconfig {first} wait 60')
    assert way_out() == [first]         # which came first
    m.ok(f'ifconfig {second} default')
    assert way_out() == [second]
    m.hmp('set_link way4 off')
    m.expect(f'{second}: link down')
    settle(m, way_out, [first])
    assert ways() == {first: ('yes', 'first'), second: ('no-link', 'by-hand')}
    m.hmp('set_link way4 on')
    m.expect(f'{second}: link up')
    settle(m, way_out, [second])        # which was chosen
    m.ok(f'ifconfig {second} wait 60')
    assert ways() == {first: ('spare', 'next'), second: ('yes', 'by-hand')}
    m.ok(f'ifconfig {second} 10.0.4.7/24')      # without a gateway
    assert way_out() == [first]
    assert ways() == {first: ('yes', 'first')}
    nets = {(r['to'], r['if'], r['use'], r['why']) for r in m.table('netstat -r', 'to')}
    assert {('10.0.3.0/24', first, 'yes', 'dhcp'), ('10.0.4.0/24', second, 'yes', 'fixed'),
            ('127.0.0.0/8', 'lo', 'yes', 'fixed')} <= nets
    for n in (3, 4):
        m.ok(f'ping -c 1 -w 20000 10.0.{n}.2')
    assert m.poweroff() == 0


@pytest.mark.parametrize('nic', NICS)
def test_a_reset_in_between(boot, nic):
    m = online(boot, nic=nic)
    for _ in range(3):
        m.ok(f'ifconfig {m.card} reset')
        m.ok(f'ifconfig {m.card} wait 60')
        m.ok('ping -c 1 -w 20000 -s 3000 10.0.2.2')
    assert m.poweroff() == 0


@pytest.mark.parametrize('nic', NICS)
def test_the_card_goes_in_the_midst_of_it(boot, nic):
    port = free_port()
    m = online(boot, [f'{port}:{CHARGEN}'], nic=nic, cpus=4)
    place = [r['function'] for r in m.table('pci', 'function') if 'net' in str(r['driver'])
             or r['driver'] == 'igb'][0]
    for _ in range(3):
        with tcp(port) as s:
            read = 0
            while read < 1 << 20:
                read += len(s.recv(1 << 16))
            over = threading.Event()

            def go_on(s=s, over=over):
                s.settimeout(0.1)
                while not over.is_set():
                    try:
                        if not s.recv(1 << 16):
                            return
                    except OSError:
                        pass

            reader = threading.Thread(target=go_on)
            reader.start()
            try:
                m.ok(f'pci detach {place}')
                assert 'queues' not in m.ok('ifconfig')
                assert in_use(m) == 0
                assert m.sysctl('net.mem') == 0
                assert pools(m)['TCP_SEG'] == 0 and pools(m)['PBUF'] == 0
                assert m.table('netstat', 'proto') == []
            finally:
                over.set()
                reader.join()
        m.ok(f'pci attach {place}')
        m.ok(f'ifconfig {m.card} wait 60')
        m.ok('ping -c 1 -w 20000 -s 5000 10.0.2.2')
    assert m.poweroff() == 0


# ---------------------------------------------------------------- services

def pattern(n, seed=0):
    return bytes((i * 7 + (i >> 8) + seed) & 255 for i in range(n))


def tcp(port):
    return socket.create_connection(('127.0.0.1', port), timeout=PATIENCE)


def read_all(s):
    got = bytearray()
    while True:
        piece = s.recv(1 << 16)
        if not piece:
            return bytes(got)
        got += piece


def echo_through(port, data):
    """What comes back when `data` is sent and the sending side closed."""
    with tcp(port) as s:
        sender = threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR)))
        sender.start()
        got = read_all(s)
        sender.join()
        return got


@pytest.mark.parametrize('nic', NICS)
def test_echo_over_udp(boot, nic):
    port = free_port()
    m = online(boot, [f'udp:{port}:{ECHO}'], nic=nic)
    held = in_use(m)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(PATIENCE)
        for size in (0, 1, 17, 18, 19, 512, 1471, 1472, 1473, 5000, 40000):
            s.sendto(pattern(size, size), ('127.0.0.1', port))
            assert s.recv(1 << 16) == pattern(size, size)
    assert m.sysctl('net.echo.packets') == 11
    settle(m, lambda: in_use(m), held)
    assert m.poweroff() == 0


@pytest.mark.parametrize('nic', NICS)
def test_echo_over_tcp(boot, nic):
    port = free_port()
    m = online(boot, [f'{port}:{ECHO}'], nic=nic)
    held, before = in_use(m), pools(m)
    for size in (0, 1, 1459, 1460, 1461, 100000, 2 << 20):
        assert echo_through(port, pattern(size)) == pattern(size)
    assert m.sysctl('net.services.connections') == 7
    settle(m, lambda: pools(m)['TCP_SEG'], before['TCP_SEG'])
    settle(m, lambda: in_use(m), held)
    assert 'ESTABLISHED' not in m.ok('netstat')
    assert m.poweroff() == 0


def test_many_echoes_at_once(boot):
    port = free_port()
    m = online(boot, [f'{port}:{ECHO}'], cpus=4)
    everybody = []
    for _ in range(100):
        # QEMU's network holds but one that is not accepted: each is let in before the next.
        s = tcp(port)
        s.sendall(b'?')
        assert s.recv(1) == b'?'
        everybody.append(s)
    for n, s in enumerate(everybody):
        s.sendall(pattern(3000, n))
    for n, s in enumerate(everybody):
        got = b''
        while len(got) < 3000:
            got += s.recv(3000 - len(got))
        assert got == pattern(3000, n)
    settle(m, lambda: established(m), 100)
    for s in everybody:
        s.close()
    settle(m, lambda: established(m), 0)
    assert m.poweroff() == 0


def test_discard_and_chargen(boot):
    there, back = free_port(), free_port()
    m = online(boot, [f'{there}:{DISCARD}', f'{back}:{CHARGEN}'])
    held = in_use(m)
    with tcp(there) as s:
        s.sendall(pattern(1 << 20))
        s.shutdown(socket.SHUT_WR)
        assert s.recv(1) == b''
    assert m.sysctl('net.discard.bytes') == 1 << 20
    text = b''.join(bytes(32 + (line + i) % 95 for i in range(72)) + b'\r\n' for line in range(95))
    with tcp(back) as s:
        got = b''
        while len(got) < 3 * len(text):
            got += s.recv(1 << 16)
    assert got[:3 * len(text)] == 3 * text
    settle(m, lambda: in_use(m), held)
    assert m.poweroff() == 0


def iperf(m, port, want=b'"tcp":true', parallel=1, reverse=False, total=0):
    """A test as `iperf3 -c` makes it; returns the machine's results, or the error that it says."""
    cookie = os.urandom(18).hex().encode() + b'\0'
    control = tcp(port)
    states = []

    def exactly(s, n):
        got = b''
        while len(got) < n:
            piece = s.recv(n - len(got))
            assert piece, (got, states)
            got += piece
        return got

    def state():
        states.append(exactly(control, 1)[0])
        return states[-1]

    def text(data):
        control.sendall(struct.pack('!I', len(data)) + data)

    with control:
        control.sendall(cookie)
        if state() == 255:
            return states[-1]
        assert states == [9]
        text(b'{%s,"parallel":%d%s}' % (want, parallel, b',"reverse":true' if reverse else b''))
        if state() == 254:
            return struct.unpack('!II', exactly(control, 8))[0]
        before, streams = established(m), []
        for n in range(parallel):
            streams.append(tcp(port))
            streams[-1].sendall(cookie)
            # QEMU's network holds but one that is not accepted.
            settle(m, lambda wanted=before + n + 1: established(m) == wanted, True)
        assert (state(), state()) == (1, 2)
        came = m.sysctl('net.iperf.bytes_in')
        for s in streams:
            if reverse:
                exactly(s, total)
            else:
                s.sendall(bytes(total))
        if not reverse:
            # What QEMU's network has taken must be over before the end is.
            settle(m, lambda: m.sysctl('net.iperf.bytes_in'), came + parallel * total)
        control.sendall(b'\x04')
        assert state() == 13
        text(json.dumps({'streams': [{'id': n, 'bytes': total} for n in (1, 3, 4, 5)[:parallel]]}
                        ).encode())
        theirs = json.loads(exactly(control, struct.unpack('!I', exactly(control, 4))[0]))
        assert state() == 14
        control.sendall(b'\x10')
        for s in streams:
            s.close()
        assert control.recv(1) == b''
        return theirs


@pytest.mark.parametrize('reverse', [False, True])
@pytest.mark.parametrize('parallel', [1, 4])
def test_iperf_counts_what_went(boot, reverse, parallel):
    port = free_port()
    m = online(boot, [f'{port}:5201'])
    held = in_use(m)
    theirs = iperf(m, port, parallel=parallel, reverse=reverse, total=1 << 19)
    assert [s['id'] for s in theirs['streams']] == [1, 3, 4, 5][:parallel]
    assert all(0 < s['bytes'] and s['end_time'] > 0 for s in theirs['streams'])
    if not reverse:
        assert [s['bytes'] for s in theirs['streams']] == [1 << 19] * parallel
    assert m.sysctl('net.iperf.tests') == 1
    settle(m, lambda: in_use(m), held)
    settle(m, lambda: 'ESTABLISHED' in m.ok('netstat'), False)
    assert m.poweroff() == 0


def test_iperf_refuses_what_it_cannot(boot):
    port = free_port()
    m = online(boot, [f'{port}:5201'])
    assert iperf(m, port, want=b'"time":10') == 13
    assert iperf(m, port, want=b'"udp":true,"len":15') == 13
    assert iperf(m, port, want=b'"udp":true,"len":65508') == 13
    assert iperf(m, port, want=b'"tcp":true,"bidirectional":true') == 13
    assert iperf(m, port, parallel=17) == 6
    # One test at a time: while one has begun, another is sent away, and the first goes on.
    with tcp(port) as first:
        first.sendall(bytes(37))
        assert first.recv(1) == b'\x09'
        assert iperf(m, port) == 255
        first.sendall(struct.pack('!I', 1 << 20))  # a text longer than anybody's
        assert first.recv(1) == b'\xfe'
    assert m.sysctl('net.iperf.refused') == 7
    assert iperf(m, port, total=1000)['streams'][0]['bytes'] == 1000
    assert m.poweroff() == 0


# ---------------------------------------------------------------- captures

def test_tcpdump_says_what_goes_by(boot):
    udp = free_port()
    m = online(boot, [f'udp:{udp}:{ECHO}'])
    over = threading.Event()

    def talk():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            while not over.wait(0.02):
                s.sendto(pattern(33), ('127.0.0.1', udp))

    talker = threading.Thread(target=talk)
    talker.start()
    try:
        seen = m.ok(f'tcpdump -i {m.card} -x -c 30 -t 60')
    finally:
        over.set()
        talker.join()
    there = re.search(rf'{m.card} in 10\.0\.2\.2:(\d+) > 10\.0\.2\.15:7 udp len 33', seen)
    assert there, seen
    back = rf'{m.card} out 10\.0\.2\.15:7 > 10\.0\.2\.2:{there.group(1)} udp len 33'
    assert re.search(back, seen)
    assert re.search(r'^\s*0000  52 55 0a 00 02 02 52 54 00 12 34 56 08 00 45 00', seen, re.M)
    assert '30 frames, 0 lost' in seen
    assert proto(m, 'link')['in'] >= 15 and proto(m, 'link')['out'] >= 15
    # A report of groups of the link, which has options for each hop before it.
    said = m.ok(f'ifconfig {m.card} reset; tcpdump -i {m.card} -c 7 -t 60')
    assert re.search(r'out :: > ff02::1:ff\S+ icmp6 type 131 code 0$', said, re.M), said
    assert m.poweroff() == 0


def frames(data):
    """The frames of a pcap file of nanoseconds, as far as it has come."""
    magic, major, minor, _, _, _, link = struct.unpack('<IHHiIII', data[:24])
    assert (magic, major, minor, link) == (0xa1b23c4d, 2, 4, 1)
    at, out = 24, []
    while at + 16 <= len(data):
        _, ns, kept, length = struct.unpack('<IIII', data[at:at + 16])
        assert ns < 1000000000 and kept == min(length, 16384)
        if at + 16 + kept > len(data):
            break
        out.append(data[at + 16:at + 16 + kept])
        at += 16 + kept
    return out


def read_by_tshark(path, *fields):
    """What tshark finds in each frame of a file; None: it is not installed."""
    if shutil.which('tshark') is None:
        return None
    done = subprocess.run(['tshark', '-n', '-r', path, '-T', 'fields',
                           *(w for f in fields for w in ('-e', f))],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [line.split('\t') for line in done.stdout.splitlines()]


def to_loopback(f):
    return f[:12] == bytes(12) and f[12:14] == b'\x08\x00'


def test_a_capture_over_the_network(boot, tmp_path):
    port, udp = free_port(), free_port()
    m = online(boot, [f'{port}:{PCAP}', f'udp:{udp}:{ECHO}'])
    m.ok('tcpdump -l on')
    got = bytearray()
    with tcp(port) as s:
        while len(got) < 24:
            got += s.recv(1 << 16)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as u:
            u.settimeout(PATIENCE)
            for n in range(50):
                u.sendto(pattern(100 + n), ('127.0.0.1', udp))
                assert u.recv(1 << 16) == pattern(100 + n)
        m.ok('ping -c 1 -w 20000 -s 64 127.0.0.1')
        # Bytes that are on their way now come again, when the card is up again.
        m.ok(f'ifconfig {m.card} down')
        m.ok(f'ifconfig {m.card} up')
        m.ok(f'ifconfig {m.card} wait 60')
        m.ok('ping -c 1 -w 20000 -s 65 127.0.0.1')
        m.ok('tcpdump -l off')
        # The last frame of these is the last that this file must have.
        while len(to_itself := [f for f in frames(bytes(got)) if to_loopback(f)]) < 4:
            piece = s.recv(1 << 16)
            assert piece
            got += piece
    all_frames = frames(bytes(got))
    for n in range(50):
        same = [f for f in all_frames if f.endswith(pattern(100 + n))]
        assert len(same) == 2, n  # there and back
    assert len(to_itself) == 4
    assert not any(struct.pack('!H', PCAP) in f[34:38] for f in all_frames if f[23:24] == b'\x06')
    file = tmp_path / 'frames.pcap'
    # A frame that has not come to its end is none for tshark.
    file.write_bytes(got[:24 + sum(16 + len(f) for f in all_frames)])
    rows = read_by_tshark(file, 'frame.len', 'udp.dstport', 'udp.length', 'icmp.type',
                          'frame.time_epoch', '_ws.malformed')
    if rows is not None:
        assert [int(r[0]) for r in rows] == [len(f) for f in all_frames]
        asked = [int(r[2]) for r in rows if r[1] == str(ECHO)]
        assert asked == [8 + 100 + n for n in range(50)]
        assert [r[3] for r in rows if r[3]] == ['8', '0', '8', '0']
        times = [float(r[4]) for r in rows]
        assert times == sorted(times) and not any(r[5] for r in rows)
    settle(m, lambda: 'ESTABLISHED' in m.ok('netstat'), False)
    m.ok('sleep 0.2')
    assert m.poweroff() == 0


