# SPDX-License-Identifier: BSD-2-Clause
"""
The exhaustive search of the simulator finds every trace.

Ground truth is the search that spares itself nothing. The programs are those of
tests/scenario/generated.c: even numbers have two or three CPUs (every fourth a mutex), odd ones an
interrupt besides. What is compared is the number of traces and the sum of their hashes.
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


def search(scenario, *options, status=0):
    """What it says in the end: the number of traces, and which they are."""
    done = subprocess.run([SIM, scenario, '--strategy', 'exhaustive', *map(str, options)], cwd=ROOT,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
                          timeout=600)
    assert done.returncode == status, done.stdout + done.stderr
    found = re.search(r'(\d+) executions.* (\d+) distinct traces, exhausted: every trace.*; '
                      r'\d+ states, set (\w+)', done.stderr.splitlines()[-1])
    assert found, done.stderr
    executions[0] = int(found.group(1))
    return int(found.group(2)), found.group(3)


@pytest.mark.parametrize('program', [0, 1, 2, 5, 10, 14])
def test_brute(program):
    """Every choice at every point, one preemption."""
    options = ('--program', program, '--bound', 1)
    truth = search('generated', '--reduction', 'brute', *options)
    assert truth == search('generated', '--reduction', 'states', *options)
    assert truth == search('generated', *options)
    assert truth[0] >= 3


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


def test_forgets():
    """With room for few states it says so, takes longer, and finds the same."""
    options = ('--program', 10, '--bound', 2)
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


@pytest.mark.parametrize('scenario', ['words_three', 'words_irq', 'mutex_two', 'mutex_lend',
                                      'handler_waits', 'soft_goes', 'spl_raised', 'level_bare'])
def test_core(scenario):
    """Scenarios of the core: random runs find no trace that the search has not."""
    search(scenario, '--bound', 100, '--cross', 3000)


@pytest.mark.parametrize('scenario', [
    'callout', 'condvar', 'continue', 'disestablish', 'edge', 'handoff', 'hwi', 'join', 'level',
    'level_away', 'limit', 'message', 'mutex', 'mutex_two', 'rwlock', 'rwlock_two', 'setpri',
    'shared', 'sleepq', 'soft_goes', 'softint', 'spin', 'spl', 'starved', 'work'])
def test_primitive(scenario):
    """Each primitive with one interrupt, every trace of up to three preemptions."""
    assert search('prim_' + scenario, '--bound', 3)[0] >= 6


def test_primitive_long():
    """Those that take long for three, with one or two. tools/scenarios --prims has all of it."""
    assert search('prim_turnstile', '--bound', 1)[0] >= 6
    assert search('prim_migrate', '--bound', 2)[0] >= 6


def test_words_three():
    """Three CPUs, eight accesses to two words: 37 ways to see them."""
    assert search('words_three', '--reduction', 'brute', '--bound', 100)[0] == 37
    assert search('words_three', '--bound', 100)[0] == 37
