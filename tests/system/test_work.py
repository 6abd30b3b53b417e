# SPDX-License-Identifier: BSD-2-Clause
"""Work queues, rwlocks and continuations on the emulated machine: nothing is lost, nothing runs
beside itself, bounds are kept and named."""

import re

import pytest


@pytest.fixture
def boot(steady):
    return steady


def numbers(text):
    """'granted 5, full 0' as a dict."""
    return {k: int(v) for k, v in re.findall(r'(\w+) (\d+)', text.strip().split('\n')[-1])}


@pytest.mark.parametrize('kind', ['one', 'percpu'])
@pytest.mark.parametrize('lwps', [1, 3])
def test_poured_in_to_the_end(boot, mode, kind, lwps):
    m = boot(cpus=4, mode=mode)
    n = numbers(m.ok(f'work pour 40000 {kind} {lwps}', timeout=120))
    assert n['granted'] == 40000
    assert (n['full'], n['refused'], n['missing'], n['overlaps']) == (0, 0, 0, 0)
    assert 16 <= n['runs'] <= 40000
    assert m.poweroff() == 0


@pytest.mark.parametrize('kind', ['one', 'percpu'])
def test_destroyed_while_work_pours_in(boot, kind):
    m = boot(cpus=4)
    for ms in (1, 20, 100):
        n = numbers(m.ok(f'work pour 10000000 {kind} 2 0 {ms}', timeout=120))
        assert (n['missing'], n['overlaps']) == (0, 0)
        assert n['granted'] + n['refused'] < 10000000
    assert m.table('work list', heading='queue') == []
    assert m.poweroff() == 0


def test_no_more_than_the_limit(boot):
    m = boot(cpus=2)
    n = numbers(m.ok('work pour 20000 one 1 2', timeout=120))
    assert n['full'] > 0
    assert n['granted'] + n['full'] == 20000
    assert (n['missing'], n['overlaps']) == (0, 0)
    assert 'work: lwps 17: must be 1 to 16' in m.error('work pour 1 one 17')
    assert 'work: limit 1000001: must be 0 to 1000000' in m.error('work pour 1 one 1 1000001')
    m.error('work pour 1 two')
    m.error('work')
    assert m.poweroff() == 0


def test_sixty_four_cpus(boot):
    m = boot(cpus=64, mem=1024)
    n = numbers(m.ok('work pour 6400 percpu 1', timeout=300))
    assert n['granted'] == 6400
    assert (n['missing'], n['overlaps']) == (0, 0)
    assert m.poweroff() == 0


def test_readers_and_writers(boot, mode):
    m = boot(cpus=4, mode=mode)
    n = numbers(m.ok('rwlock 4000 12', timeout=240))
    assert n['wrong'] == 0
    assert n['reads'] > 40000
    assert n['writes'] > 1000
    assert 'rwlock: lwps 65: must be 1 to 64' in m.error('rwlock 1 65')
    assert m.poweroff() == 0


@pytest.mark.parametrize('kind', ['soft', 'sleep', 'both'])
def test_left_behind_by_a_filter(boot, mode, kind):
    m = boot(cpus=2, mode=mode)
    n = numbers(m.ok(f'continue {kind} 2000', timeout=240))
    kinds = 2 if kind == 'both' else 1
    assert n['interrupts'] >= 2000
    assert n['left'] + n['full'] == kinds * n['interrupts']
    assert n['softint'] + n['lwp'] == n['left']
    assert (n['softint'] > 0) == (kind != 'sleep')
    assert (n['lwp'] > 0) == (kind != 'soft')
    assert m.table('work list', heading='queue') == []
    assert m.poweroff() == 0


def test_no_slot_left_is_said_once_and_names_the_handler(boot):
    m = boot(cpus=1)
    n = numbers(m.ok('continue sleep 500 1', timeout=120))
    assert n['full'] > 0
    said = re.findall(r'intr: continue: all 1 slots for continuations are taken', m.transcript())
    assert len(said) == 1
    assert 'slots 256: must be 1 to 255' in m.error('continue soft 1 256')
    m.ok('edu -u 0 detach')
    assert 'edu0: not attached' in m.error('continue soft 1')
    assert m.poweroff() == 0
