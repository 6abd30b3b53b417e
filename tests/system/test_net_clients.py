# SPDX-License-Identifier: BSD-2-Clause
"""The network as real clients see it: Linux's own TCP/IP over a tap, its ping, nmap, frames that
make no sense, and a card whose cable is pulled, that is reset or taken away, under load. After
each, every buffer is back where it was."""

import hashlib
import json
import os
import random
import re
import resource
import selectors
import socket
import threading
import time

import net_host
import pytest
from net_host import in_use, settled

MB = 1 << 20
ECHO, DISCARD, CHARGEN = 7, 9, 19


@pytest.fixture(params=('igb', 'virtio-net-pci'))
def pair(request, steady):
    """A machine of two processors and the host that it is joined to; `before` buffers are in use
    when nothing goes on, and so many must be at the end."""
    queues = 2 if request.param == 'virtio-net-pci' else 1
    with net_host.Host(request.param, queues) as host:
        m = steady(cpus=2, monitor=True, **host.options)
        host.join(m)
        settled(m, in_use(m))
        host.before = in_use(m)
        host.patience = 60
        yield m, host
        settled(m, host.before, host.patience)
        assert m.row('nic', 'card', card=host.card)['link'] == 'yes'
        assert m.poweroff() == 0


# ---------------------------------------------------------------- clients

def pump(s, total, seed=1, chunk=64 << 10, progress=None):
    """Send `total` bytes and receive as many, which must be the same. Both at once."""
    data = random.Random(seed).randbytes(MB)
    sent, came, done = hashlib.sha256(), hashlib.sha256(), 0
    failed = []

    def send():
        left = total
        try:
            while left > 0:
                piece = data[:min(left, len(data))]
                s.sendall(piece)
                sent.update(piece)
                left -= len(piece)
        except OSError as e:
            failed.append(e)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    while done < total and not failed:
        piece = s.recv(chunk)
        assert piece, f'the connection ended after {done} of {total} bytes'
        came.update(piece)
        done += len(piece)
        if progress is not None:
            progress(done)
    thread.join()
    assert not failed, failed
    assert done == total and sent.digest() == came.digest()


class Load:
    """Connections to the echo port that check every byte and come again when they are broken, or
    silent for `patience` seconds; and datagrams; until stop()."""

    def __init__(self, host, connections=3, datagrams=True, patience=60):
        self.host, self.patience, self.ended = host, patience, False
        self.bytes = self.broken = self.wrong = 0
        jobs = [self._tcp] * connections + [self._udp] * datagrams
        self.threads = [threading.Thread(target=job, daemon=True) for job in jobs]
        for thread in self.threads:
            thread.start()

    def _tcp(self):
        data = os.urandom(100000)
        while not self.ended:
            try:
                with self.host.tcp(ECHO, timeout=self.patience) as s:
                    while not self.ended:
                        self._round(s, data)
            except (OSError, IndexError):
                self.broken += 1

    def _round(self, s, data):
        sender = threading.Thread(target=self._send, args=(s, data), daemon=True)
        sender.start()
        came = bytearray()
        while len(came) < len(data):
            piece = s.recv(65536)
            if not piece:
                raise OSError('ended')
            came += piece
        sender.join()
        self.wrong += bytes(came) != data
        self.bytes += len(data)

    @staticmethod
    def _send(s, data):
        try:
            s.sendall(data)
        except OSError:
            pass                        # the reader sees it too

    def _udp(self):
        s = self.host.udp()
        s.setblocking(False)
        while not self.ended:
            try:
                for _ in range(5):
                    s.sendto(bytes(1000), (self.host.ADDR, ECHO))
                while True:
                    s.recv(2000)
            except OSError:
                time.sleep(0.002)
        s.close()

    def wait(self, more):
        """Until so many bytes more went there and back."""
        wanted, deadline = self.bytes + more, time.monotonic() + 120
        while self.bytes < wanted:
            assert time.monotonic() < deadline, 'nothing comes back any more'
            time.sleep(0.01)

    def stop(self):
        self.ended = True
        for thread in self.threads:
            thread.join(2 * self.patience)
            assert not thread.is_alive()
        assert self.wrong == 0 and self.bytes > 0


# ---------------------------------------------------------------- in order

# Four at once and no more; however long the last takes, it is waited for. (With a shorter interval
# ping sends on while it waits, and without a deadline it waits for two round trips only.)
PINGS = ('ping', '-q', '-c', '4', '-l', '4', '-i', '60', '-w', '60')
ALL_BACK = '4 packets transmitted, 4 received, 0% packet loss'


def neighbour(m, how, addr):
    """(Ethernet address, state) as arp or ndp has them, or None."""
    rows = [r for r in m.table(how, 'address') if r['address'] == addr]
    assert len(rows) <= 1 and all((r['if'], r['router']) == (m.card, 'no') for r in rows), rows
    return (rows[0]['ether'], rows[0]['state']) if rows else None


def neighbours(m, host):
    """Who is there as arp and ndp know it, forgotten, and given by hand."""
    m.card = host.card
    ours = re.search(r'ether (\S+)', m.ok(f'ifconfig {host.card}')).group(1)
    theirs = re.search(r'link/ether (\S+)',
                       host.run('ip', 'link', 'show', host.tap)).group(1)
    # The host asks for nobody, so that the machine learns by what it asks alone.
    for addr in (host.ADDR, host.ADDR6):
        host.run('ip', 'neigh', 'replace', addr, 'lladdr', ours, 'dev', host.tap, 'nud',
                 'permanent')
    for how, addr, state in (('arp', host.OWN, 'learnt'), ('ndp', host.OWN6, 'reachable')):
        m.ok(f'{how} -d {addr}')
        assert neighbour(m, how, addr) is None
        assert 'no such neighbour' in m.error(f'{how} -d {addr}')
        assert neighbour(m, f'ping -c 1 -w 60000 {addr}; {how}', addr) == (theirs, state)
    # One that is given by hand is believed, whatever is true, and the host's word does not count.
    m.ok(f'arp -s {host.OWN} 02:00:00:00:00:77')
    assert '1 of 1 not answered' in m.error(f'ping -c 1 -w 1000 {host.OWN}')
    here, own = bytes.fromhex(theirs.replace(':', '')), socket.inet_aton(host.OWN)
    wire = host.inside(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
    with wire:
        wire.bind((host.tap, 0))
        wire.send(b'\xff' * 6 + here + b'\x08\x06\0\1\x08\0\6\4\0\2' + here + own +
                  bytes.fromhex(ours.replace(':', '')) + socket.inet_aton(host.ADDR))
    assert ALL_BACK in host.run(*PINGS, host.ADDR6)
    assert neighbour(m, 'arp', host.OWN) == ('02:00:00:00:00:77', 'static')
    m.ok(f'arp -s {host.OWN} {theirs}; ping -c 1 -w 60000 {host.OWN}')
    m.ok(f'arp -d {host.OWN}; ping -c 1 -w 60000 {host.OWN}')
    assert neighbour(m, 'arp', host.OWN) == (theirs, 'learnt')
    # As many as there may be, and none when the card was down.
    for n in range(100, 132, 8):
        m.ok('; '.join(f'arp -s 10.77.0.{n + i} 02:00:00:00:01:00' for i in range(8)))
    for addr, says in (('10.77.0.200', 'as many as may be given by hand, 32'),
                       ('10.77.0.255', 'not an address that another machine may have'),
                       (host.ADDR, 'not an address that another machine may have'),
                       ('127.0.0.1', 'not an address that another machine may have'),
                       ('10.78.0.1', 'in no network of a card that has a link'),
                       (host.OWN6, 'not an address of IPv4')):
        assert says in m.error(f'arp -s {addr} 02:00:00:00:01:00')
    for ether in ('02:00:00:00:01', '03:00:00:00:01:00', '00:00:00:00:00:00', '02:00:00:00:01:0g',
                  '02:00:00:00:01:00:'):
        assert 'not the Ethernet address of a card' in m.error(f'arp -s 10.77.0.100 {ether}')
    m.ok(f'arp -d 10.77.0.131; arp -s 10.77.0.200 02:00:00:00:02:00')
    assert neighbour(m, 'arp', '10.77.0.200') == ('02:00:00:00:02:00', 'static')
    assert sum(r['state'] == 'static' for r in m.table('arp', 'address')) == 32
    m.ok(f'ifconfig {host.card} down; ifconfig {host.card} up; ifconfig {host.card} wait 60')
    assert all(r['state'] == 'learnt' for r in m.table('arp', 'address'))
    m.ok(f'arp -s 10.77.0.201 02:00:00:00:02:00; ping -c 1 -w 60000 {host.OWN}')


def test_ping_and_neighbours(pair):
    m, host = pair
    for addr, sizes in ((host.ADDR, (0, 1, 56, 1472, 1473, 2960, 8000, 20000, 65507)),
                        (host.ADDR6, (0, 1, 56, 1452, 1453, 8000, 20000, 65487))):
        for size in sizes:
            said = host.run(*PINGS, '-s', str(size), addr)
            assert ALL_BACK in said, f'{size} bytes to {addr}:\n{said}'
    # And from there: the host's address of the link, and all that are on it.
    link = re.search(r'inet6 (fe80:\S+)/', host.run('ip', '-6', 'addr', 'show', host.tap)).group(1)
    for addr in (link, f'{link}%{host.card}', 'ff02::1'):
        assert f'3000 bytes from {link}%{host.card}: seq=1' in \
            m.ok(f'ping -c 1 -w 60000 -s 3000 {addr}')
    with host.start('ping', '-q', '-i', '0.2', '-s', '3000', host.ADDR6) as pinging:
        seen = m.ok(f'tcpdump -i {host.card} -c 12 -t 60')
        pinging.terminate()
    assert re.search(r'in fd77::1 > fd77::2 icmp echo request id \d+ seq \d+ '
                     r'fragment \d+ at 0 len 1448\+$', seen, re.M), seen
    assert re.search(r'out fd77::2 > fd77::1 fragment \d+ at 1448 len 1448\+$', seen, re.M), seen
    assert re.search(r'in fd77::1 > fd77::2 fragment \d+ at 2896 len 112$', seen, re.M), seen
    neighbours(m, host)


def test_bytes_there_and_back(pair):
    m, host = pair
    with host.tcp(ECHO) as s:
        pump(s, 100 * MB)
    with host.tcp(DISCARD) as s:
        for _ in range(20):
            s.sendall(bytes(MB))
        s.shutdown(socket.SHUT_WR)
        assert s.recv(1) == b''
    assert m.sysctl('net.discard.bytes') == 20 * MB
    with host.tcp(CHARGEN) as s:
        text = b''
        while len(text) < 2 * MB:
            text += s.recv(65536)
    # RFC 864: lines of 72 characters, each begins one character further on in a ring of 95.
    ring = bytes(range(32, 127)) * 2
    first = ring.index(text[:72])
    for n, line in enumerate(text.split(b'\r\n')[:20000]):
        at = (first + n) % 95
        assert line == ring[at:at + 72], n
    settled(m, host.before)


# ---------------------------------------------------------------- long frames, and sums

def mtu(m, host, size):
    """Both ends."""
    host.run('ip', 'link', 'set', host.tap, 'mtu', str(size))
    m.ok(f'ifconfig {host.card} mtu {size}')
    # Who the neighbours are is known before somebody must not be late.
    for addr in (host.ADDR, host.ADDR6):
        host.run('ping', '-q', '-c', '1', '-w', '60', addr)


def wrong_sums(host):
    """Packets that the host's TCP/IP found to have a wrong sum, so far."""
    said = host.run('cat', '/proc/net/snmp', '/proc/net/snmp6')
    wrong = sum(int(n) for n in re.findall(r'InCsumErrors\s+(\d+)', said))
    for head, row in re.findall(r'^(\w+: .*)\n(\w+: .*)$', said, re.M):
        counts = dict(zip(head.split(), row.split()))
        wrong += int(counts.get('InCsumErrors', 0)) + int(counts.get('InHdrErrors', 0))
    return wrong


# With igb the tap gets every sum made, and the host looks at them; a virtio card there leaves them
# out, and the host is told so.
@pytest.mark.parametrize('nic, plain', (('igb', True), ('virtio-net-pci', False)))
def test_long_frames(steady, nic, plain):
    with net_host.Host(nic, plain=plain) as host:
        m = steady(cpus=2, monitor=True, **host.options)
        host.join(m)
        settled(m, in_use(m))
        before = in_use(m)
        mtu(m, host, 9000)
        for addr, own, most in ((host.ADDR, host.OWN, 8972), (host.ADDR6, host.OWN6, 8952)):
            said = host.run(*PINGS, '-M', 'do', '-s', str(most), addr)
            assert ALL_BACK in said, f'{most} bytes to {addr}:\n{said}'
            assert '2 sent, 2 answered' in m.ok(f'ping -c 2 -i 1 -w 60000 -s {most} {own}')
        with host.tcp(CHARGEN) as s:
            left = 10 * MB
            while left > 0:
                left -= len(s.recv(65536))
        # A connection that began with longer segments than there are then goes on.
        with host.tcp(ECHO) as s:
            pump(s, MB)
            for size in (1500, 9000):
                mtu(m, host, size)
                pump(s, MB)
        load = Load(host)
        for switch in ('-txcsum', 'txcsum'):
            load.wait(MB)
            m.ok(f'ifconfig {host.card} {switch}')
        load.wait(MB)
        mtu(m, host, 4000)
        load.wait(MB)
        load.stop()
        assert load.broken == 0 and wrong_sums(host) == 0
        settled(m, before)
        assert m.poweroff() == 0


def connections(m):
    """TCP connections of the machine, in whatever state."""
    return m.row('netstat -m', 'pool', pool='TCP_PCB')['used']


def test_a_thousand_connections(pair):
    count, rounds = 1000, 3
    m, host = pair
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 2 * count:
        if hard != resource.RLIM_INFINITY and hard < 2 * count:
            pytest.skip(f'a process may open {hard} files here')
        resource.setrlimit(resource.RLIMIT_NOFILE, (2 * count, hard))
    peers = host.inside(lambda: [socket.create_connection((host.ADDR, ECHO), 60)
                                 for _ in range(count)])
    assert connections(m) == count
    selector = selectors.DefaultSelector()
    for n, s in enumerate(peers):
        s.setblocking(False)
        selector.register(s, selectors.EVENT_READ, n)
    for turn in range(rounds):
        data = [random.Random(n * rounds + turn).randbytes(2000) for n in range(count)]
        came = [b''] * count
        for s, d in zip(peers, data):
            assert s.send(d) == len(d)
        left = count
        while left > 0:
            ready = selector.select(30)
            assert ready, f'{left} of {count} wait for an answer\n' + \
                m.ok(f'nic stats {host.card}; nic info {host.card}; netstat -m; intrstat') + \
                host.run('ss', '-tano', 'state', 'established')[:1500]
            for key, _ in ready:
                came[key.data] += key.fileobj.recv(4096)
                left -= len(came[key.data]) == 2000
        assert came == data
    for s in peers:
        s.close()
    deadline = time.monotonic() + 60
    while connections(m) > 0:
        assert time.monotonic() < deadline, m.ok('netstat')


# ---------------------------------------------------------------- iperf3

def iperf3(host, *words, addr=None):
    """What the client says at its end."""
    said = json.loads(host.run('iperf3', '-c', addr or host.ADDR, '-J', *words))
    assert 'error' not in said, said
    return said['end']


def test_iperf3(pair):
    m, host = pair
    if net_host.missing('iperf3'):
        pytest.skip('iperf3 is not installed; tools/setup check does it')

    def over():
        """Nothing more comes or goes: each connection has had its end from the client."""
        deadline = time.monotonic() + 60
        while any(r['local'].endswith(':5201') and r['state'] not in ('TIME_WAIT', 'LAST_ACK')
                  for r in m.table('netstat', 'proto')):
            assert time.monotonic() < deadline, m.ok('netstat')

    def counted(*words, addr=None):
        """The client's sums, and the bytes that the machine counted meanwhile, in and out."""
        before = [m.sysctl(f'net.iperf.bytes_{way}') for way in ('in', 'out')]
        end = iperf3(host, *words, addr=addr)
        over()
        return (end['sum_sent'], end['sum_received'],
                *(m.sysctl(f'net.iperf.bytes_{way}') - n
                  for way, n in zip(('in', 'out'), before)))

    # The end of a test does not wait for what is on the way, and may overtake it by another queue:
    # the receiver counts no more than was sent, and says what it counted by then.
    total = 0
    for words in (['-n', '4M'], ['-P', '4', '-n', '2M']):
        sent, got, came, went = counted(*words)
        assert got['bytes'] <= sent['bytes'] and got['bytes'] <= came and went == 0
        total += got['bytes']
        sent, got, came, went = counted('-R', *words)
        assert got['bytes'] >= 2 * MB and 0 < sent['bytes'] <= went and came == 0
    for words, addr in ((['-b', '20M', '-n', '1M'], host.ADDR),
                        (['-b', '5M', '-P', '3', '-n', '100K', '-l', '4000'], host.ADDR),
                        (['-b', '0', '-n', '1M', '--udp-counters-64bit'], host.ADDR6)):
        sent, got, came, went = counted('-u', *words, addr=addr)
        assert got['bytes'] <= came <= sent['bytes'] and went == 0
        assert got['packets'] <= sent['packets'] and got['jitter_ms'] >= 0
        total += got['bytes']
        assert (got['packets'] - got['lost_packets']) * sent['bytes'] == \
            got['bytes'] * sent['packets']
        sent, got, came, went = counted('-u', '-R', *words, addr=addr)
        assert 0 < got['bytes'] <= sent['bytes'] == went and came == 0
        assert 0 < got['packets'] <= sent['packets'] and got['jitter_ms'] >= 0
    assert total > 0 and m.sysctl('net.iperf.tests') == 10


def test_ports(pair):
    m, host = pair
    if net_host.missing('nmap'):
        pytest.skip('nmap is not installed; tools/setup check does it')
    listening = {int(r['local'].rsplit(':', 1)[1]) for r in m.table('netstat -a', 'proto')
                 if r['proto'] == 'tcp' and r['state'] == 'LISTEN'}
    assert {ECHO, DISCARD, CHARGEN} <= listening
    said = host.run('nmap', '-n', '-Pn', '--host-timeout', '90s', '--max-retries', '6', '-sS',
                    '-p', '1-1100,5001,5201,8080', host.ADDR)
    found = {int(p) for p in re.findall(r'^(\d+)/tcp +open', said, re.M)}
    assert found == {p for p in listening if p <= 1100 or p in (5001, 5201, 8080)}, said


# ---------------------------------------------------------------- malformed

def valid(host, mac):
    """Packets as they should be, for spoiling; by scapy."""
    from scapy.layers.dhcp import BOOTP, DHCP
    from scapy.layers.inet import ICMP, IP, TCP, UDP
    from scapy.layers.inet6 import (ICMPv6EchoRequest, ICMPv6ND_NS, IPv6, IPv6ExtHdrDestOpt,
                                    IPv6ExtHdrFragment, IPv6ExtHdrHopByHop)
    from scapy.layers.l2 import ARP, Ether
    ether = Ether(dst=mac, src='02:00:00:00:00:01')
    ip, ip6 = IP(src='10.77.0.9', dst=host.ADDR), IPv6(src='fd77::9', dst=host.ADDR6)
    data = bytes(range(64))
    return [ether / x for x in (
        ARP(op=1, psrc='10.77.0.9', pdst=host.ADDR), ARP(op=2, psrc='10.77.0.9', pdst=host.ADDR),
        ip / ICMP() / data, ip / ICMP(type=3, code=4) / ip / UDP() / data[:8],
        ip / UDP(sport=3000, dport=ECHO) / data, ip / UDP(sport=67, dport=68) / BOOTP() / DHCP(),
        ip / TCP(sport=3000, dport=ECHO, flags='S', options=[('MSS', 1460), ('WScale', 7)]),
        ip / TCP(sport=3000, dport=ECHO, flags='FPU'), IP(dst=host.ADDR, flags='MF') / data,
        IP(src='10.77.0.9', dst=host.ADDR, frag=100, proto=17) / data,
        ip6 / ICMPv6EchoRequest(data=data), ip6 / ICMPv6ND_NS(tgt=host.ADDR6),
        ip6 / UDP(sport=3000, dport=ECHO) / data, ip6 / TCP(sport=3000, dport=ECHO, flags='S'),
        ip6 / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / UDP(dport=ECHO) / data,
        ip6 / IPv6ExtHdrFragment(offset=0, m=1, id=7) / data,
        ip6 / IPv6ExtHdrFragment(offset=60, m=0, id=7) / data)]


def spoiled(packets, rng):
    """Each cut off at every length, and with bytes exchanged behind the Ethernet header."""
    for packet in packets:
        whole = bytes(packet)
        for length in range(14, len(whole)):
            yield whole[:length]
        for _ in range(150):
            frame = bytearray(whole)
            for _ in range(rng.randint(1, 6)):
                frame[rng.randrange(12, len(frame))] = rng.choice((0, 1, 0x7f, 0x80, 0xff,
                                                                   rng.randrange(256)))
            yield bytes(frame)
    for _ in range(500):
        yield whole[:12] + rng.choice((b'\x08\x00', b'\x86\xdd', b'\x08\x06')) + \
            rng.randbytes(rng.randint(0, 1400))


def fuzzed(packets, rng):
    """Layers whose fields are scapy's choice."""
    from scapy.config import conf
    from scapy.packet import fuzz
    conf.verb = 0
    random.seed(rng.random())
    for packet in packets:
        head, body = packet.copy(), packet.payload.copy()
        head.remove_payload()
        for _ in range(25):
            frame = bytes(head) + bytes(fuzz(body.copy()))
            yield frame[:1514]


@pytest.mark.parametrize('pair', ('igb',), indirect=True)
def test_frames_that_make_no_sense(pair):
    m, host = pair
    host.patience = 180                 # fragments of IPv6 are waited for, RFC 8200 says 60 s
    pytest.importorskip('scapy', reason='scapy is not installed; tools/setup check does it')
    mac = m.row('nic', 'card', card=host.card)['address']
    packets = valid(host, mac)
    wire = host.inside(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
    wire.bind((host.tap, 0))
    rng = random.Random(7)
    count = 0
    for frame in list(spoiled(packets, rng)) + list(fuzzed(packets, rng)):
        wire.send(frame)
        count += 1
        if count % 100 == 0:
            # As fast as they are taken, or the card would drop them. What the machine believes of
            # its neighbours may be nonsense by now; a question of ours puts it right.
            host.run('ip', 'neigh', 'flush', 'dev', host.tap)
            host.run('ping', '-q', '-c', '1', '-w', '30', host.ADDR)
    wire.close()
    assert count > 4000
    host.run('ip', 'neigh', 'flush', 'dev', host.tap)
    with host.tcp(ECHO) as s:
        pump(s, MB)
    said = host.run(*PINGS, host.ADDR6)
    assert ALL_BACK in said, said


# ---------------------------------------------------------------- under load

def test_cable_pulled(pair):
    m, host = pair
    load = Load(host)
    for _ in range(3):
        load.wait(2 * MB)
        m.hmp('set_link net0 off')
        m.expect(f'{host.card}: link down')
        m.hmp('set_link net0 on')
        m.expect(f'{host.card}: link up')
    load.wait(2 * MB)
    load.stop()


def test_connection_outlives_the_cable(pair):
    m, host = pair
    pulls = iter((MB, 3 * MB, 1 << 40))
    at = next(pulls)

    def progress(done):
        nonlocal at
        if done >= at:
            at = next(pulls)
            m.hmp('set_link net0 off')
            m.expect(f'{host.card}: link down')
            m.hmp('set_link net0 on')
            m.expect(f'{host.card}: link up')

    with host.tcp(ECHO) as s:
        pump(s, 6 * MB, progress=progress)


def test_reset_under_load(pair):
    m, host = pair
    load = Load(host)
    for _ in range(5):
        load.wait(MB)
        m.ok(f'ifconfig {host.card} reset')
    load.wait(2 * MB)
    load.stop()
    assert load.broken == 0
    assert 'resets 5' in m.ok(f'nic info {host.card}')


def test_down_and_up_under_load(pair):
    m, host = pair
    load = Load(host)
    for _ in range(3):
        load.wait(MB)
        m.ok(f'ifconfig {host.card} down')
        assert in_use(m) < host.before
        m.ok(f'ifconfig {host.card} up')
    load.wait(2 * MB)
    load.stop()


def test_detach_under_load(pair):
    m, host = pair
    place = next(r['function'] for r in m.table('pci', 'function')
                 if r['driver'] in ('igb', 'virtio_net'))
    load = Load(host, patience=3)
    for _ in range(3):
        load.wait(MB)
        m.ok(f'pci detach {place}')
        settled(m, 0)
        m.ok(f'pci attach {place}')
        host.address(m)
    load.wait(2 * MB)
    load.stop()
