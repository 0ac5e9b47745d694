#!/usr/bin/env bash
# Runs the tests of gateway/stores with each server program that the machine has, and prints a
# table of the results. A store without a program is in the table too, as not run.
#
# FIELDGATE_TEST_VALKEY   a valkey-server; or the source of Valkey, a directory or a .tar.gz, which
#                         is built. Default: valkey-server, if it is installed
# FIELDGATE_TEST_REDIS_8  a redis-server of Redis 8. Default: none
set -euo pipefail

# absolute prints the absolute path of the file $1, or the name $1 of a program in PATH.
absolute() { if [ -e "$1" ]; then realpath "$1"; else echo "$1"; fi; }

valkey=$(absolute "${FIELDGATE_TEST_VALKEY:-$(command -v valkey-server || true)}")
redis_8=$(absolute "${FIELDGATE_TEST_REDIS_8:-}")
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# build_valkey builds the source in $1 and prints the path of the program.
build_valkey() {
	if [ -d "$1" ]; then cp -r "$1" "$work/valkey"; else mkdir "$work/valkey" && tar -xzf "$1" -C "$work/valkey" --strip-components=1; fi
	if ! make -C "$work/valkey" -j2 MALLOC=libc BUILD_TLS=yes >"$work/build.log" 2>&1; then
		tail -5 "$work/build.log" >&2
		return 1
	fi
	echo "$work/valkey/src/valkey-server"
}

# run adds the rows of the program $2 to the table. Without a program, it adds a row that says why
# the store $1 was not run.
run() {
	if [ -z "$2" ]; then
		echo "$1 is NOT RUN: $3" >&2
		echo "| $1 | | not run: $3 |" >>"$work/table"
		return
	fi
	if ! (cd gateway/stores && FIELDGATE_TEST_REDIS_SERVER=$2 "$work/stores.test" -test.v -test.timeout 5m >"$work/log" 2>&1); then
		failed=1
		grep -v '^STORE' "$work/log" >&2
	fi
	sed -n 's/^STORE //p' "$work/log" | sort >>"$work/table"
}

if [ -d "$valkey" ] || [ "${valkey%.gz}" != "$valkey" ]; then
	echo "building Valkey" >&2
	valkey=$(build_valkey "$valkey")
fi
failed=0
go test -c -o "$work/stores.test" ./gateway/stores
run Redis redis-server
run Valkey "$valkey" "name a program or its source in FIELDGATE_TEST_VALKEY"
run "Redis 8" "$redis_8" "name a program in FIELDGATE_TEST_REDIS_8"
printf '| store | deployment | result |\n|---|---|---|\n'
cat "$work/table"
exit $failed
