#!/usr/bin/env bash
# Fails if openapi.yaml has a breaking change since the last release. A breaking change is
# accepted if accepted.txt lists it with a reason.
#
# The contract of the last release is the file released.yaml, because shallow clones and
# archives have no tags. If the tag of the release exists, the file must equal the contract
# of the tag.
#
# Usage: breaking.sh [RELEASED CURRENT [ACCEPTED]]; the variable OASDIFF holds the command that
# compares two contracts.
set -euo pipefail
here=$(dirname "$0")
released=${1:-$here/released.yaml}
current=${2:-openapi.yaml}
accepted=${3:-$here/accepted.txt}
: "${OASDIFF:?must be the command of oasdiff}"

if [ $# -eq 0 ]; then
	tag=$(git describe --tags --abbrev=0 --match 'v*' 2>/dev/null || true)
	if [ ! -e "$released" ] && [ -z "$tag" ]; then
		echo "breaking: there is no release to compare with"
		exit 0
	fi
	if [ -n "$tag" ] && ! git show "$tag:openapi.yaml" | cmp -s - "$released"; then
		echo "breaking: $released is not the contract of $tag: git show $tag:openapi.yaml > $released"
		exit 1
	fi
fi

# Each accepted change must have a comment above it that gives the reason.
awk 'NF && !/^#/ && !reason { print FILENAME ":" NR ": give the reason in a comment above"; bad = 1 }
     { reason = /^# *[A-Za-z]/ } END { exit bad }' "$accepted"

if ! report=$($OASDIFF breaking --fail-on WARN --color never --format singleline \
	--severity-levels "$here/levels.txt" \
	--err-ignore <(grep -v '^#' "$accepted") --warn-ignore <(grep -v '^#' "$accepted") "$released" "$current" 2>&1); then
	echo "$report"
	echo "breaking: avoid the change, or add its line to $accepted with a reason"
	exit 1
fi
