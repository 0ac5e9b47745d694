#!/usr/bin/env bash
# Makes openapi.yaml the contract that later changes are compared with, and forgets
# what was accepted since the release before.
set -euo pipefail
here=$(dirname "$0")
cp openapi.yaml "$here/released.yaml"
sed -i.bak '/^# ---$/q' "$here/accepted.txt" && rm "$here/accepted.txt.bak"
echo "commit $here and tag that commit before checking it: the file must be what the newest tag has"
