# SPDX-License-Identifier: BSD-2-Clause
"""Each way of running a handler (`make MODEL=`, docs/how-it-works.md) under the same drivers, with
the same assertions: nothing is lost, nothing runs beside itself, lines come back. What a model
cannot do is refused in words.

The model that is shipped, handoff, is what all other files test; of theirs, those that hold for
every model are run here again.
"""

import os
import re
import subprocess

import harness
import pytest
from test_console import sink
from test_edu import GOOD, attach, bind, flawless, stats
from test_edu import (                                                          # noqa: F401
    test_a_million_interrupts_on_four_cpus, test_both_units_of_a_line_fire_at_once,
    test_detach_under_fire, test_modes_change_under_fire, test_neighbour_that_claims_everything,
    test_periodic_timer_starts_and_stops, test_two_units_share_a_line)
from test_smp import test_every_cpu_takes_lines_and_messages                    # noqa: F401
from test_storm import test_line_that_nobody_claims                             # noqa: F401
from test_work import test_left_behind_by_a_filter                              # noqa: F401

MODELS = ('pool', 'dedicated', 'direct')
BLOCKING = tuple(m for m in MODELS if m != 'direct')
# Of tests/scenario, what says nothing of ithreads, and has no handler that blocks: that no
# interrupt is lost (I1), none runs beside itself (I2), lines are masked and unmasked (I3), handlers
# that go are gone (I12), and levels keep them out.
SCENARIOS = ('edge_again', 'edge_shared', 'fifo', 'filter_answers', 'filter_edge', 'goes_and_comes',
             'goes_with_hwi', 'held_by_storm', 'hwi_budget', 'hwi_two_cpus', 'last_goes',
             'late_claimed', 'late_twice', 'level_bare', 'level_shared', 'manual', 'message_bound',
             'nopreempt', 'prim_disestablish', 'soft_pushed', 'spl_and_lwp', 'spl_raised')


@pytest.fixture(scope='session', params=MODELS)
def model(request):
    return request.param


@pytest.fixture(scope='session')
def model_kernel(model):
    """The path of the model's kernel, built if it was not."""
    made = subprocess.run(['make', '--no-print-directory', '-j2', 'kernel', f'MODEL={model}'],
                          cwd=harness.ROOT, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.fail(f'the kernel of model {model} does not build:\n' + made.stdout + made.stderr,
                    pytrace=False)
    return os.path.join(harness.ROOT, 'build', f'x86_64-{model}', 'ithaca.elf')


@pytest.fixture
def boot(boot, model_kernel):
    def start(**options):
        m = boot(kernel=model_kernel, **options)
        # Devices that fire without a pause, under the slower models, on a host that is busy, may
        # take nearly all of a CPU: no storm is meant by that.
        if m.booted:
            m.ok('sysctl hw.intr.storm_percent=0 kern.heartbeat_ms=10000')
        return m
    return start


@pytest.fixture
def mode():
    return 'mttcg'


@pytest.fixture
def each():
    """Of a million, as it is for the model that is shipped, a fifth will do."""
    return 50000


def test_no_such_model():
    made = subprocess.run(['make', '--no-print-directory', 'kernel', 'MODEL=express'],
                          cwd=harness.ROOT, capture_output=True, text=True, check=False)
    assert made.returncode != 0
    assert 'MODEL=express: must be one of' in made.stderr


def test_scenarios(model):
    made = subprocess.run(['make', '--no-print-directory', '-j2', 'sim', f'MODEL={model}'],
                          cwd=harness.ROOT, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    for name in SCENARIOS:
        run = subprocess.run([f'build/sim-{model}/sim', name, '--strategy', 'random', '--seed', '1',
                              '--runs', '500', '--quiet', '--no-shrink'], cwd=harness.ROOT,
                             capture_output=True, text=True, errors='replace', check=False)
        assert run.returncode == 0, f'{name}:\n{run.stdout[-4000:]}{run.stderr[-1000:]}'


@pytest.mark.parametrize('irq', ['msi', 'intx'])
def test_every_mode_handles_every_raise(boot, model, irq):
    m = boot(cpus=2)
    assert m.sysctl('hw.intr.model') == model
    m.ok('edu -u 1 detach')
    attach(m, 0, irq)
    for level in ('bio', 'net', 'tty'):
        for name, (n, filters, threads, manual) in GOOD.items():
            if model == 'direct' and name.split()[0] in ('block', 'sleep'):
                assert 'may not block under the model direct' in \
                    m.error(f'edu -u 0 mode {name} {level}')
                continue
            m.ok(f'edu -u 0 mode {name} {level}')
            m.ok('edu -u 0 clear')
            m.ok(f'edu -u 0 raise {n}')
            row = stats(m, 0)
            counts = [row[k] for k in ('raises', 'filters', 'threads', 'manual')]
            assert counts == [n, n * filters, n * threads, n * manual], name
            assert row['strays'] == 0 and flawless(row), name
    assert m.poweroff() == 0


def test_sources_move_under_fire(boot):
    m = boot(cpus=4)
    for unit, irq in enumerate(('msi', 'intx')):
        attach(m, unit, irq)
        m.ok(f'edu -u {unit} clear')
        m.ok(f'edu -u {unit} fire 1000000000')
    for n in range(24):
        bind(m, n % 2, (n * 3 + 1) % 4)
    for unit in (0, 1):
        fired = int(re.search(r'fired (\d+)', m.ok(f'edu -u {unit} fire stop'))[1])
        row = stats(m, unit)
        assert 0 < fired == row['raises'] and row['threads'] >= fired and flawless(row)
    assert 'not handled' not in m.transcript()
    assert m.poweroff() == 0


def test_paste_under_handlers_of_every_level(boot):
    m = boot(cpus=2, edu=3)
    cpu = m.row('irq list', 'source', source='ioapic0:4')['cpu']
    for unit, how in enumerate(('burn 50 bio', 'both net', 'again 2 tty')):
        bind(m, unit, cpu)
        m.ok(f'edu -u {unit} mode {how}; edu -u {unit} clear')
    m.ok('; '.join(f'edu -u {unit} fire 1000000000' for unit in range(3)))
    sink(m, 30000, 300)
    for unit in range(3):
        fired = int(re.search(r'fired (\d+)', m.ok(f'edu -u {unit} fire stop'))[1])
        row = stats(m, unit)
        assert 0 < fired == row['raises'] and flawless(row)
    for name in ('tty.overruns', 'tty.errors'):
        assert m.sysctl(name) == 0
    assert m.poweroff() == 0


@pytest.mark.parametrize('model', BLOCKING, scope='session')
def test_handler_that_waits_for_a_mutex_holds_up_nobody(boot, model):
    m = boot(cpus=2)
    for unit in (0, 1):
        bind(m, unit, 1)
        m.ok(f'edu -u {unit} clear')
    m.ok('edu -u 0 mode block')
    m.ok('hold')
    m.ok('edu -u 0 post 1')
    # Same CPU, same level.
    m.ok('edu -u 1 raise 500')
    assert stats(m, 1)['threads'] == 500
    m.ok('hold release')
    m.ok('edu -u 0 raise 100')
    assert stats(m, 0)['threads'] == 101 and flawless(stats(m, 0))
    assert m.poweroff() == 0


@pytest.mark.parametrize('model', ['direct'], scope='session')
def test_who_may_not_block_is_named(boot, model):
    m = boot(cpus=2, net='user')
    assert re.search(r'^igb: no network: its handlers may block, which the interrupt model direct '
                     r'does not allow$', m.transcript(), re.M)
    assert 'under the model direct' in m.error('hold')
    m.send('check handler\r')
    m.expect(r'panic: .*handler check may block on check kept by handler, which it cannot under '
             r'the model direct', panic_ok=True)
    assert m.wait_end(panic_ok=True) != 0
