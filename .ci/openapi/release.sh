#!/usr/bin/env bash
# Copies openapi.yaml to released.yaml, and empties the list of accepted breaking changes.
# Later changes are compared with released.yaml.
set -euo pipefail
here=$(dirname "$0")
cp openapi.yaml "$here/released.yaml"
sed -i.bak '/^# ---$/q' "$here/accepted.txt" && rm "$here/accepted.txt.bak"
echo "commit $here and tag that commit before you run the check: released.yaml must equal openapi.yaml of the newest tag"
