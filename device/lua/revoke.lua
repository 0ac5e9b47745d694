-- Ends all logins of a device, which may log in again.
-- KEYS  1-12 the device's key set
-- ARGV  1-5 the scope, 6 reason
-- Returns {"ok", events, now, {name, value...}}, or {code}: device_not_found,
--       device_decommissioned
-- Guarantees that every login opened before is over.
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
redis.call('HINCRBY', device.record, 'epoch', 1)
emit(device, now, 'device.logins_revoked', { data = reason ~= '' and { reason = reason } or nil })
return { 'ok', events(), now, redis.call('HGETALL', device.record) }
