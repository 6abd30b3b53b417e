# SPDX-License-Identifier: BSD-2-Clause
"""./ithaca bench --fastpath: what it shows adds up, and its baseline is kept.

The machine is run once. That the counts are those of the tree is a step of ./ithaca check build;
here it is looked at what is done with them.
"""

import json
import os
import re
import subprocess

import pytest

import harness

UPDATE = './ithaca bench --fastpath --update'


def fastpath(*words, **options):
    return subprocess.run([os.path.join(harness.ROOT, 'ithaca'), 'bench', '--fastpath', *words],
                          capture_output=True, text=True, timeout=600, check=False,
                          stdin=subprocess.DEVNULL, **options)


def counts_of(text):
    """{(path, step): n} of a baseline."""
    return {(path, step): int(n)
            for path, step, n in re.findall(r'^(\w+) (\w+) (-?\d+)$', text, re.M)}


@pytest.fixture(scope='module')
def shown(tmp_path_factory):
    """What it prints, and the baseline that it writes."""
    baseline = tmp_path_factory.mktemp('fastpath') / 'baseline'
    done = fastpath('--update', '--baseline', str(baseline), 'threaded', 'mutex')
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, baseline


def test_steps_add_up(shown):
    text, baseline = shown
    counts = counts_of(baseline.read_text())
    paths = {path for path, _ in counts}
    assert paths == {'mutex', 'spin', 'spl', 'callout', 'yield', 'direct', 'threaded', 'softint',
                     'line', 'divorce', 'accounted'}
    for path in paths:
        steps = {s: n for (p, s), n in counts.items() if p == path}
        assert steps.pop('whole') == sum(steps.values()) and min(steps.values()) > 0, path
    for path in ('threaded', 'line'):
        steps = [s for p, s in counts if p == path and s != 'queue']
        assert steps == ['entry', 'dispatch', 'filter', 'choose', 'handoff', 'begin', 'handler',
                         'end', 'return', 'exit', 'whole']
    assert ('line', 'queue') in counts and ('direct', 'handoff') not in counts
    assert counts['direct', 'whole'] < counts['threaded', 'whole'] < counts['accounted', 'whole']
    assert counts['threaded', 'whole'] < counts['line', 'whole'] < counts['divorce', 'whole']
    for (path, step), n in counts.items():
        assert re.search(rf'^{path}: .*\n(?:    .*\n)*?    {step} +{n}$', text, re.M), (path, step)


def test_the_way_is_shown_instruction_by_instruction(shown):
    text, baseline = shown
    counts = counts_of(baseline.read_text())
    ways = re.split(r'^(\w+): .*, instruction by instruction\n', text, flags=re.M)
    ways = dict(zip(ways[1::2], ways[2::2]))
    assert list(ways) == ['threaded', 'mutex']
    way = ways['threaded']
    seen, step = {}, None
    for line in way.splitlines():
        if m := re.match(r'(\w+): (?:\d+ of )?\d+, in \w+\(\)$', line):
            step = m[1]
        elif line.startswith('  ffffffff'):
            seen[step] = seen.get(step, 0) + 1
    whole = counts['threaded', 'whole']
    assert sum(seen.values()) == whole
    assert all(counts['threaded', step] == n for step, n in seen.items())
    lines = [line for line in way.splitlines() if line.startswith('  ')]
    assert ' push %rdi' in lines[0] and lines[-1].endswith(' iretq')
    headings = re.findall(r'^(\w+): (?:\d+ of )?\d+, in (\w+)\(\)$', way, re.M)
    assert {'intr_dispatch', 'path_filter', 'port_handoff', 'path_thread'} <= \
        {function for _, function in headings}
    order = [step for step, _ in headings]
    assert order.index('filter') < order.index('choose') < order.index('handoff') < \
        order.index('handler') < order.index('end') < order.index('return')


def test_counts_are_left_for_programs(shown):
    _, baseline = shown
    path = os.path.join(harness.ROOT, 'build/bench/handoff-fastpath.json')
    with open(path, encoding='ascii') as f:
        figures = [json.loads(line) for line in f]
    assert {(f['group'], f['unit']) for f in figures} == {('fastpath', 'instructions')}
    assert {tuple(f['name'].split()): f['median'] for f in figures} == \
        counts_of(baseline.read_text())


@pytest.mark.parametrize('change, message', [
    (lambda n: n - 1, 'grew from {0} to {1} instructions'),
    (lambda n: n + 7, 'fell from {0} to {1} instructions'),
], ids=['grown', 'shrunk'])
def test_a_step_that_changed_is_named(shown, tmp_path, change, message):
    _, now = shown
    count = counts_of(now.read_text())['threaded', 'handoff']
    before = tmp_path / 'before'
    before.write_text(now.read_text().replace(f'threaded handoff {count}\n',
                                              f'threaded handoff {change(count)}\n'))
    done = fastpath('--check', '--baseline', str(before), '--counts', str(now))
    assert done.returncode == 1, done.stderr
    assert 'fastpath: threaded, step handoff: ' + message.format(change(count), count) \
        in done.stdout.splitlines()
    assert UPDATE in done.stdout and done.stdout.count(', step ') == 1


def test_a_step_that_came_or_went_is_named(shown, tmp_path):
    _, now = shown
    before = tmp_path / 'before'
    before.write_text(re.sub(r'threaded choose \d+', 'threaded ponder 3', now.read_text()))
    done = fastpath('--check', '--baseline', str(before), '--counts', str(now))
    assert done.returncode == 1
    assert 'threaded, step choose: grew from 0 to ' in done.stdout
    assert 'threaded, step ponder: fell from 3 to 0 instructions' in done.stdout


def test_what_did_not_change_passes(shown):
    _, now = shown
    done = fastpath('--check', '--baseline', str(now), '--counts', str(now))
    assert done.returncode == 0 and 'counts as in the baseline' in done.stdout


def test_another_compiler_is_skipped(shown, tmp_path):
    _, now = shown
    before = tmp_path / 'before'
    before.write_text(re.sub(r'^compiler .*', 'compiler gcc 3.4.6', now.read_text(), flags=re.M))
    done = fastpath('--check', '--baseline', str(before))
    assert done.returncode == 77
    assert 'fastpath: skipped: the baseline is of gcc 3.4.6, this is gcc ' in done.stdout


@pytest.mark.parametrize('words, status, message', [
    (['fly'], 2, 'fly: no such path; the paths are nothing, mutex, spin,'),
    (['--update', '--check'], 2, '--update: cannot go with --check'),
    (['--counts', '/nonexistent'], 2, '--counts: goes with --check'),
    (['--check', '--baseline', '/nonexistent'], 4, '/nonexistent: No such file or directory'),
    (['--check', '--baseline', '/etc/passwd'], 4, '/etc/passwd:1: neither PATH STEP COUNT nor'),
    (['--check', '--baseline', '/dev/null'], 4, '/dev/null: names no compiler'),
    (['--kernel', '/nonexistent'], 4, '/nonexistent'),
], ids=lambda value: '')
def test_a_wrong_word_is_named(words, status, message):
    done = fastpath(*words)
    assert (done.returncode, done.stdout) == (status, '') and message in done.stderr
    assert 'Traceback' not in done.stderr
