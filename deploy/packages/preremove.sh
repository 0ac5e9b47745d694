#!/bin/sh
# dpkg calls this with "remove" or "upgrade", rpm with the number of versions that remain.
set -e
case "$1" in
remove | 0) ;;
*) exit 0 ;;
esac
[ -d /run/systemd/system ] || exit 0
systemctl disable --now @NAME@.service
