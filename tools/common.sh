# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# common.sh: what the front door's scripts share.  They run in the root of the tree and set
# `prog`, the words that begin their messages.

say() {
	# shellcheck disable=SC2154
	printf '%s: %s\n' "$prog" "$*" >&2
}

# A mistake in how we were called: 2.  Anything else that stops us: 4.
usage_error() {
	say "$*"
	exit 2
}

die() {
	say "$*"
	exit 4
}

# number OPTION VALUE MIN MAX: refuse a value that is not a decimal number within the bounds.
number() {
	case $2 in
	'' | *[!0-9]* | ??????????*)
		usage_error "$1 $2: must be a number from $3 to $4" ;;
	esac
	if [ "$2" -lt "$3" ] || [ "$2" -gt "$4" ]; then
		usage_error "$1 $2: must be $3 to $4"
	fi
}

jobs() {
	nproc 2>/dev/null || echo 1
}
