-- Opens a login session for a device whose secret was found right.
-- KEYS  1 the device's record, 2 the login's record, 3 the list of its logins
-- ARGV  1 hash of the secret that was found right, 2 hash of the token, 3 ms the
--       login lives unused, 4 ms it lives at most, 5 how many logins a device has
-- Returns {"ok", events, expires, hash of the login that is one too many, or ""},
--       or {code}: invalid_credentials, device_suspended
-- Guarantees that the secret is still the device's, and that the login ends with
-- the epoch in which it was opened.
--@include store/device
local now = clock()

local r = redis.call('HMGET', KEYS[1], 'secret', 'status', 'epoch')
if not r[1] or r[1] ~= ARGV[1] then
  return { 'invalid_credentials' }
elseif r[2] == 'suspended' then
  return { 'device_suspended' }
elseif r[2] ~= 'active' then
  return { 'invalid_credentials' }
end

local ends = now + tonumber(ARGV[4])
local expires = math.min(now + tonumber(ARGV[3]), ends)
redis.call('HSET', KEYS[2], 'epoch', r[3], 'expires', ms(expires), 'ends', ms(ends))
redis.call('PEXPIREAT', KEYS[2], ms(expires))
redis.call('HSET', KEYS[1], 'last_seen', ms(now))
redis.call('RPUSH', KEYS[3], ARGV[2])
redis.call('PEXPIREAT', KEYS[3], ms(ends))
local oldest = ''
if redis.call('LLEN', KEYS[3]) > tonumber(ARGV[5]) then
  oldest = redis.call('LPOP', KEYS[3])
end
return { 'ok', '', expires, oldest }
