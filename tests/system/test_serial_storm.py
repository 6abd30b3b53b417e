# SPDX-License-Identifier: BSD-2-Clause
"""The serial line while the interrupt system is at its worst: pasted at full speed, echoed intact,
in order, with no overrun.

That it survives a plain storm is in test_console.py.
"""

import re

import pytest
from test_console import sink


@pytest.fixture
def boot(steady):
    return steady


def source(m, unit):
    return m.row('edu list', 'unit', unit=unit)['source']


def counts_are_clean(m):
    for name in ('tty.overruns', 'tty.errors'):
        assert m.sysctl(name) == 0


def test_paste_while_no_ithread_is_to_be_had(boot, mode):
    """Softints do not use the pool: the line's filter and its thread go on without it."""
    m = boot(cpus=1, mode=mode, edu=4)
    m.set_sysctl('dev.hpet.hz', 0)
    m.ok('edu -u 0 mode block; edu -u 1 mode block')
    m.ok('hold')
    m.ok('; '.join(f'edu -u {unit} post 1' for unit in range(4)))
    pool = m.sysctl('hw.intr.pool')
    assert 'divorced 2' in pool and 'free 0 spare 0' in pool
    sink(m, 50000 if mode == 'mttcg' else 20000, 120)
    assert m.row('edu stats', 'unit', unit=2)['threads'] == 0
    m.ok('hold release')
    m.ok('edu -u 2 raise 50; edu -u 3 raise 50')
    counts_are_clean(m)
    assert m.poweroff() == 0


def test_paste_under_handlers_of_every_level_on_its_own_cpu(boot, mode):
    """100 kB; on the CPU of the serial line four devices interrupt, at all levels, and compute."""
    m = boot(cpus=4, mode=mode, edu=4)
    cpu = m.row('irq list', 'source', source='ioapic0:4')['cpu']
    for unit, how in enumerate(('burn 100 bio', 'burn 50 net', 'both tty', 'block bio')):
        m.ok(f'irq bind {source(m, unit)} {cpu}')
        m.ok(f'edu -u {unit} mode {how}; edu -u {unit} clear')
    m.ok('; '.join(f'edu -u {unit} fire 1000000000' for unit in range(4)))
    sink(m, 100000 if mode == 'mttcg' else 20000, 300)
    for unit in range(4):
        fired = int(re.search(r'fired (\d+)', m.ok(f'edu -u {unit} fire stop'))[1])
        row = m.row('edu stats', 'unit', unit=unit)
        assert 0 < fired == row['raises'] == row['filters'] == row['threads']
    counts_are_clean(m)
    assert m.poweroff() == 0
