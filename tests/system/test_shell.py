# SPDX-License-Identifier: BSD-2-Clause
"""The shell: its commands, what they show, what they refuse, and its line editor."""

import random
import re

import pytest

UP, LEFT, RIGHT, HOME, DELETE = '\x1b[A', '\x1b[D', '\x1b[C', '\x1b[H', '\x1b[3~'
SCREEN = 24  # lines that a help text may have


@pytest.fixture
def boot(steady):
    return steady


def commands(m):
    """The names that `help` lists."""
    return [line.split()[0] for line in m.ok('help').split('\n')
            if re.match(r'  [a-z0-9]+ +\S', line)]


def test_help(boot):
    m = boot()
    names = commands(m)
    for name in ('help', 'intrstat', 'top', 'ps', 'sysctl', 'irq', 'edu', 'divorce', 'load',
                 'stress', 'dump', 'panic', 'uptime', 'mem', 'echo', 'sleep', 'reboot', 'poweroff',
                 'status', 'tty', 'pci', 'hpet', 'hold'):
        assert name in names
    assert len(names) == len(set(names))
    for name in names:
        lines = m.ok(f'help {name}').split('\n')
        assert lines[0].startswith(f'usage: {name}')
        assert len(lines) <= SCREEN
        assert all(len(x) <= 100 for x in lines)
    assert m.poweroff() == 0


REFUSED = [
    ('nonsense', "no command 'nonsense'"),
    ('help nonsense', "no command 'nonsense'"),
    ('echo "abc', 'is not closed'),
    ('echo a b c d e f g h i j k l m n o p', 'at most 16 words'),
    ('uptime now', 'make no sense'),
    ('intrstat -x', '-x: no such option'),
    ('intrstat -w 0', '-w 0: must be 1 to 3600'),
    ('intrstat -w x1', "-w 'x1': not a number"),
    ('top -w 99999999999999999999999', '-w 99999999999999999999999: must be 1 to 3600'),
    ('sysctl no.such', "no name 'no.such'"),
    ('sysctl no.such=1', "no name 'no.such'"),
    ('sysctl tty.rx=1', 'tty.rx: can only be read'),
    ('sysctl hw.intr.threads=x', "hw.intr.threads: 'x': not a number"),
    ('sysctl hw.intr.threads=1', 'hw.intr.threads: 1: '),
    ('sysctl kern.heartbeat_ms=99', 'kern.heartbeat_ms: 99: must be 0 or 100 to 3600000'),
    ('irq bind ioapic0:4 2', 'CPU 2: must be 0 to 1'),
    ('irq bind no-source 0', "no source 'no-source'"),
    ('irq no', "'no': arguments make no sense"),
    ('edu raise 0', 'must be 1 to 1000000000'),
    ('edu raise', "'raise': no such form"),
    ('edu -u 2 raise 1', 'unit 2: must be 0 to 1'),
    ('edu -u', '-u: needs a unit'),
    ('edu mode wild', "no mode 'wild'"),
    ('edu mode sleep', 'needs a number'),
    ('edu mode both vm', "'vm': must be a level"),
    ('edu attach both', 'must be msi or intx'),
    ('edu attach msi', 'attached already'),
    ('load', 'make no sense'),
    ('load 0', 'seconds 0: must be 1 to 3600'),
    ('hold -p 48 5', 'priority 48: must be 1 to 47'),
    ('divorce 0', 'milliseconds 0: must be 1 to'),
    ('sleep -1', "'-1': must be 0 to 86400 seconds"),
    ('dump all', "no dump 'all'"),
    ('poweroff 256', 'status 256: must be 0 to 255'),
    ('hpet 0', 'rate 0: must be 1 to'),
    ('tty sink 0', 'must be 1 to'),
]


def test_refusals(boot):
    """Every mistake gets one line that begins with "error: " and says what the limit is."""
    m = boot(cpus=2)
    for line, said in REFUSED:
        error = m.error(line)
        assert said in error, f'{line!r} said {error!r}'
        assert m.cmd('status').strip() == '1', line
    assert m.ok('status; echo fine').split() == ['1', 'fine']
    assert m.poweroff() == 0


def test_words_and_separators(boot):
    m = boot()
    assert m.ok('echo one   two').strip() == 'one two'
    assert m.ok('echo "one   two; three"').strip() == 'one   two; three'
    assert m.ok('echo a;echo b ;; echo c;').split() == ['a', 'b', 'c']
    assert m.ok('   ').strip() == ''
    assert m.ok('echo pre"f i"x ""').rstrip('\n') == 'pref ix '
    assert m.poweroff() == 0


def line(m, keys):
    """Type keys and Enter; what was printed after the last echo."""
    m.send(keys + '\r')
    text = m.wait_prompt()
    return text.rstrip('\n').split('\n')[-1]


def test_line_editor(boot):
    m = boot()
    assert line(m, 'echo abd' + LEFT + 'c') == 'abcd'
    assert line(m, UP + HOME + RIGHT * 5 + DELETE) == 'bcd'
    assert line(m, UP + UP) == 'abcd'
    assert line(m, 'xyz\x15echo \x0bend\x17word') == 'word'
    assert line(m, 'upt\t').startswith('up ')
    assert line(m, 'sysctl hw.ncp\t') == 'hw.ncpu = 1'
    m.send('sysctl hw.intr.thr\t\t')
    m.expect('threads_max')
    m.wait_prompt()  # the list of candidates is followed by the line as it is
    assert line(m, '\x17hw.ncpu') == 'hw.ncpu = 1'
    assert line(m, 'ec\x1b[200~ho\x1b[99;5R un\x1b\x1b[Zknown') == 'unknown'
    m.send('garbage\x03')
    m.expect(r'garbage\^C')
    m.wait_prompt()
    assert line(m, 'echo fresh') == 'fresh'
    long = 'w' * 300
    assert line(m, 'echo ' + long) == long
    # Ctrl-A is QEMU's own key: twice for one.
    assert line(m, long + '\x01\x01echo \x05!') == long + '!'
    m.send('\x04')
    m.expect('`poweroff` leaves')
    m.wait_prompt()
    assert m.poweroff() == 0


def test_intrstat_counts_what_was_raised(boot):
    """Raised by the device, counted by the source and by the handler's thread: the same."""
    m = boot(cpus=4)
    m.ok('intrstat -z')
    text = m.ok('edu raise 5000')
    assert 'raised 5000, filter 5000, thread 5000' in text
    handler = m.row('intrstat', heading='source', name='edu0')
    assert handler['count'] == 5000
    rows = m.table('intrstat', heading='source')
    dispatch = next(r for r in rows
                    if r['name'] == 'dispatch' and r['source'] == handler['source'])
    assert dispatch['count'] >= 5000 and dispatch['level'] == 'hard'
    cpus = m.table('intrstat', heading='handoffs')
    assert [r['cpu'] for r in cpus] == [0, 1, 2, 3]
    # One handoff may run two: the next interrupt can come before the ithread has left.
    assert cpus[handler['cpu']]['handoffs'] > 2500
    assert re.search(r'^pool: 8 ithreads, 8 wanted:', m.ok('intrstat'), re.M)
    m.ok('intrstat -z')
    assert m.row('intrstat', heading='source', name='edu0')['count'] == 0
    # A handler that is established anew is another one, though it has the name of the one before.
    m.ok('edu raise 300')
    m.ok('intrstat -z')
    m.ok('edu mode schedule')
    m.ok('edu raise 5300')
    assert m.row('intrstat', heading='source', name='edu0')['count'] == 5300
    assert m.poweroff() == 0


def test_irq_bind_moves_the_handler(boot):
    m = boot(cpus=4)
    source = m.row('edu list', heading='unit', unit=0)['source']
    for cpu in (3, 0, 2):
        m.ok(f'irq bind {source} {cpu}')
        m.ok('intrstat -z')
        m.ok('edu raise 200')
        by_cpu = m.row('intrstat -c', heading='cpu0', name='edu0')
        assert by_cpu[f'cpu{cpu}'] == 200
        assert m.row('irq list', heading='trigger', source=source)['cpu'] == cpu
    assert m.poweroff() == 0


def test_top_shows_handlers_beside_lwps(boot):
    """How much CPU an interrupt takes has a row of its own, although no thread is its.  On a clock
    of instructions: the host takes no time away between the readings of two rows."""
    m = boot(cpus=2, mode='icount')

    def share():
        m.ok('top; sleep 1')
        return {(r['kind'], r['name']): float(r['%cpu']) for r in m.table('top', heading='%cpu')}

    m.ok('stress -b -r 3600')
    shares = share()
    source = m.row('edu list', heading='unit', unit=0)['source']
    assert shares['handler', 'edu0'] > 0.1
    assert shares['source', source] > 0.1
    # All rows together are the time of all CPUs.
    assert 190 < sum(shares.values()) < 205
    m.ok('stress stop; load -b 3600 2')
    shares = share()
    assert shares['lwp', 'burn0'] + shares['lwp', 'burn1'] > 150
    assert ('handler', 'edu0') not in shares
    kinds = {r['kind'] for r in m.table('ps', heading='switches')}
    assert kinds == {'lwp', 'ithread', 'softint', 'idle'}
    assert m.poweroff() == 0


@pytest.mark.parametrize('cpus', [1, 2])
def test_divorce(boot, mode, cpus):
    """The handler blocks on a mutex that the lwp beneath it holds, and the lwp goes on."""
    m = boot(cpus=cpus, mode=mode)
    for _ in range(3):
        rows = {r['when']: r for r in m.table('divorce 20', heading='when')}
        assert rows['held']['divorces'] == rows['before']['divorces'] + 1
        assert rows['held']['divorced'] == 1 and rows['after']['divorced'] == 0
        assert rows['held']['handoffs'] > rows['before']['handoffs']
    # It leaves the device as it was.
    assert m.row('edu list', heading='unit', unit=0)['mode'] == 'both'
    assert 'thread 100,' in m.ok('edu raise 100')
    assert m.poweroff() == 0


def test_sysctl(boot):
    m = boot(cpus=2)
    assert m.sysctl('hw.ncpu') == 2
    names = [x.split(' = ')[0] for x in m.ok('sysctl').split('\n') if ' = ' in x]
    assert names == sorted(names) and 'hw.intr.threads' in names
    assert all(x.startswith('tty.') for x in m.ok('sysctl tty').split('\n') if x)
    assert '\n    ' in m.ok('sysctl -d hw.ncpu')
    assert m.ok('sysctl hw.intr.acct=0 hw.intr.acct').split() == ['hw.intr.acct', '=', '0'] * 2
    m.ok('sysctl hw.intr.acct=1')
    assert m.poweroff() == 0


def test_stress(boot):
    m = boot(cpus=4)
    text = m.ok('stress 5', timeout=60)
    raised, worked, passed = (int(x) for x in re.findall(r'(\d+) ', text)[:3])
    assert raised > 100 and worked > 10 and passed > 100
    assert m.error('stress stop now')
    assert m.poweroff() == 0


def test_command_line(boot):
    """cpus=N on the kernel's command line; a bad value is named and ignored."""
    m = boot(cpus=4, append='x cpus=2 y')
    assert m.sysctl('hw.ncpu') == 2
    assert m.poweroff() == 0
    m = boot(cpus=2, append='cpus=0')
    assert 'cpus=0: must be 1 to 64; ignored' in m.transcript()
    assert m.sysctl('hw.ncpu') == 2
    assert m.poweroff() == 0


@pytest.mark.parametrize('command', [
    'intrstat', 'intrstat -z', 'top', 'ps', 'irq list', 'load 1 2', 'hold 1', 'divorce 2',
    'edu dma 100', 'edu mode manual', 'stress 1'], ids=lambda c: c.replace(' ', '-'))
def test_out_of_memory(boot, command):
    """Each allocation of a command fails in turn: it says so or lives with it, and leaves nothing
    behind."""
    m = boot(cpus=2)
    m.ok(f'{command}; edu mode both; sleep 0.1')
    before = m.sysctl('mem.objects')
    for nth in range(1, 100):
        m.ok(f'sysctl debug.alloc_fail={nth}')
        m.cmd(command)
        if m.sysctl('debug.alloc_fail') > 0:
            break  # it takes no more than those
    assert nth > 1
    m.ok('sysctl debug.alloc_fail=0')
    # All is well again: nothing is held, and everything works.
    m.cmd('edu attach msi')
    m.ok(f'{command}; edu mode both; sleep 0.1')
    # Lwps that have ended go when the reaper gets to them.
    for _ in range(200):
        if m.sysctl('mem.objects') <= before:
            break
        m.ok('sleep 0.1')
    assert m.sysctl('mem.objects') <= before
    assert 'thread 50,' in m.ok('edu raise 50')
    assert m.poweroff() == 0


def test_rubbish(boot):
    """Anything may be typed: the shell stays, and answers."""
    m = boot(cpus=2)
    draw = random.Random(7)
    for _ in range(5):
        # Not Ctrl-A, which is QEMU's; not what the terminals on the way would act on.
        keys = [bytes([b]) for b in range(2, 256) if b not in (0x0f, 0x11, 0x13, 0x16)]
        keys += [b'\x1b[', b'\x1b[3~', b'\x1b[1;5C', b'\t\t', b'"', b'; ', b'edu ', b'irq '] * 8
        data = b''.join(draw.choice(keys) for _ in range(4000))
        mark = f'still here {draw.random()}'
        m.exchange(data + b'\x03\x03', lambda g: True, 60)
        m.send(f'\x03echo {mark}\r')
        m.expect(mark + '\r*\n' + re.escape(mark) + '\r*\n')
        m.wait_prompt()
    assert m.poweroff() == 0
