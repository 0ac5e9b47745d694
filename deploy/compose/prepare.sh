#!/bin/sh
# Writes what compose.yaml mounts into the directory run beside it: secrets, a certificate for localhost and
# haproxy, and the alerts. What is there already is kept, except the alerts. It needs openssl.
set -eu
cd "$(dirname "$0")"
mkdir -p run
chmod 700 run # the files in it are readable for the users in the containers
umask 022

# random FILE writes a random text of 64 characters without a line break.
random() { [ -s "run/$1" ] || openssl rand -hex 32 | tr -d '\n' > "run/$1"; }
random redis-password
random jwt-secret
random record-key
random grafana-password

# The installation has no replicas and no Sentinels.
digest=$(openssl dgst -sha256 -r run/redis-password | cut -d ' ' -f 1)
sed -e "s/SHA256_OF_THE_PASSWORD_OF_FIELDGATE/$digest/" -e '/^user replica /d' -e '/^user sentinel /d' ../redis.acl > run/redis.acl

if [ ! -s run/gateway.pem ]; then
	openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=fieldgate-compose \
		-addext 'subjectAltName=DNS:localhost,DNS:haproxy,IP:127.0.0.1' \
		-keyout run/key.pem -out run/ca.pem 2>/dev/null
	cat run/ca.pem run/key.pem > run/gateway.pem
	rm run/key.pem
	chmod 644 run/gateway.pem
fi

# The alerts are those of the guide to operations.
awk '/^<!-- alerts -->$/ {found = 1; next} found && /^```$/ {exit} found && !/^```yaml$/' ../../docs/guides/operations.md > run/alerts.yaml
