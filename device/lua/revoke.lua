-- revoke ends every login of a device. The device may log in again.
-- KEYS  1-13 the device's key set
-- ARGV  1-5 the scope, 6 reason
-- Returns {"ok", events, now, {name, value...}}
-- Refuses with device_not_found, device_decommissioned
-- Guarantees that every login opened before has ended.
--@include store/base
--@include store/device
--@include store/event
--@include store/reply
--@include in_service
local device = device_at(1, 1)
local reason = ARGV[6]
local now = clock()

local _, refused = in_service(device)
if refused then
  return refused
end
redis.call('HINCRBY', device.record, 'epoch', 1)
emit(device, now, 'device.logins_revoked', { data = reason_data(reason) })
return ok(now, redis.call('HGETALL', device.record))
