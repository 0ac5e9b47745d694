-- resolve_identity ends the conflict of a device's instances. A user has decided which one is right.
-- KEYS[1..13]  the device's key set, as store.Device.Keys returns it
-- ARGV[1..5]   the scope, as store.Scope.Args returns it
-- ARGV[6]      the reason
-- ARGV[7]      id of the instance that is right; empty for the newest
-- Returns {"ok", events, now, {field, value...} of the device's record}
-- Refuses with device_not_found, device_decommissioned
-- Guarantees that the device gets the commands that were held. If another of its instances acts
-- again, that is a new conflict. If the device has none, the script changes nothing.
--@include store/base
--@include store/device
--@include store/event
--@include store/reply
--@include in_service
local device = device_at(1, 1)
local reason, keep = ARGV[6], ARGV[7]
local now = clock()

local _, refused = in_service(device)
if refused then
  return refused
end
local current, conflict = read_fields(device.record, 'instance', 'conflict')
if conflict then
  keep = present(keep) or current or ''
  redis.call('HSET', device.record, 'instance', keep)
  redis.call('HDEL', device.record, 'conflict')
  emit(device, now, 'device.identity_resolved', { ready = true, data = { instanceId = keep, reason = present(reason) } })
end
return ok(now, redis.call('HGETALL', device.record))
