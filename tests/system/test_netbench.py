# SPDX-License-Identifier: BSD-2-Clause
"""What the network is measured with: the gauge on our side, the process on Linux's. What the
figures say is nobody's business here."""

import os
import re
import shutil
import subprocess

import harness


def test_the_process_compiles(tmp_path):
    done = subprocess.run(
        ['gcc', '-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-static', '-o',
         str(tmp_path / 'echo'), os.path.join(harness.ROOT, 'bench', 'linux', 'net', 'echo.c')],
        capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


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
                '{{have linux: raise to filter}}\nYes.\n{{end}}\n')
    with open(tmp_path / 'docs' / 'measured.md', 'a', encoding='utf-8') as f:
        f.write('\nYes.\n')
    done = subprocess.run([tmp_path / 'tools' / 'report', '--check'], capture_output=True,
                          text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
