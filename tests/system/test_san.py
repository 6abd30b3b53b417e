# SPDX-License-Identifier: BSD-2-Clause
"""The kernel with sanitizers: every mistake that `san` makes is told, with its place; nothing else
in the system is found wrong, under load, in divorces, while lwps and CPUs come and go."""

import os
import re
import subprocess

import pytest

import harness

# What is said of each mistake; {f} stands for the function that makes it.
UNDEFINED = {
    'shift': r"shift: 1 by 35 in 'int': the shift is too wide",
    'overflow': r"overflow: 2147483647 \+ 1 in 'int'",
    'multiply': r"overflow: -2147483648 \* -1 in 'int'",
    'index': r"index: 4 of an array of type 'int *\[4\]'",
    'align': r"alignment: read at 0x[0-9a-f]+ of type '(const )?int', which needs 4",
    'null': r"null: member access through a null pointer to '(const )?struct shell_cmd'",
    'bool': r"value: 2 is none of type '[a-z ]*_?[Bb]ool'",
}
BAD_ACCESS = {
    'heap': r'past the end of an object: read of 1 byte at 0x[0-9a-f]+ in {f}\+',
    'large': r'past the end of an object: read of 1 byte at 0x[0-9a-f]+ in {f}\+',
    'freed': r'object after it was freed: read of 1 byte at 0x[0-9a-f]+ in {f}\+',
    'twice': r'object freed twice: 0x[0-9a-f]+ of 100 bytes in {f}\+',
    'copy': r'past the end of an object: read of 104 bytes at 0x[0-9a-f]+ in {f}\+',
    'text': r'past the end of an object: read of 1\d\d bytes at 0x[0-9a-f]+ in {f}\+',
    'global': r'past a variable: read of 1 byte at 0x[0-9a-f]+ in {f}\+',
    'page': r'free page: read of 1 byte at 0x[0-9a-f]+ in {f}\+',
    'stack': r'past a variable of a frame: read of 1 byte at 0x[0-9a-f]+ in {f}\+',
    'scope': r'variable out of scope: read of 4 bytes at 0x[0-9a-f]+ in {f}\+',
    'gone': r'stack of an lwp that is gone: read of 1 byte at 0x[0-9a-f]+ in {f}\+',
}
# What else a report has: whose memory it was.
OWNER = {
    'heap': r'byte 100 of the object 0x[0-9a-f]+, class of 128 bytes, in use\n'
            r'  asked for in {f}\+',
    'large': r'byte 8192 of the object 0x[0-9a-f]+, pages of 16384 bytes, in use',
    'freed': r'class of 128 bytes, freed\n  asked for in {f}\+.*\n  freed in {f}\+',
    'twice': r'class of 128 bytes, freed\n  asked for in {f}\+.*\n  freed in {f}\+',
    'text': r'byte 100 of the object 0x[0-9a-f]+, class of 128 bytes, in use',
    'global': r'byte 100 of the variable (way_global\.)?table of sys/app/cmd_san\.c, which has 100',
    'stack': r'of the frame of {f}\+.*\n(    .*\n)*?    \d+ to \d+: array',
    'scope': r'of the frame of {f}\+.*\n(    .*\n)*?    \d+ to \d+: inner',
    'gone': r'in a stack that is not this lwp',
}


@pytest.fixture
def boot(steady):
    return steady


def build(compiler):
    made = subprocess.run(['make', '--no-print-directory', '-j2', 'SAN=all', f'CC={compiler}',
                           'kernel'], cwd=harness.ROOT, capture_output=True, text=True,
                          check=False)
    if made.returncode != 0:
        pytest.fail('the kernel with sanitizers does not build:\n' + made.stdout + made.stderr,
                    pytrace=False)
    name = 'x86_64-clang-san' if compiler == 'clang' else 'x86_64-san'
    return os.path.join(harness.ROOT, 'build', name, 'ithaca.elf')


@pytest.fixture(scope='module')
def san():
    return build('gcc')


@pytest.fixture(scope='module', params=['gcc', 'clang'])
def each_san(request):
    """The kernel of either compiler."""
    return build(request.param)


def reports(m):
    return m.sysctl('debug.ubsan_reports'), m.sysctl('debug.kasan_reports')


def told(text, patterns, way):
    assert re.search(patterns[way].replace('{f}', f'way_{way}'), text, re.M), f'{way}:\n{text}'


def test_every_mistake_is_told_once(boot, each_san):
    m = boot(cpus=2, kernel=each_san)
    m.set_sysctl('debug.ubsan', 1)
    m.set_sysctl('debug.kasan', 1)
    ways = {row['way']: row['finder'] for row in m.table('san')}
    assert {w for w, f in ways.items() if f == 'ubsan'} == set(UNDEFINED)
    assert {w for w, f in ways.items() if f == 'kasan'} == set(BAD_ACCESS)
    for n, way in enumerate(UNDEFINED, 1):
        text = m.ok(f'san {way}')
        told(text, {way: '^undefined: ' + UNDEFINED[way] +
                    r' at sys/app/cmd_san\.c:\d+:\d+, lwp shell$'}, way)
        assert reports(m) == (n, 0), way
    for n, way in enumerate(BAD_ACCESS, 1):
        text = m.ok(f'san {way}')
        told(text, BAD_ACCESS, way)
        if way in OWNER:
            told(text, OWNER, way)
        assert re.search(r'^   >[0-9a-f]{16}:.*\*[0-9a-f]{2}', text, re.M), text
        assert re.search(r'lwp \d+ "shell" at level none', text), text
        assert re.search(rf'^    [0-9a-f]{{16}} way_{way}\+', text, re.M), text
        assert reports(m) == (len(UNDEFINED), n), way
    # A place speaks once, and is counted again; the system is none the worse for any of it.
    assert 'undefined' not in m.ok('san shift')
    assert reports(m) == (len(UNDEFINED) + 1, len(BAD_ACCESS))
    m.ok('edu raise 1000')
    assert reports(m) == (len(UNDEFINED) + 1, len(BAD_ACCESS))
    assert m.poweroff() == 0


@pytest.mark.parametrize('way, pattern', [
    ('overflow', 'undefined: ' + UNDEFINED['overflow'] + r' at sys/app/cmd_san\.c:\d+:\d+, '
                 'lwp shell'),
    ('freed', 'kasan: ' + BAD_ACCESS['freed']),
])
def test_what_is_found_is_the_end(boot, san, way, pattern):
    m = boot(cpus=2, kernel=san)
    m.send(f'san {way}\r')
    text, _ = m.expect('locks waited for', panic_ok=True)
    assert m.wait_end(panic_ok=True) == 3
    told(text, {way: 'panic: ' + pattern}, way)
    assert re.search(r'^cpu \d, lwp \d+ "shell" at level none', text, re.M)
    assert re.search(rf'^    [0-9a-f]{{16}} way_{way}\+', text, re.M)


def test_mistakes_can_be_counted_only(boot, san):
    m = boot(cpus=1, kernel=san)
    m.set_sysctl('debug.ubsan', 0)
    m.set_sysctl('debug.kasan', 0)
    for way in list(UNDEFINED) + list(BAD_ACCESS):
        assert m.ok(f'san {way}') == f'san: {way} was done'
    assert reports(m) == (len(UNDEFINED), len(BAD_ACCESS))
    assert 'must be' in m.error('sysctl debug.kasan=3')
    assert m.poweroff() == 0


def test_nothing_is_found_in_the_system(boot, san):
    m = boot(cpus=4, kernel=san)
    m.ok('edu raise 10000')
    for mode in ('thread', 'manual', 'block', 'again 3'):
        m.ok(f'edu mode {mode}')
        m.ok('edu raise 200')
    divorces = m.sysctl('hw.intr.divorces')
    m.ok('edu mode sleep 2')
    m.ok('edu raise 50')
    # Not each time: when a host has left its CPU standing, the time to sleep may be over already.
    assert m.sysctl('hw.intr.divorces') > divorces + 10
    m.ok('edu mode both')
    for n in (40, 8, 20, 8):
        m.cmd(f'sysctl hw.intr.threads={n}')
    for _ in range(3):
        m.ok('edu detach')
        m.ok('edu attach intx')
        m.ok('edu raise 20')
    m.ok('edu detach')
    m.ok('edu attach msi')
    m.ok('stress 5')
    assert reports(m) == (0, 0)
    assert m.poweroff() == 0


def test_memory_that_is_held_back_comes_back(boot, san):
    """Freed objects are kept for a while, and yet everything that was free is free again."""
    m = boot(cpus=2, kernel=san)
    m.ok('edu detach')
    m.ok('edu attach msi')
    m.ok('edu detach')
    names = ('mem.objects', 'mem.object_bytes', 'mem.stacks')
    before = [m.sysctl(n) for n in names]
    for _ in range(20):
        m.ok('edu attach msi')
        m.ok('edu detach')
    assert [m.sysctl(n) for n in names] == before
    assert m.poweroff() == 0


def test_shadow_takes_an_eighth(boot, san):
    m = boot(cpus=1, mem=1024, kernel=san)
    free, total = m.sysctl('mem.free'), m.sysctl('mem.total')
    assert 0.85 < free / total < 0.875
    assert m.poweroff() == 0


def test_a_kernel_without_sanitizers_makes_no_mistake(boot, kernel):
    if 'san' in os.path.basename(os.path.dirname(kernel)):
        pytest.skip('ITHACA_KERNEL has sanitizers')
    m = boot(cpus=1)
    assert {row['built'] for row in m.table('san')} == {'no'}
    for way in list(UNDEFINED) + list(BAD_ACCESS):
        assert './ithaca run --san' in m.error(f'san {way}')
    assert 'no such way' in m.error('san nothing')
    assert m.poweroff() == 0
