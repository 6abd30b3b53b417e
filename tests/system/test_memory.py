# SPDX-License-Identifier: BSD-2-Clause
"""Memory: all of it is found, what fails says so and leaks nothing, what ends gives back."""

import re

import pytest

MIB = 1 << 20


@pytest.mark.parametrize('mem', [64, 256, 3072])
def test_all_of_the_ram_is_found(boot, mem):
    # 3072 MiB: the part above 2 GiB lies above 4 GiB on this machine.
    m = boot(cpus=1, mem=mem)
    total = m.sysctl('mem.total')
    # The image takes up to 2 MiB besides; with sanitizers more, and an eighth is their shadow.
    san = not m.cmd('sysctl debug.kasan').startswith('error:')
    assert mem * MIB * 0.94 - (2 + san * 5) * MIB < total < mem * MIB
    assert (0.97 - san / 8) * total - 4 * MIB < m.sysctl('mem.free') < total
    assert m.poweroff() == 0


def test_mem_shows_what_is_used(boot):
    m = boot(cpus=2)
    text = m.ok('mem')
    assert re.search(r'^pages: \d+ of \d+ free', text, re.M)
    assert re.search(r'^mappings: \d+ ranges', text, re.M)
    sizes = [row['object'] for row in m.table('mem', 'slabs')]
    assert sizes[0] == 16 and 2048 in sizes
    assert m.sysctl('mem.stacks') >= 2 * 5      # idle and softint lwps of each CPU
    assert m.poweroff() == 0


def in_use(m):
    """What an operation that is undone must leave as it was."""
    return {name: m.sysctl(name) for name in ('mem.objects', 'mem.object_bytes', 'mem.stacks')}


@pytest.mark.parametrize('kind', ['msi', 'intx'])
def test_attach_and_detach_give_everything_back(boot, kind):
    m = boot(cpus=4)
    m.ok('edu detach')
    # Once through, for what is made at the first use and kept: the source of a line.
    m.ok(f'edu attach {kind}')
    m.ok('edu detach')
    before = in_use(m)
    for _ in range(10):
        m.ok(f'edu attach {kind}')
        m.ok('edu raise 10')
        m.ok('edu detach')
    assert in_use(m) == before
    assert m.poweroff() == 0


@pytest.mark.parametrize('kind', ['msi', 'intx'])
def test_each_allocation_of_an_attach_fails_in_turn(boot, kind):
    """The attach fails with an error that names the cause, what it had taken is given back, and
    it succeeds when asked again."""
    m = boot(cpus=2)
    m.ok('edu detach')
    # Once through, as above.
    m.ok(f'edu attach {kind}')
    m.ok('edu detach')
    before = in_use(m)
    for nth in range(1, 30):
        failures = m.sysctl('mem.alloc_failures')
        m.set_sysctl('debug.alloc_fail', nth)
        text = m.cmd(f'edu attach {kind}')
        if m.sysctl('mem.alloc_failures') == failures:
            break
        assert 'error:' in text and 'ENOMEM' in text, f'allocation {nth}: {text}'
        assert in_use(m) == before, f'allocation {nth} leaks'
    else:
        pytest.fail('an attach takes 30 allocations')
    assert nth > 1, 'an attach allocates nothing'
    m.set_sysctl('debug.alloc_fail', 0)
    assert 'error:' not in text
    m.ok('edu raise 10')
    assert m.poweroff() == 0
