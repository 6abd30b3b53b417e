# SPDX-License-Identifier: BSD-2-Clause
"""A million interrupts of every kind on four CPUs, with everything in their way: a shared level
line and messages, every level, handlers that block and that leave the device to their thread,
sources that move. What the device was made to raise is held against what filters, threads and CPUs
counted.

The plain case, a million messages that stay where they are, is in test_edu.py.
"""

import re

import pytest

# Unit: kind of interrupt, mode and level. Of four units 0 and 2 share a line.
UNITS = [
    ('intx', 'thread bio'),
    ('msi', 'schedule net'),
    ('intx', 'block net'),
    ('msi', 'manual tty'),
]


@pytest.fixture
def boot(steady):
    return steady


def dispatched(m, source):
    """Interrupts of a source, by CPU."""
    rows = re.findall(r'^dispatch\s+' + re.escape(source) + r'((?:\s+\d+)+)$', m.ok('intrstat -c'),
                      re.M)
    assert len(rows) == 1, source
    return [int(n) for n in rows[0].split()]


def test_none_of_a_million_is_lost(boot, mode):
    m = boot(cpus=4, mode=mode, edu=4)
    n, moves = (250000, 24) if mode == 'mttcg' else (10000, 8)
    for unit, (irq, how) in enumerate(UNITS):
        m.ok(f'edu -u {unit} detach; edu -u {unit} attach {irq}')
        m.ok(f'edu -u {unit} mode {how}; edu -u {unit} timeout 60000; edu -u {unit} clear')
    names = [r['source'] for r in m.table('edu list', 'unit')]
    assert names[0] == names[2] and len(set(names)) == 3
    m.ok('intrstat -z')
    m.ok('; '.join(f'edu -u {unit} fire {n}' for unit in range(4)))
    for i in range(moves):
        m.ok('; '.join([f'irq bind {name} {(i * (u + 1) + u) % 4}'
                        for u, name in enumerate(sorted(set(names)))] + ['hold -p 32 2']))
    for unit in range(4):
        # Each raise was answered by a run that began later than it, or this is an error.
        assert f'fired {n}' in m.ok(f'edu -u {unit} fire wait', timeout=300)
    counts = m.table('edu stats', 'unit')
    for unit, row in enumerate(counts):
        assert row['raises'] == n, row
        assert row['threads'] >= n, row
        assert row['overlaps'] == row['mismatch'] == 0, row
    # A message comes once, but for one too many at a move.
    assert n <= counts[1]['threads'] <= counts[1]['filters'] <= n + moves
    assert counts[1]['threads'] - counts[1]['strays'] == n
    assert counts[3]['filters'] - counts[3]['strays'] == n
    assert counts[3]['manual'] == counts[3]['threads'] == n
    assert counts[1]['strays'] <= moves and counts[3]['strays'] <= moves
    # And so say the CPUs, each of which had its part.
    for unit in (1, 3):
        by_cpu = dispatched(m, names[unit])
        assert sum(by_cpu) == counts[unit]['filters']
    for name in set(names):
        assert sum(1 for count in dispatched(m, name) if count > 0) >= 2
    assert m.sysctl('hw.intr.storms') == 0
    assert 'nobody' not in m.transcript() and 'not handled' not in m.transcript()
    assert m.poweroff() == 0
