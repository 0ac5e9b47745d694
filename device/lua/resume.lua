-- resume reactivates a suspended device.
-- KEYS[1..13]   the device's key set, as store.Device.Keys returns it
-- KEYS[14..17]  the tenant's provisioned, active, suspended and decommissioned devices
-- ARGV[1..5]    the scope, as store.Scope.Args returns it
-- ARGV[6]       the reason
-- Returns {"ok", events, now, {field, value...} of the device's record}
-- Refuses with device_not_found, device_decommissioned
-- Guarantees that a device without a secret becomes provisioned, not active. The logins that the
-- suspension ended stay ended.
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
if status == 'suspended' then
  redis.call('ZREM', suspended_key, device.id)
  if redis.call('HEXISTS', device.record, 'secret') == 1 then
    redis.call('HSET', device.record, 'status', 'active')
    redis.call('ZADD', active_key, 0, device.id)
  else
    redis.call('HSET', device.record, 'status', 'provisioned')
    redis.call('ZADD', provisioned_key, 0, device.id)
  end
  emit(device, now, 'device.resumed', { data = reason_data(reason) })
end
return ok(now, redis.call('HGETALL', device.record))
