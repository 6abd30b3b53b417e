# SPDX-License-Identifier: BSD-2-Clause
"""
The exhaustive search of the simulator finds every trace, and every state.

Ground truth is the search that spares itself nothing. The programs are those of
tests/scenario/generated.c: even numbers have two or three CPUs (every fourth a mutex), odd ones an
interrupt besides. What is compared of those that go by traces is the number of traces and the sum
of their hashes; of the one that merges states, which does not see every trace, the same of the
ends: of what the runs leave in memory.
"""
import os
import re
import subprocess

import pytest

from harness import ROOT

SIM = os.path.join(ROOT, 'build', 'sim', 'sim')


@pytest.fixture(scope='module', autouse=True)
def built():
    subprocess.run(['make', '--no-print-directory', '-s', 'sim'], cwd=ROOT, check=True)


executions = [0]  # of the last search
ends = ['']  # and how many ends, and which


def searches(scenario, *options, status=0):
    """What it says in the end, after the number of executions."""
    done = subprocess.run([SIM, scenario, '--strategy', 'exhaustive', *map(str, options)], cwd=ROOT,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
                          timeout=600)
    assert done.returncode == status, done.stdout + done.stderr
    said = done.stderr.splitlines()[-1]
    found = re.search(r'(\d+) executions.*, (\d+ ends \w+)$', said)
    assert found and 'exhausted: every' in said, done.stderr
    executions[0] = int(found.group(1))
    ends[0] = found.group(2)
    return said


def search(scenario, *options):
    """By traces: their number, and which they are."""
    if '--reduction' not in options:
        options += ('--reduction', 'shared')
    found = re.search(r' (\d+) distinct traces, exhausted: every trace.*; \d+ states, set (\w+),',
                      searches(scenario, *options))
    return int(found.group(1)), found.group(2)


def merged(scenario, *options):
    """By states: the ends."""
    assert 'exhausted: every state' in searches(scenario, *options)
    return ends[0]


@pytest.mark.parametrize('program', [0, 1, 2, 5, 10, 14])
def test_brute(program):
    """Every choice at every point, one preemption."""
    options = ('--program', program, '--bound', 1)
    truth = search('generated', '--reduction', 'brute', *options)
    assert truth == search('generated', '--reduction', 'states', *options)
    assert truth == search('generated', *options)
    assert truth[0] >= 3
    assert ends[0] == merged('generated', *options)


@pytest.mark.parametrize('program', [4, 6, 8, 12, 14])
def test_brute_two(program):
    """
    The same with two preemptions. A state may come again with fewer of them spent: in 4 and 8 there
    are traces that a search which does not go into it again leaves out. And one that comes again
    with as many is not gone into, or there would be nearly as many executions as there are at all.
    """
    options = ('--program', program, '--bound', 2)
    truth = search('generated', '--reduction', 'brute', *options)
    every = executions[0]
    assert truth == search('generated', '--reduction', 'states', *options)
    assert executions[0] * 5 < every
    assert truth == search('generated', *options)
    assert executions[0] * 20 < every
    assert ends[0] == merged('generated', *options)


def test_forgets():
    """With room for few states it says so, takes longer, and finds the same."""
    options = ('--program', 10, '--bound', 2, '--reduction', 'shared')
    truth, quick = search('generated', *options), executions[0]
    command = [SIM, 'generated', '--strategy', 'exhaustive', '--remember', '1000']
    said = subprocess.run([*command, *map(str, options)], cwd=ROOT, stderr=subprocess.PIPE,
                          text=True, check=True, timeout=600).stderr
    assert said.count('the table of states is full, 1000 of them') == 2  # at once, and in the end
    assert search('generated', '--remember', 1000, *options) == truth
    assert executions[0] > quick


@pytest.mark.parametrize('memory,program', [
    *(('sc', n) for n in range(12)), *((m, n) for m in ('tso', 'c11') for n in (0, 4, 6, 7, 8))])
def test_states(memory, program):
    """Every state at every point, two preemptions; which the test above has shown to be enough."""
    options = ('--program', program, '--bound', 2, '--memory', memory)
    assert search('generated', '--reduction', 'states', *options) == search('generated', *options)


@pytest.mark.parametrize('program', range(16))
def test_without_bound(program):
    """More preemptions find more traces, at most all; and random runs know none besides."""
    traces = [search('generated', '--program', program, '--bound', b)[0] for b in (0, 1, 2, 3)]
    every = search('generated', '--program', program, '--bound', 100, '--cross', 2000)[0]
    assert traces == sorted(traces) and traces[-1] <= every


CORE = ['words_three', 'words_irq', 'mutex_two', 'mutex_lend', 'handler_waits', 'soft_goes',
        'spl_raised', 'level_bare']


@pytest.mark.parametrize('scenario', CORE)
def test_core(scenario):
    """Scenarios of the core: random runs find no trace, and no end, that the search has not."""
    search(scenario, '--bound', 100, '--cross', 3000)
    by_traces = ends[0]
    assert merged(scenario, '--bound', 100, '--cross', 3000) == by_traces


@pytest.mark.parametrize('scenario', ['level_bare', 'spl_raised'])
def test_core_brute(scenario):
    """And what is left by every choice at every point, as long as that can be gone through."""
    searches(scenario, '--reduction', 'brute', '--bound', 0)
    assert ends[0] == merged(scenario, '--bound', 0)


# What takes longer by traces is compared for fewer preemptions.
PRIMS = {'callout': 3, 'condvar': 3, 'continue': 2, 'disestablish': 3, 'edge': 3, 'handoff': 3,
         'hwi': 3, 'join': 3, 'level': 3, 'level_away': 3, 'limit': 3, 'message': 1, 'migrate': 1,
         'mutex': 3, 'mutex_two': 3, 'rwlock': 3, 'rwlock_two': 2, 'setpri': 3, 'shared': 3,
         'sleepq': 3, 'soft_goes': 2, 'softint': 3, 'spin': 3, 'spl': 3, 'starved': 1, 'work': 2}


@pytest.mark.parametrize('scenario', PRIMS)
def test_primitive(scenario):
    """
    Each primitive with one interrupt, every state of up to three preemptions. And up to as many as
    that takes seconds only, all traces leave the same.
    """
    scenario, bound = 'prim_' + scenario, PRIMS[scenario]
    assert search(scenario, '--bound', bound)[0] >= 6
    by_traces = ends[0]
    assert merged(scenario, '--bound', bound) == by_traces
    if bound < 3:
        merged(scenario, '--bound', 3)


def test_primitive_long():
    """Those that take long for three: with fewer. tools/scenarios --prims has all of it."""
    merged('prim_turnstile', '--bound', 1)
    merged('mutex_irq', '--bound', 2)


@pytest.mark.parametrize('scenario,what', [
    ('race_plain', 'data race'), ('race_merged', 'data race'),
    ('round_for_ever', 'livelock (comes to the same state again and again)')])
def test_merged_fails(scenario, what):
    """What leaves the same memory is not the same, if one of the two races; and a circle no end."""
    done = subprocess.run([SIM, scenario, '--strategy', 'exhaustive', '--warm-up', '0',
                           '--no-shrink'], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False,
                          timeout=600)
    assert done.returncode == 0 and what in done.stdout, done.stdout


def test_words_three():
    """Three CPUs, eight accesses to two words: 37 ways to see them."""
    assert search('words_three', '--reduction', 'brute', '--bound', 100)[0] == 37
    assert search('words_three', '--bound', 100)[0] == 37
