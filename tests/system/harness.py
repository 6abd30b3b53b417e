# SPDX-License-Identifier: BSD-2-Clause
"""A machine under test: QEMU as `./ithaca run` would start it, with its console in our hands.

The command line comes from `./ithaca run --print-command`, so there is one source of truth for it.
A test waits for output, never for a time; time-outs only end what hangs, and are generous because
the host is shared and an instruction-counting machine is slow. Nothing is ever tried twice.

    m = boot(cpus=4)                      # the fixture in conftest.py
    m.ok('edu raise 1000')                # fails if a line begins with "error:"
    rows = m.table('intrstat')            # a list of dicts, keys from the heading
    assert m.sysctl('hw.intr.threads') == 8
    assert m.poweroff() == 0
"""

import errno
import json
import os
import re
import select
import shlex
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pexpect

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LOGS = os.path.join(ROOT, 'build', 'tests')
PROMPT = 'ithaca> '
PANIC = 'panic: '

# How often a time-out is longer than for the plain machine.
SLOWER = {'mttcg': 1, 'icount': 4}
MODES = tuple(SLOWER)

# What a QEMU exit status says (see tools/run): the kernel's value v arrives as 2 v + 1.
STATUS = {0: 0, 33: 0, 35: 1, 37: 3}

_ANSI = re.compile(r'\x1b(?:\[[0-9;?]*[ -/]*[@-~]|[@-Z\\-_])')


class Echo:
    """Follows the echo of a command over the lines of the console.

    Messages of the kernel come in between as they please: before the first character, after the
    last, or in the midst, where the rest of the echo follows on a line of its own. Where a piece
    ends and a message begins is not to be seen, so every way to read it is kept in mind.

        e = Echo('sysctl kern.x=0')
        e.ended('sysctl kvtnet0: link up')     # False
        e.ended('ern.x=0')                     # True
    """

    LONG = 60   # from here on the editor may show a part only: 80 columns, less the prompt
    TELLS = 20  # characters of its end that are like no message

    def __init__(self, line):
        self.line = line.rstrip()
        self.left = {self.line}

    def ended(self, text):
        """Was this line of the console the last of the echo?"""
        _, prompt, text = text.rstrip().rpartition(PROMPT.rstrip())
        if prompt:  # all before it was of another command
            text = text.lstrip()
            self.left = {self.line}
        if text in self.left:
            return True
        if len(self.line) > self.LONG:
            if text and self.line.endswith(text[-self.TELLS:]):
                return True
            if self.line[-self.TELLS:] in text:     # all of it, and a message behind it
                self.left.add('')
        for left in tuple(self.left):
            same = len(os.path.commonprefix((text, left)))
            self.left.update(left[n:] for n in range(1, same + 1))
        return False


class MachineError(AssertionError):
    """The machine did something that no test asked for: panic, silence, an early end."""


def clean(text):
    """Text as a person would read it: no control sequences, plain newlines."""
    text = _ANSI.sub('', text).replace('\r\n', '\n')
    # A carriage return alone goes back to the start of the line: what follows replaces it.
    return '\n'.join(line.rstrip('\r').rsplit('\r', 1)[-1] for line in text.split('\n'))


def number(word):
    """An int where the word is one (decimal or 0x, with thousands' commas), else the word."""
    plain = word.replace(',', '')
    try:
        return int(plain, 16) if plain.lower().startswith('0x') else int(plain)
    except ValueError:
        return word


def parse_table(text, heading=None):
    """A heading and rows in columns to a list of dicts.

    `heading` is a word of the heading line, to skip what stands before it; without it the heading
    is the first line that is not empty. Rows end at an empty line. Numbers become ints. Keys are
    in lower case. The last column takes what is left of its line.
    """
    rows, keys = [], None
    for line in text.split('\n'):
        words = line.split()
        if keys is None:
            if words and (heading is None or heading.lower() in (w.lower() for w in words)):
                keys = [w.lower() for w in words]
        elif not words:
            if rows:
                break
        else:
            words = line.split(None, len(keys) - 1)
            rows.append({k: number(w.strip()) for k, w in zip(keys, words)})
    return rows


_ports = {}


def free_port():
    """A port of this host that nobody listens at, for TCP and for UDP. It is ours until this
    process ends: connections do not get it by themselves, for it is outside of the range for that,
    and tests that run beside this one ask for it by the same name first."""
    try:
        with open('/proc/sys/net/ipv4/ip_local_port_range', encoding='ascii') as f:
            low, high = map(int, f.read().split())
    except OSError:
        low, high = 32768, 60999
    ports = [p for p in range(10000, 65536) if not low <= p <= high] or range(10000, 65536)
    first = os.getpid() * 131 % len(ports)
    for port in (*ports[first:], *ports[:first]):
        if port in _ports:
            continue
        promise = socket.socket(socket.AF_UNIX)
        try:
            promise.bind(f'\0ithaca-port-{port}')
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_INET, kind) as s:
                    s.bind(('127.0.0.1', port))
        except OSError:
            promise.close()
            continue
        _ports[port] = promise
        return port
    raise OSError(errno.EADDRNOTAVAIL, 'no port is free')


class Meanwhile(threading.Thread):
    """turn() again and again beside the test: while a `with` lasts, or from start() to stop()."""

    def __init__(self):
        super().__init__(daemon=True)
        self.on = True

    def turn(self):
        """Something that ends within a second or so."""
        raise NotImplementedError

    def run(self):
        while self.on:
            self.turn()

    def stop(self):
        self.on = False
        self.join()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc):
        self.stop()


def command(*options):
    """QEMU's argv for these options of `./ithaca run`."""
    text = subprocess.run([os.path.join(ROOT, 'ithaca'), 'run', '--print-command', *options],
                          check=True, capture_output=True, text=True).stdout
    return shlex.split(text)


class Machine:
    """One QEMU with its console on a pseudo-terminal."""

    def __init__(self, name, cpus=1, mode='mttcg', edu=2, mem=256, args=(), append='',
                 kernel=None, grub=False, exec_=None, monitor=False, timeout=60, net='none',
                 nic='igb', queues=1, forwards=()):
        """Start it. `mode` is 'mttcg' or 'icount'; `args` go to QEMU as they are; `monitor` gives
        a QMP socket for qmp() and hmp(); `net`, `nic`, `queues` and `forwards` are options of
        `./ithaca run`; `timeout` is what every wait allows by default, in seconds on a plain
        machine."""
        if mode not in SLOWER:
            raise ValueError(f'mode {mode!r}: must be one of {MODES}')
        self.name = name
        self.cpus = cpus
        self.mode = mode
        self.scale = SLOWER[mode] * float(os.environ.get('ITHACA_TEST_SLOW', '1'))
        self.timeout = timeout
        self.qmp_socket = None
        self.qmp_buffer = b''
        self.qmp_events = []
        self.booted = False
        self.status = None
        options = ['--cpus', str(cpus), '--edu', str(edu), '--mem', str(mem), '--net', net,
                   '--nic', nic, '--queues', str(queues)]
        for forward in forwards:
            options += ['--forward', forward]
        if mode == 'icount':
            options.append('--icount')
        if append:
            options += ['--append', append]
        kernel = kernel or os.environ.get('ITHACA_KERNEL')
        if kernel and not grub:
            options += ['--kernel', kernel]
        if grub:
            options.append('--grub')
            subprocess.run(['make', '--no-print-directory', 'iso'], cwd=ROOT, check=True,
                           capture_output=True)
        if exec_ is not None:
            options += ['--exec', exec_]
        options += ['--', *args]
        self.directory = None
        if monitor:
            # A socket's path must be short, so not under the tree.
            self.directory = tempfile.mkdtemp(prefix='ithaca.')
            self.qmp_path = os.path.join(self.directory, 'qmp')
            options += ['-qmp', f'unix:{self.qmp_path},server=on,wait=off']
        self.argv = command(*options)
        os.makedirs(LOGS, exist_ok=True)
        self.log_path = os.path.join(LOGS, re.sub(r'[^A-Za-z0-9_.=-]+', '-', name) + '.log')
        self.log = open(self.log_path, 'w', encoding='utf-8', errors='replace', newline='')
        self.log.write('$ ' + shlex.join(self.argv) + '\n')
        self.child = pexpect.spawn(self.argv[0], self.argv[1:], cwd=ROOT, echo=False,
                                   encoding='utf-8', codec_errors='replace', timeout=None,
                                   maxread=65536, dimensions=(50, 200))
        self.child.delaybeforesend = None
        self.child.delayafterclose = 0.02
        self.child.logfile_read = self.log

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    # ---- waiting ----

    def transcript(self):
        """All that the console showed so far, cleaned; also of a machine that is closed."""
        if not self.log.closed:
            self.log.flush()
        with open(self.log_path, encoding='utf-8', errors='replace', newline='') as f:
            return clean(f.read())

    def _seconds(self, timeout):
        return (self.timeout if timeout is None else timeout) * self.scale

    def expect(self, pattern, timeout=None, panic_ok=False):
        """Wait for a regular expression; returns (text before it, match object)."""
        wanted = [re.compile(pattern), pexpect.EOF, pexpect.TIMEOUT]
        if not panic_ok:
            wanted.append(re.compile('(?m)^' + PANIC))
        return self._wait(wanted, f'/{pattern}/', timeout)

    def expect_exact(self, text, timeout=None, panic_ok=False):
        """Wait for a string; returns (text before it, match object)."""
        return self.expect(re.escape(text), timeout, panic_ok)

    def _wait(self, wanted, what, timeout):
        seconds = self._seconds(timeout)
        got = self.child.expect(wanted, timeout=seconds)
        if got == 0:
            return clean(self.child.before), self.child.match
        if got == 3:
            # Let it say all it has to say, for the transcript.
            self.child.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=10 * self.scale)
            raise MachineError(f'panic while waiting for {what}\n{self.tail()}')
        why = 'the machine ended' if got == 1 else f'nothing in {seconds:.0f} s'
        raise MachineError(f'{why} while waiting for {what}\n{self.tail()}')

    def tail(self, lines=30):
        """The last lines of the transcript, indented, for messages."""
        return '\n'.join('    | ' + x for x in self.transcript().rstrip().split('\n')[-lines:])

    # ---- the shell ----

    def wait_prompt(self, timeout=None):
        """Wait for the shell's prompt; returns what came before it."""
        text, _ = self.expect_exact(PROMPT, timeout)
        self.booted = True
        return text

    def send(self, text):
        """Type something, as it is; '\\r' is the Enter key."""
        self.child.send(text)

    def cmd(self, line, timeout=None):
        """Run a command of the shell; returns what it printed, without the echo."""
        if not self.booted:
            self.wait_prompt(timeout)
        self.send(line + '\r')
        echo = Echo(line)
        for _ in range(200):
            before, _ = self.expect('\r?\n', timeout)
            if echo.ended(before):
                break
        else:
            raise MachineError(f'no echo of {line!r}\n{self.tail()}')
        text, _ = self.expect_exact(PROMPT, timeout)
        return text.strip('\n')

    def ok(self, line, timeout=None):
        """Run a command that must succeed; returns what it printed."""
        text = self.cmd(line, timeout)
        wrong = [x for x in text.split('\n') if x.startswith('error:')]
        assert not wrong, f'{line!r}: {wrong[0]}'
        return text

    def error(self, line, timeout=None):
        """Run a command that must fail; returns its first line that begins with "error:"."""
        text = self.cmd(line, timeout)
        wrong = [x for x in text.split('\n') if x.startswith('error:')]
        assert wrong, f'{line!r} did not fail; it printed:\n{text}'
        return wrong[0]

    def table(self, line, heading=None, timeout=None):
        """Run a command that must succeed and prints columns; a list of dicts."""
        return parse_table(self.ok(line, timeout), heading)

    def row(self, line, heading=None, timeout=None, **where):
        """The one row of table() in which the named columns have the given values."""
        rows = self.table(line, heading, timeout)
        found = [r for r in rows if all(r.get(k) == v for k, v in where.items())]
        assert len(found) == 1, f'{line!r}: {len(found)} rows have {where}: {rows}'
        return found[0]

    def sysctl(self, name):
        """The value of a sysctl node, an int if it is one."""
        text = self.ok(f'sysctl {name}').strip()
        match = re.search(re.escape(name) + r'\s*[=:]\s*(.*)', text)
        return number((match.group(1) if match else text).strip())

    def set_sysctl(self, name, value):
        """Set a sysctl node; it must succeed."""
        return self.ok(f'sysctl {name}={value}')

    def exchange(self, data, until, timeout=None):
        """Paste `data` as fast as the line takes it, reading meanwhile, until `until(text)` is
        true of all that was read; returns that text, as it came (bytes decoded, not cleaned)."""
        out = data.encode() if isinstance(data, str) else data
        fd = self.child.child_fd
        got = self.child.buffer
        self.child.buffer = ''
        deadline = time.monotonic() + self._seconds(timeout)
        os.set_blocking(fd, False)
        try:
            while not (not out and until(got)):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise MachineError(f'{len(out)} characters not taken, {len(got)} read, '
                                       f'and not what was waited for\n{self.tail()}')
                readable, writable, _ = select.select([fd], [fd] if out else [], [],
                                                      min(left, 1.0))
                if readable:
                    try:
                        text = os.read(fd, 65536).decode('utf-8', 'replace')
                    except OSError as e:
                        if e.errno != errno.EIO:
                            raise
                        text = ''
                    if not text:
                        raise MachineError(f'the machine ended during a paste\n{self.tail()}')
                    self.log.write(text)
                    got += text
                if writable:
                    out = out[os.write(fd, out[:4096]):]
        finally:
            os.set_blocking(fd, True)
        return got

    # ---- QEMU's monitor ----

    def _qmp_line(self, timeout=60):
        deadline = time.monotonic() + timeout * self.scale
        while b'\n' not in self.qmp_buffer:
            self.qmp_socket.settimeout(max(0.1, deadline - time.monotonic()))
            data = self.qmp_socket.recv(65536)
            if not data:
                raise MachineError('QEMU closed its monitor')
            self.qmp_buffer += data
        line, self.qmp_buffer = self.qmp_buffer.split(b'\n', 1)
        return json.loads(line)

    def qmp(self, name, **arguments):
        """A QMP command; returns its result. Events met meanwhile are kept in qmp_events."""
        if self.directory is None:
            raise ValueError('boot with monitor=True')
        if self.qmp_socket is None:
            deadline = time.monotonic() + 30 * self.scale
            while True:
                s = socket.socket(socket.AF_UNIX)
                try:
                    s.connect(self.qmp_path)
                    break
                except OSError:
                    s.close()
                    if time.monotonic() > deadline or not self.child.isalive():
                        raise
                    time.sleep(0.05)
            self.qmp_socket = s
            self._qmp_line()
            self.qmp('qmp_capabilities')
        request = {'execute': name}
        if arguments:
            request['arguments'] = {k.replace('_', '-'): v for k, v in arguments.items()}
        self.qmp_socket.sendall(json.dumps(request).encode() + b'\n')
        while True:
            answer = self._qmp_line()
            if 'event' in answer:
                self.qmp_events.append(answer)
            elif 'error' in answer:
                raise MachineError(f'QMP {name}: {answer["error"]["desc"]}')
            else:
                return answer['return']

    def hmp(self, line):
        """A command of QEMU's monitor for people; returns what it printed."""
        return self.qmp('human-monitor-command', command_line=line).replace('\r\n', '\n')

    def nmi(self):
        """Send the machine an NMI."""
        self.qmp('inject-nmi')

    # ---- the end ----

    def wait_end(self, timeout=None, panic_ok=False):
        """Wait until the machine ends by itself; returns the status of `./ithaca run`."""
        wanted = [pexpect.EOF, pexpect.TIMEOUT]
        if not panic_ok:
            wanted.append(re.compile('(?m)^' + PANIC))
        got = self.child.expect(wanted, timeout=self._seconds(timeout))
        if got == 1:
            raise MachineError(f'the machine did not end\n{self.tail()}')
        if got == 2:
            self.child.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=10 * self.scale)
            raise MachineError(f'panic while waiting for the end\n{self.tail()}')
        return self._reap()

    def _reap(self):
        self.child.wait()
        if self.child.signalstatus is not None:
            raise MachineError(f'QEMU ended by signal {self.child.signalstatus}\n{self.tail()}')
        self.status = STATUS.get(self.child.exitstatus, 4)
        return self.status

    def poweroff(self, timeout=None):
        """Type poweroff; returns the status of `./ithaca run`."""
        if not self.booted:
            self.wait_prompt(timeout)
        self.send('poweroff\r')
        return self.wait_end(timeout)

    def close(self):
        """End the machine if it still runs, and the transcript."""
        if self.qmp_socket is not None:
            self.qmp_socket.close()
            self.qmp_socket = None
        if self.child.isalive():
            self.child.kill(signal.SIGTERM)
            try:
                self.child.expect(pexpect.EOF, timeout=10)
            except pexpect.ExceptionPexpect:
                pass
        self.child.close(force=True)
        if not self.log.closed:
            self.log.close()
        if self.directory is not None:
            try:
                os.unlink(self.qmp_path)
            except FileNotFoundError:
                pass
            os.rmdir(self.directory)
            self.directory = None
