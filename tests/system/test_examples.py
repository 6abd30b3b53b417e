# SPDX-License-Identifier: BSD-2-Clause
"""The drivers of tests/examples are those that the manual shows, to the letter; that they work is
for tests/unit/t_examples.c, which has to include each."""

import glob
import os
import re

import pytest

import harness

EXAMPLES = sorted(glob.glob(os.path.join(harness.ROOT, 'tests', 'examples', '*.c')))


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


@pytest.mark.parametrize('path', EXAMPLES, ids=os.path.basename)
def test_file_is_run(path):
    assert f'"../examples/{os.path.basename(path)}"' in read('tests/unit/t_examples.c')
