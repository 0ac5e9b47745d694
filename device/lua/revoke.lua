-- revoke ends all logins of a device. The device may log in again.
-- KEYS[1..13]  the device's key set, as store.Device.Keys returns it
-- ARGV[1..5]   the scope, as store.Scope.Args returns it
-- ARGV[6]      the reason
-- Returns {"ok", events, now, {field, value...} of the device's record}
-- Refuses with device_not_found, device_decommissioned
-- Guarantees that every earlier login of the device has ended.
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
