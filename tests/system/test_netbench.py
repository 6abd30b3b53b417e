# SPDX-License-Identifier: BSD-2-Clause
"""What the network is measured with: the gauge on our side, the process on Linux's. What the
figures say is nobody's business here."""

import glob
import json
import os
import re
import shutil
import subprocess
import tempfile

import harness


def test_the_process_compiles(tmp_path):
    done = subprocess.run(
        ['gcc', '-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-static', '-o',
         str(tmp_path / 'echo'),
         *glob.glob(os.path.join(harness.ROOT, 'bench', 'linux', 'net', '*.c'))],
        capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


# ---- by queues, beside Linux ----

def figure(model, name, median, unit='1/s', group='net'):
    return {'group': group, 'name': name, 'model': model, 'cpus': 1, 'unit': unit, 'n': 1,
            'min': median, 'median': median, 'p99': median, 'max': median}


SHOW = """
import importlib.machinery, importlib.util, sys
loader = importlib.machinery.SourceFileLoader('report', 'tools/report')
report = importlib.util.module_from_spec(importlib.util.spec_from_loader('report', loader))
loader.exec_module(report)
results = report.Results(report.read_results(sys.argv[1]))
print(report.table_queue_rates(results, {}))
print(report.table_queue_counts(results, {}))
print(report.table_no_queues(results, {}))
"""


def tables(folder, rows):
    """What the report makes of these results of a run beside Linux."""
    (folder / 'peers.json').write_text(''.join(json.dumps(r) + '\n' for r in rows),
                                       encoding='ascii')
    done = subprocess.run(['/usr/bin/python3', '-B', '-c', SHOW, folder], cwd=harness.ROOT,
                          capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_report_lays_ours_by_queues_beside_linux(tmp_path):
    rows = []
    for model, rate in (('handoff', 80000), ('linux', 20000)):
        for n, name in ((1, '1 queue'), (2, '2 queues'), (4, '4 queues'), (8, '8 queues')):
            rows.append(figure(model, f'igb, {name}: UDP echo, datagrams a second', rate + n))
            # The second time it was disturbed.
            rows.append(figure(model, f'igb, {name}: UDP echo, datagrams a second', n))
            if n < 8:       # not complete: no row
                rows.append(figure(model, f'igb, {name}: TCP echo, KiB a second', 5))
            rows.append(figure(model, f'igb, {name}: TCP echo, all instructions a KiB',
                               rate / 10 + n, 'instructions'))
    text = tables(tmp_path, rows)
    for row in ('UDP echo, datagrams a second | ours | 80,001 | 80,002 | 80,004 | 80,008 |',
                'UDP echo, datagrams a second | Linux | 20,001 | 20,002 | 20,004 | 20,008 |',
                'instructions a KiB of TCP | ours | 8,001 | 8,002 | 8,004 | 8,008 |',
                'instructions a KiB of TCP | Linux | 2,001 | 2,002 | 2,004 | 2,008 |'):
        assert f'\n| igb | {row}\n' in text
    assert 'TCP echo, KiB' not in text and 'virtio' not in text


def test_where_there_can_be_no_namespace_that_is_what_is_left(tmp_path):
    """As nobody: nothing is booted, the run goes on, and the report can say why."""
    outer = tempfile.mkdtemp(prefix='ithaca.')
    try:
        os.chmod(outer, 0o777)
        shutil.copy(os.path.join(harness.ROOT, 'tools', 'netbench'), outer)
        os.chmod(os.path.join(outer, 'netbench'), 0o755)
        done = subprocess.run(
            ['/usr/bin/python3', '-B', 'netbench', '--beside', 'no kernel', 'no image',
             'no archive', 'linux', 'left.json', ''], cwd=outer, capture_output=True, text=True,
            timeout=120, check=False, preexec_fn=as_nobody)
        assert done.returncode == 0, done.stderr
        assert 'netbench: queues are not measured: that wants root' in done.stderr
        with open(os.path.join(outer, 'left.json'), encoding='ascii') as f:
            left = [json.loads(line) for line in f]
    finally:
        shutil.rmtree(outer)
    text = tables(tmp_path, [figure('linux', 'raise to filter', 1, 'instructions'), *left])
    assert 'was not measured for this page: that wants root, /dev/net/tun and the program ip.' \
        in text


def as_nobody():
    """For preexec_fn: give up being root, if that is what runs the tests."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)


# ---- the gauge ----

READING = re.compile(r'(\d+) of (\d+) ticks were the gauge\'s, the others\' (\d+)')


def test_the_gauge_has_what_nobody_else_wants(boot):
    """Under -icount, all in one line, for between two lines the clock runs on: who burns takes it
    from the gauge, and when nobody does, the gauge has nearly all."""
    m = boot(cpus=1, mode='icount')
    assert 'error: gauge: it is off' in m.cmd('gauge')
    m.ok('gauge on')
    assert 'error: gauge: it is on' in m.cmd('gauge on')
    text = m.ok('gauge; load 1 1; gauge; sleep 0.25; gauge')
    before, burnt, after = [[int(n) for n in found] for found in READING.findall(text)]
    own, _, others = [b - a for a, b in zip(before, burnt)]
    assert others >= 900 * 10**6 and 0 <= own < 200 * 10**6
    own, _, others = [b - a for a, b in zip(burnt, after)]
    assert own >= 200 * 10**6 and 0 <= others < 50 * 10**6
    m.ok('gauge off')
    assert 'error: gauge: it is off' in m.cmd('gauge')
    assert m.poweroff() == 0


def test_a_section_of_the_report_stands_only_if_its_figure_was_measured(tmp_path):
    for name in ('tools/report', 'tools/charts.py', 'bench/measured.in', 'bench/measured.json',
                 'bench/fastpath.baseline', 'docs/measured.md', 'docs/how-it-works.md'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(os.path.join(harness.ROOT, name), tmp_path / name)
    shutil.copytree(os.path.join(harness.ROOT, 'docs', 'charts'), tmp_path / 'docs' / 'charts')
    with open(tmp_path / 'bench' / 'measured.in', 'a', encoding='utf-8') as f:
        f.write('\n{{have raise to the moon}}\nNo.\n{{end}}\n'
                '{{have linux: raise to filter}}\nYes.\n{{end}}\n'
                '{{lacks linux: raise to filter}}\nNor this.\n{{end}}\n'
                '{{lacks raise to the moon}}\nNot yet.\n{{end}}\n')
    with open(tmp_path / 'docs' / 'measured.md', 'a', encoding='utf-8') as f:
        f.write('\nYes. Not yet.\n')
    done = subprocess.run([tmp_path / 'tools' / 'report', '--check'], capture_output=True,
                          text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
