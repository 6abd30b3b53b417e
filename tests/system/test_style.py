# SPDX-License-Identifier: BSD-2-Clause
"""The style is a test, and these test the test: each rule of tools/tidy, tools/checkdeps and
tools/checkdocs is broken once, in a tree of its own, and must be named; a good file must pass."""

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


README = ('# T\n\n`./ithaca run --cpus 2`, [more](docs/how-it-works.md#more).\n\n'
          '| folder | what |\n| --- | --- |\n| `include/` | |\n| `kern/` | |\n| `man/` | |\n'
          '| `docs/` | |\n| `tools/` | |\n| `bench/` | |\n| `tests/` | |\n')
WORKS = ('# W\n\n## More\n\n`kern/thing.c: f(), g()`, `f()`, `thing.c`, `kern/*.c`, `hw.x`\n\n'
         '| module | what | page |\n| --- | --- | --- |\n| `kern/thing.c` | it | thing(9) |\n\n'
         '| figure | line | instructions |\n| --- | --- | --- |\n| it | whole | 3 |\n')
THING_C = GOOD + '\nint f(int a)\n{\n}\n\nstatic const char *g(void)\n{\n\th("hw.x");\n}\n'
THING_H = HEADER.replace('#endif', '\n/* f - a function. */\nint f(int a, void (*fn)(int *p));\n\n'
                         '/* k - another. */\nstatic inline int k(void)\n{\n}\n#endif')
PAGE = ('.\\" SPDX-License-Identifier: BSD-2-Clause\n.Dd November 20, 2026\n.Dt THING 9\n.Os\n'
        '.Sh NAME\n.Nm f\n.Nd a thing\n.Sh SYNOPSIS\n.In ithaca/thing.h\n.Ft int\n'
        '.Fn f "int n" "void (*f)(int *)"\n.Sh DESCRIPTION\n.Fn f\n.Li hw.x\n'
        '.Pa kern/thing.c\n.Sh SEE ALSO\n.Xr thing 9 ,\n.Xr gdb 1\n')
SHOWN = ('# S\n\n| rule | scenarios | on the machine |\n| --- | --- | --- |\n'
         '| once | `one`, `t_thing.it` | `test_it` |\n\n'
         '| race | drawn in | scenarios |\n| --- | --- | --- |\n'
         '| a thing | `kern/thing.c` | `two` |\n')
DOCUMENTS = {'README.md': README, 'docs/how-it-works.md': WORKS, 'kern/thing.c': THING_C,
             'docs/simulator.md': SHOWN, 'bench/b_thing.c': SPDX + 'const char *b = "whole";\n',
             'tests/scenario/s_thing.c': SPDX + 'SCENARIO(one, 1)\nSCENARIO(two, 2)\n',
             'tests/unit/t_thing.c': SPDX + 'TEST(it)\n',
             'tests/system/test_thing.py': 'def test_it(machine):\n    pass\n',
             'include/ithaca/thing.h': THING_H, 'man/thing.9': PAGE}


def test_true_documents_pass(tree):
    assert tree('checkdocs', DOCUMENTS) == (0, '')


@pytest.mark.parametrize('name, old, new, message', [
    ('README.md', './ithaca run', './ithaca walk', 'README.md:3: ./ithaca walk: no such command'),
    ('README.md', '--cpus', '--wheels', './ithaca run --wheels: no such option'),
    ('README.md', 'works.md#', 'fails.md#', 'link to docs/how-it-fails.md#more: no such file'),
    ('README.md', '#more', '#less', 'link to docs/how-it-works.md#less: no such section'),
    ('README.md', '| `man/` | |\n', '', 'man/ is not in the table of folders'),
    ('README.md', '| folder |', '| dir |', 'README.md:1: no table that begins with | folder |'),
    ('docs/how-it-works.md', 'f(), g()', 'f(), x()', ':5: x() is not defined in kern/thing.c'),
    ('docs/how-it-works.md', 'kern/thing.c: f', 'kern/that.c: f',
     'kern/that.c: no such file of the code'),
    ('docs/how-it-works.md', '`f()`', '`nowhere()`', 'nowhere(): nowhere in the code'),
    ('docs/how-it-works.md', '`thing.c`', '`that.c`', ':5: that.c: no file of that name'),
    ('docs/how-it-works.md', '`kern/*.c`', '`kern/that.c`',
     'kern/that.c: no such file or folder'),
    ('docs/how-it-works.md', '`kern/*.c`', '`kern/*.S`', 'nothing in the tree is like kern/*.S'),
    ('docs/how-it-works.md', 'hw.x', 'hw.y', 'docs/how-it-works.md:5: hw.y: no such setting'),
    ('docs/how-it-works.md', '| thing(9)', '| that(9)', ':9: that(9): no such page'),
    ('docs/how-it-works.md', '| thing(9)', '| none', ':9: kern/thing.c: no page'),
    ('docs/how-it-works.md', '| `kern/thing.c`', '| `thing.c`',
     'kern/thing.c is not in the table of modules'),
    ('docs/how-it-works.md', '| whole', '| half', ':13: "half" is not printed by bench/'),
    ('docs/simulator.md', '| rule |', '| law |', 'no table that begins with | rule |'),
    ('docs/simulator.md', '`one`, `t_thing.it`', 'none', ':5: nothing shows: once'),
    ('docs/simulator.md', '`test_it`', 'none', ':5: nothing shows: once'),
    ('docs/simulator.md', '`one`', '`six`', ':5: six: no such scenario or unit test'),
    ('docs/simulator.md', '`t_thing.it`', '`t_thing.we`', ':5: t_thing.we: no such scenario or'),
    ('docs/simulator.md', '`test_it`', '`test_us`', ':5: test_us: no such test of the machine'),
    ('docs/simulator.md', '`two`', 'none', ':9: (none): no such scenario or unit test'),
    ('kern/thing.c', 'int f(int a)',
     '/*\n *\tCPU 0\tCPU 1\n *\tCPU 0\tCPU 1\n */\nint f(int a)',
     'docs/simulator.md:9: kern/thing.c draws 2 races, the table has 1'),
    ('kern/thing.c', 'static const char *g(void)\n{', 'int g(void);\nint i(void)\n{ /* g() */',
     'g() is not defined in kern/thing.c'),
    ('include/ithaca/thing.h', '/* f - a', '/* a', 'thing.h:7: f() has no comment before it'),
    ('include/ithaca/thing.h', '/* k - an', '/* an', 'thing.h:10: k() has no comment before it'),
    ('man/thing.9', '.Dt THING', '.Dt THAT', 'the page says that it is THAT 9'),
    ('man/thing.9', '.Xr thing', '.Xr that', 'man/thing.9:17: that(9): no such page'),
    ('man/thing.9', '.Pa kern/thing.c', '.Pa kern', 'thing(9) does not name kern/thing.c'),
    ('man/thing.9', '.Pa kern/thing.c', '.Pa kern/thing.c\n.Pa kern/that.c',
     'man/thing.9:16: kern/that.c: no such file or folder'),
    ('man/thing.9', '.In ithaca/thing.h', '.In ithaca/that.h', 'include/ithaca/that.h: no such'),
    ('man/thing.9', '"int n"', '"long n"', 'f(long, void(*)(int *)) is f(int, void(*)(int *)) in'),
    ('man/thing.9', '.Ft int', '.Ft bool', 'man/thing.9:11: f() is of type int'),
    ('man/thing.9', '.Fn f "', '.Fn h "', 'man/thing.9:11: h() is not in include/ithaca/thing.h'),
    ('man/thing.9', 'TION\n.Fn f', 'TION\n.Fn j', 'man/thing.9:13: j(): nowhere in the code'),
    ('man/thing.9', '.Li hw.x', '.Li hw.y', 'man/thing.9:14: hw.y: no such setting'),
], ids=by_message)
def test_documents_that_lie_are_named(tree, name, old, new, message):
    assert DOCUMENTS[name].count(old) == 1
    status, said = tree('checkdocs', {**DOCUMENTS, name: DOCUMENTS[name].replace(old, new)})
    assert message in said
    assert status == 1
