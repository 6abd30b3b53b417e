# SPDX-License-Identifier: BSD-2-Clause
"""The harness itself: what it reads, and that it tells a panic, a failure and an end apart."""

import pytest

import harness


def test_tables_are_read():
    text = 'heading\n\n%cpu  name   what\n 1.5  a-b        7\n   0  c      x y z\n\nrest\n'
    assert harness.parse_table(text, 'name') == [
        {'%cpu': '1.5', 'name': 'a-b', 'what': 7}, {'%cpu': 0, 'name': 'c', 'what': 'x y z'}]
    assert harness.parse_table('') == []


def test_control_sequences_are_dropped():
    assert harness.clean('\x1b[2K\rithaca> \x1b[1mup\x1b[0m\r\ntwo\r\n') == 'ithaca> up\ntwo\n'
    assert harness.clean('wrong\rright\n') == 'right\n'
    assert harness.number('1,234') == 1234
    assert harness.number('0x10') == 16
    assert harness.number('10ms') == '10ms'


WIDE = 'edu -u 0 mode sleep 20; edu -u 1 mode block net; edu -u 2 mode sleep 300'


@pytest.mark.parametrize('line, lines', [
    ('ps', ['ps']),
    ('ps', ['ithaca> ps']),
    ('ps', ['uart: 3 drops', 'ps']),
    ('ps', ['pci: a card', 'pcs: another', 's']),
    ('ps', ['pspci: a card', '']),
    ('ps', ['late', '7 ithaca> ps']),
    ('ps', ['pci: a card', 'ithaca> ppci: a card', 's']),
    ('sysctl kern.x=0', ['sysctl kvtnet0: address 10.0.2.15 by DHCP', 'ern.x=0']),
    ('sysctl kern.x=0', ['syvtnet0: link up', 'sctl kern.xxhci0: gone', 'vtnet0: up', '=0']),
    ('echo ' + 'x' * 300, ['<' + 'x' * 180]),
    (WIDE, ['du -u 1 mode block net; edu -u 2 mode sleep 300']),
    (WIDE, ['edu -u 0 mode slestorm: held', 'mode block net; edu -u 2 mode sleep 300']),
    (WIDE, ['<block net; edu -u 2 mode slstorm: held', 'eep 300']),
    (WIDE, ['du -u 1 mode block net; edu -u 2 mode sleep 300storm: held', '']),
])
def test_an_echo_is_followed_through_messages(line, lines):
    echo = harness.Echo(line)
    assert [echo.ended(text) for text in lines] == [False] * (len(lines) - 1) + [True]


def test_commands_in_both_modes(boot, mode):
    machine = boot(cpus=2, mode=mode)
    assert machine.ok('echo one; echo two') == 'one\ntwo'
    # Up to the end of the editor's columns, at it, and far behind.
    for length in (*range(50, 80), 150):
        assert machine.ok('echo ' + 'x' * length) == 'x' * length
    assert machine.sysctl('hw.ncpu') == 2
    assert 'nosuch' in machine.error('nosuch')
    with pytest.raises(AssertionError, match='nosuch'):
        machine.ok('nosuch')
    assert machine.row('ps', name='idle/1')['cpu'] == 1
    assert machine.poweroff() == 0


def test_a_panic_is_noticed_and_is_a_status(boot):
    machine = boot()
    with pytest.raises(harness.MachineError, match='panic while waiting'):
        machine.cmd('panic on purpose')
    assert 'on purpose' in machine.transcript()
    assert machine.wait_end(panic_ok=True) == 3


def test_an_early_end_is_noticed(boot):
    machine = boot()
    with pytest.raises(harness.MachineError, match='the machine ended'):
        machine.cmd('poweroff')


def test_the_monitor_answers(boot):
    machine = boot(monitor=True)
    assert machine.qmp('query-status')['running'] is True
    assert 'running' in machine.hmp('info status')
    with pytest.raises(harness.MachineError, match='nonesuch'):
        machine.qmp('nonesuch')


def test_a_paste_is_read_back(boot):
    machine = boot()
    data = 'echo ' + 'abc' * 20 + '\r'
    text = machine.exchange(data * 20, lambda got: got.count(harness.PROMPT) >= 20)
    assert harness.clean(text).split('\n').count('abc' * 20) == 20
