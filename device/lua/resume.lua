-- Lets a suspended device work again.
-- KEYS  1-12 the device's key set, 13-16 the tenant's devices that are provisioned,
--       active, suspended and decommissioned
-- ARGV  1-5 the scope, 6 reason
-- Returns {"ok", events, now, {name, value...}}, or {code}: device_not_found,
--       device_decommissioned
-- Guarantees that a device without a secret is provisioned, not active. Logins
-- that ended stay ended.
--@include store/device
--@include store/event
local device = device_at(1, 1)
local reason = ARGV[6]
local now = clock()

local r = redis.call('HMGET', device.record, 'tenant', 'status', 'secret')
if r[1] ~= device.tenant then
  return { 'device_not_found' }
elseif r[2] == 'decommissioned' then
  return { 'device_decommissioned' }
end
if r[2] == 'suspended' then
  redis.call('HSET', device.record, 'status', r[3] and 'active' or 'provisioned')
  redis.call('ZREM', KEYS[15], device.id)
  redis.call('ZADD', KEYS[r[3] and 14 or 13], 0, device.id)
  emit(device, now, 'device.resumed', { data = reason ~= '' and { reason = reason } or nil })
end
return { 'ok', events(), now, redis.call('HGETALL', device.record) }
