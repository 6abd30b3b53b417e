# SPDX-License-Identifier: BSD-2-Clause
"""./ithaca bench --peers, as far as it goes without a network: its words, its table, and what it
says when Linux is not to be had. Nothing is downloaded and no machine is booted here."""

import json
import os
import re
import shutil
import subprocess
import tempfile

import pytest

import harness

ITHACA = os.path.join(harness.ROOT, 'ithaca')
LINUX = os.path.join(harness.ROOT, 'bench', 'linux')


def peers(*words, **options):
    options.setdefault('stdin', subprocess.DEVNULL)
    return subprocess.run([ITHACA, 'bench', '--peers', *words], capture_output=True, text=True,
                          timeout=120, check=False, **options)


# ---- words ----

@pytest.mark.parametrize('words, message', [
    (['--fly'], '--fly: no such option; see ./ithaca bench --peers --help'),
    (['bsd'], 'bsd: must be one of linux linux-off linux-lean linux-rt linux-rt-lean, or'),
    (['linux', '-x'], '-x: no such option'),
    (['--again', '--table'], '--table: goes with files only'),
    (['linux-rt', '--table', '/dev/null'], '--table: goes with files only'),
    (['--table', '/nonexistent'], '--table: /nonexistent: cannot read that file'),
], ids=lambda value: value if isinstance(value, str) else '')
def test_a_wrong_word_is_named(words, message):
    done = peers(*words)
    assert f'ithaca bench --peers: {message}' in done.stderr
    assert done.returncode == 2 and done.stdout == ''


def test_help_names_every_machine():
    done = peers('--help')
    assert done.returncode == 0 and done.stderr == ''
    for machine in ('linux', 'linux-off', 'linux-lean', 'linux-rt', 'linux-rt-lean'):
        assert re.search(rf'^ +{machine} +\w', done.stdout, re.M), machine


# ---- the table ----

def figure(model, group, name, median, unit='instructions'):
    return json.dumps({'group': group, 'name': name, 'model': model, 'cpus': 1, 'unit': unit,
                       'n': 1000, 'min': 1, 'median': median, 'p99': 9999, 'max': 99999},
                      separators=(',', ':'))


A_PACKET = 'UDP echo, 64 at once, all instructions a packet'
SAMPLE = [
    figure('handoff', 'intr', 'whole loss, threaded handler (acct)', 200),
    figure('handoff', 'intr', 'whole loss, threaded handler', 160),
    figure('handoff', 'callout', 'callout, arm one that is armed', 14),
    figure('handoff', 'rate', 'threaded interrupts a second and CPU, of 1', 400000, '1/s'),
    figure('handoff', 'rate', 'threaded interrupts a second and CPU, of 1', 500000, '1/s'),
    figure('handoff', 'rate', 'threaded rate by direct rate, CPUs at once: 1', 904, 'permille'),
    figure('linux', 'intr', 'whole loss, threaded handler', 5000),
    figure('linux-off', 'intr', 'whole loss, threaded handler', 4800),
    figure('linux-lean', 'intr', 'whole loss, threaded handler', 4000),
    figure('linux-rt', 'intr', 'whole loss, threaded handler', 5500),
    figure('linux-lean', 'user', 'process: whole loss, threaded handler', 4800),
    figure('linux', 'callout', 'callout, arm one that is armed', 21),
    figure('linux', 'callout', 'hrtimer, arm one that is armed', 35),
    figure('linux', 'rate', 'threaded interrupts a second and CPU, of 1', 100000, '1/s'),
    figure('linux', 'rate', 'threaded rate by direct rate, CPUs at once: 1', 250, 'permille'),
    figure('linux', 'calibration', 'loop of 200000 instructions', 200004, 'ticks'),
    figure('linux', 'nobody', 'knows this one', 7),
    'Linux may say this between them',
    figure('handoff', 'net', 'igb, 2 queues: UDP echo, datagrams a second', 60000, '1/s'),
    figure('handoff', 'net', f'igb, 2 queues: {A_PACKET}', 2900),
    figure('linux', 'net', 'igb, 2 queues: UDP echo, datagrams a second', 20000, '1/s'),
    figure('linux', 'net', 'igb, 2 queues: UDP echo, datagrams a second', 15000, '1/s'),
    figure('linux', 'net', f'igb, 2 queues: {A_PACKET}', 11600),
]


def rows(text):
    """The table's lines, as their first word group and the list of their columns."""
    return {m.group(1): m.group(2).split()
            for m in re.finditer(r'^ *(\S.*?)  +([-\d][-.\d ]*)$', text, re.M)}


@pytest.fixture(name='table')
def made_table(tmp_path):
    ours, theirs = tmp_path / 'ours.json', tmp_path / 'theirs.json'
    ours.write_text('\n'.join(SAMPLE[:6]) + '\n', encoding='ascii')
    theirs.write_text('\n'.join(SAMPLE[6:]) + '\n', encoding='ascii')
    done = peers('--table', str(ours), str(theirs))
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_table_lays_ours_beside_theirs(table):
    # Shipped, lean; default, off, lean, rt, rt-lean; ratios to default, lean, rt.
    assert rows(table)['whole loss, threaded handler'] == \
        ['200', '160', '5000', '4800', '4000', '5500', '-', '25.0', '25.0', '27.5']


def test_a_process_is_set_against_our_kernel(table):
    assert rows(table)['process: whole loss, threaded handler'] == \
        ['200', '160', '-', '-', '4800', '-', '-', '-', '30.0', '-']


def test_one_of_ours_may_stand_beside_two_of_theirs(table):
    found = rows(table)
    assert found['arm one that is armed'] == \
        ['14', '14', '21', '-', '-', '-', '-', '1.5', '-', '-']
    assert found['(hrtimer)'] == \
        ['14', '14', '35', '-', '-', '-', '-', '2.5', '-', '-']


def test_of_rates_the_better_counts_and_the_ratio_is_ours(table):
    found = rows(table)
    assert found['threaded handler'] == \
        ['500000', '100000', '-', '-', '-', '-', '5.0', '-', '-']
    assert found['threaded, in percent of direct'] == \
        ['90', '25', '-', '-', '-', '-', '3.6', '-', '-']


def test_queues_have_a_line_for_each_number(table):
    found = rows(table)
    assert found['2: UDP echo, a packet'] == \
        ['2900', '2900', '11600', '-', '-', '-', '-', '4.0', '-', '-']
    assert found['2: UDP echo, datagrams a second'] == \
        ['60000', '20000', '-', '-', '-', '-', '3.0', '-', '-']
    assert '4: UDP echo, a packet' not in table


def test_what_nobody_measured_has_no_line(table):
    assert 'mutex, tried' not in table and 'knows this one' not in table
    assert 'what is put off' not in table  # nor a heading over nothing
    assert 'ticks of a loop of 200000 instructions, linux: 200004' in table


def test_files_are_those_of_the_caller_s_directory(tmp_path):
    (tmp_path / 'mine.json').write_text('\n'.join(SAMPLE) + '\n', encoding='ascii')
    done = peers('--table', 'mine.json', cwd=tmp_path)
    assert done.returncode == 0 and 'whole loss, threaded handler' in done.stdout


def test_files_without_a_result_are_an_error(tmp_path):
    (tmp_path / 'empty').write_text('nothing\n', encoding='ascii')
    done = peers('--table', str(tmp_path / 'empty'))
    assert done.returncode == 4 and 'no result in these files' in done.stderr


# ---- Linux that is not to be had ----

STUBS = {
    'qemu-system-x86_64': 'echo "QEMU emulator version 10.0.2"',
    'gcc': 'exit 1',
    'make': 'exit 1',
    'dpkg': 'echo amd64',
    'dpkg-deb': 'exit 1',
    'dpkg-query': 'for p; do printf "installed:%s " "$p"; done',
    'apt-get': 'echo "E: the network is down" >&2; exit 100',
}
KNOWS_OLD = 'echo "linux-image-amd64 | 6.1.176-1 | http://deb.example bookworm/main"'
KNOWS_NEW = '''case $1 in
madison) echo " linux-image-amd64 | 6.12.95-1~bpo12+1 | http://deb.example backports/main"
	echo " linux-image-amd64 | 6.1.176-1 | http://deb.example bookworm/main" ;;
show) echo "Depends: linux-image-6.12.95+deb12-amd64 (= 6.12.95-1~bpo12+1)" ;;
esac'''


@pytest.fixture(name='tree')
def bare_tree():
    """A function that makes a copy of the tools, with a path of programs in which apt knows what
    it is told to know and nothing can be downloaded; what run needs is said to be installed."""
    tops = []

    def make(apt_cache, name='tree', **stubs):
        outer = tempfile.mkdtemp(prefix='ithaca.')
        tops.append(outer)
        os.chmod(outer, 0o755)
        top = os.path.join(outer, name)
        programs = os.path.join(top, 'bin')
        os.makedirs(programs)
        shutil.copytree(os.path.join(harness.ROOT, 'tools'), os.path.join(top, 'tools'))
        os.rename(os.path.join(top, 'tools', 'setup'), os.path.join(top, 'tools', 'setup.real'))
        stubs = {**STUBS, 'apt-cache': apt_cache, **stubs}
        stubs['../tools/setup'] = '[ "$1" = run ] || exec tools/setup.real "$@"'
        stubs['../tools/lwip'] = stubs['../tools/web'] = 'exit 0'  # is there
        for name, text in stubs.items():
            path = os.path.join(programs, name)
            with open(path, 'w', encoding='ascii') as f:
                f.write(f'#!/bin/sh\n{text}\n')
            os.chmod(path, 0o755)
        for name in ('sh', 'awk', 'cat', 'cksum', 'dirname', 'env', 'grep', 'head', 'id', 'mkdir',
                     'mv', 'rm', 'sed', 'sort', 'tail', 'tee', 'tr'):
            os.symlink(shutil.which(name), os.path.join(programs, name))
        return top
    yield make
    for top in tops:
        shutil.rmtree(top)


def run_in(tree, **options):
    return subprocess.run([os.path.join(tree, 'tools', 'peers')], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=60, check=False,
                          env={'PATH': os.path.join(tree, 'bin')}, **options)


def as_nobody():
    """For preexec_fn: give up being root, if that is what runs the tests."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)


def test_a_download_that_fails_is_named(tree):
    top = tree(KNOWS_NEW)
    done = run_in(top)
    assert done.returncode == 4 and done.stdout == ''
    assert 'downloading linux-image-6.12.95+deb12-amd64 (6.12.95-1~bpo12+1)' in done.stderr
    assert 'E: the network is down' in done.stderr
    assert 'downloading linux-image-6.12.95+deb12-amd64 failed; the whole is in ' in done.stderr
    assert not os.path.exists(os.path.join(top, 'build', 'peers', 'release'))


def test_a_package_that_is_none_is_named(tree):
    done = run_in(tree(KNOWS_NEW, **{'apt-get': 'echo rubbish >linux-image_1_amd64.deb'}))
    assert done.returncode == 4
    assert 'no ./boot/vmlinuz-6.12.95+deb12-amd64 in ' in done.stderr


def test_a_suite_that_is_missing_is_named(tree):
    done = run_in(tree(KNOWS_OLD), preexec_fn=as_nobody)
    assert done.returncode == 4
    assert 'apt knows no Linux 6.12, and there is neither root nor sudo' in done.stderr


def test_a_machine_of_another_kind_is_named(tree):
    done = run_in(tree(KNOWS_NEW, dpkg='echo arm64'))
    assert done.returncode == 4
    assert "Debian's packages for amd64; this machine's are for arm64" in done.stderr


def test_a_path_that_linux_refuses_is_named(tree):
    done = run_in(tree(KNOWS_NEW, name='two words'))
    assert done.returncode == 4
    assert 'two words: Linux\'s modules cannot be built below a path with a blank' in done.stderr


# ---- what the machines are made of ----

def test_the_process_compiles(tmp_path):
    done = subprocess.run(['gcc', '-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-static',
                           '-o', str(tmp_path / 'init'), os.path.join(LINUX, 'init.c')],
                          capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_every_part_is_in_the_module():
    with open(os.path.join(LINUX, 'Kbuild'), encoding='ascii') as f:
        listed = set(re.findall(r'(\w+)\.o', f.read())) - {'ithaca_peer'}
    there = {name[:-2] for name in os.listdir(LINUX) if name.endswith('.c')} - {'init'}
    assert listed == there


ONLY_OURS = {'callout, fire to function', 'callout, fire, whole loss'}
ONLY_THEIRS = {'raise to work', 'whole loss, filter and work', 'hrtimer, arm and stop',
               'hrtimer, arm one that is armed',
               'hrtimer, fire to function', 'hrtimer, fire, whole loss'}


def sources(folder):
    text = ''
    for name in sorted(os.listdir(os.path.join(harness.ROOT, folder))):
        if name.endswith('.c'):
            with open(os.path.join(harness.ROOT, folder, name), encoding='ascii') as f:
                text += f.read()
    return text


def test_figures_bear_the_names_that_the_table_looks_for():
    """Both sides print each of them, but for those that only one side has."""
    with open(os.path.join(harness.ROOT, 'tools', 'peers.awk'), encoding='ascii') as f:
        text = f.read()
    wanted = set(re.findall(r'"(?:intr|lock|sched|work|callout)/([^"]{6,})"', text)) | \
        set(re.findall(r'\tintr\("([^"]+)"', text)) | \
        {'process: ' + name for name in re.findall(r'\tuser\("([^"]+)"', text)} | \
        set(re.findall(r'\trate_row\("[^"]+", "([^"]+)"', text))
    wanted = {re.sub(r'(, 10 others armed|1)$', '', name) for name in wanted}
    ours, theirs = sources('bench'), sources('bench/linux')
    assert len(wanted) > 30
    assert {name for name in wanted if f'"{name}' not in theirs} == ONLY_OURS
    assert {name for name in wanted if f'"{name.removeprefix("process: ")}' not in ours} == \
        ONLY_THEIRS
