#!/usr/bin/env bash
# Checks an OpenAPI document against the rules of redocly.yaml. Prints only violations.
# Usage: lint.sh FILE [options of redocly lint]
set -euo pipefail
here=$(dirname "$0")
export REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true

if ! report=$("$here/node_modules/.bin/redocly" lint --config "$here/redocly.yaml" --format=stylish "$@" 2>&1); then
	echo "$report"
	exit 1
fi
