# SPDX-License-Identifier: BSD-2-Clause
"""Two devices keep one CPU of four busy: one goes to another CPU by itself, and one that was bound
by hand stays."""

import re
import time

BURN_US = 100000


def source_of(m, unit):
    """The name of the unit's source, as `irq` has it."""
    return m.row('edu list', heading='unit', unit=unit)['source']


def place_of(m, source):
    row = m.row('irq list', heading='source', source=source)
    return row['cpu'], row['place']


def wait_for(condition, m, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f'not so after {seconds} s\n{m.tail()}'
        m.ok('sleep 0.2')


def test_one_of_two_goes_and_one_that_is_bound_stays(boot):
    m = boot(cpus=4)
    # Time that the host takes of a handler is no storm here, and handlers that burn keep their
    # CPU's softints waiting.
    m.ok('sysctl hw.intr.storm_percent=0 kern.heartbeat_ms=0 hw.intr.balance_ms=0')
    a, b = source_of(m, 0), source_of(m, 1)
    for source in (a, b):
        m.ok(f'irq bind {source} 1')
        assert place_of(m, source) == (1, 'bound')
    for unit in (0, 1):
        m.ok(f'edu -u {unit} mode burn {BURN_US}')
        m.ok(f'edu -u {unit} timeout 60000')
        m.ok(f'edu -u {unit} fire 1000000')
    m.ok('sysctl hw.intr.balance_percent=10')
    m.set_sysctl('hw.intr.balance_ms', 100)
    # Both are bound: however long one looks, nothing moves.
    m.ok('sleep 4')
    assert m.sysctl('hw.intr.balance.moves') == 0
    m.ok(f'irq balance {b}')
    assert place_of(m, b)[1] in ('free', 'moved')
    wait_for(lambda: m.sysctl('hw.intr.balance.moves') >= 1, m)
    cpu, place = place_of(m, b)
    assert cpu != 1 and place == 'moved'
    assert place_of(m, a) == (1, 'bound')
    name = re.escape(b).replace('_', '.')         # a name may have blanks
    said = rf'balance: {name} \(edu1\), \d+ % of cpu1, moves to cpu\d'
    wait_for(lambda: re.search(said, m.transcript()), m)
    # Back by hand, where it stays.
    m.ok(f'irq bind {b} 1')
    assert place_of(m, b) == (1, 'bound')
    m.set_sysctl('hw.intr.balance_ms', 0)
    # Nothing was lost: each raise of `fire` waits for its handler, and says so if that is late.
    for unit in (0, 1):
        assert 'fired' in m.ok(f'edu -u {unit} fire stop', timeout=180)
        m.ok(f'edu -u {unit} mode both')
        assert 'thread 50' in m.ok(f'edu -u {unit} raise 50', timeout=180)
    assert m.poweroff() == 0


def test_settings_and_errors(boot):
    m = boot(cpus=1)
    assert m.sysctl('hw.intr.balance_ms') == 1000
    assert m.sysctl('hw.intr.balance_percent') == 50
    m.error('sysctl hw.intr.balance_ms=9')
    m.error('sysctl hw.intr.balance_percent=0')
    m.error('sysctl hw.intr.balance.moves=1')
    assert "no source 'nobody'" in m.error('irq balance nobody')
    m.error('irq balance')
    assert m.poweroff() == 0
