-- logout ends a login of a device.
-- KEYS[1]  the login's record
-- KEYS[2]  the list of the device's logins
-- ARGV[1]  the hash of the login token
-- ARGV[2]  the id of the device
-- Returns {"ok", ""}
-- Guarantees that the token is invalid once the script has run. The wake-up ends a waiting claim
-- and the socket of the login immediately, on every instance.
--@include store/reply
--@include store/wake
local login_key, logins_key = KEYS[1], KEYS[2]
local token_hash, device_id = ARGV[1], ARGV[2]

if redis.call('DEL', login_key) == 1 then
  wake('logout', device_id, '-', '-')
end
redis.call('LREM', logins_key, 0, token_hash)
return ok()
