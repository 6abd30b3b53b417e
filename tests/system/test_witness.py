# SPDX-License-Identifier: BSD-2-Clause
"""The lock checker names both places, once, and leaves alone what is right."""

import re

import pytest


def report(m, kind):
    """What `check KIND` has the console say, in a system that goes on."""
    said = m.sysctl('debug.witness.reports')
    text = m.ok(f'check {kind}')
    for _ in range(100):        # a report that a softint prints may come later
        if m.sysctl('debug.witness.reports') == said or 'witness: ' in text:
            break
        text += m.ok('sleep 0.05')
    return text


# Each: what the head says, and what the lines below it name.
ORDERS = {
    'reversal': ('lock order reversal by lwp "shell"',
                 [r'holds "check right" \(level none\) at check_reversal\+0x',
                  r'enters "check left" \(level none\) at check_reversal\+0x',
                  r'known: entered "check left" \(level none\) at check_reversal\+0x',
                  r'and under it "check right" \(level none\) at check_reversal\+0x']),
    'path': ('lock order reversal by lwp "shell"',
             [r'holds "check three"', r'enters "check one"', r'known: entered "check one"',
              r'known: entered "check two"', r'and under it "check three"']),
    'class': ('lock order reversal within a class',
              [r'enters one of a lower address "check twin"']),
    'spin': ('lock order reversal by lwp "shell"', [r'enters "check spin left" \(level vm\)']),
    'inversion': ('level inversion', [r'holds "check high" \(level high\)',
                                      r'enters "check vm" \(level vm\)']),
    'try': ('adaptive mutex entered in a context that cannot block',
            [r'holds spin mutex "check spin"', r'enters "check tried" .* at check_try\+0x']),
    'exit': (r'lwp "forgetful" \(take\+', [r'entered "check kept at exit" .* at take\+0x']),
    'softint': (r'softint "check" \(take\+', [r'entered "check kept by softint"']),
    'callout': (r'callout "" \(take\+', [r'entered "check kept by callout"']),
    'handler': (r'handler "check" \(take_thread\+', [r'entered "check kept by handler"']),
    'endsoft': ('wait that may never end by lwp "shell"',
                [r'holds "check soft\'s" .* at check_endsoft\+',
                 r'waits for the end of softint "check end" .* at check_endsoft\+',
                 r'known: ran softint "check end" \(level softnet\) at pass\+',
                 r'and under it "check soft\'s" .* at pass\+']),
    'endintr': ('wait that may never end by lwp "shell"',
                [r'holds "check handler\'s" .* at check_endintr\+',
                 r'waits for the end of handler "check end" .* at check_endintr\+',
                 r'known: ran handler "check end" \(level net\) at pass_thread\+']),
    'endwork': ('wait that may never end by lwp "shell"',
                [r'holds "check work\'s" .* at check_endwork\+',
                 r'waits for the end of work queue "check end" .* at check_endwork\+',
                 r'and as part of it work "check end" .* at pass\+',
                 r'and under it "check work\'s" .* at pass\+']),
    'join': ('wait that may never end by lwp "late"',
             [r'enters "check joined\'s" .* at pass(_late)?\+',
              r'and under it "check joiner\'s" .* at (enter_both|check_join)\+',
              r'lwp "shell" waits for the end of lwp "late" at check_join\+',
              r'and holds "check joiner\'s" .* at check_join\+']),
}


def test_reports(boot, mode):
    m = boot(cpus=2, mode=mode)
    assert m.sysctl('debug.witness.reports') == 0
    for kind, (head, lines) in ORDERS.items():
        text = report(m, kind)
        assert len(re.findall('witness: ', text)) == 1, text
        assert re.search('witness: ' + head, text), text
        for line in lines:
            assert re.search(line, text), f'{kind}: {line}\n{text}'
    assert m.sysctl('debug.witness.reports') == len(ORDERS)
    # Once is enough.
    for kind in ORDERS:
        assert 'witness:' not in report(m, kind)
    assert m.sysctl('debug.witness.reports') == len(ORDERS)
    assert m.sysctl('debug.witness.reversals') == 4
    assert m.sysctl('debug.witness.leaks') == 4
    assert m.sysctl('debug.witness.waits') == 4
    row = m.row('locks', heading='held-at', held='check_left', then='check_right')
    assert row['held-at'].startswith('check_reversal+') and row['level'] == 'none'
    row = m.row('locks', heading='held-at', held='softint_check_end')
    assert row['held-at'].startswith('pass+') and row['then'] == "check_soft's"
    assert m.poweroff() == 0


FATAL = {
    'context': (r'adaptive mutex entered in a context that cannot block',
                [r'holds spin mutex "check spin"',
                 r'enters "check adaptive" .* check_context\+0x']),
    'interrupt': (r'adaptive mutex entered in a context that cannot block',
                  [r'in a filter or another interrupt', r'enters "check adaptive" .* at take\+0x']),
    'sleep': (r'sleep in a context that cannot block',
              [r'holds spin mutex "check spin" .* at check_sleep\+0x',
               r'sleeps on "sleep" at check_sleep\+0x']),
    'recursion': (r'mutex entered twice', [r'holds "check twice"', r'enters "check twice"']),
    'stranger': (r'mutex left by another than who holds it',
                 [r'held by lwp "shell"', r'entered "check owned" .* at check_stranger\+0x',
                  r'left "check owned" .* at leave\+0x']),
}


@pytest.mark.parametrize('kind', FATAL)
def test_reports_that_end_the_system(boot, kind):
    m = boot(cpus=2)
    m.send(f'check {kind}\r')
    assert m.wait_end(panic_ok=True) == 3
    text = m.transcript()
    head, lines = FATAL[kind]
    assert re.search('witness: ' + head, text)
    for line in lines:
        assert re.search(line, text), f'{line}\n{text}'


def test_off_nothing_is_said(boot):
    m = boot(cpus=1)
    m.set_sysctl('debug.witness.enabled', 0)
    m.ok('check reversal')
    assert m.sysctl('debug.witness.reports') == 0
    m.set_sysctl('debug.witness.enabled', 1)
    m.ok('check reversal')
    assert m.sysctl('debug.witness.reports') == 1
    m.error('sysctl debug.witness.enabled=2')
    assert 'no such thing' in m.error('check nonsense')
    m.error('check')
    assert m.poweroff() == 0


def test_work_is_left_alone(boot, mode):
    """All that the system does by itself and under load keeps its orders."""
    m = boot(cpus=4, mode=mode)
    m.ok('edu mode block; hold 200; edu raise 20', timeout=120)
    m.ok('edu mode both; edu raise 500; edu -u 1 raise 500', timeout=120)
    m.ok('edu detach; edu attach msi; irq list; intrstat', timeout=120)
    assert m.sysctl('debug.witness.reports') == 0
    assert m.sysctl('debug.witness.edges') > 3
    assert 'witness:' not in m.transcript()
    assert m.poweroff() == 0
