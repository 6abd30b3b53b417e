# SPDX-License-Identifier: BSD-2-Clause
"""./ithaca bench: the form of what it leaves for programs, and the report that is made from it.
What the figures say is nobody's business here: tests are not for speed."""

import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

import harness

ROOT = pathlib.Path(harness.ROOT)
REPORT_NEEDS = ('tools/report', 'tools/charts.py', 'bench/measured.in', 'bench/measured.json',
                'bench/fastpath.baseline', 'docs/measured.md', 'docs/how-it-works.md')


def bench(*words, timeout=900):
    return subprocess.run([ROOT / 'ithaca', 'bench', *words], capture_output=True, text=True,
                          timeout=timeout, check=False, stdin=subprocess.DEVNULL)


def results(group):
    path = ROOT / f'build/bench/handoff-{group}.json'
    return [json.loads(line) for line in path.read_text(encoding='utf-8').splitlines()]


# ---- What ./ithaca bench leaves ----

@pytest.fixture(scope='module', name='measured')
def fixture_measured():
    """Groups of one CPU, of two, with values that are no samples, and with histograms."""
    groups = ('lock', 'path', 'spin', 'latency')
    for group in groups:
        (ROOT / f'build/bench/handoff-{group}.json').unlink(missing_ok=True)
    done = bench(*groups)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, {group: results(group) for group in groups}


def test_each_object_has_all_its_fields(measured):
    _, groups = measured
    for group, rows in groups.items():
        assert rows, group
        for row in rows:
            assert row['group'] in (group, 'calibration'), row
            assert row['model'] == 'handoff' and row['name'] and row['unit'], row
            assert row['cpus'] == (2 if group in ('spin', 'latency') else 1), row
            if 'count' in row:
                assert 0 <= row['from'] < row['below'] and row['count'] > 0, row
            else:
                assert row['min'] <= row['median'] <= row['p99'] <= row['max'], row
                assert row['n'] >= 1000, row


def test_counting_was_exact(measured):
    for rows in measured[1].values():
        first = [row for row in rows if row['group'] == 'calibration']
        assert [row['median'] for row in first] == [1.0]
        assert all(row['unit'] in ('instructions', 'a packet') for row in rows
                   if row['group'] != 'calibration')


def test_the_table_says_the_same(measured):
    table, groups = measured
    seen = 0
    for row in (row for rows in groups.values() for row in rows):
        if row['unit'] != 'instructions' or 'count' in row:
            continue
        numbers = ' +'.join(str(row[stat]) for stat in ('min', 'median', 'p99', 'max'))
        assert re.search(rf'^{re.escape(row["name"])} +{numbers}$', table, re.M), row
        seen += 1
    assert seen > 8
    assert '{' not in table


def test_a_histogram_has_every_sample_in_its_place(measured):
    rows = measured[1]['latency']
    figures = [row for row in rows if 'median' in row and row['group'] == 'latency']
    assert len(figures) == 4
    for figure in figures:
        buckets = [row for row in rows if row['name'] == figure['name'] and 'count' in row]
        assert sum(b['count'] for b in buckets) == figure['n']
        assert buckets[0]['from'] <= figure['min'] < buckets[0]['below']
        assert buckets[-1]['from'] <= figure['max'] < buckets[-1]['below']
        assert all(a['below'] <= b['from'] for a, b in zip(buckets, buckets[1:]))


@pytest.mark.parametrize('words, message', [
    (['fly'], 'ithaca bench: fly: must be one of intr lock'),
    (['--fly'], 'ithaca bench: --fly: no such option'),
    (['--model'], 'ithaca bench: --model: needs a name'),
    (['--model', 'fly'], 'ithaca bench: --model fly: must be one of handoff'),
    (['--report', 'lock'], 'ithaca bench: --report: goes alone'),
], ids=lambda value: value if isinstance(value, str) else '')
def test_a_wrong_word_is_named(words, message):
    done = bench(*words)
    assert done.returncode == 2 and message in done.stderr


def test_a_group_that_lacks_its_devices_says_so(boot):
    m = boot(cpus=1, edu=0)
    assert 'group spin: ENXIO' in m.error('bench spin')
    assert 'no edu device is free' in m.cmd('bench -j intr')
    assert 'fly: no such group' in m.error('bench fly')


# ---- The report ----

@pytest.fixture(name='tree')
def fixture_tree(tmp_path):
    """What tools/report --check reads, in a tree of its own."""
    for path in REPORT_NEEDS:
        os.makedirs(tmp_path / os.path.dirname(path), exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    shutil.copytree(ROOT / 'docs/charts', tmp_path / 'docs/charts')
    return tmp_path


def report(tree):
    return subprocess.run([tree / 'tools/report', '--check'], capture_output=True, text=True,
                          check=False, timeout=60)


def change(path, pattern, by):
    text = path.read_text(encoding='utf-8')
    new = re.sub(pattern, by, text, count=1, flags=re.M)
    assert new != text
    path.write_text(new, encoding='utf-8')


def test_page_charts_results_and_baseline_agree(tree):
    done = report(tree)
    assert done.returncode == 0 and done.stdout == '', done.stdout + done.stderr


@pytest.mark.parametrize('path, pattern, by, message', [
    ('docs/measured.md', r'^(\| raise to filter \| )\d+', r'\g<1>1',
     'docs/measured.md: not as bench/measured.in'),
    ('docs/how-it-works.md', r'(\| raise to filter \| )\d+', r'\g<1>1',
     'docs/how-it-works.md: not as bench/measured.in'),
    ('docs/how-it-works.md', r'^(\| leave \| .* \| )\d+', r'\g<1>1',
     'docs/how-it-works.md: not as bench/measured.in'),
    ('docs/how-it-works.md', r'^\| leave \| ', '| left | ',
     'docs/how-it-works.md: the steps of a divorce are interrupt, wait, leave,'),
    ('bench/fastpath.baseline', r'^divorce wait \d+', 'divorce wait 1',
     'docs/how-it-works.md: not as bench/measured.in'),
    ('bench/fastpath.baseline', r'^threaded whole \d+', 'threaded whole 1',
     'says 1 instructions for "threaded"'),
    ('bench/measured.json', r'^(.*"name":"raise to filter",.*"median":)\d+', r'\g<1>7',
     'docs/charts/steps.svg: drawn from other results'),
    ('bench/measured.in', r'^\{\{assert whole loss, direct handler <', '{{assert 100000 <',
     'it must be written anew'),
    ('bench/measured.in', r'\{\{raise to filter\}\}', '{{raise to nothing}}',
     'no result "raise to nothing"'),
    ('bench/measured.json', r'^\{', '(', 'bench/measured.json:1: not a JSON object'),
], ids=lambda value: value if value.startswith(('docs/', 'bench/')) else '')
def test_what_does_not_agree_is_named(tree, path, pattern, by, message):
    change(tree / path, pattern, by)
    done = report(tree)
    assert done.returncode != 0 and message in done.stdout + done.stderr


def test_a_chart_that_is_missing_is_named(tree):
    (tree / 'docs/charts/path.svg').unlink()
    done = report(tree)
    assert done.returncode == 1 and 'docs/charts/path.svg: not there' in done.stdout
