# SPDX-License-Identifier: BSD-2-Clause
"""The style is a test, and these test the test: each rule of tools/tidy and tools/checkdeps is
broken once, in a tree of its own, and must be named; a good file must pass."""

import os
import shutil
import subprocess

import pytest

import harness

SPDX = '/* SPDX-License-Identifier: BSD-2-Clause */\n'
ESSAY = '/*\n * thing.c - a thing.\n *\n * Not for anything else.\n */\n'
HEADER = SPDX + '/* thing.h - a thing. */\n#ifndef T_H\n#define T_H\n#endif\n'
OWN = '#include <ithaca/thing.h>\n\n'
GOOD = SPDX + ESSAY + OWN + '#include <ithaca/a.h>\n#include <stddef.h>\n\nint x;\n'


@pytest.fixture
def tree(tmp_path):
    """A function: makes the tree's files from a dict, runs a tool in it, returns (status, text)."""
    shutil.copytree(os.path.join(harness.ROOT, 'tools'), tmp_path / 'tools')
    shutil.copy(os.path.join(harness.ROOT, 'ithaca'), tmp_path)

    def run(tool, files, *arguments):
        for name, text in {'include/ithaca/thing.h': HEADER, 'include/ithaca/a.h': HEADER,
                           **files}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding='utf-8')
        done = subprocess.run([str(tmp_path / 'tools' / tool), *arguments], capture_output=True,
                              text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    return run


def test_good_files_pass(tree):
    files = {'kern/thing.c': GOOD + '\nint f(void)\n{\n' + '\tx++;\n' * 66 + '}\n'}
    assert tree('tidy', files, 'kern/thing.c', 'include/ithaca/thing.h') == (0, '')
    assert tree('checkdeps', files) == (0, '')


BODY = '\nint f(int a)\n{\n'


def by_message(value):
    """A case's name: what must be said."""
    return value if isinstance(value, str) and ' ' in value and '\n' not in value else ''


@pytest.mark.parametrize('name, text, message', [
    ('kern/thing.c', ESSAY + OWN, 'kern/thing.c:1: the first line must be the SPDX line'),
    ('kern/thing.c', SPDX + '/* thing */\n' + OWN, 'kern/thing.c:1: no essay comment'),
    ('kern/thing.c', GOOD + 'int ' + 'y' * 100 + ';\n', 'kern/thing.c:13: 105 columns'),
    ('kern/thing.c', GOOD + '\t' * 12 + 'int y;\n', 'kern/thing.c:13: 102 columns'),
    ('kern/thing.c', GOOD + 'int y; \n', 'kern/thing.c:13: blanks at the end'),
    ('kern/thing.c', GOOD + 'int y;', 'kern/thing.c: no newline at the end'),
    ('kern/thing.c', GOOD + BODY + '\tx++;\n' * 68 + '}\n',
     'kern/thing.c:14: a function of 71 lines'),
    ('kern/thing.c', GOOD + BODY + '\tx += \'"\' + "}"[0]; /* { */\n' * 68 + '}\n',
     'kern/thing.c:14: a function of 71 lines'),
    ('kern/thing.c', GOOD + 'int y;\n' * 900, 'a file of 912 lines; at most 900'),
    ('include/ithaca/long.h', HEADER + '\n' * 200, 'a header of 205 lines; at most 200'),
    ('include/ithaca/bare.h', SPDX + '/* bare.h */\nint y;\n', 'no include guard'),
    ('kern/thing.c', SPDX + ESSAY + '#include <ithaca/a.h>\n' + OWN, 'own header first'),
    ('kern/thing.c', SPDX + ESSAY + OWN + '#include <stddef.h>\n#include <ithaca/a.h>\n',
     'kern/thing.c:10: includes are not sorted'),
    ('kern/thing.c', GOOD + '#ifdef FAST\n#endif\n', 'conditional compilation in the core'),
    ('kern/thing.c', GOOD + '/* As on x86-64. */\n', 'a machine is named in the core'),
    ('kern/thing.c', GOOD + BODY + '\t__asm__ ("nop");\n}\n', 'assembly in the core'),
    ('tools/thing', '#!/bin/sh\ntrue\n', 'tools/thing:1: no SPDX line'),
], ids=by_message)
def test_tidy_names_what_is_wrong(tree, name, text, message):
    status, said = tree('tidy', {name: text}, name)
    assert message in said
    assert status == 1


@pytest.mark.parametrize('name, include, message', [
    ('lib/thing.c', '<ithaca/intr.h>', 'lib may not include ithaca/intr.h'),
    ('kern/thing.c', '<port/inline.h>', 'kern may not include port/inline.h'),
    ('kern/thing.c', '<ithaca/machine.h>', 'kern may not include ithaca/machine.h'),
    ('kern/thing.c', '<stdio.h>', 'kern may not include stdio.h'),
    ('kern/thing.c', '"../sys/mem/page.h"', 'kern may not include ../sys/mem/page.h'),
    ('port/x86_64/thing.c', '<mem/page.h>', 'port/x86_64 may not include mem/page.h'),
    ('sys/mem/thing.c', '<dev/uart.h>', 'sys/mem stands below sys/dev: no dev/uart.h'),
    ('sys/dev/thing.c', '<port/inline.h>', 'sys/user may not include port/inline.h'),
], ids=by_message)
def test_layers_are_kept(tree, name, include, message):
    status, said = tree('checkdeps', {name: SPDX + ESSAY + f'#include {include}\n'})
    assert f'{name}:7: {message}' in said
    assert status == 1
