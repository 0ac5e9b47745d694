#!/bin/sh
# dpkg calls this with "configure" and the version that was replaced, rpm with the number of versions
# that are then installed. The service is not started before it has settings. A service that does not
# start again does not fail the installation, which would leave the package half-configured.
set -e
case "$1" in
configure | [1-9]) ;;
*) exit 0 ;;
esac
systemd-sysusers @NAME@.conf
[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload
systemctl try-restart @NAME@.service || echo "@NAME@ did not restart: see systemctl status @NAME@" >&2
