# SPDX-License-Identifier: BSD-2-Clause
"""The drivers of tests/examples are those that the manual, docs/from-spl.md and
docs/writing-a-driver.md show, to the letter; that they work is for a test in tests/unit, which has
to include each."""

import glob
import os
import re

import pytest

import harness

ALL = sorted(glob.glob(os.path.join(harness.ROOT, 'tests', 'examples', '*.c')))
ESSAYS = {'docs/from-spl.md': 'from_spl_', 'docs/writing-a-driver.md': 'edu_'}
STEPS = {page: [path for path in ALL if os.path.basename(path).startswith(stem)]
         for page, stem in ESSAYS.items()}
EXAMPLES = [path for path in ALL if not any(path in steps for steps in STEPS.values())]


def read(path):
    with open(os.path.join(harness.ROOT, path), encoding='utf-8') as f:
        return f.read()


def shown(page):
    """The first literal block of a page's EXAMPLES, as it is set."""
    text = read(os.path.join('man', page))
    block = re.search(r'^\.Sh EXAMPLES\n.*?^\.Bd -literal.*?\n(.*?)^\.Ed$', text, re.M | re.S)
    assert block, f'man/{page} has no literal block under EXAMPLES'
    return re.sub(r'\\(.)', lambda m: {'e': '\\', '&': ''}[m[1]], block[1])


def code(path):
    """A file from its first include on: what stands before is about the file."""
    text = read(path)
    return text[text.index('#include'):]


@pytest.mark.parametrize('path', EXAMPLES, ids=os.path.basename)
def test_page_shows_the_file(path):
    page = os.path.basename(path).replace('.c', '.9')
    assert shown(page) == code(path)


@pytest.mark.parametrize('page', ESSAYS)
def test_essay_shows_the_steps(page):
    blocks = re.findall(r'^```c\n(.*?)^```$', read(page), re.M | re.S)
    assert len(STEPS[page]) == 4
    assert blocks == [code(path) for path in STEPS[page]]


@pytest.mark.parametrize('path', ALL, ids=os.path.basename)
def test_file_is_run(path):
    tests = glob.glob(os.path.join(harness.ROOT, 'tests', 'unit', 't_*.c'))
    assert any(f'"../examples/{os.path.basename(path)}"' in read(test) for test in tests)
