# SPDX-License-Identifier: BSD-2-Clause
"""Handlers with INTR_MIGRATE: one that waits behind a busy handler of its CPU is run by another
CPU, and one without the flag, in the same place, is not. Docs: intr_establish(9)."""

import time

import pytest

from test_edu import attach, bind, flawless, stats

ROUNDS_S = 60


@pytest.fixture
def boot(steady):
    return steady


def moved(m):
    return m.sysctl('hw.intr.migrated')


def waits_behind_another(m, irq):
    """Unit 1 by `irq`, behind unit 0, which keeps CPU 3 to itself nearly all the time."""
    attach(m, 0, 'msi')
    attach(m, 1, irq)
    for unit in (0, 1):
        bind(m, unit, 3)   # not where the shell is likely to be: it would be kept waiting, too
    m.ok('edu -u 0 mode burn 20000 net')
    # What waits stays, as a rule.
    m.ok('edu -u 1 mode both bio')
    m.ok('edu -u 0 fire 1000000')
    first = moved(m)
    m.ok('edu -u 1 raise 10')
    assert moved(m) == first
    # And goes, if it may.
    m.ok('edu -u 1 mode migrate bio')
    m.ok('edu -u 1 clear')
    raised, end = 0, time.monotonic() + ROUNDS_S
    while moved(m) < first + 10 and time.monotonic() < end:
        m.ok('edu -u 1 raise 20')
        raised += 20
    m.ok('edu -u 0 fire stop')
    row = stats(m, 1)
    assert row['raises'] == row['threads'] == raised
    assert flawless(row)
    # Each handler's own count: all of them are unit 1's, and ran elsewhere.
    rows = {r['name']: r['moved'] for r in m.table('intrstat', 'name')
            if r['name'] in ('edu0', 'edu1')}
    assert rows['edu1'] == moved(m) - first >= 10 and rows['edu0'] == 0
    # Left alone, it begins where it comes. A new mode waits for the end of the other's run.
    m.ok('edu -u 0 mode both net')
    before = moved(m)
    m.ok('edu -u 1 raise 100')
    assert moved(m) == before


def test_drained_by_another_cpu(boot, mode):
    m = boot(cpus=4, mode=mode)
    for setting in ('hw.intr.storm_percent=0', 'hw.intr.stuck_ms=0', 'kern.heartbeat_ms=0'):
        m.ok(f'sysctl {setting}')
    for irq in ('msi', 'intx'):
        waits_behind_another(m, irq)
    assert m.poweroff() == 0
