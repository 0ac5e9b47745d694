#!/bin/sh
# dpkg calls this with "remove" or "upgrade", rpm with the number of versions that remain. A
# unit that cannot be disabled, such as a masked one, does not prevent the removal.
set -e
case "$1" in
remove | 0) ;;
*) exit 0 ;;
esac
[ -d /run/systemd/system ] || exit 0
systemctl disable --now @NAME@.service || echo "@NAME@ was not stopped: see systemctl status @NAME@" >&2
