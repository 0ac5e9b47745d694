#!/bin/sh
# Prints the token of a user of this installation: ./token.sh USER ROLE [TENANT]. Roles are viewer, operator,
# approver and admin. It stands for a token issuer such as Supabase, and needs openssl.
set -eu
cd "$(dirname "$0")"
user=$1 role=$2 tenant=${3:-acme}
part() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
now=$(date +%s)
head=$(printf '{"alg":"HS256","typ":"JWT"}' | part)
body=$(printf '{"iss":"https://compose.fieldgate.example","sub":"%s","aud":"authenticated","iat":%d,"exp":%d,"app_metadata":{"customer_id":"%s","role":"%s"}}' \
	"$user" "$now" "$((now + 3600))" "$tenant" "$role" | part)
signature=$(printf '%s.%s' "$head" "$body" | openssl dgst -sha256 -hmac "$(cat run/jwt-secret)" -binary | part)
printf '%s.%s.%s\n' "$head" "$body" "$signature"
