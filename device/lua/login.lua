-- login opens a login of a device. The caller has compared the secret with the stored hash.
-- KEYS[1..13]  the device's key set, as store.Device.Keys returns it
-- KEYS[14]     the login's record
-- KEYS[15]     the list of the device's logins
-- KEYS[16]     the stored reply to the registration; only before the first login after it
-- ARGV[1..5]   the scope, as store.Scope.Args returns it
-- ARGV[6]      the stored hash with which the caller compared the secret
-- ARGV[7]      the hash of the login token
-- ARGV[8]      lifetime of an unused login, in ms
-- ARGV[9]      maximum lifetime of a login, in ms
-- ARGV[10]     maximum number of logins of a device
-- ARGV[11]     id of the instance that logs in; may be empty
-- ARGV[12]     address of the device; may be empty
-- ARGV[13]     time from now for which the registration may still be repeated, in ms
-- Returns {"ok", events, expiry of the login, token hash of a login that the caller must end, or ""}
-- Refuses with device_suspended, or with invalid_credentials and the reason for the log
-- Guarantees that the secret has not been replaced since it was compared. The login ends when the
-- device's epoch changes. A second instance of the device is noticed.
--@include store/base
--@include store/device
--@include store/reply
--@include instances
local device = device_at(1, 1)
local login_key, logins_key, registration_key = KEYS[14], KEYS[15], KEYS[16]
local secret_hash, token_hash, idle, lifetime, max_logins =
  ARGV[6], ARGV[7], tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local instance, address, repeat_within = ARGV[11], ARGV[12], tonumber(ARGV[13])
local now = clock()

local secret, status, epoch = read_fields(device.record, 'secret', 'status', 'epoch')
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
if instance ~= '' then
  redis.call('HSET', login_key, 'instance', instance)
end
redis.call('PEXPIREAT', login_key, ms(expires))
note_instance(device, now, instance, address)
if registration_key then
  redis.call('PEXPIRE', registration_key, ms(repeat_within))
  redis.call('HDEL', device.record, 'registration')
end
redis.call('HSET', device.record, 'last_seen', ms(now))
redis.call('RPUSH', logins_key, token_hash)
redis.call('PEXPIREAT', logins_key, ms(ends))
local oldest = ''
if redis.call('LLEN', logins_key) > max_logins then
  oldest = redis.call('LPOP', logins_key)
end
return ok(expires, oldest)
