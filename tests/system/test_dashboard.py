# SPDX-License-Identifier: BSD-2-Clause
"""The web server and the dashboard: real clients, wrong ones, 100 MB both ways, those who watch,
and the page in a real browser (tests/web/dashboard.js). Nothing is kept when it is over."""

import gzip
import hashlib
import http.client
import json
import os
import re
import resource
import selectors
import shutil
import socket
import struct
import subprocess
import time
import zlib

import harness
import pytest
from net_host import Host
from harness import free_port
from test_net import online, settle

MB100 = 100 * 1000 * 1000
PERIOD = 65521
PATIENCE = 60
HOST = b'Host: machine\r\n'


def pattern(n):
    """What /pattern?bytes=n is."""
    x, period = 1, bytearray()
    for _ in range(PERIOD):
        x ^= x << 13 & 0xffffffff
        x ^= x >> 17
        x ^= x << 5 & 0xffffffff
        period.append(x >> 24)
    return (bytes(period) * (n // PERIOD + 1))[:n]


@pytest.fixture
def served(boot):
    """A machine with its web server at m.port, nothing of it in use."""
    port = free_port()
    m = online(boot, [f'{port}:80'])
    m.port = port
    yield m
    settle(m, lambda: m.sysctl('net.http.open'), 0)
    assert m.poweroff() == 0


def get(m, path, method='GET', body=None, headers=None):
    """(status, headers, body) of one request on a connection of its own."""
    c = http.client.HTTPConnection('127.0.0.1', m.port, timeout=PATIENCE)
    try:
        c.request(method, path, body=body, headers=headers or {})
        r = c.getresponse()
        return r.status, r.headers, r.read()
    finally:
        c.close()


def raw(m, data, end=True):
    """What comes back for these bytes, until the machine closes; `end`: our side is closed."""
    with socket.create_connection(('127.0.0.1', m.port), timeout=PATIENCE) as s:
        s.sendall(data)
        if end:
            s.shutdown(socket.SHUT_WR)
        got = b''
        while True:
            try:
                piece = s.recv(65536)
            except ConnectionResetError:
                return got
            if not piece:
                return got
            got += piece


def status(answer):
    m = re.match(rb'HTTP/1\.1 (\d{3}) ', answer)
    assert m, answer[:100]
    return int(m[1])


# ---------------------------------------------------------------- files

def test_files_plain_and_packed(served):
    m = served
    own = {'/': 'index.html', '/app.js': 'app.js', '/style.css': 'style.css',
           '/charts.js': 'charts.js', '/icon.svg': 'icon.svg'}
    for path, name in own.items():
        with open(os.path.join(harness.ROOT, 'web', name), 'rb') as f:
            wanted = f.read()
        code, head, body = get(m, path)
        assert (code, body) == (200, wanted)
        assert head['Content-Encoding'] is None and head['Vary'] == 'Accept-Encoding'
        code, packed, body = get(m, path, headers={'Accept-Encoding': 'br, gzip'})
        assert packed['Content-Encoding'] == 'gzip' and gzip.decompress(body) == wanted
        assert packed['ETag'] != head['ETag']
        for h, extra in ((head, {}), (packed, {'Accept-Encoding': 'gzip'})):
            code, _, body = get(m, path, headers={'If-None-Match': f'"x", {h["ETag"]}', **extra})
            assert (code, body) == (304, b'')
        code, again, body = get(m, path, 'HEAD')
        assert (code, body) == (200, b'')
        assert again['Content-Length'] == str(len(wanted)) and again['ETag'] == head['ETag']
    assert "default-src 'none'" in get(m, '/')[1]['Content-Security-Policy']
    assert get(m, '/')[1]['Content-Type'] == 'text/html; charset=utf-8'
    page = get(m, '/')[2].decode()
    linked = re.findall(r'(?:src|href)="(/[^"]*)"', page)
    assert len(linked) >= 7 and not re.search(r'(?:src|href)="(?:https?:)?//', page)
    for path in linked:
        if path != '/events':
            assert get(m, path)[0] == 200, path


def test_many_requests_on_one_connection(served):
    m = served
    c = http.client.HTTPConnection('127.0.0.1', m.port, timeout=PATIENCE)
    before = m.sysctl('net.http.connections')
    for i in range(50):
        c.request('GET', f'/pattern?bytes={i * 997}')
        assert c.getresponse().read() == pattern(i * 997)
    c.close()
    # As many at once, without waiting for an answer, and cut at odd places.
    many = b''.join(b'GET /pattern?bytes=%d HTTP/1.1\r\n%s\r\n' % (i, HOST) for i in range(300))
    many += b'GET /icon.svg HTTP/1.1\r\n' + HOST + b'Connection: close\r\n\r\n'
    answer = raw(m, many, end=False)
    assert answer.count(b'HTTP/1.1 200 OK') == 301
    assert answer.endswith(b'</svg>\n')
    assert m.sysctl('net.http.connections') == before + 2
    assert m.sysctl('net.http.errors') == 0


# ---------------------------------------------------------------- refusals

WRONG = [
    (b'GET / HTTP/1.1\r\n\r\n', 400),
    (b'GET /\r\n\r\n', 400),
    (b'\x16\x03\x01\x02\x00\x01', 400),
    (b'GET / HTTP/1.1\r\n' + HOST + b'Content-Length: x\r\n\r\n', 400),
    (b'POST /sink HTTP/1.1\r\n' + HOST + b'Transfer-Encoding: chunked\r\n\r\nzz\r\n', 400),
    (b'GET /zero HTTP/1.1\r\n' + HOST + b'\r\n', 400),
    (b'GET /zero?bytes=-1 HTTP/1.1\r\n' + HOST + b'\r\n', 400),
    (b'GET /zero?bytes=99999999999999 HTTP/1.1\r\n' + HOST + b'\r\n', 400),
    (b'GET /nothing HTTP/1.1\r\n' + HOST + b'\r\n', 404),
    (b'GET /../etc/passwd HTTP/1.1\r\n' + HOST + b'\r\n', 404),
    (b'DELETE / HTTP/1.1\r\n' + HOST + b'\r\n', 405),
    (b'OPTIONS * HTTP/1.1\r\n' + HOST + b'\r\n', 404),
    (b'GET /sink HTTP/1.1\r\n' + HOST + b'\r\n', 405),
    (b'POST /index.html HTTP/1.1\r\n' + HOST + b'Content-Length: 5\r\n\r\nhello', 405),
    (b'GET / HTTP/1.1\r\n' + HOST + b'Content-Length: 70000\r\n\r\n', 413),
    (b'PUT /sink HTTP/1.1\r\n' + HOST + b'Content-Length: 1234567890123456\r\n\r\n', 413),
    (b'GET /' + b'x' * 1000 + b' HTTP/1.1\r\n', 414),
    (b'GET / HTTP/1.1\r\n' + HOST + b'Expect: miracles\r\n\r\n', 417),
    (b'GET / HTTP/1.1\r\n' + HOST + b'X: ' + b'x' * 17000, 431),
    (b'BREW / HTTP/1.1\r\n' + HOST + b'\r\n', 501),
    (b'GET / HTTP/1.1\r\n' + HOST + b'Transfer-Encoding: gzip\r\n\r\n', 501),
    (b'GET / HTTP/3.0\r\n' + HOST + b'\r\n', 505),
]


def test_what_is_wrong_is_refused_and_never_hangs(served):
    m = served
    for data, wanted in WRONG:
        for end in (True, False):
            answer = raw(m, data, end)
            assert status(answer) == wanted, (data[:60], answer[:100])
            assert b'\r\nConnection: close\r\n' in answer
    assert 'Allow: PUT, POST' in raw(m, WRONG[12][0]).decode()
    assert m.sysctl('net.http.errors') == 2 * len(WRONG) + 1
    # Nothing, half a line, half a body: the machine closes when we do.
    for data in (b'', b'GET', b'GET / HTTP/1.1\r\nHo',
                 b'PUT /sink HTTP/1.1\r\n' + HOST + b'Content-Length: 10\r\n\r\nabc'):
        assert raw(m, data) == b''
    # Whoever goes on for ever is stopped, and rubbish does no harm.
    assert status(raw(m, b'GET / HTTP/1.1\r\n' + b'X: y\r\n' * 9000)) == 431
    for seed in range(20):
        junk = hashlib.sha512(b'%d' % seed).digest() * 30
        assert status(raw(m, junk + b'\n')) in (400, 414, 431)
    assert get(m, '/icon.svg')[0] == 200


def test_too_many_and_too_slow(served):
    m = served
    m.set_sysctl('net.http.max', 3)
    others = [socket.create_connection(('127.0.0.1', m.port), timeout=PATIENCE) for _ in range(2)]
    settle(m, lambda: m.sysctl('net.http.open'), 2)
    # Now he has 10 s, and the next one must have come within them.
    slow = socket.create_connection(('127.0.0.1', m.port), timeout=PATIENCE)
    slow.sendall(b'GET / HTTP/1.1\r\nHost:')
    settle(m, lambda: m.sysctl('net.http.open'), 3)
    refused = raw(m, b'', end=False)
    assert status(refused) == 503
    assert m.sysctl('net.http.refused') == 1
    for s in others:
        s.close()
    settle(m, lambda: m.sysctl('net.http.open') <= 1, True)
    # A request that does not come to its end within 10 s is told so.
    assert status(slow.recv(65536)) == 408
    slow.close()
    assert m.sysctl('net.http.timeouts') == 1
    m.set_sysctl('net.http.max', 1200)
    assert get(m, '/icon.svg')[0] == 200


def test_a_body_must_come_at_some_pace(served):
    m = served
    m.set_sysctl('net.http.body_s', 1)
    m.set_sysctl('net.http.body_rate', 1000)
    head = b'PUT /sink HTTP/1.1\r\n' + HOST + b'Content-Length: %d\r\n\r\n'
    with socket.create_connection(('127.0.0.1', m.port), timeout=PATIENCE) as good, \
            socket.create_connection(('127.0.0.1', m.port), timeout=PATIENCE) as bad:
        # What has come fast may go on slowly for as long as its bytes are worth.
        good.sendall(head % 200001 + bytes(200000))
        bad.sendall(head % 1000000)
        bad.settimeout(0.1)
        deadline, answer = time.monotonic() + PATIENCE, b''
        while b'\r\n\r\n' not in answer:
            assert time.monotonic() < deadline
            try:
                bad.sendall(b'x')
                answer += bad.recv(65536)
            except TimeoutError:
                pass
        assert status(answer) == 408 and b'\r\nConnection: close\r\n' in answer
        assert answer.endswith(b'408 Request Timeout: after 1 s the body must have come at '
                               b'1000 bytes a second\n')
        assert m.sysctl('net.http.timeouts') == 1
        good.sendall(b'x')
        answer = good.recv(65536)
        assert status(answer) == 200 and b'{"bytes": 200001,' in answer
        # Where no rate is asked for, one that is as slow is waited for.
        m.set_sysctl('net.http.body_rate', 0)
        good.sendall(head % 30)
        for _ in range(30):
            good.sendall(b'x')
            m.ok('sleep 0.1')
        assert status(good.recv(65536)) == 200
    assert m.sysctl('net.http.timeouts') == 1
    for name, value in (('body_s', 0), ('body_s', 3601), ('body_rate', 1000000001)):
        assert 'must be' in m.error(f'sysctl net.http.{name}={value}')


# ---------------------------------------------------------------- 100 MB

def curl(*argv):
    done = subprocess.run(['curl', '-sS', '--max-time', '300', *argv], capture_output=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_100_mb_both_ways(served, tmp_path):
    m = served
    if shutil.which('curl') is None:
        pytest.skip('curl is not installed')
    url = f'http://127.0.0.1:{m.port}'
    data = pattern(MB100)
    assert hashlib.sha256(curl(f'{url}/pattern?bytes={MB100}')).digest() == \
        hashlib.sha256(data).digest()
    assert not any(curl(f'{url}/zero?bytes=1000001')[:1000001])
    file = tmp_path / 'data'
    file.write_bytes(data)
    crc = f'{zlib.crc32(data):08x}'
    wanted = {'bytes': MB100, 'crc32': crc}
    assert json.loads(curl('-T', str(file), f'{url}/sink')) == wanted
    part = data[:3000001]
    file.write_bytes(part)
    wanted = {'bytes': len(part), 'crc32': f'{zlib.crc32(part):08x}'}
    assert json.loads(curl('-X', 'POST', '-H', 'Transfer-Encoding: chunked', '--data-binary',
                           f'@{file}', f'{url}/sink')) == wanted


# ---------------------------------------------------------------- figures

def metrics(m):
    code, head, body = get(m, '/metrics.json')
    assert code == 200 and head['Content-Type'] == 'application/json'
    return json.loads(body)


def waited(text, name):
    """The histograms of the waits of handlers whose names begin so."""
    return [r['waited'] for r in text['rows'] if r['name'].startswith(name) and 'waited' in r]


def watch(m):
    """A connection to /events, its head read, as a file."""
    s = socket.create_connection(('127.0.0.1', m.port), timeout=PATIENCE)
    s.sendall(b'GET /events HTTP/1.1\r\n' + HOST + b'\r\n')
    f = s.makefile('rb')
    s.close()
    line = f.readline()
    while f.readline() not in (b'\r\n', b''):
        pass
    f.status = int(line.split()[1])
    return f


def event(f):
    line = f.readline()
    assert line.startswith(b'data: ') and f.readline() == b'\n'
    return json.loads(line[6:])


def test_figures_are_those_of_the_machine(served):
    m = served
    m.ok('sysctl hw.intr.acct=1')
    got = metrics(m)
    assert got['ncpu'] == 2 and len(got['cpus']) == 2 and got['version'] == 1
    assert got['pool']['total'] == m.sysctl('hw.intr.threads')
    rows = {(r['kind'], r['name'], r['source']): r for r in got['rows']}
    shown = {('source' if r['name'] == 'dispatch' else 'handler', r['name']): r
             for r in m.table('intrstat', 'name')}
    for (kind, name, _), r in rows.items():
        assert sum(r['by_cpu']) == r['count']
        if kind == 'handler':
            assert shown[kind, name]['level'] == r['level']
            assert shown[kind, name]['count'] >= r['count']
    card = got['cards'][0]
    assert card['name'] == m.card and card['link'] and len(card['queues']) >= 1
    later = metrics(m)
    assert later['boot'] == got['boot'] and later['uptime_ns'] > got['uptime_ns']
    packets = [sum(q['in'] for q in t['cards'][0]['queues']) for t in (got, later)]
    assert packets[1] > packets[0]
    # Nobody watches: nothing is probed. Somebody wants it: every CPU is.
    assert 'raise' not in got['cpus'][0] and m.sysctl('hw.intr.latency') == 0
    m.set_sysctl('hw.intr.latency', 1)
    settle(m, lambda: all(sum(c['raise']) > 2 and sum(c['thread']) > 2
                          for c in metrics(m)['cpus']), True)
    assert any(r['name'] == 'probe' for r in metrics(m)['rows'])
    # So are the waits of devices' handlers: of the card's queues, by each request here. The link
    # is a filter alone, and waits for no thread.
    queues = f'{m.card}-q'
    settle(m, lambda: sum(map(sum, waited(metrics(m), queues))) > 5, True)
    got = metrics(m)
    assert waited(got, f'{m.card}-link') == []
    edges = got['waited_edges_ns']
    assert edges == sorted(set(edges)) and all(len(w) <= len(edges) for w in waited(got, ''))
    assert all('waited' not in r for r in got['rows'] if r['kind'] == 'source')
    shown = sum(r['waits'] for r in m.table('intrstat -l', 'handler')
                if r['handler'].startswith(queues))
    assert sum(map(sum, waited(got, queues))) <= shown <= \
        sum(map(sum, waited(metrics(m), queues)))
    m.set_sysctl('hw.intr.latency', 0)
    got = metrics(m)
    assert not any(r['name'] == 'probe' or 'waited' in r for r in got['rows'])
    assert not re.search(r'^handler .*\n\w', m.ok('intrstat -l'), re.M)


def test_who_watches(served):
    m = served
    first = watch(m)
    texts = [event(first) for _ in range(3)]
    times = [t['uptime_ns'] for t in texts]
    # A period apart at least, but for the first; how late is the host's business.
    assert times[2] - times[1] > 900 * 1000 * 1000
    assert m.sysctl('hw.intr.latency') == 1
    assert any(sum(event(first)['cpus'][0].get('thread', [])) > 0 for _ in range(30))
    others = [watch(m) for _ in range(15)]
    assert all(f.status == 200 and event(f)['boot'] == texts[0]['boot'] for f in others)
    one_more = watch(m)
    assert one_more.status == 503
    one_more.close()
    for f in [first, *others]:
        f.close()
    settle(m, lambda: m.sysctl('net.http.open'), 0)
    # Without anybody, the probes end, and no more is sent.
    settle(m, lambda: m.sysctl('hw.intr.latency'), 0)
    before = m.sysctl('net.http.events')
    m.ok('sleep 2')
    assert m.sysctl('net.http.events') == before
    assert m.sysctl('net.http.dropped') == 0


def read_all(sockets, length):
    """What each says, read as it comes: head and `length` bytes. Who has all of it leaves; the
    server does not wait long for one who stays."""
    got = {s: b'' for s in sockets}
    with selectors.DefaultSelector() as who:
        for s in sockets:
            who.register(s, selectors.EVENT_READ)
        while who.get_map():
            ready = who.select(PATIENCE)
            assert ready, f'{len(who.get_map())} answers not at their end, and nothing comes'
            for key, _ in ready:
                s = key.fileobj
                data = s.recv(65536)
                assert data, f'an answer ends after {len(got[s])} bytes'
                got[s] += data
                head, blank, body = got[s].partition(b'\r\n\r\n')
                if blank and len(body) >= length:
                    assert b'Content-Length: %d' % length in head
                    who.unregister(s)
                    s.close()
    return got


def test_a_thousand_at_once_and_one_who_does_not_read(boot):
    with Host() as host:
        options = {**host.options, 'cpus': 2}
        m = boot(**options)
        for name in ('kern.heartbeat_ms', 'hw.intr.stuck_ms', 'hw.intr.storm_percent'):
            m.set_sysctl(name, 0)
        host.join(m)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
        everybody = host.inside(lambda: [socket.create_connection((host.ADDR, 80), PATIENCE)
                                         for _ in range(1000)])
        wanted = pattern(20000)
        ask = b'GET /pattern?bytes=20000 HTTP/1.1\r\n' + HOST + b'Connection: close\r\n\r\n'
        for s in everybody:
            s.sendall(ask)
        for answer in read_all(everybody, len(wanted)).values():
            assert answer.startswith(b'HTTP/1.1 200 OK') and answer.endswith(wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        settle(m, lambda: m.sysctl('net.http.open'), 0)
        assert m.sysctl('net.http.connections') == 1000
        # Two watch; one has a small window and never reads. He is let go of, the other is not.
        def small():
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            s.connect((host.ADDR, 80))
            return s
        slow, good, lazy = host.inside(small), host.tcp(80), host.inside(small)
        lazy.sendall(ask)
        for s in (slow, good):
            s.sendall(b'GET /events HTTP/1.1\r\n' + HOST + b'\r\n')
        f = good.makefile('rb')
        while f.readline() != b'\r\n':
            pass
        for _ in range(40):
            text = event(f)
            if text['sysctl']['net.http.dropped'] == 1:
                break
        assert text['sysctl']['net.http.dropped'] == 1
        assert event(f)['uptime_ns'] > text['uptime_ns']
        # Who reads late what he asked for has it all: nothing of it is given up for his silence.
        assert read_all([lazy], len(wanted))[lazy].endswith(wanted)
        settle(m, lambda: m.sysctl('net.http.open'), 1)
        f.close()
        good.close()
        slow.close()
        settle(m, lambda: m.sysctl('net.http.open'), 0)
        assert m.poweroff() == 0


AGAIN = 40000


def fetch_from(host, port):
    """1000 bytes over a connection from that port of ours, which the server closes first."""
    s = host.inside(socket.socket)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((host.OWN, port))
    s.settimeout(60)
    s.connect((host.ADDR, 80))
    s.sendall(b'GET /pattern?bytes=1000 HTTP/1.1\r\n' + HOST + b'Connection: close\r\n\r\n')
    with s, s.makefile('rb') as answer:     # to its end, so that the server closes first
        assert answer.read().endswith(pattern(1000))


def next_answer(wire, port):
    """The next frame that its web server sends to that port."""
    ends = struct.pack('!HH', 80, port)
    while True:
        frame = wire.recv(2000)
        if frame[12:14] == b'\x08\x00' and frame[23] == 6 and frame[34:38] == ends:
            return frame


def total(data):
    """The Internet's sum."""
    n = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while n >> 16:
        n = (n & 0xffff) + (n >> 16)
    return struct.pack('!H', n ^ 0xffff)


def syn_after(answer):
    """One SYN from the port that `answer` went to, beyond all numbers that were used; and what must
    be acknowledged of it."""
    ours, theirs = answer[30:34], answer[26:30]
    number = struct.unpack('!I', answer[42:46])[0] + 100000 & 0xffffffff
    tcp = answer[36:38] + answer[34:36] + struct.pack('!IIBBHHH', number, 0, 5 << 4, 2, 65535, 0, 0)
    tcp = tcp[:16] + total(ours + theirs + struct.pack('!HH', 6, len(tcp)) + tcp) + tcp[18:]
    ip = struct.pack('!BBHHHBBH', 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0) + ours + theirs
    ip = ip[:10] + total(ip) + ip[12:]
    return answer[6:12] + answer[:6] + b'\x08\x00' + ip + tcp, number + 1 & 0xffffffff


def test_a_port_is_used_again_while_the_server_remembers_it(boot):
    """The server closes first, so the connection is in TIME_WAIT there, for two minutes, and here
    it is not: nothing keeps the client from taking the same port for the next. Its first SYN is
    answered as any is; the last one here is sent once, and nobody would send it again."""
    with Host() as host:
        m = boot(**host.options)
        host.join(m)
        for n in range(3):
            fetch_from(host, AGAIN)
            assert m.sysctl('net.tcp.again') == n
        wire = host.inside(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
        wire.bind((host.tap, 3))            # all protocols, both ways
        wire.settimeout(60)
        fetch_from(host, AGAIN + 1)
        answer = next_answer(wire, AGAIN + 1)
        while not answer[47] & 1:           # its FIN, which comes after all that we sent
            answer = next_answer(wire, AGAIN + 1)
        settle(m, lambda: m.ok('netstat').count('TIME_WAIT'), 2)
        frame, number = syn_after(answer)
        wire.send(frame)
        answer = next_answer(wire, AGAIN + 1)
        while answer[47] & 1 or struct.unpack('!I', answer[42:46])[0] != number:
            assert not answer[47] & 2, answer.hex()
            answer = next_answer(wire, AGAIN + 1)
        assert answer[47] == 0x12           # SYN and ACK
        wire.close()
        assert m.sysctl('net.tcp.again') == 3
        assert m.poweroff() == 0


# ---------------------------------------------------------------- the browser

def chromium():
    return os.environ.get('ITHACA_CHROMIUM') or shutil.which('chromium')


def step(child, name):
    line = child.stdout.readline()
    said = line and json.loads(line)
    if not said or said['step'] != name:
        child.stdin.close()
        pytest.fail(f'{name}: {line}{child.stderr.read()}')
    return said


def test_the_page_in_a_browser(boot, tmp_path):
    if chromium() is None or shutil.which('node') is None:
        pytest.skip('chromium or node is not installed')
    subprocess.run(['tools/web', 'fetch', 'playwright'], cwd=harness.ROOT, check=True)
    port = free_port()
    m = online(boot, [f'{port}:80'], card='igb0', monitor=True, args=[
        '-netdev', 'user,id=more,net=10.0.9.0/24', '-device', 'virtio-net-pci,netdev=more'])
    shots = os.path.join(harness.LOGS, 'dashboard')
    os.makedirs(shots, exist_ok=True)
    child = subprocess.Popen(['node', 'tests/web/dashboard.js', f'http://127.0.0.1:{port}/', shots],
                             cwd=harness.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True,
                             env={**os.environ, 'ITHACA_CHROMIUM': chromium(),
                                  'HOME': str(tmp_path)})
    try:
        assert step(child, 'desktop')['requests'] >= 8
        for switch, line in (('on', 'off'), ('off', 'on')):
            step(child, f'link is {switch}')
            m.hmp(f'set_link more {line}')
        assert step(child, 'keys')['stops'] > 20
        step(child, 'dark')
        step(child, 'phone')
        step(child, 'ready')
        assert m.poweroff() == 0
        child.stdin.write('gone\n')
        child.stdin.flush()
        step(child, 'stale')
        m = online(boot, [f'{port}:80'])
        child.stdin.write('back\n')
        child.stdin.flush()
        step(child, 'again')
        assert child.wait(PATIENCE) == 0
    finally:
        child.kill()
        child.wait()
    settle(m, lambda: m.sysctl('net.http.open'), 0)
    assert m.poweroff() == 0


# ---------------------------------------------------------------- the parser, alone

ALONE = r'''
#include "unit.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static struct unit_test *all;
void unit_register(struct unit_test *ut) { ut->ut_next = all; all = ut; }
void unit_fail(const char *file, int line, const char *fmt, ...)
{
	va_list ap;
	fprintf(stderr, "%s:%d: ", file, line);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	abort();
}
void unit_check_eq(const char *f, int l, const char *sa, const char *sb, unsigned long long a,
    unsigned long long b)
{
	if (a != b)
		unit_fail(f, l, "%s is %llu, not %s, %llu", sa, a, sb, b);
}
void unit_check_str(const char *f, int l, const char *sa, const char *a, const char *b)
{
	if (strcmp(a, b) != 0)
		unit_fail(f, l, "%s: '%s', not '%s'", sa, a, b);
}
int kstrtou64(const char *s, uint64_t *out);
int kstrtou64(const char *s, uint64_t *out)
{
	char *end;
	*out = strtoull(s, &end, 0);
	return *s >= '0' && *s <= '9' && *end == '\0' ? 0 : 22;
}
int main(void)
{
	for (struct unit_test *ut = all; ut != NULL; ut = ut->ut_next)
		ut->ut_fn();
	puts("done");
}
'''


def test_the_parser_with_an_address_sanitizer(tmp_path):
    main = tmp_path / 'main.c'
    main.write_text(ALONE, encoding='ascii')
    program = tmp_path / 'parser'
    subprocess.run(['gcc', '-std=gnu11', '-O1', '-g', '-fsanitize=address,undefined',
                    '-fno-sanitize-recover', '-Iinclude', '-Iport/sim/include', '-Itests/unit',
                    '-DITHACA_CHECKED=1', str(main), 'tests/unit/t_http.c',
                    'sys/net/http_parse.c', '-o', str(program)], cwd=harness.ROOT, check=True)
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout == 'done\n', done.stderr
