#!/bin/sh
# Prints the version of a package. Its arguments are the version by git describe and the time of the
# commit. A tilde sorts before the release, so that the release replaces a pre-release, and a plus
# after it. There is no hyphen, because it would separate the revision of the package.
set -eu
case "$1" in
v[0-9]*) echo "${1#v}" | sed -E 's/-dirty$/+dirty/; s/-([0-9]+)-(g[0-9a-f]+)(\+dirty)?$/+\1+\2\3/; s/-/~/; s/-/./g' ;;
*) echo "0~git$(date -u -d "@$2" +%Y%m%d%H%M%S).$(echo "$1" | tr - .)" ;; # no tag: before all releases
esac
