-- correct_device corrects the stored bytes of a device and of its tenant.
-- KEYS[1..13]  the device's key set, as store.Device.Keys returns it
-- ARGV[1..5]   the scope, as store.Scope.Args returns it
-- ARGV[6]      number of bytes to add; negative to subtract
-- ARGV[7]      number of corrections before the bytes were added up
-- Returns {"ok", ""}
-- Guarantees that nothing changes for a device that was deleted or corrected meanwhile.
--@include store/base
--@include store/device
--@include store/reply
--@include store/usage
local device = device_at(1, 1)
local bytes = tonumber(ARGV[6])

if redis.call('EXISTS', device.record) == 1 and first_correction(device.record, ARGV[7]) then
  count_bytes(device, bytes)
end
return ok()
