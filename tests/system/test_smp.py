# SPDX-License-Identifier: BSD-2-Clause
"""Many CPUs, and their interrupts: that all of them come up in both accelerator modes, that each
takes device interrupts of every kind, that a source may be moved while it is busy, and that the
clocks of all of them agree."""

import re

import pytest

MSI = 'msi_00:04.0:0'


@pytest.fixture
def boot(steady):
    return steady


def cpus_running(machine):
    """What the boot messages say: (running, there are)."""
    match = re.search(r'^cpus: (\d+) running(?: of (\d+))?$', machine.transcript(), re.M)
    assert match, f'no line about CPUs:\n{machine.tail()}'
    return int(match[1]), int(match[2] or match[1])


def bind(machine, source, cpu):
    machine.ok(f'irq bind {source} {cpu}')
    assert machine.row('irq', 'source', source=source)['cpu'] == cpu


def dispatched(machine, source):
    """Interrupts of a source, by CPU."""
    text = machine.ok('intrstat -c')
    rows = re.findall(r'^dispatch\s+' + re.escape(source) + r'((?:\s+\d+)+)$', text, re.M)
    assert len(rows) == 1, f'{source}: {len(rows)} rows of counts in:\n{text}'
    return [int(n) for n in rows[0].split()]


def line_source(machine, gsi):
    """The name of the source of a line, which must be a level one."""
    name = f'ioapic0:{gsi}'
    assert machine.row('irq', 'source', source=name)['trigger'] == 'level'
    return name


@pytest.mark.parametrize('cpus', [1, 2, 4, 16, 64])
def test_all_cpus_come_up(boot, mode, cpus):
    m = boot(cpus=cpus, mode=mode, timeout=180)
    assert cpus_running(m) == (cpus, cpus)
    assert m.sysctl('hw.ncpu') == cpus
    assert f'{cpus} CPUs' in m.ok('uptime')
    # None was late, none has a clock of its own, nothing strays.
    for wrong in ('no answer', 'behind', 'ahead', 'belongs to nobody', 'lapic 0: error'):
        assert wrong not in m.transcript()
    # Work of every CPU's own: it has an idle lwp, and it has run.
    idle = [r for r in m.table('ps', 'id') if r['kind'] == 'idle']
    assert sorted(r['cpu'] for r in idle) == list(range(cpus))
    assert m.poweroff() == 0


@pytest.mark.parametrize('way,said', [('off', 'xAPIC'), ('on', 'x2APIC')])
def test_either_way_to_the_local_controller(boot, way, said):
    m = boot(cpus=4, append=f'x2apic={way}')
    assert re.search(rf'^lapic: {said}, id 0$', m.transcript(), re.M)
    for cpu in (3, 0, 1, 2):
        bind(m, MSI, cpu)
        before = dispatched(m, MSI)
        m.ok('edu -u 0 raise 200')
        after = dispatched(m, MSI)
        assert [a - b for a, b in zip(after, before)] == [200 * (i == cpu) for i in range(4)]
    assert m.poweroff() == 0


def test_a_word_that_makes_no_sense_is_named(boot):
    m = boot(cpus=1, append='x2apic=perhaps')
    assert 'x2apic=perhaps: must be on or off' in m.transcript()
    assert m.poweroff() == 0


def test_fewer_cpus_on_request(boot):
    m = boot(cpus=4, append='cpus=2')
    assert cpus_running(m) == (2, 4)
    assert m.error('irq bind ioapic0:4 2') == 'error: irq: CPU 2: must be 0 to 1'
    assert m.poweroff() == 0


def test_numbers_of_local_controllers_with_gaps(boot):
    # Two sockets of three: numbers 0, 1, 2 and 4, 5, 6.
    m = boot(cpus=6, args=['-smp', '6,sockets=2,cores=3,threads=1'])
    assert cpus_running(m) == (6, 6)
    for cpu in (3, 5):
        bind(m, MSI, cpu)
        m.ok('edu -u 0 raise 100')
        assert dispatched(m, MSI)[cpu] >= 100
    assert m.poweroff() == 0


def test_a_cpu_that_no_interrupt_can_name_is_given_none(boot):
    # Its local controller has number 256: the eight bits of a message would lead to CPU 0.
    m = boot(cpus=1, edu=2, append='x2apic=on',
             args=['-smp', '1,sockets=2,cores=200,threads=1,maxcpus=400',
                   '-device', 'max-x86_64-cpu,socket-id=1,core-id=0,thread-id=0'])
    assert cpus_running(m) == (2, 2)
    assert all(r['cpu'] == 0 for r in m.table('irq', 'source'))
    m.ok('edu -u 0 raise 100')
    m.ok('edu -u 1 raise 100')
    assert m.error(f'irq bind {MSI} 1') == f'error: irq: {MSI}: EINVAL'
    assert 'cpu1 (APIC id 256) cannot be given interrupts: its id is above 254' in m.transcript()
    # It takes its clock and calls from others all the same.
    assert 'belongs to nobody' not in m.transcript()
    assert m.poweroff() == 0


def test_every_cpu_takes_lines_and_messages(boot, mode):
    m = boot(cpus=4, mode=mode)
    m.ok('edu -u 1 detach')
    m.ok('edu -u 1 attach intx')
    line = line_source(m, 20)
    for source, unit in ((MSI, 0), (line, 1)):
        for cpu in (1, 3, 2, 0):
            bind(m, source, cpu)
            before = dispatched(m, source)
            m.ok(f'edu -u {unit} raise 200')
            after = dispatched(m, source)
            gained = [a - b for a, b in zip(after, before)]
            assert gained[cpu] >= 200 and sum(gained) == gained[cpu], (source, cpu, gained)
    assert m.poweroff() == 0


def test_an_edge_line_moves_under_its_own_console(boot, mode):
    # The serial line is an edge one; what is typed while it moves must all arrive.
    m = boot(cpus=4, mode=mode)
    for n in range(20):
        bind(m, 'ioapic0:4', n % 4)
        assert m.ok(f'echo {n} abcdefghijklmnopqrstuvwxyz') == f'{n} abcdefghijklmnopqrstuvwxyz'
    for name in ('tty.overruns', 'tty.ring_full', 'tty.errors'):
        assert m.sysctl(name) == 0
    assert m.poweroff() == 0


def test_a_periodic_line_moves_and_stays_alive(boot, mode):
    # The timer goes on by itself while its line is moved again and again. A level line that lost
    # its end of interrupt would be dead from then on. (How many ticks there should have been cannot
    # be told: the emulated timer sometimes comes twice a period.)
    m = boot(cpus=4, mode=mode)
    source = next(r['source'] for r in m.table('irq', 'source') if 'hpet' in str(r['handlers']))
    m.ok('hpet 1000')
    for n in range(40):
        bind(m, source, (n + 1) % 4)
    before = sum(dispatched(m, source))
    for _ in range(200):
        if sum(dispatched(m, source)) - before > 50:
            break
        m.ok('sleep 0.05')
    assert sum(dispatched(m, source)) - before > 50
    text = m.ok('hpet')
    match = re.search(r'(\d+) interrupts, (\d+) runs', text)
    assert match, text
    assert 0 <= int(match[1]) - int(match[2]) <= 1
    assert m.row('irq', 'source', source=source)['state'] in ('on', 'masked')
    assert m.poweroff() == 0


def test_moves_give_their_vectors_back(boot):
    m = boot(cpus=2)
    before = m.table('irq vectors', 'cpu')
    for n in range(300):
        m.ok(f'irq bind {MSI} {n % 2}')
    bind(m, MSI, 1)
    m.ok('edu -u 0 raise 100')
    after = m.table('irq vectors', 'cpu')
    assert sum(r['free'] for r in before) == sum(r['free'] for r in after)
    m.ok('edu -u 0 detach')
    freed = m.table('irq vectors', 'cpu')
    assert sum(r['free'] for r in freed) == sum(r['free'] for r in after) + 1
    assert 'belongs to nobody' not in m.transcript()
    assert m.poweroff() == 0


def test_the_counter_is_measured_well(boot):
    # Counting instructions, the counter runs at 1 GHz by definition.
    m = boot(cpus=1, mode='icount')
    match = re.search(r'^clock: counter (\d+\.\d+) MHz, measured within (\d+) ppm$',
                      m.transcript(), re.M)
    assert match, m.tail()
    assert abs(float(match[1]) - 1000) < 1000 * int(match[2]) / 1e6
    assert int(match[2]) <= 100
    assert m.poweroff() == 0


def test_time_goes_on_the_same_on_every_cpu(boot, mode):
    # The shell wanders over the CPUs; what it reads of the clock never goes back.
    m = boot(cpus=4, mode=mode)
    last = 0.0
    for _ in range(30):
        now = float(re.search(r'up ([\d.]+) s', m.ok('uptime'))[1])
        assert now >= last
        last = now
    assert m.poweroff() == 0


def test_a_machine_without_a_timer_says_so(boot):
    m = boot(prompt=False, cpus=1, args=['-machine', 'pit=off'])
    text, _ = m.expect('panic: ', panic_ok=True)
    assert 'clock: no frequency for the cycle counter' in text
    assert m.wait_end(panic_ok=True) != 0
