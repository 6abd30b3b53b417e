# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# files.sh: which files of the tree are ours to judge.  Run in its root.

# C and assembly, headers too.
all_code() {
	find include lib kern port sys tests bench -name '*.[chS]' 2>/dev/null | sort
}

all_scripts() {
	echo ithaca
	find tools .ci -type f 2>/dev/null | sort | while read -r f; do
		case $f in
		*.sh) echo "$f" ;;
		*) head -n 1 "$f" | grep -q '^#!.*sh$' && echo "$f" ;;
		esac
	done
}

all_manuals() {
	find man -name '*.[1-9]' 2>/dev/null | sort
}

all_texts() {
	all_code
	all_scripts
	all_manuals
	ls Makefile README.md 2>/dev/null
	find docs lib kern port sys tests bench \( -name '*.md' -o -name '*.py' -o -name rules.mk \
		-o -name '*.ld' \) 2>/dev/null | sort
}
