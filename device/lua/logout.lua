-- logout ends a login of a device.
-- KEYS  1 the login's record, 2 the list of the device's logins
-- ARGV  1 hash of the login token
-- Returns {"ok", ""}
-- Guarantees that the token is invalid from then on.
--@include store/reply
local login_key, logins_key = KEYS[1], KEYS[2]
local token_hash = ARGV[1]

redis.call('DEL', login_key)
redis.call('LREM', logins_key, 0, token_hash)
return ok()
