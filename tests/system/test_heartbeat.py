# SPDX-License-Identifier: BSD-2-Clause
"""A CPU that hangs is caught in time and shown; one that is only kept waiting is not."""

import math
import re
import time

import pytest


def hangs(m, command):
    """Type a command that hangs a CPU; returns what the panic said."""
    m.send(f'{command}\r')
    assert m.wait_end(panic_ok=True) == 3
    return m.transcript()


@pytest.mark.parametrize('cpu', (0, 1, 2))
def test_cpu_with_interrupts_off(boot, mode, cpu):
    m = boot(cpus=3, mode=mode)
    text = hangs(m, f'hang cpu {cpu}')
    found = re.search(rf'panic: heartbeat: cpu{cpu} takes no interrupts for (\d+) ms, '
                      r'but executes: lwp "hang" at level none', text)
    assert found, text
    # Within a second of its last beat, as far as the host gives the watcher its turns.
    assert 750 <= int(found.group(1))
    if mode == 'icount':
        assert int(found.group(1)) <= 1000
    # Its neighbour's panic, its lwps, its stack, the queues.
    assert re.search(rf'\ncpu {(cpu + 2) % 3}, lwp', text)
    shown = text[text.index(f'cpu{cpu}, which hangs:'):]
    assert 'lwp "hang" at level none' in shown
    assert re.search(r'  interrupts off, none in service, 0x[0-9a-f]+ requested; '
                     r'a clock interrupt is late by \d+ us', shown), shown
    assert re.search(r' loop\+0x', shown)
    assert 'pending queues:' in text


@pytest.mark.parametrize('what,says', (
    ('softint', r'lwp "softclock/\d" at level softclock stays in hang'),
    ('spl', r'lwp "hang" at level net stays in its loop')))
def test_softclock_that_does_not_come_round(boot, mode, what, says):
    m = boot(cpus=2, mode=mode)
    text = hangs(m, f'hang {what}')
    assert re.search(r'panic: heartbeat: cpu\d runs no softclock for \d+ ms: ' + says, text)
    assert re.search(r'interrupted at \S+ loop', text)


def test_blocked_softclock_is_told_and_goes_on(boot, mode):
    m = boot(cpus=2, mode=mode)
    text = m.ok('uptime; hang block 2600; uptime')
    begun, ended = (float(t) for t in re.findall(r'^up ([\d.]+) s', text, re.M))
    told = re.findall(r'heartbeat: cpu\d runs no softclock for \d+ ms: softint hang waits for '
                      r'"hang", held by lwp "shell" \(sleep on \w+\)', text)
    # After one second, two, four; it lasts longer if the host stops the machine meanwhile.
    assert 1 <= len(told) <= 1 + math.log2(ended - begun)
    assert m.sysctl('kern.heartbeat.reports') == len(told)
    m.ok('sleep 1')
    assert m.sysctl('kern.heartbeat.reports') == len(told)
    assert m.poweroff() == 0


def beats(m, command):
    """How many beats there were during the command: one line, for an idle machine whose clock
    counts instructions jumps ahead between two."""
    text = m.ok(f'sysctl kern.heartbeat.beats; {command}; sysctl kern.heartbeat.beats')
    before, after = re.findall(r'beats = (\d+)', text)
    return int(after) - int(before)


def test_rate_and_settings(boot):
    m = boot(cpus=2, mode='icount')
    assert m.sysctl('kern.heartbeat_ms') == 1000
    assert 98 <= beats(m, 'sleep 10') <= 102
    m.error('sysctl kern.heartbeat_ms=50')
    m.set_sysctl('kern.heartbeat_ms', 0)
    assert beats(m, 'hang block 3000') == 0
    assert m.sysctl('kern.heartbeat.reports') == 0
    m.set_sysctl('kern.heartbeat_ms', 200)
    assert 98 <= beats(m, 'sleep 2') <= 102
    assert m.poweroff() == 0


@pytest.mark.parametrize('cpu', (0, 2))
def test_an_eoi_that_is_lost_is_made_up_for(boot, mode, cpu):
    """Who would take no interrupts for good is asked by the heartbeat's NMI, and goes on."""
    m = boot(cpus=3, mode=mode, append=f'lose-eoi={cpu}')
    m.ok('sleep 2')
    assert len(re.findall(r'lapic \d+: vector 0x[0-9a-f]+ was in service with interrupts on: '
                          r'its EOI was lost', m.transcript())) == 1
    assert m.sysctl('kern.heartbeat.reports') == 0
    assert m.poweroff() == 0


def test_one_cpu_has_nobody_to_watch_it(boot):
    m = boot(cpus=1)
    assert 'alone' in m.error('hang cpu 0')
    assert 'must be 0 to 0' in m.error('hang cpu 1')
    m.error('hang')
    text = hangs(m, 'hang softint')
    assert 'cpu0 runs no softclock' in text


def test_machine_that_is_stopped_is_not_blamed(boot):
    """All CPUs stand still for longer than the limit, and nobody is to blame."""
    m = boot(cpus=4, monitor=True)
    for _ in range(3):
        m.qmp('stop')
        time.sleep(2)
        m.qmp('cont')
        m.ok('sleep 1')
    assert m.sysctl('kern.heartbeat.reports') == 0
    assert m.poweroff() == 0
