# SPDX-License-Identifier: BSD-2-Clause
"""The front door itself: words, numbers, set-up, exit statuses, and the terminal it leaves."""

import os
import re
import shutil
import stat
import subprocess
import tempfile
import termios
import time

import pexpect
import pytest

import harness

ITHACA = os.path.join(harness.ROOT, 'ithaca')


def ithaca(*words, timeout=300, **options):
    """Run the front door with no terminal; returns the finished process."""
    options.setdefault('stdin', subprocess.DEVNULL)
    return subprocess.run([ITHACA, *words], capture_output=True, text=True, timeout=timeout,
                          check=False, **options)


# ---- words and numbers ----

def test_help_names_every_command():
    done = ithaca('help')
    assert done.returncode == 0 and done.stderr == ''
    for word in ('run', 'check', 'bench', 'fuzz', 'setup', 'help'):
        assert re.search(rf'^  {word}\b', done.stdout, re.M), word
    assert ithaca().stdout == done.stdout
    assert ithaca('--help').stdout == done.stdout


@pytest.mark.parametrize('words, message', [
    (['fly'], 'ithaca: fly: no such command; the commands are run, check, bench, sim, fuzz, setup, '
              'help'),
    (['--fly'], 'ithaca: --fly: no such option'),
    (['trace'], 'ithaca: trace: not built yet'),
    (['help', 'me'], 'ithaca: help: me: takes no argument'),
    (['setup', 'me'], 'ithaca: setup: me: takes no argument'),
    (['run', '--fly'], 'ithaca run: --fly: no such option'),
    (['run', 'fly'], 'ithaca run: fly: takes options only'),
    (['run', '--cpus', '65'], 'ithaca run: --cpus 65: must be 1 to 64'),
    (['run', '--cpus', '0'], 'ithaca run: --cpus 0: must be 1 to 64'),
    (['run', '--cpus=-1'], 'ithaca run: --cpus -1: must be a number from 1 to 64'),
    (['run', '--cpus', 'two'], 'ithaca run: --cpus two: must be a number from 1 to 64'),
    (['run', '--cpus', '99999999999999999999'], 'must be a number from 1 to 64'),
    (['run', '--cpus'], 'ithaca run: --cpus: needs a value'),
    (['run', '--edu', '9'], 'ithaca run: --edu 9: must be 0 to 8'),
    (['run', '--mem', '1'], 'ithaca run: --mem 1: must be 64 to 65536'),
    (['run', '--for', '0'], 'ithaca run: --for 0: must be 1 to 86400'),
    (['run', '--exec', ' ; '], "ithaca run: --exec ' ; ': no command in it"),
    (['run', '--exec', 'x' * 65537], 'ithaca run: --exec: 65537 characters: must be at most'),
    (['run', '--accel', 'hvf'], 'ithaca run: --accel hvf: must be tcg or kvm'),
    (['run', '--icount', '--accel', 'kvm'], 'ithaca run: --icount: cannot go with --accel kvm'),
    (['run', '--kernel', '/nonexistent'], 'ithaca run: --kernel /nonexistent: cannot read'),
    (['check', 'fly'], 'ithaca check: fly: no such part; the parts are'),
    (['fuzz', '--fly'], 'ithaca fuzz: --fly: no such option'),
    (['fuzz', '--for', 'ever'], 'ithaca fuzz: --for ever: must be a number from 1 to 604800'),
    (['fuzz', '--input', '/nowhere'], 'ithaca fuzz: --input /nowhere: cannot be read'),
    (['check', '--fly'], 'ithaca check: --fly: no such option'),
    (['check', '-k'], 'ithaca check: -k: needs an expression'),
], ids=lambda value: value if isinstance(value, str) else '')
def test_a_wrong_word_is_named(words, message):
    done = ithaca(*words)
    assert message in done.stderr
    assert done.returncode == 2 and done.stdout == ''


def test_command_line_says_what_was_asked():
    argv = harness.command('--cpus=3', '--mem', '128', '--edu', '3', '--icount', '--exec',
                           "echo it's, here", '--debug', '--', '-name', 'two words')
    text = ' '.join(argv)
    assert '-smp 3 ' in text and '-m 128 ' in text
    assert 'thread=single -icount shift=0,sleep=off' in text
    assert [a for a in argv if a.startswith('edu')] == ['edu,addr=4', 'edu,addr=8', 'edu,addr=5']
    assert "name=opt/ithaca/exec,string=echo it's,, here" in argv
    assert argv[-4:] == ['-s', '-S', '-name', 'two words']


# ---- set-up ----

def test_second_setup_looks_and_touches_nothing(tmp_path):
    """Nothing that installs, fetches or unpacks is started, and the stamp stays as it was."""
    assert ithaca('setup').returncode == 0
    log = tmp_path / 'log'
    for name in ('apt-get', 'apt', 'apt-cache', 'sudo', 'npm', 'curl', 'wget', 'tar', 'make',
                 'gcc'):
        stub = tmp_path / name
        stub.write_text(f'#!/bin/sh\necho {name} "$@" >>{log}\nexit 1\n', encoding='ascii')
        stub.chmod(0o755)
    stamp = os.path.join(harness.ROOT, 'build', 'setup-check')
    before = os.stat(stamp).st_mtime_ns
    done = ithaca('setup', env={**os.environ, 'PATH': f'{tmp_path}:{os.environ["PATH"]}'})
    assert done.returncode == 0, done.stderr
    assert done.stderr == 'ithaca: all that run and check need is installed\n'
    assert not log.exists(), log.read_text()
    assert os.stat(stamp).st_mtime_ns == before


@pytest.fixture
def bare_tree():
    """A copy of the front door that anyone may read, and a path of programs in which there is no
    compiler, no QEMU, no sudo, and a dpkg that knows no package."""
    top = tempfile.mkdtemp(prefix='ithaca.')
    os.chmod(top, 0o755)
    shutil.copy(ITHACA, top)
    shutil.copytree(os.path.join(harness.ROOT, 'tools'), os.path.join(top, 'tools'))
    programs = os.path.join(top, 'bin')
    os.mkdir(programs)
    for name in ('sh', 'awk', 'cat', 'cksum', 'cmp', 'dirname', 'env', 'expr', 'grep', 'head',
                 'id', 'mkdir', 'mv', 'rm', 'sed', 'tail', 'tee', 'tr', 'nproc', 'stty'):
        found = shutil.which(name)
        assert found, name
        os.symlink(found, os.path.join(programs, name))
    for name, text in (('dpkg-query', 'exit 1'), ('apt-get', 'echo "$@" >>"$0.log"; exit 100')):
        path = os.path.join(programs, name)
        with open(path, 'w', encoding='ascii') as f:
            f.write(f'#!/bin/sh\n{text}\n')
        os.chmod(path, 0o755)
    yield top
    shutil.rmtree(top)


def as_nobody():
    """For preexec_fn: give up being root, if that is what runs the tests."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)


def test_without_root_and_sudo_it_says_what_to_do(bare_tree):
    done = subprocess.run([os.path.join(bare_tree, 'ithaca'), 'run'], capture_output=True,
                          text=True, stdin=subprocess.DEVNULL, preexec_fn=as_nobody, timeout=60,
                          env={'PATH': os.path.join(bare_tree, 'bin')}, check=False)
    assert done.returncode == 4, done.stderr
    assert 'neither root nor sudo' in done.stderr
    assert 'apt-get install --no-install-recommends gcc make qemu-system-x86' in done.stderr
    assert not os.path.exists(os.path.join(bare_tree, 'bin', 'apt-get.log'))


def test_a_failing_apt_is_reported(bare_tree):
    if os.geteuid() != 0:
        pytest.skip('only root gets as far as apt-get')
    done = subprocess.run([os.path.join(bare_tree, 'ithaca'), 'run'], capture_output=True,
                          text=True, stdin=subprocess.DEVNULL, timeout=60,
                          env={'PATH': os.path.join(bare_tree, 'bin')}, check=False)
    assert done.returncode == 4
    assert 'apt-get update failed; the log is build/setup.log' in done.stderr


SOURCES = {
    'one.list': '''# deb http://commented.example/debian bookworm main
deb-src http://source.example/debian bookworm main
deb [arch=amd64 signed-by=/k/one.gpg] http://one.example/debian bookworm main contrib
deb http://security.example bookworm-security main
''',
    'two.sources': '''Types: deb
URIs: http://off.example/debian
Suites: bookworm
Enabled: no

# A comment
Types: deb-src
URIs: http://source.example/debian
Suites: bookworm

types: deb deb-src
URIs: http://two.example/debian http://other.example/debian
Suites: bookworm-updates
 bookworm
Components: main
Signed-By: /k/two.gpg
''',
    'inline.sources': '''Types: deb
URIs: http://inline.example/debian
Suites: bookworm
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 /notapath
 -----END PGP PUBLIC KEY BLOCK-----
''',
}


@pytest.mark.parametrize('files, suite, answer', [
    (['one.list'], 'bookworm', 'http://one.example/debian /k/one.gpg\n'),
    (['two.sources'], 'bookworm', 'http://two.example/debian /k/two.gpg\n'),
    (['one.list', 'two.sources'], 'bookworm-updates', 'http://two.example/debian /k/two.gpg\n'),
    (['inline.sources'], 'bookworm', 'http://inline.example/debian -\n'),
    (['one.list', 'missing.list', 'two.sources'], 'bookworm-backports', ''),
])
def test_archive_is_read_from_both_formats(tmp_path, files, suite, answer):
    for name, text in SOURCES.items():
        (tmp_path / name).write_text(text, encoding='ascii')
    done = subprocess.run([os.path.join(harness.ROOT, 'tools', 'aptsource'), suite,
                           *(str(tmp_path / f) for f in files)],
                          capture_output=True, text=True, check=True)
    assert done.stdout == answer


# ---- exit statuses, with a kernel of ten instructions ----

TINY = '''
	.section .note.Xen, "a", @note
	.long 4, 4, 18
	.asciz "Xen"
	.long _start
	.text
	.code32
	.globl _start
_start:	movw $0x3f8, %dx
	movl $text, %esi
1:	lodsb
	testb %al, %al
	jz 2f
	outb %al, %dx
	jmp 1b
2:	movb $VALUE, %al
	cmpb $0xff, %al
	je 2b
	cmpb $0xfe, %al
	je 3f
	outb %al, $0xf4
3:	lidt none
	int3
none:	.word 0
	.long 0
text:	.asciz "tiny is up\\r\\n"
'''


@pytest.fixture(scope='module')
def tiny(tmp_path_factory):
    """A function: the path of a kernel that ends with that value; 0xff spins, 0xfe resets."""
    top = tmp_path_factory.mktemp('tiny')
    (top / 'tiny.S').write_text(TINY, encoding='ascii')

    def make(value):
        path = str(top / f'tiny{value}')
        if not os.path.exists(path):
            subprocess.run(['gcc', '-m32', f'-DVALUE={value}', '-nostdlib', '-static', '-no-pie',
                            '-Wl,-Ttext=0x100000,--build-id=none,-z,noexecstack', '-o', path,
                            str(top / 'tiny.S')], check=True)
        return path

    return make


@pytest.mark.parametrize('value, status', [(0x10, 0), (0x11, 1), (0x12, 3), (0x05, 4)])
def test_the_kernels_value_is_the_exit_status(tiny, value, status):
    done = ithaca('run', '--kernel', tiny(value))
    assert done.returncode == status, done.stderr
    assert 'tiny is up' in done.stdout


def test_a_reset_is_no_success_for_exec(tiny):
    done = ithaca('run', '--kernel', tiny(0xfe), '--exec', 'help')
    assert done.returncode == 4
    assert 'before the commands had ended' in done.stderr


def test_for_stops_the_machine(tiny):
    begun = time.monotonic()
    done = ithaca('run', '--kernel', tiny(0xff), '--for', '2')
    assert done.returncode == 0 and 'tiny is up' in done.stdout
    assert 'stopped after 2 s' in done.stderr
    assert time.monotonic() - begun > 1.9


def test_a_signal_ends_the_machine_too(tiny):
    child = subprocess.Popen([ITHACA, 'run', '--kernel', tiny(0xff)], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert child.stdout.readline().strip() == b'tiny is up'
    child.terminate()
    # The pipe ends only when the last process that holds it has ended: QEMU as well.
    child.stdout.read()
    assert child.wait(60) == 143


# ---- the terminal ----

def settings(fd):
    """The terminal's settings, less the state that no program sets."""
    values = termios.tcgetattr(fd)
    values[3] &= ~getattr(termios, 'PENDIN', 0)
    return values


def processes(program, argument):
    """The numbers of the processes that run the program with that argument."""
    found = []
    for entry in os.listdir('/proc'):
        try:
            with open(f'/proc/{entry}/cmdline', encoding='utf-8') as f:
                words = f.read().split('\0')
        except OSError:
            continue
        if words[0] == program and argument in words:
            found.append(int(entry))
    return found


@pytest.mark.parametrize('leave', ['ctrl-a x', 'end', 'kill'])
def test_the_terminal_is_left_as_it_was(tiny, leave):
    value = 0x10 if leave == 'end' else 0xff
    # A shell stays in between and holds the terminal, as a person's would.
    child = pexpect.spawn('/bin/sh', encoding='utf-8', timeout=120)
    try:
        child.sendline('PS1=ready""; stty echo')
        child.expect_exact('ready')
        before = settings(child.child_fd)
        child.sendline(f'{ITHACA} run --kernel {tiny(value)}; echo status=$?')
        child.expect_exact('tiny is up')
        if leave == 'ctrl-a x':
            child.send('\x01x')
        elif leave == 'kill':
            found = processes('qemu-system-x86_64', tiny(value))
            assert len(found) == 1
            os.kill(found[0], 9)
        child.expect(r'status=(\d+)')
        assert child.match.group(1) == ('4' if leave == 'kill' else '0')
        child.expect_exact('ready')
        assert settings(child.child_fd) == before
        mode = os.fstat(child.child_fd).st_mode
        assert stat.S_ISCHR(mode)
    finally:
        child.close(force=True)


# ---- with the kernel itself ----

def test_a_person_may_reboot(kernel):
    child = pexpect.spawn(ITHACA, ['run', '--kernel', kernel], encoding='utf-8', timeout=120)
    try:
        child.expect_exact(harness.PROMPT)
        child.send('reboot\r')
        child.expect('(?m)^Ithaca')
        child.expect_exact(harness.PROMPT)
        child.send('poweroff\r')
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 0
    finally:
        child.close(force=True)


def test_exec_types_prints_and_powers_off(kernel):
    done = ithaca('run', '--cpus', '2', '--exec', 'uptime; help')
    assert done.returncode == 0, done.stdout + done.stderr
    text = harness.clean(done.stdout)
    assert 'ithaca> uptime' in text and 'ithaca> help' in text
    assert re.search(r'^\s*intrstat\b', text, re.M)


def test_exec_fails_with_its_commands(kernel):
    done = ithaca('run', '--exec', 'nosuchcommand; uptime')
    assert done.returncode == 1, done.stdout + done.stderr
    text = harness.clean(done.stdout)
    assert re.search(r'^error: .*nosuchcommand', text, re.M)
    assert 'ithaca> uptime' in text


def test_exec_of_a_long_text(kernel):
    done = ithaca('run', '--exec', '; '.join(['uptime'] * 200))
    assert done.returncode == 0, done.stdout + done.stderr
    assert harness.clean(done.stdout).count('ithaca> uptime') == 200


def test_grub_boots_it(kernel):
    done = ithaca('run', '--grub', '--exec', 'uptime', timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'ithaca> uptime' in harness.clean(done.stdout)
