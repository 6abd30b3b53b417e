# SPDX-License-Identifier: BSD-2-Clause
"""Clients that take what is everybody's: hundreds that never read what they asked for, and bytes
that come one by one. The others are served all the same, and when the greedy have gone nothing of
what they had is kept."""

import resource
import socket
import struct
import time

import net_host
import pytest
from net_host import in_use, settled

PATIENCE = 60
HTTP, CHARGEN = 80, 19


@pytest.fixture
def machine(steady):
    with net_host.Host() as host:
        m = steady(cpus=2, **host.options)
        host.join(m)
        settled(m, in_use(m))
        before = in_use(m)
        yield m, host
        settled(m, before)
        until(lambda: pool(m, 'TCP_SEG') + pool(m, 'PBUF') == 0,
              lambda: m.ok('netstat; netstat -m'))
        assert m.poweroff() == 0


def until(true, what):
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, what()
        time.sleep(0.1)


def pool(m, name, column='used'):
    return m.row('netstat -m', 'pool', pool=name)[column]


def lazy(host, port):
    """A connection with a small window."""
    def make():
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        s.settimeout(PATIENCE)
        s.connect((host.ADDR, port))
        return s
    return host.inside(make)


def served(host, length=200000):
    """An honest client has what it asks for."""
    with host.tcp(HTTP) as s:
        s.sendall(b'GET /zero?bytes=%d HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n' % length)
        came = b''.join(iter(lambda: s.recv(65536), b''))
    assert came.startswith(b'HTTP/1.1 200 OK') and came.endswith(b'\r\n\r\n' + bytes(length))


def test_who_does_not_read_starves_nobody(machine):
    m, host = machine
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    # Each would have some 256 KiB queued: far more all together than there are segments.
    greedy = [lazy(host, CHARGEN) for _ in range(300)]
    served(host)
    # Memory is short, so those go that take nothing, and only until there is enough.
    until(lambda: m.sysctl('net.tcp.shed') > 0, lambda: m.ok('netstat -m'))
    size = pool(m, 'TCP_SEG', 'size')
    until(lambda: pool(m, 'TCP_SEG') <= size * 3 / 4, lambda: m.ok('netstat -m'))
    served(host)
    assert 0 < m.sysctl('net.tcp.shed') < len(greedy)
    assert m.sysctl('net.mem_denied') == 0
    for s in greedy:
        s.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_who_is_only_slow_keeps_his_connection(machine):
    m, host = machine
    idle = [lazy(host, CHARGEN) for _ in range(5)]
    held = -1
    while pool(m, 'TCP_SEG') != held:   # until all that fits is queued
        held = pool(m, 'TCP_SEG')
        served(host)
    for s in idle:
        got = 0
        while got < 1 << 20:            # four times what was queued
            piece = s.recv(65536)
            assert piece
            got += len(piece)
        s.close()
    assert m.sysctl('net.tcp.shed') == 0


def total(data):
    """The Internet's sum of some words."""
    n = sum(struct.unpack(f'!{len(data) // 2}H', data))
    n = (n >> 16) + (n & 0xffff)
    return struct.pack('!H', ~(n + (n >> 16)) & 0xffff)


def segment(host, port, seq, flags):
    """A frame with a segment of TCP for the web server, from an address that nobody has."""
    ip = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 40, port, 0, 64, socket.IPPROTO_TCP, 0,
                     socket.inet_aton('10.77.0.99'), socket.inet_aton(host.ADDR))
    ip = ip[:10] + total(ip) + ip[12:]
    tcp = struct.pack('!HHIIBBHHH', port, HTTP, seq, 0, 5 << 4, flags, 8192, 0, 0)
    tcp = tcp[:16] + total(ip[12:] + struct.pack('!HH', socket.IPPROTO_TCP, 20) + tcp) + tcp[18:]
    return bytes.fromhex('525400123456' '020000000063' '0800') + ip + tcp


def half_open(m):
    return sum(r['state'] == 'SYN_RCVD' for r in m.table('netstat', 'proto'))


def test_who_asks_and_never_comes(machine):
    m, host = machine
    ports = range(2000, 2600)
    with host.inside(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)) as raw:
        raw.bind((host.tap, 0))

        def ask():
            for port in ports:
                raw.send(segment(host, port, port, 2))

        def forgotten():
            ask()
            return m.sysctl('net.tcp.forgotten')

        def gone():
            for port in ports:
                raw.send(segment(host, port, port + 1, 4))
            return half_open(m)

        ask()
        until(lambda: half_open(m) == 255, lambda: m.ok('netstat'))
        # When they have waited for a while they make room, even if they ask again and again.
        until(lambda: forgotten() > 0, lambda: m.ok('netstat'))
        served(host)
        until(lambda: gone() == 0, lambda: m.ok('netstat'))


def test_pieces_of_one_byte(machine):
    m, host = machine
    before, greedy = in_use(m), []
    for _ in range(20):
        s = lazy(host, HTTP)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.sendall(b'GET /zero?bytes=1000000000 HTTP/1.1\r\nHost: m\r\n\r\n')
        s.setblocking(False)
        greedy.append(s)
    for _ in range(200):
        for s in greedy:
            try:
                s.send(b'G')
            except BlockingIOError:
                pass
    # Each piece lies in a buffer of its own: so many a connection, and no more.
    served(host)
    assert in_use(m) <= before + 16 * len(greedy)
    for s in greedy:
        s.close()
