# SPDX-License-Identifier: BSD-2-Clause
"""What all system tests share: the kernel is built once, machines end with their test, a failure
shows the transcript, and the counts go to the file that tools/check adds up."""

import os
import subprocess
import sys
import time

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import harness  # noqa: E402  (its folder must be in the path first)


@pytest.fixture(scope='session')
def kernel():
    """The path of the kernel, built if it was not. ITHACA_KERNEL names another to test."""
    if os.environ.get('ITHACA_KERNEL'):
        return os.environ['ITHACA_KERNEL']
    made = subprocess.run(['make', '--no-print-directory', '-j2', 'kernel'], cwd=harness.ROOT,
                          capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.fail('the kernel does not build:\n' + made.stdout + made.stderr, pytrace=False)
    return os.path.join(harness.ROOT, 'build', 'x86_64', 'ithaca.elf')


@pytest.fixture
def boot(request, kernel):
    """A function that starts a machine (arguments as for harness.Machine) and waits for the
    prompt; prompt=False does not wait."""
    machines = []

    def start(prompt=True, **options):
        path, _, name = request.node.nodeid.partition('.py::')
        name = os.path.basename(path) + '.' + name.replace('::', '.')
        if machines:
            name += f'.{len(machines) + 1}'
        machine = harness.Machine(name, **options)
        machines.append(machine)
        request.node.machines = machines
        if prompt:
            machine.wait_prompt()
        return machine

    yield start
    said = [m.log_path for m in machines if 'witness: ' in m.transcript()]
    for machine in machines:
        machine.close()
    assert not said or 'test_witness' in request.node.nodeid, f'the lock checker spoke: {said}'


@pytest.fixture
def steady(boot):
    """The same, and a host that leaves a CPU standing in the midst of a handler makes neither a
    storm of it nor, so soon, a CPU that hangs: on a clock of the host's, that time is the
    handler's. What is a storm or hangs is for test_storm.py, test_heartbeat.py and for the machine
    that counts instructions."""
    def start(**options):
        machine = boot(**options)
        if machine.mode == 'mttcg' and machine.booted:
            machine.ok('sysctl hw.intr.storm_percent=0 kern.heartbeat_ms=10000')
        return machine

    return start


@pytest.fixture(params=harness.MODES)
def mode(request):
    """Both accelerator modes: the test runs once in each."""
    return request.param


_begun = {}
_outcomes = {}


def _progress(line):
    fd = os.environ.get('ITHACA_PROGRESS_FD')
    if fd is not None:
        os.write(int(fd), (line + '\n').encode())


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        for machine in getattr(item, 'machines', ()):
            report.sections.append((f'transcript ({machine.log_path})', machine.tail(60)))


def _why(report):
    """What a failed test says in its first line; the whole comes when its file is through."""
    crash = getattr(report.longrepr, 'reprcrash', None) if report.failed else None
    return ': ' + crash.message.split('\n')[0][:160] if crash else ''


def pytest_runtest_logstart(nodeid):
    _begun[nodeid] = time.monotonic()


def pytest_runtest_logreport(report):
    """Each test counts once: by its call, or by a set-up or teardown that did not pass."""
    if report.when != 'call' and report.passed:
        return
    outcome = 'failed' if report.failed else 'skipped' if report.skipped else 'passed'
    _outcomes[report.nodeid] = outcome
    word = {'passed': 'ok    ', 'failed': 'FAILED', 'skipped': 'skip  '}[outcome]
    path, _, name = report.nodeid.partition('.py::')
    name = os.path.basename(path) + '.' + name
    _progress(f'{word} {name} ({time.monotonic() - _begun[report.nodeid]:.0f} s){_why(report)}')


def pytest_collectreport(report):
    if report.failed:
        _outcomes[report.nodeid] = 'failed'


def pytest_sessionfinish():
    path = os.environ.get('ITHACA_COUNTS')
    if path:
        with open(path, 'w', encoding='ascii') as f:
            outcomes = list(_outcomes.values())
            f.write(' '.join(str(outcomes.count(x)) for x in ('passed', 'failed', 'skipped')))
            f.write('\n')
