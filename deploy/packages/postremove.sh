#!/bin/sh
# The state stays when the package is removed. dpkg --purge deletes it. rpm has no such step. The user
# stays too, so that no other user gets its number and with it the files that it owned.
set -e
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
if [ "$1" = purge ]; then rm -rf /var/lib/@NAME@ /var/lib/private/@NAME@; fi
