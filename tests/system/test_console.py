# SPDX-License-Identifier: BSD-2-Clause
"""The console's way in and out: nothing lost at full speed, in order, and always answering."""

import math
import random
import time
import zlib

import pytest

from harness import PROMPT

LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,;:-+*/\r'


@pytest.fixture
def boot(steady):
    return steady


def paste(n, seed):
    """Characters that the terminals on the way pass on as they are."""
    return ''.join(random.Random(seed).choices(LETTERS, k=n))


def sink(m, n, timeout):
    """Paste n characters at full speed into `tty sink`: all must come back, in order."""
    data = paste(n, n)
    m.send(f'tty sink {n}\r')
    m.expect(f'ready for {n} characters\r*\n')
    got = m.exchange(data, lambda g: PROMPT in g[n:], timeout)
    assert got[:n] == data, f'first difference at {first_difference(got, data)}'
    assert f'sink: {n} characters, crc32 {zlib.crc32(data.encode()):08x}' in got[n:]


def first_difference(a, b):
    return next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))


def test_paste_under_a_storm(boot, mode):
    """100 kB pasted at full speed while two devices storm: echoed intact, no overrun."""
    m = boot(cpus=2 if mode == 'mttcg' else 1, mode=mode)
    m.ok('stress -b -r 3600')
    sink(m, 100000, 300)
    assert m.sysctl('tty.overruns') == 0
    assert m.sysctl('tty.errors') == 0
    raised = m.ok('stress stop')
    assert int(raised.split()[1]) > 1000, raised
    assert m.poweroff() == 0


def test_paste_with_handlers_that_sleep(boot):
    """The same beside a device whose handler is asleep most of the time."""
    m = boot(cpus=1)
    m.ok('edu mode sleep 5')
    m.ok('stress -b -r 3600')
    sink(m, 30000, 120)
    assert m.sysctl('tty.overruns') == 0
    m.ok('stress stop')
    assert m.poweroff() == 0


@pytest.mark.parametrize('mode, paced', [('mttcg', True), ('mttcg', False), ('icount', True)],
                         ids=['paced', 'ring', 'icount'])
def test_nobody_reads(boot, mode, paced):
    """120 kB of commands pasted while the shell sleeps: the sender is held up, and then every one
    of them runs, in order. It is no storm; and where the console does not slow it down, the ring
    does when it is full."""
    m = boot(cpus=2, mode=mode)
    sleep = 3
    if not paced:
        m.ok('sysctl tty.pace=0 hw.intr.storm_percent=0')
        # The ring, 64 kB, must be full when the shell begins to read, however slow the host is.
        begun = time.monotonic()
        sink(m, 16384, 300)
        sleep = max(sleep, math.ceil(12 * (time.monotonic() - begun)))
    words = [f'{i:04d}' + 'x' * 90 for i in range(1200)]
    text = f'sleep {sleep}\r' + ''.join(f'echo {w}\r' for w in words) + 'echo the end\r'
    got = m.exchange(text, lambda g: PROMPT in g.partition('\nthe end\r')[2], 300)
    ran = [line.strip() for line in got.split('\n') if line.strip('\r') in set(words)]
    assert ran == words
    assert m.sysctl('hw.intr.storms') == 0
    assert m.sysctl('tty.pauses' if paced else 'tty.ring_full') > 0
    assert m.sysctl('tty.overruns') == 0
    assert m.poweroff() == 0


def test_long_output_blocks_the_writer_only(boot):
    """Output faster than the line: writers wait, nothing is lost, interrupts go on."""
    m = boot(cpus=2)
    for _ in range(3):
        assert len(m.ok('sysctl -d').split('\n')) > 30
    before = m.sysctl('tty.tx')
    m.ok('echo ' + 'y' * 400)
    assert m.sysctl('tty.tx') - before > 800
    assert m.poweroff() == 0


@pytest.mark.parametrize('line, seen', [
    ('sleep 1000', None),
    ('intrstat -w', 'pool:'),
    ('top -w 2', r'%cpu'),
    ('edu raise 1000000000', None),
    ('load 1000', None),
], ids=['sleep', 'intrstat', 'top', 'edu', 'load'])
def test_ctrl_c_ends_a_command(boot, line, seen):
    m = boot(cpus=2)
    m.send(line + '\r')
    m.expect('\n')
    if seen:
        m.expect(seen)          # where not, it may not have begun either
    m.send('never run\r\x03')
    m.expect('interrupted')
    m.wait_prompt()
    # What was typed ahead is gone, and the shell answers.
    assert m.cmd('status').strip() == '1'
    assert m.poweroff() == 0


def test_ctrl_c_is_as_good_a_moment_before_a_command(boot):
    """Whatever the shell is at when it comes: what was typed before it is interrupted or dropped,
    what was typed after it is not."""
    m = boot(cpus=1)
    for _ in range(20):
        m.send('sleep 1000; echo never\rnever run\r\x03echo after\r')
        m.expect('interrupted\r*\n')
        m.expect('\nafter\r*\n')
        m.wait_prompt()
    assert 'no command' not in m.transcript() and '\nnever\n' not in m.transcript()
    assert m.poweroff() == 0


def test_kernel_messages_keep_their_place(boot):
    """What kprintf() says and what commands print share the line, in order."""
    m = boot()
    text = m.ok('dump intr')
    assert 'sources:' in text
    # A command of the shell's between two of the kernel's.
    for _ in range(5):
        assert m.ok('echo between').strip() == 'between'
        assert m.ok('dump sched').startswith('cpus:')
    assert m.poweroff() == 0


def test_output_before_a_panic_is_not_lost(boot):
    m = boot(cpus=2)
    m.send('sysctl; panic seen to the end\r')
    assert m.wait_end(panic_ok=True) == 3
    text = m.transcript()
    assert text.index('tty.tx = ') < text.index('panic: seen to the end')
    assert 'backtrace:' in text and 'cmd_panic' in text
    assert 'sources:' in text[text.index('panic: '):]


@pytest.mark.parametrize('line, status', [
    ('poweroff', 0), ('poweroff 0', 0), ('poweroff 7', 1), ('reboot', 0)])
def test_the_ends(boot, line, status):
    m = boot()
    m.send(line + '\r')
    assert m.wait_end() == status


def test_exec(boot):
    """Commands that the host gives: shown as if typed, then the machine ends with their status."""
    m = boot(prompt=False, exec_='echo "a; b";uptime\n\n  edu raise 10 ;')
    assert m.wait_end() == 0
    text = m.transcript()
    assert f'{PROMPT}echo "a; b"\na; b\n{PROMPT}uptime\nup ' in text
    assert f'{PROMPT}edu raise 10' in text and 'thread 10,' in text
    assert text.count(PROMPT) == 3


@pytest.mark.parametrize('text, said', [
    ('foo; echo after', "error: no command 'foo'"),
    ('echo "open; echo after', 'is not closed'),
    ('echo ' + 'z' * 600 + '; echo after', 'at most 511 characters'),
    ('echo ' + 'w ' * 20 + '; echo after', 'at most 16 words'),
], ids=['unknown', 'quote', 'long', 'words'])
def test_exec_that_fails(boot, text, said):
    m = boot(prompt=False, exec_=text)
    assert m.wait_end() == 1
    assert said in m.transcript()
    if 'open' not in text:
        assert '\nafter\n' in m.transcript()
