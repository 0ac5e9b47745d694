-- login opens a login of a device. The caller has compared the secret with the stored hash.
-- KEYS[1]  the device's record
-- KEYS[2]  the login's record
-- KEYS[3]  the list of the device's logins
-- ARGV[1]  the stored hash with which the caller compared the secret
-- ARGV[2]  the hash of the login token
-- ARGV[3]  lifetime of an unused login, in ms
-- ARGV[4]  maximum lifetime of a login, in ms
-- ARGV[5]  maximum number of logins of a device
-- Returns {"ok", "", expiry of the login, token hash of a login that the caller must end, or ""}
-- Refuses with invalid_credentials, device_suspended
-- Guarantees that the secret has not been replaced since it was compared. The login ends when the
-- device's epoch changes.
--@include store/base
--@include store/reply
local record_key, login_key, logins_key = KEYS[1], KEYS[2], KEYS[3]
local secret_hash, token_hash, idle, lifetime, max_logins =
  ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local now = clock()

local secret, status, epoch = read_fields(record_key, 'secret', 'status', 'epoch')
if not secret or secret ~= secret_hash then
  return refuse('invalid_credentials')
elseif status == 'suspended' then
  return refuse('device_suspended')
elseif status ~= 'active' then
  return refuse('invalid_credentials')
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
