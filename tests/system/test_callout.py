# SPDX-License-Identifier: BSD-2-Clause
"""Callouts on the emulated machine, armed, stopped and halted by all CPUs at once: each arming ends
in a run or in somebody who was told that he has prevented it; nothing runs beside itself, nor after
it was halted."""

import re


def test_stirred_by_all_cpus(boot, mode):
    m = boot(cpus=4, mode=mode)
    said = m.ok('callout 20000', timeout=240)
    n = {k: int(v) for k, v in re.findall(r'(\w+) (\d+)', said)}
    assert n['armed'] == n['prevented'] + n['runs']
    assert (n['overlaps'], n['after']) == (0, 0)
    assert n['prevented'] > 1000
    assert n['runs'] > 0 and n['others'] > 0
    assert 'callout: number of calls 0: must be 1 to 10000000' in m.error('callout 0')
    m.error('callout')
    assert m.poweroff() == 0
