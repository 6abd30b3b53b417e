# SPDX-License-Identifier: BSD-2-Clause
"""What the PCI walk finds and where interrupt pins lead, checked by having the devices use them."""

import pytest


def functions(m):
    """Rows of `pci` by place."""
    return {r['function']: r for r in m.table('pci', 'function')}


def test_finds_what_the_board_has(boot):
    m = boot(cpus=1, args=['-device', 'e1000e,addr=0xa', '-device', 'nvme,serial=1,addr=0xb'])
    found = functions(m)
    assert found['00:00.0']['id'] == '8086:29c0'
    assert found['00:1f.0']['id'] == '8086:2918'
    assert found['00:04.0']['driver'] == 'edu' and found['00:04.0']['msi'] == 'yes'
    assert found['00:0a.0']['id'] == '8086:10d3' and found['00:0a.0']['msix'] != '-'
    assert found['00:0b.0']['msix'] != '-'
    # An honest machine: nothing to complain of.
    assert 'makes no sense' not in m.transcript()
    assert 'ignored' not in m.transcript()
    assert m.poweroff() == 0


def test_the_limit_of_units_is_said(boot):
    m = boot(cpus=1, edu=8, args=['-device', 'edu,addr=0xc'])
    assert 'limit is 8 units' in m.transcript()
    assert len(m.table('edu list', 'unit')) == 8
    assert m.poweroff() == 0


def all_by_pin(m, n):
    """Each unit with its pin, alone: handled exactly, or its wiring is not what we think. The
    periodic timer, which may have the same line, is at rest: at its ticks a unit is asked too."""
    m.set_sysctl('dev.hpet.hz', 0)
    for unit in range(n):
        m.ok(f'edu -u {unit} detach')
    for unit in range(n):
        m.ok(f'edu -u {unit} attach intx')
        m.ok(f'edu -u {unit} clear')
        m.ok(f'edu -u {unit} timeout 2000')
        m.ok(f'edu -u {unit} raise 50')
        row = m.row('edu stats', 'unit', unit=unit)
        assert row['raises'] == row['threads'] == 50 and row['strays'] == 0
        m.ok(f'edu -u {unit} fact 9')
        m.ok(f'edu -u {unit} detach')


@pytest.mark.parametrize('slots', [(1, 2, 3, 9, 16, 23, 24), (25, 26, 27, 28, 29, 30)])
def test_pins_of_the_slots_of_the_board(boot, slots):
    # The slots up to 24 are wired by the board, the others as the chipset's registers say.
    args = []
    for slot in slots:
        args += ['-device', f'edu,addr={slot:#x}']
    m = boot(cpus=2, edu=0, args=args)
    assert [r['function'] for r in m.table('edu list', 'unit')] == [f'00:{s:02x}.0' for s in slots]
    all_by_pin(m, len(slots))
    assert m.poweroff() == 0


def test_pins_and_messages_behind_bridges(boot):
    args = ['-device', 'pcie-root-port,id=root0,addr=6,chassis=1',
            '-device', 'pcie-pci-bridge,id=outer,bus=root0',
            '-device', 'pci-bridge,id=inner,bus=outer,addr=3,chassis_nr=2']
    for bus, slot in (('outer', 1), ('outer', 2), ('inner', 4), ('inner', 7), ('inner', 9)):
        args += ['-device', f'edu,bus={bus},addr={slot}']
    m = boot(cpus=2, edu=0, args=args)
    units = m.table('edu list', 'unit')
    assert len(units) == 5
    assert len({r['function'][:2] for r in units}) == 2
    for unit in range(5):
        m.ok(f'edu -u {unit} raise 50')
        m.ok(f'edu -u {unit} dma 5000')
    all_by_pin(m, 5)
    assert m.poweroff() == 0


def test_units_side_by_side_share_by_fours(boot):
    m = boot(cpus=2, edu=8)
    for unit in range(8):
        m.ok(f'edu -u {unit} detach')
        m.ok(f'edu -u {unit} attach intx')
    rows = m.table('edu list', 'unit')
    by_line = {}
    for row in rows:
        slot = int(row['function'][3:5], 16)
        by_line.setdefault(row['source'], set()).add(slot % 4)
    assert len(by_line) == 4 and all(len(slots) == 1 for slots in by_line.values())
    for unit in range(8):
        m.ok(f'edu -u {unit} raise 100')
    assert m.poweroff() == 0


def test_old_board_has_no_memory_mapped_configuration(boot):
    m = boot(cpus=1, edu=0, args=['-machine', 'pc'])
    assert 'no PCI' in m.transcript()
    assert m.poweroff() == 0
