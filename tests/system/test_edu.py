# SPDX-License-Identifier: BSD-2-Clause
"""The edu device under every mode of its driver: each raise counted at the device is handled once,
by whoever the mode says, as a message and as a level line, alone and shared; and the driver comes
and goes in the midst of it."""

import re
import time

import pytest

# Raises, and how often filter, thread function and manual handler run for each of them.
GOOD = {
    'both': (500, 1, 1, 0),
    'filter': (500, 1, 0, 0),
    'thread': (500, 0, 1, 0),
    'schedule': (500, 1, 1, 0),
    'manual': (500, 1, 1, 1),
    'block': (500, 1, 1, 0),
    'sleep 2': (20, 1, 1, 0),
    'again 3': (200, 1, 4, 0),
}


@pytest.fixture
def boot(steady):
    return steady


def stats(m, unit):
    return m.row('edu stats', 'unit', unit=unit)


def source(m, unit):
    """The name of the unit's source, as `irq` has it."""
    return m.row('edu list', 'unit', unit=unit)['source']


def irq_state(m, name):
    return m.row('irq list', 'source', source=name)['state']


def attach(m, unit, irq):
    m.ok(f'edu -u {unit} detach')
    m.ok(f'edu -u {unit} attach {irq}')


def bind(m, unit, cpu):
    m.ok(f'irq bind {source(m, unit)} {cpu}')


def flawless(row):
    """No thread function beside itself, no token that came back wrong."""
    return row['overlaps'] == 0 and row['mismatch'] == 0


@pytest.mark.parametrize('irq', ['msi', 'intx'])
def test_every_mode_handles_every_raise(boot, mode, irq):
    m = boot(cpus=2, mode=mode)
    m.ok('edu -u 1 detach')            # nobody beside unit 0 on its line
    attach(m, 0, irq)
    for level in ('bio', 'net', 'tty'):
        for name, (n, filters, threads, manual) in GOOD.items():
            m.ok(f'edu -u 0 mode {name} {level}')
            m.ok('edu -u 0 clear')
            m.ok(f'edu -u 0 raise {n}')
            row = stats(m, 0)
            assert row['raises'] == n, name
            assert row['filters'] == n * filters, name
            if name != 'again 3':
                assert row['threads'] == n * threads, name
            assert row['manual'] == n * manual, name
            assert row['strays'] == 0 and flawless(row), name
            if name == 'again 3':
                # The last raise is done with its last turn, so the count is whole.
                assert row['threads'] == n * threads
    assert m.poweroff() == 0


def test_two_units_share_a_line(boot, mode):
    m = boot(cpus=2, mode=mode)
    attach(m, 0, 'intx')
    attach(m, 1, 'intx')
    assert source(m, 0) == source(m, 1)
    for names in (('both', 'both'), ('thread', 'both'), ('both', 'schedule'), ('thread', 'thread'),
                  ('filter', 'thread'), ('manual', 'schedule')):
        for unit in (0, 1):
            m.ok(f'edu -u {unit} mode {names[unit]}')
            m.ok(f'edu -u {unit} clear')
        for unit in (0, 1):
            m.ok(f'edu -u {unit} raise 300')
        for unit in (0, 1):
            row = stats(m, unit)
            assert row['raises'] == 300 and flawless(row), names
            # The other's interrupts were none of its business, but it was asked.
            asked = row['threads'] if names[unit] == 'thread' else row['filters']
            assert asked >= 500, names
            if names[unit] != 'filter':
                assert row['threads'] >= 300, names
    assert "nobody" not in irq_state(m, source(m, 0))
    assert m.poweroff() == 0


def test_both_units_of_a_line_fire_at_once(boot, mode):
    m = boot(cpus=4, mode=mode)
    n = 20000 if mode == 'mttcg' else 5000
    for unit in (0, 1):
        attach(m, unit, 'intx')
        m.ok(f'edu -u {unit} clear')
    for unit in (0, 1):
        m.ok(f'edu -u {unit} fire {n}')
    for unit in (0, 1):
        assert f'fired {n}' in m.ok(f'edu -u {unit} fire wait', timeout=120)
        row = stats(m, unit)
        assert row['raises'] == n and row['threads'] >= n and flawless(row)
    assert m.poweroff() == 0


def test_neighbour_that_claims_everything(boot, mode):
    # Every filter of a shared line is asked, even when one before it says that it was its own.
    m = boot(cpus=2, mode=mode)
    for unit in (0, 1):
        attach(m, unit, 'intx')
    for liar, honest in ((0, 1), (1, 0)):
        m.ok(f'edu -u {liar} mode liar-greedy')
        m.ok(f'edu -u {honest} mode both')
        m.ok(f'edu -u {honest} clear')
        m.ok(f'edu -u {honest} raise 500')
        row = stats(m, honest)
        assert row['threads'] == 500 and row['filters'] >= 500 and flawless(row)
    assert m.poweroff() == 0


def test_line_stays_masked_while_its_handler_sleeps(boot, mode):
    # The device keeps the line up for the whole of the sleep: an unmasked line would storm.
    m = boot(cpus=2, mode=mode)
    m.ok('edu -u 1 detach')
    attach(m, 0, 'intx')
    line = source(m, 0)
    m.set_sysctl('hw.intr.stuck_ms', 0)
    m.ok('edu -u 0 mode sleep 2000')
    m.ok('edu -u 0 clear')
    # On one line: how long it is until the next is the host's business.
    text = m.ok('edu -u 0 post 1; sleep 0.5; irq list')
    assert re.search(rf'^{line} .* masked +edu0/', text, re.M), text
    for _ in range(600):
        if irq_state(m, line) == 'on':
            break
        m.ok('sleep 0.1')
    assert irq_state(m, line) == 'on'
    row = stats(m, 0)
    assert row['filters'] == 1 and row['threads'] == 1
    m.ok('edu -u 0 mode both')
    m.ok('edu -u 0 raise 100')
    assert m.poweroff() == 0


def test_neighbour_waits_for_the_sleeper_and_is_not_lost(boot, mode):
    m = boot(cpus=2, mode=mode)
    for unit in (0, 1):
        attach(m, unit, 'intx')
    m.ok('edu -u 0 mode sleep 300')
    m.ok('edu -u 1 clear')
    m.ok('edu -u 0 post 1')
    # Its raise comes while the line is masked for the other's sake; it is served after that.
    m.ok('edu -u 1 raise 3')
    row = stats(m, 1)
    assert row['raises'] == 3 and row['threads'] >= 3 and flawless(row)
    assert m.poweroff() == 0


def test_blocked_handler_does_not_hold_up_others(boot, mode):
    m = boot(cpus=2, mode=mode)
    for unit in (0, 1):
        bind(m, unit, 1)
    m.ok('edu -u 0 mode block')
    m.ok('edu -u 0 clear')
    m.ok('edu -u 1 clear')
    m.ok('hold')
    m.ok('edu -u 0 post 1')
    # Same CPU, same level: the second one's handler runs in another ithread, at once.
    m.ok('edu -u 1 raise 500')
    assert stats(m, 1)['threads'] == 500
    cpu = m.row('intrstat', 'divorces', cpu=1)
    assert cpu['divorces'] >= 1
    assert stats(m, 0)['threads'] == 1
    m.ok('hold release')
    m.ok('edu -u 0 raise 100')         # each of them has a run of its own
    assert stats(m, 0)['threads'] == 101
    assert m.poweroff() == 0


@pytest.fixture
def each(mode):
    """Interrupts of each of four CPUs."""
    return 250000 if mode == 'mttcg' else 25000


def test_a_million_interrupts_on_four_cpus(boot, mode, each):
    m = boot(cpus=4, mode=mode, edu=4)
    for unit in range(4):
        bind(m, unit, unit)
        m.ok(f'edu -u {unit} clear')
    for unit in range(4):
        m.ok(f'edu -u {unit} fire {each}')
    for unit in range(4):
        assert f'fired {each}' in m.ok(f'edu -u {unit} fire wait', timeout=300)
    for unit in range(4):
        row = stats(m, unit)
        assert row['raises'] == row['filters'] == row['threads'] == each
        assert row['strays'] == 0 and flawless(row)
    # And what the core counted: every one of them dispatched, on the unit's own CPU.
    for unit in range(4):
        row = m.row('intrstat', 'name', name=f'edu{unit}')
        assert row['count'] == each and row['cpu'] == unit
    assert m.poweroff() == 0


def test_burst_merges_but_the_last_is_handled(boot, mode):
    m = boot(cpus=4, mode=mode)
    for irq in ('msi', 'intx'):
        attach(m, 0, irq)
        m.ok('edu -u 0 clear')
        m.ok('edu -u 0 burst 50000')
        row = stats(m, 0)
        assert row['raises'] == 50000
        assert 1 <= row['threads'] <= 50000
    assert m.poweroff() == 0


def test_detach_under_fire(boot, mode):
    m = boot(cpus=4, mode=mode)

    def free():
        return sum(r['free'] for r in m.table('irq vectors', 'cpu'))

    attach(m, 0, 'intx')               # a line keeps its vector for ever: let it have it first
    attach(m, 0, 'msi')
    before = free()
    for n in range(8 if mode == 'mttcg' else 4):
        irq = ('msi', 'intx')[n % 2]
        for unit in (0, 1):
            m.ok(f'edu -u {unit} fire 1000000000')
        for unit in (0, 1):
            m.ok(f'edu -u {unit} detach')
            # Handled what it raised, up to the one that met the detach; then it was told.
            assert 'not attached' in m.error(f'edu -u {unit} fire wait')
        assert 'not attached' in m.error('edu -u 0 raise 1')
        for unit in (0, 1):
            m.ok(f'edu -u {unit} attach {irq}')
            m.ok(f'edu -u {unit} clear')
        for unit in (0, 1):
            m.ok(f'edu -u {unit} raise 200')
            row = stats(m, unit)
            assert row['raises'] == 200 and row['threads'] >= 200 and flawless(row)
    for unit in (0, 1):
        attach(m, unit, 'msi')
    assert free() == before
    assert m.poweroff() == 0


@pytest.mark.parametrize('irq', ['msi', 'intx'])
def test_modes_change_under_fire(boot, mode, irq):
    m = boot(cpus=4, mode=mode)
    for unit in (0, 1):
        attach(m, unit, irq)
        m.ok(f'edu -u {unit} clear')
        m.ok(f'edu -u {unit} fire 1000000000')
    for n in range(12):
        for unit in (0, 1):
            name = ('thread', 'manual', 'schedule', 'filter', 'again 2', 'both')[(n + unit) % 6]
            m.ok(f'edu -u {unit} mode {name} {("bio", "net", "tty")[n % 3]}')
    for unit in (0, 1):
        text = m.ok(f'edu -u {unit} fire stop')
        fired = int(re.search(r'fired (\d+)', text)[1])
        row = stats(m, unit)
        assert fired > 0 and row['raises'] == fired and flawless(row)
    assert 'not handled' not in m.transcript()
    assert m.poweroff() == 0


@pytest.mark.parametrize('irq', ['msi', 'intx'])
def test_work_wakes_its_waiter(boot, mode, irq):
    m = boot(cpus=2, mode=mode)
    for unit in (0, 1):
        attach(m, unit, irq)
        m.ok(f'edu -u {unit} clear')
    for unit in (0, 1):
        for n in (0, 1, 12, 33, 34, 1000):
            m.ok(f'edu -u {unit} fact {n}')    # the shell computes it too, and compares
        m.ok(f'edu -u {unit} dma 10000')
        assert stats(m, unit)['works'] == 6 + 2 * 3
    assert m.error('edu -u 0 fact 1000001').startswith('error:')
    # The handler that blocks, sleeps or has no filter wakes the waiter as well.
    for name in ('thread', 'schedule', 'manual', 'block', 'sleep 5', 'again 2'):
        m.ok(f'edu -u 0 mode {name}')
        m.ok('edu -u 0 fact 10')
    m.ok('edu -u 0 mode filter')
    assert 'not in this mode' in m.error('edu -u 0 fact 10')
    assert m.poweroff() == 0


def test_work_amid_interrupts(boot, mode):
    m = boot(cpus=4, mode=mode)
    for unit in (0, 1):
        attach(m, unit, 'intx')
        m.ok(f'edu -u {unit} fire 1000000000')
    for n in range(6 if mode == 'mttcg' else 2):
        m.ok(f'edu -u {n % 2} fact {20 + n}')
        m.ok(f'edu -u {n % 2} dma 4096')
    for unit in (0, 1):
        m.ok(f'edu -u {unit} fire stop')
        assert flawless(stats(m, unit))
    assert m.poweroff() == 0


def test_what_nobody_handles_is_named_and_withdrawn(boot, mode):
    m = boot(cpus=2, mode=mode)
    m.ok('edu -u 0 timeout 100')
    for name in ('liar', 'liar-loud'):
        m.ok(f'edu -u 0 mode {name}')
        assert 'no interrupt in time' in m.error('edu -u 0 raise 1')
        assert re.search(rf'edu0: raise \d+ not handled within 100 ms \(mode {name}, status 0x',
                         m.transcript())
        assert 'no interrupt in time' in m.error('edu -u 0 fact 5')
        assert f'edu0: factorial: no interrupt within 100 ms (mode {name}, device done)' \
            in m.transcript()
    m.ok('edu -u 0 timeout 5000')
    m.ok('edu -u 0 mode both')
    m.ok('edu -u 0 clear')
    m.ok('edu -u 0 raise 100')
    m.ok('edu -u 0 fact 5')
    row = stats(m, 0)
    assert row['threads'] == 101 and flawless(row)
    assert m.poweroff() == 0


def test_bad_requests(boot):
    m = boot(cpus=1)
    assert 'attached already' in m.error('edu -u 0 attach msi')
    m.ok('edu -u 0 detach')
    assert 'not attached' in m.error('edu -u 0 detach')
    assert 'not attached' in m.error('edu -u 0 fact 3')
    assert 'not attached' in m.error('edu -u 0 mode both')
    m.ok('edu -u 0 attach msi')
    assert 'nothing fires' in m.error('edu -u 0 fire wait')
    for line in ('edu -u 2 raise 1', 'edu mode sleep 0', 'edu mode again 100001', 'edu mode nope',
                 'edu raise 0', 'edu attach line', 'edu timeout 60001', 'edu mode both vm'):
        m.error(line)
    m.ok('edu -u 0 raise 10')
    assert m.poweroff() == 0


def test_periodic_timer_starts_and_stops(boot):
    m = boot(cpus=2)
    assert m.sysctl('dev.hpet.hz') == 2

    def runs():
        return int(re.search(r'(\d+) runs', m.ok('hpet'))[1])

    m.set_sysctl('dev.hpet.hz', 200)
    before, begun = runs(), time.monotonic()
    while runs() - before < 50:
        assert time.monotonic() - begun < 60
    m.set_sysctl('dev.hpet.hz', 0)
    before = runs()
    m.ok('sleep 1')
    assert runs() == before
    assert not [r for r in m.table('intrstat', 'name') if r['name'] == 'hpet']
    assert 'error:' in m.error('sysctl dev.hpet.hz=8193')
    m.set_sysctl('dev.hpet.hz', 2)
    assert m.poweroff() == 0


def test_rtc_where_there_is_no_hpet(boot):
    m = boot(cpus=2, args=['-machine', 'hpet=off'])
    assert m.row('intrstat', 'name', name='rtc')['level'] == 'tty'
    m.set_sysctl('dev.hpet.hz', 100)
    assert m.sysctl('dev.hpet.hz') == 128      # the next power of two

    def runs():
        return int(re.search(r'(\d+) runs', m.ok('hpet'))[1])

    before, begun = runs(), time.monotonic()
    while runs() - before < 50:
        assert time.monotonic() - begun < 60
    m.set_sysctl('dev.hpet.hz', 0)
    before = runs()
    m.ok('sleep 1')
    assert runs() == before
    assert m.poweroff() == 0


@pytest.mark.parametrize('irq', ['msi', 'intx'])
def test_attach_without_memory_leaves_nothing_behind(boot, irq):
    m = boot(cpus=2)
    attach(m, 0, irq)                  # what is made once and stays is made now
    m.ok('edu -u 0 detach')

    def held():
        return ([m.sysctl(name) for name in ('mem.objects', 'mem.mapped')] +
                [r['free'] for r in m.table('irq vectors', 'cpu')])

    before = held()
    failed = 0
    for nth in range(1, 40):
        m.set_sysctl('debug.alloc_fail', nth)
        if 'error:' not in m.cmd(f'edu -u 0 attach {irq}'):
            break
        failed += 1
        assert sum(held()) == sum(before), f'allocation {nth}'
    m.set_sysctl('debug.alloc_fail', 0)
    assert 4 <= failed < 39
    m.ok('edu -u 0 raise 100')
    m.ok('edu -u 0 fact 12')
    m.ok('edu -u 0 detach')
    assert sum(held()) == sum(before)
    assert m.poweroff() == 0
