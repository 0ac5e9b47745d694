-- login opens a login of a device whose secret was found to be right.
-- KEYS  1 the device's record, 2 the login's record, 3 the list of the device's logins
-- ARGV  1 hash of the secret that was found to be right, 2 hash of the login token, 3 ms
--       that an unused login lives, 4 ms that any login lives, 5 how many logins a device
--       may have
-- Returns {"ok", "", expires, hash of the token of a login to end, or ""}
-- Refuses with device_suspended, or invalid_credentials with the reason for the log
-- Guarantees that the secret is still the device's, and that the login ends with the epoch
-- in which it was opened.
--@include store/base
--@include store/reply
local record_key, login_key, logins_key = KEYS[1], KEYS[2], KEYS[3]
local secret_hash, token_hash, idle, lifetime, max_logins =
  ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local now = clock()

local secret, status, epoch = read_fields(record_key, 'secret', 'status', 'epoch')
if not secret or secret ~= secret_hash then
  return refuse('invalid_credentials', 'wrong_secret')
elseif status == 'suspended' then
  return refuse('device_suspended')
elseif status ~= 'active' then
  return refuse('invalid_credentials', 'device_inactive')
end

local ends = now + lifetime
local expires = math.min(now + idle, ends)
redis.call('HSET', login_key, 'epoch', epoch, 'expires', ms(expires), 'ends', ms(ends))
redis.call('PEXPIREAT', login_key, ms(expires))
redis.call('HSET', record_key, 'last_seen', ms(now))
redis.call('RPUSH', logins_key, token_hash)
redis.call('PEXPIREAT', logins_key, ms(ends))
local oldest = ''
if redis.call('LLEN', logins_key) > max_logins then
  oldest = redis.call('LPOP', logins_key)
end
return ok(expires, oldest)
