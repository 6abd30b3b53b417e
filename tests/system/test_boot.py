# SPDX-License-Identifier: BSD-2-Clause
"""Boot: either loader, the image's rights, command lines of any length, and ends that say why."""

import re
import subprocess

import pytest


def test_no_page_of_the_image_is_writable_and_executable(kernel):
    text = subprocess.run(['readelf', '-lW', kernel], check=True, capture_output=True,
                          text=True).stdout
    flags = re.findall(r'^  LOAD .*? 0x\w+ 0x\w+ ([RWE ]{3}) ', text, re.M)
    assert sorted(f.replace(' ', '') for f in flags) == ['R', 'RE', 'RW']
    assert 'NOTE' in text


@pytest.mark.parametrize('grub', [False, True], ids=['pvh', 'multiboot2'])
def test_both_loaders_give_the_same_machine(boot, grub):
    m = boot(cpus=2, grub=grub)
    assert m.row('ps', name='idle/1')
    assert m.sysctl('mem.total') > 200 << 20
    assert m.poweroff() == 0


def test_a_command_line_that_is_too_long_is_cut_and_said(boot):
    m = boot(append='x=' + 'y' * 600)
    assert 'command line is longer than 255 characters: cut' in m.transcript()
    assert m.poweroff() == 0


def test_a_processor_without_no_execute_is_refused_by_name(boot):
    m = boot(prompt=False, edu=0, args=('-cpu', 'qemu64,-nx'))
    m.expect_exact('ithaca: this processor has no 64-bit mode with no-execute pages')


def test_an_old_processor_will_do(boot):
    # No x2APIC, no pages of 1 GiB, no SMEP, no SMAP.
    m = boot(cpus=2, args=('-cpu', 'qemu64'))
    m.ok('edu raise 100')
    assert m.poweroff() == 0


def test_a_panic_names_its_callers_and_stops_the_others(boot):
    m = boot(cpus=4)
    m.send('panic of the test\r')
    text, _ = m.expect(r'locks waited for', panic_ok=True)
    assert re.search(r'^cpu \d, lwp \d+ "shell"', text, re.M)
    assert re.search(r'^ +[0-9a-f]{16} cmd_panic\+0x', text, re.M)
    assert re.search(r'^ +[0-9a-f]{16} lwp_main\+0x', text, re.M)
    assert len(re.findall(r'^cpu \d: lwp \S+ at [0-9a-f]{16} \w+\+', text, re.M)) == 3
    assert m.wait_end(panic_ok=True) == 3


CRASHES = {
    # No room is left to say more on that stack: the double fault has one of its own.
    'stack': r'(double|page) fault at crash_deeper.*: stack overflow of lwp shell: address 0x',
    'null': r'page fault at crash_null\+.*: write of unmapped address 0\b',
    'text': r'page fault at crash_text\+.*: write of protected address 0x',
    'rodata': r'page fault at crash_rodata\+.*: write of protected address 0x',
    'data': r'page fault at .*: execution of protected address 0x',
}


@pytest.mark.parametrize('what', CRASHES)
def test_what_the_processor_catches_is_named(boot, what):
    """The page beneath a stack, and what may not be written or run: named, with the callers."""
    m = boot(cpus=2)
    m.send(f'crash {what}\r')
    assert m.wait_end(panic_ok=True) == 3
    text = m.transcript()
    assert re.search('panic: ' + CRASHES[what], text), text
    assert re.search(r'^  rax [0-9a-f]{16}  rbx [0-9a-f]{16}', text, re.M)
    caller = r'crash_deeper\S*' if what == 'stack' else 'shell_main'
    assert re.search(rf'^  exception at .*\n(    .*\n)*? +[0-9a-f]{{16}} {caller}\+', text,
                     re.M), text


def test_an_nmi_that_nobody_expects_shows_the_registers(boot):
    m = boot(cpus=2, monitor=True)
    m.nmi()
    text, _ = m.expect(r'rip [0-9a-f]{16} \w+\+', panic_ok=True)
    assert 'panic: NMI (vector 2' in text
    assert re.search(r'^  exception at [0-9a-f]{16} \w+\+', text, re.M)
    assert re.search(r'^  rax [0-9a-f]{16}  rbx [0-9a-f]{16}', text, re.M)
    assert m.wait_end(panic_ok=True) == 3
