#!/usr/bin/env bash
# Fails where openapi.yaml breaks what the last release promised, unless accepted.txt
# accepts it with a reason.
#
# The contract of the last release is a file of its own, released.yaml: a shallow clone
# and an archive have no tags, and a file gives every machine the same answer. Where
# the tag of the release is at hand, the file must be what the tag has.
#
# Usage: breaking.sh [RELEASED CURRENT [ACCEPTED]]; OASDIFF is the command to compare with.
set -euo pipefail
here=$(dirname "$0")
released=${1:-$here/released.yaml}
current=${2:-openapi.yaml}
accepted=${3:-$here/accepted.txt}
: "${OASDIFF:?is the command to compare with}"

if [ $# -eq 0 ]; then
	tag=$(git describe --tags --abbrev=0 --match 'v*' 2>/dev/null || true)
	if [ ! -e "$released" ] && [ -z "$tag" ]; then
		echo "breaking: there is no release yet, so nothing to break"
		exit 0
	fi
	if [ -n "$tag" ] && ! git show "$tag:openapi.yaml" | cmp -s - "$released"; then
		echo "breaking: $released is not the contract of $tag: git show $tag:openapi.yaml > $released"
		exit 1
	fi
fi

# Each accepted change has a reason in the line above it.
awk 'NF && !/^#/ && !reason { print FILENAME ":" NR ": give the reason in a comment above"; bad = 1 }
     { reason = /^# *[A-Za-z]/ } END { exit bad }' "$accepted"

if ! report=$($OASDIFF breaking --fail-on WARN --color never --format singleline \
	--severity-levels "$here/levels.txt" \
	--err-ignore <(grep -v '^#' "$accepted") --warn-ignore <(grep -v '^#' "$accepted") "$released" "$current" 2>&1); then
	echo "$report"
	echo "breaking: find another way, or accept the line in $accepted with a reason"
	exit 1
fi
