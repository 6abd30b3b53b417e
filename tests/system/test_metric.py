# SPDX-License-Identifier: BSD-2-Clause
"""`bench metric`: the eight tests of the Thread-Metric suite run, and what they print agrees.

Their own checks (counters that take turns, messages that arrive) are made by the kernel, which ends
the command with an error if one fails: m.ok() looks for that. Speed is not looked at.
"""

import json

import pytest

TESTS = ['basic processing', 'cooperative scheduling', 'preemptive scheduling',
         'interrupt processing', 'interrupt preemption', 'message processing',
         'synchronization', 'memory allocation']


def run(m):
    """{name: figure} of what the command says for programs."""
    m.ok('edu -u 0 detach')
    text = m.ok('bench -j metric', timeout=240)
    figures = [json.loads(line) for line in text.split('\n') if line.startswith('{')]
    assert {f['group'] for f in figures} <= {'metric', 'calibration'}
    return {f['name']: f for f in figures if f['group'] == 'metric'}


def test_counts_of_instructions_are_of_one_mind(boot):
    m = boot(cpus=1, mode='icount', edu=1)
    figures = run(m)
    assert list(figures) == [f'{test}, {what}' for test in TESTS
                             for what in ('in 10^9 instructions', 'in 30 s', 'an event')]
    for test in TESTS:
        events = figures[f'{test}, in 10^9 instructions']['median']
        each = figures[f'{test}, an event']['median']
        # A tick is a nanosecond there, so 30 s are 30 times 10^9 instructions.
        seconds = figures[f'{test}, in 30 s']['median']
        assert events > 0
        assert abs(seconds - 30 * events) <= 30 + 1e-4 * seconds, test
        # The count of a run is whole, and so may be one event more or less than the rate.
        assert abs(events * each - 1e9) <= 2 * each + 1e-4 * 1e9, test
    # What cannot be: more work in fewer instructions. A turn of five lwps, each of which is
    # resumed and suspends itself, is more than five that yield; a handler that preempts is more
    # than one that puts a semaphore.
    each = {test: figures[f'{test}, an event']['median'] for test in TESTS}
    assert each['preemptive scheduling'] > each['cooperative scheduling']
    assert each['interrupt preemption'] > each['interrupt processing']
    assert m.sysctl('hw.intr.storm_percent') != 0, 'it is put back'
    m.poweroff()


@pytest.mark.parametrize('cpus', [1, 2])
def test_on_a_clock(boot, cpus):
    m = boot(cpus=cpus, edu=1)
    figures = run(m)
    assert len(figures) == 3 * len(TESTS)
    assert all(f['median'] > 0 for f in figures.values())
    m.poweroff()


def test_without_a_device_it_says_so(boot):
    m = boot(cpus=1, mode='icount', edu=0)
    text = m.cmd('bench metric', timeout=240)
    assert 'no edu device is free' in text and 'group metric: ENXIO' in text
    assert 'basic processing, in 30 s' in text and 'message processing' not in text
    m.poweroff()
