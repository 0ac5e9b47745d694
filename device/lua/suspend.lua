-- suspend disables a device until it is resumed.
-- KEYS[1..13]   the device's key set, as store.Device.Keys returns it
-- KEYS[14..17]  the tenant's provisioned, active, suspended and decommissioned devices
-- ARGV[1..5]    the scope, as store.Scope.Args returns it
-- ARGV[6]       the reason
-- Returns {"ok", events, now, {field, value...} of the device's record}
-- Refuses with device_not_found, device_decommissioned
-- Guarantees that all logins of the device have ended. The session and the commands of the device
-- do not change.
--@include store/base
--@include store/device
--@include store/event
--@include store/reply
--@include in_service
local device = device_at(1, 1)
local provisioned_key, active_key, suspended_key = KEYS[14], KEYS[15], KEYS[16]
local reason = ARGV[6]
local now = clock()

local status, refused = in_service(device)
if refused then
  return refused
end
if status ~= 'suspended' then
  redis.call('HSET', device.record, 'status', 'suspended')
  redis.call('HINCRBY', device.record, 'epoch', 1)
  redis.call('ZREM', provisioned_key, device.id)
  redis.call('ZREM', active_key, device.id)
  redis.call('ZADD', suspended_key, 0, device.id)
  emit(device, now, 'device.suspended', { data = reason_data(reason) })
end
return ok(now, redis.call('HGETALL', device.record))
