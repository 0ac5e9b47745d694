-- reconcile_device updates what a device counts for its timeline, and completes a record that
-- an earlier version wrote.
-- KEYS[1..13]  the device's key set, as store.Device.Keys returns it
-- ARGV[1..5]   the scope, as store.Scope.Args returns it
-- Returns {"ok", events}
-- Guarantees that the device counts towards the stored bytes of its tenant, and that a
-- decommissioned device ends with its retention. The retention of a device that an earlier
-- version decommissioned begins now.
--@include store/base
--@include store/device
--@include store/due
--@include store/reply
--@include size
local device = device_at(1, 1)
local now = clock()

local tenant, status, since, bytes = read_fields(device.record, 'tenant', 'status', 'decommissioned', 'bytes')
if tenant ~= device.tenant then
  return ok()
end
if not bytes then
  recount(device)
end
recount_events(device)
if status == 'decommissioned' and not read_due(device, 'device', device.id) then
  since = tonumber(since or now)
  redis.call('HSET', device.record, 'decommissioned', ms(since))
  set_due(device, 'device', device.id, since + device.retention)
end
return ok()
