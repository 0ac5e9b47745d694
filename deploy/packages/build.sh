#!/bin/sh
# Builds the packages of one architecture into bin/packages. make packages calls it in the root of
# the repository, with VERSION, SOURCE_DATE_EPOCH and NFPM. The same commit gives the same files.
set -eu
export ARCH="$1"
PACKAGE_VERSION=$(deploy/packages/version.sh "$VERSION" "$SOURCE_DATE_EPOCH")
export PACKAGE_VERSION SOURCE_DATE_EPOCH

input=bin/packages/programs
for name in fieldgate fieldgate-agent; do
	{
		printf '%s (%s) unstable; urgency=medium\n\n  * See https://github.com/fieldgate/fieldgate/blob/main/CHANGELOG.md\n\n' "$name" "$PACKAGE_VERSION"
		printf ' -- Fieldgate <maintainers@fieldgate.example>  %s\n' "$(LC_ALL=C date -u -d "@$SOURCE_DATE_EPOCH" '+%a, %d %b %Y %H:%M:%S +0000')"
	} | gzip -9n > $input/$name.changelog.gz
	for script in postinstall preremove postremove; do
		sed "s/@NAME@/$name/g" deploy/packages/$script.sh > $input/$name.$script
	done
	for packager in deb rpm; do
		log=$($NFPM package --config deploy/packages/$name.yaml --packager $packager --target bin/packages/) || { echo "$log" >&2; exit 1; }
	done
done
