-- Shuts a device out until it is resumed.
-- KEYS  1-12 the device's key set, 13-16 the tenant's devices that are provisioned,
--       active, suspended and decommissioned
-- ARGV  1-5 the scope, 6 reason
-- Returns {"ok", events, now, {name, value...}}, or {code}: device_not_found,
--       device_decommissioned
-- Guarantees that every login of the device is over. Its session and its commands
-- stay as they are.
--@include store/device
--@include store/event
local device = device_at(1, 1)
local reason = ARGV[6]
local now = clock()

local r = redis.call('HMGET', device.record, 'tenant', 'status')
if r[1] ~= device.tenant then
  return { 'device_not_found' }
elseif r[2] == 'decommissioned' then
  return { 'device_decommissioned' }
end
if r[2] ~= 'suspended' then
  redis.call('HSET', device.record, 'status', 'suspended')
  redis.call('HINCRBY', device.record, 'epoch', 1)
  redis.call('ZREM', KEYS[13], device.id)
  redis.call('ZREM', KEYS[14], device.id)
  redis.call('ZADD', KEYS[15], 0, device.id)
  emit(device, now, 'device.suspended', { data = reason ~= '' and { reason = reason } or nil })
end
return { 'ok', events(), now, redis.call('HGETALL', device.record) }
