-- logout ends a login of a device.
-- KEYS  1 the login's record, 2 the list of the device's logins
-- ARGV  1 hash of the login token, 2 device id
-- Returns {"ok", ""}
-- Guarantees that the token is invalid from then on. Its wake-up ends the waiting claim and
-- the socket of the login at once, on any instance.
--@include store/reply
--@include store/wake
local login_key, logins_key = KEYS[1], KEYS[2]
local token_hash, device_id = ARGV[1], ARGV[2]

if redis.call('DEL', login_key) == 1 then
  wake('logout', device_id, '-', '-')
end
redis.call('LREM', logins_key, 0, token_hash)
return ok()
