# SPDX-License-Identifier: BSD-2-Clause
"""Cards that are put into slots, taken out by the button, and torn out, while the system runs and
while they work: they come with addresses and drivers, and go without a trace. QEMU's root ports
with native hot-plug; what a slot may do wrong is for tests/unit/t_slot.c.

A card is torn out of machines with one CPU only: a write to the card's registers that another CPU
has begun meanwhile reaches, in QEMU's own code, what it has freed, and QEMU ends by a signal."""

import re
import socket
import threading
import time

import harness
import pytest
import test_san
from net_host import in_use, settled

NATIVE = ['-global', 'ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off']
PORTS = {'one': '00:06.0', 'two': '00:07.0'}
MODELS = {'igb': 'igb0', 'virtio-net-pci': 'vtnet0'}


def wait_for(what, why, seconds=60):
    """Until what() is true; for what only a console command or QMP can tell."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, f'waited in vain for {why}'
        time.sleep(0.05)


def slot(m, port):
    return m.row('slot', 'port', port=PORTS[port])


def state(m, port, wanted):
    wait_for(lambda: slot(m, port)['state'] == wanted, f'{port} to be {wanted}')


def deleted(m, name):
    """Until QEMU says that the device has left the machine."""
    def is_it():
        m.qmp('query-status')
        return any(e['event'] == 'DEVICE_DELETED' and e['data'].get('device') == name
                   for e in m.qmp_events)
    wait_for(is_it, f'{name} to be deleted')
    m.qmp_events.clear()


def plug(m, port, model, **options):
    m.qmp('device_add', driver=model, id=f'card-{port}', bus=port, **options)


def unplug(m, port):
    """The button, and all that follows."""
    m.qmp('device_del', id=f'card-{port}')
    deleted(m, f'card-{port}')
    state(m, port, 'off')


class Echo(threading.Thread):
    """Somebody who sends and gets it back, through a port of the host, until the other end goes."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.bytes = 0
        self.wrong = False
        self.socket = socket.create_connection(('127.0.0.1', port), 60)
        self.socket.settimeout(60)
        self.start()

    def run(self):
        data = bytes(range(256)) * 8
        try:
            while True:
                self.socket.sendall(data)
                came = b''
                while len(came) < len(data):
                    piece = self.socket.recv(65536)
                    if not piece:
                        return
                    came += piece
                self.wrong |= came != data
                self.bytes += len(came)
        except OSError:
            pass

    def goes_on(self):
        before = self.bytes
        wait_for(lambda: self.bytes > before + 20000 or not self.is_alive(), 'an echo')
        assert self.is_alive() and not self.wrong

    def end(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass            # the other end was first
        self.join()
        self.socket.close()
        assert not self.wrong


@pytest.fixture
def machine(steady):
    """A machine with two slots, empty but for what is `there`, and a network of the user's for
    each, whose echo is at m.echo on the host; nothing waits between a button and what it asks."""
    def start(there=(), **options):
        args = list(NATIVE)
        echo = {}
        for n, (port, place) in enumerate(PORTS.items()):
            echo[port] = harness.free_port()
            args += ['-device', f'pcie-root-port,id={port},addr={place[3:5]},chassis={n + 1},'
                                f'slot={n + 1}',
                     '-netdev', f'user,id=net-{port},net=10.0.{n + 2}.0/24,'
                                f'hostfwd=tcp:127.0.0.1:{echo[port]}-10.0.{n + 2}.15:7']
        for port, model in there:
            args += ['-device', f'{model},bus={port},id=card-{port},netdev=net-{port}']
        m = steady(edu=0, monitor=True, args=args, **options)
        m.echo = echo
        m.ok('sysctl dev.pcieslot.button_ms=0; sysctl dev.pcieslot.settle_ms=1')
        return m
    return start


def network(m, port, model):
    """A card in that slot, with its address, and an echo through it."""
    plug(m, port, model, netdev=f'net-{port}')
    state(m, port, 'on')
    card = MODELS[model]
    m.ok(f'ifconfig {card} dhcp off; ifconfig {card} 10.0.{list(PORTS).index(port) + 2}.15/24')
    wait_for(lambda: m.row('nic', 'card', card=card)['link'] == 'yes', f"{card}'s link")
    echo = Echo(m.echo[port])
    echo.goes_on()
    return echo


def cards(m):
    """Their names; a message of the kernel's that comes between two lines is none."""
    rows = m.table('nic', 'card')
    return [r['card'] for r in rows if re.fullmatch('[a-z]+[0-9]+', str(r['card']))]


def held(m):
    """What a card that went might have left behind: objects, mappings, and lwIP's by pool."""
    text = m.ok('sysctl mem.objects; sysctl net.bufs; mem')
    objects, bufs = (int(x) for x in re.findall(r'(?:objects|bufs) = (\d+)', text))
    ranges = int(re.search(r'mappings: (\d+) ranges', text)[1])
    pools = {r['pool']: r['used'] for r in harness.parse_table(
        m.ok('netstat -m').split('\n\n')[0], 'pool')}
    return objects - bufs // 2, ranges, pools


def nothing_left(m):
    settled(m, 0)
    assert cards(m) == []
    text = m.ok('ifconfig')
    assert 'igb' not in text and 'vtnet' not in text
    assert not re.search(r'^0[12]:', m.ok('pci'), re.M)
    assert 'msi_0' not in (text := m.ok('intrstat').replace('msix_00:', '')) and \
        'msix_0' not in text


def test_cards_come_and_go_under_traffic(machine):
    """Two at a time, ten rounds, each taken out in the midst of its work."""
    rounds = 10
    m = machine(cpus=2)
    before = None
    for n in range(rounds):
        first, second = ('one', 'two') if n % 2 == 0 else ('two', 'one')
        echo = {first: network(m, first, 'igb'), second: network(m, second, 'virtio-net-pci')}
        assert sorted(cards(m)) == ['igb0', 'vtnet0']
        for port in (first, second):
            echo[port].goes_on()
            unplug(m, port)
            echo[port].end()
            if port == first:
                assert cards(m) == ['vtnet0']
                echo[second].goes_on()
        nothing_left(m)
        if n == 1:
            before = held(m)
    after = held(m)
    # What is made at need and kept for good stays below one for each round; what leaks does not.
    assert after[0] - before[0] < rounds - 2 and after[1] - before[1] < rounds - 2, (before, after)
    assert after[2] == before[2]
    for port in PORTS:
        row = slot(m, port)
        assert (row['came'], row['went'], row['pulled'], row['failed']) == (rounds, rounds, 0, 0)
    assert m.poweroff() == 0


def test_cards_of_all_kinds_and_all_ways_out(machine):
    # One from the start goes as well, and another comes into the same place.
    m = machine(cpus=1, there=[('one', 'virtio-net-pci')])
    state(m, 'one', 'on')
    assert slot(m, 'one')['came'] == 0 and cards(m) == ['vtnet0']
    unplug(m, 'one')
    nothing_left(m)

    # By its address from DHCP, to a peer, and torn out under traffic; twice each.
    for model, card in [*MODELS.items()] * 2:
        plug(m, 'one', model, netdev='net-one')
        m.expect(rf'{card}: address 10\.0\.2\.15 netmask 255\.255\.255\.0 by DHCP')
        state(m, 'one', 'on')
        m.ok('ping -c 2 10.0.2.2')
        echo = Echo(m.echo['one'])
        echo.goes_on()
        m.ok(f'slot cut {PORTS["one"]}')
        deleted(m, 'card-one')
        state(m, 'one', 'off')
        echo.end()
        nothing_left(m)
    assert slot(m, 'one')['pulled'] == 4

    # A device that is not a network card; its unit comes again with the next, wherever.
    for port in PORTS:
        plug(m, port, 'edu')
        state(m, port, 'on')
        m.ok('edu raise 100; edu fact 9; edu dma 1000')
        assert m.row('edu list', 'unit', unit=0)['function'][:2] == f'0{1 + (port == "two")}'
        m.ok('edu fire 100000000')
        unplug(m, port)
        m.cmd('edu fire stop')      # says that the unit is not there any more
        assert 'not attached' in m.error('edu raise 1')
        assert m.table('edu list', 'unit') == []
    plug(m, 'one', 'edu')
    state(m, 'one', 'on')
    m.ok('edu fire 100000000')
    m.ok(f'slot cut {PORTS["one"]}')
    deleted(m, 'card-one')
    state(m, 'one', 'off')
    m.cmd('edu fire stop')
    assert 'not attached' in m.error('edu raise 1')

    # A card without a driver, and one that wants more than the slot has room for.
    plug(m, 'one', 'e1000e', netdev='net-one')
    plug(m, 'two', 'pci-testdev', membar=1 << 50)
    state(m, 'one', 'on')
    state(m, 'two', 'on')
    assert re.search(r'01:00\.0: 8086:10d3, class 020000: no driver takes it', m.transcript())
    assert re.search(r'02:00\.0: no room for BAR 2 of 0x4000000000000 bytes, prefetchable: its '
                     r'bridge 00:07\.0 forwards 0x\w+, and 0x\w+ prefetchable', m.transcript())
    assert m.row('pci', 'function', function='01:00.0')['driver'] == '-'
    assert 'no driver' in m.error('pci attach 01:00.0')
    unplug(m, 'one')
    unplug(m, 'two')
    assert 'no function 01:00.0' in m.error('pci attach 01:00.0')

    # The button, pressed twice: nothing happens.
    m.set_sysctl('dev.pcieslot.button_ms', 60000)
    plug(m, 'one', 'igb', netdev='net-one')
    state(m, 'one', 'on')
    m.ok(f'slot button {PORTS["one"]}')
    state(m, 'one', 'going')
    m.ok(f'slot button {PORTS["one"]}')
    state(m, 'one', 'on')
    assert cards(m) == ['igb0']
    m.set_sysctl('dev.pcieslot.button_ms', 0)
    # Detached by hand, it goes as well.
    m.ok('pci detach 01:00.0')
    unplug(m, 'one')
    nothing_left(m)

    assert 'no slot behind a port 00:09.0' in m.error('slot button 00:09.0')
    assert 'usage' in m.cmd('slot pull')
    m.error('slot button')
    assert 'that can be detached' in m.error(f'pci detach {PORTS["one"]}')
    assert m.poweroff() == 0


@pytest.mark.parametrize('way, cpus', [('button', 3), ('cut', 1)])
def test_with_sanitizers(machine, way, cpus):
    """Memory that a card left behind is touched by nobody."""
    m = machine(kernel=test_san.build('gcc'), cpus=cpus)
    for model in MODELS:
        echo = network(m, 'one', model)
        if way == 'button':
            unplug(m, 'one')
        else:
            m.ok(f'slot cut {PORTS["one"]}')
            deleted(m, 'card-one')
            state(m, 'one', 'off')
        echo.end()
        nothing_left(m)
    assert m.sysctl('debug.ubsan_reports') == m.sysctl('debug.kasan_reports') == 0
    assert in_use(m) == 0
    assert m.poweroff() == 0
